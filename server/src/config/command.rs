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

mod lines;
mod table;

use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hotfn_exec::rules::{Machine, User, World as _};
use http::StatusCode;
use toml::Spanned;

use super::exec::{self, ExecTable};
use super::place::Place;
use super::secret::Unshown;
use super::{LoadError, Refused};
use crate::command::bind::{self, Bind};
use crate::command::{
    Algorithm, Bounds, CallbackFields, Caller, Config, Key, Listed, Mode, Privileges, Secret, Settings, Strays,
};
use crate::tls::{Connector, Trust};

pub use self::lines::{BIND, Lines, SECRET_KEY, SECRET_KEY_PREVIOUS};
pub(super) use self::table::Words;
use self::table::{AlgorithmName, FieldsName, File, ModeName, StraysName, Table};

/// Names of the two keys that have no other.
pub(super) const CURRENT: &str = "default";
pub(super) const PREVIOUS: &str = "previous";

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
    let file: File = place.read()?;
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

pub(super) const COMMAS: &[char] = &[','];

fn settings(table: Table, exec: ExecTable, place: &Place<'_>, lines: &Lines) -> Result<Settings, Refused> {
    let bind = match (lines.find(BIND), &table.bind) {
        (Some(line), _) => Bind::list(line).map_err(|what| place.refuse(0, format!("{BIND}: {what}")))?,
        (None, Some(bind)) => place.check(bind, |bind| Bind::list(&bind.split(COMMAS).join(",")))?,
        (None, None) => Bind::list(bind::DEFAULT).expect("the default names places"),
    };
    let tls = place.tls(table.tls_certificate.as_ref(), table.tls_key.as_ref())?;
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
        callback_trust: match &table.callback_ca {
            Some(file) => place.check(file, |file| trust(place.beside(file)))?,
            None => defaults.callback_trust,
        },
        callback_fields: match table.callback_fields {
            Some(FieldsName::All) => CallbackFields::All,
            Some(FieldsName::Pair) | None => CallbackFields::Pair,
        },
        env: table.env.into_iter().map(|(name, Unshown(value))| (name, value)).collect(),
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
    Ok(Settings { bind, tls, config })
}

fn user(name: &str) -> Result<User, String> {
    Machine.user(name).ok_or_else(|| format!("there is no user {name:?}"))
}

/// The certificates in `file`, which are read now to say what is wrong with them.
fn trust(file: PathBuf) -> Result<Trust, String> {
    let trust = Trust::File(file);
    Connector::new(&trust).map_err(|e| format!("{:#}", anyhow::Error::from(e)))?;
    Ok(trust)
}

fn failure(status: u16) -> Result<StatusCode, String> {
    let status =
        StatusCode::from_u16(status).ok().filter(|status| status.is_client_error() || status.is_server_error());
    status.ok_or_else(|| "it is no status of a failure, 400 to 599".to_owned())
}

fn keys(table: &Table, mode: Mode, place: &Place<'_>, lines: &Lines) -> Result<Vec<Arc<Key>>, Refused> {
    let caller = Arc::new(Caller { mode, ..Caller::new(CURRENT) });
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
    let table_text = |text: &Option<Unshown>| text.as_ref().map(|Unshown(text)| text.clone());
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
            user: named.user.as_ref().map(|name| place.check(name, |name| user(name))).transpose()?,
            run_max: place.seconds(named.max_run_s.clone(), 1..=1 << 30)?,
        });
        let key = key(&named.name, &named.secret_key.get_ref().0, &caller);
        keys.push(key.ok_or_else(|| place.refuse(at, "it is empty"))?);
    }
    Ok(keys)
}

fn bounds(table: &Table, place: &Place<'_>) -> Result<Bounds, Refused> {
    const COUNT: RangeInclusive<u64> = 1..=1 << 20;
    const BYTES: RangeInclusive<u64> = 1..=1 << 30;
    const SECONDS: RangeInclusive<u64> = 0..=1 << 30;
    let d = Bounds::default();
    let t = table;
    let size = |value: &Option<Spanned<i64>>, range, unit, default| {
        Ok(place.size(value.clone(), range, unit)?.unwrap_or(default))
    };
    let count = |value, default| size(value, COUNT, "", default);
    let bytes = |value, default| size(value, BYTES, "bytes", default);
    let some_s = |value: &Option<Spanned<i64>>| place.seconds(value.clone(), SECONDS);
    let seconds = |value, default| Ok(some_s(value)?.unwrap_or(default));
    Ok(Bounds {
        concurrent_max: count(&t.max_concurrent, d.concurrent_max)?,
        per_peer_max: count(&t.max_per_peer, d.per_peer_max)?,
        body_bytes_max: place.number(t.max_body.clone(), BYTES, "bytes")?.unwrap_or(d.body_bytes_max),
        command_bytes_max: bytes(&t.max_command, d.command_bytes_max)?,
        envs_max: size(&t.max_envs, 0..=1 << 16, "", d.envs_max)?,
        output_bytes_max: bytes(&t.max_output, d.output_bytes_max)?,
        window_s: place.number(t.window_s.clone(), 1..=86_400, "s")?.unwrap_or(d.window_s),
        nonces_max: size(&t.max_nonces, 1..=100_000_000, "", d.nonces_max)?,
        bad_signatures_max: place.small(t.max_bad_signatures.clone(), COUNT, "")?.unwrap_or(d.bad_signatures_max),
        wait_max: seconds(&t.max_wait_s, d.wait_max)?,
        run_max: some_s(&t.max_run_s)?.filter(|max| !max.is_zero()),
        end_grace: seconds(&t.end_grace_s, d.end_grace)?,
        remembered_max: count(&t.max_jobs, d.remembered_max)?,
        remembered_for: seconds(&t.jobs_s, d.remembered_for)?,
        remembered_bytes_max: bytes(&t.max_jobs_output, d.remembered_bytes_max)?,
        callbacks_max: count(&t.max_callbacks, d.callbacks_max)?,
        connections_max: count(&t.max_connections, d.connections_max)?,
        head_bytes_max: size(&t.max_head, 1024..=1 << 20, "bytes", d.head_bytes_max)?,
        read_timeout: seconds(&t.read_timeout_s, d.read_timeout)?,
        drain_patience: seconds(&t.drain_s, d.drain_patience)?,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
    fn certificates_for_callbacks_are_read_to_say_what_is_wrong_with_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hotfn.toml");
        let refused = |ca: &str| {
            let text = format!("[command]\ncallback_ca = \"{ca}\"\n");
            parse(&text, &file, &Lines::default()).unwrap_err().to_string()
        };
        let missing = refused("absent.pem");
        assert!(missing.contains("callback_ca") && missing.contains("absent.pem"), "{missing}");
        fs::write(folder.path().join("empty.pem"), "").unwrap();
        assert!(refused("empty.pem").contains("empty.pem"), "{}", refused("empty.pem"));
    }

    #[test]
    fn keys_have_names_modes_and_lists_of_their_own() {
        let settings = of(
            "[command]\nbind = \"unix:/x\"\nmode = \"list\"\nmax_run_s = 5\nshell = \"/bin/bash -c\"\n\
             [command.env]\nA = \"1\"\n\
             [[command.key]]\nname = \"ops\"\nsecret_key = \"0123456789abcdef\"\nmode = \"shell\"\n\
             [[command.key]]\nname = \"ci\"\nsecret_key = \"fedcba9876543210\"\ncommands = [\"build\"]\nuser = \"root\"\n\
             max_run_s = 3\n\
             [exec.command.build]\npath = \"/usr/bin/make\"\nargs = [\"-s\"]\ndeny_args = [\"-f*\"]\n\
             [command.exact]\n\"make all\" = \"build\"\n",
            "",
        );
        assert_eq!(names(&settings), ["ops", "ci"]);
        let [ops, ci] = &settings.config.keys[..] else { panic!("two keys") };
        assert_eq!((ops.caller.mode, ci.caller.mode), (Mode::Shell, Mode::List));
        assert_eq!(ci.caller.list.as_deref(), Some(&["build".to_owned()][..]));
        assert_eq!((ops.caller.run_max, ci.caller.run_max), (None, Some(Duration::from_secs(3))));
        assert_eq!((ops.caller.user.as_ref(), ci.caller.user.as_ref().map(|user| user.uid)), (None, Some(0)));
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
        let key = "[[command.key]]\nname = \"k\"\nsecret_key = \"0123456789abcdef\"\nuser = \"nobody-at-all\"\n";
        check(key, 4, "user", "nobody-at-all");
        check("[[command.key]]\n", 1, "[[command.key]]", "missing field `name`");
    }
}
