//! When files that changed are worth reading.
//!
//! Two files are not written at once, and a file is not written at once either. What is seen to
//! have changed is therefore read when it looks the same a second time. A look is a `stat` of each,
//! which sees renames, symbolic links that were turned elsewhere, and plain writing alike.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::Files;

/// How two files look from outside; `None` for one that is not there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Look([Option<Stamp>; 2]);

/// Of a file: device, inode, length, and when it was last written or renamed, in ns.
type Stamp = (u64, u64, u64, i128);

/// What is known of the files.
#[derive(Debug)]
pub(super) struct Watched {
    /// As they were when they were last read.
    read: Look,
    /// As they were when they were last looked at.
    seen: Look,
}

impl Look {
    /// As they are now.
    pub(super) fn at(files: &Files) -> Self {
        Self([&files.certificate, &files.key].map(|path| stamp(path)))
    }
}

impl Watched {
    pub(super) fn new(now: Look) -> Self {
        Self { read: now, seen: now }
    }

    /// Are they to be read, now that they look like this?
    pub(super) fn is_due(&mut self, now: Look) -> bool {
        let is_settled = std::mem::replace(&mut self.seen, now) == now;
        let is_due = is_settled && now != self.read;
        if is_due {
            self.read = now;
        }
        is_due
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let meta = fs::metadata(path).ok()?;
    let changed = i128::from(meta.ctime()) * 1_000_000_000 + i128::from(meta.ctime_nsec());
    Some((meta.dev(), meta.ino(), meta.len(), changed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(n: u64) -> Look {
        Look([Some((0, 0, n, 0)), None])
    }

    #[test]
    fn what_changed_is_read_once_when_it_is_still() {
        let mut watched = Watched::new(look(0));
        let looks = [0, 1, 2, 2, 2, 0, 0, 0, 3, 0, 0];
        let due: Vec<bool> = looks.iter().map(|&n| watched.is_due(look(n))).collect();
        let expected = [3, 6].map(|at: usize| at);
        let read: Vec<usize> = due.iter().enumerate().filter_map(|(at, &due)| due.then_some(at)).collect();
        assert_eq!(read, expected, "not while it moves, not twice, and not what came back");
    }

    #[test]
    fn a_rename_and_a_write_both_show() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let files = Files { certificate: path("cert"), key: path("key") };
        let nothing = Look::at(&files);
        fs::write(path("cert"), "one").unwrap();
        let one = Look::at(&files);
        fs::write(path("other"), "two").unwrap();
        fs::rename(path("other"), path("cert")).unwrap();
        let two = Look::at(&files);
        assert!(nothing != one && one != two && two == Look::at(&files));
    }
}
