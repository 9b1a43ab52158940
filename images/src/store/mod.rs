//! The images of this host, in a directory that processes share.
//!
//! A [`Store`] is a cache with names: blobs as they were fetched, by their digests; each layer
//! unpacked once, by the digest of what it unpacks to; and references, each with the manifest it
//! stood for when it was fetched. A name that is here is not looked up again elsewhere, as for
//! Docker: a tag that was moved in its registry is pulled anew only after [`Store::remove`].
//!
//! Any number of stores, in any number of processes, may be open on one directory. What they must
//! not do at once they agree on by file locks, which the kernel gives back when a process ends:
//!
//! * Whoever adds holds the store's lock shared; whoever takes away holds it alone, for the moment
//!   of a few renames. So nothing disappears between being looked for and being held.
//! * Whoever holds an [`Image`] holds its record's lock shared, and no image is taken away whose
//!   record cannot be locked alone.
//!
//! In the order to read it: `dirs` is what is where; `obtain` is one pull for all who wait, `admit`
//! how an image gets in, `partial` and `layers` its pieces; `names` are the references; `clean`
//! takes away.

mod admit;
mod clean;
mod dirs;
mod layers;
mod lock;
mod names;
mod obtain;
mod partial;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

pub(crate) use admit::Record;
pub use clean::Cleaned;
pub(crate) use dirs::Dirs;
pub use names::Listed;
pub(crate) use partial::Partial;

use crate::error::Trouble;
use crate::unpack::Ownership;
use crate::{Digest, Image, ImageError, Limits, Overlay, Reference, image};

/// The images of this host. Cheap to clone; one for each directory and process is best, since only
/// its own callers share a pull.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) shared: Arc<Shared>,
}

/// How a store is to be.
#[derive(Clone, Debug)]
pub struct Config {
    /// What an image may be at most.
    pub limits: Limits,
    /// How long a pull may take, also one that nobody waits for any more. Default 10 min.
    pub pull_timeout: Duration,
    /// How often a request to a registry is tried without a byte of progress before the pull fails,
    /// the first time included. Only what may pass is tried again: no connection, a broken one,
    /// statuses 408, 429 and 5xx. Default 5.
    pub attempts_max: u32,
    /// Registries that are spoken to without TLS, as `host` or `host:port`, besides those of this host
    /// (`localhost`, `127.…`, `[::1]`). Default none.
    pub insecure: Vec<String>,
    /// Who we are to registries.
    pub credentials: Credentials,
    /// How many bytes images may take here before the least recently used go; 0: as many as the disk has.
    /// Default 0, as Fn's `FN_IMAGE_CLEAN_MAX_SIZE`.
    pub bytes_max: u64,
    /// What the cleaner leaves alone, used or not. Default none.
    pub exempt: Vec<Reference>,
}

/// Who we are to registries.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Credentials {
    /// Whom `docker login` made us: `config.json` in `DOCKER_CONFIG`, else in `~/.docker`, with the
    /// credential helpers that it names.
    #[default]
    Docker,
    /// Whom such a file makes us.
    File(PathBuf),
    /// Nobody.
    None,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            pull_timeout: Duration::from_secs(600),
            attempts_max: 5,
            insecure: Vec::new(),
            credentials: Credentials::Docker,
            bytes_max: 0,
            exempt: Vec::new(),
        }
    }
}

/// What the handles of one store share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) dirs: Dirs,
    pub(crate) config: Config,
    overlay: Option<Overlay>,
    ownership: Ownership,
    pulls: Mutex<HashMap<Reference, obtain::Pull>>,
    /// Images that somebody in this process holds.
    held: Mutex<HashMap<Digest, Weak<image::Inner>>>,
}

impl Store {
    /// Opens the store in `dir`, making it if need be, and removes what a crash has left there.
    /// Blocks for the moment that takes.
    ///
    /// # Errors
    /// When the directory cannot be made or written.
    pub fn open(dir: &Path, config: Config) -> Result<Self, ImageError> {
        let dirs = Dirs::make(dir).map_err(Trouble::host)?;
        let shared = Shared {
            overlay: Overlay::probe(&dirs.tmp()),
            ownership: Ownership::here(),
            dirs,
            config,
            pulls: Mutex::default(),
            held: Mutex::default(),
        };
        shared.sweep();
        Ok(Self { shared: Arc::new(shared) })
    }

    /// How a mount over the layers of this store is to be told what they take away; `None` where
    /// neither way is open to us, so that only [`Image::flat`] is left.
    #[must_use]
    pub fn overlay(&self) -> Option<Overlay> {
        self.shared.overlay
    }

    /// Takes what is in the OCI layout or archive at `from` in, under the name `name`.
    ///
    /// Cancel safe: what was taken in until then is kept.
    ///
    /// # Errors
    /// When there is no image, or none that can be used.
    pub async fn import(&self, from: &Reference, name: &Reference) -> Result<Image, ImageError> {
        let image = self.obtain(from, &()).await?;
        self.tag(name, &image).await?;
        Ok(image)
    }
}

/// Does `work` where it may block. A stranger's bytes may bring out a fault of ours, or of a decoder's: that
/// costs their image, and whoever waits for it is told.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Trouble> + Send + 'static,
) -> Result<T, Trouble> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(e) if e.is_panic() => {
            Err(Trouble::Invalid("it brings out a fault of this program's: see the log".to_owned()))
        }
        Err(_) => Err(Trouble::os("the node is ending", std::io::ErrorKind::Interrupted)),
    }
}

#[cfg(test)]
mod tests;
