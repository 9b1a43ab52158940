//! One connection: its requests are answered one after another, until either side has enough.
//!
//! The same codec, and the same ways to end, as a node's own connections. What differs: whoever
//! leaves ends nothing but the connection.

use std::convert::Infallible;
use std::error::Error;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{sleep, timeout};

use hotfn_protocols::Body;
use hotfn_protocols::http1::{Invalid, Limits, Refused, RequestHead, Served};

use super::answer::{self, Answer};
use super::config::Bounds;
use super::peer::Peer;
use super::service::Service;
use crate::front::closing::{Closing, Over, Patience};
use crate::front::date;

/// How long an open connection may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// How long a peer may take to finish sending when its connection ends.
const END_PATIENCE: Duration = Duration::from_secs(1);
/// Most headers of a request.
const HEADERS_MAX: usize = 64;

/// Serves one connection to its end.
pub(super) async fn serve<S>(stream: S, peer: Peer, service: &Arc<Service>, closing: &Closing)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let told = pin!(closing.told());
    let cut = pin!(closing.cut());
    let silence = pin!(sleep(SILENCE_MAX));
    let patience = Patience::new(closing, told, cut, silence, SILENCE_MAX);
    let served = Served::new(stream, limits(&service.bounds()));
    let mut connection = Connection { served, patience, service, peer };
    let Err(ended) = connection.converse().await;
    match ended {
        Ended::Gone(why) => tracing::debug!("connection ended: {why}"),
        Ended::Over(Over::Cut) => {}
        Ended::Over(Over::Closing | Over::Silent) | Ended::Finished => {
            let _ = timeout(END_PATIENCE, connection.served.end()).await;
        }
    }
}

fn limits(bounds: &Bounds) -> Limits {
    Limits { head_bytes_max: bounds.head_bytes_max, headers_max: HEADERS_MAX, ..Limits::default() }
}

struct Connection<'a, 'c, S> {
    served: Served<S>,
    patience: Patience<'a, 'c>,
    service: &'a Arc<Service>,
    peer: Peer,
}

/// Why nothing more is served on a connection.
enum Ended {
    /// Both sides have said all they had to.
    Finished,
    /// There is nobody to say anything to.
    Gone(Box<dyn Error + Send + Sync>),
    Over(Over),
}

impl<S> Connection<'_, '_, S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    async fn converse(&mut self) -> Result<Infallible, Ended> {
        loop {
            let (head, body) = self.request().await?;
            self.patience.heard();
            let answer = self.answer(head, body).await?;
            self.send(answer).await?;
        }
    }

    async fn request(&mut self) -> Result<(RequestHead, Body), Ended> {
        let Self { served, patience, .. } = self;
        let next = poll_fn(|cx| match served.poll_next(cx) {
            Poll::Ready(next) => Poll::Ready(Ok(next)),
            Poll::Pending => patience.poll_waiting(cx, || served.is_begun()).map(Err),
        });
        match next.await.map_err(Ended::Over)? {
            None => Err(Ended::Finished),
            Some(Ok(request)) => Ok(request),
            Some(Err(Refused::Lost(e))) => Err(Ended::Gone(e.into())),
            Some(Err(Refused::Invalid(invalid))) => {
                self.send(refusal(&invalid)).await?;
                Err(Ended::Finished)
            }
        }
    }

    async fn answer(&mut self, head: RequestHead, body: Body) -> Result<Answer, Ended> {
        let Self { served, patience, service, peer } = self;
        let mut answer = pin!(service.answer(head, body, *peer));
        let answer = poll_fn(|cx| match answer.as_mut().poll(cx) {
            Poll::Ready(answer) => Poll::Ready(Ok(answer)),
            Poll::Pending if served.poll_left(cx).is_ready() => Poll::Ready(Err(Ended::Gone("caller left".into()))),
            Poll::Pending => patience.poll_working(cx).map(|over| Err(Ended::Over(over))),
        });
        answer.await
    }

    async fn send(&mut self, answer: Answer) -> Result<(), Ended> {
        let Self { served, patience, .. } = self;
        let closes = answer.closes || patience.is_closing();
        let mut writing = served.answer(answer.status);
        writing.line("Content-Type", answer.content_type);
        writing.line("Cache-Control", "no-store");
        date::with_now(|now| writing.line("Date", now));
        if let Some(allow) = answer.allow {
            writing.line("Allow", allow);
        }
        if let Some(seconds) = answer.retry_after {
            writing.line("Retry-After", seconds.to_string());
        }
        writing.until_left();
        if closes {
            writing.close();
        }
        let mut sent = pin!(writing.send(answer.body));
        poll_fn(|cx| match sent.as_mut().poll(cx) {
            Poll::Ready(sent) => Poll::Ready(sent.map_err(|unsent| Ended::Gone(unsent.into()))),
            Poll::Pending => patience.poll_working(cx).map(|over| Err(Ended::Over(over))),
        })
        .await
    }
}

/// What bytes that are no request are told.
fn refusal(invalid: &Invalid) -> Answer {
    let status = match invalid {
        Invalid::HeadTooLarge { .. } | Invalid::TooManyHeaders { .. } => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Invalid::TransferEncoding => StatusCode::NOT_IMPLEMENTED,
        Invalid::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
        _ => StatusCode::BAD_REQUEST,
    };
    Answer { closes: true, ..answer::unreadable(status, &format!("request cannot be read: {invalid}")) }
}
