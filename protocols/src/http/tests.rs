//! Section 2.4 of the contract row by row, and both ends of the wire against each other.

use std::sync::mpsc;

use ::http::StatusCode;
use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::http1::scripted::{Function, PATIENCE, Peer, Script, Slow, abandon, dispatch};
use crate::http1::{self, Event, RequestDecoder};
use crate::{Body, BodyError, Exit, samples};

const NEXT: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext";

fn sample(name: &str) -> Vec<u8> {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/http");
    std::fs::read(dir.join(name).with_extension("http")).unwrap()
}

fn script(script: impl FnOnce(Peer) + Send + 'static) -> Script {
    Box::new(script)
}

fn end(function: &Function, limits: Limits) -> Http {
    let (stdin, stdout) = function.pipes();
    Http::new(stdin, stdout, Exiting(Box::pin(std::future::ready(Exit::Code(0)))), limits)
}

fn limits() -> Limits {
    Limits {
        response_bytes_max: Some(8),
        response_headers_max: 8,
        response_head_bytes_max: 256,
        request_bytes_max: Some(10),
        ..Limits::default()
    }
}

/// One row: the function answers `answer` and, with `exits`, is gone. Where the container is kept
/// its next call is served.
async fn row(answer: &[u8], exits: bool, expected: Result<(u16, &str), Kind>, reuse: Reuse) {
    let name = String::from_utf8_lossy(answer).into_owned();
    let answer = answer.to_owned();
    let function = Function::new([script(move |mut peer| {
        peer.request().expect("a request");
        peer.write(answer);
        if exits {
            return;
        }
        if reuse == Reuse::Keep {
            peer.request().expect("another");
            peer.write(NEXT);
        }
        peer.closed();
    })]);
    let mut io = end(&function, limits());
    let (got, verdict) = dispatch(&mut io, Call::new("f", "hi")).await;
    assert_eq!(verdict.reuse, reuse, "{name}: {verdict:?}");
    match (expected, &got) {
        (Ok((status, body)), Some((head, came))) => {
            assert!(verdict.fault.is_none(), "{name}: {verdict:?}");
            assert_eq!((head.status.as_u16(), &came.as_ref().unwrap()[..]), (status, body.as_bytes()), "{name}");
        }
        (Err(kind), None) => {
            let fault = verdict.fault.expect("a fault");
            assert_eq!(fault.kind(), kind, "{name}");
            let is_invalid = fault.to_string().contains("invalid http response: ");
            assert_eq!(is_invalid, kind == Kind::InvalidFrame, "{name}: {fault}");
        }
        (expected, got) => panic!("{name}: {got:?}, not {expected:?}"),
    }
    if reuse == Reuse::Keep {
        assert_eq!(io.look(), Reuse::Keep, "{name}");
        let (got, verdict) = dispatch(&mut io, Call::new("f", "")).await;
        assert!(verdict.fault.is_none(), "{name}, next call: {verdict:?}");
        assert_eq!(got.unwrap().1.unwrap(), "next", "{name}");
    } else {
        assert_eq!(io.look(), Reuse::Retire, "{name}");
    }
    drop(io);
    function.finish();
}

#[tokio::test]
async fn an_answer_passes_with_its_status() {
    use Reuse::{Keep, Retire};
    let answer = |status: u16| format!("HTTP/1.1 {status} X\r\nContent-Length: 2\r\n\r\nhi");
    for status in [200, 201, 302, 404, 500, 502, 504, 599, 999] {
        row(answer(status).as_bytes(), false, Ok((status, "hi")), Keep).await;
    }
    row(b"HTTP/1.1 204 No Content\r\n\r\n", false, Ok((204, "")), Keep).await;
    row(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", false, Ok((200, "hi")), Keep).await;
    row(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", false, Ok((200, "hi")), Keep).await;
    row(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi", false, Ok((200, "hi")), Keep).await;
    let chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\nX: 1\r\n\r\n";
    row(chunks, false, Ok((200, "hi")), Keep).await;
    row(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 X\r\nContent-Length: 2\r\n\r\nhi", false, Ok((201, "hi")), Keep)
        .await;
    row(b"HTTP/1.1 200 OK\r\n\r\nhi", true, Ok((200, "hi")), Retire).await;
    row(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi\n", false, Ok((200, "hi")), Keep).await;
    row(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi!", false, Ok((200, "hi")), Retire).await;
    row(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi\n!", false, Ok((200, "hi")), Retire).await;
    row(b"HTTP/1.1 204 No Content\r\n\r\nhi", false, Ok((204, "")), Retire).await;
}

#[tokio::test]
async fn what_is_no_answer_retires_the_container() {
    async fn check(answer: &[u8], exits: bool, kind: Kind) {
        row(answer, exits, Err(kind), Reuse::Retire).await;
    }
    check(b"hello\n", false, Kind::InvalidFrame).await;
    check(b"", true, Kind::InvalidFrame).await;
    check(b"HTTP/1.1 200 OK\r\nContent-Le", true, Kind::InvalidFrame).await;
    check(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", true, Kind::InvalidFrame).await;
    check(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", false, Kind::InvalidFrame).await;
    check(b"HTTP/1.1 101 Switching Protocols\r\n\r\n", false, Kind::InvalidFrame).await;
    check(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123456789", false, Kind::ResponseTooLarge).await;
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: 1\r\n".repeat(9));
    check(many.as_bytes(), false, Kind::ResponseHeadersTooLarge).await;
    let large = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "a".repeat(300));
    check(large.as_bytes(), false, Kind::ResponseHeadersTooLarge).await;
}

#[tokio::test]
async fn requests_are_as_in_the_samples() {
    async fn check(name: &str, mut call: Call, body: impl Into<Body>) {
        let (tell, told) = mpsc::channel();
        let function = Function::new([script(move |mut peer| {
            tell.send(peer.request().unwrap().wire).unwrap();
            peer.write("HTTP/1.1 204 No Content\r\n\r\n");
        })]);
        call.body = body.into();
        let id = call.id;
        let mut io = end(&function, Limits::default());
        let (_, verdict) = dispatch(&mut io, call).await;
        assert!(verdict.fault.is_none(), "{verdict:?}");
        let came = String::from_utf8(told.recv().unwrap()).unwrap().replace(id.as_str(), samples::ID);
        assert_eq!(came, String::from_utf8(sample(name)).unwrap(), "{name}");
        drop(io);
        function.finish();
    }
    let headers: &[(&str, &[u8])] = &[
        ("host", b"shop.example"),
        ("content-type", b"text/plain"),
        ("connection", b"keep-alive"),
        ("transfer-encoding", b"chunked"),
        ("content-length", b"7"),
        ("x-twice", b"1"),
        ("x-twice", b"2"),
        ("fn_call_id", b"spoofed"),
        ("fn_deadline", b"spoofed"),
        ("fn-call-id", b"spoofed"),
        ("fn_method", b"spoofed"),
        ("fn_request_url", b"spoofed"),
    ];
    check("call", samples::call("PUT", "http://shop.example/books?new=1", headers), "hi").await;
    check("call_get", samples::call("GET", "http://shop.example", &[]), "").await;
    let streamed = Body::stream(Slow::of(&["hi"]));
    check("call_streamed", samples::call("POST", "/books", &[]), streamed).await;
}

#[test]
fn a_url_has_a_host_and_a_target() {
    let check = |url: &str, authority: &str, target: &str| {
        assert_eq!(split(url), (authority, Cow::from(target)), "{url:?}");
    };
    check("http://a:1/b/c?d=/e", "a:1", "/b/c?d=/e");
    check("https://a", "a", "/");
    check("http://a?b=1", "a", "/?b=1");
    check("/b#c", "", "/b");
    check("", "", "/");
    check("*", "", "*");
    check("b", "", "/b");
}

#[tokio::test]
async fn an_answers_headers_reach_the_caller() {
    let function = Function::new([script(|mut peer| {
        peer.request();
        peer.write(sample("answer_created"));
        peer.closed();
    })]);
    let mut io = end(&function, Limits::default());
    let (got, verdict) = dispatch(&mut io, Call::new("f", "")).await;
    let (head, body) = got.unwrap();
    let lines: Vec<_> = head.headers.iter().map(|(n, v)| (n.as_str(), v.to_str().unwrap())).collect();
    assert_eq!(head.status, StatusCode::CREATED);
    assert_eq!(lines, [("location", "/books/7"), ("set-cookie", "a=1"), ("set-cookie", "b=2")]);
    assert_eq!(body.unwrap(), "hi");
    assert_eq!(verdict.reuse, Reuse::Keep);
    drop(io);
    function.finish();
}

#[tokio::test]
async fn an_answer_to_head_has_no_body() {
    let function = Function::new([script(|mut peer| {
        peer.request();
        peer.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
        peer.request().expect("another");
        peer.write(NEXT);
    })]);
    let mut io = end(&function, Limits::default());
    let mut call = Call::new("f", "");
    call.method = Method::HEAD;
    let (got, verdict) = dispatch(&mut io, call).await;
    assert_eq!(got.unwrap().1.unwrap(), "");
    assert_eq!(verdict.reuse, Reuse::Keep);
    let (got, _) = dispatch(&mut io, Call::new("f", "")).await;
    assert_eq!(got.unwrap().1.unwrap(), "next");
    drop(io);
    function.finish();
}

#[tokio::test]
async fn a_byte_that_comes_late_retires_before_the_next_call_unless_it_is_blank() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    for (stray, reuse) in [("\n", Reuse::Keep), (answer, Reuse::Retire), ("", Reuse::Retire)] {
        let (tell, told) = mpsc::channel();
        let (tell_peer, peer_told) = mpsc::channel::<()>();
        let function = Function::new([script(move |mut peer| {
            peer.request();
            peer.write(NEXT);
            peer_told.recv_timeout(PATIENCE).unwrap();
            peer.write(stray);
            if stray.is_empty() {
                // It is the end that comes.
                drop(peer);
                return tell.send(()).unwrap();
            }
            tell.send(()).unwrap();
            peer.closed();
        })]);
        let mut io = end(&function, Limits::default());
        dispatch(&mut io, Call::new("f", "")).await;
        assert_eq!(io.look(), Reuse::Keep);
        tell_peer.send(()).unwrap();
        told.recv_timeout(PATIENCE).unwrap();
        assert_eq!(io.look(), reuse, "{stray:?}");
        drop(io);
        function.finish();
    }
}

/// A kit of 2018 ends each answer with a line break.
#[tokio::test]
async fn white_space_after_an_answer_does_no_harm() {
    for blank in ["\n", "\r\n\r\n", " \t\n"] {
        let function = Function::new([script(move |mut peer| {
            while peer.request().is_some() {
                peer.write([NEXT, blank.as_bytes()].concat());
            }
        })]);
        let mut io = end(&function, Limits::default());
        for _ in 0..3 {
            let (got, verdict) = dispatch(&mut io, Call::new("f", "")).await;
            assert_eq!((got.unwrap().1.unwrap(), verdict.reuse), ("next".into(), Reuse::Keep), "{blank:?}");
            assert_eq!(io.look(), Reuse::Keep, "{blank:?}");
        }
        drop(io);
        function.finish();
    }
}

#[tokio::test]
async fn a_callers_fault_costs_the_container_only_once_bytes_were_written() {
    async fn check(body: Body, expected: Kind, reuse: Reuse) {
        let function = Function::new([script(|mut peer| {
            while peer.request().is_some() {
                peer.write(NEXT);
            }
        })]);
        let mut io = end(&function, limits());
        let (got, verdict) = dispatch(&mut io, Call::new("f", body)).await;
        assert!(got.is_none());
        assert_eq!((verdict.fault.unwrap().kind(), verdict.reuse), (expected, reuse));
        assert_eq!(io.look(), reuse);
        if reuse == Reuse::Keep {
            let (got, _) = dispatch(&mut io, Call::new("f", "0123456789")).await;
            assert_eq!(got.unwrap().1.unwrap(), "next");
        }
        drop(io);
        function.finish();
    }
    use Reuse::{Keep, Retire};
    let cut = || Err(BodyError::Cut("gone".into()));
    check("01234567890".into(), Kind::RequestTooLarge, Keep).await;
    check(Body::stream(http_body_util::Full::from("01234567890")), Kind::RequestTooLarge, Keep).await;
    check(Body::stream(Slow::of(&["01234", "56789", "0"])), Kind::RequestTooLarge, Retire).await;
    check(Body::stream(Slow::new([Ok("0".into()), cut()])), Kind::CallCut, Retire).await;
}

#[tokio::test]
async fn an_answer_before_the_requests_end_is_delivered_and_retires() {
    let function = Function::new([script(|mut peer| {
        peer.byte();
        peer.write(NEXT);
        peer.closed();
    })]);
    let mut io = end(&function, Limits::default());
    let mut body = Slow::of(&["some"]);
    body.hangs = true;
    let (got, verdict) = dispatch(&mut io, Call::new("f", Body::stream(body))).await;
    assert_eq!(got.unwrap().1.unwrap(), "next");
    assert!(verdict.fault.is_none());
    assert_eq!((verdict.reuse, io.look()), (Reuse::Retire, Reuse::Retire));
    drop(io);
    function.finish();
}

#[tokio::test]
async fn a_call_that_is_dropped_leaves_the_end_unclean() {
    let function = Function::new([script(|mut peer| {
        peer.request();
        peer.closed();
    })]);
    let mut io = end(&function, Limits::default());
    abandon(&mut io, Call::new("f", "hi")).await;
    assert_eq!(io.look(), Reuse::Retire);
    drop(io);
    function.finish();
}

#[tokio::test]
async fn bodies_stream_both_ways_at_once() {
    const PIECES: usize = 256;
    let function = Function::new([script(|mut peer| peer.echo())]);
    let mut io = end(&function, Limits::default());
    let pieces = (0..PIECES).map(|nth| Ok(Bytes::from(vec![nth as u8; 64 << 10])));
    let (got, verdict) = dispatch(&mut io, Call::new("f", Body::stream(Slow::new(pieces)))).await;
    assert!(verdict.fault.is_none(), "{verdict:?}");
    let body = got.unwrap().1.unwrap();
    assert_eq!(body.len(), PIECES << 16);
    assert!(body.iter().enumerate().all(|(at, byte)| *byte == (at >> 16) as u8));
    assert_eq!(verdict.reuse, Reuse::Keep);
    drop(io);
    function.finish();
}

/// What a function makes of a request as the agent writes it.
fn arrive(call: &Call, length: Length) -> Arrival {
    let mut wire = BytesMut::new();
    encode_head(call, length, &mut wire);
    let read = RequestDecoder::new(http1::Limits::default()).decode(&mut wire);
    let Ok(Some(Event::Head(head))) = read else { panic!("a head, not {read:?}") };
    assert_eq!(head.length, length);
    decode_call(head)
}

#[test]
fn a_function_sees_the_callers_request() {
    let headers: &[(&str, &[u8])] = &[("host", b"shop"), ("connection", b"x"), ("x", b"1"), ("content-length", b"2")];
    let call = samples::call("PATCH", "http://shop/a?b", headers);
    let arrival = arrive(&call, Length::Exact(2));
    assert_eq!(arrival.call_id.as_deref(), Some(call.id.as_str()));
    assert_eq!((arrival.method, arrival.url.as_str()), (Method::PATCH, "http://shop/a?b"));
    assert_eq!(arrival.intent, Intent::Gateway);
    assert_eq!(samples::deadline(&arrival.due).unwrap().to_rfc3339_millis(), "2001-09-09T01:46:40.678Z");
    let mut names: Vec<_> = arrival.headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["connection", "host", "x"]);
}

#[test]
fn the_added_headers_are_read_in_any_spelling() {
    let check = |lines: &str, id: Option<&str>, method: Method, url: &str| {
        let mut wire = BytesMut::from(format!("PUT /t?a HTTP/1.1\r\nHost: h\r\n{lines}\r\n").as_str());
        let read = RequestDecoder::new(http1::Limits::default()).decode(&mut wire);
        let Ok(Some(Event::Head(head))) = read else { panic!("a head, not {read:?}") };
        let arrival = decode_call(head);
        assert_eq!((arrival.call_id.as_deref(), arrival.method, arrival.url.as_str()), (id, method, url), "{lines:?}");
    };
    check("", None, Method::PUT, "/t?a");
    check("Fn_call_id: a\r\nFn_method: GET\r\nFn_request_url: http://h/\r\n", Some("a"), Method::GET, "http://h/");
    check("FN_CALL_ID: a\r\nfn_METHOD: GET\r\n", Some("a"), Method::GET, "/t?a");
    check("Fn-Call-Id: a\r\nFn-Method: GET\r\nFn-Request-Url: /u\r\n", Some("a"), Method::GET, "/u");
    check("Fn_call_id: \r\nFn_method: a b\r\nFn_deadline: soon\r\n", None, Method::PUT, "/t?a");
}

proptest! {
    #[test]
    fn an_answer_comes_back_as_the_function_gave_it(
        status in 200u16..1000,
        values in proptest::collection::vec("([!-~]([ -~]{0,20}[!-~])?)?", 0..5),
        length in prop_oneof![Just(Length::Chunked), any::<u64>().prop_map(Length::Exact)],
    ) {
        let status = StatusCode::from_u16(status).unwrap();
        let mut headers = HeaderMap::new();
        for value in &values {
            headers.append("x-value", value.parse().unwrap());
        }
        headers.insert("connection", "x-hop".parse().unwrap());
        headers.insert("x-hop", "1".parse().unwrap());
        headers.insert("fn-call-id", "another".parse().unwrap());
        let mut wire = BytesMut::new();
        encode::status_line(&mut wire, status);
        encode_answer(&headers, &mut wire);
        encode::length(&mut wire, length);
        encode::head_end(&mut wire);
        let read = ResponseDecoder::new(&Method::POST, http1::Limits::default()).decode(&mut wire).unwrap();
        let Some(Event::Head(head)) = read else { panic!("a head, not {read:?}") };
        let headers = gateway::answer_headers(head.lines);
        prop_assert_eq!(head.status, status);
        prop_assert_eq!(headers.keys_len(), usize::from(!values.is_empty()));
        prop_assert!(headers.get_all("x-value").iter().eq(values.iter().map(String::as_str)));
        let bodiless = matches!(status.as_u16(), 204 | 304);
        prop_assert_eq!(head.length, if bodiless { Length::Exact(0) } else { length });
    }
}
