//! The function that an agent is tested with: it tells what it saw on the wire, and misbehaves on
//! command.
//!
//! It speaks every format without any kit, for most of what it is told to do no kit would. A call
//! whose body begins with a line `witness` is a list of steps; any other is answered with what was
//! seen of it ([`Sight`]). `WITNESS_START` in its environment says how to announce the socket.

mod sight;
mod start;
mod stdio;
mod steps;
mod surroundings;

use std::io::{self, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, thread};

use bytes::BytesMut;

use crate::wire::incoming;

pub(crate) use self::sight::{Sight, checksum};
pub(crate) use self::surroundings::Surroundings;

/// Calls it works on at this moment, and the most it ever did.
static TOGETHER: AtomicUsize = AtomicUsize::new(0);
static TOGETHER_MAX: AtomicUsize = AtomicUsize::new(0);

/// Serves as its environment says, until the process is ended: a program's whole `main`.
#[must_use]
pub fn witness() -> ExitCode {
    match env::var("FN_FORMAT").as_deref() {
        Ok(format @ ("cloudevent" | "default" | "http" | "json")) => stdio::serve(format),
        _ => serve(),
    }
}

fn serve() -> ExitCode {
    let listener = match start::listener() {
        Ok(Some(listener)) => listener,
        Ok(None) => return ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("witness cannot listen: {e}");
            return ExitCode::FAILURE;
        }
    };
    let ended = if start::is_single() { one_at_a_time(&listener) } else { all_at_once(&listener) };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("witness cannot accept: {e}");
            ExitCode::FAILURE
        }
    }
}

fn all_at_once(listener: &UnixListener) -> io::Result<()> {
    for (number, stream) in listener.incoming().enumerate() {
        let stream = stream?;
        thread::spawn(move || converse(stream, number));
    }
    Ok(())
}

/// The next connection is accepted when the one before is closed, and then late.
fn one_at_a_time(listener: &UnixListener) -> io::Result<()> {
    for number in 0.. {
        thread::sleep(start::LATE);
        converse(listener.accept()?.0, number);
    }
    Ok(())
}

/// One call after another on a connection.
fn converse(mut stream: UnixStream, connection: usize) {
    let mut kept = BytesMut::new();
    while let Ok(Some((head, body))) = incoming(&mut stream, &mut kept) {
        let together = TOGETHER.fetch_add(1, Ordering::SeqCst) + 1;
        TOGETHER_MAX.fetch_max(together, Ordering::SeqCst);
        let sight = Sight::of(&head, &body, connection, TOGETHER_MAX.load(Ordering::SeqCst));
        let done = steps::follow(&mut stream, &body, &sight);
        TOGETHER.fetch_sub(1, Ordering::SeqCst);
        if done.is_err() {
            return;
        }
    }
}

/// Where an answer goes, and how it looks there.
trait Voice: io::Write {
    /// A good answer.
    fn answer(&mut self, body: &[u8]) -> io::Result<()>;
}

impl Voice for UnixStream {
    fn answer(&mut self, body: &[u8]) -> io::Result<()> {
        self.write_all(&http_answer(body))
    }
}

fn http_answer(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/x-witness\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}
