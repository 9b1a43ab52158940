//! What is where in a store's directory.
//!
//! ```text
//! blobs/HEX           a manifest, a configuration or a layer, as its digest says; whole, always
//! partial/HEX         the beginning of one that is being fetched, for the next try to go on from
//! layers/HEX/files    a layer's directory, by diff id, for overlay mounts
//! layers/HEX/cost     what it cost: bytes and entries
//! roots/HEX/files     all layers of an image in one directory, by its manifest's digest
//! images/HEX          an image that is here whole; locked while it is in use, dated by its last use
//! names/HEX           a reference and what it stands for, by the reference's digest
//! locks/HEX           who fetches or unpacks what
//! lock                shared by those who add, taken alone by those who take away
//! tmp/                what is being made; what nobody is making any more goes when a store is opened
//! ```
//!
//! Everything is made in `tmp/` and renamed to its place when it is whole, so that a crash leaves
//! nothing that counts. Nothing is synced to the disk: after a power cut a file of the last seconds
//! may be short, which is why what is read is small and checked, or can be fetched again.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempDir};

use crate::Digest;
use crate::error::Trouble;

/// A store's directory.
#[derive(Clone, Debug)]
pub(crate) struct Dirs {
    root: PathBuf,
}

const BLOBS: &str = "blobs";
const IMAGES: &str = "images";
const LAYERS: &str = "layers";
const LOCKS: &str = "locks";
const NAMES: &str = "names";
const PARTIAL: &str = "partial";
const ROOTS: &str = "roots";
const TMP: &str = "tmp";

impl Dirs {
    /// Makes what is not there.
    pub(super) fn make(root: &Path) -> Result<Self, Trouble> {
        use std::os::unix::fs::DirBuilderExt;
        for dir in ["", BLOBS, IMAGES, LAYERS, LOCKS, NAMES, PARTIAL, ROOTS, TMP] {
            let dir = root.join(dir);
            // For nobody else to look into: images hold programs of many owners, and what is secret in them.
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir);
            made.map_err(|e| Trouble::os(format!("cannot make {}", dir.display()), e))?;
        }
        let root = root.canonicalize().map_err(|e| Trouble::os(format!("cannot find {}", root.display()), e))?;
        Ok(Self { root })
    }

    pub(crate) fn blob(&self, digest: Digest) -> PathBuf {
        self.root.join(BLOBS).join(digest.hex())
    }

    pub(crate) fn partial(&self, digest: Digest) -> PathBuf {
        self.root.join(PARTIAL).join(digest.hex())
    }

    pub(super) fn layer(&self, diff_id: Digest) -> PathBuf {
        self.root.join(LAYERS).join(diff_id.hex())
    }

    pub(super) fn flat(&self, manifest: Digest) -> PathBuf {
        self.root.join(ROOTS).join(manifest.hex())
    }

    pub(super) fn image(&self, manifest: Digest) -> PathBuf {
        self.root.join(IMAGES).join(manifest.hex())
    }

    pub(super) fn name(&self, reference: &str) -> PathBuf {
        self.root.join(NAMES).join(Digest::of(reference.as_bytes()).hex())
    }

    /// The lock of one who fetches or unpacks this.
    pub(super) fn work_lock(&self, digest: Digest) -> PathBuf {
        self.root.join(LOCKS).join(digest.hex())
    }

    /// The lock of the whole store.
    pub(super) fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    pub(super) fn blobs(&self) -> io::Result<Vec<(Digest, PathBuf)>> {
        entries(&self.root.join(BLOBS))
    }

    pub(super) fn partials(&self) -> io::Result<Vec<(Digest, PathBuf)>> {
        entries(&self.root.join(PARTIAL))
    }

    pub(super) fn layers(&self) -> io::Result<Vec<(Digest, PathBuf)>> {
        entries(&self.root.join(LAYERS))
    }

    pub(super) fn roots(&self) -> io::Result<Vec<(Digest, PathBuf)>> {
        entries(&self.root.join(ROOTS))
    }

    pub(super) fn images(&self) -> io::Result<Vec<(Digest, PathBuf)>> {
        entries(&self.root.join(IMAGES))
    }

    pub(super) fn names(&self) -> io::Result<Vec<(Digest, PathBuf)>> {
        entries(&self.root.join(NAMES))
    }

    pub(super) fn locks(&self) -> io::Result<Vec<(Digest, PathBuf)>> {
        entries(&self.root.join(LOCKS))
    }

    pub(super) fn tmp(&self) -> PathBuf {
        self.root.join(TMP)
    }

    /// A directory to make something in, which goes with its guard.
    pub(crate) fn temp_dir(&self) -> Result<TempDir, Trouble> {
        tempfile::tempdir_in(self.tmp()).map_err(|e| Trouble::os("cannot make a directory in the store", e))
    }

    /// A file to write something to, which goes with its guard.
    pub(crate) fn temp_file(&self) -> Result<NamedTempFile, Trouble> {
        tempfile::NamedTempFile::new_in(self.tmp()).map_err(|e| Trouble::os("cannot make a file in the store", e))
    }

    /// Puts a small file in its place, whole.
    pub(super) fn put(&self, path: &Path, bytes: &[u8]) -> Result<(), Trouble> {
        let what = || format!("cannot write {}", path.display());
        let mut file = self.temp_file()?;
        file.write_all(bytes).map_err(|e| Trouble::os(what(), e))?;
        file.persist(path).map_err(|e| Trouble::os(what(), e.error))?;
        Ok(())
    }

    /// Moves what is at `path`, if anything is, to where it is no longer found; the caller removes
    /// it there, at leisure.
    pub(super) fn discard(&self, path: &Path) -> Option<TempDir> {
        let trash = self.temp_dir().ok()?;
        fs::rename(path, trash.path().join("gone")).ok().map(|()| trash)
    }
}

/// What is there, by digest. Whatever else a person put there is left alone.
fn entries(dir: &Path) -> io::Result<Vec<(Digest, PathBuf)>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if let Some(digest) = entry.file_name().to_str().and_then(|hex| format!("sha256:{hex}").parse().ok()) {
            entries.push((digest, entry.path()));
        }
    }
    Ok(entries)
}
