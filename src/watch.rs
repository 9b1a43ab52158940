//! One inotify instance for the directories of all containers.
//!
//! A user has 128 inotify instances by default; an instance a container stops a node at 128. Here
//! the agent has one, with a watch per directory for as long as a container's socket is awaited.
//!
//! The thread that the kernel's events arrive on only routes: it finds whom a directory belongs to
//! and wakes them. What is in the directory is looked at by the one who waits, and always after an
//! event, never instead of one: so it does not matter how many events say the same, and when the
//! kernel's queue overflows everybody is woken to look for themselves.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use notify::event::{EventKind, ModifyKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

use crate::iofs::{Invalid, Iofs, Look};

/// Watches directories. Cheap to clone: it is the same watch.
#[derive(Clone)]
pub struct Watch {
    inner: Arc<Inner>,
}

struct Inner {
    watcher: Mutex<RecommendedWatcher>,
    routes: Arc<Routes>,
}

/// A directory that is watched, until this is dropped.
pub struct Armed {
    watch: Watch,
    path: PathBuf,
    named: Arc<Notify>,
}

/// Why a directory cannot be watched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WatchError {
    /// It is gone, or the user has no watch left.
    #[error("cannot watch {path:?}; if there are too many watches, raise fs.inotify.max_user_watches")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: notify::Error,
    },
    /// The user has no inotify instance left.
    #[error("cannot have an inotify instance; if there are too many, raise fs.inotify.max_user_instances")]
    Instance(#[source] notify::Error),
}

impl Watch {
    /// Takes an inotify instance, and starts the thread that its events arrive on.
    ///
    /// # Errors
    /// When the user has no instance left.
    pub fn new() -> Result<Self, WatchError> {
        let routes = Arc::new(Routes::default());
        let handler = Arc::clone(&routes);
        let watcher = notify::recommended_watcher(move |event| handler.route(event)).map_err(WatchError::Instance)?;
        Ok(Self { inner: Arc::new(Inner { watcher: Mutex::new(watcher), routes }) })
    }

    /// Watches the directory of a container that is not started yet, so that nothing it does can be
    /// missed.
    ///
    /// # Errors
    /// When the user has no watch left, or the directory is gone.
    pub fn arm(&self, iofs: &Iofs) -> Result<Armed, WatchError> {
        self.arm_path(iofs.path())
    }

    fn arm_path(&self, path: &Path) -> Result<Armed, WatchError> {
        // Routed first: an event may come before `watch` has returned.
        let named = self.inner.routes.add(path);
        let armed = Armed { watch: self.clone(), path: path.to_owned(), named };
        let watched = self.watcher().watch(path, RecursiveMode::NonRecursive);
        watched.map_err(|source| WatchError::Directory { path: path.to_owned(), source })?;
        Ok(armed)
    }

    fn watcher(&self) -> MutexGuard<'_, RecommendedWatcher> {
        self.inner.watcher.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Armed {
    /// Waits until the container's socket is there.
    ///
    /// Only the first appearance of the name decides: whatever has it then is the function's socket
    /// or the reason why there is none. Other names do not matter. Cancel safe, and may be called
    /// again.
    ///
    /// # Errors
    /// When what has the name is not a socket that we would connect to.
    pub async fn socket(&self, iofs: &Iofs) -> Result<(), Invalid> {
        loop {
            match iofs.look() {
                Look::Absent => self.changed().await,
                Look::Invalid(invalid) => return Err(invalid),
                Look::Ready => return Ok(()),
            }
        }
    }

    /// Resolves when a name has appeared in the directory since it was armed or since this resolved
    /// last, and sometimes without reason. Cancel safe.
    pub async fn changed(&self) {
        self.named.notified().await;
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        self.watch.inner.routes.remove(&self.path);
        // The directory may be gone already, and its watch with it.
        let _ = self.watch.watcher().unwatch(&self.path);
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("directories", &self.inner.routes.table().len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Armed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Armed").field(&self.path).finish()
    }
}

/// Who waits for which directory.
#[derive(Default)]
struct Routes {
    table: Mutex<HashMap<PathBuf, Arc<Notify>>>,
}

impl Routes {
    fn add(&self, path: &Path) -> Arc<Notify> {
        let named = Arc::new(Notify::new());
        self.table().insert(path.to_owned(), Arc::clone(&named));
        named
    }

    fn remove(&self, path: &Path) {
        self.table().remove(path);
    }

    /// Runs on the watcher's thread. Wakes who is concerned; one who does not wait at the moment
    /// finds the event when it does.
    fn route(&self, event: notify::Result<notify::Event>) {
        match event {
            Ok(event) if event.need_rescan() => self.wake_all(),
            Ok(event) if gives_a_name(event.kind) => {
                let table = self.table();
                for waiting in event.paths.iter().filter_map(|path| table.get(path.parent()?)) {
                    waiting.notify_one();
                }
            }
            Ok(_) => {}
            Err(e) => {
                tracing::warn!(error = %e, "inotify reports an error; every directory is looked at again");
                self.wake_all();
            }
        }
    }

    fn wake_all(&self) {
        self.table().values().for_each(|waiting| waiting.notify_one());
    }

    fn table(&self) -> MutexGuard<'_, HashMap<PathBuf, Arc<Notify>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bind, link and rename give names; writing to a file that has one does not.
fn gives_a_name(kind: EventKind) -> bool {
    matches!(kind, EventKind::Create(_) | EventKind::Modify(ModifyKind::Name(_)) | EventKind::Any | EventKind::Other)
}
