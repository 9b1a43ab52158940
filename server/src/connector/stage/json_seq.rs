//! JSON texts in a row, as RFC 7464 has them: a record separator before each, a line feed after.
//!
//! ```text
//! 1E {"a":1} 0A 1E {"a":2} 0A
//! ```
//!
//! A text may span lines. It is whole at the line feed that is outside of every string and
//! bracket, so that an answer need not wait for the next text to begin; and at the latest where
//! the next begins, which is how one that broke off harms no other.

use bytes::BytesMut;

use super::{FrameError, Limits, Passed, Piece, Postprocessor, Preprocessor};
use crate::connector::options::{Invalid, Options};

const RECORD_SEPARATOR: u8 = 0x1e;

pub(super) fn preprocessor(options: Options, limits: &Limits) -> Result<Box<dyn Preprocessor>, Invalid> {
    options.finish()?;
    Ok(Box::new(Texts {
        frame_bytes_max: limits.frame_bytes_max,
        input: Piece::default(),
        text: BytesMut::new(),
        place: Place::default(),
        is_skipping: false,
        is_over: false,
    }))
}

pub(super) fn postprocessor(options: Options) -> Result<Box<dyn Postprocessor>, Invalid> {
    options.finish()?;
    Ok(Box::new(Writing))
}

#[derive(Debug)]
struct Texts {
    frame_bytes_max: usize,
    input: Piece,
    text: BytesMut,
    place: Place,
    is_skipping: bool,
    is_over: bool,
}

/// Where in a text its last byte stands.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    depth: u32,
    is_quoted: bool,
    is_escaped: bool,
}

impl Place {
    fn step(&mut self, byte: u8) {
        match byte {
            _ if self.is_escaped => self.is_escaped = false,
            b'\\' => self.is_escaped = self.is_quoted,
            b'"' => self.is_quoted = !self.is_quoted,
            b'{' | b'[' if !self.is_quoted => self.depth = self.depth.saturating_add(1),
            b'}' | b']' if !self.is_quoted => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }

    fn is_outside(self) -> bool {
        self.depth == 0 && !self.is_quoted
    }
}

impl Texts {
    /// The text that has ended, if it is one.
    fn end(&mut self) -> Option<Piece> {
        self.place = Place::default();
        self.is_skipping = false;
        let text = self.text.split().freeze();
        let bytes = text.slice_ref(text.trim_ascii());
        (!bytes.is_empty()).then_some(Piece { bytes, ingest_ns: self.input.ingest_ns })
    }

    fn take(&mut self, byte: u8) -> Option<Result<Piece, FrameError>> {
        if byte == RECORD_SEPARATOR || (byte == b'\n' && self.place.is_outside()) {
            return self.end().map(Ok);
        }
        self.place.step(byte);
        if self.is_skipping {
            return None;
        }
        if self.text.len() == self.frame_bytes_max {
            self.is_skipping = true;
            self.text.clear();
            return Some(Err(FrameError::TooLong { max: self.frame_bytes_max }));
        }
        self.text.extend_from_slice(&[byte]);
        None
    }
}

impl Preprocessor for Texts {
    fn feed(&mut self, piece: Piece) {
        self.input = piece;
    }

    fn finish(&mut self) {
        self.is_over = true;
    }

    fn next(&mut self) -> Option<Result<Piece, FrameError>> {
        while let [byte, ..] = *self.input.bytes {
            let _ = self.input.bytes.split_to(1);
            if let Some(next) = self.take(byte) {
                return Some(next);
            }
        }
        if self.is_over { self.end().map(Ok) } else { None }
    }

    fn is_amid(&self) -> bool {
        !self.text.is_empty() || self.is_skipping
    }
}

#[derive(Debug)]
struct Writing;

impl Postprocessor for Writing {
    fn process(&mut self, frame: &mut Vec<u8>, _: u64) -> Result<Passed, FrameError> {
        frame.insert(0, RECORD_SEPARATOR);
        frame.push(b'\n');
        Ok(Passed::On)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::connector::stage::split::{check, pieces, post, pre, pre_within};

    #[test]
    fn texts_are_whole_at_their_line_feed_or_where_the_next_begins() {
        let texts = pre("json-seq", json!({}));
        check(&texts, b"\x1e{\"a\":\n1}\n\x1e12\n\x1e\"\\\"\n\"\n", &["{\"a\":\n1}", "12", "\"\\\"\n\""]);
        check(&texts, b"\x1e{\"broken\x1e{}\n\x1e\x1e\n", &["{\"broken", "{}"]);
        check(&texts, b"\x1e[1]", &["[1]"]);
        assert_eq!(pieces(&texts, &[b"\x1e{}\n"], false), ["{}"], "before the next one begins");
    }

    #[test]
    fn a_text_that_is_too_long_is_told_once() {
        let small = pre_within("json-seq", json!({}), Limits { frame_bytes_max: 4, ..Limits::default() });
        check(&small, b"\x1e[1,2,3]\n\x1e[1]\n", &["! frame is longer than 4 bytes", "[1]"]);
    }

    #[test]
    fn a_text_stands_between_its_two_marks() {
        assert_eq!(post("json-seq", json!({}), &["{}"]), [b"\x1e{}\n".to_vec()]);
    }
}
