//! Where a store is kept, as flags, environment and config file say it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where a store is kept.
///
/// ```
/// use hotfn_server::store::Url;
///
/// assert_eq!("sqlite3:///var/lib/fn/fn.db".parse(), Ok(Url::Sqlite("/var/lib/fn/fn.db".into())));
/// assert_eq!("memory".parse(), Ok(Url::Memory));
/// ```
#[derive(Clone, Eq, PartialEq)]
pub enum Url {
    /// Nowhere: it is forgotten when the node ends.
    Memory,
    /// In a Postgres database, which several nodes may share. The URL as Postgres' own clients
    /// read it.
    Postgres(String),
    /// In a file of SQLite's, made with its folder when it is not there.
    Sqlite(PathBuf),
}

/// No URL of a store.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("no store can be kept there; write memory, sqlite3:///PATH or postgres://USER:PASSWORD@HOST/NAME")]
pub struct UnknownUrl;

impl FromStr for Url {
    type Err = UnknownUrl;

    fn from_str(text: &str) -> Result<Self, UnknownUrl> {
        if text == "memory" {
            return Ok(Self::Memory);
        }
        match text.split_once("://") {
            Some(("postgres" | "postgresql", rest)) if !rest.is_empty() => Ok(Self::Postgres(text.to_owned())),
            // Fn's spelling, and the one that everybody else has.
            Some(("sqlite3" | "sqlite", path)) if !path.is_empty() => Ok(Self::Sqlite(path.into())),
            _ => Err(UnknownUrl),
        }
    }
}

/// Without the password.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::Postgres(url) => {
                let whole = url.split_once("://").map_or(&**url, |(_, rest)| rest);
                // A password may also stand in the query; or what looks like one begins within a password.
                let place = whole.split('?').next().unwrap_or_default();
                let shown = match place.rsplit_once('@') {
                    Some((_, host)) => host,
                    None if whole.contains('@') && place.contains(':') => "…",
                    None => place,
                };
                write!(f, "postgres://{shown}")
            }
            Self::Sqlite(path) => write!(f, "sqlite3://{}", path.display()),
        }
    }
}

/// Settings are logged.
impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_names_its_store() {
        let check = |text: &str, expected: Result<Url, UnknownUrl>| assert_eq!(text.parse(), expected, "{text}");
        check("memory", Ok(Url::Memory));
        check("sqlite3:///a/fn.db", Ok(Url::Sqlite("/a/fn.db".into())));
        check("sqlite://data/fn.db", Ok(Url::Sqlite("data/fn.db".into())));
        for text in ["postgres://u:p@h/db", "postgresql://h/db?sslmode=disable"] {
            check(text, Ok(Url::Postgres(text.to_owned())));
        }
        for text in ["", "sqlite3://", "mysql://h/db", "/a/fn.db", "postgres://"] {
            check(text, Err(UnknownUrl));
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let check = |text: &str, expected: &str| {
            let url: Url = text.parse().unwrap();
            assert_eq!(url.to_string(), expected);
            assert_eq!(format!("{url:?}"), format!("\"{expected}\""));
        };
        check("postgres://u:p@ss@h:5432/db", "postgres://h:5432/db");
        check("postgres://h/db?password=p@s", "postgres://h/db");
        check("postgres://u:pa?s@h/db", "postgres://…");
        check("postgres://h:5432/db?connect_timeout=3", "postgres://h:5432/db");
        check("sqlite3:///a/fn.db", "sqlite3:///a/fn.db");
    }
}
