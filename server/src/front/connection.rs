//! One connection: its requests are answered one after another, until either side has enough.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::StatusCode;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use hotfn_protocols::Body;
use hotfn_protocols::http1::{Invalid, Limits, Refused, RequestHead, Served};

use super::answer::{self, Answer};
use super::closing::{Closing, Over, Patience};
use super::routes::Last;
use super::{Config, Front, Hangup, Origin};

/// How long a peer may take to finish sending when its connection ends.
const END_PATIENCE: Duration = Duration::from_secs(1);

/// Serves one connection to its end.
pub(super) async fn serve(stream: TcpStream, front: &Front, closing: &Closing) {
    // An answer is written whole; waiting to fill a packet only delays it.
    if let Err(e) = stream.set_nodelay(true) {
        tracing::debug!("cannot set TCP_NODELAY: {e}");
    }
    let Ok(local) = stream.local_addr() else { return };
    let silence_max = front.config.head_timeout;
    let told = pin!(closing.told());
    let cut = pin!(closing.cut());
    let silence = pin!(sleep(silence_max));
    let patience = Patience::new(closing, told, cut, silence, silence_max);
    let from = Origin { local, last: Last::default() };
    let mut connection = Connection { served: Served::new(stream, limits(&front.config)), patience, front, from };
    let Err(ended) = connection.converse().await;
    match ended {
        // Callers come and go; what matters of it was told to the call.
        Ended::Gone(why) => tracing::debug!("connection ended: {why}"),
        Ended::Over(Over::Cut) => {}
        Ended::Over(Over::Closing | Over::Silent) | Ended::Finished => {
            let _ = timeout(END_PATIENCE, connection.served.end()).await;
        }
    }
}

fn limits(config: &Config) -> Limits {
    Limits { head_bytes_max: config.request_head_bytes_max, headers_max: HEADERS_MAX, ..Limits::default() }
}

/// Most headers of a request.
const HEADERS_MAX: usize = 100;

struct Connection<'a, 'c> {
    served: Served<TcpStream>,
    patience: Patience<'a, 'c>,
    front: &'a Front,
    from: Origin,
}

/// Why nothing more is served on a connection.
enum Ended {
    /// Both sides have said all they had to.
    Finished,
    /// There is nobody to say anything to.
    Gone(Box<dyn std::error::Error + Send + Sync>),
    Over(Over),
}

impl Connection<'_, '_> {
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
        let Self { served, patience, front, from } = self;
        let mut answer = pin!(front.answer(head, body, from));
        let answer = poll_fn(|cx| match answer.as_mut().poll(cx) {
            Poll::Ready(answer) => Poll::Ready(answer.map_err(|hangup| Ended::Gone(hangup.into()))),
            Poll::Pending if served.poll_left(cx).is_ready() => Poll::Ready(Err(Ended::Gone(Hangup.into()))),
            Poll::Pending => patience.poll_working(cx).map(|over| Err(Ended::Over(over))),
        });
        answer.await
    }

    async fn send(&mut self, mut answer: Answer) -> Result<(), Ended> {
        let Self { served, patience, .. } = self;
        let closes = answer.closes || patience.is_closing();
        let _under_way = answer.under_way.take();
        let mut writing = served.answer(answer.status);
        answer.write_head(&mut writing);
        writing.until_left();
        if closes {
            writing.close();
        }
        {
            let mut sent = pin!(writing.send(answer.body));
            poll_fn(|cx: &mut Context<'_>| match sent.as_mut().poll(cx) {
                Poll::Ready(sent) => Poll::Ready(sent.map_err(|unsent| Ended::Gone(unsent.into()))),
                Poll::Pending => patience.poll_working(cx).map(|over| Err(Ended::Over(over))),
            })
            .await?;
        }
        if let Some(lines) = answer.headers.into_lines() {
            served.recycle(lines);
        }
        Ok(())
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
    Answer { closes: true, ..answer::refusal(status, &format!("Request cannot be read: {invalid}")) }
}
