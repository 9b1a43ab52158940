//! Locks that hold between processes as between tasks.
//!
//! Each is a `flock` on a file of its own, which the kernel gives back when its holder ends, however
//! that ends.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// How often is looked whether another process has finished: waiting in the kernel could not be
/// given up.
const LOOK: Duration = Duration::from_millis(20);

/// How a lock is held.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Hold {
    Alone,
    Shared,
}

/// Takes the lock at `path`, making its file if need be; `None` if somebody has it.
pub(super) fn try_lock(path: &Path, hold: Hold) -> io::Result<Option<File>> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    try_flock(&file, hold).map(|taken| taken.then_some(file))
}

/// Takes the lock on an open file; false if somebody has it.
pub(super) fn try_flock(file: &File, hold: Hold) -> io::Result<bool> {
    let operation = match hold {
        Hold::Alone => FlockOperation::NonBlockingLockExclusive,
        Hold::Shared => FlockOperation::NonBlockingLockShared,
    };
    match flock(file, operation) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// Takes the lock at `path` when it is free. Cancel safe.
pub(super) async fn lock(path: &Path, hold: Hold) -> io::Result<File> {
    loop {
        if let Some(file) = try_lock(path, hold)? {
            return Ok(file);
        }
        tokio::time::sleep(LOOK).await;
    }
}
