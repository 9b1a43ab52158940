//! What a handler may give back: something that becomes an answer.

use std::ops::RangeInclusive;

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt as _};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use http_body::Frame;
use http_body_util::StreamBody;
use serde::Serialize;

use hotfn_protocols::Body;

use crate::{BoxError, Json};

/// Becomes an answer.
///
/// The content type follows from the kind where the handler names none: `application/json` for
/// [`Json`], `text/plain` for text, `application/octet-stream` for bytes and streams.
pub trait IntoReply {
    /// Becomes one.
    ///
    /// # Errors
    /// When it cannot, as a value that is not expressible in JSON. The call fails with that.
    fn into_reply(self) -> Result<Reply, BoxError>;
}

/// An answer: status, headers, body.
///
/// ```
/// use hotfn_fdk::{IntoReply, Reply};
///
/// let reply = Reply::new("made").status(201).header("location", "/orders/7");
/// ```
#[derive(Debug, Default)]
pub struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) content_type: Option<HeaderValue>,
    /// The others. Most answers have none, and an answer passes through many hands.
    pub(crate) headers: Option<Box<HeaderMap>>,
    pub(crate) body: Body,
    /// What went wrong while it was put together: shown when the answer is due, so that the
    /// methods can be chained.
    flaw: Option<BoxError>,
}

impl Reply {
    /// The answer that `content` makes, with status 200.
    #[must_use]
    pub fn new(content: impl IntoReply) -> Self {
        content.into_reply().unwrap_or_else(|flaw| Self { flaw: Some(flaw), ..Self::default() })
    }

    /// Sets the status, 200 to 599.
    ///
    /// Callers see it on gateway calls, and on every call in the formats `http`, `json` and
    /// `cloudevent`. A plain call over `http-stream` knows only success: its caller sees 200.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        match StatusCode::from_u16(status) {
            Ok(known) if STATUSES.contains(&status) => self.status = known,
            _ => self.flawed(format!("status {status} is outside 200 to 599").into()),
        }
        self
    }

    /// Adds a header. An existing one of that name stays, but for `Content-Type`, of which there
    /// is one. What belongs to the connection or the platform, such as `Transfer-Encoding` and
    /// `Fn-Call-Id`, is not sent.
    #[must_use]
    pub fn header<N, V>(mut self, name: N, value: V) -> Self
    where
        N: TryInto<HeaderName, Error: Into<BoxError>>,
        V: TryInto<HeaderValue, Error: Into<BoxError>>,
    {
        match (name.try_into(), value.try_into()) {
            (Ok(name), Ok(value)) if name == CONTENT_TYPE => self.content_type = Some(value),
            (Ok(name), Ok(value)) => drop(self.headers.get_or_insert_default().append(name, value)),
            (Err(flaw), _) => self.flawed(flaw.into()),
            (_, Err(flaw)) => self.flawed(flaw.into()),
        }
        self
    }

    fn flawed(&mut self, flaw: BoxError) {
        self.flaw.get_or_insert(flaw);
    }

    fn of(content_type: &'static str, body: impl Into<Body>) -> Self {
        Self { content_type: Some(HeaderValue::from_static(content_type)), body: body.into(), ..Self::default() }
    }

    /// All its headers, the content type among them.
    pub(crate) fn take_headers(&mut self) -> HeaderMap {
        let mut headers = self.headers.take().map_or_else(HeaderMap::new, |headers| *headers);
        headers.extend(self.content_type.take().map(|value| (CONTENT_TYPE, value)));
        headers
    }
}

/// What may end an HTTP call: the ones below announce an answer, those above mean nothing.
const STATUSES: RangeInclusive<u16> = 200..=599;

impl IntoReply for Reply {
    fn into_reply(mut self) -> Result<Self, BoxError> {
        self.flaw.take().map_or(Ok(self), Err)
    }
}

/// A body whose pieces come over time, from a stream of anything that becomes bytes.
///
/// ```
/// use futures_util::stream;
///
/// let pieces = stream::iter(["one\n", "two\n"].map(Ok::<_, std::io::Error>));
/// let body = hotfn_fdk::stream(pieces);
/// ```
pub fn stream<S, B, E>(pieces: S) -> Body
where
    S: Stream<Item = Result<B, E>> + Send + 'static,
    B: Into<Bytes>,
    E: Into<BoxError> + 'static,
{
    Body::stream(StreamBody::new(pieces.map_ok(|piece| Frame::data(piece.into())).map_err(Into::into)))
}

/// Nothing: an empty answer without a content type.
impl IntoReply for () {
    fn into_reply(self) -> Result<Reply, BoxError> {
        Ok(Reply::default())
    }
}

impl IntoReply for Bytes {
    fn into_reply(self) -> Result<Reply, BoxError> {
        Ok(Reply::of("application/octet-stream", self))
    }
}

impl IntoReply for Vec<u8> {
    fn into_reply(self) -> Result<Reply, BoxError> {
        Bytes::from(self).into_reply()
    }
}

impl IntoReply for String {
    fn into_reply(self) -> Result<Reply, BoxError> {
        Ok(Reply::of("text/plain", self))
    }
}

impl IntoReply for &'static str {
    fn into_reply(self) -> Result<Reply, BoxError> {
        Ok(Reply::of("text/plain", self))
    }
}

impl<T: Serialize> IntoReply for Json<T> {
    fn into_reply(self) -> Result<Reply, BoxError> {
        Ok(Reply::of("application/json", serde_json::to_vec(&self.0)?))
    }
}

/// A stream: it is sent as it comes, where the format can.
impl IntoReply for Body {
    fn into_reply(self) -> Result<Reply, BoxError> {
        Ok(Reply::of("application/octet-stream", self))
    }
}

/// As it is: no content type is added.
impl<B> IntoReply for http::Response<B>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    fn into_reply(self) -> Result<Reply, BoxError> {
        let (mut head, body) = self.into_parts();
        let content_type = head.headers.remove(CONTENT_TYPE);
        let reply =
            Reply { content_type, headers: Some(Box::new(head.headers)), body: Body::stream(body), ..Reply::default() };
        reply.status(head.status.as_u16()).into_reply()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content_type(content: impl IntoReply) -> Option<String> {
        let headers = content.into_reply().unwrap().take_headers();
        headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn the_content_type_follows_from_the_kind() {
        assert_eq!(content_type(()), None);
        assert_eq!(content_type("x").as_deref(), Some("text/plain"));
        assert_eq!(content_type(String::from("x")).as_deref(), Some("text/plain"));
        assert_eq!(content_type(vec![1]).as_deref(), Some("application/octet-stream"));
        assert_eq!(content_type(Json(1)).as_deref(), Some("application/json"));
        assert_eq!(content_type(Reply::new(Json(1)).header("content-type", "a/b")).as_deref(), Some("a/b"));
        assert_eq!(content_type(http::Response::new(String::from("x"))), None);
    }

    #[test]
    fn a_flaw_in_the_chain_shows_at_its_end() {
        let flaw = |reply: Reply| reply.into_reply().unwrap_err().to_string();
        assert_eq!(flaw(Reply::new("x").status(600).header("a", "b")), "status 600 is outside 200 to 599");
        assert_eq!(flaw(Reply::new("x").header("a b", "c")), "invalid HTTP header name");
        assert_eq!(flaw(Reply::new("x").header("a", "b\nc")), "failed to parse header value");
        let response = http::Response::builder().status(999).body(String::new()).unwrap();
        assert!(response.into_reply().unwrap_err().to_string().contains("999"));
    }
}
