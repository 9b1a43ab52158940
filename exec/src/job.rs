//! What to run.

use std::ffi::OsString;
use std::path::PathBuf;

use rustix::process::Resource;

/// A process to be. Plain data.
#[derive(Clone, Debug)]
pub struct Job {
    /// The file to execute: a path, absolute or from `cwd`. Names are not searched for here, see
    /// [`program::find`](crate::program::find).
    pub program: PathBuf,
    /// Its arguments, without its own name.
    pub args: Vec<OsString>,
    /// Its whole environment; of two of one name the later wins. Default: empty.
    pub env: Vec<(OsString, OsString)>,
    /// Where it starts. Default: where we are.
    pub cwd: Option<PathBuf>,
    /// Its descriptor 0. Default: null.
    pub stdin: Stdio,
    /// Its descriptor 1. Default: null.
    pub stdout: Stdio,
    /// Its descriptor 2. Default: null.
    pub stderr: Stdio,
    /// Its limits, soft and hard alike. One that is above ours is lowered to ours. Default: ours.
    pub rlimits: Vec<(Resource, u64)>,
    /// It, and whatever it starts, can never gain a privilege, as by a set-user-id file. Default:
    /// true.
    pub no_new_privs: bool,
}

/// Where one of a job's standard streams leads.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Stdio {
    /// Nowhere: `/dev/null`.
    #[default]
    Null,
    /// A pipe, whose other end we get. That end does not block.
    Pipe,
}

impl Job {
    /// `program`, with the defaults.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            cwd: None,
            stdin: Stdio::Null,
            stdout: Stdio::Null,
            stderr: Stdio::Null,
            rlimits: Vec::new(),
            no_new_privs: true,
        }
    }
}
