//! A request becomes a call.

use std::fmt::Write as _;
use std::net::SocketAddr;

use http::{HeaderMap, Uri, header};

use hotfn_protocols::http1::{Length, RequestHead};
use hotfn_protocols::{Body, Call, CallId, Fault, FunctionId, Intent, Kind};

/// Makes the call that the request asks for.
pub(super) fn call(
    id: CallId,
    function: FunctionId,
    intent: Intent,
    (uri, head, body): (&Uri, RequestHead, Body),
    local: SocketAddr,
) -> Call {
    let url = url(uri, &head.headers, local);
    let RequestHead { method, headers, .. } = head;
    Call { id, function, intent, method, url, headers, body, deadline: None }
}

/// Does the request want its connection to become a websocket? HTTP lets a server ignore the wish
/// to upgrade, and so do we where the client can go on in HTTP/1.1 (`h2c`); a websocket client
/// cannot, and deserves a clear word.
pub(super) fn wants_websocket(headers: &HeaderMap) -> bool {
    headers.get(header::UPGRADE).is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"))
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

/// The URL as the caller would write it. HTTP/1.0 knows no `Host`; then it is where we listen.
fn url(uri: &Uri, headers: &HeaderMap, local: SocketAddr) -> String {
    let path = uri.path_and_query().map_or("/", |p| p.as_str());
    let host = match uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => headers.get(header::HOST).and_then(|h| h.to_str().ok()),
    };
    let mut url = String::with_capacity("http://".len() + host.map_or(32, str::len) + path.len());
    url.push_str("http://");
    match host {
        Some(host) => url.push_str(host),
        None => write!(url, "{local}").expect("writing to a string does not fail"),
    }
    url.push_str(path);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(uri: &'static str, host: Option<&'static str>, expected: &str) {
        let host = host.map(|host| (header::HOST, http::HeaderValue::from_static(host)));
        let headers = HeaderMap::from_iter(host);
        assert_eq!(url(&Uri::from_static(uri), &headers, "127.0.0.1:8080".parse().unwrap()), expected);
    }

    #[test]
    fn the_url_is_absolute_whatever_the_request_line_was() {
        check("/t/a/b?q=1", Some("shop.example"), "http://shop.example/t/a/b?q=1");
        check("http://other.example:81/t/a", Some("shop.example"), "http://other.example:81/t/a");
        check("/t/a", None, "http://127.0.0.1:8080/t/a");
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

    #[test]
    fn only_a_websocket_needs_an_upgrade() {
        let headers = |to: &'static str| HeaderMap::from_iter([(header::UPGRADE, http::HeaderValue::from_static(to))]);
        assert!(!wants_websocket(&headers("h2c")));
        assert!(!wants_websocket(&HeaderMap::new()));
        assert!(wants_websocket(&headers("WebSocket")));
    }
}
