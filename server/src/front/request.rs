//! A request becomes a call.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use http::request::Parts;
use http::{HeaderMap, Request, header};
use http_body::Body as _;
use hyper::body::Incoming;

use hotfn_protocols::{Body, Call, CallId, Fault, FunctionId, Intent, Kind};

use super::body::Resumed;

/// Makes the call that the request asks for.
pub(super) fn call(
    id: CallId,
    function: FunctionId,
    intent: Intent,
    request: Request<Incoming>,
    local: SocketAddr,
) -> Call {
    let (parts, incoming) = request.into_parts();
    let url = url(&parts, local);
    let Parts { method, headers, .. } = parts;
    Call { id, function, intent, method, url, headers, body: body(incoming), deadline: None }
}

/// Does the request want its connection to become a websocket? HTTP lets a server ignore the wish
/// to upgrade, and so do we where the client can go on in HTTP/1.1 (`h2c`); a websocket client
/// cannot, and deserves a clear word.
pub(super) fn wants_websocket(headers: &HeaderMap) -> bool {
    headers.get(header::UPGRADE).is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Refuses a body that is known to be too long.
pub(super) fn within(headers: &HeaderMap, bytes_max: Option<u64>) -> Result<(), Fault> {
    let Some(max) = bytes_max else { return Ok(()) };
    let announced: Option<u64> =
        headers.get(header::CONTENT_LENGTH).and_then(|l| l.to_str().ok()).and_then(|l| l.parse().ok());
    match announced {
        Some(length) if length > max => {
            Err(Fault::new(Kind::RequestTooLarge).because(format!("{length} bytes, at most {max} are allowed")))
        }
        _ => Ok(()),
    }
}

/// The URL as the caller would write it. HTTP/1.0 knows no `Host`; then it is where we listen.
fn url(parts: &Parts, local: SocketAddr) -> String {
    let path = parts.uri.path_and_query().map_or("/", |p| p.as_str());
    let host = match parts.uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => parts.headers.get(header::HOST).and_then(|h| h.to_str().ok()),
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

/// The body, whole if it came along with the head. Most do: then no format needs to wait for it,
/// and hyper is free to notice when the caller leaves.
fn body(mut incoming: Incoming) -> Body {
    if incoming.is_end_stream() {
        return Body::empty();
    }
    // Nobody waits here: whoever reads the stream later registers a waker of their own.
    let mut cx = Context::from_waker(Waker::noop());
    match Pin::new(&mut incoming).poll_frame(&mut cx) {
        Poll::Pending => Body::stream(incoming),
        Poll::Ready(None) => Body::empty(),
        Poll::Ready(Some(Ok(frame))) if incoming.is_end_stream() => frame.into_data().unwrap_or_default().into(),
        Poll::Ready(Some(first)) => Body::stream(Resumed { first: Some(first), rest: incoming }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(uri: &str, host: Option<&str>, expected: &str) {
        let mut request = Request::builder().uri(uri);
        if let Some(host) = host {
            request = request.header(header::HOST, host);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        assert_eq!(url(&parts, "127.0.0.1:8080".parse().unwrap()), expected);
    }

    #[test]
    fn the_url_is_absolute_whatever_the_request_line_was() {
        check("/t/a/b?q=1", Some("shop.example"), "http://shop.example/t/a/b?q=1");
        check("http://other.example:81/t/a", Some("shop.example"), "http://other.example:81/t/a");
        check("/t/a", None, "http://127.0.0.1:8080/t/a");
    }

    #[test]
    fn an_announced_length_is_held_against_the_bound() {
        let headers = |length: &'static str| {
            HeaderMap::from_iter([(header::CONTENT_LENGTH, http::HeaderValue::from_static(length))])
        };
        assert!(within(&headers("10"), Some(10)).is_ok());
        assert!(within(&headers("11"), None).is_ok());
        let fault = within(&headers("11"), Some(10)).unwrap_err();
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
