//! What a container lets its process do: told on demand, as the kernel tells it.

use std::fs;

use rustix::process::{getgid, getuid};
use serde::{Deserialize, Serialize};

/// Who it is and what it may.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Surroundings {
    pub(crate) user: u32,
    pub(crate) group: u32,
    /// The capabilities it has, or could get, as the kernel writes them.
    pub(crate) capabilities: String,
    pub(crate) no_new_privileges: bool,
    pub(crate) root_is_writable: bool,
    pub(crate) tmp_is_writable: bool,
}

impl Surroundings {
    pub(super) fn look() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let told = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.trim_start_matches(':').trim().to_owned()
        };
        let sets = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].map(&told);
        let any = sets.iter().find(|set| set.bytes().any(|digit| digit != b'0'));
        Self {
            user: getuid().as_raw(),
            group: getgid().as_raw(),
            capabilities: any.cloned().unwrap_or_default(),
            no_new_privileges: told("NoNewPrivs") == "1",
            root_is_writable: is_writable("/"),
            tmp_is_writable: is_writable("/tmp"),
        }
    }
}

fn is_writable(folder: &str) -> bool {
    let path = format!("{folder}/witness-{}", std::process::id());
    let written = fs::write(&path, "").is_ok();
    // What it could write it can take away.
    let _ = fs::remove_file(&path);
    written
}
