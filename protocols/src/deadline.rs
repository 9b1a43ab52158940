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
        self.stamp().to_owned()
    }

    /// The same, for those who only pass it on.
    pub(crate) fn stamp(&self) -> Stamp {
        let then = OffsetDateTime::from(self.wall);
        let (year, month, day) = then.to_calendar_date();
        let (hour, minute, second, ms) = then.to_hms_milli();
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let mut put = |end: usize, places: usize, mut number: u32| {
            for place in text[..end].iter_mut().rev().take(places) {
                *place = b'0' + (number % 10) as u8;
                number /= 10;
            }
        };
        put(4, 4, year.unsigned_abs());
        put(7, 2, u8::from(month).into());
        put(10, 2, day.into());
        put(13, 2, hour.into());
        put(16, 2, minute.into());
        put(19, 2, second.into());
        put(23, 3, ms.into());
        Stamp(text)
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

/// A moment as 24 characters.
pub(crate) struct Stamp([u8; 24]);

impl std::ops::Deref for Stamp {
    type Target = str;

    fn deref(&self) -> &str {
        std::str::from_utf8(&self.0).expect("digits and marks are ASCII")
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
        let d = Deadline::from_clocks(Instant::now(), epoch_plus(1_798_761_599_999), Duration::ZERO);
        assert_eq!(d.to_rfc3339_millis(), "2026-12-31T23:59:59.999Z");
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
