//! Ending what has left its container's group.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hotfn_exec::{Moment, strays};
use tokio::sync::oneshot;

use crate::iofs::LABEL;

/// How long one that was killed may take to be gone.
const PATIENCE: Duration = Duration::from_secs(5);

/// Finds processes by label. That takes a look at all processes, so one look serves all containers
/// that end while the one before was under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Strays {
    desk: Arc<Mutex<Desk>>,
}

#[derive(Debug, Default)]
struct Desk {
    asked: HashMap<OsString, Asked>,
    /// Somebody is at work and will look at the desk again.
    staffed: bool,
}

/// What is asked about one label.
#[derive(Debug)]
struct Asked {
    /// Nothing that carries it is older.
    since: Moment,
    done: Vec<oneshot::Sender<()>>,
}

impl Strays {
    /// Resolves when nothing that carries `label`, and is not older than `since`, runs any more.
    pub(super) async fn end(&self, label: &OsStr, since: Moment) {
        let (done, told) = oneshot::channel();
        let staffed = {
            let mut desk = self.desk();
            let asked = desk.asked.entry(label.to_owned());
            let asked = asked.or_insert_with(|| Asked { since, done: Vec::new() });
            asked.since = asked.since.min(since);
            asked.done.push(done);
            std::mem::replace(&mut desk.staffed, true)
        };
        if !staffed {
            let desk = self.clone();
            tokio::task::spawn_blocking(move || desk.work());
        }
        // Whoever works there answers, or the runtime is going down and with it everything.
        let _ = told.await;
    }

    fn work(&self) {
        loop {
            let asked = {
                let mut desk = self.desk();
                desk.staffed = !desk.asked.is_empty();
                std::mem::take(&mut desk.asked)
            };
            let Some(since) = asked.values().map(|asked| asked.since).min() else { return };
            let ours = |label: &[u8]| asked.contains_key(OsStr::from_bytes(label));
            match strays::end(LABEL, since, ours, PATIENCE) {
                Ok(0) => {}
                Ok(processes) => tracing::debug!(processes, "ended what had left its container's group"),
                Err(e) => tracing::warn!(error = %e, "what has left its container's group still runs"),
            }
            for done in asked.into_values().flat_map(|asked| asked.done) {
                let _gone = done.send(());
            }
        }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
