//! Percent-encoding, undone.

use std::borrow::Cow;

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
}
