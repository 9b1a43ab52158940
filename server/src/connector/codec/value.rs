//! What an event says, in the form in which it is at hand.

use std::borrow::Cow;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde_json::Value as Tree;

/// What an event says.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Bytes of which nothing is known.
    Binary(Bytes),
    /// One JSON value, as it was written.
    Json(JsonText),
    /// UTF-8.
    Text(Bytes),
    /// What had to be taken apart.
    Tree(Tree),
}

/// Text that was checked to be one JSON value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JsonText {
    /// The text, without white space around it.
    pub(super) text: Bytes,
    /// Is there no white space between its words?
    pub(super) is_compact: bool,
}

impl JsonText {
    /// The text.
    #[must_use]
    pub fn text(&self) -> &Bytes {
        &self.text
    }
}

impl Value {
    /// The value as a tree. Bytes are a text in base 64.
    #[must_use]
    pub fn to_tree(&self) -> Cow<'_, Tree> {
        match self {
            Self::Binary(bytes) => Cow::Owned(Tree::String(BASE64_STANDARD.encode(bytes))),
            Self::Json(json) => Cow::Owned(serde_json::from_slice(&json.text).unwrap_or_default()),
            Self::Text(text) => Cow::Owned(Tree::String(String::from_utf8_lossy(text).into_owned())),
            Self::Tree(tree) => Cow::Borrowed(tree),
        }
    }

    /// Appends the value as JSON without white space. Text that was JSON keeps its order of keys
    /// and the spelling of its numbers.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Self::Json(json) if json.is_compact => out.extend_from_slice(&json.text),
            Self::Json(json) => compact(&json.text, out),
            other => serde_json::to_writer(out, &*other.to_tree()).expect("a tree is always JSON"),
        }
    }

    /// The value as bytes: text and bytes as they are, a text in JSON without its quotes, anything
    /// else as JSON.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Binary(bytes) | Self::Text(bytes) => bytes.clone(),
            Self::Json(json) if json.is_compact && !json.text.starts_with(b"\"") => json.text.clone(),
            other => match other.to_tree().into_owned() {
                Tree::String(text) => text.into(),
                _ => {
                    let mut out = Vec::new();
                    other.write_json(&mut out);
                    out.into()
                }
            },
        }
    }

    /// The text at a path such as `$.a.b`, if there is one.
    #[must_use]
    pub fn text_at(&self, path: &str) -> Option<String> {
        let tree = self.to_tree();
        let mut at = &*tree;
        for step in path.trim_start_matches('$').split('.').filter(|step| !step.is_empty()) {
            at = at.get(step)?;
        }
        at.as_str().map(str::to_owned)
    }
}

impl From<Tree> for Value {
    fn from(tree: Tree) -> Self {
        Self::Tree(tree)
    }
}

/// Copies JSON without the white space between its words.
fn compact(text: &[u8], out: &mut Vec<u8>) {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for &byte in text {
        if is_quoted {
            is_quoted = byte != b'"' || is_escaped;
            is_escaped = byte == b'\\' && !is_escaped;
        } else if byte == b'"' {
            is_quoted = true;
        } else if byte.is_ascii_whitespace() {
            continue;
        }
        out.push(byte);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn white_space_between_words_goes_and_that_within_them_stays() {
        let mut out = Vec::new();
        compact(b"{ \"a b\\\" \" : [ 1e3 ,\n\"\\\\\" , true ] }", &mut out);
        assert_eq!(out, b"{\"a b\\\" \":[1e3,\"\\\\\",true]}");
    }

    #[test]
    fn a_text_is_found_by_its_path() {
        let value = Value::Tree(json!({"a": {"b": "c"}, "n": 1}));
        assert_eq!(value.text_at("$.a.b").as_deref(), Some("c"));
        assert_eq!(value.text_at("a.b").as_deref(), Some("c"));
        assert_eq!((value.text_at("$.n"), value.text_at("$.x.y")), (None, None));
    }
}
