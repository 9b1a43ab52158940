//! A file of SQLite's that other processes may write to, watched.
//!
//! Who commits writes to the file's log first, `FILE-wal`, and the kernel says that somebody did. Most of the time
//! that was ourselves. So it is a reason to ask SQLite, which knows without reading a page whether it was another
//! connection than ours (`data_version`), and only that is told.
//!
//! Where the kernel does not say it, because the user has no inotify instance left or the file has no such log,
//! nothing is told, and who wants to know looks for himself.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tokio::net::unix::pipe;
use tokio::sync::Mutex;
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

use super::super::told::Teller;
use super::{Failure, Transaction, Worker};

/// How long nothing is asked after it was: our own writes come by the thousand.
const REST: Duration = Duration::from_millis(250);

/// Room for events read at a time. Nothing in them matters.
const EVENTS_BYTES: usize = 4 << 10;

/// Tells of what other processes write to a file, until it is dropped.
#[derive(Debug)]
pub(super) struct Watching {
    pub(super) teller: Arc<Teller>,
    _task: AbortOnDropHandle<()>,
}

impl Watching {
    /// Watches `file`, to which `worker` has the connection. To be called within a runtime.
    pub(super) fn start(file: &Path, worker: Weak<Mutex<Worker>>) -> Self {
        let (teller, log) = (Arc::new(Teller::new()), log_of(file));
        let tells = teller.clone();
        let task = tokio::spawn(async move {
            if let Err(e) = watch(&log, &worker, &tells).await {
                tracing::info!(
                    error = %e,
                    "{log:?} cannot be watched; whether another process writes to the store is looked up instead"
                );
            }
            tells.stop();
        });
        Self { teller, _task: AbortOnDropHandle::new(task) }
    }
}

/// The log of what is written to `file`.
fn log_of(file: &Path) -> PathBuf {
    let mut name = OsString::from(file);
    name.push("-wal");
    name.into()
}

/// Tells for as long as there is a connection.
async fn watch(log: &Path, worker: &Weak<Mutex<Worker>>, teller: &Teller) -> io::Result<()> {
    // To a runtime the instance is what the reading end of a pipe is: bytes come out of it.
    let events = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    let events = pipe::Receiver::from_owned_fd_unchecked(events)?;
    let mut seen = None;
    loop {
        // Each time: if the log is another file by now, that is watched as well.
        inotify::add_watch(&events, log, WatchFlags::MODIFY | WatchFlags::CLOSE_WRITE)?;
        let Some(worker) = worker.upgrade() else { return Ok(()) };
        // If it cannot be said, who looks finds out why.
        let version = version(worker).await.ok();
        if seen.is_none() || seen != version {
            seen = version;
            teller.tell_all();
        }
        sleep(REST).await;
        events.readable().await?;
        let mut room = [0; EVENTS_BYTES];
        while events.try_read(&mut room).is_ok_and(|read| read > 0) {}
    }
}

/// A number that is another one once another connection has committed.
async fn version(worker: Arc<Mutex<Worker>>) -> Result<i64, Failure> {
    let turn = Transaction { worker: worker.lock_owned().await, is_over: true };
    turn.run(|connection| connection.query_row("PRAGMA data_version", [], |row| row.get(0))).await
}
