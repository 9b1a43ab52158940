//! What a person may note with an app, a function or a trigger on the command line.

use std::fs;
use std::str::FromStr;

use serde_json::{Map, Value};

use hotfn::Secret;

use super::input::Variable;

/// The environment of an app's functions, or of one function.
#[derive(clap::Args, Debug, Default)]
pub(super) struct ConfigArgs {
    /// A variable of the environment, and without a value none of that name; may be given many times
    #[arg(short, long, value_name = "NAME=VALUE")]
    config: Vec<Variable>,
    /// A variable that nobody else is shown, whose value is what FILE holds, and without a file none of that name; may
    /// be given many times
    #[arg(long = "secret", value_name = "NAME=FILE")]
    secrets: Vec<SecretOfFile>,
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
        let secrets = self.secrets.into_iter().map(|SecretOfFile(name, secret)| (name, secret.reveal().into()));
        put(body, "secrets", secrets.collect());
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

/// A secret stands in a file and not on a command line, which other users may read and shells remember.
#[derive(Clone, Debug)]
struct SecretOfFile(String, Secret);

impl FromStr for SecretOfFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, file) = text.split_once('=').ok_or("a secret is written NAME=FILE")?;
        let value = match file {
            "" => String::new(),
            file => fs::read_to_string(file).map_err(|e| format!("{file} cannot be read: {e}"))?,
        };
        Ok(Self(name.to_owned(), Secret::new(value.trim())))
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
    fn a_secret_is_what_its_file_holds() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "opensesame\n").unwrap();
        let read: SecretOfFile = format!("KEY={}", file.path().display()).parse().unwrap();
        assert!(!format!("{read:?}").contains("opensesame"));
        let mut body = Map::new();
        let secrets = vec![read, "OLD=".parse().unwrap()];
        ConfigArgs { secrets, ..ConfigArgs::default() }.put(&mut body);
        assert_eq!(Value::from(body), json!({"secrets": {"KEY": "opensesame", "OLD": ""}}));
        for wrong in ["KEY", "KEY=/none/such"] {
            assert!(wrong.parse::<SecretOfFile>().is_err(), "{wrong}");
        }
    }

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
