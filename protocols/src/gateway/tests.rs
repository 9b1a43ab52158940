//! Each rule of section 1.9 of the contract, and both ways round.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::http1::{Event, Limits, RequestDecoder, ResponseDecoder};
use crate::samples;

fn map(lines: &[(&str, &str)]) -> HeaderMap {
    let line = |(name, value): &(&str, &str)| {
        (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
    };
    lines.iter().map(line).collect()
}

fn lines(headers: &HeaderMap) -> Vec<(&str, &str)> {
    headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect()
}

/// What a function makes of a call's headers as the agent encodes them.
fn arrive(call: &Call) -> Arrival {
    let mut wire = BytesMut::from("POST /call HTTP/1.1\r\n");
    encode_call(call, &mut wire);
    wire.extend_from_slice(b"\r\n");
    decode(wire)
}

/// What a function makes of a head.
fn decode(mut wire: BytesMut) -> Arrival {
    let read = RequestDecoder::new(Limits::default()).decode(&mut wire);
    let Ok(Some(Event::Head(head))) = read else { panic!("a head, not {read:?}") };
    decode_call(head.lines)
}

fn head(headers: &HeaderMap) -> BytesMut {
    let mut wire = BytesMut::from("POST /call HTTP/1.1\r\n");
    for (name, value) in headers {
        encode::header(&mut wire, name, value);
    }
    wire.extend_from_slice(b"\r\n");
    wire
}

/// What an agent reads of an answer's headers as the function encodes them.
fn encoded(status: StatusCode, headers: &HeaderMap, intent: Intent) -> HeaderMap {
    let mut wire = BytesMut::from("HTTP/1.1 200 OK\r\n");
    encode_answer(status, headers, intent, &mut wire);
    wire.extend_from_slice(b"\r\n");
    let read = ResponseDecoder::new(&Method::POST, Limits::default()).decode(&mut wire);
    let Ok(Some(Event::Head(head))) = read else { panic!("a head, not {read:?}") };
    head.lines.to_map()
}

#[test]
fn a_function_sees_the_callers_request() {
    let call = samples::call(
        "DELETE",
        "http://node:8080/t/shop/books?a=1&b=%20",
        &[
            ("host", b"node:8080"),
            ("content-type", b"text/plain"),
            ("content-length", b"2"),
            ("fn-intent", b"mine"),
            ("fn-call-id", b"spoofed"),
            ("x-twice", b"1"),
            ("x-twice", b"2"),
            ("connection", b"x-hop"),
            ("x-hop", b"1"),
            ("te", b"trailers"),
        ],
    );
    let arrival = arrive(&call);
    assert_eq!(arrival.intent, Intent::Gateway);
    assert_eq!(arrival.method, Method::DELETE);
    assert_eq!(arrival.url, call.url);
    assert_eq!(arrival.call_id, None, "it is not for the caller to say");
    let mut seen = lines(&arrival.headers);
    seen.sort_unstable();
    let expected = [
        ("content-length", "2"),
        ("content-type", "text/plain"),
        ("fn-call-id", "spoofed"),
        ("fn-intent", "mine"),
        ("te", "trailers"),
        ("x-twice", "1"),
        ("x-twice", "2"),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn all_methods_arrive() {
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"] {
        let arrival = arrive(&samples::call(method, "/", &[]));
        assert_eq!(arrival.method.as_str(), method);
    }
}

#[test]
fn a_url_cannot_break_out_of_its_line() {
    let arrival = arrive(&samples::call("GET", "http://node/a b\r\nFn-Call-Id: x\u{e9}", &[]));
    assert_eq!(arrival.url, "http://node/a%20b%0D%0AFn-Call-Id:%20x%C3%A9");
    assert_eq!(arrival.call_id, None);
}

#[test]
fn a_plain_call_keeps_its_headers() {
    let headers = map(&[
        ("HOST", "localhost"),
        ("Fn-Call-Id", "01A"),
        ("fn-DEADLINE", "2001-09-09T01:46:42Z"),
        ("Transfer-Encoding", "chunked"),
        ("Fn-Http-H-X", "1"),
        ("X-Twice", "1"),
        ("X-Twice", "2"),
    ]);
    let arrival = decode(head(&headers));
    assert_eq!(arrival.call_id.as_deref(), Some("01A"));
    let deadline = samples::deadline(&arrival.due).unwrap();
    assert_eq!(deadline.wall(), samples::now() + Duration::from_millis(1877));
    assert_eq!((arrival.intent, arrival.method, arrival.url.as_str()), (Intent::Invoke, Method::POST, ""));
    assert_eq!(lines(&arrival.headers), [("fn-http-h-x", "1"), ("x-twice", "1"), ("x-twice", "2")]);
}

#[test]
fn what_cannot_be_read_is_absent() {
    let mut headers = map(&[("fn-call-id", ""), ("fn-deadline", "soon"), ("fn-http-method", "a b")]);
    headers.insert("fn-http-request-url", HeaderValue::from_bytes(b"/\xff").unwrap());
    for intent in ["httprequest", "HttpRequest", "cloudevent"] {
        headers.insert(FN_INTENT, HeaderValue::from_str(intent).unwrap());
        let arrival = decode(head(&headers));
        assert_eq!(arrival.call_id, None);
        assert_eq!(samples::deadline(&arrival.due), None);
        assert_eq!((arrival.method, arrival.url.as_str()), (Method::POST, ""));
    }
}

#[test]
fn an_answers_status_is_the_functions_choice() {
    fn check(said: Option<&str>, expected: Option<u16>) {
        let headers = said.map_or_else(HeaderMap::new, |said| map(&[("Fn-Http-Status", said)]));
        match (decode_answer(&headers), expected) {
            (Ok(head), Some(expected)) => assert_eq!(head.status.as_u16(), expected, "{said:?}"),
            (Err(fault), None) => {
                assert_eq!(fault.kind(), Kind::InvalidResponse, "{said:?}");
                assert!(fault.to_string().contains(said.unwrap()), "{fault}");
            }
            (got, _) => panic!("{got:?} from {said:?}"),
        }
    }
    for status in [200, 201, 204, 302, 304, 404, 500, 599, 600, 999] {
        check(Some(&status.to_string()), Some(status));
    }
    check(None, Some(200));
    check(Some("abc"), Some(200));
    check(Some(""), Some(200));
    check(Some("2e2"), Some(200));
    check(Some("0"), Some(200));
    check(Some("-404"), Some(200));
    check(Some("99999999999999999999"), Some(200));
    check(Some("1"), None);
    check(Some("99"), None);
    check(Some("101"), None);
    check(Some("1000"), None);
    check(Some("65736"), None);
}

#[test]
fn only_the_first_status_counts() {
    let head = decode_answer(&map(&[("fn-http-status", "404"), ("fn-http-status", "99")])).unwrap();
    assert_eq!(head.status, StatusCode::NOT_FOUND);
}

#[test]
fn only_what_was_wrapped_reaches_the_caller() {
    fn check(answer: &[(&str, &str)], expected: &[(&str, &str)]) {
        let head = decode_answer(&map(answer)).unwrap();
        assert_eq!(lines(&head.headers), expected, "{answer:?}");
    }
    check(&[("Set-Cookie", "a"), ("Fn-Fdk-Version", "fdk-go/1"), ("Fn-Call-Id", "x")], &[]);
    check(&[("Fn-Http-H-Set-Cookie", "a"), ("Fn-Http-H-Set-Cookie", "b")], &[("set-cookie", "a"), ("set-cookie", "b")]);
    check(&[("Content-Type", "a/b")], &[("content-type", "a/b")]);
    check(&[("Content-Type", "a/b"), ("Fn-Http-H-Content-Type", "c/d")], &[("content-type", "c/d")]);
    check(&[("Fn-Http-H-", "x")], &[]);
    check(&[("Fn-Http-H-Transfer-Encoding", "chunked"), ("Fn-Http-H-Content-Length", "7")], &[]);
    check(&[("Fn-Http-H-Connection", "x-a"), ("Fn-Http-H-X-A", "1")], &[]);
    check(&[("Fn-Http-H-Fn-Call-Id", "mine")], &[]);
}

#[test]
fn a_function_wraps_each_header_once() {
    let headers = map(&[
        ("content-type", "text/html"),
        ("location", "/books/7"),
        ("fn-http-h-x-mine", "1"),
        ("fn-fdk-version", "fdk-rust/1"),
        ("fn-call-id", "x"),
        ("content-length", "5"),
        ("connection", "close"),
    ]);
    let wrapped = encoded(StatusCode::SEE_OTHER, &headers, Intent::Gateway);
    let mut seen = lines(&wrapped);
    seen.sort_unstable();
    let expected = [
        ("content-type", "text/html"),
        ("fn-fdk-version", "fdk-rust/1"),
        ("fn-http-h-location", "/books/7"),
        ("fn-http-h-x-mine", "1"),
        ("fn-http-status", "303"),
    ];
    assert_eq!(seen, expected);

    let plain = encoded(StatusCode::SEE_OTHER, &headers, Intent::Invoke);
    assert_eq!(plain.get("location").unwrap(), "/books/7");
    assert!(!plain.contains_key(FN_HTTP_STATUS) && !plain.contains_key(FN_CALL_ID));
}

#[test]
fn a_status_the_handler_wrapped_itself_stands() {
    let headers = map(&[("fn-http-status", "404")]);
    assert_eq!(encoded(StatusCode::OK, &headers, Intent::Gateway)[FN_HTTP_STATUS], "404");
}

fn passing_headers() -> impl Strategy<Value = HeaderMap> {
    let line = ("x-[a-z0-9-]{0,12}", "([!-~]([ -~]{0,20}[!-~])?)?");
    proptest::collection::vec(line, 0..20)
        .prop_map(|lines| map(&lines.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect::<Vec<_>>()))
}

proptest! {
    #[test]
    fn a_call_arrives_as_it_was_made(headers in passing_headers(), path in "[!-~]{0,40}") {
        let mut call = samples::call("PUT", &format!("http://node/{path}"), &[]);
        call.headers = headers.into();
        let arrival = arrive(&call);
        prop_assert_eq!(&arrival.headers, &call.headers);
        prop_assert_eq!(arrival.url, call.url);
    }

    #[test]
    fn an_answer_reaches_the_caller_as_it_was_given(headers in passing_headers(), status in 200u16..1000) {
        let status = StatusCode::from_u16(status).unwrap();
        let head = decode_answer(&encoded(status, &headers, Intent::Gateway)).unwrap();
        prop_assert_eq!(head.status, status);
        prop_assert_eq!(&*head.headers, &headers);
    }
}
