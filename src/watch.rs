//! One inotify instance for the directories of all containers.
//!
//! A user has 128 inotify instances by default; an instance a container stops a node at 128. Here
//! the agent has one, with a watch per directory for as long as a container's socket is awaited.
//!
//! Nobody is employed to read the kernel's events: whoever waits does, and routes those of others to
//! them. So an event takes one wake-up from the kernel to the one who waits for it, of a task of the
//! agent's own runtime. What is in the directory is looked at by the one who waits, and always after an
//! event, never instead of one: so it does not matter how many events say the same, and when the
//! kernel's queue overflows everybody is woken to look for themselves.

use std::collections::HashMap;
use std::ffi::CStr;
use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use tokio::net::unix::pipe;
use tokio::sync::Notify;

use crate::iofs::{Invalid, Iofs, LISTENER, Look};

/// What gives a name: to bind and to link make one, to rename moves one here. Writing to a file that
/// has one does not.
const GIVES_A_NAME: WatchFlags = WatchFlags::CREATE.union(WatchFlags::MOVED_TO).union(WatchFlags::ONLYDIR);

/// Room for events read at a time. One takes at most 16 bytes and the 256 of a name.
const EVENTS_BYTES: usize = 4 << 10;

/// Watches directories. Cheap to clone: it is the same watch.
#[derive(Clone)]
pub struct Watch {
    inner: Arc<Inner>,
}

struct Inner {
    /// To a runtime the instance is what the reading end of a pipe is: bytes come out of it.
    inotify: pipe::Receiver,
    waiting: Mutex<Waiting>,
}

/// Who waits for which directory, by the kernel's number of its watch.
type Waiting = HashMap<i32, Awaited>;

/// What one waits for.
struct Awaited {
    named: Arc<Notify>,
    /// The only name that matters.
    name: Option<&'static str>,
}

/// A directory that is watched, until this is dropped.
pub struct Armed {
    watch: Watch,
    number: i32,
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
        source: io::Error,
    },
    /// The user has no inotify instance left.
    #[error("cannot have an inotify instance; if there are too many, raise fs.inotify.max_user_instances")]
    Instance(#[source] io::Error),
}

impl Watch {
    /// Takes an inotify instance. Needs a tokio runtime with I/O, and serves those who wait for as long as
    /// that runtime runs.
    ///
    /// # Errors
    /// When the user has no instance left.
    pub fn new() -> Result<Self, WatchError> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK);
        let inotify = inotify.map_err(io::Error::from).and_then(pipe::Receiver::from_owned_fd_unchecked);
        let inotify = inotify.map_err(WatchError::Instance)?;
        Ok(Self { inner: Arc::new(Inner { inotify, waiting: Mutex::default() }) })
    }

    /// Watches the directory of a container that is not started yet, so that nothing it does can be
    /// missed.
    ///
    /// # Errors
    /// When the user has no watch left, or the directory is gone.
    pub fn arm(&self, iofs: &Iofs) -> Result<Armed, WatchError> {
        self.arm_for(iofs.path(), GIVES_A_NAME, Some(LISTENER))
    }

    /// Watches a directory for what happens in it, to `name` if that is all that matters.
    pub(crate) fn arm_for(
        &self,
        path: &Path,
        what: WatchFlags,
        name: Option<&'static str>,
    ) -> Result<Armed, WatchError> {
        // Locked around both: an event that comes at once finds its way only when the number is known.
        let mut waiting = self.inner.waiting();
        let number = inotify::add_watch(&self.inner.inotify, path, what)
            .map_err(|e| WatchError::Directory { path: path.to_owned(), source: e.into() })?;
        let named = Arc::new(Notify::new());
        waiting.insert(number, Awaited { named: Arc::clone(&named), name });
        drop(waiting);
        Ok(Armed { watch: self.clone(), number, named })
    }
}

impl Armed {
    /// Waits until `look`, which is asked now and after everything that happens, sees something. Cancel
    /// safe.
    #[cfg(feature = "oci")]
    pub(crate) async fn until<T>(&self, mut look: impl FnMut() -> Option<T>) -> T {
        loop {
            match look() {
                None => self.changed().await,
                Some(seen) => return seen,
            }
        }
    }

    /// Waits until the container's socket is there.
    ///
    /// Only the first appearance of the name decides: whatever has it then is the function's socket
    /// or the reason why there is none, and the first connection is made to that very socket, also if
    /// another has its name by then. Other names do not matter. Cancel safe, and may be called
    /// again.
    ///
    /// # Errors
    /// When what has the name is not a socket that we would connect to.
    pub async fn socket(&self, iofs: &Iofs) -> Result<(), Invalid> {
        loop {
            match iofs.find() {
                Look::Absent => self.changed().await,
                Look::Invalid(invalid) => return Err(invalid),
                Look::Ready => return Ok(()),
            }
        }
    }

    /// Resolves when a name has appeared in the directory since it was armed or since this resolved
    /// last, and sometimes without reason. Cancel safe.
    pub async fn changed(&self) {
        let inner = &self.watch.inner;
        loop {
            tokio::select! {
                biased;
                () = self.named.notified() => return,
                readable = inner.inotify.readable() => match readable {
                    Ok(()) => inner.route(),
                    // The runtime is going down, and we with it.
                    Err(_) => std::future::pending().await,
                },
            }
        }
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        let inner = &self.watch.inner;
        inner.waiting().remove(&self.number);
        // The directory may be gone already, and its watch with it.
        let _ = inotify::remove_watch(&inner.inotify, self.number);
    }
}

impl Inner {
    /// Reads what events there are and wakes whom they concern; one who does not wait at the moment
    /// finds the event when it does.
    fn route(&self) {
        let mut room = [MaybeUninit::uninit(); EVENTS_BYTES];
        let mut events = Reader::new(&self.inotify, &mut room);
        loop {
            let next = |events: &mut Reader<'_, _>| {
                let event = events.next()?;
                let name = event.file_name().map(CStr::to_owned);
                Ok((event.wd(), event.events(), name))
            };
            // What was read is ours to route, whatever the runtime says of more.
            let event =
                if events.is_buffer_empty() { self.inotify.try_io(|| next(&mut events)) } else { next(&mut events) };
            match event {
                Ok((_, flags, _)) if flags.contains(ReadFlags::QUEUE_OVERFLOW) => self.wake_all(),
                Ok((number, _, name)) => {
                    if let Some(awaited) = self.waiting().get(&number)
                        && awaited.concerns(name.as_deref())
                    {
                        awaited.named.notify_one();
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    tracing::warn!(error = %e, "inotify reports an error; every directory is looked at again");
                    return self.wake_all();
                }
            }
        }
    }

    fn wake_all(&self) {
        self.waiting().values().for_each(|awaited| awaited.named.notify_one());
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Awaited {
    /// What has no name is of the directory itself.
    fn concerns(&self, name: Option<&CStr>) -> bool {
        name.zip(self.name).is_none_or(|(name, awaited)| name.to_bytes() == awaited.as_bytes())
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("directories", &self.inner.waiting().len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Armed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Armed").field("number", &self.number).finish_non_exhaustive()
    }
}
