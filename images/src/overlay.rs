//! What overlayfs must be told so that a layer can take away what is below it.
//!
//! A file that is gone is a character device 0/0 in its place, which anybody may make. A directory
//! whose lower contents are gone has an extended attribute: one that only the system's root may
//! set, or one that anybody may, which counts if the mount says `userxattr`.

use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, XattrFlags, fsetxattr, makedev, mknodat, open};
use rustix::io::Errno;

/// How the layers of a store mark what they take away.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Overlay {
    /// For mounts as they are by default.
    Trusted,
    /// For mounts with the option `userxattr`, as everybody but the system's root must make them.
    User,
}

impl Overlay {
    /// What this process may do in `dir`, found out by doing it; `None` if it may do neither.
    pub(crate) fn probe(dir: &Path) -> Option<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let made = tempfile::tempdir_in(dir).ok()?;
        let probe = open(made.path(), flags, Mode::empty()).ok()?;
        whiteout(&probe, b"whiteout").ok()?;
        [Self::Trusted, Self::User].into_iter().find(|overlay| overlay.make_opaque(&probe).is_ok())
    }

    /// Hides what is below directory `dir`.
    pub(crate) fn make_opaque(self, dir: impl AsFd) -> Result<(), Errno> {
        let name = match self {
            Self::Trusted => c"trusted.overlay.opaque",
            Self::User => c"user.overlay.opaque",
        };
        fsetxattr(dir, name, b"y", XattrFlags::empty())
    }
}

/// Hides `name` of what is below directory `dir`.
pub(crate) fn whiteout(dir: impl AsFd, name: &[u8]) -> Result<(), Errno> {
    mknodat(dir, name, FileType::CharacterDevice, Mode::empty(), makedev(0, 0))
}
