//! Which pages of other sites may call, and read what is answered.
//!
//! A browser asks before it lets a page of one site talk to another (a preflight), and keeps the answer from the
//! page unless that says the page may read it. Nothing is allowed unless the config names origins. Then, for
//! those, the front answers preflights itself and marks its answers.
//!
//! What a function says about this is its own affair: an answer that allows something already is left as it is,
//! and a preflight from an origin that nobody named is a request like any other, which a trigger's function gets.
//!
//! `*` is every origin, and counts for calls only. The API shows what functions have in their config and takes
//! any program to run, so a page that may use it has to be named.
//!
//! Absent on purpose: credentials that a browser adds by itself. There are no cookies here, and a page that has
//! a token sends it itself.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderValue, Method, StatusCode};

use hotfn_protocols::http1::RequestHead;
use hotfn_protocols::{Body, Headers};

use super::answer::Answer;

/// Whom a front allows to call from pages of other sites.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cors {
    /// As browsers write them: `https://shop.example`, without a slash.
    named: Vec<String>,
    /// Every other origin, too, for calls.
    is_open: bool,
    /// The headers a page may send, besides those that any may.
    headers: HeaderValue,
}

/// Headers that pages may send whatever the config says: what our clients send.
const HEADERS: &str = "Authorization, Content-Type, Fn-Invoke-Type";
/// Headers of an answer that pages may read.
const EXPOSED: HeaderValue = HeaderValue::from_static("Fn-Blame, Fn-Call-Id, Retry-After, Server-Timing");
/// What a trigger takes, and so the most that anything does.
const METHODS: HeaderValue = HeaderValue::from_static("DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT");
/// How long a browser need not ask again, in s.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// The page behind a request, which may read the answer.
#[derive(Debug)]
pub(super) struct Guest(HeaderValue);

impl Cors {
    /// Of these origins, of which one may be `*`, with these headers; `None` if there are no origins.
    ///
    /// # Errors
    /// When one of them cannot be what it should.
    pub fn new(origins: &[String], headers: &[String]) -> Result<Option<Self>, String> {
        let is_open = origins.iter().any(|origin| origin == "*");
        let named: Vec<String> = origins.iter().filter(|origin| *origin != "*").cloned().collect();
        for origin in &named {
            let host = origin.split_once("://").map(|(_, host)| host);
            let is_origin = host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#', '*', '@']));
            if !is_origin || HeaderValue::try_from(origin).is_err() {
                return Err(format!(
                    "{origin:?} is not an origin; write it as https://HOST or https://HOST:PORT, or *"
                ));
            }
        }
        for header in headers {
            if http::HeaderName::try_from(header).is_err() {
                return Err(format!("{header:?} is not a header's name"));
            }
        }
        if origins.is_empty() {
            return Ok(None);
        }
        let headers = std::iter::once(HEADERS).chain(headers.iter().map(String::as_str)).collect::<Vec<_>>().join(", ");
        let headers = HeaderValue::try_from(headers).expect("names of headers are a header's value");
        Ok(Some(Self { named, is_open, headers }))
    }

    /// The page behind a request, if it is one of those that are allowed.
    pub(super) fn guest(&self, head: &RequestHead) -> Option<Guest> {
        let origin = head.lines.first(&ORIGIN)?;
        let is_call = head.target().starts_with("/invoke/") || head.target().starts_with("/t/");
        let is_allowed = self.names(origin) || self.is_open && is_call;
        is_allowed.then(|| HeaderValue::from_bytes(origin).ok().map(Guest)).flatten()
    }

    /// May pages of this origin do everything that their tokens let them?
    pub(super) fn names(&self, origin: &[u8]) -> bool {
        self.named.iter().any(|named| named.as_bytes().eq_ignore_ascii_case(origin))
    }

    /// The answer to `head`, if it only asks what is allowed.
    pub(super) fn preflight(&self, head: &RequestHead, guest: &Guest) -> Option<Answer> {
        if head.method != Method::OPTIONS || head.lines.first(&ACCESS_CONTROL_REQUEST_METHOD).is_none() {
            return None;
        }
        let mut answer = Answer::new(StatusCode::NO_CONTENT, Body::empty());
        for (name, value) in [
            (ACCESS_CONTROL_ALLOW_METHODS, METHODS),
            (ACCESS_CONTROL_ALLOW_HEADERS, self.headers.clone()),
            (ACCESS_CONTROL_MAX_AGE, MAX_AGE),
        ] {
            answer.headers.insert(name, value);
        }
        self.mark(&mut answer.headers, Some(guest));
        Some(answer)
    }

    /// Says in an answer who may read it, unless whoever made it did.
    pub(super) fn mark(&self, headers: &mut Headers, guest: Option<&Guest>) {
        if headers.first(&ACCESS_CONTROL_ALLOW_ORIGIN).is_some() {
            return;
        }
        // A cache must not give the answer for one page to another.
        headers.append(VARY, HeaderValue::from_name(ORIGIN));
        if let Some(Guest(origin)) = guest {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_and_a_host() {
        let check = |origin: &str, ok: bool| {
            assert_eq!(Cors::new(&[origin.to_owned()], &[]).is_ok(), ok, "{origin}");
        };
        for origin in ["https://shop.example", "http://localhost:3000", "http://[::1]:3000", "*"] {
            check(origin, true);
        }
        for origin in ["", "shop.example", "https://", "https://shop.example/", "https://*.example", "https://u@h"] {
            check(origin, false);
        }
        assert_eq!(Cors::new(&[], &["X-Own".to_owned()]), Ok(None));
        assert!(Cors::new(&["*".to_owned()], &["X Own".to_owned()]).is_err());
    }
}
