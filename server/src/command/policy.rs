//! What may run: from what is asked for to what is started.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hotfn_exec::rules::{Command, Machine, User, Variable, World as _};
use hotfn_exec::{self as exec, Ids, Leftovers, SpawnError, Stdio, program};
use sha2::{Digest as _, Sha256};

use super::callback::Target;
use super::config::{Caller, Config, Listed, Mode, Privileges, Strays};
use super::peer::Peer;
use super::refusal::{Reason, Refusal};
use super::request::{Ask, What};
use super::{environment, words};

/// What is to be done.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) process: exec::Job,
    /// How long the command may take, if the list says so.
    pub(super) timeout: Option<Duration>,
}

/// What `ask` comes to, if that is open to `caller`. `ours` is who we are.
pub(super) fn plan(ask: &Ask, config: &Config, caller: &Caller, ours: &User) -> Result<Plan, Refusal> {
    let chosen = match caller.mode {
        Mode::Off => return Err(Refusal::forbidden("commands are switched off for this caller")),
        Mode::Shell => None,
        Mode::List => Some(choose(&ask.what, config, caller)?),
    };
    let command = chosen.as_ref().map(|chosen| chosen.command);
    let other = as_whom(command, caller, config)?;
    let user = other.as_ref().unwrap_or(ours);
    let own_dir = command.and_then(|command| command.cwd.clone());
    let dir = ask.workdir.clone().or(own_dir).unwrap_or_else(|| environment::home(user).to_owned());
    let mut env = environment::whole(user, &config.env, &ask.envs);
    env.extend(command.iter().flat_map(|command| &command.env).cloned());
    let timeout = command.and_then(|command| command.timeout);
    let (program, args, file) = match chosen {
        Some(Chosen { command, args }) => (command.path.clone(), args, checked(command)?),
        None => {
            let (program, args) = any(&ask.what, config, &env, &dir)?;
            (program, args, None)
        }
    };
    let mut process = exec::Job::new(program);
    process.file = file;
    process.args = args;
    process.env = env;
    process.cwd = Some(dir);
    process.stdin = if ask.stdin.is_some() { Stdio::Pipe } else { Stdio::Null };
    process.stdout = Stdio::Pipe;
    process.stderr = Stdio::Pipe;
    process.ids = other.map(|User { uid, gid, groups, .. }| Ids { uid, gid, groups });
    process.no_new_privs = config.privileges == Privileges::Keep;
    process.outlives_us = true;
    process.leftovers = match config.strays {
        Strays::Kill => Leftovers::Kill,
        Strays::Leave => Leftovers::Leave,
    };
    Ok(Plan { process, timeout })
}

/// Another user than us, if one is named: the command's own, the caller's, that of all.
fn as_whom(command: Option<&Command>, caller: &Caller, config: &Config) -> Result<Option<User>, Refusal> {
    let Some(name) = command.and_then(|command| command.run_as.as_deref()) else {
        return Ok(caller.user.as_ref().or(config.user.as_ref()).cloned());
    };
    let unknown = || Refusal::new(Reason::CannotStart, format!("it would run as {name:?}, and there is no such user"));
    Machine.user(name).ok_or_else(unknown).map(Some)
}

/// Whatever is asked for: a command line goes to the shell, a program is looked for.
fn any(
    what: &What,
    config: &Config,
    env: &[Variable],
    dir: &std::path::Path,
) -> Result<(PathBuf, Vec<OsString>), Refusal> {
    match what {
        What::Line(line) => {
            let (shell, options) = config.shell.split_first().ok_or_else(|| Refusal::forbidden("there is no shell"))?;
            Ok((PathBuf::from(shell), options.iter().chain([line]).map(Into::into).collect()))
        }
        What::Argv(argv) => {
            let (name, args) = argv.split_first().ok_or_else(|| Refusal::bad("argv is empty"))?;
            let path = env.iter().rev().find(|(name, _)| name == "PATH").map(|(_, path)| path.as_os_str());
            let program = program::find(name.as_ref(), path.unwrap_or_default(), dir).map_err(|e| cannot_start(&e))?;
            Ok((program, args.iter().map(Into::into).collect()))
        }
    }
}

/// A command of the list, and all its arguments.
struct Chosen<'c> {
    command: &'c Command,
    args: Vec<OsString>,
}

/// The command of the list that is asked for: by a text that is exactly one's own, or by its name
/// and words. There is no shell, so nothing in them means anything to one.
fn choose<'c>(what: &What, config: &'c Config, caller: &Caller) -> Result<Chosen<'c>, Refusal> {
    let is_open = |name: &str| caller.list.as_ref().is_none_or(|list| list.iter().any(|open| open == name));
    let words = match what {
        What::Argv(argv) => argv.clone(),
        What::Line(line) => {
            let exact = config.exact.iter().find(|listed| listed.text == *line && is_open(&listed.name));
            if let Some(Listed { name, .. }) = exact
                && let Some(command) = config.commands.get(name)
            {
                return Ok(Chosen { command, args: command.args.clone() });
            }
            words::split(line).map_err(|why| Refusal::forbidden(format!("command is not plain words: {why}")))?
        }
    };
    let (name, args) = words.split_first().ok_or_else(|| Refusal::bad("command is empty"))?;
    let command = config.commands.get(name).filter(|_| is_open(name));
    let command = command.ok_or_else(|| Refusal::forbidden(format!("command {name:?} is not on the list")))?;
    let args: Vec<OsString> = args.iter().map(Into::into).collect();
    let args = command.line(&args).map_err(|why| Refusal::forbidden(format!("command {name:?}: {why}")))?;
    Ok(Chosen { command, args })
}

/// The very file that was looked at, where the list says what it must be.
fn checked(command: &Command) -> Result<Option<Arc<OwnedFd>>, Refusal> {
    let Some(wanted) = command.sha256 else { return Ok(None) };
    let path = command.path.display();
    let unreadable = |e| Refusal::new(Reason::CannotStart, format!("{path} cannot be read: {e}"));
    let mut file = File::open(&command.path).map_err(unreadable)?;
    let (mut hash, mut piece) = (Sha256::new(), vec![0; 64 << 10]);
    loop {
        match file.read(&mut piece).map_err(unreadable)? {
            0 => break,
            read => hash.update(&piece[..read]),
        }
    }
    if hash.finalize()[..] != wanted {
        return Err(Refusal::forbidden(format!("{path} is not the file that the list means")));
    }
    Ok(Some(Arc::new(file.into())))
}

/// May the outcome be sent there?
pub(super) fn callback(url: &str, config: &Config, caller: &Caller, peer: Peer) -> Result<(), Refusal> {
    let target = Target::parse(url).map_err(|why| Refusal::bad(format!("callbackURL: {why}")))?;
    let Target::Url(url) = target else { return Ok(()) };
    let is_allowed = match (config.callback_allow.as_slice(), caller.mode, peer) {
        ([], Mode::Shell | Mode::Off, _) => true,
        ([], Mode::List, Peer::Address(address)) => url.is_of(address),
        ([], Mode::List, Peer::Process { .. }) => false,
        (allowed, ..) => url.is_allowed(allowed),
    };
    if is_allowed {
        return Ok(());
    }
    Err(Refusal::forbidden(format!("callbackURL: outcomes may not be sent to {}", url.authority())))
}

/// Whose fault it is that a process could not be started, in the request's words.
pub(super) fn cannot_start(error: &SpawnError) -> Refusal {
    let message = match error {
        SpawnError::Cwd { cwd, source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            format!("workdir does not exist: {}", cwd.display())
        }
        SpawnError::Cwd { cwd, source, .. } => format!("workdir cannot be entered: {}: {source}", cwd.display()),
        SpawnError::Os { source, .. } if source.raw_os_error() == Some(ARGUMENTS_TOO_LONG) => {
            "command and environment are longer than the system takes".to_owned()
        }
        SpawnError::Os { what, source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
            tracing::warn!("cannot start a command: {error}: {source}");
            format!("the service may not {what}")
        }
        SpawnError::Os { .. } => {
            tracing::warn!("cannot start a command: {error}");
            return Refusal {
                retry_after: Some(2),
                ..Refusal::new(Reason::Unavailable, "no room for another process")
            };
        }
        other => other.to_string(),
    };
    Refusal::new(Reason::CannotStart, message)
}

/// `E2BIG`.
const ARGUMENTS_TOO_LONG: i32 = 7;
