//! A stream of output, line by line.
//!
//! What a function prints must not make it wait, and must not keep the thread that reads it from the
//! calls of others. So one turn takes a bounded piece, and then everybody else has theirs.
//! Beyond the log's bound there is nothing left to gain from reading: what only comes to be dropped is
//! read with a rest after each turn, the pipe fills, and a flood costs the one who makes it.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::task::JoinHandle;

use crate::container::{Heard, LogLine, Stdio};

/// Bytes of one line that reach the log; the rest of the line is dropped. Default 16 KiB.
pub const LINE_BYTES_MAX: usize = 16 << 10;
/// Bytes read in one turn: a tenth of a millisecond's work, if the lines are short.
pub(super) const TURN_BYTES: usize = 16 << 10;
/// The rest after a turn that was read in vain: a flood comes to some 8 MB/s.
const REST: Duration = Duration::from_millis(2);

/// Hands each line that comes out of `pipe` to `log`, until everybody has closed its other end. It is a pipe, and does
/// not block.
pub(super) fn follow(pipe: OwnedFd, stdio: Stdio, log: LogLine) -> io::Result<JoinHandle<()>> {
    let mut pipe = pipe::Receiver::from_owned_fd_unchecked(pipe)?;
    Ok(tokio::spawn(async move {
        let mut lines = Lines::default();
        // Most processes are silent most of the time: there is a buffer only while one speaks.
        while pipe.readable().await.is_ok() {
            let mut turn = Vec::with_capacity(TURN_BYTES);
            let Ok(1..) = pipe.read_buf(&mut turn).await else { break };
            let heard = lines.feed(&turn, |line| log(stdio, line));
            drop(turn);
            rest(heard).await;
        }
        lines.end(|line| log(stdio, line));
    }))
}

/// What comes between two turns.
pub(super) async fn rest(heard: Heard) {
    match heard {
        Heard::Dropped => tokio::time::sleep(REST).await,
        Heard::Kept => tokio::task::yield_now().await,
    }
}

/// Cuts bytes into lines, each without its line feed and a carriage return before that.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The beginning of a line whose end has not come yet, at most [`LINE_BYTES_MAX`].
    begun: Vec<u8>,
}

impl Lines {
    /// Says what became of the last line that ended in `bytes`; if none did, of `bytes`.
    pub(super) fn feed(&mut self, mut bytes: &[u8], mut line: impl FnMut(&[u8]) -> Heard) -> Heard {
        let mut heard = None;
        while let Some(at) = memchr::memchr(b'\n', bytes) {
            let (head, rest) = bytes.split_at(at);
            bytes = &rest[1..];
            if self.begun.is_empty() {
                heard = Some(line(trimmed(&head[..head.len().min(LINE_BYTES_MAX)])));
            } else {
                self.add(head);
                heard = Some(line(trimmed(&self.begun)));
                self.begun.clear();
            }
        }
        let begun = self.add(bytes);
        heard.unwrap_or(begun)
    }

    /// What was begun is a line too.
    pub(super) fn end(self, line: impl FnOnce(&[u8]) -> Heard) {
        if !self.begun.is_empty() {
            line(trimmed(&self.begun));
        }
    }

    fn add(&mut self, bytes: &[u8]) -> Heard {
        let room = LINE_BYTES_MAX - self.begun.len();
        self.begun.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if room == 0 { Heard::Dropped } else { Heard::Kept }
    }
}

fn trimmed(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(all: &mut Vec<Vec<u8>>, line: &[u8]) -> Heard {
        all.push(line.to_vec());
        Heard::Kept
    }

    fn lines<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        let mut lines = Lines::default();
        for piece in pieces {
            lines.feed(piece, |line| keep(&mut all, line));
        }
        lines.end(|line| keep(&mut all, line));
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

    #[test]
    fn bytes_are_in_vain_once_nobody_keeps_their_lines_or_their_line_is_full() {
        let mut lines = Lines::default();
        let mut feed = |bytes: &[u8], heard| lines.feed(bytes, |_| heard);
        assert_eq!(feed(b"one\ntwo\nthr", Heard::Kept), Heard::Kept);
        assert_eq!(feed(b"ee", Heard::Dropped), Heard::Kept, "whether it is dropped is not known yet");
        assert_eq!(feed(b"\nfour\nfi", Heard::Dropped), Heard::Dropped);
        assert_eq!(feed(&[b'x'; LINE_BYTES_MAX], Heard::Kept), Heard::Kept);
        assert_eq!(feed(b"x", Heard::Kept), Heard::Dropped);
        assert_eq!(feed(b"\n", Heard::Kept), Heard::Kept);
    }
}
