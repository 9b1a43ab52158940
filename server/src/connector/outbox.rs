//! Frames that wait to be written.

use std::collections::VecDeque;

use bytes::{Buf as _, Bytes, BytesMut};

/// Frames in a row, some of whose bytes may have left.
///
/// On a stream all that waits is one run of bytes; on sockets of packets each frame is a packet.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: BytesMut,
    /// The length of each frame, of the first without what has left.
    lengths: VecDeque<usize>,
    /// Has some of the first frame left already?
    is_begun: bool,
}

impl Outbox {
    /// Adds a frame. On a stream an empty one is nothing.
    pub fn push(&mut self, frame: &[u8]) {
        self.bytes.extend_from_slice(frame);
        self.lengths.push_back(frame.len());
    }

    /// All that waits.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The first frame that waits, or what is left of it.
    #[must_use]
    pub fn first(&self) -> Option<&[u8]> {
        self.lengths.front().map(|length| &self.bytes[..*length])
    }

    /// Frames that wait.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.lengths.len()
    }

    /// Does nothing wait?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// So many bytes have left; how many frames have ended with them. Empty frames end with the
    /// bytes before them.
    pub fn advance(&mut self, mut bytes: usize) -> u64 {
        self.bytes.advance(bytes);
        let mut ended = 0;
        while let Some(length) = self.lengths.front_mut() {
            if *length > bytes {
                *length -= bytes;
                self.is_begun |= bytes > 0;
                break;
            }
            bytes -= *length;
            self.lengths.pop_front();
            self.is_begun = false;
            ended += 1;
        }
        ended
    }

    /// The first frame has left as a packet.
    pub fn advance_packet(&mut self) {
        if let Some(length) = self.lengths.pop_front() {
            self.bytes.advance(length);
        }
    }

    /// Takes all that waits.
    pub fn take(&mut self) -> Bytes {
        self.lengths.clear();
        self.is_begun = false;
        self.bytes.split().freeze()
    }

    /// Drops what is left of a frame of which some bytes have left: its beginning is lost, and
    /// nobody could follow its end. Was there one?
    pub fn drop_begun(&mut self) -> bool {
        let is_begun = std::mem::take(&mut self.is_begun);
        if is_begun {
            self.advance_packet();
        }
        is_begun
    }

    /// Drops the oldest frame of which no byte has left.
    pub fn drop_oldest(&mut self) {
        if !self.is_begun {
            self.advance_packet();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox(frames: &[&str]) -> Outbox {
        let mut out = Outbox::default();
        for frame in frames {
            out.push(frame.as_bytes());
        }
        out
    }

    #[test]
    fn bytes_leave_in_any_number() {
        let mut out = outbox(&["ab", "", "cde"]);
        assert_eq!((out.advance(1), out.first()), (0, Some(&b"b"[..])));
        assert_eq!((out.advance(1), out.first()), (2, Some(&b"cde"[..])));
        assert_eq!((out.advance(3), out.is_empty()), (1, true));
    }

    #[test]
    fn a_frame_that_was_begun_is_dropped_and_one_that_was_not_is_kept() {
        let mut out = outbox(&["ab", "cd"]);
        out.advance(1);
        assert!(out.drop_begun());
        assert_eq!(out.bytes(), b"cd");
        assert!(!out.drop_begun());
        assert_eq!(out.bytes(), b"cd");
    }
}
