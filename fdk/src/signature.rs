//! The headers of an answer by which it tells who gave it, failures included. They are not the
//! handler's to choose.

use http::{HeaderMap, HeaderValue};

use hotfn_protocols::names;

/// This crate's own name and version, as metrics of platforms read it.
const VERSION: HeaderValue = HeaderValue::from_static(concat!("fdk-rust/", env!("CARGO_PKG_VERSION")));

/// The compiler that built the function.
const RUNTIME: HeaderValue = HeaderValue::from_static(concat!("rust/", env!("HOTFN_FDK_RUSTC")));

/// What [`sign`] adds, as lines of a head.
pub(crate) const LINES: &[u8] = concat!(
    "Fn-Fdk-Version: fdk-rust/",
    env!("CARGO_PKG_VERSION"),
    "\r\nFn-Fdk-Runtime: rust/",
    env!("HOTFN_FDK_RUSTC"),
    "\r\n"
)
.as_bytes();

/// Removes what a handler says of who answered: [`LINES`] do.
pub(crate) fn unsign(headers: &mut HeaderMap) {
    headers.remove(names::FN_FDK_VERSION);
    headers.remove(names::FN_FDK_RUNTIME);
}

/// Adds who answered.
pub(crate) fn sign(headers: &mut HeaderMap) {
    headers.insert(names::FN_FDK_VERSION, VERSION);
    headers.insert(names::FN_FDK_RUNTIME, RUNTIME);
}
