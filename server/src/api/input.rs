//! What clients send.
//!
//! Fn reads JSON into structures in which what is absent, `null` and the empty value are one, and
//! its clients send objects with all members, most of them empty. So members are optional, unknown
//! ones are passed over, and text that is empty counts as absent where it can mean nothing.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use time::format_description::well_known::Rfc3339;
use time::{Date, OffsetDateTime, Time};

use super::Problem;

/// Variables to set, or to take away where they are empty.
pub(super) type Variables = BTreeMap<String, Option<String>>;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct App {
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) config: Option<Variables>,
    /// An object, looked at elsewhere: what reads JSON would say what else it found.
    pub(super) secrets: Option<Value>,
    pub(super) annotations: Option<BTreeMap<String, Value>>,
    pub(super) syslog_url: Option<String>,
    pub(super) shape: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Function {
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) app_id: Option<String>,
    pub(super) image: Option<String>,
    pub(super) memory: Option<i64>,
    pub(super) timeout: Option<i64>,
    pub(super) idle_timeout: Option<i64>,
    pub(super) config: Option<Variables>,
    /// An object, looked at elsewhere: what reads JSON would say what else it found.
    pub(super) secrets: Option<Value>,
    pub(super) annotations: Option<BTreeMap<String, Value>>,
    pub(super) format: Option<String>,
    pub(super) dir: Option<String>,
    pub(super) cpu_milli: Option<i64>,
    pub(super) concurrency: Option<i64>,
    pub(super) min_warm: Option<i64>,
    pub(super) stock: Option<i64>,
    pub(super) max_containers: Option<i64>,
    pub(super) max_calls_per_container: Option<i64>,
    pub(super) max_age: Option<i64>,
    pub(super) queue_max: Option<i64>,
    pub(super) queue_wait_max_ms: Option<i64>,
    pub(super) rate: Option<i64>,
    pub(super) burst: Option<i64>,
    pub(super) retry_attempts: Option<i64>,
    pub(super) retry_delay_ms: Option<i64>,
    pub(super) retry_growth: Option<i64>,
    pub(super) retry_delay_max_ms: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Trigger {
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) app_id: Option<String>,
    pub(super) fn_id: Option<String>,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) source: Option<String>,
    pub(super) annotations: Option<BTreeMap<String, Value>>,
    pub(super) created_at: Option<String>,
    pub(super) updated_at: Option<String>,
}

/// Reads a request's body: an object, or `null`, which is one without members.
pub(super) fn read<T: DeserializeOwned + Default>(body: &[u8]) -> Result<T, Problem> {
    let wrong = |what: String| Problem::invalid(format!("Invalid JSON: {what}"));
    // Where we expect members by name, the reader would take a list in their order as well.
    if body.trim_ascii_start().starts_with(b"[") {
        return Err(wrong("a list came where an object should be".to_owned()));
    }
    let object: Option<T> = serde_json::from_slice(body).map_err(|e| wrong(e.to_string()))?;
    Ok(object.unwrap_or_default())
}

/// What was given, unless it is empty.
pub(super) fn some(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// Refuses a time that was set; Go's zero time, which the Fn CLI sends, is none.
pub(super) fn no_time(name: &str, time: Option<&str>) -> Result<(), Problem> {
    let Some(text) = time.filter(|text| !text.is_empty()) else { return Ok(()) };
    let zero = Date::from_ordinal_date(1, 1).expect("the first of January is a day").with_time(Time::MIDNIGHT);
    match OffsetDateTime::parse(text, &Rfc3339) {
        Ok(time) if time == zero.assume_utc() => Ok(()),
        Ok(_) => Err(Problem::invalid(format!("Time given on create: {name} is set by the server"))),
        Err(_) => Err(Problem::invalid(format!("Invalid JSON: {name}: {text:?} is no time as RFC 3339 writes it"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_read_as_fn_reads_it() {
        let name = |body: &str| read::<App>(body.as_bytes()).map(|app| app.name).map_err(|p| p.status.as_u16());
        assert_eq!(name(r#"{"name": "a", "unknown": [1]}"#), Ok(Some("a".to_owned())));
        for nothing in ["{}", "null", r#"{"name": null}"#] {
            assert_eq!(name(nothing), Ok(None), "{nothing}");
        }
        for wrong in ["", "[]", " [\"a\"]", "{", r#"{"name": 1}"#, r#"{"config": {"a": 1}}"#, "\"a\"", "{} {}", "\u{0}"]
        {
            assert_eq!(name(wrong), Err(400), "{wrong}");
        }
    }

    #[test]
    fn the_zero_time_is_none() {
        let check = |time: &str, ok: bool| assert_eq!(no_time("created_at", Some(time)).is_ok(), ok, "{time}");
        check("0001-01-01T00:00:00.000Z", true);
        check("0001-01-01T00:00:00Z", true);
        check("", true);
        check("2018-01-01T00:00:00.000Z", false);
        check("yesterday", false);
        assert!(no_time("created_at", None).is_ok());
    }
}
