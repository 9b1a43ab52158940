//! How an image gets into the store, and out of it as an [`Image`].

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use futures_util::FutureExt as _;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::layers::Layer;
use super::lock::{Hold, lock, try_flock};
use super::partial::Partial;
use super::{Shared, blocking};
use crate::document::{Configuration, Descriptor, Document, Manifest};
use crate::error::Trouble;
use crate::image::{Image, Inner};
use crate::progress::Meter;
use crate::source::Source;
use crate::unpack::{Budget, Style};
use crate::{Digest, ImageConfig};

/// How many blobs of an image are fetched at once: more gain nothing from one registry.
const FETCHES_MAX: usize = 3;
/// How much of a file is taken in at once.
const BUFFER_BYTES: usize = 128 << 10;

/// What an image's documents say.
pub(crate) struct Record {
    pub(crate) config: ImageConfig,
    pub(crate) layers: Vec<Layer>,
    /// All that must be here: the manifest, the configuration, the layers.
    pub(crate) blobs: BTreeSet<Digest>,
}

impl Shared {
    /// Takes in the image with this manifest, its blobs coming from `source`. The caller holds the
    /// store's lock, shared.
    ///
    /// Cancel safe: what was fetched and unpacked until then is kept.
    pub(super) async fn admit(
        self: &Arc<Self>,
        manifest: Vec<u8>,
        source: &Source,
        meter: &Meter,
    ) -> Result<Image, Trouble> {
        let digest = Digest::of(&manifest);
        let Document::Manifest(read) = Document::read(&manifest, &self.config.limits).map_err(Trouble::Invalid)? else {
            return Err(Trouble::Invalid("its manifest is an index within an index".to_owned()));
        };
        self.fetch(&read.config, self.config.limits.document_bytes_max, source, &Meter::default()).await?;
        let record = self.configured(digest, &read)?;
        self.gather(&read, record.layers, source, meter).await?;
        let shared = self.clone();
        blocking(move || {
            shared.dirs.put(&shared.dirs.blob(digest), &manifest)?;
            let path = shared.dirs.image(digest);
            File::create(&path).map_err(|e| Trouble::os(format!("cannot make {}", path.display()), e))?;
            shared.hold(digest)?.ok_or_else(|| Trouble::Invalid("it went while it came".to_owned()))
        })
        .await
    }

    /// Takes in the image with this manifest, whose blobs are here. The caller holds the store's lock, shared.
    pub(crate) async fn admit_here(self: &Arc<Self>, manifest: Vec<u8>) -> Result<Image, Trouble> {
        self.admit(manifest, &Source::Here(Vec::new()), &Meter::default()).await
    }

    /// Fetches the layers, and unpacks each as soon as it is there and those below it are done.
    async fn gather(
        self: &Arc<Self>,
        manifest: &Manifest,
        layers: Vec<Layer>,
        source: &Source,
        meter: &Meter,
    ) -> Result<(), Trouble> {
        let missing = manifest.layers.iter().filter(|layer| !self.dirs.blob(layer.digest).exists());
        meter.fetching(layers.len(), missing.map(|layer| layer.size).sum());
        let bytes_max = self.config.limits.blob_bytes_max;
        let (fetched, mut ready) = mpsc::channel(layers.len().max(1));
        let fetch = async move {
            let fetches = manifest.layers.iter().zip(layers).map(|(descriptor, layer)| {
                let fetch = self.fetch(descriptor, bytes_max, source, meter);
                async move { fetch.await.map(|()| layer) }.boxed()
            });
            let mut fetches = stream::iter(fetches.collect::<Vec<_>>()).buffered(FETCHES_MAX);
            while let Some(layer) = fetches.try_next().await? {
                // There is room for each, and the other end is beside us.
                let _ = fetched.send(layer).await;
            }
            meter.unpacking();
            Ok(())
        };
        let unpack = async {
            let budget = Arc::new(Mutex::new(Budget::new(&self.config.limits)));
            while let Some(layer) = ready.recv().await {
                if let Some(overlay) = self.overlay {
                    let (shared, budget) = (self.clone(), budget.clone());
                    blocking(move || {
                        let mut budget = budget.lock().expect("no holder panics");
                        shared.layer(layer, Style::Overlay(overlay), &mut budget)
                    })
                    .await?;
                }
                meter.layer_done();
            }
            Ok(())
        };
        tokio::try_join!(fetch, unpack).map(|((), ())| ())
    }

    /// Makes sure that a blob is here.
    async fn fetch(
        &self,
        descriptor: &Descriptor,
        bytes_max: u64,
        source: &Source,
        meter: &Meter,
    ) -> Result<(), Trouble> {
        let (digest, size) = (descriptor.digest, descriptor.size);
        let whole = self.dirs.blob(digest);
        if whole.exists() {
            return Ok(());
        }
        if size > bytes_max {
            return Err(Trouble::Invalid(format!("its blob {digest} has {size} bytes, more than {bytes_max}")));
        }
        let working =
            lock(&self.dirs.work_lock(digest), Hold::Alone).await.map_err(|e| Trouble::os("cannot lock a blob", e))?;
        if whole.exists() {
            return Ok(());
        }
        let dirs = self.dirs.clone();
        let partial = blocking(move || Partial::open(&dirs, digest, size, working)).await?;
        meter.add(partial.length());
        source.blob(descriptor, partial, meter).await
    }

    /// The image with this manifest, held, if it is here whole. The caller holds the store's lock, shared. Blocks.
    pub(super) fn hold(self: &Arc<Self>, digest: Digest) -> Result<Option<Image>, Trouble> {
        let path = self.dirs.image(digest);
        let what = || format!("cannot hold {}", path.display());
        let record = match File::options().read(true).write(true).open(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(|e| Trouble::os(what(), e))?,
        };
        // When it was last used, for the cleaner.
        record.set_modified(SystemTime::now()).map_err(|e| Trouble::os(what(), e))?;
        let mut held = self.held.lock().expect("no holder panics");
        if let Some(inner) = held.get(&digest).and_then(std::sync::Weak::upgrade) {
            return Ok(Some(Image::new(inner)));
        }
        // Only who takes away locks it alone, which nobody does while we hold the store's.
        if !try_flock(&record, Hold::Shared).map_err(|e| Trouble::os(what(), e))? {
            return Ok(None);
        }
        let Some((said, layers)) = self.whole(digest) else { return Ok(None) };
        let inner = Arc::new(Inner { digest, said, layers, store: self.clone(), _held: record });
        held.retain(|_, held| held.strong_count() > 0);
        held.insert(digest, Arc::downgrade(&inner));
        Ok(Some(Image::new(inner)))
    }

    /// What an image says and where its layers are, if nothing of it is missing.
    fn whole(&self, digest: Digest) -> Option<(Record, Vec<PathBuf>)> {
        let record = self.read_record(digest).ok()?;
        let is_here = record.blobs.iter().all(|blob| self.dirs.blob(*blob).exists());
        let mut layers = Vec::new();
        if self.overlay.is_some() {
            for layer in &record.layers {
                layers.push(self.layer_if_here(layer.diff_id)?);
            }
        }
        is_here.then_some((record, layers))
    }

    /// What the documents say of an image that is here.
    pub(crate) fn read_record(&self, digest: Digest) -> Result<Record, Trouble> {
        self.configured(digest, &self.manifest(digest)?)
    }

    /// The manifest of an image that is here.
    pub(crate) fn manifest(&self, digest: Digest) -> Result<Manifest, Trouble> {
        match Document::read(&self.read_blob(digest)?, &self.config.limits).map_err(Trouble::Invalid)? {
            Document::Manifest(manifest) => Ok(manifest),
            Document::Index(_) => Err(Trouble::Invalid("its manifest is an index".to_owned())),
        }
    }

    fn configured(&self, digest: Digest, manifest: &Manifest) -> Result<Record, Trouble> {
        let bytes = self.read_blob(manifest.config.digest)?;
        let configuration = Configuration::read(&bytes, manifest.layers.len()).map_err(Trouble::Invalid)?;
        let blobs: Vec<Digest> = manifest.layers.iter().map(|layer| layer.digest).collect();
        let layers = blobs.iter().zip(configuration.diff_ids).map(|(blob, diff_id)| Layer { blob: *blob, diff_id });
        Ok(Record {
            config: configuration.image,
            layers: layers.collect(),
            blobs: blobs.iter().copied().chain([digest, manifest.config.digest]).collect(),
        })
    }

    /// Takes bytes in as a blob. Blocks.
    pub(crate) fn add_blob(&self, mut bytes: impl Read, media_type: &str) -> Result<Descriptor, Trouble> {
        let mut temp = self.dirs.temp_file()?;
        let mut digest = Sha256::new();
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut size = 0;
        loop {
            let count = bytes.read(&mut buffer).map_err(|e| Trouble::os("cannot read a blob", e))?;
            if count == 0 {
                break;
            }
            size += count as u64;
            if size > self.config.limits.blob_bytes_max {
                return Err(Trouble::Invalid("a layer is over the bound blob_bytes_max".to_owned()));
            }
            digest.update(&buffer[..count]);
            temp.write_all(&buffer[..count]).map_err(|e| Trouble::os("cannot write a blob", e))?;
        }
        let digest = Digest::new(digest.finalize().into());
        temp.persist(self.dirs.blob(digest)).map_err(|e| Trouble::os("cannot place a blob", e.error))?;
        Ok(Descriptor::new(media_type, digest, size))
    }

    /// A document among the blobs. What has its name may be anything, such as another image's layer: so no
    /// more of it is read than a document may have.
    fn read_blob(&self, digest: Digest) -> Result<Vec<u8>, Trouble> {
        let path = self.dirs.blob(digest);
        let bytes_max = self.config.limits.document_bytes_max;
        let mut bytes = Vec::new();
        File::open(&path)
            .and_then(|file| file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes))
            .map_err(|e| Trouble::os(format!("cannot read {}", path.display()), e))?;
        if bytes.len() as u64 > bytes_max {
            return Err(Trouble::Invalid(format!("its document {digest} is over the bound document_bytes_max")));
        }
        Ok(bytes)
    }
}
