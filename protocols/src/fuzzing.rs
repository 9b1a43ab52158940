//! What the fuzz targets in `fuzz/` throw bytes at, so that ordinary tests can throw the same.
//!
//! Each function takes any bytes and panics if one of our promises does not hold for them. Not part
//! of the crate's public face: behind the feature `fuzzing`.

use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::cloudevent::Caller;
use crate::document::Documents;
use crate::http1::served::pieces::{Pieces, run};
use crate::http1::{Event, Invalid, RequestDecoder, RequestHead, ResponseDecoder, Served};
use crate::{Call, Head, Limits, cloudevent, gateway, http1, json};

/// Takes any bytes.
pub type Target = fn(&[u8]);

/// The targets, each with the name of its corpus.
pub const TARGETS: [(&str, Target); 9] = [
    ("cloudevent_call", cloudevent_call),
    ("cloudevent_reply", cloudevent_reply),
    ("document", document),
    ("gateway_answer", gateway_answer),
    ("http1_request", http1_request),
    ("http1_response", http1_response),
    ("http1_served", http1_served),
    ("json_call", json_call),
    ("json_reply", json_reply),
];

/// A caller's event, and what the function reads of it.
pub fn cloudevent_call(bytes: &[u8]) {
    let _ = cloudevent::decode_call(bytes);
    for content_type in ["application/cloudevents+json", "text/plain"] {
        let mut call = Call::new("fuzz", "");
        call.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Ok(line) = cloudevent::encode_call(&call, bytes, now()) {
            let document = only_line(&line);
            cloudevent::decode_call(&document).expect("we read what we wrote");
        }
    }
}

/// A function's event, to both sorts of caller.
pub fn cloudevent_reply(bytes: &[u8]) {
    let whole = cloudevent::decode_reply(bytes, Caller::Event, &limits());
    let Ok((head, body)) = cloudevent::decode_reply(bytes, Caller::Plain, &limits()) else { return };
    is_clean(&head);
    whole.expect("a whole event asks for less than its data");
    if let Ok(line) = cloudevent::encode_reply(&head, &body, "1", now()) {
        let (again, body_again) = cloudevent::decode_reply(&only_line(&line), Caller::Plain, &Limits::default())
            .expect("we read what we wrote");
        assert_eq!(again.status, head.status);
        assert_eq!(body_again.is_empty(), body.is_empty());
    }
}

/// A stream of documents: whole, byte by byte, and split as its own first bytes say.
pub fn document(bytes: &[u8]) {
    let (cuts, stream) = bytes.split_at(bytes.len().min(4));
    let whole = documents(&[stream]);
    assert_eq!(documents(&stream.chunks(1).collect::<Vec<_>>()), whole);
    assert_eq!(documents(&split(stream, cuts)), whole);
}

/// The headers of a gateway call's answer, a line each.
pub fn gateway_answer(bytes: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|b| *b == b'\n').take(64) {
        let Some(colon) = line.iter().position(|b| *b == b':') else { continue };
        let (name, value) = (HeaderName::from_bytes(&line[..colon]), HeaderValue::from_bytes(&line[colon + 1..]));
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    if let Ok(head) = gateway::decode_answer(&headers) {
        is_clean(&head);
    }
}

/// A stream of requests.
pub fn http1_request(bytes: &[u8]) {
    any_split(bytes, |splits| {
        let mut decoder = RequestDecoder::new(http1::Limits::default());
        let (mut read, buf) = messages(splits, usize::MAX, |buf| decoder.decode(buf));
        read.end = read.end.and_then(|()| decoder.end(&buf));
        read
    });
}

/// One answer.
pub fn http1_response(bytes: &[u8]) {
    any_split(bytes, |splits| {
        let mut decoder = ResponseDecoder::new(&Method::POST, http1::Limits::default());
        let (mut read, buf) = messages(splits, 1, |buf| decoder.decode(buf));
        if read.whole == 0 {
            read.end = read.end.and_then(|()| decoder.end(&buf));
        }
        read
    });
}

/// Requests of a peer that finishes sending, each answered with its own body.
pub fn http1_served(bytes: &[u8]) {
    any_split(bytes, |splits| {
        let pieces = Pieces::new(splits);
        let written = pieces.written();
        let (requests, end) = run(served(pieces));
        let written = written.lock().expect("nobody panicked").clone();
        (requests, end, written)
    });
}

/// The requests with their bodies, and how their connection ended.
async fn served(pieces: Pieces) -> (Vec<(RequestHead, String)>, Option<String>) {
    let mut served = Served::new(pieces, http1::Limits::default());
    let mut requests = Vec::new();
    while let Some(request) = served.next().await {
        let (head, body) = match request {
            Ok(request) => request,
            Err(refused) => {
                let told = served.answer(StatusCode::BAD_REQUEST).send(refused.to_string().into()).await;
                told.expect("the peer takes what it is sent");
                return (requests, Some(refused.to_string()));
            }
        };
        let body = body.gather(1 << 20).await.map_err(|e| e.to_string());
        requests.push((head, format!("{body:?}")));
        let status = if body.is_ok() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
        let told = served.answer(status).send(body.unwrap_or_default().into()).await;
        told.expect("the peer takes what it is sent");
    }
    (requests, None)
}

/// A request as a function reads it, and as it reads one with these bytes for a body.
pub fn json_call(bytes: &[u8]) {
    let _ = json::decode_call(bytes);
    let line = json::encode_call(&Call::new("fuzz", ""), bytes);
    let arrival = json::decode_call(&only_line(&line)).expect("we read what we wrote");
    let body = arrival.body.as_bytes().expect("it is whole");
    match std::str::from_utf8(bytes) {
        Ok(text) => assert_eq!(body, text),
        Err(_) => assert!(std::str::from_utf8(body).is_ok_and(|body| body.contains('\u{fffd}'))),
    }
}

/// An answer.
pub fn json_reply(bytes: &[u8]) {
    let Ok((head, body)) = json::decode_reply(bytes, &limits()) else { return };
    is_clean(&head);
    let line = json::encode_reply(&head, &body);
    let (again, body_again) = json::decode_reply(&only_line(&line), &Limits::default()).expect("we read what we wrote");
    assert_eq!((again.status, body_again), (head.status, body));
}

/// A bound on headers that a fuzzer finds.
fn limits() -> Limits {
    Limits { response_headers_max: 4, response_head_bytes_max: 64, ..Limits::default() }
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)
}

/// The one document of a line that we wrote.
fn only_line(line: &[u8]) -> Bytes {
    assert_eq!(memchr::memchr(b'\n', line), Some(line.len() - 1), "one line, and it ends");
    let mut documents = Documents::new(usize::MAX);
    documents.feed(line);
    let document = documents.next().expect("it is one").expect("it is whole");
    assert!(documents.is_blank());
    document
}

/// A head that may go to a caller.
fn is_clean(head: &Head) {
    assert!(head.status >= StatusCode::OK);
    for name in [header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING] {
        assert!(!head.headers.contains_key(name));
    }
}

/// What came of a stream: its documents, and whether the rest is blank or why there is none.
fn documents(splits: &[&[u8]]) -> (Vec<Bytes>, String) {
    let (mut documents, mut found) = (Documents::new(64), Vec::new());
    for split in splits {
        documents.feed(split);
        loop {
            match documents.next() {
                Ok(Some(document)) => found.push(document),
                Ok(None) => break,
                Err(e) => return (found, e.to_string()),
            }
        }
    }
    (found, documents.is_blank().to_string())
}

/// What came of a stream of HTTP.
#[derive(Debug, PartialEq)]
struct Read<H> {
    heads: Vec<H>,
    /// The bodies, one after another.
    body: Vec<u8>,
    /// Messages that ended.
    whole: usize,
    /// How the stream ended for the decoder.
    end: Result<(), Invalid>,
}

/// Feeds `splits` for up to `most` messages. Also what was not taken.
fn messages<H>(
    splits: &[&[u8]],
    most: usize,
    mut decode: impl FnMut(&mut BytesMut) -> Result<Option<Event<H>>, Invalid>,
) -> (Read<H>, BytesMut) {
    let mut read = Read { heads: Vec::new(), body: Vec::new(), whole: 0, end: Ok(()) };
    let mut buf = BytesMut::new();
    for split in splits {
        buf.extend_from_slice(split);
        while read.whole < most {
            match decode(&mut buf) {
                Ok(Some(Event::Head(head))) => read.heads.push(head),
                Ok(Some(Event::Data(piece))) => read.body.extend_from_slice(&piece),
                Ok(Some(Event::End)) => read.whole += 1,
                Ok(None) => break,
                Err(e) => {
                    read.end = Err(e);
                    return (read, buf);
                }
            }
        }
    }
    (read, buf)
}

fn any_split<T: PartialEq + std::fmt::Debug>(bytes: &[u8], read: impl Fn(&[&[u8]]) -> T) {
    let (cuts, stream) = bytes.split_at(bytes.len().min(4));
    let whole = read(&[stream]);
    assert_eq!(read(&stream.chunks(1).collect::<Vec<_>>()), whole);
    assert_eq!(read(&split(stream, cuts)), whole);
}

/// Pieces of `stream`; each of `lengths` is a piece's.
fn split<'a>(mut stream: &'a [u8], lengths: &[u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for length in lengths {
        let (piece, rest) = stream.split_at(stream.len().min(usize::from(*length)));
        pieces.push(piece);
        stream = rest;
    }
    pieces.push(stream);
    pieces
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_corpus_holds() {
        let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
        for (name, target) in TARGETS {
            let files = std::fs::read_dir(corpora.join(name)).unwrap().map(|file| file.unwrap().path());
            let mut count = 0;
            for file in files {
                println!("{}", file.display());
                target(&std::fs::read(file).unwrap());
                count += 1;
            }
            assert_ne!(count, 0, "{name} has a corpus");
        }
    }

    #[test]
    fn each_target_has_a_program() {
        let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/fuzz_targets");
        for (name, _) in TARGETS {
            let text = std::fs::read_to_string(programs.join(format!("{name}.rs"))).unwrap();
            assert!(text.contains(&format!("fuzzing::{name}(bytes)")), "{name}");
        }
    }
}
