//! References, and what each stood for when it was fetched.

use std::fs;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::lock::{Hold, lock};
use super::{Shared, Store, blocking};
use crate::error::Trouble;
use crate::{Digest, Image, ImageError, Reference};

/// A reference, and the manifest it stands for.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Named {
    pub(super) reference: String,
    pub(super) manifest: Digest,
    /// For what is read from a file: which state of the file that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) stamp: Option<String>,
}

/// A name in a store.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The reference, as it is written shortest.
    pub reference: String,
    /// The digest of the manifest that it stands for.
    pub digest: Digest,
    /// How many bytes its blobs have: what a pull would fetch.
    pub bytes: u64,
    /// When the image was last asked for.
    pub used: SystemTime,
}

impl Store {
    /// Lets `name` stand for `image` in this store, whatever it stood for before.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn tag(&self, name: &Reference, image: &Image) -> Result<(), ImageError> {
        let (shared, name, manifest) = (self.shared.clone(), name.clone(), image.digest());
        let _adding = lock(&shared.dirs.lock(), Hold::Shared)
            .await
            .map_err(|e| Trouble::os("cannot lock the store", e).about(&name))?;
        let named = name.clone();
        let done = blocking(move || shared.put_name(&named, manifest, None)).await;
        done.map_err(|trouble| trouble.about(&name))
    }

    /// What is here, in the order of names.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn list(&self) -> Result<Vec<Listed>, ImageError> {
        let shared = self.shared.clone();
        blocking(move || {
            let mut listed: Vec<Listed> =
                shared.all_names()?.into_iter().filter_map(|name| shared.listed(name)).collect();
            listed.sort_by(|a, b| a.reference.cmp(&b.reference));
            Ok(listed)
        })
        .await
        .map_err(Trouble::host)
    }

    /// Takes a name away, and answers whether it was there. What no other name stands for and nobody
    /// uses goes with it; what is used goes later, when the store is opened or cleaned.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn remove(&self, name: &Reference) -> Result<bool, ImageError> {
        let (shared, path) = (self.shared.clone(), self.shared.dirs.name(&name.to_string()));
        blocking(move || {
            let removed = match fs::remove_file(&path) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => false,
                other => {
                    other.map(|()| true).map_err(|e| Trouble::os(format!("cannot remove {}", path.display()), e))?
                }
            };
            shared.sweep();
            Ok(removed)
        })
        .await
        .map_err(|trouble| trouble.about(name))
    }
}

impl Shared {
    /// What a reference stands for here.
    pub(super) fn named(&self, reference: &Reference) -> Option<Named> {
        let reference = reference.to_string();
        read(&self.dirs.name(&reference)).filter(|named| named.reference == reference)
    }

    pub(super) fn put_name(
        &self,
        reference: &Reference,
        manifest: Digest,
        stamp: Option<String>,
    ) -> Result<(), Trouble> {
        let named = Named { reference: reference.to_string(), manifest, stamp };
        let bytes = serde_json::to_vec(&named).expect("strings can be written as JSON");
        self.dirs.put(&self.dirs.name(&named.reference), &bytes)
    }

    /// All names that can be read; others are of nobody's use.
    pub(super) fn all_names(&self) -> Result<Vec<Named>, Trouble> {
        let names = self.dirs.names().map_err(|e| Trouble::os("cannot list the store's names", e))?;
        Ok(names.into_iter().filter_map(|(_, path)| read(&path)).collect())
    }

    fn listed(&self, named: Named) -> Option<Listed> {
        let used = fs::metadata(self.dirs.image(named.manifest)).and_then(|record| record.modified()).ok()?;
        let image = self.read_record(named.manifest).ok()?;
        let blobs = image.blobs.iter().filter_map(|blob| fs::metadata(self.dirs.blob(*blob)).ok());
        Some(Listed {
            reference: named.reference,
            digest: named.manifest,
            bytes: blobs.map(|blob| blob.len()).sum(),
            used,
        })
    }
}

fn read(path: &Path) -> Option<Named> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}
