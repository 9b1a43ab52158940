//! A call's headers, made into a map when somebody asks.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;

use http::{HeaderMap, HeaderName};

use crate::http1::Lines;

/// A call's headers as they arrive at a function.
///
/// They are a [`HeaderMap`] to whoever looks; many functions never do, and a map is among the
/// costliest things of a short call.
#[derive(Clone, Default)]
pub struct Headers {
    map: OnceLock<Box<HeaderMap>>,
    wire: Option<(Lines, &'static Reading)>,
}

/// How lines of a wire are read as a call's headers.
#[derive(Debug)]
pub(crate) struct Reading {
    /// All of them.
    pub(crate) all: fn(&Lines) -> HeaderMap,
    /// The first value of one, if it can be told without the others.
    pub(crate) first: for<'a> fn(&'a Lines, &HeaderName) -> Option<Option<&'a [u8]>>,
}

impl Headers {
    pub(crate) fn unread(lines: Lines, reading: &'static Reading) -> Self {
        Self { map: OnceLock::new(), wire: Some((lines, reading)) }
    }

    /// The first value of a header, without a map where it can be found without one.
    #[must_use]
    pub fn first(&self, name: &HeaderName) -> Option<&[u8]> {
        if self.map.get().is_none()
            && let Some((lines, reading)) = &self.wire
            && let Some(found) = (reading.first)(lines, name)
        {
            return found;
        }
        self.get(name).map(http::HeaderValue::as_bytes)
    }

    /// The lines they came in, if they did, for the next head's to take their place.
    #[must_use]
    pub fn into_lines(self) -> Option<Lines> {
        self.wire.map(|(lines, _)| lines)
    }
}

impl Deref for Headers {
    type Target = HeaderMap;

    fn deref(&self) -> &HeaderMap {
        self.map.get_or_init(|| match &self.wire {
            Some((lines, reading)) => Box::new((reading.all)(lines)),
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

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
