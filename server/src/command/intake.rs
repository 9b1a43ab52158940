//! What is taken of a request before anybody asks what it is about: its body, whole and in time, how
//! its caller wants to follow, and by which key a repeat of it is known.

use bytes::Bytes;
use http::{HeaderName, header};
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;

use hotfn_protocols::http1::RequestHead;
use hotfn_protocols::{Body, BodyError};

use super::book::Once;
use super::config::Bounds;
use super::refusal::{Reason, Refusal};
use super::stream::Notation;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Bytes of such a key, at most.
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 128;

/// The body as a whole, in time and within its bound.
pub(super) async fn gather(body: Body, bounds: &Bounds) -> Result<Bytes, Refusal> {
    if let Some(bytes) = body.as_bytes()
        && bytes.len() as u64 <= bounds.body_bytes_max
    {
        return Ok(bytes.clone());
    }
    match timeout(bounds.read_timeout, body.gather(bounds.body_bytes_max)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(BodyError::TooLarge { max })) => {
            Err(Refusal::new(Reason::TooLarge, format!("body is larger than {max} bytes")))
        }
        Ok(Err(BodyError::Cut(why))) => Err(Refusal::bad(format!("body cannot be read: {why}"))),
        Ok(Err(slow @ BodyError::TooSlow { .. })) => Err(Refusal::new(Reason::Timeout, slow.to_string())),
        Err(_) => {
            let message = format!("body did not come within {} s", bounds.read_timeout.as_secs());
            Err(Refusal::new(Reason::Timeout, message))
        }
    }
}

/// How the caller wants to follow, if it does.
pub(super) fn notation(head: &RequestHead) -> Option<Notation> {
    let accept = head.lines.first(&header::ACCEPT)?.trim_ascii();
    let is = |media: &str| accept.get(..media.len()).is_some_and(|a| a.eq_ignore_ascii_case(media.as_bytes()));
    match () {
        () if is("text/event-stream") => Some(Notation::Events),
        () if is("application/x-ndjson") => Some(Notation::Lines),
        () => None,
    }
}

/// The key that the caller made up for this request, if it did.
pub(super) fn once(head: &RequestHead, body: &[u8]) -> Result<Option<Once>, Refusal> {
    let Some(name) = head.lines.first(&IDEMPOTENCY_KEY) else { return Ok(None) };
    let name = std::str::from_utf8(name).ok().filter(|name| (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&name.len()));
    let name = name.ok_or_else(|| Refusal::bad("Idempotency-Key must be 1 to 128 characters"))?;
    let path = head.target().split('?').next().unwrap_or_default();
    let request = Sha256::new().chain_update(path).chain_update(b"\n").chain_update(body).finalize().into();
    Ok(Some(Once { name: name.to_owned(), request }))
}
