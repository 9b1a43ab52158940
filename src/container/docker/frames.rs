//! Docker's way to carry two streams in one.
//!
//! ```text
//! 01 00 00 00  00 00 00 05  h e l l o      1: standard output, 2: standard error; then the length
//! 02 00 00 00  00 00 00 03  o h !
//! ```
//!
//! The decoder keeps nothing but a header it has seen a part of: what a frame carries is handed on in
//! the pieces it comes in, so the length of a frame has no bound and costs nothing.

use crate::container::Stdio;

/// A header's bytes.
const HEADER_BYTES: usize = 8;

/// Takes the streams apart, however they are cut.
#[derive(Debug, Default)]
pub struct Frames {
    header: [u8; HEADER_BYTES],
    /// How much of it has come; all of it while its frame comes.
    header_bytes: usize,
    /// Bytes of the frame that are still to come.
    left: usize,
}

/// What comes is not in frames.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the engine sent a frame of stream {0}, which there is not")]
pub struct Unframed(pub u8);

impl Frames {
    /// Hands each piece of a stream that is in `bytes` to `piece`.
    ///
    /// # Errors
    /// When a header names no stream. Nothing that follows makes sense then.
    pub fn feed(&mut self, mut bytes: &[u8], mut piece: impl FnMut(Stdio, &[u8])) -> Result<(), Unframed> {
        loop {
            if self.header_bytes < HEADER_BYTES {
                let (head, rest) = bytes.split_at(bytes.len().min(HEADER_BYTES - self.header_bytes));
                self.header[self.header_bytes..self.header_bytes + head.len()].copy_from_slice(head);
                self.header_bytes += head.len();
                bytes = rest;
                if self.header_bytes < HEADER_BYTES {
                    return Ok(());
                }
                let [_, _, _, _, length @ ..] = self.header;
                self.left = u32::from_be_bytes(length) as usize;
            }
            let stdio = match self.header[0] {
                1 => Stdio::Out,
                2 => Stdio::Err,
                other => return Err(Unframed(other)),
            };
            let (now, rest) = bytes.split_at(bytes.len().min(self.left));
            if !now.is_empty() {
                piece(stdio, now);
            }
            self.left -= now.len();
            bytes = rest;
            if self.left > 0 {
                return Ok(());
            }
            self.header_bytes = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(stream: u8, bytes: &[u8]) -> Vec<u8> {
        let mut frame = vec![stream, 0, 0, 0];
        frame.extend_from_slice(&u32::try_from(bytes.len()).unwrap().to_be_bytes());
        frame.extend_from_slice(bytes);
        frame
    }

    /// All of either stream.
    fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<[Vec<u8>; 2], Unframed> {
        let (mut frames, mut all) = (Frames::default(), [Vec::new(), Vec::new()]);
        for piece in pieces {
            frames.feed(piece, |stdio, bytes| all[usize::from(stdio == Stdio::Err)].extend_from_slice(bytes))?;
        }
        Ok(all)
    }

    #[test]
    fn streams_are_the_same_however_they_come() {
        let wire = [frame(1, b"hello"), frame(2, b""), frame(2, b"oh!"), frame(1, b" you")].concat();
        let expected = Ok([b"hello you".to_vec(), b"oh!".to_vec()]);
        assert_eq!(read([&wire[..]]), expected);
        assert_eq!(read(wire.chunks(1)), expected, "byte by byte");
        for at in 0..wire.len() {
            assert_eq!(read([&wire[..at], &wire[at..]]), expected, "{at}");
        }
    }

    #[test]
    fn a_frame_of_any_length_is_handed_on_as_it_comes() {
        let mut frames = Frames::default();
        let mut heard = 0;
        frames.feed(&[1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], |_, _| panic!("nothing came")).unwrap();
        frames.feed(b"some", |_, bytes| heard += bytes.len()).unwrap();
        assert_eq!(heard, 4);
    }

    #[test]
    fn a_stream_that_there_is_not_is_named() {
        for (wire, stream) in [(frame(0, b"x"), 0), (frame(3, b"x"), 3), (b"HTTP/1.1".to_vec(), b'H')] {
            assert_eq!(read(wire.chunks(1)), Err(Unframed(stream)));
        }
    }

    proptest! {
        #[test]
        fn any_frames_in_any_pieces(
            sent in prop::collection::vec((1..=2u8, prop::collection::vec(any::<u8>(), 0..40)), 0..20),
            size in 1..50usize,
        ) {
            let wire: Vec<u8> = sent.iter().flat_map(|(stream, bytes)| frame(*stream, bytes)).collect();
            let of = |wanted| sent.iter().filter(|(s, _)| *s == wanted).flat_map(|(_, b)| b.clone()).collect();
            prop_assert_eq!(read(wire.chunks(size)), Ok([of(1), of(2)]));
        }
    }
}
