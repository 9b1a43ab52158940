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
    /// early. A moment before 1970 is told as the first of that year: it has passed either way.
    #[must_use]
    pub fn to_rfc3339_millis(&self) -> String {
        String::from_utf8_lossy(&self.stamp()).into_owned()
    }

    /// The same as bytes, which are ASCII, for those who only pass it on.
    pub(crate) fn stamp(&self) -> [u8; 24] {
        let since = self.wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let (days, second_of_day) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
        let (year, month, day) = date(days);
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let mut put = |end: usize, places: usize, mut number: u64| {
            for place in text[..end].iter_mut().rev().take(places) {
                *place = b'0' + (number % 10) as u8;
                number /= 10;
            }
        };
        put(4, 4, year);
        put(7, 2, month);
        put(10, 2, day);
        put(13, 2, second_of_day / 3600);
        put(16, 2, second_of_day / 60 % 60);
        put(19, 2, second_of_day % 60);
        put(23, 3, since.subsec_millis().into());
        text
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

/// Year, month and day of a day that is counted from the first of 1970.
///
/// Counted in years that begin in March, the day that some years lack is their last, and five months
/// are always 153 days.
fn date(days: u64) -> (u64, u64, u64) {
    const TO_MARCH_OF_YEAR_0: u64 = 719_468;
    const DAYS_OF_400_YEARS: u64 = 146_097;
    let days = days + TO_MARCH_OF_YEAR_0;
    let (era, day) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
    // A leap day after every 1,460 days, but not after 36,524, and yet after 146,096.
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let is_next_year = month >= 10;
    (400 * era + year + u64::from(is_next_year), if is_next_year { month - 9 } else { month + 3 }, day)
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
    fn prints_every_day_as_the_calendar_has_it() {
        for day in 0..200 * 366 {
            let wall = epoch_plus(day * 86_400_000 + 86_399_999);
            let then = OffsetDateTime::from(wall);
            let printed = Deadline::from_clocks(Instant::now(), wall, Duration::ZERO).to_rfc3339_millis();
            assert_eq!(printed, format!("{}T23:59:59.999Z", then.date()));
        }
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
