//! Secrets of a config file: values, or the names of files that hold them.
//!
//! ```toml
//! [function.secrets]
//! PASSWORD = "opensesame"
//! API_KEY = { file = "api-key" }   # beside the config file; white space around it is left out
//! ```
//!
//! Whatever is wrong with one, no message shows it.

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
        let missing = read("A = { file = \"none\" }", folder.path()).unwrap_err().to_string();
        assert!(missing.contains("none cannot be read"), "{missing}");
    }
}
