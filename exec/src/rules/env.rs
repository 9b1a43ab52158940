//! The environment of a program that somebody else asked for.
//!
//! It is the server's choice, and only by list the caller's: a variable may be the difference between
//! running a program and running anything at all.

use std::ffi::{OsStr, OsString};

use super::{Pattern, User, World};
use crate::program;

/// What a program's environment is made of.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Environment {
    /// What it begins with.
    pub base: Base,
    /// Variables of the caller's that may join. One of [`DANGEROUS`] must be named exactly.
    pub pass: Vec<Pattern>,
    /// Fixed ones, over everything else.
    pub fixed: Vec<Variable>,
}

/// What an environment begins with.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Base {
    /// `PATH`, `HOME`, `USER`, `LOGNAME` and `SHELL` of whom the program runs as, and `LANG`.
    #[default]
    Clean,
    /// All that the server has.
    Server,
}

/// A name and its value.
pub type Variable = (OsString, OsString);

/// How often the caller has come through a socket on its way here: passed on as long as it is a small
/// number, so that a program which ends up calling itself is stopped by its own client.
pub const DEPTH: &str = "HOTFN_EXEC_DEPTH";

/// Variables by which a program can be made to do something else. A shell's functions are among them: one
/// called as a command is run in its place.
pub const DANGEROUS: [&str; 23] = [
    "BASHOPTS",
    "BASH_ENV",
    "BASH_FUNC_*",
    "DYLD_*",
    "ENV",
    "GCONV_PATH",
    "GLIBC_TUNABLES",
    "IFS",
    "JAVA_TOOL_OPTIONS",
    "LD_*",
    "NODE_OPTIONS",
    "PERL5*",
    "PERLLIB",
    "PS4",
    "PYTHONHOME",
    "PYTHONINSPECT",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "PYTHONUSERBASE",
    "RUBYLIB",
    "RUBYOPT",
    "SHELLOPTS",
    "ZDOTDIR",
];

impl Environment {
    /// As Sidecar 1.2.0: the server's own, and whatever the caller gives by name.
    #[must_use]
    pub fn of_server() -> Self {
        Self { base: Base::Server, pass: vec![Pattern::text("*")], fixed: Vec::new() }
    }

    /// May the caller give this variable?
    #[must_use]
    pub fn passes(&self, name: &OsStr) -> bool {
        let bytes = name.as_encoded_bytes();
        let is_dangerous = DANGEROUS.iter().any(|pattern| Pattern::text(*pattern).fits(bytes));
        self.pass.iter().any(|pattern| pattern.fits(bytes) && (pattern.is_plain() || !is_dangerous))
    }

    /// The whole of it; later over earlier.
    pub(super) fn of(
        &self,
        asked: &[Variable],
        user: Option<&User>,
        own: &[Variable],
        world: &impl World,
    ) -> Vec<Variable> {
        let mut env = match self.base {
            Base::Clean => clean(user, world),
            Base::Server => world.environment(),
        };
        let is_depth = |(name, value): &&Variable| {
            name == DEPTH && value.to_str().is_some_and(|value| value.parse::<u8>().is_ok())
        };
        env.extend(asked.iter().filter(|(name, _)| name != DEPTH && self.passes(name)).cloned());
        env.extend(asked.iter().rfind(is_depth).cloned());
        env.extend(self.fixed.iter().chain(own).cloned());
        env
    }
}

fn clean(user: Option<&User>, world: &impl World) -> Vec<Variable> {
    let ours;
    let user = match user {
        Some(user) => user,
        None => {
            ours = world.server();
            &ours
        }
    };
    let lang = world.environment().into_iter().find(|(name, _)| name == "LANG");
    let mut env = vec![
        ("PATH".into(), program::PATH_DEFAULT.into()),
        ("HOME".into(), user.home.clone().into()),
        ("USER".into(), user.name.clone().into()),
        ("LOGNAME".into(), user.name.clone().into()),
        ("SHELL".into(), user.shell.clone().into()),
    ];
    env.extend(lang);
    env
}
