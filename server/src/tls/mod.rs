//! TLS: what a server shows of itself, and what a client believes of others.
//!
//! Read in this order:
//!
//! * [`Files`] and [`LoadError`]: a certificate and its key in two PEM files, and all that may be
//!   wrong with them.
//! * [`Tls`]: the serving side. It shows what the files held when they were last read well, and
//!   reads them again when they change; connections that are open go on with what they began with.
//! * `watched`: when a file that changed is worth reading.
//! * [`Trust`] and [`Connector`]: the calling side.
//!
//! The cryptography is ring's, named at each place: there is no default of the process to be set
//! by whoever comes first. Versions 1.2 and 1.3 are spoken, with `rustls`' own choice of ciphers.
//!
//! Absent on purpose: certificates of callers (tokens and signatures say who they are), several
//! certificates by host name, ACME and OCSP (a tool's that writes the files), HTTP/2, and a look at
//! expiry dates, which callers do in any case and monitoring should do before them.

mod client;
mod files;
mod server;
mod watched;

use std::sync::{Arc, LazyLock};

use rustls::crypto::{CryptoProvider, ring};

pub use client::{Connector, Trust, TrustError};
pub use files::{Files, LoadError};
pub use server::{Refused, Tls};

fn provider() -> Arc<CryptoProvider> {
    static RING: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(ring::default_provider()));
    RING.clone()
}
