//! Frames with their length before each, in digits: the octet counting of RFC 5425 and 6587.
//!
//! ```text
//! 2 hi3 abc0 1 x
//! ```
//!
//! What is no number cannot be skipped, since nothing says where the next frame would begin.

use bytes::Buf as _;

use super::length::{Frames, Taken};
use super::{FrameError, Limits, Passed, Piece, Postprocessor, Preprocessor};
use crate::connector::options::{Invalid, Options};

/// Digits of the longest length: a number of 32 bits.
const DIGITS_MAX: usize = 10;

pub(super) fn preprocessor(mut options: Options, limits: &Limits) -> Result<Box<dyn Preprocessor>, Invalid> {
    let frame_bytes_max = options.size("max_length", 1..=1 << 40)?.unwrap_or(limits.frame_bytes_max);
    options.finish()?;
    Ok(Box::new(Prefixed { digits: Vec::new(), frames: Frames::new(frame_bytes_max), input: Piece::default() }))
}

pub(super) fn postprocessor(options: Options) -> Result<Box<dyn Postprocessor>, Invalid> {
    options.finish()?;
    Ok(Box::new(Prefixing))
}

/// Takes lengths off.
#[derive(Debug)]
struct Prefixed {
    digits: Vec<u8>,
    frames: Frames,
    input: Piece,
}

impl Prefixed {
    /// The whole length, once the blank after it is there.
    fn length(&mut self) -> Option<Result<u64, FrameError>> {
        loop {
            let byte = self.input.bytes.try_get_u8().ok()?;
            let is_over = byte.is_ascii_whitespace() && !self.digits.is_empty();
            if !is_over {
                self.digits.push(byte);
                if byte.is_ascii_digit() && self.digits.len() <= DIGITS_MAX {
                    continue;
                }
            }
            let found = String::from_utf8_lossy(&std::mem::take(&mut self.digits)).into_owned();
            let length = if is_over { found.parse::<u32>().ok() } else { None };
            return Some(length.map(u64::from).ok_or(FrameError::LengthUnreadable { found }));
        }
    }
}

impl Preprocessor for Prefixed {
    fn feed(&mut self, piece: Piece) {
        self.input = piece;
    }

    fn next(&mut self) -> Option<Result<Piece, FrameError>> {
        loop {
            if self.frames.is_between()
                && let Err(e) = self.length()?.and_then(|length| self.frames.begin(length))
            {
                return Some(Err(e));
            }
            match self.frames.take(&mut self.input.bytes) {
                Taken::Frame(bytes) => return Some(Ok(Piece { bytes, ingest_ns: self.input.ingest_ns })),
                Taken::Skipped => {}
                Taken::Unfinished => return None,
            }
        }
    }

    fn is_amid(&self) -> bool {
        !self.digits.is_empty() || !self.frames.is_between()
    }
}

/// Puts lengths before.
#[derive(Debug)]
struct Prefixing;

impl Postprocessor for Prefixing {
    fn process(&mut self, frame: &mut Vec<u8>, _: u64) -> Result<Passed, FrameError> {
        let length = format!("{} ", frame.len());
        frame.splice(..0, length.into_bytes());
        Ok(Passed::On)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::connector::stage::split::{check, post, pre, pre_within};

    /// Case 6.
    #[test]
    fn frames_are_as_long_as_the_digits_before_them() {
        check(&pre("textual-length-prefixed", json!({})), b"2 hi3 abc0 1 x", &["hi", "abc", "", "x"]);
        check(
            &pre("textual-length-prefix", json!({})),
            b"2\nhi 1 x",
            &["hi", "! length of a frame is not a number: \" \""],
        );
    }

    #[test]
    fn what_is_no_number_ends_it() {
        let textual = pre("textual-length-prefixed", json!({}));
        check(&textual, b"1 azz 1", &["a", "! length of a frame is not a number: \"z\""]);
        check(&textual, b"12345678901 a", &["! length of a frame is not a number: \"12345678901\""]);
        check(&textual, b"9999999999 a", &["! length of a frame is not a number: \"9999999999\""]);
    }

    #[test]
    fn a_length_beyond_the_bound_is_skipped() {
        let limits = Limits { frame_bytes_max: 2, ..Limits::default() };
        let small = pre_within("textual-length-prefixed", json!({}), limits);
        check(&small, b"3 abc2 ok", &["! frame is longer than 2 bytes", "ok"]);
    }

    #[test]
    fn lengths_are_put_before_frames() {
        assert_eq!(post("textual-length-prefixed", json!({}), &["hi", ""]), [b"2 hi".to_vec(), b"0 ".to_vec()]);
    }
}
