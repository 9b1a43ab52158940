//! An image that is here, and stays as long as it is held.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::Trouble;
use crate::store::{Record, Shared, blocking};
use crate::{Digest, ImageError};

/// An image that is here: its configuration, and its layers as directories.
///
/// As long as one is held, in this process or another, no cleaner takes anything of it away. Cheap
/// to clone.
#[derive(Clone)]
pub struct Image {
    inner: Arc<Inner>,
}

/// What an [`Image`] is made of.
pub(crate) struct Inner {
    pub(crate) digest: Digest,
    pub(crate) said: Record,
    pub(crate) layers: Vec<PathBuf>,
    pub(crate) store: Arc<Shared>,
    /// A shared lock on the image's record.
    pub(crate) _held: File,
}

impl Image {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// The digest of the manifest: what names this image and no other, on any host.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.inner.digest
    }

    /// How its containers are to be started.
    #[must_use]
    pub fn config(&self) -> &ImageConfig {
        &self.inner.said.config
    }

    /// A directory for each layer, bottom first, each fit to be a lower directory of an overlay
    /// mount. They are shared by all images and containers: nobody writes there.
    ///
    /// Empty where this host lets us make no such directories ([`Store::overlay`](crate::Store::overlay) is `None`),
    /// and for an image without a file.
    pub fn layers(&self) -> impl DoubleEndedIterator<Item = &Path> + ExactSizeIterator {
        self.inner.layers.iter().map(PathBuf::as_path)
    }
}

impl Image {
    /// All layers in one directory, which is made when it is first asked for. As for layers, nobody
    /// writes there: who wants to, copies.
    ///
    /// Cancel safe: it is made to the end, for the next who asks.
    ///
    /// # Errors
    /// When the disk refuses, or the image is over a bound.
    pub async fn flat(&self) -> Result<PathBuf, ImageError> {
        let inner = self.inner.clone();
        let made = blocking(move || inner.store.flat(inner.digest, &inner.said.layers)).await;
        made.map_err(|trouble| trouble.about_digest(self.digest()))
    }
}

impl Image {
    /// What `write` did with the store that this image is in.
    pub(crate) fn written(&self, write: impl FnOnce(&Shared) -> Result<(), Trouble>) -> Result<(), ImageError> {
        write(&self.inner.store).map_err(|trouble| trouble.about_digest(self.digest()))
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image").field("digest", &self.inner.digest).finish_non_exhaustive()
    }
}

/// How an image wants its containers to be started: the part of its configuration that matters here.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ImageConfig {
    /// `NAME=value`, in the image's order.
    pub env: Vec<String>,
    /// The command's first words.
    pub entrypoint: Vec<String>,
    /// The words after them, or the whole command where there is no entrypoint.
    pub cmd: Vec<String>,
    /// Where the command is to run; empty means `/`.
    pub working_dir: String,
    /// `user`, `uid`, `user:group` or `uid:gid`; empty means root.
    pub user: String,
    /// The places that the image wants to be volumes.
    pub volumes: Vec<String>,
    /// What its maker wrote on it.
    pub labels: BTreeMap<String, String>,
    /// The signal that asks the command to end, such as `SIGTERM`; `None` means that one.
    pub stop_signal: Option<String>,
}
