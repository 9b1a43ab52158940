//! The serving side: handshakes, and what is shown in them.

use std::io;
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::watched::{Look, Watched};
use super::{Files, LoadError, provider};

/// How long a handshake may take.
///
/// How many there may be at a time is for whoever accepts connections to bound. A bound of its own
/// would be a few places for whoever connects first and then says nothing.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// How often it is looked whether the files changed. What changed is read at the second look.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Turns connections into encrypted ones.
pub struct Tls {
    files: Files,
    shown: Arc<Shown>,
    acceptor: TlsAcceptor,
}

/// Why a connection did not become an encrypted one.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The peer does not speak TLS as we do, or left.
    #[error("TLS handshake failed")]
    Handshake(#[source] io::Error),
    /// The peer took too long.
    #[error("TLS handshake took more than {HANDSHAKE_MAX:?}")]
    Late,
}

impl Tls {
    /// Shows what is in `files`, and reads them again when they change, for as long as it lives.
    /// Needs a tokio runtime.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn start(files: Files) -> Result<Arc<Self>, LoadError> {
        let tls = Self::load(files)?;
        tokio::spawn(follow(Arc::downgrade(&tls)));
        Ok(tls)
    }

    fn load(files: Files) -> Result<Arc<Self>, LoadError> {
        let shown = Arc::new(Shown(RwLock::new(files.load()?)));
        let versions = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let config = versions.expect("ring has ciphers for both versions").with_no_client_auth();
        let mut config = config.with_cert_resolver(shown.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Arc::new(Self { files, shown, acceptor }))
    }

    /// Reads the files again. New connections are shown what is in them now.
    ///
    /// # Errors
    /// When they cannot be used; then what was shown before stays.
    pub fn reload(&self) -> Result<(), LoadError> {
        let read = self.files.load()?;
        *self.shown.0.write().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(())
    }

    /// The same, told to the log.
    pub fn reload_aloud(&self) {
        let path = self.files.certificate.display();
        match self.reload() {
            Ok(()) => tracing::info!("the certificate {path} was read again"),
            Err(e) => {
                let why = anyhow::Error::from(e);
                tracing::error!("the certificate {path} was read again and is not used: {why:#}; the old one stays");
            }
        }
    }

    /// Shakes hands on `stream`.
    ///
    /// # Errors
    /// When the peer does not, or not in time.
    pub async fn accept<S>(&self, stream: S) -> Result<TlsStream<S>, Refused>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        match timeout(HANDSHAKE_MAX, self.acceptor.accept(stream)).await {
            Ok(done) => done.map_err(Refused::Handshake),
            Err(_) => Err(Refused::Late),
        }
    }
}

/// Reads the files again whenever they change.
async fn follow(tls: Weak<Tls>) {
    let Some(mut watched) = tls.upgrade().map(|tls| Watched::new(Look::at(&tls.files))) else { return };
    loop {
        sleep(LOOK_EVERY).await;
        let Some(tls) = tls.upgrade() else { return };
        if watched.is_due(Look::at(&tls.files)) {
            tls.reload_aloud();
        }
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

/// What the next handshake shows.
#[derive(Debug)]
struct Shown(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}
