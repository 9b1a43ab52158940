//! Bytes on their way from one stream to another, a buffer of them at a time.

use std::io::{ErrorKind, Read, Write};

/// What is under way at a time. As large as one write to a unix socket pays off; pages nobody writes
/// to are not resident, so small messages take little.
const BUFFER_BYTES: usize = 256 << 10;

/// One direction of a connection.
pub(crate) struct Passage {
    buffer: Vec<u8>,
    sent: usize,
    filled: usize,
    /// What of the message is still to be read; `None` until its head is whole.
    left: Option<u64>,
}

/// What one read brought.
pub(crate) enum Found {
    /// A message begins, and its head is so long.
    Head(usize),
    /// More of its body.
    Body,
    /// Nothing to pass on yet.
    Nothing,
    End,
}

/// How far one write came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Wrote {
    All,
    /// The socket's buffer is full.
    Part,
    End,
}

impl Passage {
    pub(crate) fn new() -> Self {
        Self { buffer: vec![0; BUFFER_BYTES], sent: 0, filled: 0, left: None }
    }

    /// Does something wait for room in the other socket?
    pub(crate) fn waits(&self) -> bool {
        self.left.is_some() && self.sent < self.filled
    }

    /// Reads once.
    pub(crate) fn read(&mut self, from: &mut impl Read) -> Found {
        match from.read(&mut self.buffer[self.filled..]) {
            // A head that fills the buffer ends here too: there is no room to read into.
            Ok(0) => Found::End,
            Ok(n) => {
                self.filled += n;
                self.account(n)
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => Found::Nothing,
            Err(_) => Found::End,
        }
    }

    /// Writes what was read, once.
    pub(crate) fn write(&mut self, to: &mut impl Write) -> Wrote {
        match to.write(&self.buffer[self.sent..self.filled]) {
            Ok(n) => self.sent += n,
            Err(e) if e.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return Wrote::End,
        }
        if self.sent < self.filled {
            return Wrote::Part;
        }
        (self.sent, self.filled) = (0, 0);
        if self.left == Some(0) {
            self.left = None;
        }
        Wrote::All
    }

    /// How long the body is whose head of `head` bytes was just found.
    pub(crate) fn body_bytes(&self, head: usize) -> u64 {
        (self.filled - head) as u64 + self.left.unwrap_or_default()
    }

    /// Puts another head in the place of the one of `old` bytes; false if it is longer.
    pub(crate) fn replace_head(&mut self, old: usize, new: &[u8]) -> bool {
        let Some(at) = old.checked_sub(new.len()) else { return false };
        self.buffer[at..old].copy_from_slice(new);
        self.sent = at;
        true
    }

    fn account(&mut self, n: usize) -> Found {
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(n as u64);
            return Found::Body;
        }
        let Some((head, body)) = lengths(&self.buffer[..self.filled]) else { return Found::Nothing };
        self.left = Some((head as u64 + body).saturating_sub(self.filled as u64));
        Found::Head(head)
    }
}

/// How long the first message's head and body are, once its head is there.
fn lengths(bytes: &[u8]) -> Option<(usize, u64)> {
    let head = memchr::memmem::find(bytes, b"\r\n\r\n")? + 4;
    let name = b"ontent-";
    let at = memchr::memmem::find_iter(&bytes[..head], name)
        .find(|at| bytes[at + name.len()..head].get(..7).is_some_and(|n| n.eq_ignore_ascii_case(b"length:")));
    let digits = at.map_or(&b""[..], |at| &bytes[at + name.len() + 7..head]);
    let digits = digits.trim_ascii_start().iter().take_while(|b| b.is_ascii_digit());
    Some((head, digits.fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &[u8] = b"POST / HTTP/1.1\r\nContent-Type: a\r\ncontent-length:  5\r\n\r\nhello";

    #[test]
    fn the_length_counts_and_no_other_header() {
        assert_eq!(lengths(SMALL), Some((SMALL.len() - 5, 5)));
        assert_eq!(lengths(b"HTTP/1.1 204 No Content\r\n\r\n"), Some((27, 0)));
        assert_eq!(lengths(b"POST / HTTP/1.1\r\nContent-Length: 5\r\n"), None);
    }

    #[test]
    fn a_message_in_two_parts_waits_for_its_head_only() {
        let mut passage = Passage::new();
        assert!(matches!(passage.read(&mut &SMALL[..20]), Found::Nothing));
        assert!(!passage.waits());
        assert!(matches!(passage.read(&mut &SMALL[20..SMALL.len() - 2]), Found::Head(_)));
        assert!(matches!(passage.read(&mut &SMALL[SMALL.len() - 2..]), Found::Body));
        let mut out = Vec::new();
        assert_eq!(passage.write(&mut out), Wrote::All);
        assert_eq!(out, SMALL);
        assert!(matches!(passage.read(&mut &SMALL[..]), Found::Head(_)), "the next message begins with a head");
    }

    #[test]
    fn what_finds_no_room_waits() {
        let mut passage = Passage::new();
        passage.read(&mut &SMALL[..]);
        let mut room = [0; 10];
        assert_eq!(passage.write(&mut &mut room[..]), Wrote::Part);
        assert!(passage.waits());
        let mut out = Vec::new();
        assert_eq!(passage.write(&mut out), Wrote::All);
        assert_eq!(out, &SMALL[10..]);
    }

    #[test]
    fn a_head_is_replaced_by_a_shorter_one() {
        let mut passage = Passage::new();
        let Found::Head(head) = passage.read(&mut &SMALL[..]) else { panic!("the head is there") };
        assert_eq!(passage.body_bytes(head), 5);
        assert!(passage.replace_head(head, b"short\r\n\r\n"));
        let mut out = Vec::new();
        passage.write(&mut out);
        assert_eq!(out, b"short\r\n\r\nhello");
    }
}
