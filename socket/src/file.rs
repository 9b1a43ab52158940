//! A name in a directory that is held open, and which file it was.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::SocketError;

/// A path, split where it matters: its directory, held open, and its last part.
pub(crate) struct Spot {
    pub(crate) dir: OwnedFd,
    pub(crate) name: OsString,
    pub(crate) path: PathBuf,
}

impl Spot {
    pub(crate) fn of(path: &Path) -> Result<Self, SocketError> {
        let name = path.file_name().ok_or_else(|| SocketError::NotAName { path: path.to_owned() })?.to_owned();
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::open(parent, flags, Mode::empty()).map_err(|e| SocketError::Os {
            what: "open the directory",
            path: parent.to_owned(),
            source: e.into(),
        })?;
        Ok(Self { dir, name, path: path.to_owned() })
    }

    /// Another name in the same directory.
    pub(crate) fn beside(&self, name: OsString) -> Result<Self, SocketError> {
        let path = self.path.with_file_name(&name);
        match self.dir.try_clone() {
            Ok(dir) => Ok(Self { dir, name, path }),
            Err(source) => Err(SocketError::Os { what: "open the directory of", path, source }),
        }
    }

    /// What the name is, no link followed; `None` if it is not there.
    pub(crate) fn file(&self) -> Result<Option<File>, SocketError> {
        File::at(self.dir.as_fd(), &self.name).map_err(|e| self.failed("look at", e))
    }

    pub(crate) fn remove(&self) -> Result<(), SocketError> {
        match rustix::fs::unlinkat(&self.dir, &self.name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(e) => Err(self.failed("remove", e)),
        }
    }

    /// Removes the name if it is still `file`. Nobody is told if that fails: this is what a `Drop`
    /// can do, and a name that stays is found stale by the next owner.
    pub(crate) fn remove_if(&self, file: File) {
        if self.file().is_ok_and(|now| now == Some(file)) {
            let _ = self.remove();
        }
    }

    pub(crate) fn failed(&self, what: &'static str, e: Errno) -> SocketError {
        SocketError::Os { what, path: self.path.clone(), source: e.into() }
    }
}

impl fmt::Debug for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)
    }
}

/// Which file a name was, so that it can be told from a later one of the same name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct File {
    pub(crate) kind: FileType,
    dev: u64,
    ino: u64,
}

impl File {
    pub(crate) fn at(dir: BorrowedFd<'_>, name: &OsStr) -> Result<Option<Self>, Errno> {
        match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(Self::from(stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// The one that is open.
    pub(crate) fn of(file: impl AsFd) -> Result<Self, Errno> {
        rustix::fs::fstat(file).map(Self::from)
    }
}

impl From<Stat> for File {
    fn from(stat: Stat) -> Self {
        Self { kind: FileType::from_raw_mode(stat.st_mode), dev: stat.st_dev, ino: stat.st_ino }
    }
}
