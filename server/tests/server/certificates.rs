//! Certificates, made anew for each test.

use std::fs;
use std::path::{Path, PathBuf};

use hotfn_server::tls::Files;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

/// Somebody who says who servers are.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: PathBuf,
    /// Its own certificate, for those who believe it.
    pub(crate) roots: PathBuf,
}

impl Authority {
    /// A new one, whose files are in `folder`.
    pub(crate) fn new(folder: &Path, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let roots = folder.join(format!("{name}.pem"));
        fs::write(&roots, params.self_signed(&key).unwrap().pem()).unwrap();
        Self { issuer: Issuer::new(params, key), folder: folder.to_owned(), roots }
    }

    /// Says that a server has these names, in files that begin with `file`.
    pub(crate) fn certify(&self, names: &[&str], file: &str) -> Files {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &self.issuer).unwrap();
        let [cert, private] = ["cert", "key"].map(|kind| self.folder.join(format!("{file}.{kind}.pem")));
        fs::write(&cert, certificate.pem()).unwrap();
        fs::write(&private, key.serialize_pem()).unwrap();
        Files { certificate: cert, key: private }
    }
}
