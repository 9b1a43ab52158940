//! What goes over the wire: a request, written as far as there is room, and an answer, read to its end.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::SocketAddr;

/// Bytes of a body are these, over and over.
static PATTERN: [u8; 256 << 10] = [b'x'; 256 << 10];
/// Headers an answer may have.
const HEADERS_MAX: usize = 64;

/// A request, ready to be sent any number of times.
#[derive(Debug)]
pub(crate) struct Request {
    head: Vec<u8>,
    body_bytes: u64,
}

/// One call's bytes: what is still to be written and read.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    head_sent: usize,
    body_sent: u64,
    answer: Answer,
}

#[derive(Debug)]
enum Answer {
    Head(Vec<u8>),
    Body { status: u16, left: u64 },
}

impl Default for Answer {
    fn default() -> Self {
        Self::Head(Vec::new())
    }
}

impl Request {
    /// A post of `body`, or else of `bytes` bytes.
    pub(crate) fn new(address: SocketAddr, path: &str, bytes: u64, body: Option<&str>) -> Self {
        let (body, body_bytes) = body.map_or(("", bytes), |body| (body, 0));
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
            body.len() as u64 + body_bytes,
        );
        Self { head: head.into_bytes(), body_bytes }
    }
}

impl Exchange {
    /// Is all of `request` written?
    pub(crate) fn sent(&self, request: &Request) -> bool {
        self.head_sent == request.head.len() && self.body_sent == request.body_bytes
    }

    /// Writes until there is no room, or nothing to write.
    pub(crate) fn write(&mut self, request: &Request, to: &mut impl Write) -> io::Result<()> {
        while !self.sent(request) {
            let head = &request.head[self.head_sent..];
            let left = usize::try_from(request.body_bytes - self.body_sent).unwrap_or(PATTERN.len());
            let body = &PATTERN[..left.min(PATTERN.len())];
            match to.write_vectored(&[IoSlice::new(head), IoSlice::new(body)]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => {
                    self.head_sent += n.min(head.len());
                    self.body_sent += n.saturating_sub(head.len()) as u64;
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Reads until nothing is there or the answer is whole; its status then. `buffer` is memory to
    /// read into.
    pub(crate) fn read(&mut self, from: &mut impl Read, buffer: &mut [u8]) -> io::Result<Option<u16>> {
        loop {
            let n = match from.read(buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(n) => n,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(e) => return Err(e),
            };
            if let Some(status) = self.take(&buffer[..n])? {
                return Ok(Some(status));
            }
            // A short read has emptied the socket.
            if n < buffer.len() {
                return Ok(None);
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) -> io::Result<Option<u16>> {
        match &mut self.answer {
            Answer::Body { left, .. } => *left = left.checked_sub(bytes.len() as u64).ok_or_else(surplus)?,
            Answer::Head(head) if head.is_empty() => self.begin(bytes, Vec::new())?,
            Answer::Head(head) => {
                let mut whole = std::mem::take(head);
                whole.extend_from_slice(bytes);
                self.begin(&whole, whole.clone())?;
            }
        }
        Ok(match self.answer {
            Answer::Body { status, left: 0 } => Some(status),
            _ => None,
        })
    }

    /// Reads the head in `bytes`, or keeps them, as `kept` if that has them, until it is whole.
    fn begin(&mut self, bytes: &[u8], kept: Vec<u8>) -> io::Result<()> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut response = httparse::Response::new(&mut headers);
        let status = response.parse(bytes).map_err(|e| wrong(format!("answer is not HTTP: {e}")))?;
        let httparse::Status::Complete(head) = status else {
            self.answer = Answer::Head(if kept.is_empty() { bytes.to_vec() } else { kept });
            return Ok(());
        };
        let length = response.headers.iter().find(|h| h.name.eq_ignore_ascii_case("content-length"));
        let length = length.and_then(|h| std::str::from_utf8(h.value).ok()?.trim().parse::<u64>().ok());
        let length = length.ok_or_else(|| wrong("answer has no Content-Length".to_owned()))?;
        let left = length.checked_sub((bytes.len() - head) as u64).ok_or_else(surplus)?;
        self.answer = Answer::Body { status: response.code.unwrap_or_default(), left };
        Ok(())
    }
}

fn surplus() -> io::Error {
    wrong("answer is longer than its Content-Length".to_owned())
}

fn wrong(what: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 5\r\n\r\nhello";

    #[test]
    fn a_request_is_written_in_any_number_of_parts() {
        let request = Request::new(([127, 0, 0, 1], 1).into(), "/f", 0, Some("hi"));
        let mut exchange = Exchange::default();
        let mut out = Vec::new();
        while !exchange.sent(&request) {
            let mut room = [0; 7];
            let before = exchange.head_sent;
            // A full slice takes nothing more, which is an error; the rest goes into the next one.
            let _ = exchange.write(&request, &mut &mut room[..]);
            out.extend_from_slice(&room[..exchange.head_sent - before]);
        }
        assert!(out.ends_with(b"Content-Length: 2\r\n\r\nhi"));
    }

    #[test]
    fn an_answer_is_read_in_any_split() {
        for split in 0..ANSWER.len() {
            let mut exchange = Exchange::default();
            assert_eq!(exchange.take(&ANSWER[..split]).unwrap(), None);
            assert_eq!(exchange.take(&ANSWER[split..]).unwrap(), Some(200), "split at {split}");
        }
    }

    #[test]
    fn an_answer_has_a_length_and_keeps_to_it() {
        assert!(Exchange::default().take(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(Exchange::default().take(&[ANSWER, b"!"].concat()).is_err());
        assert!(Exchange::default().take(b"220 smtp.example\r\n\r\n").is_err());
    }
}
