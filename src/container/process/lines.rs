//! A stream of output, line by line.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::task::JoinHandle;

use crate::container::{LogLine, Stdio};

/// Bytes of one line that reach the log; the rest of the line is dropped. Default 16 KiB.
pub const LINE_BYTES_MAX: usize = 16 << 10;
/// Bytes read at a time.
const CHUNK_BYTES: usize = 16 << 10;

/// Hands each line that comes out of `pipe` to `log`, until everybody has closed its other end.
pub(super) fn follow(pipe: OwnedFd, stdio: Stdio, log: LogLine) -> io::Result<JoinHandle<()>> {
    let mut pipe = pipe::Receiver::from_owned_fd(pipe)?;
    Ok(tokio::spawn(async move {
        let mut lines = Lines::default();
        // Most processes are silent most of the time: there is a buffer only while one speaks.
        while pipe.readable().await.is_ok() {
            let mut chunk = Vec::with_capacity(CHUNK_BYTES);
            match pipe.read_buf(&mut chunk).await {
                Ok(1..) => lines.feed(&chunk, |line| log(stdio, line)),
                Ok(0) | Err(_) => break,
            }
        }
        lines.end(|line| log(stdio, line));
    }))
}

/// Cuts bytes into lines, each without its line feed and a carriage return before that.
#[derive(Debug, Default)]
struct Lines {
    /// The beginning of a line whose end has not come yet, at most [`LINE_BYTES_MAX`].
    begun: Vec<u8>,
}

impl Lines {
    fn feed(&mut self, mut bytes: &[u8], mut line: impl FnMut(&[u8])) {
        while let Some(at) = bytes.iter().position(|b| *b == b'\n') {
            let (head, rest) = bytes.split_at(at);
            bytes = &rest[1..];
            if self.begun.is_empty() {
                line(trimmed(&head[..head.len().min(LINE_BYTES_MAX)]));
            } else {
                self.add(head);
                line(trimmed(&self.begun));
                self.begun.clear();
            }
        }
        self.add(bytes);
    }

    /// What was begun is a line too.
    fn end(self, line: impl FnOnce(&[u8])) {
        if !self.begun.is_empty() {
            line(trimmed(&self.begun));
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        let room = LINE_BYTES_MAX - self.begun.len();
        self.begun.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

fn trimmed(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        let mut lines = Lines::default();
        for piece in pieces {
            lines.feed(piece, |line| all.push(line.to_vec()));
        }
        lines.end(|line| all.push(line.to_vec()));
        all
    }

    #[test]
    fn lines_are_the_same_however_they_come() {
        let text = b"one\n\ntwo\r\nthree";
        let expected = [&b"one"[..], b"", b"two", b"three"];
        assert_eq!(lines([&text[..]]), expected);
        assert_eq!(lines(text.chunks(1)), expected);
        for at in 0..text.len() {
            assert_eq!(lines([&text[..at], &text[at..]]), expected, "{at}");
        }
    }

    #[test]
    fn a_long_line_is_cut_and_the_next_is_whole() {
        let mut text = vec![b'x'; 3 * LINE_BYTES_MAX];
        text.extend_from_slice(b"\nnext\n");
        let expected = [vec![b'x'; LINE_BYTES_MAX], b"next".to_vec()];
        assert_eq!(lines([&text[..]]), expected);
        assert_eq!(lines(text.chunks(1000)), expected);
    }
}
