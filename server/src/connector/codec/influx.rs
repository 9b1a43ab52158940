//! Influx's line protocol, one point a frame.
//!
//! ```text
//! weather,location=us-midwest temperature=82 1465839830100400200
//! ```
//!
//! ```json
//! {"measurement":"weather","tags":{"location":"us-midwest"},"fields":{"temperature":82.0},"timestamp":1465839830100400200}
//! ```
//!
//! A point without a time gets that of its arrival. A comment or an empty line says nothing.

use std::fmt::Write as _;

use serde_json::{Map, Number, Value as Tree};

use super::{Codec, Undecodable, Unencodable, Value};
use crate::connector::stage::Piece;

/// The codec `influx`.
#[derive(Clone, Copy, Debug)]
pub struct Influx;

impl Codec for Influx {
    fn decode(&mut self, piece: &Piece, now_ns: u64) -> Result<Option<Value>, Undecodable> {
        let undecodable = |why: String| Undecodable { codec: "influx", why };
        let line = std::str::from_utf8(&piece.bytes).map_err(|e| undecodable(e.to_string()))?.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(None);
        }
        let point = decode(line, piece.ingest_ns.unwrap_or(now_ns)).map_err(undecodable)?;
        Ok(Some(Value::Tree(Tree::Object(point))))
    }

    fn encode(&mut self, value: &Value, out: &mut Vec<u8>) -> Result<(), Unencodable> {
        let line = encode(&value.to_tree());
        let line = line.map_err(|why| Unencodable { codec: "influx", why: why.to_owned() })?;
        out.extend_from_slice(line.as_bytes());
        Ok(())
    }

    fn content_type(&self) -> &'static str {
        ""
    }
}

fn decode(line: &str, now_ns: u64) -> Result<Map<String, Tree>, String> {
    let mut line = Line { left: line };
    let measurement = line.word(&[',', ' ']);
    if measurement.is_empty() {
        return Err("no measurement".to_owned());
    }
    let mut tags = Map::new();
    while line.skip(',') {
        let (key, value) = line.pair(|line| Ok(Tree::String(line.word(&[',', ' ']))))?;
        tags.insert(key, value);
    }
    if !line.skip(' ') {
        return Err("no fields".to_owned());
    }
    let mut fields = Map::new();
    loop {
        let (key, value) = line.pair(Line::field)?;
        fields.insert(key, value);
        if !line.skip(',') {
            break;
        }
    }
    let time = line.left.trim();
    let timestamp: Number = match time {
        "" => now_ns.into(),
        text => text.parse::<i64>().map_err(|_| format!("{text:?} is not a time in ns"))?.into(),
    };
    let mut point = Map::new();
    point.insert("measurement".to_owned(), measurement.into());
    point.insert("tags".to_owned(), tags.into());
    point.insert("fields".to_owned(), fields.into());
    point.insert("timestamp".to_owned(), timestamp.into());
    Ok(point)
}

/// What is left of a line.
struct Line<'t> {
    left: &'t str,
}

impl Line<'_> {
    fn skip(&mut self, expected: char) -> bool {
        let rest = self.left.strip_prefix(expected);
        self.left = rest.unwrap_or(self.left);
        rest.is_some()
    }

    /// Up to one of these that has no backslash before it. A backslash before anything else is one.
    fn word(&mut self, ends: &[char]) -> String {
        let mut word = String::new();
        let mut chars = self.left.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            match (c, chars.peek()) {
                ('\\', Some((_, escaped @ (',' | ' ' | '=' | '\\')))) => {
                    word.push(*escaped);
                    chars.next();
                }
                _ if ends.contains(&c) => {
                    self.left = &self.left[at..];
                    return word;
                }
                _ => word.push(c),
            }
        }
        self.left = "";
        word
    }

    fn pair(&mut self, value: impl FnOnce(&mut Self) -> Result<Tree, String>) -> Result<(String, Tree), String> {
        let key = self.word(&['=', ',', ' ']);
        if key.is_empty() || !self.skip('=') {
            return Err(format!("{key:?} is not a key with a value"));
        }
        Ok((key, value(self)?))
    }

    fn field(&mut self) -> Result<Tree, String> {
        if self.skip('"') {
            return self.quoted();
        }
        let word = self.word(&[',', ' ']);
        let not = || format!("{word:?} is not a field's value");
        match word.as_str() {
            "t" | "T" | "true" | "True" | "TRUE" => return Ok(Tree::Bool(true)),
            "f" | "F" | "false" | "False" | "FALSE" => return Ok(Tree::Bool(false)),
            _ => {}
        }
        match word.strip_suffix('i') {
            Some(whole) => whole.parse::<i64>().map(Tree::from).map_err(|_| not()),
            None => word.parse::<f64>().ok().and_then(Number::from_f64).map(Tree::Number).ok_or_else(not),
        }
    }

    /// The rest of a text in quotes.
    fn quoted(&mut self) -> Result<Tree, String> {
        let mut text = String::new();
        let mut chars = self.left.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.left = &self.left[at + 1..];
                    return Ok(Tree::String(text));
                }
                '\\' => match chars.next() {
                    Some((_, escaped @ ('"' | '\\'))) => text.push(escaped),
                    Some((_, other)) => text.extend(['\\', other]),
                    None => break,
                },
                _ => text.push(c),
            }
        }
        Err("a text without its closing quote".to_owned())
    }
}

fn encode(point: &Tree) -> Result<String, &'static str> {
    let mut line = escaped(point["measurement"].as_str().ok_or("it needs a measurement")?, &[',', ' ']);
    for (key, value) in sorted(&point["tags"]) {
        let value = value.as_str().ok_or("a tag's value is a text")?;
        let _ = write!(line, ",{}={}", escaped(key, KEY), escaped(value, KEY));
    }
    let fields = sorted(&point["fields"]);
    if fields.is_empty() {
        return Err("it needs fields");
    }
    for (n, (key, value)) in fields.into_iter().enumerate() {
        line.push(if n == 0 { ' ' } else { ',' });
        let _ = write!(line, "{}=", escaped(key, KEY));
        match value {
            Tree::String(text) => {
                let _ = write!(line, "\"{}\"", escaped(text, &['"', '\\']));
            }
            Tree::Bool(flag) => line.push_str(if *flag { "true" } else { "false" }),
            Tree::Number(number) if number.is_f64() => line.push_str(&number.to_string()),
            Tree::Number(number) => {
                let _ = write!(line, "{number}i");
            }
            _ => return Err("a field's value is a number, a text, true or false"),
        }
    }
    if let Some(time) = point["timestamp"].as_number() {
        let _ = write!(line, " {time}");
    }
    Ok(line)
}

const KEY: &[char] = &[',', ' ', '='];

fn sorted(fields: &Tree) -> Vec<(&String, &Tree)> {
    let mut fields: Vec<_> = fields.as_object().into_iter().flatten().collect();
    fields.sort_by_key(|(key, _)| *key);
    fields
}

fn escaped(text: &str, special: &[char]) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if special.contains(&c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::connector::codec::testing::{check, decode, encode};

    /// Case 7.
    #[test]
    fn points_are_read_and_written() {
        let point = json!({
            "measurement": "weather",
            "tags": {"location": "us-midwest"},
            "fields": {"temperature": 82.0},
            "timestamp": 1_465_839_830_100_400_200_i64,
        });
        let line = "weather,location=us-midwest temperature=82 1465839830100400200";
        assert_eq!(decode("influx", line), Ok(Some(point.clone())));
        assert_eq!(encode("influx", point).unwrap(), line.replace("=82", "=82.0"));
        check(
            "influx",
            "a\\,b\\ c,t\\=x=y\\ z f=1i,g=\"say \\\"hi\\\" \\\\\",h=true 7",
            json!({
                "measurement": "a,b c",
                "tags": {"t=x": "y z"},
                "fields": {"f": 1, "g": "say \"hi\" \\", "h": true},
                "timestamp": 7,
            }),
        );
    }

    #[test]
    fn a_point_without_a_time_gets_that_of_its_arrival() {
        assert_eq!(decode("influx", "m f=f").unwrap().unwrap()["timestamp"], json!(42));
    }

    #[test]
    fn comments_and_empty_lines_say_nothing() {
        assert_eq!(decode("influx", "# comment"), Ok(None));
        assert_eq!(decode("influx", ""), Ok(None));
    }

    #[test]
    fn what_is_no_point_is_told_why() {
        for (line, why) in [
            ("m", "no fields"),
            (",t=1 f=1", "no measurement"),
            ("m,t f=1", "\"t\" is not a key with a value"),
            ("m f=1x", "\"1x\" is not a field's value"),
            ("m f=\"open", "a text without its closing quote"),
            ("m f=1 soon", "\"soon\" is not a time in ns"),
        ] {
            assert_eq!(decode("influx", line), Err(format!("frame is not influx: {why}")), "{line:?}");
        }
    }
}
