//! One connection of the service. What differs from a node's own: whoever leaves ends nothing but
//! the connection.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite};

use hotfn_protocols::Body;
use hotfn_protocols::http1::{Invalid, Limits, RequestHead};

use super::answer::{self, Answer};
use super::config::Bounds;
use super::peer::Peer;
use super::service::Service;
use crate::conversation::closing::Closing;
use crate::conversation::{self, Hangup, Host};

/// How long an open connection may be silent, and take nothing of an answer.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Most headers of a request.
const HEADERS_MAX: usize = 64;

/// Serves one connection to its end.
pub(super) async fn serve<S>(stream: S, peer: Peer, service: &Arc<Service>, closing: &Closing)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = limits(&service.bounds());
    conversation::hold(stream, Desk { service, peer }, limits, SILENCE_MAX, closing).await;
}

fn limits(bounds: &Bounds) -> Limits {
    Limits { head_bytes_max: bounds.head_bytes_max, headers_max: HEADERS_MAX, ..Limits::default() }
}

/// The service, as one connection knows it.
struct Desk<'a> {
    service: &'a Arc<Service>,
    peer: Peer,
}

impl Host for Desk<'_> {
    type Answer = Answer;

    async fn answer(&mut self, head: RequestHead, body: Body) -> Result<Answer, Hangup> {
        Ok(self.service.answer(head, body, self.peer).await)
    }

    fn unreadable(&self, status: StatusCode, invalid: &Invalid) -> Answer {
        answer::unreadable(status, &format!("request cannot be read: {invalid}"))
    }
}
