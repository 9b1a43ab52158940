//! The `[calls]` table: how detached calls are kept and tried again, and what is kept of calls.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::Refused;
use super::place::Place;
use crate::calls::retry::{ATTEMPTS, DELAY_MS, GROWTH};
use crate::calls::{Config, Records, Retries};

/// What one layer says of how calls are kept; `None` leaves it to the layers below. Defaults are those
/// of [`Config`].
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Calls {
    /// Most detached calls that wait or run, in the whole store.
    pub open_max: Option<u64>,
    /// Most bytes of their requests.
    pub open_bytes_max: Option<u64>,
    /// Most bytes of a detached call's body.
    pub body_bytes_max: Option<u64>,
    /// How long a call is remembered, in s.
    pub kept_for: Option<u64>,
    /// How long a dead one is, in s.
    pub dead_kept_for: Option<u64>,
    /// Most calls of each status that are remembered.
    pub kept_max: Option<u64>,
    /// Most bytes of a call's log that are remembered.
    pub log_bytes_max: Option<u64>,
    /// Of which calls there are records.
    pub records: Option<Records>,
    /// How calls are tried again whose functions say nothing of it.
    pub retries: Retries,
}

impl Calls {
    /// This layer, and where it says nothing the one below.
    #[must_use]
    pub fn or(self, below: Self) -> Self {
        Self {
            open_max: self.open_max.or(below.open_max),
            open_bytes_max: self.open_bytes_max.or(below.open_bytes_max),
            body_bytes_max: self.body_bytes_max.or(below.body_bytes_max),
            kept_for: self.kept_for.or(below.kept_for),
            dead_kept_for: self.dead_kept_for.or(below.dead_kept_for),
            kept_max: self.kept_max.or(below.kept_max),
            log_bytes_max: self.log_bytes_max.or(below.log_bytes_max),
            records: self.records.or(below.records),
            retries: self.retries.or(below.retries),
        }
    }

    pub(super) fn config(&self) -> Config {
        let usual = Config::default();
        Config {
            open_max: self.open_max.unwrap_or(usual.open_max),
            open_bytes_max: self.open_bytes_max.unwrap_or(usual.open_bytes_max),
            body_bytes_max: self.body_bytes_max.unwrap_or(usual.body_bytes_max),
            kept_for: self.kept_for.map_or(usual.kept_for, Duration::from_secs),
            dead_kept_for: self.dead_kept_for.map_or(usual.dead_kept_for, Duration::from_secs),
            kept_max: self.kept_max.unwrap_or(usual.kept_max),
            log_bytes_max: self.log_bytes_max.map_or(usual.log_bytes_max, |n| usize::try_from(n).unwrap_or(usize::MAX)),
            records: self.records.unwrap_or(usual.records),
            retries: self.retries,
            ..usual
        }
    }
}

type Number = Option<Spanned<i64>>;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CallsTable {
    open_max: Number,
    open_bytes_max: Number,
    body_bytes_max: Number,
    kept_for: Number,
    dead_kept_for: Number,
    kept_max: Number,
    log_bytes_max: Number,
    record: Option<Records>,
    retry_attempts: Number,
    retry_delay_ms: Number,
    retry_growth: Number,
    retry_delay_max_ms: Number,
}

const COUNT: RangeInclusive<u64> = 1..=100_000_000;
const BYTES: RangeInclusive<u64> = 1..=1 << 40;
/// A year.
const SECONDS: RangeInclusive<u64> = 1..=365 * 24 * 3600;
/// A body is in memory and in one row of a table.
const BODY_BYTES: RangeInclusive<u64> = 0..=128 << 20;
/// So is a log.
const LOG_BYTES: RangeInclusive<u64> = 0..=16 << 20;

impl CallsTable {
    pub(super) fn read(self, place: &Place<'_>) -> Result<Calls, Refused> {
        Ok(Calls {
            open_max: place.number(self.open_max, COUNT, "")?,
            open_bytes_max: place.number(self.open_bytes_max, BYTES, "bytes")?,
            body_bytes_max: place.number(self.body_bytes_max, BODY_BYTES, "bytes")?,
            kept_for: place.number(self.kept_for, SECONDS, "s")?,
            dead_kept_for: place.number(self.dead_kept_for, SECONDS, "s")?,
            kept_max: place.number(self.kept_max, COUNT, "")?,
            log_bytes_max: place.number(self.log_bytes_max, LOG_BYTES, "bytes")?,
            records: self.record,
            retries: retries(
                self.retry_attempts,
                self.retry_delay_ms,
                self.retry_growth,
                self.retry_delay_max_ms,
                place,
            )?,
        })
    }
}

/// The four numbers of a rule, as a node's or a function's table has them.
pub(super) fn retries(
    attempts: Number,
    delay_ms: Number,
    growth: Number,
    delay_max_ms: Number,
    place: &Place<'_>,
) -> Result<Retries, Refused> {
    let small = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    Ok(Retries {
        attempts: place.number(attempts, ATTEMPTS, "")?.map(small),
        delay_ms: place.number(delay_ms, DELAY_MS, "ms")?,
        growth: place.number(growth, GROWTH, "")?.map(small),
        delay_max_ms: place.number(delay_max_ms, DELAY_MS, "ms")?,
    })
}
