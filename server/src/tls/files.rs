//! A certificate and its key, in two files.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::provider;

/// Where a server's certificate and its key are, as PEM.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Files {
    /// The certificate, and behind it those that lead to a root.
    pub certificate: PathBuf,
    /// The certificate's key, without a password. May be the same file.
    pub key: PathBuf,
}

/// Why the files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The key belongs to another certificate.
    #[error("the key {} is not that of the certificate {}", .key.display(), .certificate.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The file has nothing of what it should have.
    #[error("there is no {what} in {}; it should hold one as PEM", .path.display())]
    Nothing {
        /// What was looked for.
        what: &'static str,
        /// Where.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The file is too large to be one of these.
    #[error("{} has more than {BYTES_MAX} bytes, more than certificates take", .path.display())]
    TooLarge {
        /// Which one.
        path: PathBuf,
    },
    /// What is in the file cannot be used.
    #[error("cannot use what is in {}", .path.display())]
    Unusable {
        /// Which one.
        path: PathBuf,
        /// What is the matter.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Most bytes of a file: every root there is fits in.
const BYTES_MAX: u64 = 4 << 20;

impl Files {
    /// Reads both, and holds them against each other.
    ///
    /// # Errors
    /// When one cannot be read or used, or they do not belong together.
    pub fn load(&self) -> Result<Arc<CertifiedKey>, LoadError> {
        let chain = certificates(&self.certificate)?;
        let text = read(&self.key)?;
        let key = PrivateKeyDer::from_pem_slice(&text).map_err(|e| match e {
            pem::Error::NoItemsFound => LoadError::Nothing { what: "private key", path: self.key.clone() },
            // Its sentence may quote a line of the file.
            _ => unusable(&self.key, "it is not PEM"),
        })?;
        let certified = CertifiedKey::from_der(chain, key, &provider());
        let certified = certified.map_err(|e| match e {
            rustls::Error::InconsistentKeys(_) => {
                LoadError::Mismatch { certificate: self.certificate.clone(), key: self.key.clone() }
            }
            rustls::Error::InvalidCertificate(_) => unusable(&self.certificate, e),
            _ => unusable(&self.key, e),
        })?;
        Ok(Arc::new(certified))
    }
}

/// The certificates in a file; at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, LoadError> {
    let text = read(path)?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let certificates = read.map_err(|_| unusable(path, "it is not PEM"))?;
    if certificates.is_empty() {
        return Err(LoadError::Nothing { what: "certificate", path: path.to_owned() });
    }
    Ok(certificates)
}

fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(BYTES_MAX + 1).read_to_end(&mut text));
    read.map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
    if text.len() as u64 > BYTES_MAX {
        return Err(LoadError::TooLarge { path: path.to_owned() });
    }
    Ok(text)
}

fn unusable(path: &Path, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> LoadError {
    LoadError::Unusable { path: path.to_owned(), source: source.into() }
}
