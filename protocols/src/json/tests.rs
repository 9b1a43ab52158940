use http::StatusCode;
use proptest::prelude::*;

use super::*;
use crate::{Kind, samples};

#[test]
fn a_call_is_written_as_its_sample() {
    let check = |sample: &str, call: &Call, body: &[u8]| {
        assert_eq!(samples::text(call, encode_call(call, body)), sample);
    };
    check(
        include_str!("../../samples/json/call_get.json"),
        &samples::call("GET", "http://localhost:8080/t/app/hello?name=Ada&x=%3C1%3E", &[("host", b"localhost:8080")]),
        b"",
    );
    let headers: &[(&str, &[u8])] = &[
        ("x-request-id", b"7"),
        ("accept", b"text/plain"),
        ("connection", b"keep-alive"),
        ("content-length", b"14"),
        ("content-type", b"application/json"),
        ("accept", b"*/*"),
        ("host", b"localhost:8080"),
    ];
    check(
        include_str!("../../samples/json/call_post.json"),
        &samples::call("POST", "http://localhost:8080/invoke/01FN", headers),
        br#"{"name":"Ada"}"#,
    );
    check(
        include_str!("../../samples/json/call_escapes.json"),
        &samples::call("PATCH", "/", &[("content-type", b"text/html"), ("x-latin", b"caf\xe9")]),
        b"<p>\"a\\b\" & c</p>\n\r\t\0\x08\x1f\x7f\xe2\x80\xa8\xe2\x80\xa9\xc3\xbc\xf0\x9f\x98\x80\xff\xe2\x82",
    );
}

/// What a caller would see of it: status, headers in order of names, body.
fn shown(document: &str) -> (u16, Vec<String>, String) {
    let (head, body) = decode_reply(document.as_bytes(), &samples::limits()).unwrap();
    let mut headers: Vec<_> = head.headers.iter().map(|(name, v)| format!("{name}: {}", v.to_str().unwrap())).collect();
    headers.sort();
    (head.status.as_u16(), headers, String::from_utf8(body.into()).unwrap())
}

#[test]
fn an_answer_is_read_however_it_is_spelled() {
    let check = |document: &str, status: u16, headers: &[&str], body: &str| {
        let (got_status, got_headers, got_body) = shown(document);
        assert_eq!((got_status, got_body.as_str()), (status, body), "{document}");
        assert_eq!(got_headers, headers, "{document}");
    };
    check(
        include_str!("../../samples/json/reply.json"),
        201,
        &["content-type: text/plain", "location: /3", "x-lang: de", "x-lang: en"],
        "Hello Ada",
    );
    check(include_str!("../../samples/json/reply_pretty.json"), 200, &["content-type: application/json"], r#"{"a":1}"#);
    check(include_str!("../../samples/json/reply_other_case.json"), 404, &["content-type: text/html"], "x");
    check(include_str!("../../samples/json/reply_nulls.json"), 200, &["x-empty: "], "");
    check(include_str!("../../samples/json/reply_empty.json"), 200, &[], "");
    check(include_str!("../../samples/json/reply_escapes.json"), 200, &["content-type: text/plain"], "ü😀\n");
    check(
        include_str!("../../samples/json/reply_headers_that_stay.json"),
        200,
        &["x-kept: 1", "x-lines: a  Set-Cookie: b"],
        "x",
    );
    check(r#"{"protocol":null}"#, 200, &[], "");
    check(r#"{"protocol":{"status_code":0}}"#, 200, &[], "");
    check(r#"{"protocol":{"status_code":999}}"#, 999, &[], "");
    check(r#"{"body":"a","body":"b"}"#, 200, &[], "b");
}

#[test]
fn a_body_that_is_not_utf_8_is_read_with_replacements() {
    let (_, body) = decode_reply(b"{\"body\":\"caf\xe9\"}", &samples::limits()).unwrap();
    assert_eq!(body, "caf\u{fffd}");
}

#[test]
fn each_bad_shape_is_told_apart() {
    let check = |document: &str, expected: &str| {
        let fault = decode_reply(document.as_bytes(), &samples::limits()).unwrap_err();
        assert_eq!(fault.kind(), Kind::InvalidFrame, "{document}");
        let reason = fault.reason().unwrap();
        assert!(reason.starts_with("invalid json response: "), "{reason}");
        assert!(reason.contains(expected), "{document}: {reason}");
    };
    check(r#"{"body":1}"#, "integer `1`, expected a string");
    check(r#"{"body":{"a":1}}"#, "map, expected a string");
    check(r#"{"content_type":true}"#, "boolean `true`, expected a string");
    check(r#"{"protocol":"http"}"#, "expected an object");
    check(r#"{"protocol":[]}"#, "sequence, expected an object");
    check(r#"{"protocol":{"status_code":"200"}}"#, "expected a JSON number");
    check(r#"{"protocol":{"status_code":200.5}}"#, "status_code 200.5 is not an integer");
    check(r#"{"protocol":{"status_code":99}}"#, "status_code 99 is no answer's");
    check(r#"{"protocol":{"status_code":101}}"#, "status_code 101 is no answer's");
    check(r#"{"protocol":{"status_code":1000}}"#, "status_code 1000 is no answer's");
    check(r#"{"protocol":{"status_code":-200}}"#, "status_code -200 is no answer's");
    check(r#"{"protocol":{"status_code":1e300}}"#, "is not an integer");
    check(r#"{"protocol":{"headers":{"X-A":"1"}}}"#, "expected a sequence");
    check(r#"{"protocol":{"headers":{"X-A":[1]}}}"#, "expected a string");
    check(r#"{"protocol":{"headers":["X-A"]}}"#, "expected a map");
    check("{]", "key must be a string");
    check(r#"{"body":"a" "b"}"#, "expected");
    check("[]", "expected an object");
    check("7", "expected an object");
    check("", "EOF");
    check(&format!(r#"{{"protocol":"{}"}}"#, "x".repeat(10_000)), "…");
}

#[test]
fn an_answers_headers_have_bounds() {
    let check = |headers: String, fits: bool| {
        let document = format!(r#"{{"protocol":{{"headers":{{{headers}}}}}}}"#);
        let kind = decode_reply(document.as_bytes(), &samples::limits()).map_err(|f| f.kind());
        assert_eq!(kind.err(), (!fits).then_some(Kind::ResponseHeadersTooLarge), "{headers}");
    };
    let values = |n: usize| format!(r#""X":[{}]"#, vec![r#""1""#; n].join(","));
    check(values(10), true);
    check(values(11), false);
    check(format!(r#""X":["{}"]"#, "v".repeat(255)), true);
    check(format!(r#""X":["{}"]"#, "v".repeat(256)), false);
}

#[test]
fn the_functions_answer_is_written_as_its_sample() {
    let mut head = Head { status: StatusCode::CREATED, ..Head::default() };
    head.headers.insert(header::CONTENT_TYPE, "text/plain".parse().unwrap());
    head.headers.insert("x-lang", "en".parse().unwrap());
    let wire = encode_reply(&head, b"Hello <Ada>");
    assert_eq!(String::from_utf8(wire).unwrap(), include_str!("../../samples/json/answer.json"));
}

#[test]
fn a_request_from_any_agent_is_read() {
    let read = |document: &[u8]| decode_call(document);
    let arrival = read(include_bytes!("../../samples/json/call_post.json")).unwrap();
    assert_eq!(arrival.call_id.as_deref(), Some(samples::ID));
    assert_eq!(samples::deadline(&arrival.due).unwrap().wall(), samples::now() + std::time::Duration::from_millis(555));
    assert_eq!(arrival.intent, Intent::Gateway);
    assert_eq!(arrival.method, "POST");
    assert_eq!(arrival.url, "http://localhost:8080/invoke/01FN");
    assert_eq!(arrival.headers.get_all("accept").iter().collect::<Vec<_>>(), ["text/plain", "*/*"]);
    assert_eq!(arrival.body.as_bytes().unwrap(), r#"{"name":"Ada"}"#);

    // What it does not say is absent.
    let arrival = read(br#"{"type":"json","deadline":"soon"}"#).unwrap();
    assert_eq!((&arrival.call_id, samples::deadline(&arrival.due), arrival.intent), (&None, None, Intent::Invoke));
    assert_eq!(arrival.method, "POST");

    read(br#"{"body":1}"#).unwrap_err();
    read(b"GET / HTTP/1.1").unwrap_err();
}

prop_compose! {
    fn header()(
        name in "[a-z][a-z0-9]{0,5}(-[a-z0-9]{1,5}){0,2}",
        value in "([!-~]([ -~]{0,10}[!-~])?)?",
    ) -> (String, String) {
        (format!("x-{name}"), value)
    }
}

proptest! {
    #[test]
    fn what_the_agent_sends_arrives(
        headers in prop::collection::vec(header(), 0..6),
        content_type in prop::option::of("[a-z]{1,5}/[a-z]{1,5}"),
        url in "/[ -~]{0,20}",
        body: String,
    ) {
        let mut call = samples::call("PUT", &url, &[]);
        for (name, value) in &headers {
            call.headers.append(name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap());
        }
        if let Some(content_type) = content_type {
            call.headers.insert(header::CONTENT_TYPE, content_type.parse().unwrap());
        }
        let arrival = decode_call(&encode_call(&call, body.as_bytes())).unwrap();
        prop_assert_eq!(arrival.call_id.as_deref(), Some(call.id.as_str()));
        prop_assert_eq!(arrival.method, call.method);
        prop_assert_eq!(arrival.url, call.url);
        prop_assert_eq!(&arrival.headers, &call.headers);
        prop_assert_eq!(arrival.body.as_bytes().unwrap(), body.as_bytes());
    }

    #[test]
    fn what_the_function_sends_arrives(
        headers in prop::collection::vec(header(), 0..6),
        status in 200u16..=999,
        body: String,
    ) {
        let mut head = Head { status: StatusCode::from_u16(status).unwrap(), ..Head::default() };
        for (name, value) in &headers {
            head.headers.append(name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap());
        }
        let (got, got_body) = decode_reply(&encode_reply(&head, body.as_bytes()), &Limits::default()).unwrap();
        prop_assert_eq!(got, head);
        prop_assert_eq!(got_body, body.as_bytes());
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = decode_reply(&bytes, &samples::limits());
        let _ = decode_call(&bytes);
    }
}
