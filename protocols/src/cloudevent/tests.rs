use http::StatusCode;
use proptest::prelude::*;

use super::*;
use crate::samples;

const EVENT_TYPE: (&str, &[u8]) = ("content-type", b"application/cloudevents+json");

fn encode(call: &Call, body: &[u8]) -> Result<String, Fault> {
    encode_call(call, body, samples::now()).map(|wire| samples::text(call, wire))
}

fn decode(document: &[u8]) -> Result<Arrival, BadCall> {
    decode_call(document)
}

#[test]
fn a_call_is_written_as_its_sample() {
    let check = |sample: &str, call: &Call, body: &[u8]| assert_eq!(encode(call, body).unwrap(), sample);
    check(
        include_str!("../../samples/cloudevent/call_json.json"),
        &samples::call("POST", "http://h/t/app/hello", &[("content-type", b"application/json")]),
        b"{\n  \"name\": \"Ada & Bob\",\n  \"big\": 12345678901234567890123,\n  \"list\": [1.50, null]\n}\n",
    );
    check(include_str!("../../samples/cloudevent/call_empty.json"), &samples::call("GET", "http://h/", &[]), b"");
    check(
        include_str!("../../samples/cloudevent/call_text.json"),
        &samples::call("POST", "http://h/", &[]),
        b"hi \"there\"",
    );
    check(
        include_str!("../../samples/cloudevent/call_event_0.1.json"),
        &samples::call("POST", "http://h/", &[EVENT_TYPE]),
        include_bytes!("../../samples/cloudevent/incoming_0.1.json"),
    );
    check(
        include_str!("../../samples/cloudevent/call_event_1.0.json"),
        &samples::call("POST", "http://h/", &[EVENT_TYPE]),
        include_bytes!("../../samples/cloudevent/incoming_1.0.json"),
    );
}

#[test]
fn a_body_is_carried_as_json_as_text_or_not_at_all() {
    let check = |content_type: &'static str, body: &[u8], data: Option<&str>| {
        let wire = encode(&samples::call("POST", "/", &[("content-type", content_type.as_bytes())]), body);
        match (wire, data) {
            (Ok(wire), Some(data)) => assert!(wire.ends_with(&format!("\"data\":{data}}}\n")), "{wire}"),
            (Err(fault), None) => assert_eq!(fault.kind(), Kind::CallUnsupported),
            (got, _) => panic!("{content_type} {}: {got:?}", body.escape_ascii()),
        }
    };
    check("text/plain", b"hi", Some("\"hi\""));
    check("Text/HTML; charset=utf-8", b"<p>", Some(r#""\u003cp\u003e""#));
    check("text/plain", b"caf\xe9", Some(r#""caf\ufffd""#));
    check("application/x-www-form-urlencoded", b"hi", Some("\"hi\""));
    // What is JSON is JSON, whatever its type says.
    check("text/plain", b" {\"a\": 1}", Some(r#"{"a":1}"#));
    check("application/octet-stream", b"7", Some("7"));
    check("", b"null", Some("null"));
    check("", b"hi", Some("\"hi\""));
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    check("application/json", deep(127).as_bytes(), Some(&deep(127)));
    check("application/json", deep(128).as_bytes(), None);
    check("", b"\x01\x02", None);
    check("application/octet-stream", b"hi", None);
    check("application/json", b"{", None);
    check("image/png", b"\x89PNG\r\n\x1a\n", None);
    check("application/cloudevents+json", b"[]", None);
    check("application/cloudevents+json", b"hi", None);
    check("application/cloudevents+json", b"", None);
    check("application/cloudevents+json", br#"{"extensions":7}"#, None);
    check("application/cloudevents+json", br#"{"data_base64":"AA=="}"#, None);
    check("application/cloudevents+json", br#"{"data":null}"#, Some("null"));
}

#[test]
fn a_plain_caller_gets_the_data() {
    let check = |document: &str, status: u16, content_type: Option<&str>, body: &str| {
        let (head, got) = decode_reply(document.as_bytes(), Caller::Plain, &samples::limits()).unwrap();
        assert_eq!(got, body, "{document}");
        assert_eq!(head.status, status, "{document}");
        assert_eq!(head.headers.get("content-type").map(|v| v.to_str().unwrap()), content_type, "{document}");
    };
    check(
        include_str!("../../samples/cloudevent/reply_json.json"),
        201,
        Some("application/json; charset=utf-8"),
        r#"{ "n": 12345678901234567890123 }"#,
    );
    check(include_str!("../../samples/cloudevent/reply_text.json"), 200, Some("text/plain"), "Hello <Ada>");
    check(include_str!("../../samples/cloudevent/reply_1.0.json"), 200, Some("text/plain"), "Hello");
    check(include_str!("../../samples/cloudevent/reply_1.0_untyped.json"), 200, None, r#"["a"]"#);
    check(r#"{"CONTENTTYPE":"text/html;charset=utf-8","Data":"x"}"#, 200, Some("text/html;charset=utf-8"), "x");
    check(r#"{"contentType":"application/json","data":null}"#, 200, Some("application/json"), "null");
    check(r#"{"contentType":"application/json"}"#, 200, Some("application/json"), "");
    check("{}", 200, None, "");
    check(r#"{"extensions":null}"#, 200, None, "");
    check(r#"{"extensions":{"protocol":null}}"#, 200, None, "");
    check(r#"{"extensions":{"Protocol":{"status_code":404}}}"#, 404, None, "");
}

#[test]
fn a_caller_with_an_event_gets_the_whole_event() {
    let check = |document: &str, content_type: &str| {
        let (head, body) = decode_reply(document.as_bytes(), Caller::Event, &samples::limits()).unwrap();
        assert_eq!(body, format!("{document}\n"));
        assert_eq!(head.headers["content-type"], content_type);
    };
    check(r#"{"contentType":"image/png","data":"?"}"#, "image/png");
    check(r#"{"specversion":"1.0","data":1}"#, "application/cloudevents+json");
    let of = |headers: &[(&str, &[u8])]| Caller::of(&samples::call("POST", "/", headers));
    assert_eq!(of(&[]), Caller::Plain);
    assert_eq!(of(&[EVENT_TYPE]), Caller::Event);
    assert_eq!(of(&[("content-type", b"Application/CloudEvents+JSON; charset=UTF-8")]), Caller::Event);
}

#[test]
fn malformed_answers_are_told_and_never_panic() {
    let check = |document: &str, kind: Kind, expected: &str| {
        let fault = decode_reply(document.as_bytes(), Caller::Plain, &samples::limits()).unwrap_err();
        assert_eq!(fault.kind(), kind, "{document}");
        assert!(fault.reason().unwrap().contains(expected), "{document}: {fault}");
    };
    let frame = |document: &str, expected: &str| check(document, Kind::InvalidFrame, expected);
    frame(r#"{"extensions":[]}"#, "invalid cloudevent response: ");
    frame(r#"{"extensions":{"protocol":"http"}}"#, "extensions.protocol: ");
    frame(r#"{"extensions":{"protocol":7}}"#, "extensions.protocol: ");
    frame(r#"{"extensions":{"protocol":{"headers":[]}}}"#, "expected a map");
    frame(r#"{"extensions":{"protocol":{"headers":{"A":"1"}}}}"#, "expected a sequence");
    frame(r#"{"extensions":{"protocol":{"headers":{"A":[1]}}}}"#, "expected a string");
    frame(r#"{"extensions":{"protocol":{"status_code":"200"}}}"#, "expected a JSON number");
    frame(r#"{"extensions":{"protocol":{"status_code":99.9}}}"#, "status_code 99 is no answer's");
    frame(r#"{"contentType":"text/plain","data":{"a":1}}"#, "expected a string");
    frame(r#"{"contentType":7}"#, "expected a string");
    frame("{]", "key must be a string");
    let unknown = |document: &str, expected: &str| check(document, Kind::InvalidResponse, expected);
    unknown(r#"{"contentType":"image/png","data":"x"}"#, "unknown content type \"image/png\"");
    unknown(r#"{"data":"x"}"#, "unknown content type \"\"");
    unknown(r#"{"datacontenttype":"image/png","data_base64":"AA=="}"#, "data_base64");
}

#[test]
fn the_functions_answer_is_written_as_its_sample() {
    let mut head = Head { status: StatusCode::CREATED, ..Head::default() };
    head.headers.insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
    head.headers.insert("x-lang", "en".parse().unwrap());
    let wire = encode_reply(&head, b"{ \"a\": 1 }\n", samples::ID, samples::now()).unwrap();
    assert_eq!(String::from_utf8(wire).unwrap(), include_str!("../../samples/cloudevent/answer.json"));
}

#[test]
fn an_answer_is_json_text_or_unspeakable() {
    let check = |content_type: &'static str, body: &[u8], expected: Result<(&str, &[u8]), Unspeakable>| {
        let mut head = Head::default();
        if !content_type.is_empty() {
            head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        let got = encode_reply(&head, body, "1", samples::now()).map(|wire| {
            let (head, body) = decode_reply(&wire, Caller::Plain, &samples::limits()).unwrap();
            (head.headers["content-type"].to_str().unwrap().to_owned(), body.to_vec())
        });
        assert_eq!(got, expected.map(|(content_type, body)| (content_type.to_owned(), body.to_vec())));
    };
    check("text/html", b"<p>", Ok(("text/html", b"<p>")));
    check("text/plain", b"7", Ok(("text/plain", b"7")));
    check("application/json", b"[ 1 ]", Ok(("application/json", b"[1]")));
    check("application/octet-stream", b"hi", Ok(("text/plain", b"hi")));
    check("", b"hi", Ok(("text/plain", b"hi")));
    check("application/json", b"hi", Err(Unspeakable::NotJson));
    check("image/png", b"\x89PNG", Err(Unspeakable::Binary));
}

#[test]
fn a_request_is_read() {
    let arrival = decode(include_bytes!("../../samples/cloudevent/call_json.json")).unwrap();
    assert_eq!(arrival.call_id.as_deref(), Some(samples::ID));
    assert_eq!(samples::deadline(&arrival.due).unwrap().wall(), samples::now() + std::time::Duration::from_millis(555));
    assert_eq!((arrival.intent, arrival.method.as_str()), (Intent::Gateway, "POST"));
    assert_eq!(arrival.url, "http://h/t/app/hello");
    assert_eq!(arrival.headers["content-type"], "application/json");
    let body = br#"{"name":"Ada \u0026 Bob","big":12345678901234567890123,"list":[1.50,null]}"#;
    assert_eq!(arrival.body.as_bytes().unwrap(), &body[..]);

    let body = |document: &str| decode(document.as_bytes()).unwrap().body;
    assert_eq!(body(r#"{"contentType":"text/plain","data":"hi"}"#).as_bytes().unwrap(), "hi");
    assert_eq!(body(r#"{"contentType":"text/plain","data":7}"#).as_bytes().unwrap(), "7");
    assert_eq!(body(r#"{"contentType":"application/json","data":"hi"}"#).as_bytes().unwrap(), "\"hi\"");
    assert!(body("{}").is_empty());

    // What cannot be read of the platform's own part is absent.
    let arrival = decode(br#"{"extensions":{"deadline":7,"protocol":"?"}}"#).unwrap();
    assert_eq!((samples::deadline(&arrival.due), arrival.intent), (None, Intent::Invoke));
    decode(b"[]").unwrap_err();
}

proptest! {
    #[test]
    fn text_that_the_agent_sends_arrives(body: String) {
        // A text that is a JSON string arrives as what that says.
        prop_assume!(serde_json::from_str::<&RawValue>(&body).is_err());
        let call = samples::call("POST", "/", &[("content-type", b"text/plain")]);
        let arrival = decode(encode(&call, body.as_bytes()).unwrap().as_bytes()).unwrap();
        prop_assert_eq!(arrival.body.as_bytes().unwrap(), body.as_bytes());
    }

    #[test]
    fn what_the_function_sends_arrives(body: String, status in 200u16..=999) {
        let mut head = Head { status: StatusCode::from_u16(status).unwrap(), ..Head::default() };
        head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        let wire = encode_reply(&head, body.as_bytes(), "1", samples::now()).unwrap();
        let (got, got_body) = decode_reply(&wire, Caller::Plain, &samples::limits()).unwrap();
        prop_assert_eq!(got, head);
        prop_assert_eq!(got_body, body.as_bytes());
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = decode_reply(&bytes, Caller::Plain, &samples::limits());
        let _ = decode(&bytes);
        let _ = encode(&samples::call("POST", "/", &[EVENT_TYPE]), &bytes);
    }
}
