//! Where what an agent's containers need is kept, by the agent's name.
//!
//! ```text
//! /run/hotfn/oci/                        in memory, on most hosts
//!   01kaf3…/                             an agent
//!     bundles/01kaf4…/                   a container: config.json, hosts, pid, runtime.log,
//!                                        base/, top/, rootfs/ (a mount, while it starts), netns, network.json
//!     runtimes/runc/01kaf4…/             the runtime's own notes on it
//! ```
//!
//! That is all there is of a container on the host's file systems, so whatever is found below a dead
//! agent's name is what is left of its containers.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::netns;
use super::rootfs::Rootfs;

/// One agent's directory.
#[derive(Clone, Debug)]
pub(super) struct Home {
    path: PathBuf,
}

impl Home {
    pub(super) fn new(state: &Path, node: &str) -> Self {
        Self { path: state.join(node) }
    }

    /// Makes the directory of a container. It is ours alone: what is in it is nobody else's to see.
    pub(super) fn bundle(&self, id: &str) -> io::Result<PathBuf> {
        let bundle = self.path.join("bundles").join(id);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(bundle.parent().expect("it was joined"))?;
        fs::DirBuilder::new().mode(0o700).create(&bundle)?;
        Ok(bundle)
    }

    /// Where a runtime keeps its notes.
    pub(super) fn runtime(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join("runtimes").join(name)
    }

    /// The directories of its containers.
    pub(super) fn bundles(&self) -> Vec<PathBuf> {
        entries(&self.path.join("bundles"))
    }

    /// Where runtimes have kept notes.
    pub(super) fn runtimes(&self) -> Vec<PathBuf> {
        entries(&self.path.join("runtimes"))
    }

    /// Removes it if there is nothing of a container in it.
    pub(super) fn remove_empty(&self) {
        let folders =
            self.runtimes().into_iter().chain(["bundles", "runtimes", ""].map(|folder| self.path.join(folder)));
        for folder in folders {
            // What is not empty stays.
            let _ = fs::remove_dir(folder);
        }
    }

    /// Removes it, with what has no container in it any more.
    pub(super) fn remove(&self) -> io::Result<()> {
        for bundle in self.bundles() {
            remove_bundle(&bundle)?;
        }
        gone(fs::remove_dir_all(&self.path))
    }
}

/// Removes the directory of a container that has ended.
pub(super) fn remove_bundle(bundle: &Path) -> io::Result<()> {
    Rootfs::sweep(bundle);
    netns::remove(bundle);
    gone(fs::remove_dir_all(bundle))
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    removed.or_else(|e| if e.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(e) })
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}
