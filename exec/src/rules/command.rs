//! Commands by name: what a socket's rules, or another front, let callers run without telling them
//! where it is.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use super::{Pattern, Variable};

/// Commands by name.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Commands {
    commands: BTreeMap<String, Command>,
}

/// One command. Plain data.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Command {
    /// The file: absolute.
    pub path: PathBuf,
    /// Arguments that come before the caller's.
    pub args: Vec<OsString>,
    /// Arguments that a caller must not give.
    pub deny_args: Vec<Pattern>,
    /// Most arguments that a caller may give. Default: as many as a request may hold.
    pub max_args: Option<usize>,
    /// What the file must be. Default: whatever it is.
    pub sha256: Option<[u8; 32]>,
    /// Where it starts, unless a rule lets the caller say. Default: where the server is.
    pub cwd: Option<PathBuf>,
    /// Variables of its own, over all others.
    pub env: Vec<Variable>,
    /// The name of the user it runs as, whoever asks and whatever else is said. Default: as the rule
    /// says that lets it run.
    pub run_as: Option<String>,
    /// How long it may take, if nothing else gives it less. Default: as long as it likes.
    pub timeout: Option<Duration>,
}

impl Command {
    /// The program at `path`, with any arguments.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            args: Vec::new(),
            deny_args: Vec::new(),
            max_args: None,
            sha256: None,
            cwd: None,
            env: Vec::new(),
            run_as: None,
            timeout: None,
        }
    }

    /// All arguments, the fixed ones first.
    ///
    /// # Errors
    /// A sentence, when the caller's are too many or one is denied.
    pub fn line(&self, args: &[OsString]) -> Result<Vec<OsString>, String> {
        if let Some(max) = self.max_args
            && args.len() > max
        {
            return Err(format!("{} arguments are more than the command takes; it is {max}", args.len()));
        }
        for arg in args {
            if let Some(pattern) = self.deny_args.iter().find(|pattern| pattern.fits(arg.as_bytes())) {
                return Err(format!("the command takes no argument that looks like {:?}", pattern.to_string()));
            }
        }
        Ok(self.args.iter().chain(args).cloned().collect())
    }
}

impl Commands {
    /// The command called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Command> {
        self.commands.get(name)
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.commands.keys().map(String::as_str)
    }
}

impl FromIterator<(String, Command)> for Commands {
    fn from_iter<T: IntoIterator<Item = (String, Command)>>(commands: T) -> Self {
        Self { commands: commands.into_iter().collect() }
    }
}
