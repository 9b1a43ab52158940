//! The bytes of a call or a reply, whole or as they come.

mod resumed;

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;

use self::resumed::Resumed;
use crate::{Fault, Kind};

/// Why a body could not be read to its end.
///
/// For a call's body this is the caller's doing, for a reply's the function's.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It would have grown past the named bound.
    #[error("body is larger than {max} bytes")]
    TooLarge {
        /// The bound, in bytes.
        max: u64,
    },
    /// Whoever read it was kept waiting for too long.
    #[error("body came slower than {bytes_per_second} bytes a second, and {grace:?} of grace were over")]
    TooSlow {
        /// The least pace.
        bytes_per_second: u32,
        /// How long it might come slower than that.
        grace: Duration,
    },
    /// It broke off before its end.
    #[error("body was cut")]
    Cut(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl BodyError {
    /// What a call's caller is told whose body failed like this.
    #[must_use]
    pub fn into_call_fault(self) -> Fault {
        match self {
            Self::TooLarge { max } => {
                Fault::new(Kind::RequestTooLarge).because(format!("it is larger than {max} bytes")).caused_by(self)
            }
            Self::TooSlow { .. } => Fault::new(Kind::CallSlow).because(self.to_string()),
            Self::Cut(_) => Fault::new(Kind::CallCut).caused_by(self),
        }
    }
}

/// The bytes of a call or a reply: nothing, all of them at hand, or a stream.
///
/// Memory does not grow with a stream: one piece is held at a time. Trailers are dropped.
#[derive(Default)]
pub struct Body(Inner);

type Boxed = Pin<Box<dyn http_body::Body<Data = Bytes, Error = BodyError> + Send>>;

#[derive(Default)]
enum Inner {
    #[default]
    Empty,
    Full(Bytes),
    Stream(Boxed),
}

impl Body {
    /// No bytes.
    #[must_use]
    pub fn empty() -> Self {
        Self(Inner::Empty)
    }

    /// Bytes that come over time. The pieces' lengths mean nothing.
    pub fn stream<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if body.is_end_stream() {
            return Self::empty();
        }
        let body = body.map_err(|e| {
            // A body of ours inside a body of ours keeps its own words.
            match e.into().downcast::<BodyError>() {
                Ok(ours) => *ours,
                Err(other) => BodyError::Cut(other),
            }
        });
        Self(Inner::Stream(Box::pin(body)))
    }

    /// The body whose first piece was taken and is `first`, and whose others are those of `rest`.
    #[must_use]
    pub fn resumed(first: Bytes, rest: Self) -> Self {
        if rest.is_empty() {
            return first.into();
        }
        Self(Inner::Stream(Box::pin(Resumed { first: Some(first), rest })))
    }

    /// The whole body, where it is at hand: a stream answers `None` even when it is short.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&Bytes> {
        static NONE: Bytes = Bytes::new();
        match &self.0 {
            Inner::Empty => Some(&NONE),
            Inner::Full(bytes) => Some(bytes),
            Inner::Stream(_) => None,
        }
    }

    /// The length in bytes, where it is known before the end.
    #[must_use]
    pub fn len(&self) -> Option<u64> {
        self.size_hint().exact()
    }

    /// Is it known that no byte will come?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.is_end_stream()
    }

    /// The next piece; `None` at the end. Cancel safe: a piece is either given or still there.
    pub async fn next(&mut self) -> Option<Result<Bytes, BodyError>> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`Body::next`], for those who poll. Empty pieces are passed over.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        loop {
            match ready!(Pin::new(&mut *self).poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(Err(e)) => return Poll::Ready(Some(Err(e))),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data()
                        && !data.is_empty()
                    {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
            }
        }
    }

    /// Reads all of it, as long as it stays within `max` bytes.
    ///
    /// # Errors
    /// [`BodyError::TooLarge`] as soon as the bound is passed, or known to be.
    pub async fn gather(mut self, max: u64) -> Result<Bytes, BodyError> {
        if self.size_hint().lower() > max {
            return Err(BodyError::TooLarge { max });
        }
        let Some(first) = self.next().await.transpose()? else { return Ok(Bytes::new()) };
        let mut rest = match self.next().await.transpose()? {
            None if first.len() as u64 <= max => return Ok(first),
            None => return Err(BodyError::TooLarge { max }),
            Some(second) => {
                let mut all = bytes::BytesMut::with_capacity(first.len() + second.len());
                all.extend_from_slice(&first);
                all.extend_from_slice(&second);
                all
            }
        };
        loop {
            if rest.len() as u64 > max {
                return Err(BodyError::TooLarge { max });
            }
            match self.next().await.transpose()? {
                None => return Ok(rest.freeze()),
                Some(more) => rest.extend_from_slice(&more),
            }
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::empty() } else { Self(Inner::Full(bytes)) }
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Empty => f.write_str("Body(empty)"),
            Inner::Full(bytes) => write!(f, "Body({} bytes)", bytes.len()),
            Inner::Stream(_) => f.write_str("Body(stream)"),
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            Inner::Empty => Poll::Ready(None),
            Inner::Full(_) => {
                let Inner::Full(bytes) = std::mem::take(&mut self.0) else { unreachable!("matched just now") };
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Inner::Stream(body) => {
                let frame = ready!(body.as_mut().poll_frame(cx));
                if frame.is_none() {
                    self.0 = Inner::Empty;
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Empty => true,
            Inner::Full(_) => false,
            Inner::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Empty => SizeHint::with_exact(0),
            Inner::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Inner::Stream(body) => body.size_hint(),
        }
    }
}
