//! HTTP/1.1 over the unix socket that a function listens on: Fn's current contract.
//!
//! ```text
//! POST /call HTTP/1.1                        HTTP/1.1 200 OK
//! Host: localhost                            Content-Type: text/plain
//! Content-Type: text/plain                   Content-Length: 2
//! Fn-Call-Id: 01JABCDEFGHJKMNPQRSTVWXYZ0
//! Fn-Deadline: 2026-11-21T03:04:05.678Z      hi
//! Content-Length: 2
//!
//! hi
//! ```
//!
//! The request line never changes, and the status is a signal rather than the caller's status: 200
//! for an answer, 502 when the function's code failed, 504 when its own clock ran out. What a
//! trigger's caller and function tell each other travels in headers (see [`crate::gateway`]).
//!
//! The connection stays open between calls, for as long as the function leaves it open. It is a
//! means only: whatever is unclear about it (bytes that nobody asked for, a body not read to its
//! end) is settled by dropping it, and the container, which serves the next one just as well,
//! stays. That is why one caller's oversized or broken request costs nobody else anything. A
//! connection is gone before the next is dialled: some functions serve one at a time.

use std::task::{Context, Poll, Waker};

use bytes::BytesMut;
use http::{Method, StatusCode};

use crate::http1::{Broken, Exchange, Inbox, Length, Outbox, ResponseDecoder, ResponseHead, Upload, encode};
use crate::{
    Call, ContainerIo, Dial, Fault, Head, Intent, Kind, Limits, ReplySink, Reuse, Stream, Verdict, gateway, hop,
};

/// The name of this format.
pub const NAME: &str = "http-stream";

/// The agent's end.
#[derive(Debug)]
pub struct HttpStream {
    dial: Box<dyn Dial>,
    limits: Limits,
    /// Clean: the last answer on it was whole, and nothing followed it. A call takes it out, so a
    /// call that is dropped half way drops it too.
    kept: Option<Box<Connection>>,
}

/// A connection to the function, with its buffers.
#[derive(Debug)]
struct Connection {
    stream: Box<dyn Stream>,
    inbox: Inbox,
    decoder: ResponseDecoder,
    /// Heads and small bodies on their way out. Empty between calls.
    outbox: Outbox,
    /// A call was answered on it.
    used: bool,
}

impl HttpStream {
    /// Takes the place of a function's socket.
    #[must_use]
    pub fn new(dial: Box<dyn Dial>, limits: Limits) -> Self {
        Self { dial, limits, kept: None }
    }

    async fn dial(&mut self) -> Result<Box<Connection>, Fault> {
        match self.dial.dial().await {
            Ok(stream) => Ok(Connection::new(stream, &self.limits)),
            Err(e) => {
                let reason = format!("cannot connect to the function's socket: {e}");
                Err(Fault::new(Kind::Receiving).because(reason).caused_by(e))
            }
        }
    }
}

impl ContainerIo for HttpStream {
    fn is_streamable(&self) -> bool {
        true
    }

    /// A kept connection that ended, or has bytes that nobody asked for, goes alone. Then a new one
    /// is tried at once: a unix socket takes a connection without anybody waiting, or refuses it
    /// because the function is gone or has stopped listening, and then the container goes.
    fn look(&mut self) -> Reuse {
        if self.kept.as_mut().is_some_and(|kept| !kept.is_quiet()) {
            self.kept = None;
        }
        if self.kept.is_none() {
            let mut context = Context::from_waker(Waker::noop());
            match self.dial.dial().as_mut().poll(&mut context) {
                Poll::Pending => {}
                Poll::Ready(Err(_)) => return Reuse::Retire,
                Poll::Ready(Ok(stream)) => self.kept = Some(Connection::new(stream, &self.limits)),
            }
        }
        Reuse::Keep
    }

    async fn dispatch(&mut self, call: &mut Call, sink: ReplySink) -> Verdict {
        let mut upload = match Upload::open(std::mem::take(&mut call.body), self.limits.request_bytes_max).await {
            Ok(upload) => upload,
            Err(e) => return failed(Broken::Call(e)),
        };
        loop {
            let kept = self.kept.take();
            let is_reused = kept.as_ref().is_some_and(|kept| kept.used);
            let mut connection = match kept {
                Some(kept) => kept,
                None => match Box::pin(self.dial()).await {
                    Ok(new) => new,
                    Err(fault) => return gone(fault, call, upload),
                },
            };
            let mut exchange = connection.exchange(call, &mut upload);
            let head = match exchange.head(&sink).await {
                Ok(head) => head,
                // The function closed an idle connection just as we wrote to it. Only this once:
                // the next connection is a new one. This one is dropped before it is dialled.
                Err(broken) if is_reused && exchange.is_unread(&broken) => continue,
                Err(broken) if exchange.is_unread(&broken) => {
                    drop(exchange);
                    return gone(broken.into_fault(Kind::Receiving), call, upload);
                }
                Err(broken) => return failed(broken),
            };
            let (keep_alive, length) = (head.keep_alive, head.length);
            let verdict = match callers_head(head, call.intent) {
                Ok(mut head) => match exchange.deliver(&mut head, length, sink, &self.limits).await {
                    Ok(()) => Verdict::answered(Reuse::Keep),
                    Err(broken) => failed(broken),
                },
                // The body is nobody's. If it is here already the connection can stay; nobody waits for it.
                Err(verdict) => {
                    let _ = exchange.read_off();
                    verdict
                }
            };
            if keep_alive && exchange.is_clean() {
                drop(exchange);
                if let Some(lines) = std::mem::take(&mut call.headers).into_lines() {
                    connection.decoder.recycle(lines);
                }
                connection.used = true;
                self.kept = Some(connection);
            }
            return verdict;
        }
    }
}

impl Connection {
    /// In a box: it is large, and goes from call to call.
    fn new(stream: Box<dyn Stream>, limits: &Limits) -> Box<Self> {
        let decoder = ResponseDecoder::new(&Method::POST, limits.into());
        Box::new(Self { stream, inbox: Inbox::new(), decoder, outbox: Outbox::default(), used: false })
    }

    /// Has it neither ended nor bytes that nobody asked for?
    fn is_quiet(&mut self) -> bool {
        !self.stream.has_news()
            || self.stream.read_now(&mut [0]).is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock)
    }

    fn exchange<'a>(&'a mut self, call: &Call, upload: &'a mut Upload) -> Exchange<'a, Box<dyn Stream>> {
        let length = upload.len().map_or(Length::Chunked, Length::Exact);
        encode_head(call, length, self.outbox.begin());
        self.decoder.again(&Method::POST);
        Exchange::new(&mut self.stream, &mut self.inbox, &mut self.outbox, length, upload, &mut self.decoder)
    }
}

/// Appends the head of a request.
///
/// Neither id nor deadline can be a caller's. The body's length is told where we know it, which
/// saves both ends the chunks; Fn sends chunks always.
fn encode_head(call: &Call, length: Length, out: &mut BytesMut) {
    out.extend_from_slice(b"POST /call HTTP/1.1\r\nHost: localhost\r\n");
    match call.intent {
        Intent::Gateway => gateway::encode_call(call, out),
        Intent::Invoke => {
            let passing = hop::passing_fields(&call.headers);
            for (name, value) in passing.filter(|(name, _)| !hop::is_among(name, gateway::PLATFORMS)) {
                encode::field(out, "", name, value);
            }
        }
    }
    encode::line(out, "Fn-Call-Id", call.id.as_bytes());
    if let Some(deadline) = &call.deadline {
        encode::line(out, "Fn-Deadline", deadline.stamp());
    }
    encode::length(out, length);
    encode::head_end(out);
}

/// What an answer's status makes of it: the first table of section 1.8 of the contract.
fn callers_head(head: ResponseHead, intent: Intent) -> Result<Head, Verdict> {
    let ResponseHead { status, lines, .. } = head;
    let fault = match (status, intent) {
        (StatusCode::OK, Intent::Gateway) => match gateway::decode_answer(&lines.to_map()) {
            Ok(callers) => return Ok(callers),
            Err(fault) => fault,
        },
        (StatusCode::OK, Intent::Invoke) => return Ok(Head { status, headers: gateway::answer_headers(lines) }),
        (StatusCode::BAD_GATEWAY, _) => Fault::new(Kind::Failed),
        (StatusCode::GATEWAY_TIMEOUT, _) => Fault::new(Kind::TimedOut).because("the function said so itself, with 504"),
        (other, _) => {
            let reason = format!(
                "function answered {}; it must be 200, or 502 for a failure and 504 for a timeout of its own",
                other.as_u16()
            );
            return Err(Verdict::failed(Fault::new(Kind::InvalidResponse).because(reason), Reuse::Retire));
        }
    };
    Err(Verdict::failed(fault, Reuse::Keep))
}

/// The function has gone, and has read nothing of the call, which can be given back for another to have.
fn gone(fault: Fault, call: &mut Call, upload: Upload) -> Verdict {
    match upload.into_body() {
        None => Verdict::failed(fault, Reuse::Retire),
        Some(body) => {
            call.body = body;
            Verdict::unread(fault)
        }
    }
}

/// What a broken exchange costs: the second table.
///
/// A caller's fault, and an answer that is merely too long, cost the connection. What lets us doubt
/// the function itself costs the container. So does a caller who leaves, as in Fn: the function
/// may not notice, and go on for as long as it likes.
fn failed(broken: Broken) -> Verdict {
    let reuse = match broken {
        Broken::AnswerTooLarge { .. } | Broken::Call(_) => Reuse::Keep,
        Broken::CallerLeft | Broken::Invalid(_) | Broken::Lost(_) => Reuse::Retire,
    };
    Verdict::failed(broken.into_fault(Kind::Receiving), reuse)
}

#[cfg(test)]
mod tests;
