//! Outcomes on their way, on disk: a file each, there until it is delivered or given up.
//!
//! It is written before it is first sent, so that it outlives whatever becomes of us. The files hold
//! what commands printed and are nobody else's to read.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// An outcome on its way.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Delivery {
    /// The job's, by which a receiver knows repeats.
    pub(crate) job: String,
    /// As the caller sent it.
    pub(crate) url: String,
    /// The name of the key that it is signed with.
    pub(crate) key: String,
    pub(crate) exit_code: i32,
    /// The JSON document.
    pub(crate) body: String,
}

/// Where they are kept.
#[derive(Clone, Debug)]
pub(super) struct Spool {
    dir: PathBuf,
}

/// How a finished file's name ends; what is being written has none of it.
const ENDING: &str = "json";

impl Spool {
    /// Beneath `state`, in a directory that is made.
    pub(super) fn open(state: &Path) -> io::Result<Self> {
        let dir = state.join("callbacks");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        Ok(Self { dir })
    }

    /// Keeps it. When this returns it is there as a whole.
    pub(super) fn keep(&self, delivery: &Delivery) -> io::Result<()> {
        let path = self.path(&delivery.job);
        let unfinished = path.with_extension("new");
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        file.write_all(&serde_json::to_vec(delivery)?)?;
        fs::rename(unfinished, path)
    }

    /// It is delivered, or given up.
    pub(super) fn remove(&self, job: &str) {
        if let Err(e) = fs::remove_file(self.path(job)) {
            tracing::warn!(job, "cannot remove a callback that is done: {e}; it will be sent again after a restart");
        }
    }

    /// Those that somebody before us left, oldest first, `max` at most. One that cannot be read is
    /// left where it is, with a warning.
    pub(super) fn load(&self, max: usize) -> Vec<Delivery> {
        let Ok(entries) = fs::read_dir(&self.dir) else { return Vec::new() };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|ending| ending == ENDING));
        // Ids sort by time.
        paths.sort();
        paths.truncate(max);
        paths.iter().filter_map(|path| read(path)).collect()
    }

    fn path(&self, job: &str) -> PathBuf {
        self.dir.join(job).with_extension(ENDING)
    }
}

fn read(path: &Path) -> Option<Delivery> {
    let read = fs::read(path).and_then(|text| serde_json::from_slice(&text).map_err(io::Error::from));
    read.inspect_err(|e| tracing::warn!("cannot read the callback {}: {e}", path.display())).ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_kept_is_there_for_the_next_in_order_and_for_nobody_else() {
        let state = tempfile::tempdir().unwrap();
        let delivery = |job: &str| Delivery {
            job: job.to_owned(),
            url: "http://h/".to_owned(),
            key: "default".to_owned(),
            exit_code: 0,
            body: "{}".to_owned(),
        };
        let spool = Spool::open(state.path()).unwrap();
        for job in ["02", "01", "03"] {
            spool.keep(&delivery(job)).unwrap();
        }
        let dir = state.path().join("callbacks");
        assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(dir.join("01.json")).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(dir.join("00.json"), "{").unwrap();
        fs::write(dir.join("04.new"), "").unwrap();
        spool.remove("03");
        let next = Spool::open(state.path()).unwrap();
        assert_eq!(next.load(10), [delivery("01"), delivery("02")]);
        assert_eq!(next.load(2), [delivery("01")]);
    }
}
