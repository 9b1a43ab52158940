//! What a request's head says.

use std::fmt::Write as _;

use http::header;

use hotfn_protocols::http1::{Length, Lines};
use hotfn_protocols::{Fault, Headers, Kind};

use super::origin::Place;
use crate::connector::origin::PREFIX;

/// Does the request want its connection to become a websocket? HTTP lets a server ignore the wish
/// to upgrade, and so do we where the client can go on in HTTP/1.1 (`h2c`); a websocket client
/// cannot, and deserves a clear word.
pub(super) fn wants_websocket(lines: &Lines) -> bool {
    lines.first(&header::UPGRADE).is_some_and(|to| to.eq_ignore_ascii_case(b"websocket"))
}

/// The headers without those that only a connector may make: functions trust what they say of who
/// sent an event.
pub(super) fn honest(mut headers: Headers) -> Headers {
    let is_ours = |name: &[u8]| name.get(..PREFIX.len()).is_some_and(|p| p.eq_ignore_ascii_case(PREFIX.as_bytes()));
    if headers.fields().any(|(name, _)| is_ours(name)) {
        let forged: Vec<_> = headers.keys().filter(|name| is_ours(name.as_str().as_bytes())).cloned().collect();
        for name in forged {
            headers.remove(name);
        }
    }
    headers
}

/// Refuses a body that is known to be too long.
pub(super) fn within(length: Length, bytes_max: Option<u64>) -> Result<(), Fault> {
    match (length.exact(), bytes_max) {
        (Some(length), Some(max)) if length > max => {
            Err(Fault::new(Kind::RequestTooLarge).because(format!("{length} bytes, at most {max} are allowed")))
        }
        _ => Ok(()),
    }
}

/// The URL as the caller would write it, of what stood in its target. HTTP/1.0 knows no `Host`;
/// then it is where we listen, and at a unix socket `localhost`.
pub(super) fn url(authority: Option<&str>, path: &str, host: Option<&[u8]>, at: Place) -> String {
    let host = authority.or_else(|| host.and_then(|host| std::str::from_utf8(host).ok()));
    let mut url = String::with_capacity("https://".len() + host.map_or(32, str::len) + path.len());
    url.push_str(at.scheme);
    url.push_str("://");
    match (host, at.local) {
        (Some(host), _) => url.push_str(host),
        (None, Some(local)) => write!(url, "{local}").expect("writing to a string does not fail"),
        (None, None) => url.push_str("localhost"),
    }
    url.push_str(path);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(authority: Option<&str>, path: &str, host: Option<&'static str>, expected: &str) {
        let host = host.map(str::as_bytes);
        let at = Place { local: Some("127.0.0.1:8080".parse().unwrap()), scheme: "http" };
        assert_eq!(url(authority, path, host, at), expected);
    }

    #[test]
    fn the_url_is_absolute_whatever_the_request_line_was() {
        check(None, "/t/a/b?q=1", Some("shop.example"), "http://shop.example/t/a/b?q=1");
        check(Some("other.example:81"), "/t/a", Some("shop.example"), "http://other.example:81/t/a");
        check(None, "/t/a", None, "http://127.0.0.1:8080/t/a");
        assert_eq!(url(None, "/t/a", None, Place { local: None, scheme: "http" }), "http://localhost/t/a");
    }

    #[test]
    fn what_only_a_connector_may_say_is_not_believed() {
        let mut forged = http::HeaderMap::new();
        for name in ["fn-connector", "fn-connector-uid", "fn-conn", "x-own"] {
            forged.insert(name, "0".parse().unwrap());
        }
        let honest = honest(forged.into());
        let mut left: Vec<_> = honest.keys().map(http::HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["fn-conn", "x-own"]);
    }

    #[test]
    fn an_announced_length_is_held_against_the_bound() {
        assert!(within(Length::Exact(10), Some(10)).is_ok());
        assert!(within(Length::Exact(11), None).is_ok());
        assert!(within(Length::Chunked, Some(10)).is_ok());
        let fault = within(Length::Exact(11), Some(10)).unwrap_err();
        assert_eq!(fault.kind(), Kind::RequestTooLarge);
        assert_eq!(fault.reason(), Some("11 bytes, at most 10 are allowed"));
    }
}
