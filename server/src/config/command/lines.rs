//! What an existing host says: lines of its old file, and the environment.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::config::LoadError;

/// The environment's names, and those of the old file.
pub const BIND: &str = "BIND";
/// The key.
pub const SECRET_KEY: &str = "SECRET_KEY";
/// The key before, which is good as well.
pub const SECRET_KEY_PREVIOUS: &str = "SECRET_KEY_PREVIOUS";

/// What the environment or an old file says.
#[derive(Clone, Debug, Default)]
pub struct Lines(BTreeMap<String, String>);

impl Lines {
    /// The process's environment, and beneath it the file at `path` if one is given: `NAME=VALUE` a
    /// line, values in quotes or not, `#` begins a comment.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn load(env: &dyn Fn(&str) -> Option<String>, path: Option<&Path>) -> Result<Self, LoadError> {
        let mut lines = match path {
            Some(path) => {
                let text =
                    fs::read_to_string(path).map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
                Self::parse(&text)
            }
            None => Self::default(),
        };
        for name in [BIND, SECRET_KEY, SECRET_KEY_PREVIOUS] {
            if let Some(value) = env(name).filter(|value| !value.is_empty()) {
                lines.0.insert(name.to_owned(), value);
            }
        }
        Ok(lines)
    }

    /// As [`Lines::load`], of a file's text.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        let pairs = lines.filter_map(|line| line.split_once('='));
        Self(pairs.map(|(name, value)| (name.trim().to_owned(), unquote(value.trim()).to_owned())).collect())
    }

    /// The value of a name, if it has one.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

fn unquote(value: &str) -> &str {
    let within = |quote| value.strip_prefix(quote).and_then(|value| value.strip_suffix(quote));
    within('"').or_else(|| within('\'')).unwrap_or(value)
}
