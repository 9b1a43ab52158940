//! Which programs callers of exec sockets may run: the `[exec]` tables.
//!
//! ```toml
//! [[exec.rule]]
//! uid = [1000, "svc", "unknown"]   # or gid = […], or function = "shop/buy" for its containers' sockets
//! commands = ["git"]               # or paths = ["/usr/bin/*"], or any = true
//! env = ["LANG", "LC_*", "PGHOST=db"]
//! cwd = ["/srv/work/**"]
//! run_as = "svc"
//!
//! [exec.command.git]
//! path = "/usr/bin/git"
//! args = ["-c", "safe.directory=*"]
//! deny_args = ["--upload-pack=*", "-c*"]
//! ```
//!
//! A rule is for the sockets of function containers if it names a function, and for `hotfn
//! exec-server` if it does not: never for both, since a user of a container is not one of the host.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use hotfn_exec::rules::{
    As, Base, Command, Commands, Environment, Machine, Pattern, Rule, Rules, Variable, What, Who, World,
};
use serde::Deserialize;
use toml::Spanned;

use super::Refused;
use super::place::Place;
use super::secret::Unshown;

/// Who may run what, by either kind of socket.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Exec {
    /// Over the sockets of function containers.
    pub(super) functions: Rules,
    /// Over the socket of `hotfn exec-server`.
    pub(super) server: Rules,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExecTable {
    #[serde(default)]
    rule: Vec<Spanned<RuleTable>>,
    #[serde(default)]
    command: BTreeMap<String, Spanned<CommandTable>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleTable {
    #[serde(default)]
    uid: Vec<Spanned<Id>>,
    #[serde(default)]
    gid: Vec<u32>,
    function: Option<Spanned<String>>,
    #[serde(default)]
    commands: Vec<Spanned<String>>,
    #[serde(default)]
    paths: Vec<Spanned<String>>,
    #[serde(default)]
    any: bool,
    env: Option<Spanned<Env>>,
    #[serde(default)]
    cwd: Vec<Spanned<String>>,
    run_as: Option<String>,
    timeout_s: Option<Spanned<i64>>,
    concurrency: Option<Spanned<i64>>,
    #[serde(default)]
    tty: bool,
    #[serde(default)]
    stop: bool,
    #[serde(default)]
    allow_setuid_programs: bool,
    #[serde(default)]
    log_args: bool,
    orphans: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CommandTable {
    path: Spanned<PathBuf>,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    deny_args: Vec<String>,
    max_args: Option<usize>,
    sha256: Option<Spanned<String>>,
    cwd: Option<PathBuf>,
    #[serde(default)]
    env: BTreeMap<String, Unshown>,
    run_as: Option<String>,
    timeout_s: Option<Spanned<i64>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Id {
    Name(String),
    Number(u32),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Env {
    List(Vec<String>),
    Word(String),
}

/// Checks the tables.
pub(super) fn exec(table: ExecTable, place: &Place<'_>) -> Result<Exec, Refused> {
    let commands = table.command.into_iter().map(|(name, table)| Ok((name, command(table, place)?)));
    let commands: Commands = commands.collect::<Result<Vec<_>, _>>()?.into_iter().collect();
    let mut exec = Exec::default();
    for table in table.rule {
        let rule = rule(table, &commands, place)?;
        let is_functions = rule.who.iter().any(|who| matches!(who, Who::Function(_)));
        if is_functions { exec.functions.rules.push(rule) } else { exec.server.rules.push(rule) }
    }
    exec.functions.commands.clone_from(&commands);
    exec.server.commands = commands;
    Ok(exec)
}

fn rule(table: Spanned<RuleTable>, commands: &Commands, place: &Place<'_>) -> Result<Rule, Refused> {
    let header = table.span().start;
    let t = table.into_inner();
    let mut who = Vec::new();
    for id in &t.uid {
        who.push(place.check(id, user)?);
    }
    who.extend(t.gid.into_iter().map(Who::Gid));
    if let Some(function) = t.function {
        if !who.is_empty() {
            let what = "a rule is for a function or for users, and not for both; make two of it";
            return Err(place.refuse(function.span().start, what));
        }
        who.push(Who::Function(place.check(&function, |name| named(name))?));
    }
    if who.is_empty() {
        return Err(place.refuse(header, "a rule says for whom it is: uid, gid or function"));
    }
    let mut what = Vec::new();
    for name in &t.commands {
        let known = |name: &String| match commands.get(name) {
            Some(_) => Ok(What::Command(name.clone())),
            None => Err(format!("there is no [exec.command.{name}]")),
        };
        what.push(place.check(name, known)?);
    }
    for path in &t.paths {
        what.push(What::Path(place.check(path, |path| absolute(path))?));
    }
    if t.any {
        what.push(What::Any);
    }
    if what.is_empty() {
        return Err(place.refuse(header, "a rule says what may be run: commands, paths or any = true"));
    }
    let cwd = t.cwd.iter().map(|dir| place.check(dir, |dir| absolute(dir))).collect::<Result<_, _>>()?;
    let orphans = match &t.orphans {
        None => false,
        Some(word) => place.check(word, |word| match &**word {
            "keep" => Ok(true),
            "kill" => Ok(false),
            other => Err(format!("{other:?} is not \"kill\" or \"keep\"")),
        })?,
    };
    Ok(Rule {
        who,
        what,
        env: t.env.map_or_else(|| Ok(Environment::default()), |env| place.check(&env, environment))?,
        cwd,
        run_as: match t.run_as.as_deref() {
            None => As::Server,
            Some("any") => As::Any,
            Some("caller") => As::Caller,
            Some(name) => As::User(name.to_owned()),
        },
        timeout: place.seconds(t.timeout_s, 1..=YEAR_S)?,
        concurrency: place.size(t.concurrency, 1..=SESSIONS_MAX, "")?,
        terminal: t.tty,
        stop: t.stop,
        setuid_programs: t.allow_setuid_programs,
        log_args: t.log_args,
        orphans,
    })
}

const YEAR_S: u64 = 365 * 24 * 3600;
const SESSIONS_MAX: u64 = 65_536;

fn command(table: Spanned<CommandTable>, place: &Place<'_>) -> Result<Command, Refused> {
    let t = table.into_inner();
    place.check(&t.path, |path| match path.is_absolute() {
        true => Ok(()),
        false => Err(format!("{path:?} is not an absolute path")),
    })?;
    let sha256 = t.sha256.map(|sum| place.check(&sum, |sum| digest(sum))).transpose()?;
    Ok(Command {
        args: t.args.into_iter().map(OsString::from).collect(),
        deny_args: t.deny_args.into_iter().map(Pattern::text).collect(),
        max_args: t.max_args,
        sha256,
        cwd: t.cwd,
        env: t.env.into_iter().map(|(name, Unshown(value))| (name.into(), value.into())).collect(),
        run_as: t.run_as,
        timeout: place.seconds(t.timeout_s, 1..=YEAR_S)?,
        ..Command::new(t.path.into_inner())
    })
}

fn user(id: &Id) -> Result<Who, String> {
    match id {
        Id::Number(uid) => Ok(Who::Uid(*uid)),
        Id::Name(name) if name == "unknown" => Ok(Who::Unknown),
        Id::Name(name) if name == "any" => Ok(Who::Anyone),
        Id::Name(name) => match Machine.user(name) {
            Some(user) => Ok(Who::Uid(user.uid)),
            None => Err(format!("there is no user {name:?}; \"unknown\" and \"any\" are words, too")),
        },
    }
}

fn named(function: &str) -> Result<String, String> {
    match function.split_once('/') {
        Some((app, name)) if !app.is_empty() && !name.is_empty() => Ok(function.to_owned()),
        _ => Err(format!("{function:?} is not of the form app/function")),
    }
}

fn absolute(pattern: &str) -> Result<Pattern, String> {
    if pattern.starts_with('/') { Ok(Pattern::path(pattern)) } else { Err(format!("{pattern:?} must begin with /")) }
}

fn environment(env: &Env) -> Result<Environment, String> {
    let list = match env {
        Env::Word(word) if word == "server" => return Ok(Environment::of_server()),
        Env::Word(word) => return Err(format!("{word:?} is neither \"server\" nor a list of names")),
        Env::List(list) => list,
    };
    let fixed = |entry: &String| -> Option<Variable> {
        let (name, value) = entry.split_once('=')?;
        Some((name.into(), value.into()))
    };
    Ok(Environment {
        base: Base::Clean,
        pass: list.iter().filter(|entry| !entry.contains('=')).map(Pattern::text).collect(),
        fixed: list.iter().filter_map(fixed).collect(),
    })
}

fn digest(hex: &str) -> Result<[u8; 32], String> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = hex.as_bytes().chunks(2).map(byte).collect();
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| format!("{hex:?} is not 64 hexadecimal digits"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::parse;
    use super::*;

    fn read(text: &str) -> Result<Exec, Refused> {
        let config = parse(text, std::path::Path::new("hotfn.toml"), None)?;
        Ok(Exec { functions: config.settings.exec.unwrap_or_default(), server: config.exec })
    }

    #[test]
    fn rules_go_to_the_kind_of_socket_that_they_are_for() {
        let exec = read(
            r#"
            [[exec.rule]]
            uid = [1000, "root", "unknown"]
            gid = [50]
            paths = ["/usr/bin/*"]
            env = ["LC_*", "PGHOST=db"]
            cwd = ["/srv/**"]
            run_as = "caller"
            timeout_s = 600
            concurrency = 4
            tty = true

            [[exec.rule]]
            function = "shop/buy"
            commands = ["git"]

            [exec.command.git]
            path = "/usr/bin/git"
            args = ["-c", "safe.directory=*"]
            deny_args = ["-c*"]
            sha256 = "00ff000000000000000000000000000000000000000000000000000000000000"
            run_as = "svc"
            timeout_s = 60
        "#,
        )
        .unwrap();
        let [server] = &*exec.server.rules else { panic!("one rule is for users") };
        assert_eq!(server.who, [Who::Uid(1000), Who::Uid(0), Who::Unknown, Who::Gid(50)]);
        assert_eq!((server.timeout, server.concurrency), (Some(Duration::from_secs(600)), Some(4)));
        assert_eq!(server.env.fixed, [("PGHOST".into(), "db".into())]);
        assert!(server.terminal && !server.stop);
        let [function] = &*exec.functions.rules else { panic!("one rule is for a function") };
        assert_eq!(function.what, [What::Command("git".into())]);
        let git = exec.functions.commands.get("git").unwrap();
        assert_eq!(git.sha256.unwrap()[1], 0xff);
        assert_eq!((git.run_as.as_deref(), git.timeout), (Some("svc"), Some(Duration::from_secs(60))));
    }

    #[test]
    fn what_cannot_be_followed_is_refused_where_it_stands() {
        for (text, line, what) in [
            ("[[exec.rule]]\nany = true", 1, "for whom"),
            ("[[exec.rule]]\nuid = [1]", 1, "what may be run"),
            ("[[exec.rule]]\nuid = [1]\ncommands = [\"git\"]", 3, "no [exec.command.git]"),
            ("[[exec.rule]]\nuid = [\"nobody-of-that-name\"]\nany = true", 2, "no user"),
            ("[[exec.rule]]\nuid = [1]\nfunction = \"a/b\"\nany = true", 3, "not for both"),
            ("[[exec.rule]]\nfunction = \"ab\"\nany = true", 2, "app/function"),
            ("[[exec.rule]]\nuid = [1]\npaths = [\"bin/*\"]", 3, "begin with /"),
            ("[[exec.rule]]\nuid = [1]\nany = true\nenv = \"mine\"", 4, "\"server\""),
            ("[[exec.rule]]\nuid = [1]\nany = true\norphans = \"adopt\"", 4, "\"kill\" or \"keep\""),
            ("[exec.command.x]\npath = \"x\"", 2, "absolute"),
            ("[exec.command.x]\npath = \"/x\"\nsha256 = \"12\"", 3, "hexadecimal"),
        ] {
            let refused = read(text).unwrap_err();
            assert!(refused.what.contains(what), "{text}: {refused}");
            assert_eq!(refused.line, line, "{text}: {refused}");
        }
    }
}
