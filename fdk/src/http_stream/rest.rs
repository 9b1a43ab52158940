//! A request's body, and what the handler leaves of it.
//!
//! A body that is said to be short is read before the handler begins: it is here already or about
//! to be, and a handler that gives it back can then answer in one piece.
//!
//! A handler need not read its body, but the bytes are on the connection, in front of the next
//! call. What is short and already there is read away after the handler is done, so that the
//! connection can be used again. If there is more, the connection is closed after the answer, and
//! the platform dials another.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::timeout;

use hotfn_protocols::{Body, BodyError};

/// Up to this length a body is read before the handler begins, if its length is told.
const WHOLE_BYTES_MAX: u64 = 64 << 10;

/// Most bytes that are read away.
const DRAIN_BYTES_MAX: usize = 256 << 10;

/// How long they may take to come.
const DRAIN_PATIENCE: Duration = Duration::from_millis(20);

/// Where a body that was not read to its end comes back to.
pub(super) struct Rest(Option<Arc<Mutex<Option<Incoming>>>>);

/// Lends a request's body to a handler. Waits for one that is told to be short; fails if that
/// breaks off.
pub(super) async fn lend(incoming: Incoming) -> Result<(Body, Rest), BodyError> {
    if incoming.is_end_stream() {
        return Ok((Body::empty(), Rest(None)));
    }
    if incoming.size_hint().exact().is_some_and(|bytes| bytes <= WHOLE_BYTES_MAX) {
        let whole = Body::stream(incoming).gather(WHOLE_BYTES_MAX).await?;
        return Ok((whole.into(), Rest(None)));
    }
    let rest = Arc::new(Mutex::new(None));
    Ok((Body::stream(Lent { incoming: Some(incoming), rest: rest.clone() }), Rest(Some(rest))))
}

impl Rest {
    /// Reads away what came back. What has not come back is still being read by the answer.
    pub(super) async fn drain(self) {
        let back = self.0.and_then(|rest| rest.lock().unwrap_or_else(PoisonError::into_inner).take());
        let Some(mut incoming) = back else { return };
        let drain = async {
            let mut left = DRAIN_BYTES_MAX;
            while let Some(Ok(frame)) = incoming.frame().await {
                match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
                    Some(less) => left = less,
                    None => break,
                }
            }
        };
        let _ = timeout(DRAIN_PATIENCE, drain).await;
    }
}

struct Lent {
    incoming: Option<Incoming>,
    rest: Arc<Mutex<Option<Incoming>>>,
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(incoming) = self.incoming.take().filter(|incoming| !incoming.is_end_stream()) {
            *self.rest.lock().unwrap_or_else(PoisonError::into_inner) = Some(incoming);
        }
    }
}

impl http_body::Body for Lent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.incoming {
            Some(incoming) => Pin::new(incoming).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(SizeHint::default, Incoming::size_hint)
    }
}
