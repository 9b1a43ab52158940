//! Syslog, one message a frame, in the form of RFC 5424 or of RFC 3164, told apart by content.
//!
//! ```text
//! <165>1 2003-10-11T22:14:15.003Z host evntslog - ID47 [ex@32473 iut="3"] text
//! <34>Oct 11 22:14:15 host su: text
//! ```
//!
//! What follows neither form is a message nevertheless, as RFC 3164 wants it: all of it is `msg`.
//! Keys that a message does not have are absent. Messages are written as their `protocol` says,
//! as RFC 5424 if it says nothing.

mod old;
mod structured;

use serde_json::{Map, Value as Tree};

use super::{Codec, Undecodable, Unencodable, Value};
use crate::connector::stage::Piece;

/// The codec `syslog`.
#[derive(Clone, Copy, Debug)]
pub struct Syslog;

impl Codec for Syslog {
    fn decode(&mut self, piece: &Piece, now_ns: u64) -> Result<Option<Value>, Undecodable> {
        let text =
            std::str::from_utf8(&piece.bytes).map_err(|e| Undecodable { codec: "syslog", why: e.to_string() })?;
        let message = structured::decode(text).or_else(|| old::decode(text, now_ns)).unwrap_or_else(|| {
            Map::from_iter([("protocol".to_owned(), "RFC3164".into()), ("msg".to_owned(), text.into())])
        });
        Ok(Some(Value::Tree(Tree::Object(message))))
    }

    fn encode(&mut self, value: &Value, out: &mut Vec<u8>) -> Result<(), Unencodable> {
        let tree = value.to_tree();
        let written = match tree["protocol"].as_str() {
            Some("RFC3164") => old::encode(&tree),
            _ => structured::encode(&tree),
        };
        let line = written.ok_or_else(|| Unencodable {
            codec: "syslog",
            why: "it needs a known severity and facility, and texts elsewhere".to_owned(),
        })?;
        out.extend_from_slice(line.as_bytes());
        Ok(())
    }

    fn content_type(&self) -> &'static str {
        ""
    }
}

const SEVERITIES: [&str; 8] = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp",
    "audit", "alert", "clockd", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];

/// The priority in angle brackets, as severity and facility, and what follows it.
fn priority(text: &str) -> Option<(usize, usize, &str)> {
    let (digits, rest) = text.strip_prefix('<')?.split_once('>')?;
    let is_number = (1..=3).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let priority: usize = digits.parse().ok().filter(|_| is_number)?;
    (priority < FACILITIES.len() * SEVERITIES.len()).then_some((priority % 8, priority / 8, rest))
}

fn put_priority(message: &mut Map<String, Tree>, severity: usize, facility: usize) {
    message.insert("severity".to_owned(), SEVERITIES[severity].into());
    message.insert("facility".to_owned(), FACILITIES[facility].into());
}

/// The priority of a message that is written; `user.notice` where it says nothing.
fn priority_of(message: &Tree) -> Option<usize> {
    let find = |key: &str, names: &[&str], usual: usize| match &message[key] {
        Tree::Null => Some(usual),
        named => names.iter().position(|name| named.as_str() == Some(*name)),
    };
    Some(find("facility", &FACILITIES, 1)? * 8 + find("severity", &SEVERITIES, 5)?)
}

/// The text at `key`; `-` where there is none; `None` if it is something else.
fn text_or_dash<'m>(message: &'m Tree, key: &str) -> Option<&'m str> {
    match &message[key] {
        Tree::Null => Some("-"),
        other => other.as_str().filter(|text| !text.is_empty() && !text.contains([' ', '\n'])),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::connector::codec::testing::{check, decode, encode};

    /// Case 7.
    #[test]
    fn the_structured_form_is_read_and_written() {
        check(
            "syslog",
            "<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog 111 ID47 \
             [exampleSDID@32473 eventSource=\"App\\\"l\\]\" iut=\"3\"][two@1] An event",
            json!({
                "protocol": "RFC5424",
                "protocol_version": 1,
                "severity": "notice",
                "facility": "local4",
                "timestamp": 1_065_910_455_003_000_000_u64,
                "hostname": "mymachine.example.com",
                "appname": "evntslog",
                "procid": "111",
                "msgid": "ID47",
                "structured_data": {"exampleSDID@32473": {"iut": "3", "eventSource": "App\"l]"}, "two@1": {}},
                "msg": "An event",
            }),
        );
        check(
            "syslog",
            "<13>1 - - - - - -",
            json!({"protocol": "RFC5424", "protocol_version": 1, "severity": "notice", "facility": "user"}),
        );
    }

    #[test]
    fn the_old_form_is_read_and_written() {
        // The year is that of the clock, which a test's codec starts at 1970.
        check(
            "syslog",
            "<34>Oct 11 22:14:15 mymachine su[42]: 'su root' failed",
            json!({
                "protocol": "RFC3164",
                "severity": "crit",
                "facility": "auth",
                "timestamp": 24_531_255_000_000_000_u64,
                "hostname": "mymachine",
                "appname": "su",
                "procid": "42",
                "msg": "'su root' failed",
            }),
        );
        let bare = decode("syslog", "<13>Feb  5 17:32:18 10.0.0.99 Use the BFG!").unwrap().unwrap();
        assert_eq!((&bare["hostname"], &bare["msg"]), (&json!("10.0.0.99"), &json!("Use the BFG!")));
    }

    #[test]
    fn whatever_is_no_message_is_one() {
        assert_eq!(decode("syslog", "hello"), Ok(Some(json!({"protocol": "RFC3164", "msg": "hello"}))));
        assert_eq!(decode("syslog", "<999>1 x"), Ok(Some(json!({"protocol": "RFC3164", "msg": "<999>1 x"}))));
    }

    #[test]
    fn what_cannot_be_said_is_refused() {
        assert!(encode("syslog", json!({"severity": "loud", "msg": "x"})).is_err());
        assert!(encode("syslog", json!({"hostname": "two words"})).is_err());
        assert_eq!(encode("syslog", json!({"msg": "x"})).as_deref(), Ok("<13>1 - - - - - - x"));
    }
}
