//! A short name for a directory whose own is too long.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::IofsError;

/// What an agent's directory may have for a path, so that in it every container's every socket fits
/// an address: 107 bytes, less the container (`/1234567`) and the longest name that FDKs bind
/// (`/lsnr.sock.private`).
pub(super) const PATH_BYTES_MAX: usize = 107 - 8 - 18;
/// Bytes of the owner file that are read for one.
const NOTE_BYTES_MAX: u64 = 8192;

/// A link of the same name in the temporary folder. Dropping it removes it, if it still is that.
#[derive(Debug)]
pub(super) struct Alias {
    path: PathBuf,
    target: PathBuf,
}

impl Alias {
    /// Makes one for `target` if that is too long.
    pub(super) fn make(target: &Path) -> Result<Option<Self>, IofsError> {
        if target.as_os_str().len() <= PATH_BYTES_MAX {
            return Ok(None);
        }
        let name = target.file_name().expect("an instance has a name under its root");
        let path = [std::env::temp_dir(), PathBuf::from("/tmp")]
            .into_iter()
            .map(|folder| folder.join(name))
            .find(|path| path.is_absolute() && path.as_os_str().len() <= PATH_BYTES_MAX)
            .expect("a name in /tmp is short enough");
        std::os::unix::fs::symlink(target, &path)
            .map_err(|e| IofsError::new("make a shorter name for the long iofs root, as", &path, e))?;
        Ok(Some(Self { path, target: target.to_owned() }))
    }

    /// The one that the dead agent of `target` noted.
    pub(super) fn noted(owner: &mut File, target: &Path) -> Option<Self> {
        let mut note = Vec::new();
        owner.take(NOTE_BYTES_MAX).read_to_end(&mut note).ok()?;
        let line = note.split(|b| *b == b'\n').nth(1).filter(|line| !line.is_empty())?;
        let path = PathBuf::from(std::ffi::OsString::from_vec(line.to_vec()));
        Some(Self { path, target: target.to_owned() })
    }

    pub(super) fn note(&self, owner: &mut File) -> io::Result<()> {
        owner.write_all(self.path.as_os_str().as_bytes())?;
        owner.write_all(b"\n")
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Alias {
    /// Only a link that leads to the very directory is removed, whatever a note may say.
    fn drop(&mut self) {
        if std::fs::read_link(&self.path).is_ok_and(|target| target == self.target) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
