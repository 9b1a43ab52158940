//! What is told of a call.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use hotfn_protocols::{CallId, FunctionId};

/// A call as it is told: the object of the API, member for member.
///
/// Fn kept one of this shape for each call, before it kept none; `attempts` and `next_try_at` are
/// ours.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Record {
    /// The call's name, which answers have as `Fn-Call-Id`. Names sort by when calls came.
    pub id: String,
    /// Whom it is for.
    pub fn_id: String,
    /// Did its caller wait?
    #[serde(rename = "type")]
    pub kind: Kind,
    /// How far it is.
    pub status: Status,
    /// How often it was begun.
    #[serde(default)]
    pub attempts: u32,
    /// What went wrong the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When it came: RFC 3339 with milliseconds, as all of these.
    pub created_at: String,
    /// When it was begun, the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<String>,
    /// When it is tried again, at the earliest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try_at: Option<String>,
}

/// Did the caller wait?
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// No: the call is run until it succeeds or is dead.
    Detached,
    /// Yes: whatever became of it, the caller knows.
    Sync,
}

/// How far a call is. The words are Fn's, but for `dead`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Its caller left before there was an answer.
    Canceled,
    /// It failed for the last time; what it was is kept, and it can be sent again.
    Dead,
    /// It failed, and waits for its next try.
    Delayed,
    /// It failed, and its caller was told.
    Error,
    /// It waits for its turn.
    Queued,
    /// Some node runs it.
    Running,
    /// The function answered.
    Success,
    /// It took too long, and its caller was told.
    Timeout,
}

impl Status {
    /// All there are.
    pub const ALL: [Self; 8] = [
        Self::Canceled,
        Self::Dead,
        Self::Delayed,
        Self::Error,
        Self::Queued,
        Self::Running,
        Self::Success,
        Self::Timeout,
    ];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Canceled => "canceled",
            Self::Dead => "dead",
            Self::Delayed => "delayed",
            Self::Error => "error",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Success => "success",
            Self::Timeout => "timeout",
        }
    }

    /// Is there nothing more to do for it?
    #[must_use]
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Delayed | Self::Queued | Self::Running)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no status.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0:?} is no status of a call; it is one of canceled, dead, delayed, error, queued, running, success, timeout")]
pub struct UnknownStatus(String);

impl FromStr for Status {
    type Err = UnknownStatus;

    fn from_str(word: &str) -> Result<Self, UnknownStatus> {
        Self::ALL.into_iter().find(|status| status.as_str() == word).ok_or_else(|| UnknownStatus(word.to_owned()))
    }
}

impl Record {
    /// Of a call that comes at `now`.
    #[must_use]
    pub fn new(id: CallId, function: &FunctionId, kind: Kind, now: SystemTime) -> Self {
        Self {
            id: id.to_string(),
            fn_id: function.to_string(),
            kind,
            status: Status::Queued,
            attempts: 0,
            error: None,
            created_at: told(now),
            started_at: None,
            completed_at: None,
            next_try_at: None,
        }
    }

    /// It is begun once more.
    pub fn begin(&mut self, now: SystemTime) {
        self.status = Status::Running;
        self.attempts = self.attempts.saturating_add(1);
        self.started_at = Some(told(now));
        self.next_try_at = None;
    }

    /// It is over.
    pub fn end(&mut self, status: Status, error: Option<String>, now: SystemTime) {
        self.status = status;
        self.error = error;
        self.completed_at = Some(told(now));
    }

    /// It waits until `due`.
    pub fn wait(&mut self, status: Status, error: Option<String>, due: SystemTime) {
        self.status = status;
        self.error = error;
        self.next_try_at = (status == Status::Delayed).then(|| told(due));
    }
}

/// A moment as records tell it.
#[must_use]
pub fn told(at: SystemTime) -> String {
    let t = OffsetDateTime::from(at);
    let (year, month, day) = t.to_calendar_date();
    let (hour, minute, second, milli) = t.to_hms_milli();
    format!("{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z", u8::from(month))
}

/// A moment as the store orders it: milliseconds since 1970.
#[must_use]
pub fn millis(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Before all names of calls that come at `at` or later.
#[must_use]
pub fn first_id(at: SystemTime) -> String {
    ulid::Ulid::from_parts(millis(at).min(MILLIS_MAX), 0).to_string()
}

/// What a name has room for: the year 10889.
const MILLIS_MAX: u64 = (1 << 48) - 1;

/// `at`, so much earlier.
#[must_use]
pub fn before(at: SystemTime, by: Duration) -> SystemTime {
    at.checked_sub(by).unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_one_word_everywhere() {
        for status in Status::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
        assert!("running ".parse::<Status>().is_err());
    }

    #[test]
    fn a_life_is_told_step_by_step() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let mut record = Record::new(CallId::new(), &"f".into(), Kind::Detached, at(1));
        record.begin(at(2));
        record.wait(Status::Delayed, Some("no".to_owned()), at(9));
        let told = serde_json::to_value(&record).unwrap();
        assert_eq!(told["next_try_at"], "1970-01-01T00:00:09.000Z");
        assert_eq!((&told["status"], &told["attempts"], &told["error"]), (&"delayed".into(), &1.into(), &"no".into()));
        record.begin(at(9));
        record.end(Status::Success, None, at(10));
        let told = serde_json::to_value(&record).unwrap();
        assert_eq!((&told["status"], &told["attempts"], told.get("error")), (&"success".into(), &2.into(), None));
        assert_eq!(told["completed_at"], "1970-01-01T00:00:10.000Z");
        assert_eq!(told["type"], "detached");
        assert_eq!(serde_json::from_value::<Record>(told).unwrap(), record);
    }

    #[test]
    fn names_of_calls_sort_behind_the_moment_they_came_at() {
        let before = SystemTime::now();
        let id = CallId::new();
        assert!(*first_id(before) <= *id.as_str());
        assert!(*first_id(before + Duration::from_secs(1)) > *id.as_str());
        assert!(first_id(UNIX_EPOCH) < first_id(before));
    }
}
