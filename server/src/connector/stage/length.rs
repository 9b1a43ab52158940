//! Frames with their length before each, as a binary number.
//!
//! ```text
//! 00 00 00 00 00 00 00 02  h i
//! ```
//!
//! The number is 8 bytes wide with the highest first, unless told otherwise. No length is believed
//! before its bytes are there, and none beyond the bound is even kept: such a frame is told of
//! once and skipped, up to sixteen times the bound; then the connection cannot go on.

use bytes::{Buf as _, Bytes, BytesMut};

use super::{FrameError, Limits, Passed, Piece, Postprocessor, Preprocessor};
use crate::connector::options::{Invalid, Options};

/// How many times the longest frame may be skipped.
const SKIP_FACTOR: u64 = 16;

pub(super) fn preprocessor(mut options: Options, limits: &Limits) -> Result<Box<dyn Preprocessor>, Invalid> {
    let number = Number::read(&mut options)?;
    let frame_bytes_max = options.size("max_length", 1..=1 << 40)?.unwrap_or(limits.frame_bytes_max);
    options.finish()?;
    let frames = Frames::new(frame_bytes_max);
    Ok(Box::new(Prefixed { number, frames, head: [0; WIDTH_MAX], head_bytes: 0, input: Piece::default() }))
}

pub(super) fn postprocessor(mut options: Options) -> Result<Box<dyn Postprocessor>, Invalid> {
    let number = Number::read(&mut options)?;
    options.finish()?;
    Ok(Box::new(Prefixing(number)))
}

const WIDTH_MAX: usize = 8;

/// How a length is written.
#[derive(Clone, Copy, Debug)]
struct Number {
    width: usize,
    is_big_endian: bool,
}

impl Number {
    fn read(options: &mut Options) -> Result<Self, Invalid> {
        let width = options.number("width", 1..=8)?.unwrap_or(8);
        if !matches!(width, 1 | 2 | 4 | 8) {
            return Err(Invalid::new("width", format!("{width} is not a width; it may be 1, 2, 4 or 8")));
        }
        let is_big_endian = match options.text("endian")?.as_deref() {
            None | Some("big") => true,
            Some("little") => false,
            Some(other) => return Err(Invalid::new("endian", format!("{other:?} is neither \"big\" nor \"little\""))),
        };
        Ok(Self { width: usize::try_from(width).unwrap_or(WIDTH_MAX), is_big_endian })
    }

    fn decode(self, bytes: &[u8]) -> u64 {
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        if self.is_big_endian { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) }
    }

    fn encode(self, number: u64) -> Option<Vec<u8>> {
        let all = number.to_be_bytes();
        let (above, bytes) = all.split_at(WIDTH_MAX - self.width);
        let mut bytes = bytes.to_vec();
        if !self.is_big_endian {
            bytes.reverse();
        }
        above.iter().all(|byte| *byte == 0).then_some(bytes)
    }
}

/// Takes lengths off.
#[derive(Debug)]
struct Prefixed {
    number: Number,
    head: [u8; WIDTH_MAX],
    head_bytes: usize,
    frames: Frames,
    input: Piece,
}

impl Preprocessor for Prefixed {
    fn feed(&mut self, piece: Piece) {
        self.input = piece;
    }

    fn next(&mut self) -> Option<Result<Piece, FrameError>> {
        loop {
            if self.frames.is_between() {
                while self.head_bytes < self.number.width {
                    self.head[self.head_bytes] = self.input.bytes.try_get_u8().ok()?;
                    self.head_bytes += 1;
                }
                self.head_bytes = 0;
                if let Err(e) = self.frames.begin(self.number.decode(&self.head[..self.number.width])) {
                    return Some(Err(e));
                }
            }
            match self.frames.take(&mut self.input.bytes) {
                Taken::Frame(bytes) => return Some(Ok(Piece { bytes, ingest_ns: self.input.ingest_ns })),
                Taken::Skipped => {}
                Taken::Unfinished => return None,
            }
        }
    }

    fn is_amid(&self) -> bool {
        self.head_bytes > 0 || !self.frames.is_between()
    }
}

/// Frames of announced lengths, whoever announced them.
#[derive(Debug)]
pub(super) struct Frames {
    frame_bytes_max: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    Between,
    Within { missing: usize, rest: BytesMut },
    Skipping { missing: u64 },
}

pub(super) enum Taken {
    Frame(Bytes),
    Skipped,
    Unfinished,
}

impl Frames {
    pub(super) fn new(frame_bytes_max: usize) -> Self {
        Self { frame_bytes_max, state: State::Between }
    }

    pub(super) fn is_between(&self) -> bool {
        matches!(self.state, State::Between)
    }

    /// A frame of so many bytes comes next.
    pub(super) fn begin(&mut self, claimed: u64) -> Result<(), FrameError> {
        let max = self.frame_bytes_max;
        let skipped_max = SKIP_FACTOR.saturating_mul(max as u64);
        match usize::try_from(claimed) {
            Ok(missing) if missing <= max => {
                self.state = State::Within { missing, rest: BytesMut::new() };
                Ok(())
            }
            _ if claimed <= skipped_max => {
                self.state = State::Skipping { missing: claimed };
                Err(FrameError::TooLong { max })
            }
            _ => Err(FrameError::TooLongToSkip { claimed, max: skipped_max }),
        }
    }

    /// Takes of `input` what belongs to the frame that has begun.
    pub(super) fn take(&mut self, input: &mut Bytes) -> Taken {
        match &mut self.state {
            State::Between => Taken::Unfinished,
            State::Within { missing, rest } if input.len() >= *missing => {
                let end = input.split_to(*missing);
                let frame = if rest.is_empty() {
                    end
                } else {
                    rest.extend_from_slice(&end);
                    rest.split().freeze()
                };
                self.state = State::Between;
                Taken::Frame(frame)
            }
            State::Within { missing, rest } => {
                *missing -= input.len();
                rest.extend_from_slice(input);
                input.clear();
                Taken::Unfinished
            }
            State::Skipping { missing } => {
                let gone = usize::try_from(*missing).unwrap_or(usize::MAX).min(input.len());
                input.advance(gone);
                *missing -= gone as u64;
                if *missing > 0 {
                    return Taken::Unfinished;
                }
                self.state = State::Between;
                Taken::Skipped
            }
        }
    }
}

/// Puts lengths before.
#[derive(Debug)]
struct Prefixing(Number);

impl Postprocessor for Prefixing {
    fn process(&mut self, frame: &mut Vec<u8>, _: u64) -> Result<Passed, FrameError> {
        let too_narrow = FrameError::LengthTooNarrow { bytes: frame.len(), width: self.0.width };
        let length = self.0.encode(frame.len() as u64).ok_or(too_narrow)?;
        frame.splice(..0, length);
        Ok(Passed::On)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::connector::stage::split::{check, pieces, post, pre, pre_within};

    /// Case 6.
    #[test]
    fn frames_are_as_long_as_the_number_before_them() {
        let prefixed = pre("length-prefixed", json!({}));
        check(&prefixed, b"\0\0\0\0\0\0\0\x02hi\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01x", &["hi", "", "x"]);
        check(&prefixed, b"\0\0\0\0\0\0\0\x02h", &[]);
        let two = pre("length-prefix", json!({"width": 2, "endian": "little"}));
        check(&two, b"\x02\0hi\0\0", &["hi", ""]);
    }

    /// Case 10.
    #[test]
    fn an_empty_frame_is_there_as_soon_as_its_length_is() {
        assert_eq!(pieces(&pre("length-prefixed", json!({})), &[&[0; 8]], false), [""]);
    }

    /// Case 11.
    #[test]
    fn a_length_beyond_the_bound_is_skipped_or_ends_it() {
        let small =
            pre_within("length-prefixed", json!({"width": 1}), Limits { frame_bytes_max: 2, ..Limits::default() });
        check(&small, b"\x02ok\x05toolo\x01k", &["ok", "! frame is longer than 2 bytes", "k"]);
        let fatal = "! frame of 33 bytes is announced; more than 32 are not even skipped";
        check(&small, b"\x02ok\x21\x02no", &["ok", fatal]);
        let huge = pieces(&pre("length-prefixed", json!({})), &[&[0x7f, 255, 255, 255, 255, 255, 255, 255]], true);
        assert_eq!(huge.len(), 1, "{huge:?}");
    }

    #[test]
    fn lengths_are_put_before_frames() {
        assert_eq!(post("length-prefixed", json!({}), &["hi", ""]), [b"\0\0\0\0\0\0\0\x02hi".to_vec(), vec![0; 8]]);
        assert_eq!(post("length-prefixed", json!({"width": 2}), &["hi"]), [b"\0\x02hi".to_vec()]);
        let long = "x".repeat(256);
        assert_eq!(post("length-prefixed", json!({"width": 1}), &[&long, "hi"]), [b"\x02hi".to_vec()]);
    }

    #[test]
    fn widths_and_ends_that_do_not_exist_are_refused() {
        for (given, key) in [(json!({"width": 3}), "width"), (json!({"endian": "middle"}), "endian")] {
            let options = crate::connector::stage::split::table(given);
            assert_eq!(preprocessor(options, &Limits::default()).unwrap_err().key, key);
        }
    }
}
