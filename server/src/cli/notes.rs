//! What a person may note with an app, a function or a trigger on the command line.

use std::str::FromStr;

use serde_json::{Map, Value};

use super::input::Variable;

/// The environment of an app's functions, or of one function.
#[derive(clap::Args, Debug, Default)]
pub(super) struct ConfigArgs {
    /// A variable of the environment, and without a value none of that name; may be given many times
    #[arg(short, long, value_name = "NAME=VALUE")]
    config: Vec<Variable>,
}

/// What others note down with an object.
#[derive(clap::Args, Debug, Default)]
pub(super) struct AnnotationArgs {
    /// An annotation, as JSON or else as text, and without a value none of that key; may be given many times
    #[arg(long = "annotation", value_name = "KEY=VALUE")]
    annotations: Vec<Annotation>,
}

impl ConfigArgs {
    /// Puts them into an object's body, if there are any.
    pub(super) fn put(self, body: &mut Map<String, Value>) {
        put(body, "config", self.config.into_iter().map(|Variable(name, value)| (name, value.into())).collect());
    }
}

impl AnnotationArgs {
    /// Puts them into an object's body, if there are any.
    pub(super) fn put(self, body: &mut Map<String, Value>) {
        put(body, "annotations", self.annotations.into_iter().map(|Annotation(key, value)| (key, value)).collect());
    }
}

fn put(body: &mut Map<String, Value>, member: &str, entries: Map<String, Value>) {
    if !entries.is_empty() {
        body.insert(member.to_owned(), entries.into());
    }
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Annotation(String, Value);

impl FromStr for Annotation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, value) = text.split_once('=').ok_or("an annotation is written KEY=VALUE")?;
        Ok(Self(key.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| value.into())))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_annotation_is_json_or_text() {
        let check =
            |text: &str, value: Value| assert_eq!(text.parse(), Ok(Annotation("k".to_owned(), value)), "{text}");
        check("k=me", json!("me"));
        check("k=\"me\"", json!("me"));
        check("k={\"a\":[1]}", json!({"a": [1]}));
        check("k=", json!(""));
        check("k=a=b", json!("a=b"));
        assert!("k".parse::<Annotation>().is_err());
    }
}
