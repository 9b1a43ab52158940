//! HTTP/1.1 over a container's standard input and output.
//!
//! ```text
//! PUT /books?new=1 HTTP/1.1                  HTTP/1.1 201 Created
//! Host: shop.example                         Location: /books/7
//! Content-Type: text/plain                   Content-Length: 2
//! Connection: keep-alive
//! Fn_call_id: 01JABCDEFGHJKMNPQRSTVWXYZ0     hi
//! Fn_method: PUT
//! Fn_request_url: http://shop.example/books?new=1
//! Fn_deadline: 2026-11-21T03:04:05.678Z
//! Content-Length: 2
//!
//! hi
//! ```
//!
//! The function sees the caller's request as it was, and its answer's status and headers are the
//! caller's, whatever the call's intent. Four headers are added, spelled with an underscore so that
//! no caller's can be mistaken for them; a caller's own of those names are dropped.
//!
//! There is one stream for the container's life and no way to drop it and begin anew. So there is
//! one reader for its life, which keeps what came too early; and whatever leaves the place of the
//! next message unknown (a broken answer, one without a length, a request that broke off, a byte
//! too many) retires the container. An answer that was whole is delivered all the same.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderMap, HeaderName, Method};

use crate::headers::Reading;
use crate::http1::{
    Broken, Exchange, Inbox, Length, Outbox, RequestHead, ResponseDecoder, ResponseHead, Upload, encode,
};
use crate::names::{FN_CALL_ID, FN_DEADLINE};
use crate::{
    Arrival, Call, ContainerIo, Due, Exiting, Head, Headers, Intent, Kind, Limits, ReplySink, Reuse, Stdin, Stdout,
    Text, Verdict, gateway, hop,
};

/// The name of this format.
pub const NAME: &str = "http";

const CALL_ID: HeaderName = HeaderName::from_static("fn_call_id");
const DEADLINE: HeaderName = HeaderName::from_static("fn_deadline");
const METHOD: HeaderName = HeaderName::from_static("fn_method");
const REQUEST_URL: HeaderName = HeaderName::from_static("fn_request_url");
/// As some agents spell them.
const FN_METHOD: HeaderName = HeaderName::from_static("fn-method");
const FN_REQUEST_URL: HeaderName = HeaderName::from_static("fn-request-url");

/// What is added to a caller's headers, and its framing.
const OURS: &[&str] = &[
    "content-length",
    "fn-call-id",
    "fn-deadline",
    "fn_call_id",
    "fn_deadline",
    "fn_method",
    "fn_request_url",
    "transfer-encoding",
];

/// The agent's end.
#[derive(Debug)]
pub struct Http {
    wire: Wire,
    limits: Limits,
    /// What was read and belongs to no answer yet.
    inbox: Inbox,
    decoder: ResponseDecoder,
    /// Heads and small bodies on their way out.
    outbox: Outbox,
    /// Is the next byte in either direction the first of a message? Not while a call is under way,
    /// so a call that is dropped half way leaves it false.
    is_clean: bool,
}

/// White space after an answer that is passed over: a line break or two, not a stream of them.
const LATE_BYTES_MAX: usize = 64;

type Wire = tokio::io::Join<Box<dyn Stdout>, Box<dyn Stdin>>;

impl Http {
    /// Takes a container's ends. Its exit is seen as the end of its output.
    #[must_use]
    pub fn new(stdin: Box<dyn Stdin>, stdout: Box<dyn Stdout>, _exit: Exiting, limits: Limits) -> Self {
        let wire = tokio::io::join(stdout, stdin);
        let decoder = ResponseDecoder::new(&Method::POST, (&limits).into());
        Self { wire, limits, inbox: Inbox::new(), decoder, outbox: Outbox::default(), is_clean: true }
    }
}

impl ContainerIo for Http {
    fn is_streamable(&self) -> bool {
        true
    }

    /// Retires for anything but white space: an answer to nobody would become the next caller's.
    fn look(&mut self) -> Reuse {
        if !self.is_clean {
            return Reuse::Retire;
        }
        if !self.wire.reader().has_news() {
            return Reuse::Keep;
        }
        let mut late = [0; LATE_BYTES_MAX];
        match self.wire.reader_mut().read_now(&mut late) {
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => Reuse::Keep,
            // If it filled the room, there may be more behind it.
            Ok(n @ 1..LATE_BYTES_MAX) if late[..n].trim_ascii().is_empty() => Reuse::Keep,
            _ => Reuse::Retire,
        }
    }

    async fn dispatch(&mut self, call: &mut Call, sink: ReplySink) -> Verdict {
        let mut upload = match Upload::open(std::mem::take(&mut call.body), self.limits.request_bytes_max).await {
            Ok(upload) => upload,
            // Nothing was written: the container never knew.
            Err(e) => return Verdict::failed(Broken::Call(e).into_fault(Kind::InvalidFrame), Reuse::Keep),
        };
        self.is_clean = false;
        let length = upload.len().map_or(Length::Chunked, Length::Exact);
        encode_head(call, length, self.outbox.begin());
        self.decoder.again(&call.method);
        let (wire, inbox) = (&mut self.wire, &mut self.inbox);
        let mut exchange = Exchange::new(wire, inbox, &mut self.outbox, length, &mut upload, &mut self.decoder);
        match answer(&mut exchange, sink, &self.limits).await {
            Ok(length) => {
                exchange.skip_blank();
                self.is_clean = length != Length::UntilClose && exchange.is_clean();
                Verdict::answered(if self.is_clean { Reuse::Keep } else { Reuse::Retire })
            }
            Err(broken) => Verdict::failed(broken.into_fault(Kind::InvalidFrame), Reuse::Retire),
        }
    }
}

/// Hands the function's answer on; says where its body ended.
async fn answer(exchange: &mut Exchange<'_, Wire>, sink: ReplySink, limits: &Limits) -> Result<Length, Broken> {
    let ResponseHead { status, lines, length, .. } = exchange.head(&sink).await?;
    let headers = gateway::answer_headers(lines);
    exchange.deliver(&mut Head { status, headers }, length, sink, limits).await?;
    Ok(length)
}

/// Agent: appends the head of a request.
fn encode_head(call: &Call, length: Length, out: &mut BytesMut) {
    let (authority, target) = split(&call.url);
    encode::request_line(out, &call.method, &target);
    match call.headers.get(HOST) {
        Some(host) => encode::header(out, &HOST, host),
        None => encode::line(out, "Host", if is_host(authority) { authority } else { "localhost" }),
    }
    for (name, value) in call.headers.iter().filter(|(name, _)| !is_ours(name)) {
        encode::header(out, name, value);
    }
    encode::line(out, "Fn_call_id", call.id.as_bytes());
    encode::line(out, "Fn_method", call.method.as_str());
    out.extend_from_slice(b"Fn_request_url: ");
    encode::url(out, &call.url);
    out.extend_from_slice(b"\r\n");
    if let Some(deadline) = &call.deadline {
        encode::line(out, "Fn_deadline", deadline.stamp());
    }
    // A request without a body says nothing of it, unless its method makes one expect it.
    let expects_body = matches!(call.method, Method::PATCH | Method::POST | Method::PUT);
    if length != Length::Exact(0) || expects_body {
        encode::length(out, length);
    }
    encode::head_end(out);
}

/// Function: reads a request's head. The body is the reader's to add.
///
/// The four added headers are found in any case, with underscores or with dashes, and are not among
/// the caller's; neither is the framing. All of HTTP is the function's to see, so the intent is
/// [`Intent::Gateway`]. What is missing or cannot be read is absent.
#[must_use]
pub fn decode_call(head: RequestHead) -> Arrival {
    let said = |underscores: &HeaderName, dashes: &HeaderName| {
        head.lines.first_shared(underscores).or_else(|| head.lines.first_shared(dashes))
    };
    let text = |said: Option<Bytes>| said.and_then(Text::from_utf8);
    Arrival {
        call_id: text(said(&CALL_ID, &FN_CALL_ID)).filter(|id| !id.is_empty()),
        due: said(&DEADLINE, &FN_DEADLINE).map_or(Due::Never, Due::Told),
        intent: Intent::Gateway,
        method: text(said(&METHOD, &FN_METHOD)).and_then(|m| m.parse().ok()).unwrap_or_else(|| head.method.clone()),
        url: text(said(&REQUEST_URL, &FN_REQUEST_URL)).map_or_else(|| head.target().to_owned(), |url| url.to_string()),
        headers: Headers::read_as(head.lines, Reading::But(OURS)),
        ..Arrival::default()
    }
}

/// Function: appends the headers of an answer. Where its body ends is told by whoever sends it, and
/// the call's id has been told already.
pub fn encode_answer(headers: &HeaderMap, out: &mut BytesMut) {
    let ours = |name: &HeaderName| *name == CONTENT_LENGTH || *name == FN_CALL_ID;
    for (name, value) in hop::passing(headers).filter(|(name, _)| !ours(name)) {
        encode::header(out, name, value);
    }
}

/// Does the platform set it, so that a caller's own does not pass?
fn is_ours(name: &HeaderName) -> bool {
    *name == HOST || OURS.contains(&name.as_str())
}

/// Authority and path of a URL, either of which may be missing: `http://a:1/b?c` is `a:1` and
/// `/b?c`.
fn split(url: &str) -> (&str, Cow<'_, str>) {
    let url = url.split('#').next().unwrap_or_default();
    let (authority, path) = match url.split_once("://") {
        Some((_, rest)) => rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len())),
        None => ("", url),
    };
    let path = if path.starts_with('/') || path == "*" { path.into() } else { format!("/{path}").into() };
    (authority, path)
}

/// May it stand in a `Host` header?
fn is_host(authority: &str) -> bool {
    authority.parse::<http::uri::Authority>().is_ok_and(|a| !a.as_str().contains('@'))
}

#[cfg(test)]
mod tests;
