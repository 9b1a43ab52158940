//! The calling side: whom to believe, and a handshake with them.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{LoadError, files, provider};

/// How long a handshake may take.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// Whose word counts for who a server is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Trust {
    /// Nobody's: whoever answers is believed, which keeps listeners out and impostors not.
    Anyone,
    /// The certificates in this file, as PEM; the server's name must be in its certificate.
    File(PathBuf),
    /// The certificates in this file; whatever the server is called.
    FileForAnyName(PathBuf),
    /// This machine's usual roots, or those that `SSL_CERT_FILE` names.
    #[default]
    System,
}

/// Why nobody can be believed.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] LoadError),
    /// This machine has no roots.
    #[error("this machine has no certificates of authorities to go by; install ca-certificates, or name a file")]
    NoRoots,
    /// None of the certificates can be used.
    #[error("cannot go by these certificates")]
    Verifier(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Turns connections into encrypted ones, with servers that are believed.
#[derive(Clone)]
pub struct Connector(TlsConnector);

impl Connector {
    /// Goes by `trust`.
    ///
    /// # Errors
    /// When that leaves nobody to be believed.
    pub fn new(trust: &Trust) -> Result<Self, TrustError> {
        let versions = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let config = versions.expect("ring has ciphers for both versions");
        let config = match trust {
            Trust::Anyone => config.dangerous().with_custom_certificate_verifier(Arc::new(Any(provider()))),
            Trust::File(path) => config.with_root_certificates(roots(files::certificates(path)?)?),
            Trust::FileForAnyName(path) => {
                let roots = Arc::new(roots(files::certificates(path)?)?);
                let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider()).build();
                let verifier = verifier.map_err(|e| TrustError::Verifier(e.into()))?;
                config.dangerous().with_custom_certificate_verifier(Arc::new(Nameless(verifier)))
            }
            Trust::System => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                if roots.is_empty() {
                    return Err(TrustError::NoRoots);
                }
                config.with_root_certificates(roots)
            }
        };
        Ok(Self(TlsConnector::from(Arc::new(config.with_no_client_auth()))))
    }

    /// Shakes hands with the server `host`, which is a name or an address.
    ///
    /// # Errors
    /// When it is not the one it should be, does not speak TLS, or takes more than 10 s.
    pub async fn connect<S>(&self, host: &str, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned());
        let name = name.map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, format!("{host:?} is no host's name")));
        match timeout(HANDSHAKE_MAX, self.0.connect(name?, stream)).await {
            Ok(done) => done,
            Err(_) => {
                let what = format!("TLS handshake with {host} took more than {HANDSHAKE_MAX:?}");
                Err(io::Error::new(io::ErrorKind::TimedOut, what))
            }
        }
    }
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connector")
    }
}

fn roots(certificates: Vec<CertificateDer<'static>>) -> Result<RootCertStore, TrustError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).map_err(|e| TrustError::Verifier(e.into()))?;
    }
    Ok(roots)
}

/// Believes whoever holds the key of the certificate that is shown.
#[derive(Debug)]
struct Any(Arc<CryptoProvider>);

impl ServerCertVerifier for Any {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Believes whoever has a certificate of the right authority, whatever their name.
#[derive(Debug)]
struct Nameless(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for Nameless {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use CertificateError::{NotValidForName, NotValidForNameContext};
        match self.0.verify_server_cert(end_entity, intermediates, name, ocsp, now) {
            // The name is looked at when everything else was found to be right.
            Err(rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })) => {
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, cert, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
