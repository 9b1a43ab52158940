//! What takes away.
//!
//! The cleaner keeps a store under its mark: first go leftovers that belong to no image, then
//! images, the least recently used first, but neither such as are in use, by any process, nor such
//! as are exempt. Taking away needs the store's lock alone; where somebody is adding just then, the
//! cleaner leaves it for next time, which is at the latest when that one has finished.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::layers::cost;
use super::lock::{Hold, try_lock};
use super::{Record, Shared, Store, blocking};
use crate::Digest;
use crate::error::{ImageError, Trouble};

/// How long the beginning of a blob is kept for another try when nobody asks for the room.
const LEFTOVERS_KEPT: Duration = Duration::from_secs(24 * 3600);

/// What a cleaning came to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Cleaned {
    /// How many images went.
    pub images: usize,
    /// How many bytes the store had, as far as it counts them: what blobs, layers and trees hold.
    pub bytes_before: u64,
    /// How many it has now.
    pub bytes: u64,
    /// Somebody was adding, so nothing was touched.
    pub postponed: bool,
}

impl Store {
    /// Takes away what is over the mark ([`Config::bytes_max`](super::Config::bytes_max)), and what belongs to no
    /// image. Runs by itself after each pull where there is a mark.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn clean(&self) -> Result<Cleaned, ImageError> {
        let shared = self.shared.clone();
        blocking(move || shared.clean()).await.map_err(Trouble::host)
    }
}

/// What goes is first moved out of sight, under the lock, and removed after it was given back.
type Trash = Vec<TempDir>;

impl Shared {
    /// Removes what a crash left, and images without a name. Blocks.
    pub(super) fn sweep(&self) {
        let mut trash = Trash::new();
        let swept = self.alone(|| {
            // Nobody is adding, so nobody is making anything.
            let left: io::Result<Vec<_>> = fs::read_dir(self.dirs.tmp())?.collect();
            trash.extend(left?.iter().filter_map(|entry| self.dirs.discard(&entry.path())));
            for (_, path) in self.dirs.locks()? {
                fs::remove_file(path)?;
            }
            let named: BTreeSet<Digest> = self.names()?.into_iter().map(|(_, manifest)| manifest).collect();
            let mut condemned = BTreeSet::new();
            for (digest, path) in self.dirs.images()?.into_iter().filter(|(digest, _)| !named.contains(digest)) {
                condemned.extend(self.drop_record(digest, &path)?.unwrap_or_default());
            }
            self.drop_orphans(&condemned, LEFTOVERS_KEPT, &mut trash)
        });
        if let Err(e) = swept {
            tracing::warn!(error = %e, "leftovers of images cannot be removed");
        }
    }

    /// Cleans if there is a mark; what goes wrong is told to the log.
    pub(super) async fn clean_if_over(self: &Arc<Self>) {
        if self.config.bytes_max == 0 {
            return;
        }
        let shared = self.clone();
        match blocking(move || shared.clean()).await {
            Ok(cleaned) if cleaned.images > 0 => {
                tracing::info!(images = cleaned.images, bytes = cleaned.bytes, "images were cleaned away");
            }
            Ok(_) => {}
            Err(trouble) => tracing::warn!(error = %Trouble::host(trouble), "images cannot be cleaned away"),
        }
    }

    fn clean(&self) -> Result<Cleaned, Trouble> {
        let mut cleaned = Cleaned::default();
        let mut trash = Trash::new();
        let done = self.alone(|| self.clean_alone(&mut cleaned, &mut trash));
        match done {
            Ok(true) => {}
            Ok(false) => cleaned.postponed = true,
            Err(e) => return Err(Trouble::os("cannot clean the store of images", e)),
        }
        Ok(cleaned)
    }

    fn clean_alone(&self, cleaned: &mut Cleaned, trash: &mut Trash) -> io::Result<()> {
        let bytes_max = if self.config.bytes_max == 0 { u64::MAX } else { self.config.bytes_max };
        cleaned.bytes_before = self.bytes()?;
        let kept = if cleaned.bytes_before > bytes_max { Duration::ZERO } else { LEFTOVERS_KEPT };
        self.drop_orphans(&BTreeSet::new(), kept, trash)?;
        cleaned.bytes = self.bytes()?;
        let names = self.names()?;
        let exempt: Vec<String> = self.config.exempt.iter().map(ToString::to_string).collect();
        for (_, digest, record) in self.by_last_use()? {
            if cleaned.bytes <= bytes_max {
                break;
            }
            let is_its = |(_, manifest): &&(String, Digest)| *manifest == digest;
            if names.iter().filter(is_its).any(|(name, _)| exempt.contains(name)) {
                continue;
            }
            let Some(condemned) = self.drop_record(digest, &record)? else { continue };
            for (name, _) in names.iter().filter(is_its) {
                fs::remove_file(self.dirs.name(name))?;
            }
            self.drop_orphans(&condemned, kept, trash)?;
            cleaned.images += 1;
            cleaned.bytes = self.bytes()?;
        }
        Ok(())
    }

    /// Does `work` with the store to itself; false if somebody is adding.
    fn alone(&self, work: impl FnOnce() -> io::Result<()>) -> io::Result<bool> {
        let Some(_alone) = try_lock(&self.dirs.lock(), Hold::Alone)? else { return Ok(false) };
        work().map(|()| true)
    }

    /// Removes an image's record and answers with its pieces, which are orphans now as far as no
    /// other image has them; `None` if it is in use.
    fn drop_record(&self, digest: Digest, path: &Path) -> io::Result<Option<BTreeSet<Digest>>> {
        let Some(_unused) = try_lock(path, Hold::Alone)? else { return Ok(None) };
        let mut pieces = BTreeSet::from([digest]);
        if let Some(record) = self.record_or_none(digest)? {
            pieces.extend(record.layers.iter().map(|layer| layer.diff_id));
            pieces.extend(record.blobs);
        }
        fs::remove_file(path).map(|()| Some(pieces))
    }

    /// Takes away what belongs to no image and is condemned, or older than somebody would want it
    /// for another try.
    fn drop_orphans(&self, condemned: &BTreeSet<Digest>, kept_for: Duration, trash: &mut Trash) -> io::Result<()> {
        let mut kept = BTreeSet::new();
        for (digest, path) in self.dirs.images()? {
            if let Some(record) = self.record_or_none(digest)? {
                kept.insert(digest);
                kept.extend(record.layers.iter().map(|layer| layer.diff_id));
                kept.extend(record.blobs);
            } else if try_lock(&path, Hold::Alone)?.is_some() {
                // It cannot be used, so it is not here.
                fs::remove_file(path)?;
            }
        }
        let goes = |(digest, path): (Digest, PathBuf)| -> io::Result<Option<PathBuf>> {
            let age = fs::metadata(&path)?.modified()?.elapsed().unwrap_or_default();
            Ok((!kept.contains(&digest) && (condemned.contains(&digest) || age >= kept_for)).then_some(path))
        };
        for there in self.dirs.layers()?.into_iter().chain(self.dirs.roots()?) {
            trash.extend(goes(there)?.and_then(|path| self.dirs.discard(&path)));
        }
        for there in self.dirs.blobs()?.into_iter().chain(self.dirs.partials()?) {
            goes(there)?.map_or(Ok(()), fs::remove_file)?;
        }
        Ok(())
    }

    /// What the documents of an image say; `None` if they are missing or say nothing that can be used.
    fn record_or_none(&self, digest: Digest) -> io::Result<Option<Record>> {
        match self.read_record(digest) {
            Ok(record) => Ok(Some(record)),
            Err(Trouble::Os { source, .. }) if source.kind() != io::ErrorKind::NotFound => Err(source),
            Err(_) => Ok(None),
        }
    }

    /// The images, those first that were not asked for the longest.
    fn by_last_use(&self) -> io::Result<Vec<(SystemTime, Digest, PathBuf)>> {
        let mut images = Vec::new();
        for (digest, path) in self.dirs.images()? {
            images.push((fs::metadata(&path)?.modified()?, digest, path));
        }
        images.sort();
        Ok(images)
    }

    fn names(&self) -> io::Result<Vec<(String, Digest)>> {
        let named = self.all_names().map_err(io::Error::other)?;
        Ok(named.into_iter().map(|named| (named.reference, named.manifest)).collect())
    }

    /// What the store holds, as far as it is counted.
    fn bytes(&self) -> io::Result<u64> {
        let mut bytes = 0;
        for (_, path) in self.dirs.blobs()?.into_iter().chain(self.dirs.partials()?) {
            bytes += fs::metadata(path)?.len();
        }
        let unpacked = self.dirs.layers()?.into_iter().chain(self.dirs.roots()?);
        Ok(bytes + unpacked.filter_map(|(_, path)| cost(&path)).map(|(bytes, _)| bytes).sum::<u64>())
    }
}
