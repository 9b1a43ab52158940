//! The directories in which functions place their sockets.
//!
//! Each container has a directory of its own, in which the function makes the name `lsnr.sock`, and
//! the agent connects to it. What is in there is the function's doing and thus hostile: every look
//! ([`Iofs::look`]) and every connection ([`Iofs::dial`]) goes from the directory's own descriptor,
//! follows links only to names in that directory, and reaches nothing but a socket.
//!
//! The directories of one agent lie in one of its own, whose `owner` file it holds locked:
//!
//! ```text
//! /dev/shm/hotfn-x7k2m9qa/        this agent's, 0700
//!                        /owner   locked for as long as the agent lives
//!                        /1/      a container's
//!                          /lsnr.sock -> phonylsnr.sock
//!                        /2/
//! ```
//!
//! The lock goes with the process, however it ends, so the next agent under the same root can tell
//! what a dead one left and removes it: first what still runs, then the directories.
//! Any number of agents may share a root.
//!
//! Names are short because others' FDKs know no way around the 107 bytes of a socket's address. If
//! the root itself is long, functions are told a path through a link in the temporary folder.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use hotfn_protocols::Dial;
use hotfn_socket::Dir;
use rustix::fs::{self, Mode, OFlags};

mod alias;
mod instance;
mod place;
mod remove;
mod sweep;
#[cfg(test)]
mod tests;

use instance::Instance;
use place::Place;

/// Why a container's socket is not one that we would connect to; its message is the reason.
pub use hotfn_socket::LookError as Invalid;

/// The name under which a function announces its socket.
pub const LISTENER: &str = "lsnr.sock";

/// The environment variable that marks what runs in a container: its value is the container's iofs
/// directory. By it processes are found that have outlived their container.
pub const LABEL: &str = "HOTFN_CONTAINER";

/// Where the system keeps files in memory.
const MEMORY: &str = "/dev/shm";

/// How long [`Root::open`] waits for what still runs of a dead agent to be gone, once killed.
pub const SWEEP_PATIENCE: Duration = Duration::from_secs(5);

/// This agent's own directory under an iofs root. It goes when the last of its containers' does.
#[derive(Debug)]
pub struct Root {
    instance: Arc<Instance>,
    access: Access,
    next: AtomicU64,
}

/// Who may make files in a container's directory.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Access {
    /// Anybody (0777): for containers that run as another user than we do. Who can reach the
    /// directory is then up to the one above it, which is ours alone.
    Everyone,
    /// We alone (0700): for containers that run as we do.
    #[default]
    Owner,
}

/// Why there is no directory.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {path:?}")]
pub struct IofsError {
    what: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

impl IofsError {
    fn new(what: &'static str, path: impl Into<PathBuf>, source: impl Into<io::Error>) -> Self {
        Self { what, path: path.into(), source: source.into() }
    }
}

impl Root {
    /// The place for [`Root::open`] if nobody has named one: `TMPDIR` where that is set, else memory,
    /// `/dev/shm`, where we may write there, else the temporary folder.
    ///
    /// Nothing in these directories is to outlive the node, and a first call waits for all that is made
    /// in them. A disk's file system writes a journal of it; and ext4 is slow to give out again what was
    /// just removed, so that the more containers have gone, the longer new ones take.
    #[must_use]
    pub fn usual() -> PathBuf {
        let ours = fs::Access::WRITE_OK | fs::Access::EXEC_OK;
        let is_free = std::env::var_os("TMPDIR").is_none() && fs::access(MEMORY, ours).is_ok();
        if is_free { PathBuf::from(MEMORY) } else { std::env::temp_dir() }
    }

    /// Makes a directory of our own under `dir`, which is made too if it is not there. What dead
    /// agents left under `dir` is swept away first; what of it cannot be is logged and left.
    ///
    /// Blocks, for up to [`SWEEP_PATIENCE`] if something of a dead agent is hard to kill.
    ///
    /// # Errors
    /// When `dir` cannot be made or written to.
    pub fn open(dir: &Path) -> Result<Self, IofsError> {
        std::fs::create_dir_all(dir).map_err(|e| IofsError::new("make the iofs root", dir, e))?;
        let dir = dir.canonicalize().map_err(|e| IofsError::new("find the iofs root", dir, e))?;
        sweep::sweep(&dir)?;
        let instance = Arc::new(Instance::make(&dir)?);
        Ok(Self { instance, access: Access::default(), next: AtomicU64::new(1) })
    }

    /// With other access to the containers' directories made from now on.
    #[must_use]
    pub fn access(self, access: Access) -> Self {
        Self { access, ..self }
    }

    /// Makes the directory of the container called `id`, which only log lines name.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn container(&self, id: &str) -> Result<Iofs, IofsError> {
        let name = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        let path = self.instance.path().join(&name);
        let failed = |what, e: rustix::io::Errno| IofsError::new(what, &path, e);

        let mode = match self.access {
            Access::Everyone => Mode::from_raw_mode(0o777),
            Access::Owner => Mode::from_raw_mode(0o700),
        };
        rustix::fs::mkdirat(self.instance.dir(), &name, mode).map_err(|e| failed("make", e))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir =
            rustix::fs::openat(self.instance.dir(), &name, flags, Mode::empty()).map_err(|e| failed("open", e))?;
        // What was asked for, whatever the umask.
        rustix::fs::fchmod(&dir, mode).map_err(|e| failed("set the mode of", e))?;
        Ok(Iofs {
            instance: Arc::clone(&self.instance),
            place: Place::new(Dir::from(dir)),
            id: id.to_owned(),
            name,
            path,
            closed: AtomicBool::new(false),
        })
    }

    /// This agent's directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.instance.path()
    }
}

/// A container's directory. It goes when it is closed, or dropped.
#[derive(Debug)]
pub struct Iofs {
    instance: Arc<Instance>,
    place: Place,
    id: String,
    name: String,
    path: PathBuf,
    closed: AtomicBool,
}

/// What a container's directory holds under the name [`LISTENER`].
#[derive(Debug)]
pub enum Look {
    /// Nothing yet.
    Absent,
    /// Something that we would never connect to, now or later.
    Invalid(Invalid),
    /// A socket.
    Ready,
}

impl Look {
    fn of(is_there: Result<bool, Invalid>) -> Self {
        match is_there {
            Ok(false) => Self::Absent,
            Ok(true) => Self::Ready,
            Err(invalid) => Self::Invalid(invalid),
        }
    }
}

impl Iofs {
    /// The directory's real path on this host.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The value of `FN_LISTENER` for a function that shares our file system: `unix:` and a path of
    /// at most 107 bytes, also with what FDKs put before or after the name.
    #[must_use]
    pub fn listener(&self) -> String {
        format!("unix:{}", self.short(LISTENER))
    }

    /// A path of the file `name` in it, for a function that shares our file system, as short as can be.
    pub(crate) fn short(&self, name: &str) -> String {
        self.instance.short().join(&self.name).join(name).display().to_string()
    }

    /// Looks for the socket once, without contacting anybody.
    #[must_use]
    pub fn look(&self) -> Look {
        Look::of(self.place.look().map(|socket| socket.is_some()))
    }

    /// The same, for who connects next: the first connection is made to the very socket that was found, unless
    /// that refuses it, or is [forgotten](Self::forget) before.
    pub(crate) fn find(&self) -> Look {
        Look::of(self.place.find())
    }

    /// Lets go of what was found: whoever connects from now on looks for himself.
    pub(crate) fn forget(&self) {
        self.place.forget();
    }

    /// The place of the function's socket. It can be dialled for as long as the directory is there.
    #[must_use]
    pub fn dial(&self) -> Box<dyn Dial> {
        Box::new(self.place.clone())
    }

    /// Removes the directory and all that the function put there. Safe to call again.
    ///
    /// Not cut short by being dropped: what has begun is done.
    pub async fn close(&self) {
        if let Some(removal) = self.removal() {
            // Fails only if the runtime is going down, and then the next agent sweeps.
            let _ = tokio::task::spawn_blocking(removal).await;
        }
    }

    /// What there is to do, for the first who asks.
    fn removal(&self) -> Option<impl FnOnce() + Send + use<>> {
        if self.closed.swap(true, Ordering::Relaxed) {
            return None;
        }
        let (instance, id, name) = (Arc::clone(&self.instance), self.id.clone(), self.name.clone());
        Some(move || {
            if let Err(e) = remove::tree(instance.dir(), name.as_ref()) {
                let path = instance.path().join(&name);
                tracing::warn!(container_id = %id, path = %path.display(), error = %e, "an iofs directory stays behind");
            }
        })
    }
}

impl Drop for Iofs {
    fn drop(&mut self) {
        if let Some(removal) = self.removal() {
            removal();
        }
    }
}
