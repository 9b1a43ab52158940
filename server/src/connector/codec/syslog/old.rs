//! The form of RFC 3164, as far as anybody keeps to it.

use std::fmt::Write as _;

use serde_json::{Map, Value as Tree};
use time::{Date, Month, OffsetDateTime, Time};

use super::{priority, priority_of, put_priority, text_or_dash};

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Longest name of a program.
const TAG_BYTES_MAX: usize = 48;

/// A message in this form, if it is one. It names no year: that of `now_ns` is meant.
pub(super) fn decode(text: &str, now_ns: u64) -> Option<Map<String, Tree>> {
    let (severity, facility, rest) = priority(text)?;
    let (stamp, rest) = timestamp(rest, now_ns)?;
    let mut message = Map::new();
    message.insert("protocol".to_owned(), "RFC3164".into());
    put_priority(&mut message, severity, facility);
    message.insert("timestamp".to_owned(), stamp.into());
    // The messages of a program on this machine name no host.
    let (host, rest) = match rest.split_once(' ') {
        Some((host, rest)) if !host.ends_with(':') => (Some(host), rest),
        _ => (None, rest),
    };
    if let Some(host) = host {
        message.insert("hostname".to_owned(), host.into());
    }
    let msg = match tag(rest) {
        Some((appname, procid, msg)) => {
            message.insert("appname".to_owned(), appname.into());
            if let Some(procid) = procid {
                message.insert("procid".to_owned(), procid.into());
            }
            msg
        }
        None => rest,
    };
    message.insert("msg".to_owned(), msg.into());
    Some(message)
}

/// `Oct 11 22:14:15 `, as ns since 1970, and what follows it.
fn timestamp(text: &str, now_ns: u64) -> Option<(i64, &str)> {
    let (stamp, rest) = text.split_at_checked("Oct 11 22:14:15".len())?;
    let month = MONTHS.iter().position(|month| stamp.strip_prefix(month).is_some())?;
    let month = Month::try_from(u8::try_from(month).ok()? + 1).ok()?;
    let day: u8 = stamp.get(4..6)?.trim_start().parse().ok()?;
    let part = |from: usize| stamp.get(from..from + 2)?.parse::<u8>().ok();
    let time = Time::from_hms(part(7)?, part(10)?, part(13)?).ok()?;
    let year = OffsetDateTime::from_unix_timestamp_nanos(now_ns.into()).ok()?.year();
    let at = Date::from_calendar_date(year, month, day).ok()?.with_time(time).assume_utc();
    Some((i64::try_from(at.unix_timestamp_nanos()).ok()?, rest.strip_prefix(' ')?))
}

/// `su[42]: `, and what follows it.
fn tag(text: &str) -> Option<(&str, Option<&str>, &str)> {
    let (tag, rest) = text.split_once(':')?;
    if tag.is_empty() || tag.len() > TAG_BYTES_MAX || tag.contains(' ') {
        return None;
    }
    let msg = rest.strip_prefix(' ').unwrap_or(rest);
    match tag.strip_suffix(']').and_then(|tag| tag.split_once('[')) {
        Some((appname, procid)) => Some((appname, Some(procid), msg)),
        None => Some((tag, None, msg)),
    }
}

/// The line of a message, if it can be one.
pub(super) fn encode(message: &Tree) -> Option<String> {
    if message["timestamp"].is_null() && message["hostname"].is_null() {
        // What was read as no message at all is written as it was.
        return message["msg"].as_str().map(str::to_owned);
    }
    let at = i128::from(message["timestamp"].as_i64()?);
    let at = OffsetDateTime::from_unix_timestamp_nanos(at).ok()?;
    let month = MONTHS[usize::from(u8::from(at.month())) - 1];
    let mut line = format!("<{}>{month} {:>2} ", priority_of(message)?, at.day());
    let _ = write!(line, "{:02}:{:02}:{:02} ", at.hour(), at.minute(), at.second());
    line.push_str(text_or_dash(message, "hostname")?);
    line.push(' ');
    if let Some(appname) = message["appname"].as_str() {
        line.push_str(appname);
        if let Some(procid) = message["procid"].as_str() {
            let _ = write!(line, "[{procid}]");
        }
        line.push_str(": ");
    }
    line.push_str(message["msg"].as_str().unwrap_or_default());
    Some(line)
}
