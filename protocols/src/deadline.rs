//! The moment a call must have ended.

use std::time::{Duration, Instant, SystemTime};

use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

/// A moment, known by two clocks: the steady one that timers obey and the wall clock's that is
/// told to the function.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Deadline {
    at: Instant,
    wall: SystemTime,
}

impl Deadline {
    /// The moment `timeout` from now.
    #[must_use]
    pub fn after(timeout: Duration) -> Self {
        Self::from_clocks(Instant::now(), SystemTime::now(), timeout)
    }

    /// The moment `timeout` after the one that both clocks showed.
    #[must_use]
    pub fn from_clocks(at: Instant, wall: SystemTime, timeout: Duration) -> Self {
        Self { at: at + timeout, wall: wall + timeout }
    }

    /// The steady clock's moment, for timers.
    #[must_use]
    pub fn at(&self) -> Instant {
        self.at
    }

    /// The wall clock's moment.
    #[must_use]
    pub fn wall(&self) -> SystemTime {
        self.wall
    }

    /// What is left at `now`, nothing if it has passed.
    #[must_use]
    pub fn left(&self, now: Instant) -> Duration {
        self.at.saturating_duration_since(now)
    }

    /// The earlier of the two.
    #[must_use]
    pub fn earlier(self, other: Self) -> Self {
        if other.at < self.at { other } else { self }
    }

    /// As RFC 3339 in UTC with `Z` and milliseconds: `2026-11-21T03:04:05.678Z`.
    ///
    /// In UTC, since some functions' parsers refuse an offset where they expect an instant. With a
    /// fraction, since a function that ends its work in time must not be told to end it a second
    /// early.
    #[must_use]
    pub fn to_rfc3339_millis(&self) -> String {
        let t = OffsetDateTime::from(self.wall);
        let (year, month, day) = (t.year(), u8::from(t.month()), t.day());
        let (hour, minute, second, ms) = (t.hour(), t.minute(), t.second(), t.millisecond());
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
    }

    /// Reads RFC 3339 with `Z` or an offset, with or without a fraction; `None` for anything else.
    ///
    /// `at` and `wall` are the two clocks' readings of one moment. A text in the past gives a
    /// deadline that has passed.
    #[must_use]
    pub fn parse(text: &str, at: Instant, wall: SystemTime) -> Option<Self> {
        let then = OffsetDateTime::parse(text.trim(), &Rfc3339).ok()?.to_offset(UtcOffset::UTC);
        let then = SystemTime::from(then);
        let at = match then.duration_since(wall) {
            Ok(ahead) => at.checked_add(ahead)?,
            Err(_) => at,
        };
        Some(Self { at, wall: then })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch_plus(ms: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(ms)
    }

    #[test]
    fn prints_utc_with_z() {
        let d = Deadline::from_clocks(Instant::now(), epoch_plus(1_000_000_000_000), Duration::from_millis(7));
        assert_eq!(d.to_rfc3339_millis(), "2001-09-09T01:46:40.007Z");
    }

    #[test]
    fn reads_every_spelling_a_peer_sends() {
        let (at, wall) = (Instant::now(), epoch_plus(1_000_000_000_000));
        let check = |text: &str, ahead_ms: Option<u64>| {
            let got = Deadline::parse(text, at, wall).map(|d| d.left(at));
            assert_eq!(got, ahead_ms.map(Duration::from_millis), "{text:?}");
        };
        check("2001-09-09T01:46:41Z", Some(1000));
        check("2001-09-09T03:46:41+02:00", Some(1000));
        check("2001-09-09T01:46:40.250Z", Some(250));
        check("2001-09-09T01:46:39Z", Some(0));
        check("", None);
        check("tomorrow", None);
        check("2001-09-09", None);
    }
}
