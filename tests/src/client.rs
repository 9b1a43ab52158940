//! Calls over HTTP, as a user's client would make them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::oneshot;

/// What a request carries.
pub type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Why there was no answer.
pub type Broken = Box<dyn std::error::Error + Send + Sync>;

/// An answer, whole.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its bytes.
    pub body: Bytes,
}

/// One connection that stays open between calls.
#[derive(Debug)]
pub struct Connection(SendRequest<Body>);

/// Lets a body made by [`held`] end. Dropping it lets it end as well.
#[derive(Debug)]
pub struct Hold(oneshot::Sender<()>);

impl Answer {
    /// The body as text, lossily.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is not.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e} in {:?}", self.text()))
    }

    /// The header `name`, empty if it is absent.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap_or("not text"))
    }

    /// The same answer, if its status is 200.
    ///
    /// # Panics
    /// If it is another.
    #[must_use]
    pub fn ok(self) -> Self {
        self.is(200)
    }

    /// The same answer, if its status is `status`.
    ///
    /// # Panics
    /// If it is another.
    #[must_use]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}\n{:?}", self.text(), self.headers);
        self
    }
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens there.
    pub async fn open(address: SocketAddr) -> Result<Self, Broken> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Self::over(stream).await
    }

    /// Connects to a unix socket.
    ///
    /// # Errors
    /// When nobody listens there, or not for us.
    pub async fn open_unix(path: &Path) -> Result<Self, Broken> {
        Self::over(UnixStream::connect(path).await?).await
    }

    /// Speaks over what is connected already.
    ///
    /// # Errors
    /// When it breaks at once.
    pub async fn over(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Result<Self, Broken> {
        let (requests, connection) = handshake(TokioIo::new(stream)).await?;
        // Ends with the connection, which ends when `requests` is dropped.
        tokio::spawn(connection);
        Ok(Self(requests))
    }

    /// Sends `request` and gives the head of the answer, with its body still under way.
    ///
    /// # Errors
    /// When the connection breaks first.
    pub async fn send(&mut self, mut request: Request<Body>) -> Result<http::Response<Incoming>, Broken> {
        request.headers_mut().entry(HOST).or_insert(HeaderValue::from_static("node.test"));
        self.0.ready().await?;
        Ok(self.0.send_request(request).await?)
    }

    /// Sends `request` and gives the whole answer.
    ///
    /// # Errors
    /// When the connection breaks first, also within the answer.
    pub async fn call(&mut self, request: Request<Body>) -> Result<Answer, Broken> {
        let (head, body) = self.send(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Answer { status: head.status, headers: head.headers, body })
    }
}

impl Hold {
    /// Sends the rest of the body.
    pub fn release(self) {
        // The connection may have gone: then nobody waits for the rest.
        let _ = self.0.send(());
    }
}

/// A request with a host and a body, to be refined.
///
/// # Panics
/// When `path` is none.
#[must_use]
pub fn request(method: Method, path: &str, body: Body) -> Request<Body> {
    let request = Request::builder().method(method).uri(path).header("host", "stories.example");
    request.body(body).expect("method and path are well-formed")
}

/// A call of function `id` with a text.
#[must_use]
pub fn invoke(id: &str, body: Body) -> Request<Body> {
    request(Method::POST, &format!("/invoke/{id}"), body)
}

/// A request to the API, with what the Fn CLI says of itself and a JSON body, if there is one.
#[must_use]
pub fn api(method: Method, path: &str, body: Option<&Value>) -> Request<Body> {
    let mut request = request(method, path, whole(body.map_or_else(String::new, Value::to_string)));
    let json = HeaderValue::from_static("application/json");
    request.headers_mut().insert(ACCEPT, json.clone());
    if body.is_some() {
        request.headers_mut().insert(CONTENT_TYPE, json);
    }
    request
}

/// A body that is known whole.
pub fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed_unsync()
}

/// A body that comes piece by piece, without a length.
pub fn pieces<I>(pieces: I) -> Body
where
    I: IntoIterator<Item = Bytes>,
    I::IntoIter: Send + 'static,
{
    BodyExt::boxed_unsync(StreamBody::new(stream::iter(pieces.into_iter().map(|piece| Ok(Frame::data(piece))))))
}

/// A body whose `first` part comes at once and whose `last` when it is released: a call that stays
/// in flight for as long as a story wants it to.
#[must_use]
pub fn held(first: &'static str, last: &'static str) -> (Body, Hold) {
    let (release, released) = oneshot::channel();
    let piece = |text: &'static str| Ok::<_, Infallible>(Frame::data(Bytes::from_static(text.as_bytes())));
    let rest = stream::once(async move {
        let _ = released.await;
        piece(last)
    });
    let body = StreamBody::new(stream::iter([piece(first)]).chain(rest));
    (BodyExt::boxed_unsync(body), Hold(release))
}
