//! Both tables of section 1.8 of the contract row by row, on real sockets: what the caller gets,
//! and what becomes of the connection and the container.

use super::*;
use crate::http1::scripted::{Function, Peer, Script, Slow, dispatch};
use crate::{Body, BodyError};

mod connection;
mod request;
mod streaming;

const NEXT: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext";

fn sample(name: &str) -> Vec<u8> {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/http-stream");
    std::fs::read(dir.join(name).with_extension("http")).unwrap()
}

fn script(script: impl FnOnce(Peer) + Send + 'static) -> Script {
    Box::new(script)
}

fn end(function: &Function, limits: Limits) -> HttpStream {
    HttpStream::new(Box::new(function.clone()), limits)
}

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Line {
    Dropped,
    Kept,
}

/// One row: the function answers `answer` and, with `hangs_up`, closes the connection. The caller
/// gets a body or a fault; where the container is kept, its next call is served.
async fn row(name: &str, answer: Vec<u8>, hangs_up: bool, expected: Result<&str, Kind>, reuse: Reuse, line: Line) {
    let limits = Limits {
        response_bytes_max: Some(8),
        response_headers_max: 8,
        response_head_bytes_max: 256,
        ..Limits::default()
    };
    let first = script(move |mut peer| {
        peer.request().expect("a request");
        peer.write(answer);
        if hangs_up {
            return;
        }
        if line == Line::Kept {
            peer.request().expect("another on the same connection");
            peer.write(NEXT);
        }
        assert!(peer.request().is_none(), "no other request");
    });
    let second = script(|mut peer| {
        peer.request().expect("a request");
        peer.write(NEXT);
    });
    let dials_anew = reuse == Reuse::Keep && line == Line::Dropped;
    let function = Function::new([first].into_iter().chain(dials_anew.then_some(second)));
    let mut io = end(&function, limits);

    let (got, verdict) = dispatch(&mut io, Call::new("f", "hi")).await;
    assert_eq!(verdict.reuse, reuse, "{name}: {verdict:?}");
    match expected {
        Ok(body) => {
            assert!(verdict.fault.is_none(), "{name}: {verdict:?}");
            assert_eq!(got.expect("an answer").1.expect("a whole one"), body, "{name}");
        }
        Err(kind) => {
            assert_eq!(verdict.fault.map(|f| f.kind()), Some(kind), "{name}");
            assert!(got.is_none(), "{name}: a short answer fails cleanly, {got:?}");
        }
    }
    if reuse == Reuse::Keep {
        assert_eq!(io.look(), Reuse::Keep);
        let (got, verdict) = dispatch(&mut io, Call::new("f", "")).await;
        assert!(verdict.fault.is_none(), "{name}, next call: {verdict:?}");
        assert_eq!(got.unwrap().1.unwrap(), "next", "{name}");
    }
    assert_eq!(function.dials(), if dials_anew { 2 } else { 1 }, "{name}");
    drop(io);
    function.finish();
}

#[tokio::test]
async fn a_status_is_a_signal() {
    use Line::{Dropped, Kept};
    use Reuse::{Keep, Retire};
    for (name, body, line) in [
        ("answer_fixed", "hello", Kept),
        ("answer_chunked", "hello", Kept),
        ("answer_chunked_trailers", "hello", Kept),
        ("answer_empty", "", Kept),
        ("answer_interim", "hello", Kept),
        ("answer_no_reason", "hello", Kept),
        ("answer_connection_close", "hello", Dropped),
        ("answer_http10", "hello", Dropped),
        ("answer_http10_keep_alive", "hello", Kept),
    ] {
        row(name, sample(name), false, Ok(body), Keep, line).await;
    }
    for name in ["answer_close_delimited", "answer_http10_close_delimited", "answer_fixed"] {
        row(name, sample(name), true, Ok("hello"), Keep, Dropped).await;
    }

    let status = |status: u16| format!("HTTP/1.1 {status} Whatever\r\nContent-Length: 2\r\n\r\nno").into_bytes();
    row("502", status(502), false, Err(Kind::Failed), Keep, Kept).await;
    row("504", status(504), false, Err(Kind::TimedOut), Keep, Kept).await;
    for code in [201, 204, 299, 302, 304, 400, 404, 500, 501, 503, 599] {
        row(&code.to_string(), status(code), false, Err(Kind::InvalidResponse), Retire, Dropped).await;
    }
    for code in [502, 504] {
        let kind = if code == 502 { Kind::Failed } else { Kind::TimedOut };
        let unread = format!("HTTP/1.1 {code} X\r\nContent-Length: 9\r\n\r\nno").into_bytes();
        row("body not here yet", unread, false, Err(kind), Keep, Dropped).await;
    }
}

#[tokio::test]
async fn what_fails_has_its_code() {
    use Line::{Dropped, Kept};
    use Reuse::{Keep, Retire};
    row("closed before the head", vec![], true, Err(Kind::Receiving), Retire, Dropped).await;
    row("closed within the head", b"HTTP/1.1 200 OK\r\nCont".into(), true, Err(Kind::Receiving), Retire, Dropped).await;
    row("garbage", b"Traceback:\n".into(), false, Err(Kind::Receiving), Retire, Dropped).await;
    row("two lengths", sample("refused_two_lengths"), false, Err(Kind::Receiving), Retire, Dropped).await;
    row("short body", sample("refused_cut_within_body"), true, Err(Kind::Receiving), Retire, Dropped).await;
    row(
        "bad chunk",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n".into(),
        false,
        Err(Kind::Receiving),
        Retire,
        Dropped,
    )
    .await;

    let large = |n| format!("HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 0\r\n\r\n", "a".repeat(n)).into_bytes();
    row("large head", large(300), false, Err(Kind::ResponseHeadersTooLarge), Retire, Dropped).await;
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: 1\r\n".repeat(9)).into_bytes();
    row("many headers", many, false, Err(Kind::ResponseHeadersTooLarge), Retire, Dropped).await;

    let fixed = |n| format!("HTTP/1.1 200 OK\r\nContent-Length: {n}\r\n\r\n{}", "a".repeat(n)).into_bytes();
    row("body as large as the bound", fixed(8), false, Ok("aaaaaaaa"), Keep, Kept).await;
    row("body larger than the bound", fixed(9), false, Err(Kind::ResponseTooLarge), Keep, Dropped).await;
    let chunks = |n| {
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{n}\r\n{}\r\n0\r\n\r\n", "a".repeat(n))
            .into_bytes()
    };
    row("chunks as large as the bound", chunks(8), false, Ok("aaaaaaaa"), Keep, Kept).await;
    row("chunks larger than the bound", chunks(9), false, Err(Kind::ResponseTooLarge), Keep, Dropped).await;

    let surplus = [sample("answer_fixed"), NEXT.to_vec()].concat();
    row("surplus", surplus, false, Ok("hello"), Keep, Dropped).await;
}

#[tokio::test]
async fn an_invalid_status_is_named_with_the_rule() {
    let function = Function::new([script(|mut peer| {
        peer.request();
        peer.write("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        peer.closed();
    })]);
    let mut io = end(&function, Limits::default());
    let (_, verdict) = dispatch(&mut io, Call::new("f", "")).await;
    let words = verdict.fault.unwrap().to_string();
    for word in ["404", "200", "502", "504"] {
        assert!(words.contains(word), "{word} in {words:?}");
    }
    drop(io);
    function.finish();
}

/// Fails a call by its own body, then makes another.
async fn callers_fault(body: Body, expected: Kind, dials: usize) {
    let good = || {
        script(|mut peer: Peer| {
            while peer.request().is_some() {
                peer.write(NEXT);
            }
        })
    };
    let function = Function::new((0..dials).map(|_| good()));
    let mut io = end(&function, Limits { request_bytes_max: Some(10), ..Limits::default() });
    let (got, verdict) = dispatch(&mut io, Call::new("f", body)).await;
    assert!(got.is_none());
    assert_eq!((verdict.fault.unwrap().kind(), verdict.reuse), (expected, Reuse::Keep));
    let (got, _) = dispatch(&mut io, Call::new("f", "0123456789")).await;
    assert_eq!(got.unwrap().1.unwrap(), "next");
    assert_eq!(function.dials(), dials);
    drop(io);
    function.finish();
}

#[tokio::test]
async fn a_callers_fault_does_no_harm() {
    let cut = || Err(BodyError::Cut("gone".into()));
    callers_fault("01234567890".into(), Kind::RequestTooLarge, 1).await;
    callers_fault(Body::stream(http_body_util::Full::from("01234567890")), Kind::RequestTooLarge, 1).await;
    callers_fault(Body::stream(Slow::of(&["01234", "56789", "0"])), Kind::RequestTooLarge, 2).await;
    callers_fault(Body::stream(Slow::new([Ok("0123".into()), cut()])), Kind::CallCut, 2).await;
    callers_fault(
        Body::stream(Slow::new([Ok("0".into()), Err(BodyError::TooLarge { max: 1 })])),
        Kind::RequestTooLarge,
        2,
    )
    .await;
}
