//! Headers that speak of one connection and not of the call: they end where it does.
//!
//! Nine names, as in Fn, and whatever a peer itself names in `Connection` (RFC 9110, section
//! 7.6.1). `Te: trailers` passes, because functions that speak gRPC ask for it; it passes even if
//! `Connection` names it, as that RFC makes senders do.

use http::header::{CONNECTION, TE};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::Headers;
use crate::headers::fields;

/// The names that never pass; `Te` does with one value.
///
/// As text: most names differ from each of them in their length alone.
const NAMES: [&str; 9] = [
    "connection",
    "proxy-connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Most names that the `Connection` headers of a message are heard for, their empty ones counted.
/// Messages have one or two. A head of a stranger's has room for half a million, and each of its
/// headers is held against each.
const CLAIMS_MAX: usize = 64;

/// What passes of one message, as far as its `Connection` headers have a say.
pub(crate) struct Passing<F> {
    /// All the fields of the message, where some of them are such headers.
    claims: Option<F>,
}

impl<'a, F, I> Passing<F>
where
    F: Fn() -> I,
    I: Iterator<Item = (&'a [u8], &'a [u8])>,
{
    /// Of the message whose fields these are.
    pub(crate) fn new(fields: F) -> Self {
        let claims = fields().any(|(name, _)| is_connection(name));
        Self { claims: claims.then_some(fields) }
    }

    /// Does this field of it pass?
    pub(crate) fn lets(&self, name: &[u8], value: &[u8]) -> bool {
        if name.eq_ignore_ascii_case(b"te") {
            return value.eq_ignore_ascii_case(b"trailers");
        }
        !is_among(name, &NAMES) && !self.claims(name)
    }

    /// Does a `Connection` header name it?
    fn claims(&self, name: &[u8]) -> bool {
        self.claims.as_ref().is_some_and(|fields| {
            let connection = fields().filter(|(name, _)| is_connection(name));
            connection
                .flat_map(|(_, value)| value.split(|b| *b == b','))
                .take(CLAIMS_MAX)
                .any(|token| token.trim_ascii().eq_ignore_ascii_case(name))
        })
    }
}

/// Is a name, in any case, one of these in lower case?
pub(crate) fn is_among(name: &[u8], names: &[&str]) -> bool {
    names.iter().any(|other| name.eq_ignore_ascii_case(other.as_bytes()))
}

fn is_connection(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"connection")
}

/// The fields that pass, in their order.
pub fn passing_fields(headers: &Headers) -> impl Iterator<Item = (&[u8], &[u8])> {
    let passing = Passing::new(|| headers.fields());
    headers.fields().filter(move |(name, value)| passing.lets(name, value))
}

/// The headers that pass, in their order.
pub fn passing(headers: &HeaderMap) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
    let passing = Passing::new(|| fields(headers));
    headers.iter().filter(move |(name, value)| passing.lets(name.as_str().as_bytes(), value.as_bytes()))
}

/// Removes the headers that do not pass.
pub fn strip(headers: &mut HeaderMap) {
    // Of most messages nothing is to be removed, and to see that costs less than nine searches.
    if !headers.keys().any(|name| NAMES.contains(&name.as_str())) {
        return;
    }
    if headers.contains_key(CONNECTION) {
        let passing = Passing::new(|| fields(headers));
        let is_named = |name: &&HeaderName| **name != TE && passing.claims(name.as_str().as_bytes());
        let named: Vec<HeaderName> = headers.keys().filter(is_named).cloned().collect();
        for name in named {
            headers.remove(name);
        }
    }
    let te_passes = headers.get_all(TE).iter().all(|v| v.as_bytes().eq_ignore_ascii_case(b"trailers"));
    for name in NAMES.into_iter().filter(|name| !(te_passes && *name == TE)) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[(&'static str, &'static str)], passing_names: &[&str]) {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let names: Vec<_> = passing(&headers).map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, passing_names, "{lines:?}");
        strip(&mut headers);
        let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, passing_names, "{lines:?}, stripped");
    }

    #[test]
    fn nine_names_never_pass() {
        for name in NAMES {
            let mut headers = HeaderMap::new();
            headers.append(name, HeaderValue::from_static("x"));
            assert_eq!(passing(&headers).count(), 0, "{name}");
            strip(&mut headers);
            assert!(headers.is_empty(), "{name}");
        }
    }

    #[test]
    fn te_passes_for_trailers_alone() {
        check(&[("te", "trailers")], &["te"]);
        check(&[("te", "Trailers"), ("connection", "te")], &["te"]);
        check(&[("te", "gzip")], &[]);
        check(&[("te", "trailers, gzip")], &[]);
    }

    #[test]
    fn names_in_connection_do_not_pass() {
        check(&[("connection", "close, X-Mine"), ("x-mine", "1"), ("x-other", "2")], &["x-other"]);
        check(&[("connection", "x-a"), ("connection", "x-b"), ("x-a", "1"), ("x-b", "2")], &[]);
    }

    /// Each header of a head is held against each name, and both may be many.
    #[test]
    fn names_beyond_a_bound_claim_nothing() {
        let names = |first: usize| format!("{}x-last", "a,".repeat(first)).leak();
        check(&[("connection", names(CLAIMS_MAX - 1)), ("x-last", "1")], &[]);
        check(&[("connection", names(CLAIMS_MAX)), ("x-last", "1")], &["x-last"]);
        check(&[("connection", names(40)), ("connection", names(40)), ("x-last", "1")], &[]);
        check(&[("connection", "a,".repeat(70).leak()), ("connection", "x-last"), ("x-last", "1")], &["x-last"]);
    }

    #[test]
    fn repeated_headers_pass_repeated() {
        check(&[("x-a", "1"), ("x-a", "2"), ("keep-alive", "5")], &["x-a", "x-a"]);
    }
}
