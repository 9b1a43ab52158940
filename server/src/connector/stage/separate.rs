//! Frames with a separator after each: lines, most of the time.
//!
//! ```text
//! {"a":1}\n{"a":2}\n
//! ```
//!
//! An unfinished frame is kept for the next read and is a frame at the end of input. One that
//! grows too long is told of once and skipped up to its separator; its neighbours are not harmed.

use bytes::{Bytes, BytesMut};
use memchr::memmem::Finder;

use super::{FrameError, Limits, Passed, Piece, Postprocessor, Preprocessor};
use crate::connector::options::{Invalid, Options};

pub(super) fn preprocessor(mut options: Options, limits: &Limits) -> Result<Box<dyn Preprocessor>, Invalid> {
    let separator = separator(&mut options)?;
    let frame_bytes_max = options.size("max_length", 1..=1 << 40)?.unwrap_or(limits.frame_bytes_max);
    let is_buffered = options.flag("buffered")?.unwrap_or(true);
    let strips_cr = options.flag("strip_cr")?.unwrap_or(false);
    options.finish()?;
    Ok(Box::new(Separating { is_buffered, strips_cr, ..Separating::new(separator, frame_bytes_max) }))
}

pub(super) fn postprocessor(mut options: Options) -> Result<Box<dyn Postprocessor>, Invalid> {
    let separator = separator(&mut options)?;
    options.finish()?;
    Ok(Box::new(Separated(separator)))
}

fn separator(options: &mut Options) -> Result<Vec<u8>, Invalid> {
    match options.text("separator")? {
        None => Ok(b"\n".to_vec()),
        Some(text) if text.is_empty() => Err(Invalid::new("separator", "it is empty; \"\\n\" is the default")),
        Some(text) => Ok(text.into_bytes()),
    }
}

/// Splits at a separator.
#[derive(Debug)]
struct Separating {
    separator: Separator,
    frame_bytes_max: usize,
    is_buffered: bool,
    strips_cr: bool,
    /// What came of a frame in earlier reads. While skipping, only as much of it as could be the
    /// beginning of a separator.
    rest: BytesMut,
    /// The frame is too long, that was told, and what is left of it goes.
    is_skipping: bool,
    input: Piece,
    is_over: bool,
}

impl Separating {
    fn new(separator: Vec<u8>, frame_bytes_max: usize) -> Self {
        Self {
            separator: Separator::new(separator),
            frame_bytes_max,
            is_buffered: true,
            strips_cr: false,
            rest: BytesMut::new(),
            is_skipping: false,
            input: Piece::default(),
            is_over: false,
        }
    }

    /// A frame has ended, and this is all of it.
    fn whole(&mut self, frame: Bytes) -> Option<Result<Piece, FrameError>> {
        if std::mem::take(&mut self.is_skipping) {
            return None;
        }
        if frame.len() > self.frame_bytes_max {
            return Some(Err(FrameError::TooLong { max: self.frame_bytes_max }));
        }
        let bytes = if self.strips_cr && frame.ends_with(b"\r") { frame.slice(..frame.len() - 1) } else { frame };
        Some(Ok(Piece { bytes, ingest_ns: self.input.ingest_ns }))
    }

    /// No separator is in what is there: it waits for more, or goes if it is too long already.
    fn keep(&mut self) -> Option<FrameError> {
        self.rest.extend_from_slice(&self.input.bytes);
        self.input.bytes.clear();
        let overlap = self.separator.bytes.len() - 1;
        let is_too_long = self.rest.len() > self.frame_bytes_max + overlap;
        if !is_too_long && !self.is_skipping {
            return None;
        }
        let tail = self.rest.len().saturating_sub(overlap);
        self.rest = BytesMut::from(&self.rest[tail..]);
        let is_news = !std::mem::replace(&mut self.is_skipping, true);
        is_news.then_some(FrameError::TooLong { max: self.frame_bytes_max })
    }

    /// The frame that ends in the input, if one does.
    fn cut(&mut self) -> Option<Bytes> {
        if self.rest.is_empty() {
            let at = self.separator.find(&self.input.bytes)?;
            let frame = self.input.bytes.split_to(at);
            self.skip(self.separator.bytes.len());
            return Some(frame);
        }
        if let Some((kept, taken)) = self.separator.across(&self.rest, &self.input.bytes) {
            self.rest.truncate(kept);
            self.skip(taken);
        } else {
            let at = self.separator.find(&self.input.bytes)?;
            self.rest.extend_from_slice(&self.input.bytes[..at]);
            self.skip(at + self.separator.bytes.len());
        }
        Some(self.rest.split().freeze())
    }

    fn skip(&mut self, bytes: usize) {
        let _ = self.input.bytes.split_to(bytes);
    }
}

impl Preprocessor for Separating {
    fn feed(&mut self, piece: Piece) {
        self.input = piece;
    }

    fn finish(&mut self) {
        self.is_over = true;
    }

    fn next(&mut self) -> Option<Result<Piece, FrameError>> {
        while !self.input.bytes.is_empty() {
            match self.cut() {
                Some(frame) => {
                    if let Some(whole) = self.whole(frame) {
                        return Some(whole);
                    }
                }
                None if self.is_buffered => {
                    if let Some(e) = self.keep() {
                        return Some(Err(e));
                    }
                }
                None => {
                    let frame = std::mem::take(&mut self.input.bytes);
                    return self.whole(frame);
                }
            }
        }
        if self.is_over && !self.rest.is_empty() {
            let frame = self.rest.split().freeze();
            return self.whole(frame);
        }
        None
    }

    fn is_amid(&self) -> bool {
        !self.rest.is_empty() || self.is_skipping
    }
}

/// What stands between frames, and how it is looked for.
#[derive(Debug)]
struct Separator {
    bytes: Vec<u8>,
    finder: Finder<'static>,
}

impl Separator {
    fn new(bytes: Vec<u8>) -> Self {
        Self { finder: Finder::new(&bytes).into_owned(), bytes }
    }

    fn find(&self, input: &[u8]) -> Option<usize> {
        match *self.bytes {
            [byte] => memchr::memchr(byte, input),
            _ => self.finder.find(input),
        }
    }

    /// A separator that begins in `rest` and ends in `input`: how much of `rest` is before it, and
    /// how much of `input` is its.
    fn across(&self, rest: &[u8], input: &[u8]) -> Option<(usize, usize)> {
        let overlap = self.bytes.len() - 1;
        (1..=overlap.min(rest.len())).rev().find_map(|begun| {
            let (head, tail) = self.bytes.split_at(begun);
            (rest.ends_with(head) && input.starts_with(tail)).then(|| (rest.len() - begun, tail.len()))
        })
    }
}

/// Puts a separator after each frame. What is in the frame is not looked at.
#[derive(Debug)]
struct Separated(Vec<u8>);

impl Postprocessor for Separated {
    fn process(&mut self, frame: &mut Vec<u8>, _: u64) -> Result<Passed, FrameError> {
        frame.extend_from_slice(&self.0);
        Ok(Passed::On)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::connector::stage::split::{check, pieces, post, pre};

    /// Case 6.
    #[test]
    fn lines_are_split_and_an_unfinished_one_waits() {
        let lines = pre("separate", json!({}));
        check(&lines, b"a\nb\nc", &["a", "b", "c"]);
        check(&lines, b"a\nb\ncd\n\n", &["a", "b", "cd", ""]);
        check(&lines, b"a\r\n", &["a\r"]);
        check(&lines, b"", &[]);
        assert_eq!(pieces(&lines, &[b"a\nb\nc", b"d\n\n"], false), ["a", "b", "cd", ""]);
    }

    #[test]
    fn any_text_separates() {
        check(&pre("separate", json!({"separator": "\r\n"})), b"a\nb\r\n\rc\r\r\n\r\n", &["a\nb", "\rc\r", ""]);
        check(&pre("separate", json!({"separator": "\0"})), b"a\0b", &["a", "b"]);
        check(&pre("separate", json!({"separator": "aab"})), b"aaabxaaab", &["a", "xa"]);
        check(&pre("lines", json!({"strip_cr": true})), b"a\r\n\r\r\nb", &["a", "\r", "b"]);
    }

    #[test]
    fn the_end_of_a_read_ends_a_frame_if_asked_to() {
        let unbuffered = pre("separate", json!({"buffered": false}));
        assert_eq!(pieces(&unbuffered, &[b"a\nb", b"c\n", b"d"], true), ["a", "b", "c", "d"]);
    }

    #[test]
    fn a_line_that_is_too_long_is_told_once_and_harms_no_other() {
        let short = pre("separate", json!({"max_length": 4}));
        let long = "! frame is longer than 4 bytes";
        check(&short, b"good\nmuch too long\nfine\n", &["good", long, "fine"]);
        check(&short, b"good\nfives\nfine", &["good", long, "fine"]);
        check(&short, b"ends too long", &[long]);
        let two = pre("separate", json!({"max_length": 4, "separator": "\r\n"}));
        check(&two, b"good\r\nfives\r\nmuch\rtoo\nlong\r\nfine\r\n", &["good", long, long, "fine"]);
    }

    #[test]
    fn a_separator_is_put_after_each_frame() {
        assert_eq!(post("separate", json!({}), &["a", "", "b"]), [b"a\n".to_vec(), b"\n".to_vec(), b"b\n".to_vec()]);
        assert_eq!(post("separate", json!({"separator": "\r\n"}), &["a"]), [b"a\r\n".to_vec()]);
    }
}
