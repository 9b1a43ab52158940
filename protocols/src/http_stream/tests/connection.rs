//! What becomes of the connection between calls, and when a request is sent once more.

use std::pin::Pin;
use std::sync::mpsc;
use std::task::Poll;

use bytes::Bytes;
use http_body::Frame;
use tokio::sync::oneshot;

use super::*;
use crate::http1::scripted::{PATIENCE, abandon};

/// A function that answers once and hangs up, and who hears that it has.
fn closes_after_one() -> (Script, mpsc::Receiver<()>) {
    let (tell, told) = mpsc::channel();
    let closes = script(move |mut peer| {
        peer.request();
        peer.write(NEXT);
        drop(peer);
        tell.send(()).unwrap();
    });
    (closes, told)
}

#[tokio::test]
async fn a_connection_the_function_closed_while_idle_is_dialled_anew() {
    for looks in [true, false] {
        let (closes, told) = closes_after_one();
        let function = Function::new([
            closes,
            script(|mut peer| {
                assert_eq!(peer.request().unwrap().body, b"again");
                peer.write(NEXT);
            }),
        ]);
        let mut io = end(&function, Limits::default());
        dispatch(&mut io, Call::new("f", "")).await;
        told.recv_timeout(PATIENCE).unwrap();
        if looks {
            assert_eq!(io.look(), Reuse::Keep);
            assert!(io.kept.as_ref().is_some_and(|kept| !kept.used), "the look saw the end, and dialled");
        }
        let (got, verdict) = dispatch(&mut io, Call::new("f", "again")).await;
        assert!(verdict.fault.is_none(), "{verdict:?}");
        assert_eq!(got.unwrap().1.unwrap(), "next");
        drop(io);
        function.finish();
    }
}

#[tokio::test]
async fn a_function_that_takes_no_connection_is_found_out_before_the_call() {
    let function = Function::new([script(|mut peer| {
        peer.request();
        peer.write(NEXT);
    })]);
    let mut io = end(&function, Limits::default());
    assert_eq!(io.look(), Reuse::Keep);
    dispatch(&mut io, Call::new("f", "")).await;
    function.stop_listening();
    io.kept = None;
    assert_eq!(io.look(), Reuse::Retire);
    drop(io);
    function.finish();
}

/// Makes a call with a small body, then one with `body` on the same connection, on which `then`
/// goes on. True if that one was sent once more.
async fn is_sent_again(body: Body, then: fn(&mut Peer)) -> bool {
    let first = script(move |mut peer| {
        peer.request();
        peer.write(NEXT);
        then(&mut peer);
    });
    let second = script(|mut peer| {
        peer.request();
        peer.write(NEXT);
    });
    let function = Function::new([first, second]);
    let mut io = end(&function, Limits::default());
    dispatch(&mut io, Call::new("f", "")).await;
    let (_, verdict) = dispatch(&mut io, Call::new("f", body)).await;
    let again = function.dials() == 2;
    if again {
        assert!(verdict.fault.is_none(), "{verdict:?}");
    } else {
        assert_eq!(verdict.fault.map(|f| f.kind()), Some(Kind::Receiving));
        assert_eq!(verdict.reuse, Reuse::Retire);
        // The script that waits for it.
        assert!(dispatch(&mut io, Call::new("f", "")).await.1.fault.is_none());
    }
    drop(io);
    function.finish();
    again
}

#[tokio::test]
async fn only_what_the_function_cannot_have_read_is_sent_again() {
    let large = || Bytes::from(vec![7; 4 << 20]);
    let unread = |peer: &mut Peer| peer.wait();
    let some_read = |peer: &mut Peer| peer.byte();
    let read = |peer: &mut Peer| drop(peer.request());
    let half_an_answer = |peer: &mut Peer| {
        peer.byte();
        peer.write("H");
    };
    assert!(is_sent_again("hi".into(), unread).await, "hung up with the request unread");
    assert!(!is_sent_again("hi".into(), read).await, "hung up when it had read it all");
    assert!(!is_sent_again("hi".into(), half_an_answer).await, "hung up within its answer");
    let taken = || Body::stream(Slow::new([Ok(large())]));
    assert!(!is_sent_again(taken(), some_read).await, "the body is gone");
}

/// A reset says that some of it was unread, and not how much was.
#[tokio::test]
async fn a_large_request_of_which_some_may_have_been_read_is_not_sent_again() {
    let large = || Bytes::from(vec![7; 4 << 20]);
    assert!(!is_sent_again(large().into(), |peer| peer.byte()).await);
    assert!(!is_sent_again(large().into(), |peer| peer.wait()).await, "the kernel says the same");
}

#[tokio::test]
async fn a_large_request_that_found_the_connection_closed_is_sent_again() {
    let (closes, told) = closes_after_one();
    let function = Function::new([
        closes,
        script(|mut peer| {
            assert_eq!(peer.request().unwrap().body.len(), 4 << 20);
            peer.write(NEXT);
        }),
    ]);
    let mut io = end(&function, Limits::default());
    dispatch(&mut io, Call::new("f", "")).await;
    told.recv_timeout(PATIENCE).unwrap();
    let (_, verdict) = dispatch(&mut io, Call::new("f", vec![7; 4 << 20])).await;
    assert!(verdict.fault.is_none(), "{verdict:?}");
    drop(io);
    function.finish();
}

/// No more bytes, and an end when it is told.
struct EndsWhen(oneshot::Receiver<()>);

impl http_body::Body for EndsWhen {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.0).poll(cx).map(|_| None)
    }
}

/// The end of its body alone was unread.
#[tokio::test]
async fn a_request_whose_end_came_later_is_nobody_elses_once_its_beginning_was_read() {
    let (end_body, ended) = oneshot::channel::<()>();
    let function = Function::new([script(move |mut peer| {
        peer.some();
        end_body.send(()).unwrap();
        peer.wait();
    })]);
    let mut io = end(&function, Limits::default());
    let body = Body::resumed("hi".into(), Body::stream(EndsWhen(ended)));
    let (_, verdict) = dispatch(&mut io, Call::new("f", body)).await;
    assert_eq!((verdict.reuse, verdict.fault.unwrap().kind()), (Reuse::Retire, Kind::Receiving));
    assert!(!verdict.unread, "it may have begun to work");
    drop(io);
    function.finish();
}

#[tokio::test]
async fn a_new_connection_is_not_tried_twice() {
    let function = Function::new([script(|mut peer| peer.byte())]);
    let mut io = end(&function, Limits::default());
    let (_, verdict) = dispatch(&mut io, Call::new("f", "hi")).await;
    assert_eq!((verdict.reuse, verdict.fault.unwrap().kind()), (Reuse::Retire, Kind::Receiving));
    assert_eq!(function.dials(), 1);
    drop(io);
    function.finish();
}

/// Makes a call with `body` of a function that does `then` on its only connection and is gone, after one it
/// answered if `served`. The call as it is given back, if it is.
async fn given_back(served: bool, body: Body, then: fn(&mut Peer)) -> Option<Body> {
    let function = Function::new([script(move |mut peer| {
        if served {
            peer.request();
            peer.write(NEXT);
        }
        then(&mut peer);
    })]);
    let mut io = end(&function, Limits::default());
    if served {
        dispatch(&mut io, Call::new("f", "")).await;
    }
    let mut call = Call::new("f", body);
    call.deadline =
        Some(crate::Deadline::from_clocks(std::time::Instant::now(), std::time::SystemTime::now(), PATIENCE));
    let (sink, _source) = crate::reply_pipe();
    let verdict = io.dispatch(&mut call, sink).await;
    assert_eq!((verdict.reuse, verdict.fault.unwrap().kind()), (Reuse::Retire, Kind::Receiving));
    drop(io);
    function.finish();
    verdict.unread.then_some(call.body)
}

#[tokio::test]
async fn a_call_of_which_a_function_that_went_has_read_nothing_is_given_back() {
    let read = |peer: &mut Peer| drop(peer.request());
    for served in [false, true] {
        let back = given_back(served, "hi".into(), |peer| peer.wait()).await.expect("it went without a look");
        assert_eq!(back.as_bytes().unwrap(), "hi");
        assert!(given_back(served, "".into(), |peer| peer.wait()).await.is_some());
        assert!(given_back(served, "hi".into(), read).await.is_none(), "it has read it all");
        let large = Bytes::from(vec![7; 1 << 20]);
        assert!(given_back(served, large.into(), |peer| peer.byte()).await.is_none(), "it has read some");
    }
    assert!(given_back(true, "hi".into(), |_| {}).await.is_some(), "before anything was written, or after");
    // There is nobody to write to.
    let function = Function::new([]);
    let mut io = end(&function, Limits::default());
    let (_, verdict) = dispatch(&mut io, Call::new("f", "hi")).await;
    assert!(verdict.unread);
}

#[tokio::test]
async fn a_function_that_does_not_accept_is_retired() {
    let function = Function::new([]);
    let mut io = end(&function, Limits::default());
    let (got, verdict) = dispatch(&mut io, Call::new("f", "hi")).await;
    let fault = verdict.fault.unwrap();
    assert!(got.is_none());
    assert_eq!((verdict.reuse, fault.kind()), (Reuse::Retire, Kind::Receiving));
    assert!(fault.to_string().contains("cannot connect"), "{fault}");
}

#[tokio::test]
async fn bytes_that_come_late_cost_the_connection_only() {
    let (tell, told) = mpsc::channel();
    let (tell_peer, peer_told) = mpsc::channel::<()>();
    let function = Function::new([
        script(move |mut peer| {
            peer.request();
            peer.write(NEXT);
            peer_told.recv_timeout(PATIENCE).unwrap();
            peer.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray");
            tell.send(()).unwrap();
            peer.closed();
        }),
        script(|mut peer| {
            peer.request();
            peer.write(NEXT);
        }),
    ]);
    let mut io = end(&function, Limits::default());
    dispatch(&mut io, Call::new("f", "")).await;
    assert_eq!(io.look(), Reuse::Keep);
    assert!(io.kept.is_some());
    tell_peer.send(()).unwrap();
    told.recv_timeout(PATIENCE).unwrap();
    assert_eq!(io.look(), Reuse::Keep);
    let (got, _) = dispatch(&mut io, Call::new("f", "")).await;
    assert_eq!(got.unwrap().1.unwrap(), "next");
    drop(io);
    function.finish();
}

#[tokio::test]
async fn a_call_that_is_dropped_takes_its_connection_with_it() {
    let function = Function::new([
        script(|mut peer| {
            peer.request();
            peer.write(NEXT);
            peer.request();
            peer.closed();
        }),
        script(|mut peer| {
            peer.request();
            peer.write(NEXT);
        }),
    ]);
    let mut io = end(&function, Limits::default());
    dispatch(&mut io, Call::new("f", "")).await;
    abandon(&mut io, Call::new("f", "hi")).await;
    assert_eq!(io.look(), Reuse::Keep);
    let (got, _) = dispatch(&mut io, Call::new("f", "")).await;
    assert_eq!(got.unwrap().1.unwrap(), "next");
    drop(io);
    function.finish();
}
