//! One call, from the moment it is understood to the moment its answer is known.
//!
//! Whatever the handler does, a turn ends in one of three ways, and the process lives: a panic is
//! caught, an error printed, and a handler that is still at work shortly before the deadline is
//! dropped, which is what cancels an async fn. A handler that blocks its thread cannot be dropped:
//! then the platform's own deadline ends the container.

use std::any::Any;
use std::error::Error;
use std::future::poll_fn;
use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe};
use std::pin::Pin;
use std::task::{Context as Cx, Poll};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::StatusCode;
use http_body::{Frame, SizeHint};
use tracing::Instrument as _;

use hotfn_protocols::{Body, BodyError};

use crate::report::{chain, say};
use crate::settings::LogFrame;
use crate::{BoxError, Context, Function, IntoReply as _, Reply, trace};

/// How a call ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The handler answered.
    Answered(Reply),
    /// It failed or panicked; the text says how.
    Failed(String),
    /// It was still at work when its time was up.
    TimedOut,
}

impl Outcome {
    /// The answer that tells of it: a failure is 502 and a lost race 504, with a line of text.
    pub(crate) fn into_reply(self) -> Reply {
        match self {
            Self::Answered(reply) => reply,
            Self::Failed(message) => told(StatusCode::BAD_GATEWAY, message),
            Self::TimedOut => told(StatusCode::GATEWAY_TIMEOUT, TIMED_OUT.to_owned()),
        }
    }

    /// Did the handler answer?
    pub(crate) fn is_answer(&self) -> bool {
        matches!(self, Self::Answered(_))
    }
}

const TIMED_OUT: &str = "the handler was still at work shortly before the deadline";

fn told(status: StatusCode, message: String) -> Reply {
    Reply::new(message).status(status.as_u16())
}

/// What the wire wants of an answer's body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Wanted {
    /// As it comes.
    Streamed,
    /// All of it, before anything is sent, and no more than so many bytes: making it is part of
    /// the turn.
    Whole(u64),
}

/// Has `function` answer one call. Cancel safe: dropped, it drops the handler.
pub(crate) async fn turn(function: &Function, ctx: &Context, body: Body, wanted: Wanted) -> Outcome {
    frame_log(ctx);
    let span = trace::span(ctx);
    let work = AssertUnwindSafe(answer(function, ctx.clone(), body, wanted)).catch_unwind();
    let mut work = std::pin::pin!(work.instrument(span));
    // Most handlers answer at once: before the first try nobody asks when they would have to.
    let ended = match at_once(work.as_mut()).await {
        Some(ended) => Some(ended),
        None => tokio::select! {
            biased;
            ended = work => Some(ended),
            () = late(ctx) => None,
        },
    };

    // What a handler printed belongs to its call, not to the next one.
    let _ = io::stdout().flush();
    match ended {
        Some(Ok(Ok(reply))) => Outcome::Answered(reply),
        Some(Ok(Err(error))) => Outcome::Failed(report(ctx, &*error)),
        Some(Err(panic)) => Outcome::Failed(report_panic(ctx, &*panic)),
        None => {
            log(ctx, TIMED_OUT);
            Outcome::TimedOut
        }
    }
}

/// What `work` comes to without waiting for anything.
async fn at_once<F: Future>(mut work: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|cx| {
        Poll::Ready(match work.as_mut().poll(cx) {
            Poll::Ready(done) => Some(done),
            Poll::Pending => None,
        })
    })
    .await
}

/// Resolves shortly before the call's deadline.
async fn late(ctx: &Context) {
    let Some(deadline) = ctx.deadline() else { return std::future::pending().await };
    let at = deadline.at();
    tokio::time::sleep_until(at.checked_sub(ctx.settings().deadline_early).unwrap_or(at).into()).await;
}

async fn answer(function: &Function, ctx: Context, body: Body, wanted: Wanted) -> Result<Reply, BoxError> {
    let mut reply = function.work(ctx, body).await?.into_reply()?;
    if !may_have_body(reply.status) {
        reply.body = Body::empty();
    }
    reply.body = match wanted {
        Wanted::Whole(max) => reply.body.gather(max).await?.into(),
        Wanted::Streamed if reply.body.as_bytes().is_some() => reply.body,
        Wanted::Streamed => Body::stream(Caught(reply.body)),
    };
    Ok(reply)
}

/// HTTP's rule: these end with their headers.
fn may_have_body(status: StatusCode) -> bool {
    !status.is_informational() && status != StatusCode::NO_CONTENT && status != StatusCode::NOT_MODIFIED
}

/// Writes the line that frames this call's output, on both streams, before user code runs.
fn frame_log(ctx: &Context) {
    let Some(LogFrame { name, header }) = &ctx.settings().log_frame else { return };
    let Some(value) = ctx.frame_value(header) else { return };
    let line = [b"\n", name.as_bytes(), b"=", value, b"\n"].concat();
    // A log that nobody takes is no reason to fail a call, here and below.
    let _ = io::stdout().write_all(&line).and_then(|()| io::stdout().flush());
    let _ = io::stderr().write_all(&line);
}

/// Prints an error with its causes, and gives the message alone.
fn report(ctx: &Context, error: &(dyn Error + Send + Sync + 'static)) -> String {
    log(ctx, &chain(error));
    error.to_string()
}

fn report_panic(ctx: &Context, panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let message = format!("handler panicked: {}", text.unwrap_or("no message"));
    log(ctx, &message);
    message
}

fn log(ctx: &Context, text: &str) {
    match ctx.call_id() {
        Some(id) => say(&format!("call {id}: {text}")),
        None => say(text),
    }
}

/// A streamed body whose panics cut the answer, and nothing else.
struct Caught(Body);

impl http_body::Body for Caught {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Cx<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let poll = AssertUnwindSafe(|| Pin::new(&mut self.0).poll_frame(cx));
        panic::catch_unwind(poll).unwrap_or_else(|_| {
            self.0 = Body::empty();
            Poll::Ready(Some(Err(BodyError::Cut("the stream panicked".into()))))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
