//! The form of RFC 5424.

use serde_json::{Map, Value as Tree};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{priority, priority_of, put_priority, text_or_dash};

/// A message in this form, if it is one.
pub(super) fn decode(text: &str) -> Option<Map<String, Tree>> {
    let (severity, facility, rest) = priority(text)?;
    let (version, rest) = rest.split_once(' ')?;
    let version: u64 = version.parse().ok().filter(|version| (1..=999).contains(version))?;
    let mut message = Map::new();
    message.insert("protocol".to_owned(), "RFC5424".into());
    message.insert("protocol_version".to_owned(), version.into());
    put_priority(&mut message, severity, facility);
    let (stamp, mut rest) = rest.split_once(' ')?;
    if stamp != "-" {
        let time = OffsetDateTime::parse(stamp, &Rfc3339).ok()?;
        message.insert("timestamp".to_owned(), i64::try_from(time.unix_timestamp_nanos()).ok()?.into());
    }
    for key in ["hostname", "appname", "procid", "msgid"] {
        let (word, after) = rest.split_once(' ')?;
        if word != "-" {
            message.insert(key.to_owned(), word.into());
        }
        rest = after;
    }
    let rest = match rest.strip_prefix('-') {
        Some(rest) => rest,
        None => {
            let (data, rest) = elements(rest)?;
            message.insert("structured_data".to_owned(), data.into());
            rest
        }
    };
    match rest.strip_prefix(' ') {
        Some(msg) => {
            let msg = msg.strip_prefix('\u{feff}').unwrap_or(msg);
            message.insert("msg".to_owned(), msg.into());
        }
        None if rest.is_empty() => {}
        None => return None,
    }
    Some(message)
}

/// The elements in brackets, and what follows them.
fn elements(mut text: &str) -> Option<(Map<String, Tree>, &str)> {
    let mut data = Map::new();
    while let Some(inner) = text.strip_prefix('[') {
        let end = inner.find([' ', ']'])?;
        let (id, mut rest) = inner.split_at(end);
        if id.is_empty() {
            return None;
        }
        let mut params = Map::new();
        while let Some(param) = rest.strip_prefix(' ') {
            let (name, value) = param.split_once("=\"")?;
            let (value, after) = quoted(value)?;
            params.insert(name.to_owned(), value.into());
            rest = after;
        }
        data.insert(id.to_owned(), params.into());
        text = rest.strip_prefix(']')?;
    }
    (!data.is_empty()).then_some((data, text))
}

/// A value up to its quote, and what follows that.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match chars.next()? {
                (_, escaped @ ('"' | '\\' | ']')) => value.push(escaped),
                (_, other) => value.extend(['\\', other]),
            },
            _ => value.push(c),
        }
    }
    None
}

/// The line of a message, if it can be one.
pub(super) fn encode(message: &Tree) -> Option<String> {
    let version = message["protocol_version"].as_u64().unwrap_or(1);
    let mut line = format!("<{}>{version} ", priority_of(message)?);
    match &message["timestamp"] {
        Tree::Null => line.push('-'),
        stamp => {
            let time = OffsetDateTime::from_unix_timestamp_nanos(stamp.as_i64()?.into()).ok()?;
            line.push_str(&time.format(&Rfc3339).ok()?);
        }
    }
    for key in ["hostname", "appname", "procid", "msgid"] {
        line.push(' ');
        line.push_str(text_or_dash(message, key)?);
    }
    line.push(' ');
    match &message["structured_data"] {
        Tree::Null => line.push('-'),
        data => put_elements(data.as_object()?, &mut line)?,
    }
    if !message["msg"].is_null() {
        line.push(' ');
        line.push_str(message["msg"].as_str()?);
    }
    Some(line)
}

fn put_elements(data: &Map<String, Tree>, line: &mut String) -> Option<()> {
    if data.is_empty() {
        line.push('-');
    }
    for (id, params) in data {
        line.push('[');
        line.push_str(id);
        for (name, value) in params.as_object()? {
            line.extend([" ", name, "=\""]);
            for c in value.as_str()?.chars() {
                if matches!(c, '"' | '\\' | ']') {
                    line.push('\\');
                }
                line.push(c);
            }
            line.push('"');
        }
        line.push(']');
    }
    Some(())
}
