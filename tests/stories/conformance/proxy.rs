//! An agent that breaks one rule: a real one, and in front of it somebody who changes what is said.
//!
//! The harness asks a witness behind the agent what it saw. So whatever an agent can do wrong can be
//! made to look as if it had been done, in the witness's account or in the answer around it.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

use serde_json::Value;

/// What passed: a request, and its answer on the way back.
#[derive(Debug, Default)]
pub(super) struct Passage {
    /// `POST /invoke/…`.
    pub(super) asked: String,
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// What is changed.
pub(super) type Lie = fn(&mut Passage);

impl Passage {
    /// Changes a member of a JSON body.
    pub(super) fn set(&mut self, member: &str, value: impl Into<Value>) {
        self.edit(|body| body[member] = value.into());
    }

    /// Changes a JSON body, if it is one.
    pub(super) fn edit(&mut self, edit: impl FnOnce(&mut Value)) {
        if let Ok(mut body) = serde_json::from_slice::<Value>(&self.body) {
            edit(&mut body);
            self.body = body.to_string().into_bytes();
        }
    }

    /// Changes the headers that the witness saw.
    pub(super) fn seen(&mut self, edit: impl FnOnce(&mut Vec<(String, String)>)) {
        self.edit(|body| {
            if let Ok(mut headers) = serde_json::from_value(body["headers"].clone()) {
                edit(&mut headers);
                body["headers"] = serde_json::to_value(headers).expect("texts are JSON");
            }
        });
    }

    /// Changes the document that the witness read.
    pub(super) fn document(&mut self, edit: impl FnOnce(&str) -> String) {
        self.edit(|body| {
            if let Some(text) = body["document"].as_str() {
                body["document"] = edit(text).into();
            }
        });
    }

    /// Is it a call?
    pub(super) fn is_call(&self) -> bool {
        self.asked.contains(" /invoke/") || self.asked.contains(" /t/")
    }
}

/// Somebody in front of `agent` who tells `lie` in every answer, for as long as the test lives.
pub(super) fn in_front_of(agent: SocketAddr, lie: Lie) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    let address = listener.local_addr().expect("a listener has an address");
    thread::spawn(move || {
        for caller in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || pass(caller, agent, lie));
        }
    });
    address
}

/// One request, its answer, and the end of the connection.
fn pass(caller: TcpStream, agent: SocketAddr, lie: Lie) -> io::Result<()> {
    let mut to_agent = TcpStream::connect(agent)?;
    let (mut from_caller, mut to_them) = (caller.try_clone()?, to_agent.try_clone()?);
    let mut first = vec![0; 64 << 10];
    let read = from_caller.read(&mut first)?;
    first.truncate(read);
    let asked = String::from_utf8_lossy(&first).lines().next().unwrap_or_default().to_owned();
    to_agent.write_all(&first)?;
    // The rest of the request goes by as it comes, and that its sender leaves.
    thread::spawn(move || io::copy(&mut from_caller, &mut to_them).and_then(|_| to_them.shutdown(Shutdown::Write)));
    let mut passage = Passage { asked, ..Passage::default() };
    answer(&mut to_agent, &mut passage)?;
    lie(&mut passage);
    let written = write(&caller, &passage);
    let _ = to_agent.shutdown(Shutdown::Both);
    let _ = caller.shutdown(Shutdown::Both);
    written
}

/// Reads an answer; one that is cut counts as what came of it.
fn answer(from: &mut TcpStream, passage: &mut Passage) -> io::Result<()> {
    let mut bytes = Vec::new();
    let mut piece = [0; 16 << 10];
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        match from.read(&mut piece)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => bytes.extend_from_slice(&piece[..read]),
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let mut lines = text.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
    passage.status = status.unwrap_or_default();
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        passage.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut body = bytes.split_off(head + 4);
    // An answer to HEAD says how long another's would be.
    let length = match passage.asked.starts_with("HEAD ") {
        true => Some(0),
        false => passage.headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, n)| n.parse().ok()),
    };
    let whole = |body: &[u8]| match length {
        Some(length) => body.len() >= length,
        None => passage.status == 204 || passage.status == 304 || body.ends_with(b"0\r\n\r\n"),
    };
    while !whole(&body) {
        match from.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(read) => body.extend_from_slice(&piece[..read]),
        }
    }
    passage.body = if length.is_none() { unchunked(&body) } else { body };
    passage.headers.retain(|(name, _)| !["content-length", "transfer-encoding", "connection"].contains(&name.as_str()));
    Ok(())
}

fn unchunked(mut chunks: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = chunks.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(&String::from_utf8_lossy(&chunks[..end]), 16).unwrap_or(0);
        let from = end + 2;
        let to = (from + size).min(chunks.len());
        body.extend_from_slice(&chunks[from.min(to)..to]);
        chunks = chunks.get(to + 2..).unwrap_or_default();
    }
    body
}

fn write(mut to: &TcpStream, passage: &Passage) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {} Passed On\r\nConnection: close\r\n", passage.status);
    if passage.status != 204 {
        head.push_str(&format!("Content-Length: {}\r\n", passage.body.len()));
    }
    for (name, value) in &passage.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    to.write_all(&[head.as_bytes(), b"\r\n", &passage.body].concat())
}
