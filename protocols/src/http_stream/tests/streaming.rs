//! Bodies longer than what is held back: both ways at once, cut, and given up by the caller.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::*;
use crate::http1::scripted::PATIENCE;
use crate::reply_pipe;

#[tokio::test]
async fn bodies_stream_both_ways_at_once_in_bounded_memory() {
    const PIECES: u64 = 256;
    const PIECE: usize = 64 << 10;
    let function = Function::new([script(|mut peer| peer.echo())]);
    let mut io = end(&function, Limits::default());
    let sent = Arc::new(AtomicU64::new(0));
    let count = sent.clone();
    let pieces = (0..PIECES).map(move |nth| {
        count.fetch_add(PIECE as u64, Ordering::Relaxed);
        Ok(Bytes::from(vec![nth as u8; PIECE]))
    });
    let mut call = Call::new("f", Body::stream(Slow::new(pieces)));
    let (sink, mut source) = reply_pipe();
    let taking = async {
        std::future::poll_fn(|cx| source.poll_head(cx)).await;
        let mut body = source.into_reply().unwrap().body;
        let (mut taken, mut between_max) = (0u64, 0);
        while let Some(piece) = body.next().await {
            for byte in piece.unwrap() {
                assert_eq!(byte, (taken / PIECE as u64) as u8);
                taken += 1;
            }
            between_max = between_max.max(sent.load(Ordering::Relaxed) - taken);
        }
        (taken, between_max)
    };
    let both = async { tokio::join!(taking, io.dispatch(&mut call, sink)) };
    let ((taken, between_max), verdict) = tokio::time::timeout(6 * PATIENCE, both).await.unwrap();
    assert!(verdict.fault.is_none(), "{verdict:?}");
    assert_eq!(taken, PIECES * PIECE as u64);
    assert!(between_max < 4 << 20, "{between_max} bytes were under way at once");
    assert!(io.kept.is_some(), "both bodies ended");
    drop(io);
    function.finish();
}

#[tokio::test]
async fn an_answer_that_is_whole_before_the_request_ends_it() {
    let function = Function::new([script(|mut peer| {
        peer.byte();
        peer.write(NEXT);
        peer.closed();
    })]);
    let mut io = end(&function, Limits::default());
    let mut body = Slow::of(&["some"]);
    body.hangs = true;
    let (got, verdict) = dispatch(&mut io, Call::new("f", Body::stream(body))).await;
    assert!(verdict.fault.is_none(), "{verdict:?}");
    assert_eq!(got.unwrap().1.unwrap(), "next");
    assert_eq!(verdict.reuse, Reuse::Keep);
    assert!(io.kept.is_none(), "the rest of the request was never sent");
    function.finish();
}

#[tokio::test]
async fn an_answer_too_long_to_be_held_is_cut_when_it_fails() {
    async fn check(answer: &'static str, limits: Limits, expected: Kind, reuse: Reuse) {
        let function = Function::new([script(move |mut peer| {
            peer.request();
            peer.write(answer);
        })]);
        let mut io = end(&function, limits);
        let (got, verdict) = dispatch(&mut io, Call::new("f", "")).await;
        assert_eq!((verdict.fault.unwrap().kind(), verdict.reuse), (expected, reuse), "{answer:?}");
        let (head, body) = got.expect("a head");
        assert_eq!(head.status, StatusCode::OK);
        assert!(body.is_err(), "{answer:?} ends cut: {body:?}");
        drop(io);
        function.finish();
    }
    let limits = || Limits { hold_bytes_max: 4, ..Limits::default() };
    check("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", limits(), Kind::Receiving, Reuse::Retire).await;
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nworld\r\n";
    check(chunks, limits(), Kind::Receiving, Reuse::Retire).await;
    let bounded = Limits { response_bytes_max: Some(9), ..limits() };
    check(chunks, bounded, Kind::ResponseTooLarge, Reuse::Keep).await;
}

#[tokio::test]
async fn a_caller_who_leaves_ends_the_connection() {
    for endless in ["5\r\nhello\r\n", ""] {
        let function = Function::new([script(move |mut peer| {
            peer.request();
            peer.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
            if endless.is_empty() {
                peer.closed();
            } else {
                // Which of the two depends on whether the agent had read all that was there.
                let e = peer.write_forever(endless.as_bytes()).kind();
                assert!(matches!(e, std::io::ErrorKind::BrokenPipe | std::io::ErrorKind::ConnectionReset), "{e}");
            }
        })]);
        let mut io = end(&function, Limits { hold_bytes_max: 4, ..Limits::default() });
        let (sink, mut source) = reply_pipe();
        let leaving = async {
            std::future::poll_fn(|cx| source.poll_head(cx)).await;
            source.into_reply().unwrap().body.next().await.unwrap().unwrap();
        };
        let mut call = Call::new("f", "");
        let both = async { tokio::join!(leaving, io.dispatch(&mut call, sink)) };
        let ((), verdict) = tokio::time::timeout(PATIENCE, both).await.unwrap();
        assert_eq!((verdict.fault.unwrap().kind(), verdict.reuse), (Kind::CallerLeft, Reuse::Retire));
        assert!(io.kept.is_none());
        function.finish();
    }
}
