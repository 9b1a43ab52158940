//! The `[node]` table: where the node is, how much it takes on, and how it meets its callers.

use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use super::command::{COMMAS, Words};
use super::function as limit;
use super::place::Place;
use super::{Calls, Containers, Refused, Settings};

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NodeTable {
    listen: Option<Spanned<Words>>,
    listen_mode: Option<Spanned<String>>,
    listen_group: Option<Spanned<String>>,
    tokens: Option<Spanned<String>>,
    tls_certificate: Option<Spanned<PathBuf>>,
    tls_key: Option<Spanned<PathBuf>>,
    public_url: Option<Spanned<String>>,
    iofs: Option<PathBuf>,
    memory: Option<Spanned<i64>>,
    cpu_milli: Option<Spanned<i64>>,
    refuse_when_full: Option<bool>,
    freeze_idle_ms: Option<i64>,
    start_timeout_ms: Option<Spanned<i64>>,
    end_grace_ms: Option<Spanned<i64>>,
    request_bytes_max: Option<Spanned<i64>>,
    request_head_bytes_max: Option<Spanned<i64>>,
    request_head_timeout: Option<Spanned<i64>>,
    request_body_pace: Option<Spanned<i64>>,
    request_body_grace: Option<Spanned<i64>>,
    response_bytes_max: Option<Spanned<i64>>,
    response_head_bytes_max: Option<Spanned<i64>>,
    log_bytes_max: Option<Spanned<i64>>,
    #[serde(default)]
    cors_origins: Vec<Spanned<String>>,
    #[serde(default)]
    cors_headers: Vec<Spanned<String>>,
    connections_max: Option<Spanned<i64>>,
    detached_max: Option<Spanned<i64>>,
    drain_patience: Option<Spanned<i64>>,
    threads: Option<Spanned<i64>>,
    state: Option<PathBuf>,
}

impl NodeTable {
    /// The settings that are this table's; those of other tables say nothing yet.
    pub(super) fn read(self, place: &Place<'_>) -> Result<Settings, Refused> {
        let number = |value, range: RangeInclusive<u64>, unit| place.number(value, range, unit);
        let size = |value, range| place.size(value, range, "bytes");
        let count = |value| place.size(value, 1..=1 << 20, "");
        Ok(Settings {
            listen: self
                .listen
                .map(|listen| place.check(&listen, |words| words.split(COMMAS).join(",").parse()))
                .transpose()?,
            listen_mode: self.listen_mode.map(|mode| place.check(&mode, |mode| limit::mode(mode))).transpose()?,
            listen_group: self
                .listen_group
                .map(|group| place.check(&group, |group| limit::group(group)))
                .transpose()?,
            tokens: self.tokens.map(|tokens| place.check(&tokens, |word| word.parse())).transpose()?,
            tls: place.tls(self.tls_certificate.as_ref(), self.tls_key.as_ref())?,
            db: None,
            exec: None,
            public_url: self.public_url.map(|url| place.check(&url, |url| limit::public_url(url))).transpose()?,
            iofs: self.iofs,
            memory_mb: number(self.memory, limit::ANY, "MB")?,
            cpu_milli: number(self.cpu_milli, limit::ANY, "thousandths of a CPU")?,
            refuse_when_full: self.refuse_when_full,
            freeze_idle_ms: self.freeze_idle_ms,
            start_timeout_ms: number(self.start_timeout_ms, MS, "ms")?,
            end_grace_ms: number(self.end_grace_ms, MS, "ms")?,
            request_bytes_max: number(self.request_bytes_max, BYTES, "bytes")?,
            request_head_bytes_max: size(self.request_head_bytes_max, 1024..=64 << 20)?,
            request_head_timeout: number(self.request_head_timeout, 1..=3600, "s")?,
            request_body_pace: number(self.request_body_pace, 1..=u64::from(u32::MAX), "bytes a second")?,
            request_body_grace: number(self.request_body_grace, 1..=3600, "s")?,
            response_bytes_max: number(self.response_bytes_max, BYTES, "bytes")?,
            response_head_bytes_max: size(self.response_head_bytes_max, 0..=64 << 20)?,
            log_bytes_max: number(self.log_bytes_max, BYTES, "bytes")?,
            cors_origins: list(self.cors_origins, place, limit::cors_origin)?,
            cors_headers: list(self.cors_headers, place, limit::header)?,
            connections_max: count(self.connections_max)?,
            detached_max: count(self.detached_max)?,
            drain_patience: number(self.drain_patience, 0..=3600, "s")?,
            threads: place.size(self.threads, 1..=1024, "threads")?.and_then(NonZeroUsize::new),
            state: self.state.map(|state| place.beside(&state)),
            calls: Calls::default(),
            containers: Containers::default(),
        })
    }
}

const BYTES: RangeInclusive<u64> = 0..=1 << 50;
const MS: RangeInclusive<u64> = 1..=3_600_000;

/// Texts that each pass `check`; none is as if nothing was said.
fn list(
    given: Vec<Spanned<String>>,
    place: &Place<'_>,
    check: impl Fn(&str) -> Result<(), String>,
) -> Result<Option<Vec<String>>, Refused> {
    for text in &given {
        place.check(text, |text| check(text))?;
    }
    let given: Vec<String> = given.into_iter().map(Spanned::into_inner).collect();
    Ok(Some(given).filter(|given| !given.is_empty()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::parse;

    fn check(text: &str, key: &str, what: &str) {
        let refused = parse(&format!("[node]\n{text}"), Path::new("hotfn.toml"), None).unwrap_err();
        assert_eq!((refused.line, &*refused.key, &*refused.what), (2, key, what), "{text}");
    }

    #[test]
    fn what_cannot_be_followed_is_refused_with_what_could() {
        check("tokens = \"no\"", "tokens", "\"no\" is none of required, except-triggers, off");
        let alone = "it needs the other of tls_certificate and tls_key beside it";
        check("tls_key = \"k\"", "tls_key", alone);
        check("tls_certificate = \"c\"", "tls_certificate", alone);
        check("drain_patience = -1", "drain_patience", "-1 is out of range; it may be 0 to 3600 s");
    }
}
