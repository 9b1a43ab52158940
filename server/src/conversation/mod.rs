//! A conversation over HTTP: requests are answered one after another, until either side has enough.
//!
//! Whatever listens has a [`Host`] for each connection, who knows what to answer, and [`hold`] sees
//! to the rest: it takes requests off the connection, notices a peer that leaves or falls silent
//! while the host thinks, and ends it so that the last answer arrives. All of it is one task, which
//! is the connection's own; the stream is anything that can be read and written.
//!
//! [`closing`] is how the conversations of a listener learn that it ends, [`date`] the time as an
//! answer tells it. Absent on purpose: what requests are about, and where connections come from.

pub(crate) mod closing;
pub(crate) mod date;

use std::convert::Infallible;
use std::error::Error;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{sleep, timeout};

use hotfn_protocols::Body;
use hotfn_protocols::http1::{Answering, Invalid, Limits, Lines, Refused, RequestHead, Served};

use closing::{Closing, Over, Patience};

/// How long a peer may take to finish sending when its conversation ends.
const END_PATIENCE: Duration = Duration::from_secs(1);

/// Who answers on one connection.
pub(crate) trait Host: Send {
    /// What is sent back for a request.
    type Answer: Answer;

    /// Answers a request. Dropped before it resolves when the peer leaves, or when the connection is
    /// cut.
    ///
    /// # Errors
    /// When nothing is to be sent and the connection closed instead.
    fn answer(&mut self, head: RequestHead, body: Body) -> impl Future<Output = Result<Self::Answer, Hangup>> + Send;

    /// What bytes that are no request are told, with the status that fits. Nothing follows it.
    fn unreadable(&self, status: StatusCode, invalid: &Invalid) -> Self::Answer;
}

/// An answer, ready to be written. It is dropped when it is sent, or cannot be.
pub(crate) trait Answer: Send {
    fn status(&self) -> StatusCode;

    /// Is it the last one of its connection?
    fn closes(&self) -> bool;

    /// Writes all headers but those that say how the body goes and what becomes of the connection.
    fn write_head<S>(&self, head: &mut Answering<'_, S>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Its body, which is asked for once.
    fn take_body(&mut self) -> Body;

    /// Lines that nobody needs any more, whose memory serves the next request's.
    fn into_lines(self) -> Option<Lines>
    where
        Self: Sized,
    {
        None
    }
}

/// The connection is to be closed without an answer: nobody would read it.
#[derive(Debug, thiserror::Error)]
#[error("caller went away")]
pub(crate) struct Hangup;

/// Serves one connection to its end. A peer may be silent for `silence_max` before it has sent a
/// whole head, and at the latest after twice as long it is closed.
pub(crate) async fn hold<S, H>(stream: S, host: H, limits: Limits, silence_max: Duration, closing: &Closing)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Host,
{
    let told = pin!(closing.told());
    let cut = pin!(closing.cut());
    let silence = pin!(sleep(silence_max));
    let patience = Patience::new(closing, told, cut, silence, silence_max);
    let mut conversation = Conversation { served: Served::new(stream, limits), patience, host };
    let Err(ended) = conversation.converse().await;
    match ended {
        // Callers come and go; what matters of it was told to the host.
        Ended::Gone(why) => tracing::debug!("connection ended: {why}"),
        Ended::Over(Over::Cut) => {}
        Ended::Over(Over::Closing | Over::Silent) | Ended::Finished => {
            let _ = timeout(END_PATIENCE, conversation.served.end()).await;
        }
    }
}

struct Conversation<'a, 'c, S, H> {
    served: Served<S>,
    patience: Patience<'a, 'c>,
    host: H,
}

/// Why nothing more is served on a connection.
enum Ended {
    /// Both sides have said all they had to.
    Finished,
    /// There is nobody to say anything to.
    Gone(Box<dyn Error + Send + Sync>),
    Over(Over),
}

impl<S, H> Conversation<'_, '_, S, H>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Host,
{
    async fn converse(&mut self) -> Result<Infallible, Ended> {
        loop {
            let (head, body) = self.request().await?;
            self.patience.heard();
            let answer = self.answer(head, body).await?;
            self.send(answer, false).await?;
        }
    }

    async fn request(&mut self) -> Result<(RequestHead, Body), Ended> {
        let Self { served, patience, .. } = self;
        let next = poll_fn(|cx| match served.poll_next(cx) {
            Poll::Ready(next) => Poll::Ready(Ok(next)),
            Poll::Pending => patience.poll_waiting(cx, || served.is_begun()).map(Err),
        });
        let invalid = match next.await.map_err(Ended::Over)? {
            None => return Err(Ended::Finished),
            Some(Ok((head, body))) => match head.check_host() {
                Ok(()) => return Ok((head, body)),
                Err(invalid) => invalid,
            },
            Some(Err(Refused::Lost(e))) => return Err(Ended::Gone(e.into())),
            Some(Err(Refused::Invalid(invalid))) => invalid,
        };
        let refusal = self.host.unreadable(status(&invalid), &invalid);
        self.send(refusal, true).await?;
        Err(Ended::Finished)
    }

    async fn answer(&mut self, head: RequestHead, body: Body) -> Result<H::Answer, Ended> {
        let Self { served, patience, host } = self;
        let mut answer = pin!(host.answer(head, body));
        let answer = poll_fn(|cx| match answer.as_mut().poll(cx) {
            Poll::Ready(answer) => Poll::Ready(answer.map_err(|hangup| Ended::Gone(hangup.into()))),
            Poll::Pending if served.poll_left(cx).is_ready() => Poll::Ready(Err(Ended::Gone(Hangup.into()))),
            Poll::Pending => patience.poll_working(cx).map(|over| Err(Ended::Over(over))),
        });
        answer.await
    }

    async fn send(&mut self, mut answer: H::Answer, is_last: bool) -> Result<(), Ended> {
        let Self { served, patience, .. } = self;
        let closes = is_last || answer.closes() || patience.is_closing();
        let mut writing = served.answer(answer.status());
        answer.write_head(&mut writing);
        writing.until_left();
        if closes {
            writing.close();
        }
        {
            let mut sent = pin!(writing.send(answer.take_body()));
            poll_fn(|cx| match sent.as_mut().poll(cx) {
                Poll::Ready(sent) => Poll::Ready(sent.map_err(|unsent| Ended::Gone(unsent.into()))),
                Poll::Pending => patience.poll_working(cx).map(|over| Err(Ended::Over(over))),
            })
            .await?;
        }
        if let Some(lines) = answer.into_lines() {
            served.recycle(lines);
        }
        Ok(())
    }
}

fn status(invalid: &Invalid) -> StatusCode {
    match invalid {
        Invalid::HeadTooLarge { .. } | Invalid::TooManyHeaders { .. } => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Invalid::TransferEncoding => StatusCode::NOT_IMPLEMENTED,
        Invalid::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
        _ => StatusCode::BAD_REQUEST,
    }
}
