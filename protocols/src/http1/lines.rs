//! The header lines of a head: where they are, and nothing made of them yet.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use httparse::Header;

use super::Invalid;
use crate::Text;

/// Longest name of a header that a map can hold.
pub(crate) const NAME_BYTES_MAX: usize = (64 << 10) - 1;

/// The header lines of one head, in their order, each checked to be one.
///
/// They are places in the bytes that were read. Whoever needs one or two of them looks for those;
/// whoever needs all makes a map.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Lines {
    head: Bytes,
    spans: Vec<Span>,
    /// The lengths of the names, a bit each: most names that are looked for are not there, and as a
    /// rule this says so at once.
    lengths: u64,
    /// How many are called `Host`: each request is asked that, and counting while they are taken up costs
    /// less than looking for them.
    hosts: usize,
}

/// Where name and value of a line are.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Span {
    name: Range<usize>,
    value: Range<usize>,
}

impl Lines {
    /// Takes up the lines that were found in `head`, in the place of others.
    pub(super) fn fill(&mut self, head: &Bytes, lines: &[Header<'_>]) -> Result<(), Invalid> {
        self.spans.clear();
        (self.lengths, self.hosts) = (0, 0);
        for line in lines {
            if line.name.len() > NAME_BYTES_MAX {
                return Err(Invalid::Head(format!("header name of {} bytes", line.name.len())));
            }
            self.lengths |= length_bit(line.name.len());
            self.hosts += usize::from(is_host(line.name.as_bytes()));
            self.spans.push(Span { name: place(head, line.name.as_bytes()), value: place(head, line.value) });
        }
        Ok(())
    }

    /// The lines are those of `head`.
    pub(super) fn of(self, head: Bytes) -> Self {
        Self { head, ..self }
    }

    /// Lets go of what was read; room for so many lines stays.
    pub(super) fn clear(&mut self) {
        self.head = Bytes::new();
        self.spans.clear();
        (self.lengths, self.hosts) = (0, 0);
    }

    /// Names as they came, and values.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.spans.iter().map(|span| (&self.head[span.name.clone()], &self.head[span.value.clone()]))
    }

    /// The values of a header.
    pub fn all<'a>(&'a self, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
        self.found(name).map(|span| &self.head[span.value.clone()])
    }

    /// The first value of a header.
    #[must_use]
    pub fn first(&self, name: &HeaderName) -> Option<&[u8]> {
        self.all(name).next()
    }

    /// The same, sharing the memory it came in.
    #[must_use]
    pub fn first_shared(&self, name: &HeaderName) -> Option<Bytes> {
        self.found(name).next().map(|span| self.head.slice(span.value.clone()))
    }

    /// How many lines are called `Host`.
    pub(super) fn hosts(&self) -> usize {
        self.hosts
    }

    /// A map of them, values as slices of what was read. Beyond some tens of thousands, more than
    /// any [`Limits`](super::Limits) should allow, a map holds no more.
    #[must_use]
    pub fn to_map(&self) -> HeaderMap {
        self.to_map_of(|_, _| true)
    }

    /// The same of those whose name and value pass.
    #[must_use]
    pub fn to_map_of(&self, mut passes: impl FnMut(&[u8], &[u8]) -> bool) -> HeaderMap {
        let mut map = HeaderMap::with_capacity(self.spans.len());
        for span in &self.spans {
            let name = &self.head[span.name.clone()];
            if !passes(name, &self.head[span.value.clone()]) {
                continue;
            }
            let name = HeaderName::from_bytes(name).expect("the parser lets only names pass");
            let value = HeaderValue::from_maybe_shared(self.head.slice(span.value.clone()));
            let value = value.expect("the parser lets only values pass");
            if map.try_append(name, value).is_err() {
                break;
            }
        }
        map
    }

    /// A part of the head that is known to be text.
    pub(super) fn text(&self, place: Range<usize>) -> &str {
        std::str::from_utf8(&self.head[place]).expect("the parser lets only text pass")
    }

    /// The same, sharing the memory it came in.
    pub(super) fn shared_text(&self, place: Range<usize>) -> Text {
        Text::from_utf8(self.head.slice(place)).expect("the parser lets only text pass")
    }

    fn found(&self, name: &HeaderName) -> impl Iterator<Item = &Span> {
        let name = name.as_str().as_bytes();
        let spans = if self.lengths & length_bit(name.len()) == 0 { &[] } else { &self.spans[..] };
        let is_it = move |span: &&Span| {
            span.name.len() == name.len() && self.head[span.name.clone()].eq_ignore_ascii_case(name)
        };
        spans.iter().filter(is_it)
    }
}

fn is_host(name: &[u8]) -> bool {
    matches!(name, [b'h' | b'H', b'o' | b'O', b's' | b'S', b't' | b'T'])
}

fn length_bit(bytes: usize) -> u64 {
    1 << (bytes % 64)
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lossy = |(name, value)| (String::from_utf8_lossy(name), String::from_utf8_lossy(value));
        f.debug_map().entries(self.iter().map(lossy)).finish()
    }
}

/// Where a part of `head` is in it.
pub(super) fn place(head: &Bytes, part: &[u8]) -> Range<usize> {
    let start = part.as_ptr() as usize - head.as_ptr() as usize;
    start..start + part.len()
}
