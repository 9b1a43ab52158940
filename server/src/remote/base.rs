//! Where a node answers, as flags, environment and contexts write it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use http::Uri;
use http::uri::{Authority, PathAndQuery};

/// Where a node answers.
///
/// ```
/// use hotfn_server::remote::Base;
///
/// let base: Base = "http://fn.example/behind/".parse()?;
/// assert_eq!(base.to_string(), "http://fn.example/behind");
/// # Ok::<(), hotfn_server::remote::base::Malformed>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Base {
    /// At a host and a port.
    Http {
        /// Within TLS: `https`.
        is_encrypted: bool,
        /// Both; without a port it is the scheme's.
        authority: Authority,
        /// What its paths begin with, where a proxy puts it below a path of its own; no slash at its end.
        prefix: String,
    },
    /// At a unix socket of this host.
    Unix(PathBuf),
}

/// Nowhere that a node could answer.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{text:?} is not where a node answers; write it as http://HOST:PORT, https://HOST:PORT or unix:///PATH")]
pub struct Malformed {
    text: String,
}

impl Base {
    /// Is it certainly on this machine?
    #[must_use]
    pub fn is_here(&self) -> bool {
        match self {
            Self::Http { authority, .. } => {
                let host = host(authority);
                host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
            }
            Self::Unix(_) => true,
        }
    }

    /// What a request for `path` says it is for.
    ///
    /// # Panics
    /// When `path` is none: it begins with a slash and is escaped as a URL's.
    pub(super) fn target(&self, path: &str) -> Uri {
        let target = match self {
            Self::Http { prefix, .. } => format!("{prefix}{path}"),
            Self::Unix(_) => path.to_owned(),
        };
        target.parse::<PathAndQuery>().expect("paths are made of escaped parts").into()
    }
}

impl FromStr for Base {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = || Malformed { text: text.to_owned() };
        if let Some(path) = text.strip_prefix("unix:") {
            // `unix:///run/s`, and `unix:/run/s` as others write it.
            let path = path.strip_prefix("//").unwrap_or(path);
            return path.starts_with('/').then(|| Self::Unix(path.into())).ok_or_else(malformed);
        }
        let uri: Uri = text.parse().map_err(|_| malformed())?;
        match (uri.scheme_str(), uri.authority(), uri.query()) {
            (Some(scheme @ ("http" | "https")), Some(authority), None) if !host(authority).is_empty() => {
                Ok(Self::Http {
                    is_encrypted: scheme == "https",
                    authority: authority.clone(),
                    prefix: uri.path().trim_end_matches('/').to_owned(),
                })
            }
            _ => Err(malformed()),
        }
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http { is_encrypted: true, authority, prefix } => write!(f, "https://{authority}{prefix}"),
            Self::Http { is_encrypted: false, authority, prefix } => write!(f, "http://{authority}{prefix}"),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

/// The host, an IPv6 address without its brackets.
pub(super) fn host(authority: &Authority) -> &str {
    authority.host().trim_start_matches('[').trim_end_matches(']')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_names_its_place() {
        let check = |text: &str, shown: Option<&str>, is_here: bool| {
            let base: Result<Base, Malformed> = text.parse();
            assert_eq!(base.as_ref().ok().map(Base::to_string).as_deref(), shown, "{text}");
            assert_eq!(base.is_ok_and(|base| base.is_here()), is_here, "{text}");
        };
        check("http://127.0.0.1:8080", Some("http://127.0.0.1:8080"), true);
        check("http://localhost/", Some("http://localhost"), true);
        check("http://[::1]:9/", Some("http://[::1]:9"), true);
        check("http://fn.example/a/b/", Some("http://fn.example/a/b"), false);
        check("https://fn.example:8443/", Some("https://fn.example:8443"), false);
        check("unix:///run/hotfn.sock", Some("unix:///run/hotfn.sock"), true);
        check("unix:/run/hotfn.sock", Some("unix:///run/hotfn.sock"), true);
        for text in ["", "localhost:8080", "127.0.0.1", "ftp://h", "http://", "http://h/?a=b", "unix:run", "unix://h/s"]
        {
            check(text, None, false);
        }
    }

    #[test]
    fn a_proxys_path_comes_before_ours() {
        let target = |base: &str| base.parse::<Base>().unwrap().target("/v2/apps?name=a").to_string();
        assert_eq!(target("http://h/fn/"), "/fn/v2/apps?name=a");
        assert_eq!(target("http://h"), "/v2/apps?name=a");
        assert_eq!(target("unix:///s"), "/v2/apps?name=a");
    }
}
