//! Any split of the input gives the same events; every sample is understood, or refused, in all of
//! them.

use std::path::Path;

use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use proptest::prelude::*;

use super::*;

/// All that a decoder made of a stream.
#[derive(Clone, Debug, PartialEq)]
struct Read<H> {
    heads: Vec<H>,
    /// The bodies one after another.
    body: Vec<u8>,
    /// Messages that ended.
    whole: usize,
    /// How the stream ended for the decoder.
    end: Result<(), Invalid>,
    /// What followed the last message.
    rest: Vec<u8>,
}

/// Feeds `splits`, one after another, then the end of the stream.
fn read<H>(
    splits: &[&[u8]],
    messages: usize,
    mut decode: impl FnMut(&mut BytesMut) -> Result<Option<Event<H>>, Invalid>,
) -> (Read<H>, BytesMut) {
    let mut read = Read { heads: vec![], body: vec![], whole: 0, end: Ok(()), rest: vec![] };
    let mut buf = BytesMut::new();
    'fed: for split in splits {
        buf.extend_from_slice(split);
        while read.whole < messages {
            match decode(&mut buf) {
                Ok(Some(Event::Head(head))) => read.heads.push(head),
                Ok(Some(Event::Data(piece))) => {
                    assert!(!piece.is_empty(), "a piece has bytes");
                    read.body.extend_from_slice(&piece);
                }
                Ok(Some(Event::End)) => read.whole += 1,
                Ok(None) => break,
                Err(e) => {
                    read.end = Err(e);
                    break 'fed;
                }
            }
        }
    }
    (read, buf)
}

fn response(splits: &[&[u8]]) -> Read<ResponseHead> {
    let mut decoder = ResponseDecoder::new(&Method::POST, Limits::default());
    let (mut read, buf) = read(splits, 1, |buf| decoder.decode(buf));
    if read.end.is_ok() && read.whole == 0 {
        read.end = decoder.end(&buf);
    }
    if read.end.is_ok() {
        read.rest = buf.to_vec();
    }
    read
}

fn requests(splits: &[&[u8]]) -> Read<RequestHead> {
    let mut decoder = RequestDecoder::new(Limits::default());
    let (mut read, buf) = read(splits, usize::MAX, |buf| decoder.decode(buf));
    if read.end.is_ok() {
        read.end = decoder.end(&buf);
    }
    read
}

fn bytewise(wire: &[u8]) -> Vec<&[u8]> {
    wire.chunks(1).collect()
}

/// Cuts `wire` at each of `cuts`, taken modulo its length.
fn cut<'a>(wire: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (wire.len() + 1)).collect();
    cuts.sort_unstable();
    let mut pieces = vec![];
    let mut from = 0;
    for cut in cuts {
        pieces.push(&wire[from..cut]);
        from = cut;
    }
    pieces.push(&wire[from..]);
    pieces
}

fn samples(prefix: &str) -> Vec<(String, Vec<u8>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/http-stream");
    let files = std::fs::read_dir(dir).unwrap().map(|file| file.unwrap().path());
    let named = files.map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), path));
    let samples: Vec<_> = named.filter(|(name, _)| name.starts_with(prefix)).collect();
    assert!(!samples.is_empty(), "samples named {prefix}…");
    samples.into_iter().map(|(name, path)| (name, std::fs::read(path).unwrap())).collect()
}

#[test]
fn every_sample_of_an_answer_is_read_in_any_split() {
    for (name, wire) in samples("answer_") {
        let whole = response(&[&wire]);
        assert_eq!(whole.end, Ok(()), "{name}");
        assert_eq!(whole.heads.len(), 1, "{name}");
        assert_eq!(whole.rest, b"", "{name}");
        let body: &[u8] = match name.as_str() {
            "answer_empty" | "answer_no_content" | "answer_not_modified_with_length" => b"",
            "answer_failed" => br#"{"message":"oops"}"#,
            _ => b"hello",
        };
        assert_eq!(whole.body, body, "{name}");
        let keeps = !["close", "http10"].iter().any(|n| name.contains(n)) || name.contains("keep_alive");
        assert_eq!(whole.heads[0].keep_alive, keeps, "{name}");
        assert_eq!(response(&bytewise(&wire)), whole, "{name}, byte by byte");
        for at in 0..wire.len() {
            assert_eq!(response(&[&wire[..at], &wire[at..]]), whole, "{name}, cut at {at}");
        }
    }
}

#[test]
fn every_sample_that_could_be_understood_in_two_ways_is_refused_in_any_split() {
    for (name, wire) in samples("refused_") {
        let whole = response(&[&wire]);
        assert!(whole.end.is_err(), "{name}: {whole:?}");
        assert_eq!(whole.whole, 0, "{name}");
        assert_eq!(response(&bytewise(&wire)), whole, "{name}, byte by byte");
        for at in 0..wire.len() {
            assert_eq!(response(&[&wire[..at], &wire[at..]]), whole, "{name}, cut at {at}");
        }
    }
}

#[test]
fn refusals_say_what_is_wrong() {
    fn check(sample: &str, expected: &str) {
        let (_, wire) = samples(&format!("refused_{sample}")).remove(0);
        assert_eq!(response(&[&wire]).end.unwrap_err().to_string(), expected, "{sample}");
    }
    check("length_and_chunks", "both content-length and transfer-encoding");
    check("two_lengths_in_one_line", r#"content-length "5, 6" is not one number"#);
    check("coding_gzip", "transfer-encoding is not chunked alone");
    check("chunk_size_sign", "chunk size is not a number");
    check("chunk_longer_than_said", "chunk is longer than it said");
    check("chunk_line_too_long", "line of a chunk's size is longer than 1024 bytes");
    check("trailers_too_large", "trailers are larger than 16384 bytes");
    check("cut_within_head", "stream ended within the head");
    check("cut_within_body", "stream ended within the body");
    check("garbage", "head cannot be read: invalid HTTP version");
    check("switched_protocol", "status 101 switches to a protocol that was not asked for");
}

#[test]
fn requests_that_could_be_understood_in_two_ways_are_refused() {
    fn check(headers: &str, expected: Result<Length, Invalid>) {
        let wire = format!("POST /call HTTP/1.1\r\n{headers}\r\n");
        let mut decoder = RequestDecoder::new(Limits::default());
        let head = decoder.decode(&mut BytesMut::from(wire.as_str()));
        let length = head.map(|head| match head {
            Some(Event::Head(head)) => head.length,
            other => panic!("{other:?} from {headers:?}"),
        });
        assert_eq!(length, expected, "{headers:?}");
    }
    check("", Ok(Length::Exact(0)));
    check("Content-Length: 3\r\n", Ok(Length::Exact(3)));
    check("Transfer-Encoding: CHUNKED\r\n", Ok(Length::Chunked));
    check("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", Err(Invalid::TwoLengths));
    check("Transfer-Encoding: chunked, identity\r\n", Err(Invalid::TransferEncoding));
    check("Transfer-Encoding: xchunked\r\n", Err(Invalid::TransferEncoding));
    check("Content-Length: 3\r\nContent-Length: 4\r\n", Err(Invalid::ContentLength("4".into())));
    check("Content-Length: 1 1\r\n", Err(Invalid::ContentLength("1 1".into())));
}

#[test]
fn a_request_names_one_host() {
    fn check(request: &str, expected: Result<(), Invalid>) {
        let mut buf = BytesMut::from(request);
        let Ok(Some(Event::Head(head))) = RequestDecoder::new(Limits::default()).decode(&mut buf) else {
            panic!("{request:?} is a head")
        };
        assert_eq!(head.check_host(), expected, "{request:?}");
    }
    check("GET / HTTP/1.1\r\nhOSt: a\r\n\r\n", Ok(()));
    check("GET / HTTP/1.1\r\nHost:\r\n\r\n", Ok(()));
    check("GET / HTTP/1.1\r\n\r\n", Err(Invalid::Hosts(0)));
    check("GET / HTTP/1.1\r\nHosts: a\r\nDate: b\r\n\r\n", Err(Invalid::Hosts(0)));
    check("GET http://a/ HTTP/1.1\r\n\r\n", Err(Invalid::Hosts(0)));
    check("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nhost: a\r\n\r\n", Err(Invalid::Hosts(2)));
    check("GET / HTTP/1.0\r\n\r\n", Ok(()));
    check("GET / HTTP/1.0\r\nHost: a\r\n\r\n", Ok(()));
    check("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", Err(Invalid::Hosts(2)));
}

#[test]
fn what_follows_an_answer_stays_in_the_buffer() {
    let wire = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 500";
    assert_eq!(response(&[wire]).rest, b"HTTP/1.1 500");
    let wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n ";
    assert_eq!(response(&[wire]).rest, b" ");
}

#[test]
fn an_answer_to_head_has_no_body_whatever_its_length() {
    let mut decoder = ResponseDecoder::new(&Method::HEAD, Limits::default());
    let mut buf = BytesMut::from("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    assert!(matches!(decoder.decode(&mut buf), Ok(Some(Event::Head(_)))));
    assert_eq!(decoder.decode(&mut buf), Ok(Some(Event::End)));
}

#[test]
fn bounds_of_a_head_are_exact() {
    fn check(head: &str, limits: &Limits, expected: Result<(), Invalid>) {
        let read = |splits: &[&[u8]]| {
            let mut decoder = ResponseDecoder::new(&Method::POST, limits.clone());
            super::tests::read(splits, 1, |buf| decoder.decode(buf)).0.end
        };
        assert_eq!(read(&[head.as_bytes()]), expected, "{head:?}");
        assert_eq!(read(&bytewise(head.as_bytes())), expected, "{head:?}, byte by byte");
    }
    let head = "HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\nContent-Length: 0\r\n\r\n";
    let limits = |head_bytes_max, headers_max| Limits { head_bytes_max, headers_max, ..Limits::default() };
    check(head, &limits(head.len(), 3), Ok(()));
    check(head, &limits(head.len() - 1, 3), Err(Invalid::HeadTooLarge { max: head.len() - 1 }));
    check(head, &limits(head.len(), 2), Err(Invalid::TooManyHeaders { max: 2 }));
    let many = |n: usize| format!("HTTP/1.1 200 OK\r\n{}Content-Length: 0\r\n\r\n", "X-A: 1\r\n".repeat(n - 1));
    check(&many(256), &Limits::default(), Ok(()));
    check(&many(257), &Limits::default(), Err(Invalid::TooManyHeaders { max: 256 }));
}

#[test]
fn print_instead_of_an_answer_is_noticed_before_the_stream_ends() {
    for wire in ["hello", "Traceback (most recent call last):\n", "HTTP/1.1 200 OK\r\nnot a header\r\n"] {
        let mut decoder = ResponseDecoder::new(&Method::POST, Limits::default());
        let read = decoder.decode(&mut BytesMut::from(wire));
        assert!(matches!(read, Err(Invalid::Head(_) | Invalid::Version)), "{wire:?}: {read:?}");
    }
}

#[test]
fn a_body_is_a_slice_of_what_was_read() {
    let mut decoder = ResponseDecoder::new(&Method::POST, Limits::default());
    let mut buf = BytesMut::from("HTTP/1.1 200 OK\r\nX-A: value\r\nContent-Length: 5\r\n\r\nhello");
    let memory = buf.as_ptr_range();
    let Ok(Some(Event::Head(head))) = decoder.decode(&mut buf) else { panic!("a head") };
    let Ok(Some(Event::Data(body))) = decoder.decode(&mut buf) else { panic!("a body") };
    assert!(memory.contains(&head.lines.to_map()["x-a"].as_bytes().as_ptr()));
    assert!(memory.contains(&body.as_ptr()));
}

/// Names and values that pass every filter, framing aside.
fn headers() -> impl Strategy<Value = HeaderMap> {
    let name = "[a-z][a-z0-9_-]{0,20}".prop_filter("the framing is the encoder's", |name| {
        !["content-length", "transfer-encoding", "connection"].contains(&name.as_str())
    });
    let line = (name, "([!-~]([ -~]{0,30}[!-~])?)?");
    proptest::collection::vec(line, 0..12).prop_map(|lines| {
        let line = |(name, value): (String, String)| {
            (HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap())
        };
        lines.into_iter().map(line).collect()
    })
}

fn bodies() -> impl Strategy<Value = Vec<Vec<u8>>> {
    proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..6)
}

/// Bytes with the look of an answer, right or wrong.
fn wires() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        Just("HTTP/1.1 200 OK\r\n".to_owned()),
        Just("HTTP/1.0 502 \r\n".to_owned()),
        Just("HTTP/1.1 103 Hints\r\n\r\n".to_owned()),
        Just("Content-Length: 5\r\n".to_owned()),
        Just("Transfer-Encoding: chunked\r\n".to_owned()),
        Just("\r\n".to_owned()),
        Just("\n".to_owned()),
        Just("\r".to_owned()),
        Just("5\r\nhello\r\n".to_owned()),
        Just("0\r\n\r\n".to_owned()),
        "[ -~]{0,8}",
    ];
    (proptest::collection::vec(part, 0..12), any::<[u8; 2]>(), any::<prop::sample::Index>()).prop_map(
        |(parts, noise, at)| {
            let mut wire = parts.concat().into_bytes();
            if noise[0] < 64 && !wire.is_empty() {
                let at = at.index(wire.len());
                wire[at] = noise[1];
            }
            wire
        },
    )
}

proptest! {
    #[test]
    fn any_bytes_are_read_the_same_in_any_split(wire in wires(), cuts in proptest::collection::vec(any::<usize>(), 0..8)) {
        let whole = response(&[&wire]);
        prop_assert_eq!(&response(&bytewise(&wire)), &whole);
        prop_assert_eq!(&response(&cut(&wire, &cuts)), &whole);
        let whole = requests(&[&wire]);
        prop_assert_eq!(&requests(&bytewise(&wire)), &whole);
        prop_assert_eq!(&requests(&cut(&wire, &cuts)), &whole);
    }

    #[test]
    fn an_answer_comes_back_as_it_was_sent(
        status in 200u16..1000,
        headers in headers(),
        pieces in bodies(),
        chunked in any::<bool>(),
        cuts in proptest::collection::vec(any::<usize>(), 0..8),
    ) {
        let status = StatusCode::from_u16(status).unwrap();
        let body = if framing::is_bodiless(status) { vec![] } else { pieces.concat() };
        let length = if chunked { Length::Chunked } else { Length::Exact(body.len() as u64) };
        let mut wire = BytesMut::new();
        encode::response_head(&mut wire, status, &headers, length);
        if framing::is_bodiless(status) {
        } else if chunked {
            pieces.iter().for_each(|piece| encode::chunk(&mut wire, piece));
            wire.extend_from_slice(encode::LAST_CHUNK);
        } else {
            wire.extend_from_slice(&body);
        }
        let read = response(&cut(&wire, &cuts));
        prop_assert_eq!(&read.end, &Ok(()));
        prop_assert_eq!(read.heads[0].status, status);
        let mut came = read.heads[0].lines.to_map();
        came.remove("content-length");
        came.remove("transfer-encoding");
        prop_assert_eq!(came, headers);
        prop_assert_eq!(read.body, body);
        prop_assert_eq!(read.rest, b"");
    }

    #[test]
    fn requests_come_back_as_they_were_sent_one_after_another(
        requests_sent in proptest::collection::vec((headers(), bodies(), any::<bool>()), 1..4),
        cuts in proptest::collection::vec(any::<usize>(), 0..8),
    ) {
        let mut wire = BytesMut::new();
        let mut bodies = vec![];
        for (headers, pieces, chunked) in &requests_sent {
            let body = pieces.concat();
            let length = if *chunked { Length::Chunked } else { Length::Exact(body.len() as u64) };
            encode::request_head(&mut wire, &Method::PUT, "/a b?c", headers, length);
            if *chunked {
                pieces.iter().for_each(|piece| encode::chunk(&mut wire, piece));
                wire.extend_from_slice(encode::LAST_CHUNK);
            } else {
                wire.extend_from_slice(&body);
            }
            bodies.extend_from_slice(&body);
        }
        let read = requests(&cut(&wire, &cuts));
        prop_assert_eq!(&read.end, &Ok(()));
        prop_assert_eq!(read.whole, requests_sent.len());
        prop_assert_eq!(read.body, bodies);
        for (head, (headers, ..)) in read.heads.into_iter().zip(requests_sent) {
            prop_assert_eq!(&head.method, Method::PUT);
            prop_assert_eq!(head.target(), "/a%20b?c");
            let mut came = head.lines.to_map();
            came.remove("content-length");
            came.remove("transfer-encoding");
            prop_assert_eq!(came, headers);
        }
    }
}
