//! Who may run what.
//!
//! A socket has an ordered list of [`Rule`]s. The first that is for this caller and this program
//! counts, and where there is none the answer is no. What the rule says becomes a [`Permit`]: the
//! very program, arguments, environment, directory and user to run, of which the caller has chosen
//! only what the rule left to it. Whatever a request asks for beyond that is dropped where nothing
//! depends on it (another user, a variable) and refused where something does (an argument, a
//! directory, a terminal).
//!
//! [`Rules::decide`] is a pure function of caller and request. What it must know of the machine, such
//! as where a link leads, it asks a [`World`].

mod command;
mod env;
mod pattern;
#[cfg(test)]
mod tests;
mod world;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::SpawnError;
use crate::packet::{Class, Request, RunAs};

pub use command::{Command, Commands};
pub use env::{Base, DANGEROUS, DEPTH, Environment, Variable};
pub use pattern::Pattern;
pub use world::{Machine, User, World};

/// The rules of one socket, in order. The default has none and refuses everything.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Rules {
    /// First match wins.
    pub rules: Vec<Rule>,
    /// The commands that rules name.
    pub commands: Commands,
}

/// One rule. Plain data; the default is for nobody and allows nothing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Rule {
    /// For whom: any of these.
    pub who: Vec<Who>,
    /// What: any of these.
    pub what: Vec<What>,
    /// The program's environment.
    pub env: Environment,
    /// Directories where it may start, links resolved; none: where the server is, whatever the
    /// caller asks for.
    pub cwd: Vec<Pattern>,
    /// As whom it runs. Default: as the server.
    pub run_as: As,
    /// How long it may take; the caller may ask for less. Default: no bound.
    pub timeout: Option<Duration>,
    /// Programs at once by this rule. Default: no bound but the socket's.
    pub concurrency: Option<usize>,
    /// It may have a terminal. Default: no.
    pub terminal: bool,
    /// The caller may end the server. Default: no.
    pub stop: bool,
    /// It may gain privileges by a set-user-id file, as `sudo` does. Default: no.
    pub setuid_programs: bool,
    /// Its arguments are for the log, too. Default: no, they may hold secrets.
    pub log_args: bool,
    /// Processes that it leaves behind may stay. Default: no.
    pub orphans: bool,
}

/// For whom a rule is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Who {
    /// Whoever can open the socket.
    Anyone,
    /// The functions of this name, `app/fn`, by the sockets of their containers.
    Function(String),
    /// Who has this group, as first or other one.
    Gid(u32),
    /// This user.
    Uid(u32),
    /// Those whose user cannot be told from here.
    Unknown,
}

/// What a rule allows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum What {
    /// Any program at all.
    Any,
    /// The command of this name in the table.
    Command(String),
    /// Files whose path, links resolved, looks like this.
    Path(Pattern),
}

/// As whom a program runs.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum As {
    /// As whom the caller asks for, else as the server.
    Any,
    /// As the caller.
    Caller,
    /// As the server.
    #[default]
    Server,
    /// As this user.
    User(String),
}

/// Who asks.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Caller {
    /// Its user; `None` if it cannot be told.
    pub uid: Option<u32>,
    /// Its group; `None` if it cannot be told.
    pub gid: Option<u32>,
    /// Its other groups.
    pub groups: Vec<u32>,
    /// The function whose container's socket it came by, `app/fn`.
    pub function: Option<String>,
}

/// What will be run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Permit {
    /// Which rule said so, counted from 0.
    pub rule: usize,
    /// The file.
    pub program: PathBuf,
    /// Its own name.
    pub arg0: OsString,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Its whole environment.
    pub env: Vec<(OsString, OsString)>,
    /// Where it starts; `None`: where the server is.
    pub cwd: Option<PathBuf>,
    /// As whom; `None`: as the server.
    pub user: Option<User>,
    /// How long it may take.
    pub timeout: Option<Duration>,
    /// The file was looked at to decide, so that very file must be run.
    pub is_checked: bool,
    /// What the file must be.
    pub sha256: Option<[u8; 32]>,
}

/// The answer is no.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// A rule says so, or none says otherwise.
    #[error("{reason}")]
    Policy {
        /// For the log.
        reason: String,
    },
    /// What is asked for is not there, or cannot be run.
    #[error(transparent)]
    Program(#[from] SpawnError),
}

impl Denied {
    pub(crate) fn because(reason: impl Into<String>) -> Self {
        Self::Policy { reason: reason.into() }
    }

    /// What kind of reason it is.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Policy { .. } => Class::Policy,
            Self::Program(e) => e.class(),
        }
    }
}

impl Rules {
    /// What 1.2.0 of Sidecar allows, to fewer: any program, asked for by this user or root.
    #[must_use]
    pub fn open_to(uid: u32) -> Self {
        let rule = Rule {
            who: vec![Who::Uid(uid), Who::Uid(0)],
            what: vec![What::Any],
            env: Environment::of_server(),
            cwd: vec![Pattern::path("/**")],
            run_as: As::Any,
            terminal: true,
            stop: true,
            ..Rule::default()
        };
        Self { rules: vec![rule], commands: Commands::default() }
    }

    /// May `caller` run this, and what exactly would run?
    ///
    /// # Errors
    /// When it may not, or when there is no such program.
    pub fn decide(&self, caller: &Caller, request: &Request, world: &impl World) -> Result<Permit, Denied> {
        if !self.rules.iter().any(|rule| rule.is_for(caller)) {
            return Err(Denied::because("no rule is for this caller"));
        }
        let rules = self.rules.iter().enumerate().filter(|(_, rule)| rule.is_for(caller));
        for (at, rule) in rules {
            if let Some(found) = self.found(rule, caller, request, world)? {
                return self.permit(at, rule, found, request);
            }
        }
        Err(Denied::because(format!("no rule lets this caller run {:?}", request.program)))
    }

    /// May `caller` end the server?
    #[must_use]
    pub fn may_stop(&self, caller: &Caller) -> bool {
        self.rules.iter().find(|rule| rule.is_for(caller)).is_some_and(|rule| rule.stop)
    }

    /// Is the request's program one that `rule` is about? If so, everything about it that does not
    /// depend on its arguments.
    fn found(
        &self,
        rule: &Rule,
        caller: &Caller,
        request: &Request,
        world: &impl World,
    ) -> Result<Option<Found<'_>>, Denied> {
        let name = Path::new(&request.program);
        let is_name = request.named || !request.program.as_bytes().contains(&b'/');
        let command = rule.what.iter().find_map(|what| match what {
            What::Command(known) if is_name && request.program == **known => self.commands.get(known),
            _ => None,
        });
        let by_path = rule.what.iter().any(|what| !matches!(what, What::Command(_))) && !request.named;
        if command.is_none() && !by_path {
            return Ok(None);
        }
        let user = match command.and_then(|command| command.run_as.as_deref()) {
            Some(name) => Some(known(name, world)?),
            None => rule.user(caller, request.run_as, world)?,
        };
        let env = rule.env.of(&request.env, user.as_ref(), command.map_or(&[], |c| &c.env), world);
        let cwd = rule.cwd(command, request, world);
        let (program, is_checked) = match command {
            Some(command) => (command.path.clone(), command.sha256.is_some()),
            None => {
                let path = env.iter().rev().find(|(name, _)| name == "PATH").map(|(_, path)| path.as_os_str());
                let place = cwd.as_ref().ok().and_then(Option::as_deref).unwrap_or_else(|| Path::new("."));
                match rule.file(name, path.unwrap_or_default(), place, world)? {
                    Some(file) => file,
                    None => return Ok(None),
                }
            }
        };
        Ok(Some(Found { command, program, is_checked, user, env, cwd }))
    }

    fn permit(&self, at: usize, rule: &Rule, found: Found<'_>, request: &Request) -> Result<Permit, Denied> {
        let Found { command, program, is_checked, user, env, cwd } = found;
        if request.terminal.is_some() && !rule.terminal {
            return Err(Denied::because("the rule gives no terminal"));
        }
        if request.detach {
            return Err(Denied::because("nothing outlives its caller here"));
        }
        let args = match command {
            Some(command) => command.line(&request.args).map_err(Denied::because)?,
            None => request.args.clone(),
        };
        let own = command.and_then(|command| command.timeout);
        let timeout = [rule.timeout, own, request.timeout].into_iter().flatten().min();
        Ok(Permit {
            rule: at,
            arg0: request.arg0.clone().unwrap_or_else(|| request.program.clone()),
            program,
            args,
            env,
            cwd: cwd?,
            user,
            timeout,
            is_checked,
            sha256: command.and_then(|command| command.sha256),
        })
    }
}

/// A program that a rule is about.
struct Found<'r> {
    command: Option<&'r Command>,
    program: PathBuf,
    is_checked: bool,
    user: Option<User>,
    env: Vec<(OsString, OsString)>,
    cwd: Result<Option<PathBuf>, Denied>,
}

impl Rule {
    /// Is it for this caller? One whom the kernel cannot tell is neither root nor anybody else.
    #[must_use]
    pub fn is_for(&self, caller: &Caller) -> bool {
        self.who.iter().any(|who| match who {
            Who::Anyone => true,
            Who::Function(name) => caller.function.as_ref() == Some(name),
            Who::Gid(gid) => caller.gid == Some(*gid) || caller.groups.contains(gid),
            Who::Uid(uid) => caller.uid == Some(*uid),
            Who::Unknown => caller.uid.is_none(),
        })
    }

    /// The file that a name means, and whether it was looked at; `None` if the rule is not about it.
    fn file(
        &self,
        name: &Path,
        path: &OsStr,
        dir: &Path,
        world: &impl World,
    ) -> Result<Option<(PathBuf, bool)>, Denied> {
        if self.what.contains(&What::Any) {
            return Ok(Some((world.find(name, path, dir)?, false)));
        }
        let Ok(program) = world.find(name, path, dir) else { return Ok(None) };
        let Ok(real) = world.resolve(&program) else { return Ok(None) };
        let fits = self.what.iter().any(|what| matches!(what, What::Path(pattern) if pattern.fits_path(&real)));
        Ok(fits.then_some((real, true)))
    }

    fn user(&self, caller: &Caller, asked: Option<RunAs>, world: &impl World) -> Result<Option<User>, Denied> {
        match &self.run_as {
            As::Server => Ok(None),
            As::Any => Ok(asked.map(|RunAs { uid, gid }| world.user_of(uid, gid))),
            As::Caller => match (caller.uid, caller.gid) {
                (Some(uid), Some(gid)) => Ok(Some(world.user_of(Some(uid), Some(gid)))),
                _ => Err(Denied::because("it would run as its caller, whose user cannot be told from here")),
            },
            As::User(name) => known(name, world).map(Some),
        }
    }

    /// Where it starts: where the caller asks for if the rule has a say on directories, else at the
    /// command's own place. A directory that is not there is its start's to find out.
    fn cwd(&self, command: Option<&Command>, request: &Request, world: &impl World) -> Result<Option<PathBuf>, Denied> {
        let own = command.and_then(|command| command.cwd.clone());
        let Some(asked) = request.cwd.as_deref().filter(|_| !self.cwd.is_empty()) else { return Ok(own) };
        let resolved = world.resolve(asked).map_err(|source| SpawnError::Cwd {
            program: PathBuf::from(&request.program),
            cwd: asked.to_owned(),
            source,
        })?;
        if self.cwd.iter().any(|pattern| pattern.fits_path(&resolved)) {
            return Ok(Some(resolved));
        }
        Err(Denied::because(format!("the rule does not let it start in {resolved:?}")))
    }
}

/// The user that the config names.
fn known(name: &str, world: &impl World) -> Result<User, Denied> {
    let unknown = || Denied::because(format!("it would run as {name:?}, and there is no such user"));
    world.user(name).ok_or_else(unknown)
}
