//! `app.yaml`, as the Fn CLI reads it: the app of a folder of functions.
//!
//! ```yaml
//! name: shop
//! config:
//!   GREETING: hi
//! annotations:
//!   owner: me
//! ```
//!
//! Its keys are few and all of them are meant, so one that is unknown is refused, where `func.yaml` has a good
//! deal that is not for us.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::ProjectError;
use super::manifest::{Scalar, keyed, variables};
use crate::config::function as limit;

/// What an `app.yaml` says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AppFile {
    /// The app's name, if it says one.
    pub name: Option<String>,
    /// The environment of all its functions.
    pub config: BTreeMap<String, String>,
    /// What others note down with it.
    pub annotations: BTreeMap<String, Value>,
    /// Where its logs are wanted; kept for others.
    pub syslog_url: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: Option<String>,
    #[serde(default)]
    config: BTreeMap<String, Scalar>,
    #[serde(default)]
    annotations: BTreeMap<String, Value>,
    syslog_url: Option<String>,
}

/// Where it stands in a folder: the first of these that is there.
pub(super) const FILES: [&str; 2] = ["app.yaml", "app.yml"];

impl AppFile {
    /// The one in `dir`, if there is one.
    ///
    /// # Errors
    /// When it cannot be followed.
    pub fn of(dir: &Path) -> Result<Option<Self>, ProjectError> {
        super::manifest(dir, &FILES, Self::parse)
    }

    /// Reads the text of one. An empty one says nothing.
    ///
    /// # Errors
    /// With one sentence about the first thing that cannot be followed.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.lines().all(|line| line.trim().is_empty() || line.trim().starts_with('#')) {
            return Ok(Self::default());
        }
        let file: File = saphyr::from_str(text).map_err(|e| e.without_snippet().to_string())?;
        let said = |text: Option<String>| text.filter(|text| !text.is_empty());
        let name = said(file.name);
        name.as_deref().map(limit::app).transpose().map_err(keyed("name"))?;
        Ok(Self {
            name,
            config: variables(file.config)?,
            annotations: file.annotations,
            syslog_url: said(file.syslog_url),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::manifest::testing::bomb;
    use super::*;

    #[test]
    fn what_the_cli_reads_is_understood() {
        let text =
            "name: shop\nconfig:\n  GREETING: hi\n  PORT: 80\nannotations:\n  a: {b: 1}\nsyslog_url: udp://log:514\n";
        let expected = AppFile {
            name: Some("shop".into()),
            config: [("GREETING", "hi"), ("PORT", "80")].map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            annotations: [("a".to_owned(), json!({"b": 1}))].into(),
            syslog_url: Some("udp://log:514".into()),
        };
        assert_eq!(AppFile::parse(text).unwrap(), expected);
        assert_eq!(AppFile::parse("# nothing yet\n\n").unwrap(), AppFile::default());
    }

    #[test]
    fn what_cannot_be_followed_is_named() {
        for (text, part) in [
            ("nmae: shop\n", "nmae"),
            ("name: a b\n", "name: \"a b\" is not an app's name; use letters, digits, _ and -"),
            ("name: [shop]\n", "line 1"),
            ("config: GREETING\n", "line 1"),
            ("config: {A: [1]}\n", "line 1"),
            ("config: {\"A=B\": x}\n", "config: \"A=B\" cannot be an environment variable"),
            ("- shop\n", "line 1"),
            ("name: shop\nname: shoe\n", "name"),
        ] {
            let e = AppFile::parse(text).unwrap_err();
            assert!(e.contains(part), "{text}: {e}");
        }
        let e = AppFile::parse(&bomb()).unwrap_err();
        assert!(e.contains("budget"), "{e}");
    }
}
