//! StatsD, one metric a frame.
//!
//! ```text
//! sam:7|c|@0.1        {"metric":"sam","type":"c","value":7,"sample_rate":0.1}
//! gauge:-10|g         {"metric":"gauge","type":"g","action":"sub","value":10}
//! ```

use std::fmt::Write as _;

use serde_json::{Map, Number, Value as Tree};

use super::{Codec, Undecodable, Unencodable, Value};
use crate::connector::stage::Piece;

/// Counters, gauges, histograms, timings, sets.
const TYPES: [&str; 5] = ["c", "g", "h", "ms", "s"];

/// The codec `statsd`.
#[derive(Clone, Copy, Debug)]
pub struct Statsd;

impl Codec for Statsd {
    fn decode(&mut self, piece: &Piece, _: u64) -> Result<Option<Value>, Undecodable> {
        match decode(&piece.bytes) {
            Ok(metric) => Ok(Some(Value::Tree(Tree::Object(metric)))),
            Err(why) => Err(Undecodable { codec: "statsd", why }),
        }
    }

    fn encode(&mut self, value: &Value, out: &mut Vec<u8>) -> Result<(), Unencodable> {
        match encode(&value.to_tree()) {
            Some(line) => {
                out.extend_from_slice(line.as_bytes());
                Ok(())
            }
            None => Err(Unencodable { codec: "statsd", why: "it needs metric, type and value".to_owned() }),
        }
    }

    fn content_type(&self) -> &'static str {
        ""
    }
}

fn decode(line: &[u8]) -> Result<Map<String, Tree>, String> {
    let line = std::str::from_utf8(line).map_err(|e| e.to_string())?;
    let (metric, rest) = line.split_once(':').ok_or("no colon after the metric's name")?;
    let mut parts = rest.split('|');
    let value = parts.next().unwrap_or_default();
    let kind = parts.next().ok_or("no type after the value")?;
    if metric.is_empty() {
        return Err("the metric has no name".to_owned());
    }
    if !TYPES.contains(&kind) {
        return Err(format!("unknown type {kind:?}; there are {}", TYPES.join(", ")));
    }
    let mut found = Map::new();
    found.insert("metric".to_owned(), metric.into());
    found.insert("type".to_owned(), kind.into());
    let magnitude = match (kind, value.as_bytes().first()) {
        ("g", Some(sign @ (b'+' | b'-'))) => {
            found.insert("action".to_owned(), if *sign == b'+' { "add" } else { "sub" }.into());
            &value[1..]
        }
        _ => value,
    };
    found.insert("value".to_owned(), number(magnitude)?.into());
    match parts.next() {
        None => {}
        Some(rate) => {
            let rate = rate.strip_prefix('@').ok_or_else(|| format!("{rate:?} is not a sample rate such as @0.1"))?;
            found.insert("sample_rate".to_owned(), number(rate)?.into());
        }
    }
    match parts.next() {
        None => Ok(found),
        Some(more) => Err(format!("{more:?} is more than a metric has")),
    }
}

fn number(text: &str) -> Result<Number, String> {
    let is_plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'e' | b'E' | b'+'));
    let whole = text.parse::<i64>().map(Number::from).or_else(|_| text.parse::<u64>().map(Number::from)).ok();
    let real = || text.parse::<f64>().ok().and_then(Number::from_f64);
    whole.or_else(real).filter(|_| is_plain).ok_or_else(|| format!("{text:?} is not a number"))
}

fn encode(metric: &Tree) -> Option<String> {
    let mut line = format!("{}:", metric["metric"].as_str()?);
    match metric["action"].as_str() {
        Some("add") => line.push('+'),
        Some("sub") => line.push('-'),
        _ => {}
    }
    let kind = metric["type"].as_str().filter(|kind| TYPES.contains(kind))?;
    let value = metric["value"].as_number()?;
    let _ = write!(line, "{value}|{kind}");
    if let Some(rate) = metric["sample_rate"].as_number() {
        let _ = write!(line, "|@{rate}");
    }
    Some(line)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::connector::codec::testing::{check, decode, encode};

    /// Case 7.
    #[test]
    fn metrics_are_read_and_written() {
        check("statsd", "sam:7|c|@0.1", json!({"metric": "sam", "type": "c", "value": 7, "sample_rate": 0.1}));
        check("statsd", "a.b:3.5|ms", json!({"metric": "a.b", "type": "ms", "value": 3.5}));
        check("statsd", "g:+4|g", json!({"metric": "g", "type": "g", "action": "add", "value": 4}));
        check("statsd", "g:-10|g", json!({"metric": "g", "type": "g", "action": "sub", "value": 10}));
        check("statsd", "g:10|g", json!({"metric": "g", "type": "g", "value": 10}));
        check("statsd", "c:-1|c", json!({"metric": "c", "type": "c", "value": -1}));
    }

    #[test]
    fn what_is_no_metric_is_told_why() {
        for (line, why) in [
            ("sam:7|c\n", "unknown type \"c\\n\"; there are c, g, h, ms, s"),
            ("sam", "no colon after the metric's name"),
            ("sam:7", "no type after the value"),
            (":7|c", "the metric has no name"),
            ("sam:inf|c", "\"inf\" is not a number"),
            ("sam:7|c|0.1", "\"0.1\" is not a sample rate such as @0.1"),
        ] {
            assert_eq!(decode("statsd", line), Err(format!("frame is not statsd: {why}")), "{line:?}");
        }
        assert!(encode("statsd", json!({"metric": "a"})).is_err());
    }
}
