//! Removing what dead agents left behind.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use hotfn_exec::{Moment, strays};

use super::instance::{Instance, is_name};
use super::{IofsError, LABEL, SWEEP_PATIENCE};

/// Sweeps every directory under `root` whose agent is dead. One that resists is logged and left to
/// the next.
///
/// What still runs goes first: it could otherwise put back what was removed. An agent's containers
/// die with it if they run on this host as its children; this is for those that got away.
pub(super) fn sweep(root: &Path) -> Result<(), IofsError> {
    let entries = std::fs::read_dir(root).map_err(|e| IofsError::new("read the iofs root", root, e))?;
    for entry in entries.flatten() {
        if !is_name(&entry.file_name()) || !entry.file_type().is_ok_and(|t| t.is_dir()) {
            continue;
        }
        match Instance::take(root, &entry.file_name()) {
            Ok(Some(dead)) => bury(dead),
            Ok(None) => {}
            Err(e) => tracing::warn!(error = %e, source = ?e.source, "what a dead agent may have left is not removed"),
        }
    }
    Ok(())
}

fn bury(dead: Instance) {
    let path = dead.path().to_owned();
    let mut within = path.as_os_str().as_bytes().to_vec();
    within.push(b'/');
    match strays::end(LABEL, Moment::BOOT, |container| container.starts_with(&within), SWEEP_PATIENCE) {
        Ok(processes) => tracing::info!(path = %path.display(), processes, "swept what a dead agent left"),
        Err(e) => tracing::warn!(path = %path.display(), error = %e, "what a dead agent left still runs"),
    }
    drop(dead);
}
