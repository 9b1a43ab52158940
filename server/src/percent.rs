//! Percent-encoding, done and undone.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Undoes percent-encoding. What is not well-formed stays as it came: it will match nothing.
pub(crate) fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        match (byte, after) {
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high << 4 | low);
                    rest = after;
                }
                _ => return Cow::Borrowed(text),
            },
            (b'%', _) => return Cow::Borrowed(text),
            _ => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// Percent-encodes all that a part of a path, or a value in a query, cannot hold as it is.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(char::from(byte)),
            _ => write!(encoded, "%{byte:02X}").expect("writing to a string does not fail"),
        }
    }
    encoded
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_well_formed_is_decoded() {
        let check = |text: &str, expected: &str| assert_eq!(decode(text), expected);
        check("plain", "plain");
        check("a%20b%2F", "a b/");
        check("caf%C3%A9", "café");
        for broken in ["%", "%2", "%zz", "a%2", "%ff"] {
            check(broken, broken);
        }
    }

    #[test]
    fn what_is_encoded_is_decoded_again() {
        for (text, expected) in [("plain-_.~", "plain-_.~"), ("a b/&?=+%", "a%20b%2F%26%3F%3D%2B%25"), ("é", "%C3%A9")]
        {
            assert_eq!(encode(text), expected);
            assert_eq!(decode(expected), text);
        }
    }
}
