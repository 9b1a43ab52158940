//! Is it one JSON value? Asked of every event, so it only looks, and makes nothing.
//!
//! What passes can be read by any parser with 64-bit numbers: one value of RFC 8259, in UTF-8, no
//! deeper than [`DEPTH_MAX`], escapes that make characters, whole numbers from -2^63 to 2^64-1,
//! others within the range of a double. The brackets that are open are the bits of one number.

use std::fmt;
use std::ops::Range;

/// How deep arrays and objects may lie in each other: one bit each in a `u128`, of which the lowest
/// is the top.
pub const DEPTH_MAX: u32 = 128;

/// What was found of a text that is JSON.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Checked {
    /// Where in the text the value is, without the white space around it.
    pub span: Range<usize>,
    /// Is there no white space between its words?
    pub is_compact: bool,
}

/// Why a text is not JSON.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("byte {}: {what}", .at + 1)]
pub struct NotJson {
    /// Where, from 0.
    pub at: usize,
    /// What is the matter there.
    pub what: What,
}

/// What is the matter with a text that is not JSON.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum What {
    /// Something between values, or a control character in a text.
    Byte(u8),
    /// Brackets in brackets.
    Deep,
    /// The text ends within the value.
    Early,
    /// An escape that makes no character.
    Escape,
    /// Something after the value.
    More,
    /// A number too large for 64 bits or a double.
    Number,
    /// Bytes that are no text.
    Utf8,
    /// A whole number that needs more than 64 bits.
    Whole,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Byte(byte) => write!(f, "unexpected {:?}", char::from(*byte)),
            Self::Deep => write!(f, "deeper than {DEPTH_MAX} brackets"),
            Self::Early => f.write_str("it ends too early"),
            Self::Escape => f.write_str("an escape that makes no character"),
            Self::More => f.write_str("more than one value"),
            Self::Number => f.write_str("a number beyond the range of a double"),
            Self::Utf8 => f.write_str("not UTF-8"),
            Self::Whole => f.write_str("a whole number beyond 64 bits"),
        }
    }
}

/// Checks that `text` is one JSON value.
///
/// # Errors
/// Where it first is not.
pub fn check(text: &[u8]) -> Result<Checked, NotJson> {
    if let Err(e) = std::str::from_utf8(text) {
        return Err(NotJson { at: e.valid_up_to(), what: What::Utf8 });
    }
    let mut scan = Scan { text, at: 0, has_blanks: false };
    scan.blanks();
    let start = scan.at;
    scan.has_blanks = false;
    scan.value()?;
    let (end, is_compact) = (scan.at, !scan.has_blanks);
    scan.blanks();
    match scan.peek() {
        None => Ok(Checked { span: start..end, is_compact }),
        Some(_) => Err(scan.wrong(What::More)),
    }
}

struct Scan<'t> {
    text: &'t [u8],
    at: usize,
    has_blanks: bool,
}

impl Scan<'_> {
    /// One value, with all that is in it.
    fn value(&mut self) -> Result<(), NotJson> {
        // The brackets that are open, innermost lowest: 1 for an object.
        let (mut open, mut depth) = (0_u128, 0_u32);
        loop {
            // Here a value begins.
            let is_object = match self.peek() {
                Some(b'{') => true,
                Some(b'[') => false,
                _ => {
                    self.scalar()?;
                    if self.close(&mut open, &mut depth)? {
                        return Ok(());
                    }
                    continue;
                }
            };
            if depth == DEPTH_MAX {
                return Err(self.wrong(What::Deep));
            }
            self.at += 1;
            (open, depth) = (open << 1 | u128::from(is_object), depth + 1);
            self.blanks();
            let end = if is_object { b'}' } else { b']' };
            if self.peek() == Some(end) {
                self.at += 1;
                (open, depth) = (open >> 1, depth - 1);
                if self.close(&mut open, &mut depth)? {
                    return Ok(());
                }
            } else if is_object {
                self.key()?;
            }
        }
    }

    /// After a value: closes what ends here, or goes to where the next value begins. Was that all?
    fn close(&mut self, open: &mut u128, depth: &mut u32) -> Result<bool, NotJson> {
        while *depth > 0 {
            self.blanks();
            let is_object = *open & 1 == 1;
            match (self.peek(), is_object) {
                (Some(b','), true) => {
                    self.at += 1;
                    self.blanks();
                    self.key()?;
                    return Ok(false);
                }
                (Some(b','), false) => {
                    self.at += 1;
                    self.blanks();
                    return Ok(false);
                }
                (Some(b'}'), true) | (Some(b']'), false) => {
                    self.at += 1;
                    (*open, *depth) = (*open >> 1, *depth - 1);
                }
                _ => return Err(self.unexpected()),
            }
        }
        Ok(true)
    }

    /// A key and its colon.
    fn key(&mut self) -> Result<(), NotJson> {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected());
        }
        self.string()?;
        self.blanks();
        self.expect(b':')?;
        self.blanks();
        Ok(())
    }

    fn scalar(&mut self) -> Result<(), NotJson> {
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => self.word(b"null"),
            _ => Err(self.unexpected()),
        }
    }

    fn string(&mut self) -> Result<(), NotJson> {
        self.at += 1;
        loop {
            let plain = self.text[self.at..].iter().position(|byte| !PLAIN[usize::from(*byte)]);
            self.at += plain.unwrap_or(self.text.len() - self.at);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                _ => return Err(self.unexpected()),
            }
        }
    }

    fn escape(&mut self) -> Result<(), NotJson> {
        let begin = self.at;
        self.at += 1;
        match self.next()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => return Ok(()),
            b'u' => {}
            _ => return Err(NotJson { at: begin, what: What::Escape }),
        }
        let half = |high| (0xd800..=0xdbff).contains(&high);
        let whole = match self.hex()? {
            high if half(high) => {
                let low = if self.text[self.at..].starts_with(b"\\u") {
                    self.at += 2;
                    self.hex()?
                } else {
                    0
                };
                (0xdc00..=0xdfff).contains(&low)
            }
            one => !(0xdc00..=0xdfff).contains(&one),
        };
        if whole { Ok(()) } else { Err(NotJson { at: begin, what: What::Escape }) }
    }

    fn hex(&mut self) -> Result<u32, NotJson> {
        let mut number = 0;
        for _ in 0..4 {
            let at = self.at;
            let digit = char::from(self.next()?).to_digit(16).ok_or(NotJson { at, what: What::Escape })?;
            number = number << 4 | digit;
        }
        Ok(number)
    }

    fn number(&mut self) -> Result<(), NotJson> {
        let begin = self.at;
        let is_negative = self.peek() == Some(b'-');
        self.at += usize::from(is_negative);
        let first = self.at;
        if self.digits()? > 1 && self.text[first] == b'0' {
            return Err(NotJson { at: first, what: What::Byte(b'0') });
        }
        let digits = &self.text[first..self.at];
        let (mut is_whole, mut may_overflow) = (true, digits.len() > DIGITS_FINITE);
        if self.peek() == Some(b'.') {
            is_whole = false;
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            (is_whole, may_overflow) = (false, true);
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        if is_whole && digits.len() > DIGITS_SURE && !fits(digits, is_negative) {
            return Err(NotJson { at: begin, what: What::Whole });
        }
        if may_overflow && !is_finite(&self.text[begin..self.at]) {
            return Err(NotJson { at: begin, what: What::Number });
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<usize, NotJson> {
        let begin = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == begin { Err(self.unexpected()) } else { Ok(self.at - begin) }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), NotJson> {
        for byte in word {
            self.expect(*byte)?;
        }
        Ok(())
    }

    fn expect(&mut self, byte: u8) -> Result<(), NotJson> {
        if self.peek() != Some(byte) {
            return Err(self.unexpected());
        }
        self.at += 1;
        Ok(())
    }

    fn blanks(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
            self.has_blanks = true;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Result<u8, NotJson> {
        let byte = self.peek().ok_or_else(|| self.wrong(What::Early))?;
        self.at += 1;
        Ok(byte)
    }

    fn unexpected(&self) -> NotJson {
        self.wrong(self.peek().map_or(What::Early, What::Byte))
    }

    fn wrong(&self, what: What) -> NotJson {
        NotJson { at: self.at, what }
    }
}

/// So many digits fit into 63 bits whatever they are.
const DIGITS_SURE: usize = 18;

/// So many digits before the point make no double overflow.
const DIGITS_FINITE: usize = 300;

/// Bytes that stand in a string for themselves.
const PLAIN: [bool; 256] = {
    let mut plain = [true; 256];
    let mut byte = 0;
    while byte < 0x20 {
        plain[byte] = false;
        byte += 1;
    }
    plain[b'"' as usize] = false;
    plain[b'\\' as usize] = false;
    plain
};

fn is_finite(number: &[u8]) -> bool {
    let text = std::str::from_utf8(number).unwrap_or_default();
    text.parse::<f64>().is_ok_and(f64::is_finite)
}

/// Is a whole number of many digits within 64 bits?
fn fits(digits: &[u8], is_negative: bool) -> bool {
    let magnitude = digits.iter().try_fold(0_u128, |sum, digit| {
        sum.checked_mul(10)?.checked_add(u128::from(digit - b'0')).filter(|sum| *sum <= u128::from(u64::MAX))
    });
    magnitude.is_some_and(|magnitude| !is_negative || magnitude <= 1 << 63)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Whatever a parser of others says, but for the rules that are ours alone.
    fn agrees(text: &str) {
        let theirs = serde_json::from_str::<serde_json::Value>(text).is_ok();
        match check(text.as_bytes()) {
            Ok(_) => assert!(theirs, "{text:?}"),
            Err(NotJson { what: What::Whole, .. }) => {}
            Err(e) => assert!(!theirs, "{text:?}: {e}"),
        }
    }

    #[test]
    fn it_agrees_with_a_parser() {
        for text in [
            "",
            " ",
            "{}",
            "[]",
            "[1]",
            "[1,2]",
            "[1,]",
            "[,1]",
            "{\"a\":1}",
            "{\"a\":1,}",
            "{a:1}",
            "{\"a\"}",
            "{\"a\":}",
            "tru",
            "true",
            "nulll",
            "[true,false,null]",
            "01",
            "-",
            "-1",
            "+1",
            "1.",
            ".1",
            "1.0",
            "1e",
            "1e5",
            "1E+05",
            "1e999",
            "-1e999",
            "1e-999",
            "\"",
            "\"a",
            "\"\\n\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\u00e9\"",
            "\"\\ud800\"",
            "\"\\ud83d\\ude00\"",
            "\"\\ude00\"",
            "\"\\ud800\\u0041\"",
            "\"a\nb\"",
            "\"\t\"",
            "[[[]]]",
            "[[[]]",
            "[]]",
            "{]",
            "[}",
            "{\"a\":[{\"b\":[]}]}",
            "[1 2]",
            "{\"a\" 1}",
            "\u{feff}1",
            "\"\u{7f}\"",
            "1,2",
            "[\"a\",{}]",
            "0.1e1",
            "00.1",
        ] {
            agrees(text);
        }
    }

    #[test]
    fn brackets_go_as_deep_as_the_bound() {
        let deep = |n: u32| format!("{}{}", "[".repeat(n as usize), "]".repeat(n as usize));
        assert!(check(deep(DEPTH_MAX).as_bytes()).is_ok());
        assert_eq!(check(deep(DEPTH_MAX + 1).as_bytes()).unwrap_err().what, What::Deep);
    }

    #[test]
    fn white_space_around_is_not_in_the_value() {
        assert_eq!(check(b" [1] \n"), Ok(Checked { span: 1..4, is_compact: true }));
        assert_eq!(check(b"[1, 2]"), Ok(Checked { span: 0..6, is_compact: false }));
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_parser_on_what_looks_like_json(text in "[\\[\\]{}:,\"\\\\ntrue0-9.eE+u \\-]{0,24}") {
            agrees(&text);
        }
    }
}
