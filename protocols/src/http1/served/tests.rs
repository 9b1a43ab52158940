//! A peer on the far end of a socket, or of a stream that comes in any pieces.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, LOCATION, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::pieces::{Pieces, run};
use super::*;
use crate::BodyError;
use crate::http1::{Event, Length, ResponseDecoder, ResponseHead, encode};

/// How long anything may take that is bound to happen.
const PATIENCE: Duration = Duration::from_secs(10);

/// Answers each request with its body, as a whole, or as it comes.
async fn echo<S>(stream: S, is_streamed: bool) -> Result<usize, Box<dyn std::error::Error>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut served = Served::new(stream, Limits::default());
    let mut count = 0;
    while let Some(request) = served.next().await {
        let (head, body) = request?;
        let body = if is_streamed { Body::stream(body) } else { body.gather(1 << 30).await?.into() };
        served.answer(StatusCode::OK).send(body).await?;
        served.recycle(head.lines);
        count += 1;
    }
    Ok(count)
}

/// What a peer wrote, and what it was answered.
fn converse(pieces: &[&[u8]], write_bytes_max: usize, is_streamed: bool) -> (usize, BytesMut) {
    let pieces = Pieces::new(pieces).slowly(write_bytes_max);
    let written = pieces.written();
    let count = run(echo(pieces, is_streamed)).unwrap();
    let written = BytesMut::from(&written.lock().unwrap()[..]);
    (count, written)
}

/// One answer, and what follows it stays.
fn answer(wire: &mut BytesMut, to: &Method) -> (ResponseHead, Vec<u8>) {
    let mut decoder = ResponseDecoder::new(to, Limits::default());
    let Ok(Some(Event::Head(head))) = decoder.decode(wire) else { panic!("an answer in {wire:?}") };
    let mut body = vec![];
    loop {
        match decoder.decode(wire).unwrap() {
            Some(Event::Data(piece)) => body.extend_from_slice(&piece),
            Some(Event::End) => return (head, body),
            Some(Event::Head(_)) => unreachable!("one head"),
            None => {
                decoder.end(wire).expect("the answer is whole");
                return (head, body);
            }
        }
    }
}

fn pair() -> (Served<DuplexStream>, DuplexStream) {
    let (ours, peer) = tokio::io::duplex(64 << 10);
    (Served::new(ours, Limits::default()), peer)
}

async fn soon<T>(work: impl Future<Output = T>) -> T {
    timeout(PATIENCE, work).await.expect("it is bound to happen")
}

/// Is it still under way, after all else had its turn?
async fn waits<T>(work: impl Future<Output = T>) -> bool {
    let mut work = std::pin::pin!(work);
    let mut turns = 0;
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(_) => Poll::Ready(false),
        Poll::Pending if turns == 16 => Poll::Ready(true),
        Poll::Pending => {
            turns += 1;
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await
}

async fn heard(peer: &mut DuplexStream) -> BytesMut {
    let mut all = Vec::new();
    soon(peer.read_to_end(&mut all)).await.unwrap();
    BytesMut::from(&all[..])
}

/// Requests one after another, some in chunks.
fn requests() -> impl Strategy<Value = Vec<(Vec<Vec<u8>>, bool)>> {
    let body = proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..4);
    proptest::collection::vec((body, any::<bool>()), 1..4)
}

proptest! {
    #[test]
    fn pipelined_requests_are_answered_in_order_in_any_split(
        requests in requests(),
        cuts in proptest::collection::vec(any::<usize>(), 0..8),
        write_bytes_max in 1_usize..64,
        is_streamed in any::<bool>(),
    ) {
        let mut wire = BytesMut::new();
        for (pieces, in_chunks) in &requests {
            let length = if *in_chunks { Length::Chunked } else { Length::Exact(pieces.concat().len() as u64) };
            encode::request_head(&mut wire, &Method::POST, "/call", &HeaderMap::new(), length);
            for piece in pieces {
                if *in_chunks { encode::chunk(&mut wire, piece) } else { wire.extend_from_slice(piece) }
            }
            if *in_chunks {
                wire.extend_from_slice(encode::LAST_CHUNK);
            }
        }
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (wire.len() + 1)).chain([0, wire.len()]).collect();
        cuts.sort_unstable();
        let pieces: Vec<_> = cuts.windows(2).map(|ends| &wire[ends[0]..ends[1]]).collect();
        for pieces in [pieces, wire.chunks(1).collect()] {
            let (count, mut written) = converse(&pieces, write_bytes_max, is_streamed);
            prop_assert_eq!(count, requests.len());
            for (pieces, _) in &requests {
                let (head, body) = answer(&mut written, &Method::POST);
                prop_assert_eq!((head.status, head.keep_alive), (StatusCode::OK, true));
                prop_assert_eq!(body, pieces.concat());
            }
            prop_assert!(written.is_empty());
        }
    }
}

/// A handler takes fewer pieces of a body than these and drops the rest, or it takes all.
const LEAVES: usize = 3;

proptest! {
    /// Bodies are full of requests, and of what ends bodies. Whatever a handler leaves of one, and wherever
    /// the bytes were cut on their way, none of it becomes a request or a part of another's body.
    #[test]
    fn nothing_that_is_left_of_a_body_becomes_a_request(
        requests in proptest::collection::vec((0..6_usize, any::<bool>(), 0..=LEAVES), 1..6),
        cuts in proptest::collection::vec(any::<usize>(), 0..12),
    ) {
        const EVIL: &str = "GET /evil HTTP/1.1\r\nContent-Length: 0\r\n\r\n0\r\n\r\n";
        let mut wire = Vec::new();
        for (n, (evils, is_chunked, _)) in requests.iter().enumerate() {
            let body = EVIL.repeat(*evils);
            let length = match is_chunked {
                true => "Transfer-Encoding: chunked".to_owned(),
                false => format!("Content-Length: {}", body.len()),
            };
            wire.extend(format!("POST /{n} HTTP/1.1\r\n{length}\r\n\r\n").bytes());
            match is_chunked {
                false => wire.extend(body.bytes()),
                true => {
                    for piece in body.as_bytes().chunks(17) {
                        wire.extend(format!("{:x};0\r\n", piece.len()).bytes());
                        wire.extend(piece);
                        wire.extend(b"\r\n");
                    }
                    wire.extend(b"0\r\nGET /evil HTTP/1.1: 1\r\n\r\n");
                }
            }
        }
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut % (wire.len() + 1)).collect();
        cuts.extend([0, wire.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|w| &wire[w[0]..w[1]]).collect();
        let mut served = Served::new(Pieces::new(&pieces), Limits::default());
        let outcome = run(async {
            let mut came = 0;
            while let Some(request) = served.next().await {
                let (head, mut body) = request.map_err(|e| e.to_string())?;
                if head.target() != format!("/{came}") {
                    return Err(format!("{} came instead of /{came}", head.target()));
                }
                let (evils, _, leaves) = requests[came];
                let mut taken = Vec::new();
                for _ in 0..if leaves == LEAVES { usize::MAX } else { leaves } {
                    match body.next().await {
                        Some(piece) => taken.extend_from_slice(&piece.map_err(|e| e.to_string())?),
                        None => break,
                    }
                }
                let whole = EVIL.repeat(evils);
                if !whole.as_bytes().starts_with(&taken) || leaves == LEAVES && taken.len() < whole.len() {
                    return Err(format!("{:?} came as the body of /{came}", String::from_utf8_lossy(&taken)));
                }
                drop(body);
                served.answer(StatusCode::OK).send(Body::empty()).await.map_err(|e| e.to_string())?;
                came += 1;
            }
            Ok(came)
        });
        prop_assert_eq!(outcome, Ok(requests.len()));
    }
}

#[tokio::test]
async fn a_body_that_is_here_is_at_hand_and_its_answer_says_its_length() {
    let (mut served, mut peer) = pair();
    peer.write_all(b"POST /call HTTP/1.1\r\nContent-Length: 2\r\nX-Mine: 1\r\n\r\nhiPOST").await.unwrap();
    let (head, body) = soon(served.next()).await.unwrap().unwrap();
    assert_eq!((head.target(), &head.lines.to_map()["x-mine"]), ("/call", &HeaderValue::from_static("1")));
    assert_eq!(body.as_bytes().unwrap(), "hi");
    assert!(served.is_begun(), "by the request after it");

    let mut answer = served.answer(StatusCode::CREATED);
    let lies = [(CONTENT_LENGTH, "7"), (TRANSFER_ENCODING, "chunked"), (CONNECTION, "close"), (LOCATION, "/7")];
    answer.headers(&lies.map(|(name, value)| (name, HeaderValue::from_static(value))).into_iter().collect());
    answer.line("Fn-Fdk-Version", "1");
    soon(answer.send(body)).await.unwrap();
    drop(served);
    let wire = heard(&mut peer).await;
    assert_eq!(wire, "HTTP/1.1 201 Created\r\nLocation: /7\r\nFn-Fdk-Version: 1\r\nContent-Length: 2\r\n\r\nhi");
}

#[tokio::test]
async fn a_short_body_in_chunks_that_is_here_is_at_hand_too() {
    let (mut served, mut peer) = pair();
    let check = async |served: &mut Served<DuplexStream>, expected: Option<&'static [u8]>| {
        let (_, body) = soon(served.next()).await.unwrap().unwrap();
        assert_eq!(body.as_bytes().map(|bytes| &bytes[..]), expected);
        soon(served.answer(StatusCode::OK).send(body)).await.unwrap();
    };
    let head = b"POST /call HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    peer.write_all(&[&head[..], b"2\r\nhi\r\n1\r\n!\r\n0\r\n\r\n"].concat()).await.unwrap();
    check(&mut served, Some(b"hi!")).await;
    // What looks like the end may be data, and the end may have more behind it.
    peer.write_all(&[&head[..], b"5\r\n0\r\n\r\n"].concat()).await.unwrap();
    let sent_on = async {
        tokio::task::yield_now().await;
        peer.write_all(b"\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n").await.unwrap();
    };
    tokio::join!(check(&mut served, None), sent_on);
    check(&mut served, Some(b"")).await;
    drop(served);
    assert!(heard(&mut peer).await.starts_with(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi!HTTP/1.1 200 OK"));
}

#[test]
fn a_peer_of_http_1_0_keeps_its_connection_only_if_it_asks() {
    let check = |headers: &str, is_streamed: bool, expected: &[(&str, bool)]| {
        let request = format!("POST / HTTP/1.0\r\nContent-Length: 2\r\n{headers}\r\nhi");
        let (count, mut written) = converse(&[request.repeat(2).as_bytes()], usize::MAX, is_streamed);
        assert_eq!(count, expected.len());
        for (connection, has_length) in expected {
            let (head, body) = answer(&mut written, &Method::POST);
            assert_eq!((head.lines.to_map()[CONNECTION].to_str().unwrap(), &body[..]), (*connection, &b"hi"[..]));
            assert_eq!(head.length.exact().is_some(), *has_length);
        }
    };
    check("", false, &[("close", true)]);
    check("Connection: keep-alive\r\n", false, &[("keep-alive", true), ("keep-alive", true)]);
}

#[tokio::test]
async fn what_has_no_length_goes_in_chunks_and_to_http_1_0_until_the_end() {
    for (version, expected) in [("1.1", Length::Chunked), ("1.0", Length::UntilClose)] {
        let (mut served, mut peer) = pair();
        let request = format!("POST / HTTP/{version}\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n");
        peer.write_all(request.as_bytes()).await.unwrap();
        soon(served.next()).await.unwrap().unwrap();
        soon(served.answer(StatusCode::OK).send(streaming(vec![Ok("one".into()), Ok("two".into())]))).await.unwrap();
        if expected == Length::UntilClose {
            assert!(soon(served.next()).await.is_none());
        }
        drop(served);
        let (head, body) = answer(&mut heard(&mut peer).await, &Method::POST);
        assert_eq!((head.length, &body[..]), (expected, &b"onetwo"[..]));
    }
}

#[tokio::test]
async fn where_no_body_may_follow_none_does() {
    async fn check(method: Method, status: u16, length: Option<&'static str>, body: Body, expected: Option<&str>) {
        let (mut served, mut peer) = pair();
        peer.write_all(format!("{method} / HTTP/1.1\r\n\r\n").as_bytes()).await.unwrap();
        soon(served.next()).await.unwrap().unwrap();
        let mut answer = served.answer(StatusCode::from_u16(status).unwrap());
        answer.headers(&length.map(|length| (CONTENT_LENGTH, HeaderValue::from_static(length))).into_iter().collect());
        soon(answer.send(body)).await.unwrap();
        drop(served);
        let mut wire = heard(&mut peer).await;
        let (head, _) = self::answer(&mut wire, &method);
        assert!(wire.is_empty(), "{method} {status}: {wire:?}");
        assert_eq!(head.lines.to_map().get(CONTENT_LENGTH).map(|v| v.to_str().unwrap()), expected, "{method} {status}");
        assert!(!head.lines.to_map().contains_key(TRANSFER_ENCODING), "{method} {status}");
    }
    check(Method::HEAD, 200, None, "body".into(), Some("4")).await;
    check(Method::HEAD, 200, Some("9"), Body::empty(), Some("9")).await;
    check(Method::HEAD, 200, None, Body::empty(), None).await;
    check(Method::GET, 204, Some("9"), "body".into(), None).await;
    check(Method::GET, 304, Some("9"), "body".into(), Some("9")).await;
}

#[tokio::test]
async fn what_is_no_request_is_refused_by_name_and_answered_last() {
    async fn check(bytes: &[u8], expected: impl Fn(&Invalid) -> bool) {
        let (ours, mut peer) = tokio::io::duplex(64 << 10);
        let limits = Limits { head_bytes_max: 64, headers_max: 2, ..Limits::default() };
        let mut served = Served::new(ours, limits);
        peer.write_all(bytes).await.unwrap();
        peer.shutdown().await.unwrap();
        match soon(served.next()).await {
            Some(Err(Refused::Invalid(why))) => assert!(expected(&why), "{why}"),
            other => panic!("{other:?}"),
        }
        soon(served.answer(StatusCode::BAD_REQUEST).send("no".into())).await.unwrap();
        assert!(soon(served.next()).await.is_none());
        soon(served.end()).await;
        let (head, body) = answer(&mut heard(&mut peer).await, &Method::GET);
        assert_eq!((head.status, head.keep_alive, &body[..]), (StatusCode::BAD_REQUEST, false, &b"no"[..]));
    }
    check(b"nonsense\r\n\r\n", |why| matches!(why, Invalid::Head(_))).await;
    check(b"GET / HTTP/2.0\r\n\r\n", |why| *why == Invalid::Version).await;
    check(b"GET / HTTP/1.1\r\na: 1\r\nb: 2\r\nc: 3\r\n\r\n", |why| *why == Invalid::TooManyHeaders { max: 2 }).await;
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(64));
    check(long.as_bytes(), |why| *why == Invalid::HeadTooLarge { max: 64 }).await;
    check(b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", |why| *why == Invalid::TransferEncoding).await;
    check(b"GET / HTT", |why| matches!(why, Invalid::Cut(_))).await;
}

#[tokio::test]
async fn a_request_that_breaks_off_says_so_in_its_body_and_is_the_last() {
    for request in [
        "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nhi",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi",
    ] {
        let (mut served, mut peer) = pair();
        peer.write_all(request.as_bytes()).await.unwrap();
        peer.shutdown().await.unwrap();
        let (_, mut body) = soon(served.next()).await.unwrap().unwrap();
        assert_eq!(soon(body.next()).await.unwrap().unwrap(), "hi");
        assert!(matches!(soon(body.next()).await, Some(Err(BodyError::Cut(_)))));
        assert!(soon(body.next()).await.is_none());
        soon(served.left()).await;
        soon(served.answer(StatusCode::BAD_REQUEST).send(Body::empty())).await.unwrap();
        assert!(soon(served.next()).await.is_none());
        drop(served);
        assert!(!answer(&mut heard(&mut peer).await, &Method::POST).0.keep_alive);
    }
}

#[tokio::test]
async fn a_peer_that_finished_sending_is_answered_and_has_left() {
    let (mut served, mut peer) = pair();
    peer.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    soon(served.next()).await.unwrap().unwrap();
    assert!(waits(served.left()).await);
    peer.shutdown().await.unwrap();
    soon(served.left()).await;
    soon(served.answer(StatusCode::OK).send("hi".into())).await.unwrap();
    assert!(soon(served.next()).await.is_none());
    drop(served);
    assert_eq!(answer(&mut heard(&mut peer).await, &Method::GET).1, b"hi");
}

#[tokio::test]
async fn a_request_sent_ahead_is_no_leaving_and_comes_next() {
    let (mut served, mut peer) = pair();
    peer.write_all(b"GET /1 HTTP/1.1\r\n\r\n").await.unwrap();
    soon(served.next()).await.unwrap().unwrap();
    peer.write_all(b"GET /2 HTTP/1.1\r\n\r\n").await.unwrap();
    peer.shutdown().await.unwrap();
    assert!(waits(served.left()).await);
    soon(served.answer(StatusCode::OK).send(Body::empty())).await.unwrap();
    assert_eq!(soon(served.next()).await.unwrap().unwrap().0.target(), "/2");
    soon(served.left()).await;
}

#[tokio::test]
async fn leaving_is_seen_when_the_body_has_been_read_or_dropped() {
    for is_read in [true, false] {
        let (mut served, mut peer) = pair();
        peer.write_all(b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nhi").await.unwrap();
        let (_, body) = soon(served.next()).await.unwrap().unwrap();
        assert!(waits(served.left()).await);
        let reading = tokio::spawn(async move {
            if is_read {
                body.gather(9).await.unwrap();
            }
        });
        peer.write_all(b"gh").await.unwrap();
        peer.shutdown().await.unwrap();
        soon(served.left()).await;
        reading.await.unwrap();
    }
}

#[tokio::test]
async fn an_answer_that_waits_for_its_body_gives_up_when_the_peer_leaves_if_told_to() {
    let (mut served, mut peer) = pair();
    peer.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    soon(served.next()).await.unwrap().unwrap();
    peer.shutdown().await.unwrap();
    let mut answer = served.answer(StatusCode::OK);
    answer.until_left();
    assert!(matches!(soon(answer.send(Body::stream(Never))).await, Err(Unsent::PeerLeft)));
    assert!(soon(served.next()).await.is_none());
}

#[tokio::test]
async fn a_body_is_asked_for_when_its_first_byte_is() {
    const REQUEST: &[u8] = b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    let (mut served, mut peer) = pair();
    peer.write_all(REQUEST).await.unwrap();
    let (_, mut body) = soon(served.next()).await.unwrap().unwrap();
    assert!(waits(peer.read_u8()).await, "nobody asked yet");
    assert!(waits(body.next()).await);
    let mut interim = [0; 25];
    soon(peer.read_exact(&mut interim)).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    peer.write_all(b"hi").await.unwrap();
    soon(served.answer(StatusCode::OK).send(body)).await.unwrap();
    peer.write_all(REQUEST).await.unwrap();

    // Nobody asks: whether the body comes all the same cannot be known.
    let (_, body) = soon(served.next()).await.unwrap().unwrap();
    drop(body);
    soon(served.answer(StatusCode::OK).send("no".into())).await.unwrap();
    assert!(soon(served.next()).await.is_none());
    drop(served);
    let mut wire = heard(&mut peer).await;
    assert_eq!(answer(&mut wire, &Method::POST).1, b"hi");
    let (head, body) = answer(&mut wire, &Method::POST);
    assert_eq!((head.keep_alive, &body[..]), (false, &b"no"[..]));
}

#[tokio::test]
async fn a_body_nobody_wants_is_read_away_if_it_is_little() {
    for (length, follows) in [(100_usize, true), (1 << 20, false)] {
        let (mut served, mut peer) = pair();
        let sending = tokio::spawn(async move {
            let head = format!("POST / HTTP/1.1\r\nContent-Length: {length}\r\n\r\n");
            peer.write_all(head.as_bytes()).await.unwrap();
            for _ in 0..length {
                // From some byte on nobody may take them.
                if peer.write_all(b"x").await.is_err() {
                    break;
                }
            }
            let _ = peer.write_all(b"GET /next HTTP/1.1\r\n\r\n").await;
            heard(&mut peer).await
        });
        drop(soon(served.next()).await.unwrap().unwrap());
        soon(served.answer(StatusCode::OK).send("hi".into())).await.unwrap();
        assert_eq!(soon(served.rest()).await, follows);
        assert_eq!(
            soon(served.next()).await.map(|next| next.unwrap().0.target().to_string()).as_deref(),
            follows.then_some("/next")
        );
        drop(served);
        assert_eq!(answer(&mut soon(sending).await.unwrap(), &Method::POST).0.keep_alive, follows);
    }
}

#[tokio::test]
async fn what_requests_say_of_their_connection_ends_no_endless_stream() {
    let (ours, mut peer) = tokio::io::duplex(64 << 10);
    let mut served = Served::endless(ours, Limits::default());
    let sending = tokio::spawn(async move {
        for head in ["HTTP/1.0\r\n", "HTTP/1.1\r\nConnection: close\r\n", "HTTP/1.1\r\nExpect: 100-continue\r\n"] {
            peer.write_all(format!("POST / {head}Content-Length: 1000000\r\n\r\n").as_bytes()).await.unwrap();
            peer.write_all(&[b'x'; 1_000_000]).await.unwrap();
        }
        peer.shutdown().await.unwrap();
        heard(&mut peer).await
    });
    for _ in 0..3 {
        drop(soon(served.next()).await.unwrap().unwrap());
        soon(served.answer(StatusCode::OK).send(streaming(vec![Ok("hi".into())]))).await.unwrap();
    }
    assert!(soon(served.next()).await.is_none());
    drop(served);
    let mut wire = soon(sending).await.unwrap();
    for _ in 0..3 {
        let (head, body) = answer(&mut wire, &Method::POST);
        assert_eq!((head.keep_alive, head.length, &body[..]), (true, Length::Chunked, &b"hi"[..]));
    }
    assert!(wire.is_empty());
}

#[tokio::test]
async fn an_answer_that_breaks_off_has_no_end() {
    let (mut served, mut peer) = pair();
    peer.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    soon(served.next()).await.unwrap().unwrap();
    let body = streaming(vec![Ok("one".into()), Err(BodyError::Cut("broken".into()))]);
    assert!(matches!(soon(served.answer(StatusCode::OK).send(body)).await, Err(Unsent::Body(_))));
    assert!(soon(served.next()).await.is_none());
    drop(served);
    let wire = heard(&mut peer).await;
    assert!(wire.ends_with(b"\r\n\r\n3\r\none\r\n"), "{wire:?}");
}

#[tokio::test]
async fn bodies_pass_both_ways_at_once() {
    let (ours, mut peer) = UnixStream::pair().unwrap();
    let serving = tokio::spawn(async move { echo(ours, true).await.map_err(|e| e.to_string()) });
    let sent: Vec<u8> = (0..8 << 20).map(|n| (n % 251) as u8).collect();
    let mut wire = BytesMut::new();
    encode::request_head(&mut wire, &Method::POST, "/", &HeaderMap::new(), Length::Exact(sent.len() as u64));
    wire.extend_from_slice(&sent);
    let (mut read, mut write) = peer.split();
    let mut back = Vec::new();
    let sending = async {
        write.write_all(&wire).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let (_, heard) = soon(async { tokio::join!(sending, read.read_to_end(&mut back)) }).await;
    heard.unwrap();
    assert!(answer(&mut BytesMut::from(&back[..]), &Method::POST).1 == sent);
    assert_eq!(soon(serving).await.unwrap(), Ok(1));
}

#[tokio::test]
async fn an_answer_goes_out_while_its_request_is_still_being_read() {
    let (mut served, mut peer) = pair();
    peer.write_all(b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nhi").await.unwrap();
    let (_, body) = soon(served.next()).await.unwrap().unwrap();
    let reading = tokio::spawn(body.gather(9));
    soon(served.answer(StatusCode::OK).send("early".into())).await.unwrap();
    let mut early = vec![0; 64];
    let read = soon(peer.read(&mut early)).await.unwrap();
    assert!(early[..read].ends_with(b"early"));
    assert!(waits(served.next()).await, "its body is still held");
    peer.write_all(b"ghGET /next HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(soon(served.next()).await.unwrap().unwrap().0.target(), "/next");
    assert_eq!(soon(reading).await.unwrap().unwrap(), "high");
}

#[tokio::test]
async fn whoever_holds_a_body_holds_no_connection() {
    let (mut served, mut peer) = pair();
    peer.write_all(b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\n").await.unwrap();
    let (_, body) = soon(served.next()).await.unwrap().unwrap();
    let reading = tokio::spawn(body.gather(9));
    tokio::task::yield_now().await;
    drop(served);
    assert!(heard(&mut peer).await.is_empty(), "the connection is closed");
    assert!(soon(reading).await.unwrap().is_err());
}

#[tokio::test]
async fn an_answer_whose_sending_is_dropped_is_the_last() {
    let (mut served, mut peer) = pair();
    peer.write_all(b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n").await.unwrap();
    soon(served.next()).await.unwrap().unwrap();
    assert!(waits(served.answer(StatusCode::OK).send(Body::stream(Never))).await);
    assert!(soon(served.next()).await.is_none());
}

#[tokio::test]
async fn a_header_with_a_name_of_any_kind_comes_back() {
    let mut headers = HeaderMap::new();
    headers.append(HeaderName::from_static("fn-call-id"), HeaderValue::from_static("1"));
    headers.append(HeaderName::from_static("x-mine"), HeaderValue::from_static("2"));
    let mut wire = BytesMut::new();
    for _ in 0..2 {
        encode::request_head(&mut wire, &Method::GET, "/", &headers, Length::Exact(0));
    }
    let mut served = Served::new(Pieces::new(&[&wire]), Limits::default());
    for _ in 0..2 {
        let (head, _) = soon(poll_fn(|cx| {
            cx.waker().wake_by_ref();
            served.poll_next(cx)
        }))
        .await
        .unwrap()
        .unwrap();
        let mut read = head.lines.to_map();
        read.remove(CONTENT_LENGTH);
        assert_eq!(read, headers);
        served.recycle(head.lines);
    }
}

fn streaming(pieces: Vec<Result<Bytes, BodyError>>) -> Body {
    Body::stream(Scripted(pieces.into_iter()))
}

struct Scripted(std::vec::IntoIter<Result<Bytes, BodyError>>);

impl http_body::Body for Scripted {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, BodyError>>> {
        Poll::Ready(self.0.next().map(|piece| piece.map(http_body::Frame::data)))
    }
}

/// A body that never comes.
struct Never;

impl http_body::Body for Never {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, BodyError>>> {
        Poll::Pending
    }
}
