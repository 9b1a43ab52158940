//! The control groups of a node's containers: where they are, and what is left of them.
//!
//! The runtime makes and removes a container's own group, `/hotfn/NODE/CONTAINER` in every hierarchy.
//! What lies above it no runtime removes, so a node's are removed here. `/hotfn` itself stays, empty: to remove it would be to remove
//! it under another node's runtime.

use std::fs;
use std::path::{Path, PathBuf};

use super::rules::Groups;
use crate::cgroup::Mount;

/// The group that all of ours are in.
const TOP: &str = "hotfn";

/// The group of one container, in every hierarchy.
pub(super) fn path(node: &str, id: &str) -> String {
    format!("/{TOP}/{node}/{id}")
}

/// What groups can do here for us.
pub(super) fn ours() -> Groups {
    if !rustix::process::geteuid().is_root() {
        return Groups::None;
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    // The old version says in a file whether it counts swap; of the new one it is the runtime that asks.
    let mut memory = Mount::all(&mounts).filter(|mount| mount.has("memory"));
    let swap = memory.all(|mount| mount.top(Path::new("/")).join("memory.memsw.limit_in_bytes").exists());
    Groups::Ours { swap }
}

/// Removes what is left of a container's group. One that has a process in it stays.
pub(super) fn remove_one(node: &str, id: &str) {
    for top in tops() {
        // Most are gone already.
        let _ = fs::remove_dir(top.join(node).join(id));
    }
}

/// Removes what is left of a node's groups. One that has a process in it stays.
pub(super) fn remove(node: &str) {
    for top in tops() {
        let group = top.join(node);
        for inner in fs::read_dir(&group).into_iter().flatten().flatten() {
            let _ = fs::remove_dir(inner.path());
        }
        let _ = fs::remove_dir(group);
    }
}

/// The directory of all of ours, in every hierarchy.
fn tops() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    Mount::all(&mounts).map(|mount| mount.top(Path::new("/")).join(TOP)).collect()
}
