//! The gate: is a request signed by somebody who holds a key, lately, and for the first time?
//!
//! The checks come in one order, and no answer tells whether a later one that depends on a secret
//! would have passed: what is missing, malformed or wrong is refused in the same words, whatever it
//! was. Every key and both ways to sign a path with a query are tried for every signature, so that
//! the time a refusal takes says nothing either. A nonce is remembered only once the signature was
//! right: strangers cannot fill the memory.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http::HeaderName;

use hotfn_protocols::http1::Lines;

use super::config::{Config, Key};
use super::hex;
use super::lockout::Lockout;
use super::nonce::{Nonces, Noted, Used};
use super::peer::Peer;
use super::refusal::{Reason, Refusal};
use super::signature::{Algorithm, Statement};
use super::tally::Tally;

pub(super) const NONCE: HeaderName = HeaderName::from_static("x-auth-nonce");
pub(super) const TIMESTAMP: HeaderName = HeaderName::from_static("x-auth-timestamp");
pub(super) const SIGNATURE: HeaderName = HeaderName::from_static("x-auth-signature");
pub(super) const ALGORITHM: HeaderName = HeaderName::from_static("x-auth-algorithm");

/// What is remembered of the requests before.
#[derive(Debug)]
pub(super) struct Gate {
    /// Nothing older is let in: the memory was empty then.
    started_s: u64,
    memory: Mutex<Memory>,
    tally: Tally,
}

#[derive(Debug)]
struct Memory {
    nonces: Nonces,
    lockout: Lockout,
}

/// A request, as it came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Received<'a> {
    pub(super) method: &'a str,
    pub(super) target: &'a str,
    pub(super) lines: &'a Lines,
    pub(super) body: &'a [u8],
}

/// The time by two clocks: the one that callers share, and the steady one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) unix_s: u64,
    pub(super) at: Instant,
}

impl Now {
    pub(super) fn of(wall: SystemTime) -> Self {
        let unix_s = wall.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self { unix_s, at: Instant::now() }
    }
}

impl Gate {
    /// Opens now, and lets in nothing that was signed before.
    pub(super) fn new(now: Now, tally: Tally) -> Self {
        let memory = Memory { nonces: Nonces::new(now.at), lockout: Lockout::default() };
        Self { started_s: now.unix_s, memory: Mutex::new(memory), tally }
    }

    /// The key that the request was signed with.
    pub(super) fn admit(
        &self,
        config: &Config,
        request: &Received<'_>,
        peer: Peer,
        now: Now,
    ) -> Result<Arc<Key>, Refusal> {
        if config.keys.is_empty() {
            return Err(Refusal::new(Reason::Unavailable, "no secret key is configured"));
        }
        let claim = Claim::of(request.lines, config.algorithm_min).ok_or_else(unauthorized)?;
        self.is_out(peer, now)?;
        let Some(key) = claim.signer(&config.keys, request) else {
            self.strike(config, peer, now);
            return Err(unauthorized());
        };
        self.tally.note_offset(claim.timestamp_s.abs_diff(now.unix_s));
        self.is_timely(config.bounds.window_s, &claim, now)?;
        self.is_first(config, &claim, now)?;
        Ok(key)
    }

    fn is_out(&self, peer: Peer, now: Now) -> Result<(), Refusal> {
        match self.memory().lockout.left(peer.origin(), now.at) {
            None => Ok(()),
            Some(left) => {
                Err(Refusal::too_many("too many bad signatures from your address", left.as_secs().saturating_add(1)))
            }
        }
    }

    fn strike(&self, config: &Config, peer: Peer, now: Now) {
        if self.memory().lockout.strike(peer.origin(), now.at, config.bounds.bad_signatures_max) {
            tracing::warn!(%peer, "shut out for a minute after too many bad signatures");
        }
    }

    fn is_timely(&self, window_s: u64, claim: &Claim<'_>, now: Now) -> Result<(), Refusal> {
        let off = i128::from(claim.timestamp_s) - i128::from(now.unix_s);
        let message = if off.unsigned_abs() > u128::from(window_s) {
            let way = if off < 0 { "behind" } else { "ahead of" };
            let off = off.unsigned_abs();
            format!("timestamp is {off} s {way} this server's clock, at most {window_s} s are allowed")
        } else if claim.timestamp_s < self.started_s {
            let before = self.started_s - claim.timestamp_s;
            format!("timestamp is {before} s before this server's start; sign the request anew")
        } else {
            return Ok(());
        };
        Err(Refusal::new(Reason::Expired, message))
    }

    fn is_first(&self, config: &Config, claim: &Claim<'_>, now: Now) -> Result<(), Refusal> {
        let keep = Duration::from_secs(2 * config.bounds.window_s);
        let used = Used { nonce: claim.nonce, timestamp_s: claim.timestamp_s };
        match self.memory().nonces.note(used, now.at, keep, config.bounds.nonces_max) {
            Noted::Fresh => Ok(()),
            Noted::Forgotten => {
                let message =
                    "timestamp is of a time that is over: this server's clock was set back; sign the request anew";
                Err(Refusal::new(Reason::Expired, message))
            }
            Noted::Full => Err(Refusal::too_many("too many requests within the window of their signatures", 1)),
            Noted::Replayed => Err(Refusal::new(Reason::Replayed, "nonce was used before; sign each request anew")),
        }
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One answer for all that a guesser might like to tell apart.
fn unauthorized() -> Refusal {
    Refusal::new(Reason::Unauthorized, "signature is missing, malformed or wrong")
}

/// What the headers claim, well-formed.
struct Claim<'a> {
    nonce: &'a str,
    timestamp: &'a str,
    timestamp_s: u64,
    signature: Vec<u8>,
    algorithm: Algorithm,
}

impl<'a> Claim<'a> {
    fn of(lines: &'a Lines, algorithm_min: Algorithm) -> Option<Self> {
        let nonce = once(lines, &NONCE)?;
        let timestamp = once(lines, &TIMESTAMP)?;
        let signature = once(lines, &SIGNATURE)?;
        let algorithm = match lines.first(&ALGORITHM) {
            None => Algorithm::Sha1,
            Some(_) => Algorithm::of(once(lines, &ALGORITHM)?.as_bytes())?,
        };
        let is_nonce = (16..=128).contains(&nonce.len())
            && nonce.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        let is_time = (1..=12).contains(&timestamp.len()) && timestamp.bytes().all(|b| b.is_ascii_digit());
        if !is_nonce || !is_time || signature.len() != algorithm.digits() || algorithm < algorithm_min {
            return None;
        }
        let timestamp_s = timestamp.parse().ok()?;
        Some(Self { nonce, timestamp, timestamp_s, signature: hex::decode(signature.as_bytes())?, algorithm })
    }

    /// The key that this was signed with. Every key is tried, with and without the query, whatever
    /// was found before.
    fn signer(&self, keys: &[Arc<Key>], request: &Received<'_>) -> Option<Arc<Key>> {
        let path = request.target.split('?').next().unwrap_or_default();
        let statement = |path| Statement {
            method: request.method,
            path,
            nonce: self.nonce,
            timestamp: self.timestamp,
            body: request.body,
        };
        let mut signer = None;
        for key in keys {
            let mut is_it = key.secret.verifies(self.algorithm, &statement(path), &self.signature);
            if path.len() != request.target.len() {
                is_it |= key.secret.verifies(self.algorithm, &statement(request.target), &self.signature);
            }
            if is_it {
                signer = Some(key.clone());
            }
        }
        signer
    }
}

/// The value of a header that is there exactly once.
fn once<'a>(lines: &'a Lines, name: &HeaderName) -> Option<&'a str> {
    let mut values = lines.all(name);
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    std::str::from_utf8(value).ok()
}

#[cfg(test)]
mod tests;
