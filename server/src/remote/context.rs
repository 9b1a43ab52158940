//! Which node is meant.
//!
//! The Fn CLI notes the nodes it talks to in files, its contexts, and which of them is in use:
//!
//! ```yaml
//! # ~/.fn/config.yaml
//! current-context: prod
//! ```
//!
//! ```yaml
//! # ~/.fn/contexts/prod.yaml
//! provider: default
//! api-url: http://fn.example:8080
//! registry: registry.example/me
//! ```
//!
//! Who has used that CLI has said already where the node is, so these files are read, and never written. The
//! first of these that says something counts:
//!
//! 1. `--api-url`
//! 2. `--context`, by the context's `api-url`
//! 3. `FN_API_URL`
//! 4. `FN_CONTEXT`
//! 5. the context in use
//! 6. a node on this machine, at Fn's port
//!
//! The token is `HOTFN_TOKEN`, else `FN_TOKEN`, else the `token` of the context that said where; a context's
//! token is sent nowhere else.

use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::base::{self, Base};
use super::{MalformedToken, Node, Token};
use crate::config::env;
use crate::tls::Trust;

/// Where a node's API is.
pub const API_URL: &str = "FN_API_URL";
/// The name of the context to use.
pub const CONTEXT: &str = "FN_CONTEXT";
/// What opens a node's API.
pub const TOKEN: &str = "HOTFN_TOKEN";
/// The same, for whoever uses the Fn CLI as well.
pub const FN_TOKEN: &str = "FN_TOKEN";

/// A file with the certificates of those whose word counts for who a node is, as PEM.
pub const CA_FILE: &str = "HOTFN_CA_FILE";

/// Where a node is that nobody says anything of.
const USUAL: &str = "http://127.0.0.1:8080";

/// What a person asked for on the command line.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// This place.
    pub api_url: Option<Base>,
    /// The place that the context of this name says.
    pub context: Option<String>,
    /// Believed as the certificates in this file say.
    pub ca_file: Option<PathBuf>,
}

/// Why it is not known which node is meant.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    /// A place that is none.
    #[error("{from}: {source}")]
    Base {
        /// The variable or the file that has it.
        from: String,
        /// What is the matter.
        source: base::Malformed,
    },
    /// There is no such context.
    #[error("there is no context {name:?} ({} is not there); choose another with --context, or say --api-url", .file.display())]
    Missing {
        /// Its name.
        name: String,
        /// Where it would be.
        file: PathBuf,
    },
    /// It names nobody that we know how to ask.
    #[error(
        "the context {name:?} is for the provider {provider:?}, whose requests are not a node's; choose another with \
         --context, or say --api-url"
    )]
    Provider {
        /// The context's name.
        name: String,
        /// What stands there.
        provider: String,
    },
    /// A token that cannot be sent.
    #[error("{from}: {source}")]
    Token {
        /// The variable or the file that has it.
        from: String,
        /// What is the matter.
        source: MalformedToken,
    },
    /// A file that cannot be followed.
    #[error("{}: {what}", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What is the matter.
        what: String,
    },
}

/// The node that is meant by what was asked for and by the environment, seen through `lookup`.
///
/// # Errors
/// When something that says where it is cannot be followed.
pub fn node(asked: Asked, lookup: &dyn Fn(&str) -> Option<String>) -> Result<Node, ContextError> {
    let said = |name: &str| lookup(name).filter(|value| !value.is_empty());
    let home = said("HOME").map(|home| PathBuf::from(home).join(".fn"));
    let by_name = |name: String| Context::named(home.as_deref(), name).map(Some);
    let (base, context) = match (asked.api_url, asked.context, said(API_URL), said(CONTEXT)) {
        (Some(base), ..) => (Some(base), None),
        (None, Some(name), ..) => (None, by_name(name)?),
        (None, None, Some(url), _) => (Some(read(API_URL, &url)?), None),
        (None, None, None, Some(name)) => (None, by_name(name)?),
        (None, None, None, None) => match home.as_deref().map(in_use).transpose()?.flatten() {
            Some(name) => (None, by_name(name)?),
            None => (None, None),
        },
    };
    let token = match (said(TOKEN), said(FN_TOKEN), context.as_ref().and_then(|context| context.token.clone())) {
        (Some(token), ..) => Some((TOKEN.to_owned(), token)),
        (None, Some(token), _) => Some((FN_TOKEN.to_owned(), token)),
        (None, None, token) => token,
    };
    let token =
        token.map(|(from, text)| Token::new(text.trim()).map_err(|source| ContextError::Token { from, source }));
    let base = match (base, context.and_then(|context| context.base)) {
        (Some(base), _) | (None, Some(base)) => base,
        (None, None) => USUAL.parse().expect("our own port is a place"),
    };
    Ok(Node::new(base, token.transpose()?).trusting(trust(asked.ca_file, lookup)))
}

/// Who is believed: those of `ca_file`, else of the file that the environment names, else this machine's roots.
pub fn trust(ca_file: Option<PathBuf>, lookup: &dyn Fn(&str) -> Option<String>) -> Trust {
    let named = || lookup(CA_FILE).filter(|value| !value.is_empty()).map(PathBuf::from);
    ca_file.or_else(named).map_or(Trust::System, Trust::File)
}

/// The same as the process sees it.
///
/// # Errors
/// As those of [`node`].
pub fn of_process(asked: Asked) -> Result<Node, ContextError> {
    node(asked, &env::process)
}

/// What a context says.
struct Context {
    base: Option<Base>,
    /// With where it stands.
    token: Option<(String, String)>,
}

/// `contexts/NAME.yaml`, of which the rest is the Fn CLI's own.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct ContextFile {
    api_url: Option<String>,
    provider: Option<String>,
    token: Option<String>,
}

/// `config.yaml`, of which the rest is the Fn CLI's own.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct ConfigFile {
    current_context: Option<String>,
}

/// Of the Fn CLI's providers, the one that asks a server as ours is asked.
const PROVIDER: &str = "default";

impl Context {
    fn named(home: Option<&Path>, name: String) -> Result<Self, ContextError> {
        let folder = home.unwrap_or_else(|| Path::new("~/.fn")).join("contexts");
        let file = folder.join(format!("{name}.yaml"));
        // A name is no path: whoever has one says --api-url.
        let found = if name.contains('/') { None } else { yaml::<ContextFile>(&file)? };
        let Some(said) = found else { return Err(ContextError::Missing { name, file }) };
        if let Some(provider) = said.provider.filter(|provider| !provider.is_empty() && provider != PROVIDER) {
            return Err(ContextError::Provider { name, provider });
        }
        let from = file.display().to_string();
        let url = said.api_url.filter(|url| !url.is_empty());
        Ok(Self {
            base: url.map(|url| read(&from, &url)).transpose()?,
            token: said.token.filter(|token| !token.is_empty()).map(|token| (from, token)),
        })
    }
}

/// The context in use, if the Fn CLI was ever told.
fn in_use(home: &Path) -> Result<Option<String>, ContextError> {
    let config: Option<ConfigFile> = yaml(&home.join("config.yaml"))?;
    Ok(config.and_then(|config| config.current_context).filter(|name| !name.is_empty()))
}

/// What `file` says, if it is there. An empty one says nothing.
fn yaml<T: Default + for<'de> Deserialize<'de>>(file: &Path) -> Result<Option<T>, ContextError> {
    let unreadable = |what: String| ContextError::Unreadable { file: file.to_owned(), what };
    match std::fs::read_to_string(file) {
        Ok(text) if text.trim().is_empty() => Ok(Some(T::default())),
        Ok(text) => saphyr::from_str(&text).map(Some).map_err(|e| unreadable(e.without_snippet().to_string())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(unreadable(e.to_string())),
    }
}

fn read(from: &str, url: &str) -> Result<Base, ContextError> {
    url.trim().parse().map_err(|source| ContextError::Base { from: from.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A home with contexts `here` (in use) and `prod`, which has a token.
    fn home() -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| fs::write(home.path().join(".fn").join(file), text).unwrap();
        fs::create_dir_all(home.path().join(".fn/contexts")).unwrap();
        write("config.yaml", "cli-version: 0.6.40\ncurrent-context: here\n");
        write("contexts/here.yaml", "api-url: http://localhost:8081\nprovider: default\nregistry: \"\"\n");
        write("contexts/prod.yaml", "api-url: http://fn.example\nprovider: default\ntoken: of-prod\n");
        write("contexts/bare.yaml", "");
        write("contexts/oracle.yaml", "provider: oracle\napi-url: https://x\n");
        write("contexts/odd.yaml", "api-url: fn.example\n");
        home
    }

    fn check(home: &Path, asked: (Option<&str>, Option<&str>), pairs: &[(&str, &str)], expected: Result<&str, &str>) {
        let lookup = |name: &str| match name {
            "HOME" => Some(home.display().to_string()),
            name => pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()),
        };
        let (url, context) = asked;
        let given =
            Asked { api_url: url.map(|url| url.parse().unwrap()), context: context.map(str::to_owned), ca_file: None };
        let found = node(given, &lookup);
        match (&found, expected) {
            (Ok(node), Ok(place)) => assert_eq!(node.base().to_string(), place, "{asked:?} {pairs:?}"),
            (Err(e), Err(part)) => assert!(e.to_string().contains(part), "{asked:?} {pairs:?}: {e}"),
            _ => panic!("{asked:?} {pairs:?}: {found:?}"),
        }
    }

    #[test]
    fn the_nearest_word_counts() {
        let home = home();
        let check = |asked, pairs: &[(&str, &str)], expected| check(home.path(), asked, pairs, Ok(expected));
        check((None, None), &[], "http://localhost:8081");
        check((None, None), &[(CONTEXT, "prod")], "http://fn.example");
        check((None, None), &[(CONTEXT, "prod"), (API_URL, "http://env")], "http://env");
        check((None, Some("prod")), &[(API_URL, "http://env")], "http://fn.example");
        check((Some("unix:///s"), Some("prod")), &[(API_URL, "http://env")], "unix:///s");
        check((None, Some("bare")), &[], USUAL);
        super::tests::check(Path::new("/nowhere"), (None, None), &[], Ok(USUAL));
    }

    #[test]
    fn what_cannot_be_followed_is_named() {
        let home = home();
        let check = |context, pairs: &[(&str, &str)], part| check(home.path(), (None, context), pairs, Err(part));
        check(Some("nowhere"), &[], "there is no context \"nowhere\"");
        check(Some("../config"), &[], "there is no context \"../config\"");
        check(Some("oracle"), &[], "provider \"oracle\"");
        check(Some("odd"), &[], "odd.yaml: \"fn.example\" is not where a node answers");
        check(None, &[(API_URL, "fn.example:80")], "FN_API_URL: \"fn.example:80\" is not where a node answers");
        check(None, &[(TOKEN, "two words")], "HOTFN_TOKEN: the token holds what no token has");
        fs::write(home.path().join(".fn/config.yaml"), "current-context: [a]\n").unwrap();
        check(None, &[], "config.yaml: ");
    }

    #[test]
    fn a_contexts_token_goes_nowhere_else() {
        let home = home();
        let token = |url: Option<&str>, context: Option<&str>, pairs: &[(&str, &str)]| {
            let lookup = |name: &str| match name {
                "HOME" => Some(home.path().display().to_string()),
                name => pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()),
            };
            let asked = Asked {
                api_url: url.map(|url| url.parse().unwrap()),
                context: context.map(str::to_owned),
                ca_file: None,
            };
            node(asked, &lookup).unwrap().token
        };
        let is = |text: &str| Some(Token::new(text).unwrap());
        assert_eq!(token(None, Some("prod"), &[]), is("of-prod"));
        assert_eq!(token(Some("http://other"), Some("prod"), &[]), None);
        assert_eq!(token(None, None, &[]), None);
        assert_eq!(token(None, Some("prod"), &[(FN_TOKEN, "fns"), (TOKEN, "ours\n")]), is("ours"));
        assert_eq!(token(Some("http://other"), None, &[(FN_TOKEN, "fns")]), is("fns"));
    }
}
