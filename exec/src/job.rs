//! What to run.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::process::{Resource, Signal};

/// A process to be. Plain data.
#[derive(Clone, Debug)]
pub struct Job {
    /// The file to execute: a path, absolute or from `cwd`. Names are not searched for here, see
    /// [`program::find`](crate::program::find).
    pub program: PathBuf,
    /// That very file, opened, to be run whatever has its path by then. A script has no such
    /// choice: its interpreter opens it again by its path.
    pub file: Option<Arc<OwnedFd>>,
    /// Its own name. Default: `program`.
    pub arg0: Option<OsString>,
    /// Its arguments, without its own name.
    pub args: Vec<OsString>,
    /// Its whole environment; of two of one name the later wins. Default: empty.
    pub env: Vec<(OsString, OsString)>,
    /// By what it is found, with all that comes of it. Default: nothing.
    pub label: Option<Label>,
    /// Where it starts. Default: where we are.
    pub cwd: Option<PathBuf>,
    /// Its descriptor 0. Default: null.
    pub stdin: Stdio,
    /// Its descriptor 1. Default: null.
    pub stdout: Stdio,
    /// Its descriptor 2. Default: null.
    pub stderr: Stdio,
    /// What it is the leader of. Default: a session.
    pub leads: Leads,
    /// As whom it runs. Default: as we do.
    pub ids: Option<Ids>,
    /// The folder of the control group, of version 2, that it is born into. Default: ours.
    pub cgroup: Option<Arc<OwnedFd>>,
    /// Its limits, soft and hard alike. One that is above ours is lowered to ours. Default: ours.
    pub rlimits: Vec<(Resource, u64)>,
    /// It, and whatever it starts, can never gain a privilege, as by a set-user-id file. Default:
    /// true.
    pub no_new_privs: bool,
    /// Signals that it ignores from the start. Default: none.
    pub ignored: Vec<Signal>,
    /// What becomes of those of its group that outlive it. Default: they are killed.
    pub leftovers: Leftovers,
    /// What the kernel sends it if we end before it. Default: KILL, since any other may be ignored.
    pub death_signal: Signal,
    /// It may live longer than us: neither our end kills it, nor that nobody holds its
    /// [`Child`](crate::Child) any more. Default: false.
    pub outlives_us: bool,
}

/// A variable of a process's environment by which [`strays`](crate::strays) finds it, and whatever it
/// starts. In the environment it stands for any other of its name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: OsString,
}

/// Where one of a job's standard streams leads.
#[derive(Clone, Debug, Default)]
pub enum Stdio {
    /// To a file that somebody else opened. It is handed on as it is: not a flag of it is changed.
    Given(Arc<OwnedFd>),
    /// Nowhere: `/dev/null`.
    #[default]
    Null,
    /// A pipe, whose other end we get. That end does not block.
    Pipe,
}

/// What a process is the leader of, besides its own process group.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Leads {
    /// Nothing: it stays in our session, so that signals of job control stop it, but without our
    /// terminal.
    Group,
    /// A session without a terminal. Signals of job control do not stop it.
    #[default]
    Session,
    /// A session whose terminal is its descriptor 0.
    Terminal,
}

/// A user, as the kernel knows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ids {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// All other groups.
    pub groups: Vec<u32>,
}

/// What becomes of those of a process's group that outlive it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Leftovers {
    /// They are killed.
    #[default]
    Kill,
    /// They are somebody else's to see to.
    Leave,
}

impl Job {
    /// `program`, with the defaults.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            file: None,
            arg0: None,
            args: Vec::new(),
            env: Vec::new(),
            label: None,
            cwd: None,
            stdin: Stdio::Null,
            stdout: Stdio::Null,
            stderr: Stdio::Null,
            leads: Leads::Session,
            ids: None,
            cgroup: None,
            rlimits: Vec::new(),
            no_new_privs: true,
            ignored: Vec::new(),
            leftovers: Leftovers::Kill,
            death_signal: Signal::KILL,
            outlives_us: false,
        }
    }
}
