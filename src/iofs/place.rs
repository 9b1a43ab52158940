//! The place of a function's socket, and a connection to it.

use std::ffi::OsStr;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hotfn_protocols::{Dial, Stream};
use hotfn_socket::{Dir, Socket};
use tokio::time::Instant;

use super::{Invalid, LISTENER};
use crate::forward::forward;

/// How long a socket that appeared may refuse before anybody was ever let in: a function that binds
/// the name itself is seen before it listens, or before it has set the mode.
const FIRST_PATIENCE: Duration = Duration::from_secs(1);
/// The pause between two tries then.
const FIRST_PAUSE: Duration = Duration::from_millis(2);

/// Where a function's socket is to be found: a name in a directory that is held open.
#[derive(Clone, Debug)]
pub(super) struct Place {
    dir: Arc<Dir>,
    /// Somebody was let in before: the function listens, and to be refused now means something.
    reached: Arc<AtomicBool>,
    /// What was found when the container came up, for those who wait for it at that moment.
    found: Arc<Mutex<Option<Socket>>>,
}

impl Place {
    pub(super) fn new(dir: Dir) -> Self {
        Self { dir: Arc::new(dir), reached: Arc::default(), found: Arc::default() }
    }

    /// Is it there? The first who connects is spared to look once more.
    pub(super) fn find(&self) -> Result<bool, Invalid> {
        let socket = self.look()?;
        let is_there = socket.is_some();
        *self.found() = socket;
        Ok(is_there)
    }

    /// Lets go of what was found.
    pub(super) fn forget(&self) {
        self.found().take();
    }

    fn found(&self) -> MutexGuard<'_, Option<Socket>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn look(&self) -> Result<Option<Socket>, Invalid> {
        self.dir.look(OsStr::new(LISTENER))
    }

    /// Looks anew each time: what was a socket in the directory when the function started may have
    /// become anything since.
    async fn connect(&self) -> io::Result<hotfn_socket::Stream> {
        match self.look() {
            Ok(Some(socket)) => socket.connect().await,
            Ok(None) => Err(io::Error::new(io::ErrorKind::NotFound, format!("{LISTENER} is gone"))),
            Err(invalid) => Err(io::Error::other(invalid)),
        }
    }

    async fn connect_first(&self) -> io::Result<hotfn_socket::Stream> {
        let found = self.found().take();
        if let Some(socket) = found
            && let Ok(stream) = socket.connect().await
        {
            return Ok(stream);
        }
        let until = Instant::now() + FIRST_PATIENCE;
        loop {
            match self.connect().await {
                Err(e) if is_early(&e) && Instant::now() < until => tokio::time::sleep(FIRST_PAUSE).await,
                connected => return connected,
            }
        }
    }
}

impl Dial for Place {
    fn dial(&self) -> Pin<Box<dyn Future<Output = io::Result<Box<dyn Stream>>> + Send + '_>> {
        Box::pin(async move {
            let stream = if self.reached.load(Ordering::Relaxed) {
                self.connect().await?
            } else {
                let stream = self.connect_first().await?;
                self.reached.store(true, Ordering::Relaxed);
                stream
            };
            Ok(Box::new(Connection(stream)) as Box<dyn Stream>)
        })
    }
}

fn is_early(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::PermissionDenied)
}

/// A connection to a function.
#[derive(Debug)]
struct Connection(hotfn_socket::Stream);

impl Stream for Connection {
    fn has_news(&self) -> bool {
        self.0.has_news()
    }

    fn read_now(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read_now(buf)
    }
}

forward!(read Connection);
forward!(write Connection);
