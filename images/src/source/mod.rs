//! Where an image comes from when it is not here: one type for all places.

mod docker_archive;
pub(crate) mod layout;
#[cfg(feature = "registry")]
mod registry;

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, ResolveFlags, open, openat2};
use tempfile::TempDir;

use crate::document::Descriptor;
use crate::error::Trouble;
use crate::progress::Meter;
use crate::store::{Partial, Shared, blocking};
use crate::unpack::{Budget, Ownership, Style, Unpack, UnpackError};
use crate::{Limits, Reference};
use layout::Layout;

/// Where an image comes from.
pub(crate) enum Source {
    /// All of it is in the store already; this is its manifest.
    Here(Vec<u8>),
    /// An OCI image layout.
    Layout(Arc<Layout>),
    /// A registry.
    #[cfg(feature = "registry")]
    Registry(Box<registry::Session>),
}

impl Source {
    /// The place that a reference names.
    pub(crate) async fn open(shared: &Arc<Shared>, reference: &Reference) -> Result<Self, Trouble> {
        let shared = shared.clone();
        match reference.clone() {
            #[cfg(feature = "registry")]
            Reference::Remote(remote) => {
                registry::Session::open(&shared.config, remote).await.map(Box::new).map(Self::Registry)
            }
            #[cfg(not(feature = "registry"))]
            Reference::Remote(_) => {
                Err(Trouble::Absent("it is not in the store, and this program was built without registries".to_owned()))
            }
            Reference::Layout { path, tag } => {
                blocking(move || {
                    let limits = shared.config.limits.clone();
                    let dir = if path.is_dir() { Tree::open(&path)? } else { Tree::of_archive(&shared, &path)? };
                    Ok(Self::Layout(Arc::new(Layout::new(dir, tag, limits))))
                })
                .await
            }
            Reference::DockerArchive(path) => {
                blocking(move || docker_archive::take_in(&shared, &Tree::of_archive(&shared, &path)?).map(Self::Here))
                    .await
            }
        }
    }

    /// Which state a file or directory is in, so that it is read anew when that changes; `None` for what is
    /// no file.
    pub(crate) fn stamp(reference: &Reference) -> Option<String> {
        let path = match reference {
            Reference::DockerArchive(path) => path.clone(),
            Reference::Layout { path, .. } if path.is_dir() => path.join(layout::INDEX),
            Reference::Layout { path, .. } => path.clone(),
            Reference::Remote(_) => return None,
        };
        let is = fs::metadata(path).ok()?;
        Some(format!("{}:{}:{}:{}.{}", is.dev(), is.ino(), is.size(), is.mtime(), is.mtime_nsec()))
    }

    /// The manifest for this platform.
    pub(crate) async fn manifest(&self) -> Result<Vec<u8>, Trouble> {
        match self {
            Self::Here(manifest) => Ok(manifest.clone()),
            Self::Layout(layout) => {
                let layout = layout.clone();
                blocking(move || layout.manifest()).await
            }
            #[cfg(feature = "registry")]
            Self::Registry(session) => session.manifest().await,
        }
    }

    /// Fetches what `partial` lacks of a blob, and puts it in its place.
    pub(crate) async fn blob(&self, descriptor: &Descriptor, partial: Partial, meter: &Meter) -> Result<(), Trouble> {
        match self {
            Self::Here(_) => Err(Trouble::Invalid(format!("its blob {} went while it came", descriptor.digest))),
            Self::Layout(layout) => {
                let (layout, digest) = (layout.clone(), descriptor.digest);
                let copied = partial.left();
                blocking(move || layout.blob(digest, partial)).await?;
                meter.add(copied);
                Ok(())
            }
            #[cfg(feature = "registry")]
            Self::Registry(session) => session.blob(descriptor, partial, meter).await,
        }
    }
}

/// A directory of somebody's: what is asked for in it is never found outside of it.
pub(crate) struct Tree {
    root: OwnedFd,
    /// It is ours, and goes with us.
    _made: Option<TempDir>,
}

impl Tree {
    fn open(path: &Path) -> Result<Self, Trouble> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = open(path, flags, Mode::empty()).map_err(|e| absent(path, e.into()))?;
        Ok(Self { root, _made: None })
    }

    /// What is in an archive: unpacked first, since its members may be in any order.
    fn of_archive(shared: &Shared, path: &Path) -> Result<Self, Trouble> {
        File::open(path).map_err(|e| absent(path, e))?;
        let made = shared.dirs.temp_dir()?;
        let limits = &shared.config.limits;
        // It holds whole layers, so a file of it may have their size.
        let limits = Limits { file_bytes_max: limits.unpacked_bytes_max, expansion_max: u64::MAX, ..limits.clone() };
        let unpack = Unpack { limits: &limits, ownership: Ownership::Ours, style: Style::Plain };
        unpack.run(path, made.path(), &mut Budget::new(&limits)).map_err(|e| match e {
            UnpackError::Os { what, source } => Trouble::Os { what, source },
            other => Trouble::Invalid(format!("{} {other}", path.display())),
        })?;
        let root = Self::open(made.path())?.root;
        Ok(Self { root, _made: Some(made) })
    }

    /// A file in it.
    fn file(&self, path: &str) -> Result<File, Trouble> {
        // A fifo must not keep us waiting.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let lacks = |e: std::io::Error| Trouble::Invalid(format!("its file {path:?} cannot be opened: {e}"));
        let file = File::from(openat2(&self.root, path, flags, Mode::empty(), how).map_err(|e| lacks(e.into()))?);
        if file.metadata().map_err(lacks)?.is_file() {
            Ok(file)
        } else {
            Err(Trouble::Invalid(format!("its {path:?} is no file")))
        }
    }

    /// A small file's content.
    fn document(&self, path: &str, limits: &Limits) -> Result<Vec<u8>, Trouble> {
        let mut bytes = Vec::new();
        let file = self.file(path)?;
        file.take(limits.document_bytes_max + 1)
            .read_to_end(&mut bytes)
            .map_err(|e| Trouble::Invalid(format!("its file {path:?} cannot be read: {e}")))?;
        if bytes.len() as u64 > limits.document_bytes_max {
            return Err(Trouble::Invalid(format!("its file {path:?} is over the bound document_bytes_max")));
        }
        Ok(bytes)
    }
}

fn absent(path: &Path, e: std::io::Error) -> Trouble {
    Trouble::Absent(format!("{} cannot be opened: {e}", path.display()))
}
