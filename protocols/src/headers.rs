//! Headers on their way: lines that came over a wire, made into a map when somebody wants one.
//!
//! Most headers of a call pass through, and nobody looks at them but to leave some out. A map of
//! them is among the costliest things of a short call, so none is made before somebody asks.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::http1::Lines;
use crate::{gateway, hop};

/// The headers of a call or an answer.
///
/// They are a [`HeaderMap`] to whoever looks at them or changes them. [`fields`](Self::fields) and
/// [`first`](Self::first) need none.
#[derive(Clone, Default)]
pub struct Headers {
    map: OnceLock<Box<HeaderMap>>,
    wire: Option<(Lines, Reading)>,
}

/// Which lines of a wire are the headers meant.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reading {
    /// All but these, named in lower case.
    But(&'static [&'static str]),
    /// The same, without those of the connection.
    Passing(&'static [&'static str]),
    /// Those behind the prefix of a gateway call.
    Unprefixed,
}

impl Headers {
    /// All the lines of a head, as they came.
    #[must_use]
    pub fn of(lines: Lines) -> Self {
        Self::read_as(lines, Reading::But(&[]))
    }

    /// All of them but those with these names, which are in lower case.
    #[must_use]
    pub fn without(lines: Lines, names: &'static [&'static str]) -> Self {
        Self::read_as(lines, Reading::But(names))
    }

    pub(crate) fn read_as(lines: Lines, reading: Reading) -> Self {
        Self { map: OnceLock::new(), wire: Some((lines, reading)) }
    }

    /// Names and values. Until a map is made they stand in the order and the spelling in which they
    /// came.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let (mut lines, mut map) = match self.unread() {
            Some((lines, reading)) => (Some(reading.fields(lines)), None),
            None => (None, Some(fields(self))),
        };
        std::iter::from_fn(move || match (&mut lines, &mut map) {
            (Some(lines), _) => lines.next(),
            (None, Some(map)) => map.next(),
            (None, None) => None,
        })
    }

    /// The first value of a header.
    #[must_use]
    pub fn first(&self, name: &HeaderName) -> Option<&[u8]> {
        match self.unread() {
            Some((lines, Reading::But([]))) => lines.first(name),
            Some((lines, reading)) => {
                let named = |(n, _): &(&[u8], _)| n.eq_ignore_ascii_case(name.as_str().as_bytes());
                let mut found = lines.iter().filter(named).peekable();
                // What is meant is looked at last: of most names there is none, and of the others one.
                found.peek()?;
                let lets = reading.lets(lines);
                found.find(|(name, value)| lets(name, value)).map(|(_, value)| value)
            }
            None => self.get(name).map(HeaderValue::as_bytes),
        }
    }

    /// The lines they came in, if they did, for the next head's to take their place.
    #[must_use]
    pub fn into_lines(self) -> Option<Lines> {
        self.wire.map(|(lines, _)| lines)
    }

    /// The lines, as long as they can be read without a map.
    fn unread(&self) -> Option<(&Lines, Reading)> {
        match &self.wire {
            Some((lines, reading @ (Reading::But(_) | Reading::Passing(_)))) if self.map.get().is_none() => {
                Some((lines, *reading))
            }
            _ => None,
        }
    }
}

impl Reading {
    /// Is this line meant, as far as a line says it by itself?
    fn lets(self, lines: &Lines) -> impl Fn(&[u8], &[u8]) -> bool {
        let (passing, ours): (_, &[&str]) = match self {
            Self::Passing(ours) => (Some(hop::Passing::new(|| lines.iter())), ours),
            Self::But(ours) => (None, ours),
            Self::Unprefixed => (None, &[]),
        };
        move |name, value| {
            !hop::is_among(name, ours) && passing.as_ref().is_none_or(|passing| passing.lets(name, value))
        }
    }

    fn fields(self, lines: &Lines) -> impl Iterator<Item = (&[u8], &[u8])> {
        let lets = self.lets(lines);
        lines.iter().filter(move |(name, value)| lets(name, value))
    }

    fn map(self, lines: &Lines) -> HeaderMap {
        match self {
            Self::But(_) | Self::Passing(_) => lines.to_map_of(self.lets(lines)),
            Self::Unprefixed => gateway::unprefixed(&lines.to_map()),
        }
    }
}

/// Names and values of a map.
pub(crate) fn fields(map: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    map.iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()))
}

impl Deref for Headers {
    type Target = HeaderMap;

    fn deref(&self) -> &HeaderMap {
        self.map.get_or_init(|| match &self.wire {
            Some((lines, reading)) => Box::new(reading.map(lines)),
            None => Box::default(),
        })
    }
}

impl DerefMut for Headers {
    fn deref_mut(&mut self) -> &mut HeaderMap {
        let _ = HeaderMap::len(self);
        self.map.get_mut().expect("whoever looked at its length made it")
    }
}

impl From<HeaderMap> for Headers {
    fn from(map: HeaderMap) -> Self {
        Self { map: Box::new(map).into(), wire: None }
    }
}

impl PartialEq for Headers {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Headers {}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use http::header::{CONTENT_LENGTH, CONTENT_TYPE};

    use super::*;
    use crate::http1::{Event, Limits, RequestDecoder};

    fn lines(text: &str) -> Lines {
        let mut wire = BytesMut::from(&*format!("POST / HTTP/1.1\r\n{text}\r\n"));
        match RequestDecoder::new(Limits::default()).decode(&mut wire) {
            Ok(Some(Event::Head(head))) => head.lines,
            other => panic!("{other:?}"),
        }
    }

    fn fields(headers: &Headers) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let mut fields: Vec<_> = headers.fields().map(|(n, v)| (text(n).to_lowercase(), text(v))).collect();
        fields.sort();
        fields
    }

    /// Whether a map was made or not, the same is said.
    #[test]
    fn a_map_says_what_the_lines_said() {
        const OURS: &[&str] = &["content-length"];
        for text in [
            "",
            "X-A: 1\r\nx-a: 2\r\nContent-Type: a/b\r\nContent-Length: 0\r\n",
            "Connection: close, X-Mine\r\nx-mine: 1\r\nX-Other: 2\r\nTE: trailers\r\nKeep-Alive: 5\r\n",
            "connection: x-a\r\nConnection: te\r\nX-A: 1\r\nTe: gzip\r\nUpgrade: h2c\r\nContent-Type: a/b\r\n",
        ] {
            for reading in [Reading::But(&[]), Reading::But(OURS), Reading::Passing(OURS), Reading::Unprefixed] {
                let headers = Headers::read_as(lines(text), reading);
                let unread = fields(&headers);
                let firsts = [CONTENT_TYPE, CONTENT_LENGTH].map(|name| headers.first(&name).map(<[u8]>::to_vec));
                let _map: &HeaderMap = &headers;
                assert_eq!(fields(&headers), unread, "{reading:?} of {text:?}");
                let again = [CONTENT_TYPE, CONTENT_LENGTH].map(|name| headers.first(&name).map(<[u8]>::to_vec));
                assert_eq!(again, firsts, "{reading:?} of {text:?}");
            }
        }
    }

    #[test]
    fn what_was_changed_is_what_counts() {
        let mut headers = Headers::of(lines("X-A: 1\r\n"));
        headers.insert("x-b", HeaderValue::from_static("2"));
        assert_eq!(fields(&headers), [("x-a", "1"), ("x-b", "2")].map(|(n, v)| (n.to_owned(), v.to_owned())));
        headers.clear();
        assert_eq!(headers.fields().count(), 0);
    }
}
