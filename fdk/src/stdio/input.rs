//! The input of the format `http`: requests, one after another, in one stream of bytes.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use futures_util::future::poll_fn;
use http_body::{Frame, SizeHint};
use tokio::io::AsyncRead;
use tokio::sync::oneshot;

use hotfn_protocols::Body;
use hotfn_protocols::http1::{Event, Length, Limits, RequestDecoder, RequestHead};

use super::reading::poll_fill;
use crate::BoxError;

/// Requests to be read. A request's head is followed by its body, which must be read to its end
/// before the next head.
pub(super) struct Input {
    bytes: Box<dyn AsyncRead + Send + Unpin>,
    buffer: BytesMut,
    requests: RequestDecoder,
    /// Is there something of a body to be read before the next head?
    in_body: bool,
}

impl Input {
    pub(super) fn new(bytes: Box<dyn AsyncRead + Send + Unpin>) -> Self {
        Self { bytes, buffer: BytesMut::new(), requests: RequestDecoder::new(Limits::default()), in_body: false }
    }

    /// The next request's head; `None` at the end of the input. Cancel safe.
    pub(super) async fn head(&mut self) -> Result<Option<RequestHead>, BoxError> {
        match poll_fn(|cx| self.poll_event(cx)).await? {
            Some(Event::Head(head)) => Ok(Some(head)),
            None => Ok(None),
            Some(Event::Data(_) | Event::End) => unreachable!("the body before was read to its end"),
        }
    }

    /// Lends the input as the body of the request whose head was read. It comes back, at whatever
    /// place of the body, when that is dropped.
    pub(super) fn lend(self, length: Length) -> (Body, oneshot::Receiver<Self>) {
        let (back, returned) = oneshot::channel();
        let loan = Loan { lent: Some((self, back)), left: length.exact() };
        (Body::stream(loan), returned)
    }

    /// Reads the rest of a body away.
    pub(super) async fn skip_body(&mut self) -> Result<(), BoxError> {
        while self.in_body {
            poll_fn(|cx| self.poll_event(cx)).await?;
        }
        Ok(())
    }

    /// The next event; `None` where the input ends and may.
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Event<RequestHead>>, BoxError>> {
        loop {
            if let Some(event) = self.requests.decode(&mut self.buffer)? {
                self.in_body = !matches!(event, Event::End);
                return Poll::Ready(Ok(Some(event)));
            }
            if ready!(poll_fill(Pin::new(&mut self.bytes), cx, &mut self.buffer))? == 0 {
                self.requests.end(&self.buffer)?;
                return Poll::Ready(Ok(None));
            }
        }
    }
}

/// The input, lent as a body.
struct Loan {
    lent: Option<(Input, oneshot::Sender<Input>)>,
    /// Bytes still to come, where that is known.
    left: Option<u64>,
}

impl Drop for Loan {
    fn drop(&mut self) {
        if let Some((input, back)) = self.lent.take() {
            // If nobody waits for it the session is over.
            let _ = back.send(input);
        }
    }
}

impl http_body::Body for Loan {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some((input, _)) = self.lent.as_mut().filter(|(input, _)| input.in_body) else {
            return Poll::Ready(None);
        };
        let Some(Event::Data(data)) = ready!(input.poll_event(cx))? else { return Poll::Ready(None) };
        self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
