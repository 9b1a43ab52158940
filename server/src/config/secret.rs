//! Secrets of a config file: values, or the names of files that hold them.
//!
//! ```toml
//! [function.secrets]
//! PASSWORD = "opensesame"
//! API_KEY = { file = "api-key" }   # beside the config file; white space around it is left out
//! ```
//!
//! Whatever is wrong with one, no message shows it; nor what stands where other tables have values that
//! are for nobody else: keys, and the values of variables.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::IgnoredAny;
use toml::Spanned;

use hotfn::Secret;

use super::Refused;
use super::function as limit;
use super::place::Place;

/// A `[function.secrets]` table.
pub(super) type Table = BTreeMap<String, Spanned<Given>>;

/// One of its values. What is neither text nor a file is taken and then refused, because whoever
/// reads TOML would say what it was.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Given {
    Text(String),
    File(File),
    Other(IgnoredAny),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    file: PathBuf,
}

/// A text in another table that is for nobody else. What is none is refused without being said, which whoever
/// reads TOML would do.
#[derive(Clone, Deserialize)]
#[serde(try_from = "TextOrNot")]
pub(super) struct Unshown(pub(super) String);

#[derive(Deserialize)]
#[serde(untagged)]
enum TextOrNot {
    Text(String),
    Not(IgnoredAny),
}

impl TryFrom<TextOrNot> for Unshown {
    type Error = &'static str;

    fn try_from(given: TextOrNot) -> Result<Self, Self::Error> {
        match given {
            TextOrNot::Text(text) => Ok(Self(text)),
            TextOrNot::Not(_) => Err("it is to be a text; put it between quotes"),
        }
    }
}

pub(super) fn secrets(table: Table, place: &Place<'_>) -> Result<BTreeMap<String, Secret>, Refused> {
    let read = |(name, given): (String, Spanned<Given>)| {
        let secret = place.check(&given, |given| {
            let value = match given {
                Given::Text(value) => value.clone(),
                Given::File(File { file }) => {
                    let path = place.beside(file);
                    let text = fs::read_to_string(&path);
                    let text = text.map_err(|e| format!("{} cannot be read: {e}", path.display()))?;
                    text.trim().to_owned()
                }
                Given::Other(_) => return Err("a secret is a text, or { file = \"PATH\" }".to_owned()),
            };
            limit::variable(&name, &value)?;
            Ok(Secret::new(value))
        });
        secret.map(|secret| (name, secret))
    };
    table.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::command::{self, Lines};
    use super::super::parse;
    use super::*;

    fn read(given: &str, folder: &Path) -> Result<BTreeMap<String, Secret>, Refused> {
        let text = format!("[[function]]\nname = \"f\"\nimage = \"process:f\"\n[function.secrets]\n{given}\n");
        parse(&text, &folder.join("hotfn.toml"), None).map(|config| config.functions[0].function.secrets.clone())
    }

    #[test]
    fn a_secret_stands_there_or_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("key"), "  in a file\n").unwrap();
        let secrets = read("A = \"here\"\nB = { file = \"key\" }", folder.path()).unwrap();
        let expected = [("A", "here"), ("B", "in a file")].map(|(n, v)| (n.to_owned(), Secret::new(v)));
        assert_eq!(secrets, expected.into());
    }

    #[test]
    fn no_message_shows_what_was_given() {
        let folder = tempfile::tempdir().unwrap();
        for given in [
            "A = 31337",
            "A = [31337]",
            "A = { value = \"31337\" }",
            "A = { file = 31337 }",
            "A = true",
            "\"A=B\" = \"31337\"",
            "A = \"31337\\u0000\"",
        ] {
            let refused = read(given, folder.path()).unwrap_err();
            assert!(refused.line == 5 && !refused.to_string().contains("31337"), "{given}: {refused}");
        }
        for elsewhere in [
            "[[function]]\nname = \"f\"\nimage = \"process:f\"\nconfig = { A = 31337 }",
            "[exec.command.f]\npath = \"/f\"\n[exec.command.f.env]\nA = 31337",
            "[command]\nsecret_key = 31337",
            "[[command.key]]\nname = \"k\"\nsecret_key = 31337",
            "[command.env]\nA = 31337",
        ] {
            let place = Path::new("hotfn.toml");
            let commands = command::parse(elsewhere, place, &Lines::default()).map(drop);
            let refused = parse(elsewhere, place, None).map(drop).and(commands);
            let refused = refused.unwrap_err().to_string();
            assert!(refused.contains("it is to be a text") && !refused.contains("31337"), "{elsewhere}: {refused}");
        }
        let missing = read("A = { file = \"none\" }", folder.path()).unwrap_err().to_string();
        assert!(missing.contains("none cannot be read"), "{missing}");
    }
}
