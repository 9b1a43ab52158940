//! HTTP behind a trigger: cases 24 to 31.

use serde_json::json;

use crate::served::Served;

const GATEWAY: &str = "Fn-Intent: httprequest\r\nFn-Http-Method: PUT\r\n\
                       Fn-Http-Request-Url: http://node:8080/t/shop/books?a=1&b=%20\r\n";

/// 28, 29, 30.
#[test]
fn the_caller_s_request_is_seen_and_the_envelope_is_not() {
    let served = Served::new("see");
    let headers = "fn-http-h-accept: text/html\r\nFN-HTTP-H-X-Two: 1\r\nFn-Http-H-X-Two: 2\r\n\
                   Fn-Call-Id: 01J\r\nContent-Type: text/plain\r\n";
    let seen = served.call_with(&format!("{GATEWAY}{headers}"), "body").json();
    assert_eq!(seen["intent"], "Gateway");
    assert_eq!(seen["method"], "PUT");
    assert_eq!(seen["url"], "http://node:8080/t/shop/books?a=1&b=%20");
    assert_eq!(seen["call_id"], "01J");
    assert_eq!(seen["content_type"], "text/plain");
    let mut headers: Vec<_> = seen["headers"].as_array().unwrap().clone();
    headers.sort_by_key(ToString::to_string);
    assert_eq!(
        headers,
        [
            json!(["accept", "text/html"]),
            json!(["content-type", "text/plain"]),
            json!(["x-two", "1"]),
            json!(["x-two", "2"])
        ]
    );
}

/// 25, 26, 27, 32, 44.
#[test]
fn status_and_headers_are_wrapped_once_and_the_content_type_is_not() {
    let served = Served::new("deeds");
    let answer = served.call_with(GATEWAY, "status 404");
    assert_eq!((answer.status, answer.header("fn-http-status").as_deref()), (200, Some("404")));

    let answer = served.call_with(GATEWAY, "headers");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("fn-http-status").as_deref(), Some("200"));
    assert_eq!(answer.all("fn-http-h-set-cookie"), ["a=1", "b=2"]);
    assert_eq!(answer.all("fn-http-h-x-own"), ["1"]);
    assert_eq!(answer.all("fn-http-h-x-prefixed"), ["1"]);
    assert_eq!(answer.all("content-type"), ["text/html"]);
    assert_eq!(answer.header("fn-fdk-version").as_deref(), Some(concat!("fdk-rust/", env!("CARGO_PKG_VERSION"))));
    for gone in ["x-own", "set-cookie", "fn-http-h-content-type", "fn-http-h-connection", "fn-http-h-fn-call-id"] {
        assert_eq!(answer.header(gone), None, "{gone}");
    }
}

/// 33.
#[test]
fn a_status_that_is_none_is_an_error_of_the_function() {
    let served = Served::new("deeds");
    for status in ["0", "99", "199", "600", "1000"] {
        let answer = served.call_with(GATEWAY, format!("status {status}"));
        assert_eq!(answer.status, 502, "{status}");
        assert!(answer.text().contains(&format!("status {status}")), "{}", answer.text());
        assert_eq!(answer.header("fn-http-status"), None);
    }
}

/// 24, 34 of the checklist.
#[test]
fn a_plain_call_has_no_status_and_no_prefixes() {
    let served = Served::new("deeds");
    let answer = served.call("status 404");
    assert_eq!((answer.status, answer.text(), answer.header("fn-http-status")), (200, "as told", None));
    let answer = served.call("headers");
    assert_eq!(answer.all("set-cookie"), ["a=1", "b=2"]);
    assert_eq!(answer.all("x-own"), ["1"]);
}

#[test]
fn an_error_is_not_wrapped() {
    let served = Served::new("deeds");
    let answer = served.call_with(GATEWAY, "error as told");
    assert_eq!((answer.status, answer.header("fn-http-status")), (502, None));
}

#[test]
fn a_service_sees_http_and_answers_it() {
    let served = Served::new("service");
    let url = "Fn-Intent: httprequest\r\nFn-Http-Method: GET\r\nFn-Http-Request-Url: http://node/201?q=1\r\n";
    let answer = served.call_with(&format!("{url}Fn-Http-H-Accept: a/b\r\nFn-Call-Id: 01J\r\n"), "body");
    assert_eq!((answer.status, answer.text()), (200, "body"));
    assert_eq!(answer.header("fn-http-status").as_deref(), Some("201"));
    assert_eq!(answer.header("fn-http-h-x-seen").as_deref(), Some("GET http://node/201?q=1 Some(\"a/b\")"));
    assert_eq!(answer.header("fn-http-h-x-call").as_deref(), Some("01J"));

    let answer = served.call_with("Accept: a/b\r\n", "body");
    assert_eq!((answer.status, answer.text()), (200, "body"));
    assert_eq!(answer.header("x-seen").as_deref(), Some("POST / Some(\"a/b\")"));
}

#[test]
fn an_answer_that_must_have_no_body_has_none() {
    let served = Served::new("service");
    for status in ["204", "304"] {
        let url = format!("Fn-Intent: httprequest\r\nFn-Http-Request-Url: http://node/{status}\r\n");
        let answer = served.call_with(&url, "body");
        assert_eq!(answer.header("fn-http-status").as_deref(), Some(status));
        assert_eq!(answer.text(), "");
    }
}
