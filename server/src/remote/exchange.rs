//! One request and its answer, on a connection of their own.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, Response};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_util::task::AbortOnDropHandle;

use hotfn_protocols::Body;

use super::Error;
use super::base::{Base, host};
use crate::tls::{Connector, Trust};

/// How long connecting may take. A host that drops packets would otherwise keep a person waiting for minutes.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);

/// HTTP's, and that of HTTP within TLS.
const PORTS: (u16, u16) = (80, 443);

/// Sends `request`, whose URI is a path, to whoever answers at `base`, and gives the answer as it comes. Where it
/// goes through TLS, `trust` says who is believed. Cancel safe: dropping it, or the answer's body, closes the
/// connection.
///
/// # Errors
/// When nobody takes the connection or is believed, or it ends before the answer's head came.
pub async fn exchange(base: &Base, trust: &Trust, request: Request<Body>) -> Result<Response<Body>, Error> {
    let connected = tokio::time::timeout(CONNECT_PATIENCE, connect(base)).await;
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {CONNECT_PATIENCE:?}"));
    let unreachable = |source| Error::Unreachable { base: base.clone(), source };
    match connected.map_err(late).and_then(|connected| connected).map_err(unreachable)? {
        Stream::Tcp(stream) => match base {
            Base::Http { is_encrypted: true, authority, .. } => {
                let connector = Connector::new(trust).map_err(|source| Error::Trust { source })?;
                let encrypted = connector.connect(host(authority), stream).await;
                let encrypted = encrypted.map_err(|source| Error::Disbelieved { base: base.clone(), source })?;
                over(encrypted, base, request).await
            }
            _ => over(stream, base, request).await,
        },
        Stream::Unix(stream) => over(stream, base, request).await,
    }
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

async fn connect(base: &Base) -> io::Result<Stream> {
    match base {
        Base::Http { is_encrypted, authority, .. } => {
            let usual = if *is_encrypted { PORTS.1 } else { PORTS.0 };
            let stream = TcpStream::connect((host(authority), authority.port_u16().unwrap_or(usual))).await?;
            stream.set_nodelay(true)?;
            Ok(Stream::Tcp(stream))
        }
        Base::Unix(path) => Ok(Stream::Unix(UnixStream::connect(path).await?)),
    }
}

async fn over<S>(stream: S, base: &Base, mut request: Request<Body>) -> Result<Response<Body>, Error>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let closed = |source| Error::Closed { base: base.clone(), source };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(closed)?;
    let driven = tokio::spawn(async move {
        if let Err(e) = connection.await {
            tracing::debug!("connection ended: {e}");
        }
    });
    let driven = AbortOnDropHandle::new(driven);
    request.headers_mut().entry(HOST).or_insert_with(|| host_of(base));
    let response = sender.send_request(request).await.map_err(closed)?;
    Ok(response.map(|body| Body::stream(Coming { body, _driven: driven })))
}

fn host_of(base: &Base) -> HeaderValue {
    match base {
        Base::Http { authority, .. } => {
            // Who stands before the `@` is nobody's business but the connection's.
            let authority = authority.as_str();
            let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            HeaderValue::try_from(host).expect("a host is a header's value")
        }
        Base::Unix(_) => HeaderValue::from_static("localhost"),
    }
}

/// An answer's body, which comes only while the connection moves.
struct Coming {
    body: Incoming,
    _driven: AbortOnDropHandle<()>,
}

impl http_body::Body for Coming {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, UnixListener};

    use super::*;

    async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, text: &str) -> String {
        let mut read = Vec::new();
        while !read.ends_with(b"\r\n\r\n") {
            assert!(stream.read_buf(&mut read).await.unwrap() > 0);
        }
        stream.write_all(text.as_bytes()).await.unwrap();
        String::from_utf8(read).unwrap()
    }

    fn get(path: &'static str) -> Request<Body> {
        Request::get(path).body(Body::empty()).unwrap()
    }

    const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";

    #[tokio::test]
    async fn a_unix_socket_answers_like_a_port() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let (unix, tcp) = (UnixListener::bind(&path).unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let at = |base: String| async move {
            let response = exchange(&base.parse().unwrap(), &Trust::System, get("/version")).await.unwrap();
            response.into_body().gather(10).await.unwrap()
        };
        let served = async { answer(unix.accept().await.unwrap().0, OK).await };
        let (body, request) = tokio::join!(at(format!("unix://{}", path.display())), served);
        assert_eq!(body, "hi");
        assert!(request.starts_with("GET /version HTTP/1.1\r\n") && request.contains("host: localhost"), "{request}");
        let port = tcp.local_addr().unwrap().port();
        let served = async { answer(tcp.accept().await.unwrap().0, OK).await };
        let (body, request) = tokio::join!(at(format!("http://user@127.0.0.1:{port}")), served);
        assert_eq!(body, "hi");
        assert!(request.contains(&format!("host: 127.0.0.1:{port}\r\n")), "{request}");
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_is_no_answer() {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base: Base = format!("http://{}", tcp.local_addr().unwrap()).parse().unwrap();
        let cut = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhi";
        let served = async { answer(tcp.accept().await.unwrap().0, cut).await };
        let (response, _) = tokio::join!(exchange(&base, &Trust::System, get("/")), served);
        assert!(response.unwrap().into_body().gather(10).await.is_err());
        let silent = async { answer(tcp.accept().await.unwrap().0, "").await };
        let (response, _) = tokio::join!(exchange(&base, &Trust::System, get("/")), silent);
        assert!(matches!(response, Err(Error::Closed { .. })));
        drop(tcp);
        let told = exchange(&base, &Trust::System, get("/")).await.unwrap_err().to_string();
        assert_eq!(told, format!("cannot connect to {base}; is a node listening there?"));
    }
}
