//! JSON as Go prints it.
//!
//! The documents of both formats were once made by Go's encoder, and are here again, byte for byte:
//! samples can be compared as files, and a function that cuts corners in its parsing meets what it
//! was tested with. Besides what JSON demands, that encoder escapes what is special in HTML (`<`,
//! `>`, `&`) and what ends a line in old scripts (U+2028, U+2029).

/// Writes `text` as a JSON string. Each byte that is not UTF-8 becomes a U+FFFD of its own.
pub(crate) fn push_string(out: &mut Vec<u8>, text: &[u8]) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    if text.iter().all(|byte| IS_PLAIN[usize::from(*byte)]) {
        out.extend_from_slice(text);
        out.push(b'"');
        return;
    }
    for chunk in text.utf8_chunks() {
        push_replaced(out, chunk.valid(), escape);
        for _ in chunk.invalid() {
            out.extend_from_slice(br"\ufffd");
        }
    }
    out.push(b'"');
}

/// Bytes that stand for themselves in any string: what most strings are made of.
const IS_PLAIN: [bool; 256] = {
    let mut is_plain = [false; 256];
    let mut byte = b' ';
    while byte < 0x7f {
        is_plain[byte as usize] = !matches!(byte, b'"' | b'\\' | b'&' | b'<' | b'>');
        byte += 1;
    }
    is_plain
};

/// Writes a valid JSON text again without the white space between its tokens, so that it stays on
/// one line: many a function reads by line. Numbers keep all their digits, members their order.
pub(crate) fn push_compact(out: &mut Vec<u8>, json: &str) {
    let mut inside = false;
    let mut escaped = false;
    out.reserve(json.len());
    push_replaced(out, json, |c| {
        let ends_or_begins = c == '"' && !escaped;
        escaped = inside && c == '\\' && !escaped;
        inside ^= ends_or_begins;
        match c {
            ' ' | '\t' | '\n' | '\r' if !inside => Some(""),
            // These are found in strings only.
            c => escape_of_html(c),
        }
    });
}

fn push_replaced(out: &mut Vec<u8>, text: &str, mut replacement: impl FnMut(char) -> Option<&'static str>) {
    let mut from = 0;
    for (at, c) in text.char_indices() {
        if let Some(other) = replacement(c) {
            out.extend_from_slice(&text.as_bytes()[from..at]);
            out.extend_from_slice(other.as_bytes());
            from = at + c.len_utf8();
        }
    }
    out.extend_from_slice(&text.as_bytes()[from..]);
}

fn escape(c: char) -> Option<&'static str> {
    match c {
        '"' => Some(r#"\""#),
        '\\' => Some(r"\\"),
        '\n' => Some(r"\n"),
        '\r' => Some(r"\r"),
        '\t' => Some(r"\t"),
        '\0'..' ' => Some(CONTROLS[c as usize]),
        c => escape_of_html(c),
    }
}

fn escape_of_html(c: char) -> Option<&'static str> {
    match c {
        '&' => Some(r"\u0026"),
        '<' => Some(r"\u003c"),
        '>' => Some(r"\u003e"),
        '\u{2028}' => Some(r"\u2028"),
        '\u{2029}' => Some(r"\u2029"),
        _ => None,
    }
}

#[rustfmt::skip]
const CONTROLS: [&str; 32] = [
    r"\u0000", r"\u0001", r"\u0002", r"\u0003", r"\u0004", r"\u0005", r"\u0006", r"\u0007",
    r"\u0008", r"\u0009", r"\u000a", r"\u000b", r"\u000c", r"\u000d", r"\u000e", r"\u000f",
    r"\u0010", r"\u0011", r"\u0012", r"\u0013", r"\u0014", r"\u0015", r"\u0016", r"\u0017",
    r"\u0018", r"\u0019", r"\u001a", r"\u001b", r"\u001c", r"\u001d", r"\u001e", r"\u001f",
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn string(text: &[u8]) -> String {
        let mut out = Vec::new();
        push_string(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    fn compact(json: &str) -> String {
        let mut out = Vec::new();
        push_compact(&mut out, json);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn strings_are_escaped_as_go_does() {
        let check = |text: &[u8], expected: &str| assert_eq!(string(text), expected);
        check(b"", r#""""#);
        check(b"a\"b\\c/", r#""a\"b\\c/""#);
        check(b"\n\r\t\0\x08\x0c\x1f\x7f", "\"\\n\\r\\t\\u0000\\u0008\\u000c\\u001f\x7f\"");
        check(b"<a href='x'>&", r#""\u003ca href='x'\u003e\u0026""#);
        check("ü\u{2028}\u{2029}\u{1f600}".as_bytes(), "\"ü\\u2028\\u2029\u{1f600}\"");
        check(b"a\xffb\xe2\x82c", r#""a\ufffdb\ufffd\ufffdc""#);
    }

    #[test]
    fn white_space_goes_from_between_tokens_and_stays_in_strings() {
        let check = |json: &str, expected: &str| assert_eq!(compact(json), expected);
        check(" { \"a b\" :\n[ 1 , 2.50 ]\t}\r\n", r#"{"a b":[1,2.50]}"#);
        check(r#"" \" \\" "#, r#"" \" \\""#);
        check(r#"[ "\\\"" , "<" ]"#, r#"["\\\"","\u003c"]"#);
        check("12345678901234567890123 ", "12345678901234567890123");
    }

    proptest! {
        #[test]
        fn a_parser_reads_back_what_was_written(text: String) {
            prop_assert_eq!(serde_json::from_str::<String>(&string(text.as_bytes())).unwrap(), text);
        }

        #[test]
        fn a_compact_text_says_the_same(key in "\\PC*", value: String, number: i64) {
            let value = serde_json::json!({ key: [value, number, { "\\\" ": null }] });
            let compacted = compact(&serde_json::to_string_pretty(&value).unwrap());
            prop_assert_eq!(serde_json::from_str::<Value>(&compacted).unwrap(), value);
        }
    }
}
