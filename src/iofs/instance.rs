//! One agent's directory, and the lock that says that the agent lives.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::alias::Alias;
use super::{IofsError, remove};

/// What the names of agents' directories begin with.
const PREFIX: &str = "hotfn-";
/// What follows: characters of base 32, in lower case.
const CHANCE_CHARS: usize = 8;
/// The file in it that the agent holds locked, and in which it notes its alias.
const OWNER: &str = "owner";
/// Names that are tried before giving up. Each is as good as certain to be free.
const TRIES_MAX: usize = 16;

/// An agent's directory: ours, or one whose owner is dead and who is thus ours to remove. Dropping
/// it removes the directory.
#[derive(Debug)]
pub(super) struct Instance {
    root: OwnedFd,
    dir: OwnedFd,
    path: PathBuf,
    alias: Option<Alias>,
    /// Held locked.
    owner: File,
}

impl Instance {
    /// Makes a new one under `root`.
    pub(super) fn make(root: &Path) -> Result<Self, IofsError> {
        let root_dir = open_root(root)?;
        for _ in 0..TRIES_MAX {
            let name = name();
            match rustix::fs::mkdirat(&root_dir, &name, Mode::RWXU) {
                Ok(()) => {}
                Err(Errno::EXIST) => continue,
                Err(e) => return Err(IofsError::new("make", root.join(name), e)),
            }
            // Between those two steps a sweeper may take it for a dead agent's, and then has it.
            if let Some(mut made) = Self::take(root, name.as_ref())? {
                made.alias = Alias::make(&made.path)?;
                made.note().map_err(|e| IofsError::new("write to", made.path.join(OWNER), e))?;
                return Ok(made);
            }
        }
        Err(IofsError::new("make a directory in", root, Errno::EXIST))
    }

    /// Takes the one called `name`, if nobody alive owns it; `None` if somebody does, or if it is
    /// not there any more.
    ///
    /// An empty directory gets its owner file here: of an agent that is just making its directory and
    /// a sweeper that has just found it, the one who has the lock has the directory. One that is not
    /// empty and has no such file is somebody else's.
    pub(super) fn take(root: &Path, name: &OsStr) -> Result<Option<Self>, IofsError> {
        let path = root.join(name);
        let root_dir = open_root(root)?;
        let taken = || -> io::Result<Option<(OwnedFd, File)>> {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let dir = rustix::fs::openat(&root_dir, name, flags, Mode::empty())?;
            if rustix::fs::fstat(&dir)?.st_uid != rustix::process::geteuid().as_raw() {
                return Ok(None);
            }
            let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let owner = match rustix::fs::openat(&dir, OWNER, flags, Mode::empty()) {
                Err(Errno::NOENT) if remove::is_empty(&dir)? => {
                    rustix::fs::openat(&dir, OWNER, flags | OFlags::CREATE, Mode::RUSR | Mode::WUSR)?
                }
                // Whatever it is, no agent made it.
                Err(Errno::NOENT) => return Ok(None),
                opened => opened?,
            };
            match rustix::fs::flock(&owner, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => return Ok(None),
                Err(e) => return Err(e.into()),
            }
            // The lock may be on a file that another sweeper has removed in the meantime.
            let now = rustix::fs::statat(&dir, OWNER, AtFlags::SYMLINK_NOFOLLOW)?;
            let ours = rustix::fs::fstat(&owner)?;
            Ok((now.st_ino == ours.st_ino && now.st_dev == ours.st_dev).then(|| (dir, owner.into())))
        };
        match taken() {
            Ok(Some((dir, mut owner))) => {
                let alias = Alias::noted(&mut owner, &path);
                Ok(Some(Self { root: root_dir, dir, path, alias, owner }))
            }
            Ok(None) => Ok(None),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(IofsError::new("take", path, e)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A path of the same directory that is short enough for everybody's sockets.
    pub(super) fn short(&self) -> &Path {
        self.alias.as_ref().map_or(&self.path, Alias::path)
    }

    pub(super) fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// For people, and for whoever sweeps after us.
    fn note(&mut self) -> io::Result<()> {
        writeln!(self.owner, "{}", std::process::id())?;
        self.alias.as_ref().map_or(Ok(()), |alias| alias.note(&mut self.owner))
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.alias.take();
        let name = self.path.file_name().expect("an instance has a name under its root");
        if let Err(e) = remove::tree(self.root.as_fd(), name) {
            tracing::warn!(path = %self.path.display(), error = %e, "an agent's directory stays behind");
        }
    }
}

fn open_root(root: &Path) -> Result<OwnedFd, IofsError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(root, flags, Mode::empty()).map_err(|e| IofsError::new("open the iofs root", root, e))
}

/// A fresh name: eight characters of chance.
fn name() -> String {
    let id = ulid::Ulid::generate().to_string().to_ascii_lowercase();
    format!("{PREFIX}{}", &id[id.len() - CHANCE_CHARS..])
}

/// Could this be the name of an agent's directory?
pub(super) fn is_name(name: &OsStr) -> bool {
    let chance = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
    chance.is_some_and(|c| c.len() == CHANCE_CHARS && c.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
}
