//! The `[command]` table, and what an existing host says in its old file and the environment.
//!
//! ```toml
//! [command]
//! bind = ["127.0.0.1:8099", "unix:/run/hotfn/command.sock"]
//! secret_key_file = "/etc/hotfn/command.key"
//! mode = "list"
//! max_run_s = 3600
//!
//! [exec.command.backup]
//! path = "/usr/local/bin/backup"
//! args = ["--quiet"]
//! ```
//!
//! The names are those of the contract. `BIND`, `SECRET_KEY` and `SECRET_KEY_PREVIOUS` count before
//! the table, from the environment or from a file of such lines, which is all that the platform's own
//! service has.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hotfn_exec::rules::{Machine, World as _};
use http::StatusCode;
use serde::Deserialize;
use toml::Spanned;

use super::exec::{self, ExecTable};
use super::place::Place;
use super::{LoadError, Refused};
use crate::command::bind::{self, Bind};
use crate::command::{
    Algorithm, Bounds, CallbackFields, Caller, Config, Key, Listed, Mode, Privileges, Secret, Settings, Strays,
};

/// The environment's names, and those of the old file.
pub const BIND: &str = "BIND";
/// The key.
pub const SECRET_KEY: &str = "SECRET_KEY";
/// The key before, which is good as well.
pub const SECRET_KEY_PREVIOUS: &str = "SECRET_KEY_PREVIOUS";

/// Names of the two keys that have no other.
const CURRENT: &str = "default";
const PREVIOUS: &str = "previous";

/// What the environment or an old file says.
#[derive(Clone, Debug, Default)]
pub struct Lines(BTreeMap<String, String>);

/// Reads the tables `[command]` and `[exec.command.*]` of the file at `path`; `None` if there is no
/// `[command]`. `lines` count before them.
///
/// # Errors
/// When the file cannot be read, or something in these tables cannot be followed.
pub fn load(path: &Path, lines: &Lines) -> Result<Option<Settings>, LoadError> {
    let text = fs::read_to_string(path).map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
    Ok(parse(&text, path, lines)?)
}

/// As [`load`], of a text that came from `path`.
///
/// # Errors
/// At the first thing that cannot be followed.
pub fn parse(text: &str, path: &Path, lines: &Lines) -> Result<Option<Settings>, Refused> {
    let place = Place { text, path };
    let file: File = toml::from_str(text).map_err(|e| {
        let at = e.span().map_or(0, |span| span.start);
        Refused { file: path.to_owned(), line: place.line(at), key: place.key(at), what: e.message().to_owned() }
    })?;
    file.command.map(|table| settings(table, file.exec, &place, lines)).transpose()
}

/// What a service without a config file does.
///
/// # Errors
/// When one of `lines` cannot be followed.
pub fn without_file(lines: &Lines) -> Result<Settings, Refused> {
    let place = Place { text: "", path: Path::new("environment") };
    settings(Table::default(), ExecTable::default(), &place, lines)
}

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

/// Other tables have other readers.
#[derive(Deserialize)]
struct File {
    command: Option<Table>,
    #[serde(default)]
    exec: ExecTable,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    bind: Option<Spanned<Words>>,
    secret_key: Option<Spanned<String>>,
    secret_key_previous: Option<Spanned<String>>,
    secret_key_file: Option<Spanned<PathBuf>>,
    #[serde(default)]
    key: Vec<KeyTable>,
    mode: Option<ModeName>,
    shell: Option<Spanned<Words>>,
    allow_from: Option<Spanned<Words>>,
    trusted_users: Option<Spanned<Words>>,
    min_algorithm: Option<AlgorithmName>,
    callback_allow: Option<Vec<String>>,
    callback_fields: Option<FieldsName>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    /// Command lines as they are, and the commands that they mean.
    #[serde(default)]
    exact: BTreeMap<String, String>,
    user: Option<Spanned<String>>,
    strays: Option<StraysName>,
    failure_status: Option<Spanned<u16>>,
    allow_setuid_programs: Option<bool>,
    state_dir: Option<PathBuf>,
    max_concurrent: Option<Spanned<i64>>,
    max_per_peer: Option<Spanned<i64>>,
    max_body: Option<Spanned<i64>>,
    max_command: Option<Spanned<i64>>,
    max_envs: Option<Spanned<i64>>,
    max_output: Option<Spanned<i64>>,
    window_s: Option<Spanned<i64>>,
    max_nonces: Option<Spanned<i64>>,
    max_bad_signatures: Option<Spanned<i64>>,
    max_wait_s: Option<Spanned<i64>>,
    max_run_s: Option<Spanned<i64>>,
    end_grace_s: Option<Spanned<i64>>,
    max_jobs: Option<Spanned<i64>>,
    jobs_s: Option<Spanned<i64>>,
    max_jobs_output: Option<Spanned<i64>>,
    max_callbacks: Option<Spanned<i64>>,
    max_connections: Option<Spanned<i64>>,
    max_head: Option<Spanned<i64>>,
    read_timeout_s: Option<Spanned<i64>>,
    drain_s: Option<Spanned<i64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyTable {
    name: String,
    secret_key: Spanned<String>,
    mode: Option<ModeName>,
    commands: Option<Vec<String>>,
    max_concurrent: Option<usize>,
}

/// A list, or a text of words.
#[derive(Deserialize)]
#[serde(untagged)]
enum Words {
    List(Vec<String>),
    Text(String),
}

impl Words {
    fn split(&self, by: &[char]) -> Vec<String> {
        match self {
            Self::List(words) => words.clone(),
            Self::Text(text) => {
                text.split(by).map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
            }
        }
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ModeName {
    List,
    Off,
    Shell,
}

impl ModeName {
    fn mode(self) -> Mode {
        match self {
            Self::List => Mode::List,
            Self::Off => Mode::Off,
            Self::Shell => Mode::Shell,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum AlgorithmName {
    Sha1,
    Sha256,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum FieldsName {
    All,
    Pair,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum StraysName {
    Kill,
    Leave,
}

const COMMAS: &[char] = &[','];

fn settings(table: Table, exec: ExecTable, place: &Place<'_>, lines: &Lines) -> Result<Settings, Refused> {
    let bind = match (lines.find(BIND), &table.bind) {
        (Some(line), _) => Bind::list(line).map_err(|what| place.refuse(0, format!("{BIND}: {what}")))?,
        (None, Some(bind)) => place.check(bind, |bind| Bind::list(&bind.split(COMMAS).join(",")))?,
        (None, None) => Bind::list(bind::DEFAULT).expect("the default names places"),
    };
    let bounds = bounds(&table, place)?;
    let mode = table.mode.map_or_else(Mode::default, ModeName::mode);
    let keys = keys(&table, mode, place, lines)?;
    let words = |words: &Option<Spanned<Words>>, by: &[char]| words.as_ref().map(|words| words.get_ref().split(by));
    let allow_from = match &table.allow_from {
        Some(networks) => place.check(networks, |networks| {
            let parse = |word: String| word.parse().map_err(|what| format!("{word:?} is {what}"));
            networks.split(COMMAS).into_iter().map(parse).collect()
        })?,
        None => Vec::new(),
    };
    let user = |name: &str| Machine.user(name).ok_or_else(|| format!("there is no user {name:?}"));
    let trusted_users = match &table.trusted_users {
        Some(users) => place
            .check(users, |users| users.split(COMMAS).iter().map(|name| user(name).map(|user| user.uid)).collect())?,
        None => Vec::new(),
    };
    let defaults = Config::default();
    let commands = exec::exec(exec, place)?.server.commands;
    let exact = table.exact.into_iter().map(|(text, name)| Listed { text, name }).collect();
    let config = Config {
        keys,
        shell: words(&table.shell, &[' ']).unwrap_or(defaults.shell),
        allow_from,
        trusted_users,
        trusted_mode: mode,
        algorithm_min: match table.min_algorithm {
            Some(AlgorithmName::Sha256) => Algorithm::Sha256,
            Some(AlgorithmName::Sha1) | None => Algorithm::Sha1,
        },
        callback_allow: table.callback_allow.unwrap_or_default(),
        callback_fields: match table.callback_fields {
            Some(FieldsName::All) => CallbackFields::All,
            Some(FieldsName::Pair) | None => CallbackFields::Pair,
        },
        env: table.env.into_iter().collect(),
        strays: match table.strays {
            Some(StraysName::Kill) => Strays::Kill,
            Some(StraysName::Leave) | None => Strays::Leave,
        },
        failure_status: table.failure_status.map(|status| place.check(&status, |s| failure(*s))).transpose()?,
        privileges: if table.allow_setuid_programs == Some(true) { Privileges::Gain } else { Privileges::Keep },
        user: table.user.map(|name| place.check(&name, |name| user(name))).transpose()?,
        commands,
        exact,
        state_dir: table.state_dir.map(|dir| place.beside(&dir)),
        bounds,
    };
    Ok(Settings { bind, config })
}

fn failure(status: u16) -> Result<StatusCode, String> {
    let status =
        StatusCode::from_u16(status).ok().filter(|status| status.is_client_error() || status.is_server_error());
    status.ok_or_else(|| "it is no status of a failure, 400 to 599".to_owned())
}

fn keys(table: &Table, mode: Mode, place: &Place<'_>, lines: &Lines) -> Result<Vec<Arc<Key>>, Refused> {
    let caller = Arc::new(Caller { name: CURRENT.into(), mode, list: None, concurrent_max: None });
    let key = |name: &str, secret: &str, caller: &Arc<Caller>| {
        Secret::new(secret).map(|secret| Arc::new(Key { name: name.into(), secret, caller: caller.clone() }))
    };
    let of_file = match &table.secret_key_file {
        Some(path) => Some(place.check(path, |path| {
            let text = fs::read_to_string(place.beside(path));
            text.map(|text| text.trim().to_owned()).map_err(|e| format!("{} cannot be read: {e}", path.display()))
        })?),
        None => None,
    };
    let table_text = |text: &'_ Option<Spanned<String>>| text.as_ref().map(|text| text.get_ref().clone());
    let line = |name| lines.find(name).map(str::to_owned);
    let current = line(SECRET_KEY).or(of_file).or_else(|| table_text(&table.secret_key));
    let previous = line(SECRET_KEY_PREVIOUS).or_else(|| table_text(&table.secret_key_previous));
    let mut keys: Vec<Arc<Key>> = [(CURRENT, current), (PREVIOUS, previous)]
        .into_iter()
        .filter_map(|(name, secret)| key(name, &secret?, &caller))
        .collect();
    for named in &table.key {
        let at = named.secret_key.span().start;
        if [CURRENT, PREVIOUS].contains(&named.name.as_str()) || keys.iter().any(|key| *key.name == *named.name) {
            return Err(place.refuse(at, format!("the name {:?} is taken by another key", named.name)));
        }
        let caller = Arc::new(Caller {
            name: named.name.as_str().into(),
            mode: named.mode.map_or(mode, ModeName::mode),
            list: named.commands.clone(),
            concurrent_max: named.max_concurrent,
        });
        let key = key(&named.name, named.secret_key.get_ref(), &caller);
        keys.push(key.ok_or_else(|| place.refuse(at, "it is empty"))?);
    }
    Ok(keys)
}

fn bounds(table: &Table, place: &Place<'_>) -> Result<Bounds, Refused> {
    const COUNT: std::ops::RangeInclusive<u64> = 1..=1 << 20;
    const BYTES: std::ops::RangeInclusive<u64> = 1..=1 << 30;
    const SECONDS: std::ops::RangeInclusive<u64> = 0..=1 << 30;
    let d = Bounds::default();
    let number = |value: &Option<Spanned<i64>>, range, unit| place.number(value.clone(), range, unit);
    let size = |value, range, unit, default| -> Result<usize, Refused> {
        Ok(number(value, range, unit)?.map_or(default, |n| usize::try_from(n).unwrap_or(usize::MAX)))
    };
    let seconds = |value, default| Ok(number(value, SECONDS, "s")?.map_or(default, Duration::from_secs));
    Ok(Bounds {
        concurrent_max: size(&table.max_concurrent, COUNT, "", d.concurrent_max)?,
        per_peer_max: size(&table.max_per_peer, COUNT, "", d.per_peer_max)?,
        body_bytes_max: number(&table.max_body, BYTES, "bytes")?.unwrap_or(d.body_bytes_max),
        command_bytes_max: size(&table.max_command, BYTES, "bytes", d.command_bytes_max)?,
        envs_max: size(&table.max_envs, 0..=1 << 16, "", d.envs_max)?,
        output_bytes_max: size(&table.max_output, BYTES, "bytes", d.output_bytes_max)?,
        window_s: number(&table.window_s, 1..=86_400, "s")?.unwrap_or(d.window_s),
        nonces_max: size(&table.max_nonces, 1..=100_000_000, "", d.nonces_max)?,
        bad_signatures_max: number(&table.max_bad_signatures, COUNT, "")?
            .map_or(d.bad_signatures_max, |n| u32::try_from(n).unwrap_or(u32::MAX)),
        wait_max: seconds(&table.max_wait_s, d.wait_max)?,
        run_max: number(&table.max_run_s, SECONDS, "s")?.filter(|s| *s > 0).map(Duration::from_secs),
        end_grace: seconds(&table.end_grace_s, d.end_grace)?,
        remembered_max: size(&table.max_jobs, COUNT, "", d.remembered_max)?,
        remembered_for: seconds(&table.jobs_s, d.remembered_for)?,
        remembered_bytes_max: size(&table.max_jobs_output, BYTES, "bytes", d.remembered_bytes_max)?,
        callbacks_max: size(&table.max_callbacks, COUNT, "", d.callbacks_max)?,
        connections_max: size(&table.max_connections, COUNT, "", d.connections_max)?,
        head_bytes_max: size(&table.max_head, 1024..=1 << 20, "bytes", d.head_bytes_max)?,
        read_timeout: seconds(&table.read_timeout_s, d.read_timeout)?,
        drain_patience: seconds(&table.drain_s, d.drain_patience)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, lines: &str) -> Settings {
        parse(text, Path::new("hotfn.toml"), &Lines::parse(lines)).unwrap().unwrap()
    }

    fn names(settings: &Settings) -> Vec<&str> {
        settings.config.keys.iter().map(|key| &*key.name).collect()
    }

    #[test]
    fn every_key_has_its_default() {
        let settings = of("[command]\n", "");
        assert_eq!(settings.bind, Bind::list(bind::DEFAULT).unwrap());
        assert_eq!(settings.config.bounds, Bounds::default());
        assert!(settings.config.keys.is_empty());
        assert_eq!(settings.config.shell, ["/bin/sh", "-c"]);
        assert!(parse("[node]\n", Path::new("x"), &Lines::default()).unwrap().is_none());
        assert_eq!(without_file(&Lines::default()).unwrap().bind, settings.bind);
    }

    /// Case 33 of the contract.
    #[test]
    fn case_33_bind_and_secret_key_are_read_from_an_old_environment_file() {
        let old = "# Sidecar\nBIND=127.0.0.1:1,172.17.0.1:2\nSECRET_KEY=\"k e=y\"\n";
        let settings = without_file(&Lines::parse(old)).unwrap();
        assert_eq!(settings.bind, Bind::list("127.0.0.1:1,172.17.0.1:2").unwrap());
        assert_eq!(names(&settings), ["default"]);
        let statement = crate::command::Statement { method: "", path: "", nonce: "", timestamp: "", body: b"" };
        let sign = |secret: &Secret| secret.sign(Algorithm::Sha1, &statement);
        assert_eq!(sign(&settings.config.keys[0].secret), sign(&Secret::new("k e=y").unwrap()));
        let both = of("[command]\nsecret_key = \"of the file\"\nsecret_key_previous = \"old\"\n", old);
        assert_eq!(names(&both), ["default", "previous"]);
        assert_eq!(sign(&both.config.keys[0].secret), sign(&Secret::new("k e=y").unwrap()));
    }

    #[test]
    fn keys_have_names_modes_and_lists_of_their_own() {
        let settings = of(
            "[command]\nbind = \"unix:/x\"\nmode = \"list\"\nmax_run_s = 5\nshell = \"/bin/bash -c\"\n\
             [command.env]\nA = \"1\"\n\
             [[command.key]]\nname = \"ops\"\nsecret_key = \"0123456789abcdef\"\nmode = \"shell\"\n\
             [[command.key]]\nname = \"ci\"\nsecret_key = \"fedcba9876543210\"\ncommands = [\"build\"]\n\
             [exec.command.build]\npath = \"/usr/bin/make\"\nargs = [\"-s\"]\ndeny_args = [\"-f*\"]\n\
             [command.exact]\n\"make all\" = \"build\"\n",
            "",
        );
        assert_eq!(names(&settings), ["ops", "ci"]);
        let [ops, ci] = &settings.config.keys[..] else { panic!("two keys") };
        assert_eq!((ops.caller.mode, ci.caller.mode), (Mode::Shell, Mode::List));
        assert_eq!(ci.caller.list.as_deref(), Some(&["build".to_owned()][..]));
        assert_eq!(settings.config.bounds.run_max, Some(Duration::from_secs(5)));
        assert_eq!(settings.config.shell, ["/bin/bash", "-c"]);
        let build = settings.config.commands.get("build").unwrap();
        assert_eq!((build.path.to_str(), build.args.len()), (Some("/usr/bin/make"), 1));
        assert_eq!(settings.config.exact, [Listed { text: "make all".to_owned(), name: "build".to_owned() }]);
    }

    #[test]
    fn what_cannot_be_followed_is_refused_by_line_and_key() {
        let check = |text: &str, line: usize, key: &str, what: &str| {
            let refused = parse(text, Path::new("hotfn.toml"), &Lines::default()).unwrap_err();
            assert_eq!((refused.line, &*refused.key), (line, key), "{refused}");
            assert!(refused.what.contains(what), "{refused}");
        };
        check("[command]\nbind = \"x\"\n", 2, "bind", "\"x\"");
        check("[command]\nallow_from = [\"10.0.0.0/33\"]\n", 2, "allow_from", "10.0.0.0/33");
        check("[command]\nmax_concurrent = 0\n", 2, "max_concurrent", "0 is out of range");
        check("[command]\nfailure_status = 200\n", 2, "failure_status", "400 to 599");
        check("[command]\nuser = \"nobody-at-all\"\n", 2, "user", "nobody-at-all");
        check("[command]\nmod = \"shell\"\n", 2, "mod", "unknown field");
        check("[[command.key]]\n", 1, "[[command.key]]", "missing field `name`");
    }
}
