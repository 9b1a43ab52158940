//! What a command printed, within bounds: the first half of what is kept and the last.
//!
//! Both its start and its last words matter, so what goes is the middle. A capture also knows where
//! in the stream its bytes were: whoever follows it from a position gets what came since, and is
//! told how much was gone before it could be read. So any number of readers, however slow, cost
//! nothing but the capture itself, and the command never waits for one.

use std::collections::VecDeque;

/// The bytes kept of one stream.
#[derive(Debug)]
pub(super) struct Capture {
    half: usize,
    head: Vec<u8>,
    /// Ends where the stream does.
    tail: VecDeque<u8>,
    total: u64,
}

/// What followed a position.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Since {
    /// Bytes that are gone.
    pub(super) lost: u64,
    pub(super) bytes: Vec<u8>,
}

impl Capture {
    /// Keeps at most `max` bytes.
    pub(super) fn new(max: usize) -> Self {
        Self { half: max / 2, head: Vec::new(), tail: VecDeque::new(), total: 0 }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let room = self.half - self.head.len();
        let (first, rest) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(first);
        let rest = &rest[rest.len().saturating_sub(self.half)..];
        let excess = (self.tail.len() + rest.len()).saturating_sub(self.half);
        self.tail.drain(..excess);
        self.tail.extend(rest);
    }

    /// How many are held.
    pub(super) fn held(&self) -> usize {
        self.head.len() + self.tail.len()
    }

    /// Are some of them gone?
    pub(super) fn is_truncated(&self) -> bool {
        self.total > self.held() as u64
    }

    /// All that is kept, with a line in the place of what is not.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let gone = self.total - self.held() as u64;
        let (front, back) = self.tail.as_slices();
        let marker = if gone == 0 { String::new() } else { format!("\n… {gone} bytes left out …\n") };
        [&self.head, marker.as_bytes(), front, back].concat()
    }

    /// What came after the first `position` bytes, of one half at most.
    pub(super) fn since(&self, position: u64) -> Since {
        let head = self.head.len() as u64;
        if position < head {
            let from = usize::try_from(position).expect("it is below a length");
            return Since { lost: 0, bytes: self.head[from..].to_vec() };
        }
        let first = self.total - self.tail.len() as u64;
        let from = usize::try_from(position.saturating_sub(first)).unwrap_or(usize::MAX).min(self.tail.len());
        Since { lost: first.saturating_sub(position), bytes: self.tail.range(from..).copied().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(max: usize, pieces: &[&str]) -> Capture {
        let mut capture = Capture::new(max);
        pieces.iter().for_each(|piece| capture.push(piece.as_bytes()));
        capture
    }

    fn check(pieces: &[&str], expected: &str) {
        let capture = of(8, pieces);
        assert_eq!(String::from_utf8(capture.bytes()).unwrap(), expected, "{pieces:?}");
        assert_eq!(capture.is_truncated(), expected.contains('…'));
        assert!(capture.held() <= 8 && capture.tail.capacity() <= 16);
    }

    #[test]
    fn the_first_half_and_the_last_are_kept() {
        check(&[], "");
        check(&["abc"], "abc");
        check(&["abc", "defgh"], "abcdefgh");
        check(&["abcdefghi"], "abcd\n… 1 bytes left out …\nfghi");
        check(&["ab", "cdefgh", "ijklmnopqrstuv", "wxyz"], "abcd\n… 18 bytes left out …\nwxyz");
        let letters: Vec<String> = ('a'..='z').map(String::from).collect();
        let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
        check(&letters, "abcd\n… 18 bytes left out …\nwxyz");
    }

    #[test]
    fn a_follower_gets_each_byte_once_and_is_told_what_it_missed() {
        let mut capture = Capture::new(8);
        let mut position = 0;
        let mut follow = |capture: &Capture| {
            let since = capture.since(position);
            position += since.lost + since.bytes.len() as u64;
            (since.lost, String::from_utf8(since.bytes).unwrap())
        };
        capture.push(b"ab");
        assert_eq!(follow(&capture), (0, "ab".to_owned()));
        assert_eq!(follow(&capture), (0, String::new()));
        capture.push(b"cdef");
        assert_eq!(follow(&capture), (0, "cd".to_owned()));
        assert_eq!(follow(&capture), (0, "ef".to_owned()));
        capture.push(b"ghijklm");
        assert_eq!(follow(&capture), (3, "jklm".to_owned()));
        assert_eq!(follow(&capture), (0, String::new()));
    }
}
