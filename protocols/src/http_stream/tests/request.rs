//! What the function reads, byte by byte as in the samples, and what the caller gets of its headers.

use std::sync::mpsc;

use bytes::Bytes;

use super::*;
use crate::samples;

#[tokio::test]
async fn the_functions_own_headers_reach_the_caller_and_the_connections_do_not() {
    let function = Function::new([script(|mut peer| {
        peer.request();
        peer.write(
            "HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nDate: now\r\nFn-Fdk-Version: fdk-go/1\r\n\
             Connection: x-hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nFn-Call-Id: mine\r\nContent-Length: 2\r\n\r\nhi",
        );
        peer.closed();
    })]);
    let mut io = end(&function, Limits::default());
    let (got, _) = dispatch(&mut io, Call::new("f", "")).await;
    let (head, _) = got.unwrap();
    let mut names: Vec<_> = head.headers.iter().map(|(n, v)| (n.as_str(), v.to_str().unwrap())).collect();
    names.sort_unstable();
    assert_eq!(names, [("date", "now"), ("fn-fdk-version", "fdk-go/1"), ("set-cookie", "a"), ("set-cookie", "b")]);
    drop(io);
    function.finish();
}

#[tokio::test]
async fn requests_are_as_in_the_samples_and_small_ones_are_one_write() {
    async fn check(name: &str, mut call: Call, body: impl Into<Body>) {
        let (tell, told) = mpsc::channel();
        let function = Function::new([script(move |mut peer| {
            tell.send(peer.request().unwrap().wire).unwrap();
            peer.write(NEXT);
        })]);
        call.body = body.into();
        let id = call.id;
        let mut io = end(&function, Limits::default());
        let (_, verdict) = dispatch(&mut io, call).await;
        assert!(verdict.fault.is_none(), "{verdict:?}");
        let came = String::from_utf8(told.recv().unwrap()).unwrap().replace(id.as_str(), samples::ID);
        assert_eq!(came, String::from_utf8(sample(name)).unwrap(), "{name}");
        assert_eq!(function.writes(), 1, "{name}");
        drop(io);
        function.finish();
    }
    let headers: &[(&str, &[u8])] = &[
        ("host", b"node:8080"),
        ("accept", b"*/*"),
        ("content-type", b"text/plain"),
        ("content-length", b"2"),
        ("x-twice", b"1"),
        ("x-twice", b"2"),
        ("te", b"trailers"),
        ("fn-call-id", b"spoofed"),
        ("fn-deadline", b"spoofed"),
        ("connection", b"close, x-hop"),
        ("x-hop", b"1"),
        ("upgrade", b"h2c"),
    ];
    check("call", samples::call("PUT", "/whatever", headers), "hi").await;
    check("call", samples::call("GET", "/", headers), Body::stream(http_body_util::Full::new(Bytes::from("hi")))).await;
    check("call_empty", samples::call("GET", "/", &[]), "").await;
    check("call_empty", samples::call("GET", "/", &[]), Body::stream(Pieces::default())).await;
    let gateway = || {
        let mut call = samples::call(
            "PUT",
            "http://node:8080/t/shop/books?new=1",
            &[
                ("host", b"node:8080"),
                ("accept", b"text/html"),
                ("accept", b"text/plain"),
                ("content-type", b"application/json"),
                ("content-length", b"2"),
                ("fn-intent", b"mine"),
                ("keep-alive", b"5"),
            ],
        );
        call.intent = Intent::Gateway;
        call
    };
    check("call_gateway", gateway(), "{}").await;
    check("call_gateway", gateway(), Body::stream(Pieces(vec![Bytes::from("{}")]))).await;
}

/// A head may be longer than what is queued of a body before it is written.
#[tokio::test]
async fn a_long_head_takes_its_body_along() {
    let long = "x".repeat(100 << 10).into_bytes();
    for body_bytes in [1, 9 << 10, 100 << 10] {
        let (tell, told) = mpsc::channel();
        let function = Function::new([script(move |mut peer| {
            tell.send(peer.request().unwrap()).unwrap();
            peer.write(NEXT);
        })]);
        let mut call = samples::call("POST", "/", &[("x-long", &long)]);
        call.body = "y".repeat(body_bytes).into();
        let mut io = end(&function, Limits::default());
        let (_, verdict) = dispatch(&mut io, call).await;
        assert!(verdict.fault.is_none(), "{verdict:?}");
        assert_eq!(told.recv().unwrap().body.len(), body_bytes);
        drop(io);
        function.finish();
    }
}

/// A stream whose pieces, the last one first, are there at once, but whose end is only known by
/// asking.
#[derive(Default)]
struct Pieces(Vec<Bytes>);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, BodyError>>> {
        std::task::Poll::Ready(self.0.pop().map(|piece| Ok(http_body::Frame::data(piece))))
    }
}

#[tokio::test]
async fn a_gateway_answer_is_unwrapped() {
    async fn check(answer: &str, expected: Result<(u16, &str), Kind>) {
        let wire = answer.to_owned();
        let function = Function::new([script(move |mut peer| {
            peer.request();
            peer.write(wire);
            peer.request().expect("the connection is kept");
            peer.write(NEXT);
        })]);
        let mut io = end(&function, Limits::default());
        let mut call = Call::new("f", "");
        call.intent = Intent::Gateway;
        let (got, verdict) = dispatch(&mut io, call).await;
        assert_eq!(verdict.reuse, Reuse::Keep);
        let came = match &got {
            Some((head, body)) => Ok((head.status.as_u16(), std::str::from_utf8(body.as_ref().unwrap()).unwrap())),
            None => Err(verdict.fault.expect("a fault").kind()),
        };
        assert_eq!(came, expected, "{answer:?}");
        assert!(dispatch(&mut io, Call::new("f", "")).await.1.fault.is_none());
        drop(io);
        function.finish();
    }
    let answer = |status: &str| format!("HTTP/1.1 200 OK\r\nFn-Http-Status: {status}\r\nContent-Length: 2\r\n\r\nhi");
    check(&answer("201"), Ok((201, "hi"))).await;
    check(&answer("500"), Ok((500, "hi"))).await;
    check(&answer("204"), Ok((204, ""))).await;
    check(&answer("304"), Ok((304, ""))).await;
    check(&answer("99"), Err(Kind::InvalidResponse)).await;
    check(&String::from_utf8(sample("answer_gateway")).unwrap(), Ok((201, "hello"))).await;
}
