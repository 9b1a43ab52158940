//! The yardstick `floor`: the least that a front and a function can do for a call.
//!
//! ```text
//! floor front ADDRESS SOCKET     from TCP to the socket and back
//! floor function SOCKET          gives each request's body back
//! ```
//!
//! Both find where a message ends, by its `Content-Length` and nothing else, and pass it on in one
//! write. One thread, one epoll, a connection to the function for each client's. No heads are read,
//! nothing is checked, timed, counted or bounded: what a call costs here is the kernel's price for
//! four messages, and whatever a real front takes beyond it is that front's own.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};

use anyhow::{Context, Result, bail};
use rustix::event::epoll;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match &args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["front", address, socket] => front(address, socket),
        ["function", socket] => function(socket),
        _ => bail!("try `floor front 127.0.0.1:8081 /tmp/f.sock` or `floor function /tmp/f.sock`"),
    }
}

/// What both kinds of connection are here.
trait Peer: Read + Write + AsFd {}
impl<T: Read + Write + AsFd> Peer for T {}

/// Bytes of one message, read until it is whole.
struct Line {
    peer: Box<dyn Peer>,
    buffer: Vec<u8>,
    filled: usize,
}

/// What reading found.
enum Found {
    /// A message of so many bytes.
    Message(usize),
    Nothing,
    End,
}

impl Line {
    fn new(peer: impl Peer + 'static) -> Self {
        Self { peer: Box::new(peer), buffer: vec![0; 64 << 10], filled: 0 }
    }

    fn read(&mut self) -> Found {
        if self.filled == self.buffer.len() {
            self.buffer.resize(self.filled * 2, 0);
        }
        match self.peer.read(&mut self.buffer[self.filled..]) {
            Ok(0) => Found::End,
            Ok(n) => {
                self.filled += n;
                match message(&self.buffer[..self.filled]) {
                    Some(end) if end <= self.filled => Found::Message(end),
                    _ => Found::Nothing,
                }
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => Found::Nothing,
            Err(_) => Found::End,
        }
    }

    /// The messages here are smaller than a socket's buffer, and only one is under way.
    fn write(&mut self, bytes: &[u8]) -> bool {
        self.peer.write(bytes).is_ok_and(|n| n == bytes.len())
    }
}

/// Where the first message ends, once its head is there.
fn message(bytes: &[u8]) -> Option<usize> {
    let head = memchr::memmem::find(bytes, b"\r\n\r\n")? + 4;
    let name = b"ontent-";
    let at = memchr::memmem::find_iter(&bytes[..head], name)
        .find(|at| bytes[at + name.len()..head].get(..7).is_some_and(|n| n.eq_ignore_ascii_case(b"length:")));
    let digits = at.map_or(&b""[..], |at| &bytes[at + name.len() + 7..head]);
    let digits = digits.trim_ascii_start().iter().take_while(|b| b.is_ascii_digit());
    Some(head + digits.fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0')))
}

const LISTENER: u64 = u64::MAX;

fn front(address: &str, socket: &str) -> Result<()> {
    let listener = TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
    let mut pairs = HashMap::new();
    let mut made = 0;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    watch(&epoll, &listener, LISTENER)?;
    each_event(&epoll, |token| {
        if token == LISTENER {
            let (client, _) = listener.accept()?;
            client.set_nodelay(true)?;
            client.set_nonblocking(true)?;
            let function = UnixStream::connect(socket).with_context(|| format!("cannot connect to {socket}"))?;
            function.set_nonblocking(true)?;
            watch(&epoll, &client, made * 2)?;
            watch(&epoll, &function, made * 2 + 1)?;
            pairs.insert(made, (Line::new(client), Line::new(function)));
            made += 1;
            return Ok(());
        }
        let Some((client, function)) = pairs.get_mut(&(token / 2)) else { return Ok(()) };
        let (from, to) = if token % 2 == 0 { (client, function) } else { (function, client) };
        if !pass(from, to) {
            pairs.remove(&(token / 2));
        }
        Ok(())
    })
}

/// Passes one message on; false at the end.
fn pass(from: &mut Line, to: &mut Line) -> bool {
    match from.read() {
        Found::Nothing => true,
        Found::End => false,
        Found::Message(end) => {
            from.filled = 0;
            to.write(&from.buffer[..end])
        }
    }
}

fn function(socket: &str) -> Result<()> {
    let listener = UnixListener::bind(socket).with_context(|| format!("cannot listen on {socket}"))?;
    let mut lines = HashMap::new();
    let mut made = 0;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    watch(&epoll, &listener, LISTENER)?;
    let mut answer = Vec::new();
    each_event(&epoll, |token| {
        if token == LISTENER {
            let (stream, _) = listener.accept()?;
            stream.set_nonblocking(true)?;
            watch(&epoll, &stream, made)?;
            lines.insert(made, Line::new(stream));
            made += 1;
            return Ok(());
        }
        let Some(line) = lines.get_mut(&token) else { return Ok(()) };
        let alive = match line.read() {
            Found::Nothing => true,
            Found::End => false,
            Found::Message(end) => {
                let head = memchr::memmem::find(&line.buffer, b"\r\n\r\n").context("a message has a head")? + 4;
                answer.clear();
                write!(
                    answer,
                    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n",
                    end - head
                )?;
                answer.extend_from_slice(&line.buffer[head..end]);
                line.filled = 0;
                line.write(&answer)
            }
        };
        if !alive {
            lines.remove(&token);
        }
        Ok(())
    })
}

fn watch(epoll: &impl AsFd, fd: &impl AsFd, token: u64) -> Result<()> {
    let data = epoll::EventData::new_u64(token);
    Ok(epoll::add(epoll, fd, data, epoll::EventFlags::IN)?)
}

fn each_event(epoll: &impl AsFd, mut on: impl FnMut(u64) -> Result<()>) -> Result<()> {
    let mut events = Vec::with_capacity(256);
    loop {
        events.clear();
        match epoll::wait(epoll, rustix::buffer::spare_capacity(&mut events), None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
        for event in &events {
            on(event.data.u64())?;
        }
    }
}
