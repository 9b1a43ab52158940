//! The directory that an agent and one function share, and the watch on it.

use std::fs;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::watch::Watch;
use crate::check::{Run, ours};

/// The base name agents use. A function must not count on it.
const USUAL: &str = "lsnr.sock";

/// Whoever the function runs as must be able to make files here.
const FOR_ALL: u32 = 0o777;

/// A directory, watched from its making.
#[derive(Debug)]
pub(crate) struct Home {
    listener: PathBuf,
    watch: Watch,
    // Removed last.
    folder: TempDir,
}

impl Home {
    pub(crate) fn new() -> Run<Self> {
        Self::with_listener(USUAL)
    }

    /// With another place for the listener: `name` may have folders in it.
    pub(crate) fn with_listener(name: &str) -> Run<Self> {
        let folder = ours(TempDir::with_prefix("iofs"), "make a directory for the function")?;
        let listener = folder.path().join(name);
        let dir = listener.parent().expect("it lies in a folder");
        ours(fs::create_dir_all(dir), "make the listener's folder")?;
        for dir in [folder.path(), dir] {
            ours(fs::set_permissions(dir, fs::Permissions::from_mode(FOR_ALL)), "open the directory to all")?;
        }
        let watch = ours(Watch::new(dir), "watch the directory with inotify")?;
        Ok(Self { listener, watch, folder })
    }

    pub(crate) fn listener(&self) -> &Path {
        &self.listener
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Waits until something gets a name, or the process behind `or` ends, or `bound` is over.
    pub(crate) fn wait_for_a_name(&self, bound: Duration, or: BorrowedFd<'_>) -> Run {
        ours(self.watch.wait(bound, or), "wait for the directory")
    }
}
