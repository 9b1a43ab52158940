//! The headers of an answer that are not the handler's to choose: who answered is told in each,
//! failures included, and what belongs to the platform or the connection in none.

use http::{HeaderMap, HeaderValue, header};

use hotfn_protocols::{hop, names};

/// This crate's own name and version, as metrics of platforms read it.
const VERSION: HeaderValue = HeaderValue::from_static(concat!("fdk-rust/", env!("CARGO_PKG_VERSION")));

/// The compiler that built the function.
const RUNTIME: HeaderValue = HeaderValue::from_static(concat!("rust/", env!("HOTFN_FDK_RUSTC")));

/// Takes out what a handler set and may not: what speaks of the connection, the length, which the
/// body tells itself, and the call's id, which the platform has told already.
pub(crate) fn clean(headers: &mut HeaderMap) {
    hop::strip(headers);
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(names::FN_CALL_ID);
}

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
