//! How a connection to Postgres is encrypted: `sslmode` and `sslrootcert` of its URL, as Postgres'
//! own clients read them.
//!
//! | `sslmode` | encrypted | who is believed |
//! |---|---|---|
//! | `disable` | no | |
//! | `prefer`, the default | if the server can | anyone |
//! | `require` | yes | anyone; with `sslrootcert`, as `verify-ca` |
//! | `verify-ca` | yes | whoever has a certificate of those in `sslrootcert`, by any name |
//! | `verify-full` | yes | the same by the host's name; without a file, or with `system`, this machine's roots |
//!
//! Absent on purpose: certificates of ours, and channel binding.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect};
use tokio_rustls::client::TlsStream;

use crate::percent;
use crate::tls::{Connector, Trust, TrustError};

/// What a URL says of encryption.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Wish {
    pub(super) mode: SslMode,
    pub(super) trust: Trust,
}

/// What a URL says of encryption cannot be followed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfit {
    #[error("sslmode {0:?} is none of disable, prefer, require, verify-ca, verify-full")]
    Mode(String),
    #[error("sslmode=verify-ca needs sslrootcert, the file with the certificates to go by")]
    NoRoots,
}

/// What `url` says of encryption, and the rest of it.
pub(super) fn read(url: &str) -> Result<(Wish, String), Unfit> {
    let (place, query) = url.split_once('?').unwrap_or((url, ""));
    let (mut mode, mut roots, mut rest) = (None, None, Vec::new());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("sslmode", value)) => mode = Some(percent::decode(value).into_owned()),
            Some(("sslrootcert", value)) => roots = Some(percent::decode(value).into_owned()),
            _ => rest.push(pair),
        }
    }
    let roots = roots.filter(|path| !path.is_empty() && path != "system");
    let (mode, trust) = match (mode.as_deref().unwrap_or("prefer"), roots) {
        ("disable", _) => (SslMode::Disable, Trust::Anyone),
        ("prefer", _) => (SslMode::Prefer, Trust::Anyone),
        ("require", None) => (SslMode::Require, Trust::Anyone),
        ("require" | "verify-ca", Some(path)) => (SslMode::Require, Trust::FileForAnyName(path.into())),
        ("verify-ca", None) => return Err(Unfit::NoRoots),
        ("verify-full", Some(path)) => (SslMode::Require, Trust::File(path.into())),
        ("verify-full", None) => (SslMode::Require, Trust::System),
        (other, _) => return Err(Unfit::Mode(other.to_owned())),
    };
    let query = if rest.is_empty() { String::new() } else { format!("?{}", rest.join("&")) };
    Ok((Wish { mode, trust }, format!("{place}{query}")))
}

/// Encrypts connections.
#[derive(Clone, Debug)]
pub(super) struct Tls(Connector);

impl Tls {
    pub(super) fn new(trust: &Trust) -> Result<Self, TrustError> {
        Ok(Self(Connector::new(trust)?))
    }
}

impl<S> MakeTlsConnect<S> for Tls
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = Encrypted<S>;
    type TlsConnect = To;
    type Error = io::Error;

    fn make_tls_connect(&mut self, host: &str) -> io::Result<To> {
        Ok(To { connector: self.0.clone(), host: host.to_owned() })
    }
}

/// Encrypts one connection, to a host.
#[derive(Debug)]
pub(super) struct To {
    connector: Connector,
    host: String,
}

impl<S> TlsConnect<S> for To
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = Encrypted<S>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Encrypted<S>>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move { Ok(Encrypted(self.connector.connect(&self.host, stream).await?)) })
    }
}

/// An encrypted connection.
#[derive(Debug)]
pub(super) struct Encrypted<S>(TlsStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> tokio_postgres::tls::TlsStream for Encrypted<S> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Encrypted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, into)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Encrypted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_how_it_is_encrypted() {
        let check = |query: &str, mode: SslMode, trust: Trust, rest: &str| {
            let (wish, url) = read(&format!("postgres://u:p@h/db{query}")).unwrap();
            assert_eq!((wish, &*url), (Wish { mode, trust }, &*format!("postgres://u:p@h/db{rest}")), "{query}");
        };
        let file = || "/etc/ca pem".into();
        check("", SslMode::Prefer, Trust::Anyone, "");
        check("?sslmode=disable", SslMode::Disable, Trust::Anyone, "");
        check("?connect_timeout=3&sslmode=require", SslMode::Require, Trust::Anyone, "?connect_timeout=3");
        let require = "?sslmode=require&sslrootcert=/etc/ca%20pem";
        check(require, SslMode::Require, Trust::FileForAnyName(file()), "");
        check("?sslrootcert=/etc/ca%20pem&sslmode=verify-full&a=b", SslMode::Require, Trust::File(file()), "?a=b");
        check("?sslmode=verify-ca&sslrootcert=/etc/ca%20pem", SslMode::Require, Trust::FileForAnyName(file()), "");
        check("?sslmode=verify-full", SslMode::Require, Trust::System, "");
        check("?sslmode=verify-full&sslrootcert=system", SslMode::Require, Trust::System, "");
        for wrong in ["?sslmode=on", "?sslmode=", "?sslmode=verify-ca"] {
            assert!(read(&format!("postgres://h/db{wrong}")).is_err(), "{wrong}");
        }
    }
}
