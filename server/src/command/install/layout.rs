//! Where the files are, and putting one there.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::unit;

/// The files of an installation.
#[derive(Debug)]
pub(super) struct Layout {
    root: PathBuf,
}

/// What putting a file came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Put {
    /// It was as it should be.
    Same,
    Written,
}

impl Layout {
    pub(super) fn below(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    pub(super) fn program(&self) -> PathBuf {
        self.below_root(unit::PROGRAM)
    }

    pub(super) fn config(&self) -> PathBuf {
        self.below_root(unit::CONFIG)
    }

    pub(super) fn unit(&self) -> PathBuf {
        self.below_root("/etc/systemd/system").join(unit::NAME)
    }

    /// How a package tells that the user is to be made.
    pub(super) fn sysusers(&self) -> PathBuf {
        self.below_root("/usr/lib/sysusers.d/dataflux-func-sidecar.conf")
    }

    fn below_root(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// Puts our own program in its place.
    pub(super) fn put_program(&self, ours: &Path) -> Result<Put> {
        let place = self.program();
        if place.canonicalize().ok() == ours.canonicalize().ok() {
            return Ok(Put::Same);
        }
        let bytes = fs::read(ours).with_context(|| format!("cannot read {}", ours.display()))?;
        self.put(&place, &bytes, 0o755)
    }

    /// Puts a file in its place as a whole: what runs from it, or reads it, is never half of two.
    pub(super) fn put(&self, place: &Path, bytes: &[u8], mode: u32) -> Result<Put> {
        let same = fs::read(place).is_ok_and(|old| old == bytes)
            && fs::metadata(place).is_ok_and(|old| old.permissions().mode() & 0o7777 == mode);
        if same {
            return Ok(Put::Same);
        }
        write(place, bytes, mode).with_context(|| format!("cannot write {}", place.display()))?;
        Ok(Put::Written)
    }
}

fn write(place: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    if let Some(dir) = place.parent() {
        fs::create_dir_all(dir)?;
    }
    let unfinished = place.with_extension("new");
    // One that an interrupted run left may have another mode.
    remove(&unfinished)?;
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    file.write_all(bytes)?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.sync_all()?;
    fs::rename(unfinished, place)
}

/// Removes a file; false if there was none.
pub(super) fn remove(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}
