//! One request on a connection, and its answer.

use std::pin::Pin;
use std::task::{Context as Cx, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use http_body::{Frame, SizeHint};
use tokio::time::{sleep_until, timeout};

use hotfn_protocols::http1::RequestHead;
use hotfn_protocols::{Arrival, Body, BodyError, Deadline, gateway};
use hotfn_socket::Watched;

use super::connection::Connection;
use crate::turn::{Wanted, turn};
use crate::{Context, signature};

/// Up to this length a body is read before the handler begins, if its length is told: it is here
/// already or about to be, and a handler that gives it back can then answer in one piece.
const WHOLE_BYTES_MAX: u64 = 64 << 10;

/// How long what a handler left of a body may take to come and be read away. If it is long, or does
/// not come, the connection is closed, and the platform dials another.
const REST_PATIENCE: Duration = Duration::from_millis(20);

/// Answers a request. Its method and path mean nothing: whatever comes is a call. `None` when the
/// connection is of no further use.
pub(super) async fn answer(connection: &mut Connection, head: RequestHead, mut body: Body) -> Option<()> {
    let Connection { served, watched, service } = connection;
    if body.as_bytes().is_none() && body.len().is_some_and(|bytes| bytes <= WHOLE_BYTES_MAX) {
        body = tokio::select! {
            biased;
            whole = body.gather(WHOLE_BYTES_MAX) => whole.ok()?.into(),
            () = watched.peer_left() => return None,
        };
    }
    let is_whole = body.as_bytes().is_some();
    let arrival = Arrival { body, ..gateway::decode_call(head.lines) };
    let (ctx, body) = Context::new(arrival, service.settings.clone());

    let outcome = tokio::select! {
        biased;
        outcome = turn(&service.function, &ctx, body, Wanted::Streamed) => outcome,
        () = watched.peer_left() => return None,
    };
    let is_answer = outcome.is_answer();
    let mut reply = outcome.into_reply();
    if reply.body.as_bytes().is_none() {
        let terms = Some((watched.clone(), ctx.deadline()));
        reply.body = Body::stream(Streaming { body: reply.body, cut: None, terms });
    }

    // An answer's status is 200 over this wire, and its own travels in a header if at all.
    let mut answer = served.answer(if is_answer { StatusCode::OK } else { reply.status });
    if let Some(content_type) = &reply.content_type {
        answer.header(&CONTENT_TYPE, content_type);
    }
    if is_answer {
        let mut headers = reply.headers.map_or_else(HeaderMap::new, |headers| *headers);
        signature::unsign(&mut headers);
        gateway::encode_answer(reply.status, &headers, ctx.intent(), answer.lines());
    }
    answer.lines().extend_from_slice(signature::LINES);
    if service.is_stopping() {
        answer.close();
    }
    answer.send(reply.body).await.ok()?;

    if let Some(lines) = ctx.into_lines() {
        served.recycle(lines);
    }
    let is_read = is_whole || timeout(REST_PATIENCE, served.rest()).await == Ok(true);
    is_read.then_some(())
}

/// A body under way: it is cut when the caller leaves, and at the deadline, for after its head
/// there is no other way to say that it came too late.
struct Streaming {
    body: Body,
    /// Made when the body makes us wait for the first time; many never do.
    cut: Option<Pin<Box<dyn Future<Output = &'static str> + Send>>>,
    terms: Option<(Watched, Option<Deadline>)>,
}

impl http_body::Body for Streaming {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Cx<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let ready @ Poll::Ready(_) = Pin::new(&mut this.body).poll_frame(cx) {
            return ready;
        }
        if let Some((connection, deadline)) = this.terms.take() {
            this.cut = Some(Box::pin(cut(connection, deadline)));
        }
        let Some(cut) = &mut this.cut else { return Poll::Pending };
        cut.as_mut().poll(cx).map(|why| {
            (this.body, this.cut) = (Body::empty(), None);
            Some(Err(BodyError::Cut(why.into())))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

async fn cut(connection: Watched, deadline: Option<Deadline>) -> &'static str {
    let late = async {
        match deadline {
            Some(deadline) => sleep_until(deadline.at().into()).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = connection.peer_left() => "caller went away",
        () = late => "deadline passed",
    }
}
