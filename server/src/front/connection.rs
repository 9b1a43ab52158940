//! One connection of the front: its requests are calls, most of them.

use http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite};

use hotfn_protocols::Body;
use hotfn_protocols::http1::{Invalid, Limits, RequestHead};

use super::answer::{self, Answer};
use super::origin::Origin;
use super::{Config, Front};
use crate::conversation::closing::Closing;
use crate::conversation::{self, Hangup, Host};

/// Most headers of a request.
const HEADERS_MAX: usize = 100;

/// Serves one connection to its end.
pub(super) async fn serve<S>(stream: S, from: Origin, front: &Front, closing: &Closing)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let silence_max = front.config.head_timeout;
    conversation::hold(stream, Desk { front, from }, limits(&front.config), silence_max, closing).await;
}

fn limits(config: &Config) -> Limits {
    Limits { head_bytes_max: config.request_head_bytes_max, headers_max: HEADERS_MAX, ..Limits::default() }
}

/// The front, as one connection knows it.
struct Desk<'a> {
    front: &'a Front,
    from: Origin,
}

impl Host for Desk<'_> {
    type Answer = Answer;

    fn answer(&mut self, head: RequestHead, body: Body) -> impl Future<Output = Result<Answer, Hangup>> + Send {
        self.front.answer(head, body, &mut self.from)
    }

    fn unreadable(&self, status: StatusCode, invalid: &Invalid) -> Answer {
        answer::refusal(status, &format!("Request cannot be read: {invalid}"))
    }
}
