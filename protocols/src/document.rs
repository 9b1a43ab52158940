//! Cuts a stream of bytes into whole JSON documents.
//!
//! Two formats talk in JSON documents, one after another, with nothing but white space between
//! them. Somebody has to find where one ends, without a length in front of it and without waiting
//! for bytes that will not come before the next call.
//!
//! A document here is an object: that is all either format ever says. So its end is the brace that
//! closes the one it began with, and finding it takes no parser: only the depth, and whether we are
//! inside a string. Whether the bytes in between are JSON is the business of whoever reads the
//! document; here `{]` is one. What is *not* left for later is a stream that cannot become an
//! object: the first byte that is neither white space nor a brace is an error at once, so that a
//! function which prints a log line is told so now and not when its deadline has passed.
//!
//! The machine looks at each byte once, however the stream is split, holds at most one document and
//! what came with it, and owns no reader. Both ends of the wire use it.

use std::borrow::Cow;

use bytes::{Buf as _, Bytes, BytesMut};

#[cfg(test)]
mod tests;

/// How deep a document may be nested. The JSON parser behind us has the same bound and for the same
/// reason: it recurses.
pub const DEPTH_MAX: usize = 128;

/// Finds documents in the bytes it is fed.
///
/// ```
/// use hotfn_protocols::document::Documents;
///
/// let mut documents = Documents::new(1024);
/// documents.feed(b" {\"body\":\"}");
/// assert_eq!(documents.next().unwrap(), None);
/// documents.feed(b"\"}\n");
/// assert_eq!(documents.next().unwrap().unwrap(), "{\"body\":\"}\"}");
/// assert!(documents.is_blank());
/// ```
#[derive(Debug)]
pub struct Documents {
    /// What was fed and not yet given away. It begins where the document does.
    kept: BytesMut,
    /// How far we are in the document that has begun, if one has.
    scan: Option<Scan>,
    bytes_max: usize,
}

/// Why no document will come of these bytes. The stream is of no use any more.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DocumentError {
    /// Something else than an object begins.
    #[error("expected an object, got byte {:?}", char::from(*.0))]
    NotAnObject(u8),
    /// It is nested deeper than [`DEPTH_MAX`].
    #[error("document is nested deeper than {DEPTH_MAX} levels")]
    TooDeep,
    /// It would be longer than the bound.
    #[error("document is larger than {max} bytes")]
    TooLarge {
        /// The bound, in bytes.
        max: usize,
    },
}

impl Documents {
    /// Nothing yet. No document may be longer than `bytes_max`; white space around it does not count.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self { kept: BytesMut::new(), scan: None, bytes_max }
    }

    /// Takes the next bytes of the stream, in pieces of any length.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.kept.extend_from_slice(bytes);
    }

    /// The next whole document, without the white space around it; `None` until more is fed.
    ///
    /// # Errors
    /// When what was fed cannot become one. It stays an error.
    #[allow(clippy::should_implement_trait, reason = "a cursor that waits for bytes is no iterator")]
    pub fn next(&mut self) -> Result<Option<Bytes>, DocumentError> {
        let Some(mut scan) = self.begin()? else { return Ok(None) };
        // One byte more than it may have is all it takes to know.
        let known = &self.kept[..self.kept.len().min(self.bytes_max.saturating_add(1))];
        let end = scan.end(known)?;
        if end.unwrap_or(known.len()) > self.bytes_max {
            return Err(DocumentError::TooLarge { max: self.bytes_max });
        }
        match end {
            Some(end) => {
                self.scan = None;
                Ok(Some(self.kept.split_to(end).freeze()))
            }
            None => {
                self.scan = Some(scan);
                Ok(None)
            }
        }
    }

    /// Is nothing kept but white space? If not, either a document is under way or there are bytes
    /// that nobody asked for.
    ///
    /// White space is Unicode's, which counts the no-break space in. Its first byte alone does not
    /// count: half a character is a byte too many.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        blank_prefix(&self.kept) == self.kept.len()
    }

    /// Where the document that has begun goes on; `None` if none has yet. Lets go of the white space
    /// before it.
    fn begin(&mut self) -> Result<Option<Scan>, DocumentError> {
        if self.scan.is_some() {
            return Ok(self.scan.clone());
        }
        self.kept.advance(blank_prefix(&self.kept));
        match First::of(&self.kept) {
            First::Char('{') => Ok(Some(Scan::default())),
            First::Char(_) | First::Malformed => Err(DocumentError::NotAnObject(self.kept[0])),
            First::Cut | First::None => Ok(None),
        }
    }
}

/// A document as text, what is not UTF-8 in it replaced. Most are UTF-8, which is known much faster
/// than what to replace.
pub(crate) fn text(document: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(document).map_or_else(|_| String::from_utf8_lossy(document), Cow::Borrowed)
}

/// Is this text of JSON, written by us, one that [`Documents`] would refuse for its depth?
pub(crate) fn is_too_deep(json: &[u8]) -> bool {
    matches!(Scan::default().end(json), Err(DocumentError::TooDeep))
}

/// How far a document was looked at, and what that came to.
#[derive(Clone, Debug, Default)]
struct Scan {
    seen: usize,
    depth: usize,
    text: Text,
}

/// Are we inside a string?
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Text {
    /// Right behind a backslash within one.
    Escaped,
    Inside,
    #[default]
    Outside,
}

impl Scan {
    /// Goes on from where it stopped to the document's end, if that is there, or to that of `bytes`.
    fn end(&mut self, bytes: &[u8]) -> Result<Option<usize>, DocumentError> {
        while let Some(&byte) = bytes.get(self.seen) {
            match (self.text, byte) {
                (Text::Escaped, _) => self.text = Text::Inside,
                (Text::Inside, _) => {
                    let Some(at) = memchr::memchr2(b'"', b'\\', &bytes[self.seen..]) else {
                        self.seen = bytes.len();
                        break;
                    };
                    self.seen += at;
                    self.text = if bytes[self.seen] == b'"' { Text::Outside } else { Text::Escaped };
                }
                (Text::Outside, b'"') => self.text = Text::Inside,
                (Text::Outside, b'{' | b'[') if self.depth == DEPTH_MAX => return Err(DocumentError::TooDeep),
                (Text::Outside, b'{' | b'[') => self.depth += 1,
                (Text::Outside, b'}' | b']') => self.depth -= 1,
                (Text::Outside, _) => {}
            }
            self.seen += 1;
            if self.depth == 0 {
                return Ok(Some(self.seen));
            }
        }
        Ok(None)
    }
}

/// How many bytes of white space there are in front.
fn blank_prefix(bytes: &[u8]) -> usize {
    let mut blank = 0;
    while let First::Char(c) = First::of(&bytes[blank..])
        && c.is_whitespace()
    {
        blank += c.len_utf8();
    }
    blank
}

/// The first character of some bytes.
enum First {
    Char(char),
    /// So far it is well formed, and may yet become one.
    Cut,
    Malformed,
    None,
}

impl First {
    fn of(bytes: &[u8]) -> Self {
        // Four bytes are the longest character there is.
        let head = &bytes[..bytes.len().min(4)];
        let valid = match std::str::from_utf8(head) {
            Ok(valid) => valid,
            Err(e) if e.valid_up_to() == 0 && e.error_len().is_none() => return Self::Cut,
            Err(e) if e.valid_up_to() == 0 => return Self::Malformed,
            Err(e) => std::str::from_utf8(&head[..e.valid_up_to()]).expect("valid up to there"),
        };
        valid.chars().next().map_or(Self::None, Self::Char)
    }
}
