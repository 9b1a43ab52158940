//! An OCI image layout: `index.json`, and blobs in files named by their digests.

use std::io::{Read, Seek, SeekFrom};

use super::Tree;
use crate::document::{Descriptor, Document, Platform, REF_NAME};
use crate::error::Trouble;
use crate::store::Partial;
use crate::{Digest, Limits};

/// The file that says which images are there.
pub(crate) const INDEX: &str = "index.json";
/// Where its blobs are.
pub(crate) const BLOBS: &str = "blobs/sha256";
/// How many indexes may stand one within the other. Tools make two.
const INDEXES_MAX: usize = 4;
/// How many names an error repeats.
const NAMES_SAID_MAX: usize = 20;
/// How much is copied at once.
const BUFFER_BYTES: usize = 128 << 10;

/// A layout, and which image of it is meant.
pub(crate) struct Layout {
    dir: Tree,
    tag: Option<String>,
    limits: Limits,
}

impl Layout {
    pub(super) fn new(dir: Tree, tag: Option<String>, limits: Limits) -> Self {
        Self { dir, tag, limits }
    }

    /// The manifest for this platform. Blocks.
    pub(super) fn manifest(&self) -> Result<Vec<u8>, Trouble> {
        let index = self.dir.document(INDEX, &self.limits)?;
        let Document::Index(manifests) = self.read(&index)? else {
            return Err(Trouble::Invalid(format!("its {INDEX} is no index")));
        };
        let mut digest = self.named(&manifests)?.digest;
        for _ in 0..INDEXES_MAX {
            let bytes = self.dir.document(&path(digest), &self.limits)?;
            let found = Digest::of(&bytes);
            if found != digest {
                return Err(Trouble::Invalid(format!("its blob {digest} is {found}")));
            }
            match self.read(&bytes)? {
                Document::Manifest(_) => return Ok(bytes),
                Document::Index(manifests) => digest = Platform::choose(&manifests).map_err(Trouble::Invalid)?.digest,
            }
        }
        Err(Trouble::Invalid(format!("it has more than {INDEXES_MAX} indexes, one within the other")))
    }

    /// The image that is meant.
    fn named<'a>(&self, manifests: &'a [Descriptor]) -> Result<&'a Descriptor, Trouble> {
        let name = |manifest: &'a Descriptor| manifest.annotations.get(REF_NAME).map(String::as_str);
        let names = || manifests.iter().filter_map(name).take(NAMES_SAID_MAX).collect::<Vec<_>>().join(", ");
        match (&self.tag, manifests) {
            (Some(tag), _) => manifests
                .iter()
                .find(|manifest| name(manifest) == Some(tag))
                .ok_or_else(|| Trouble::Absent(format!("the layout has no image {tag:?}; it has: {}", names()))),
            (None, [only]) => Ok(only),
            (None, many) if many.iter().all(|manifest| name(manifest).is_none()) => {
                Platform::choose(many).map_err(Trouble::Invalid)
            }
            (None, _) => Err(Trouble::Absent(format!(
                "the layout has many images; add one of their names, as in oci:PATH:NAME: {}",
                names()
            ))),
        }
    }

    /// Copies a blob. Blocks.
    pub(super) fn blob(&self, digest: Digest, mut partial: Partial) -> Result<(), Trouble> {
        let unreadable = |e| Trouble::Invalid(format!("its blob {digest} cannot be read: {e}"));
        let mut file = self.dir.file(&path(digest))?;
        file.seek(SeekFrom::Start(partial.length())).map_err(unreadable)?;
        let mut buffer = vec![0; BUFFER_BYTES];
        let copied = loop {
            match file.read(&mut buffer).map_err(unreadable)? {
                0 => break partial.finish(),
                count => match partial.push(&buffer[..count]) {
                    Ok(()) => {}
                    other => break other,
                },
            }
        };
        // A file does not come right by itself.
        copied.map_err(|trouble| match trouble {
            Trouble::Transient(why) => Trouble::Invalid(why),
            other => other,
        })
    }

    fn read(&self, bytes: &[u8]) -> Result<Document, Trouble> {
        Document::read(bytes, &self.limits).map_err(Trouble::Invalid)
    }
}

/// Where a blob is in a layout.
pub(crate) fn path(digest: Digest) -> String {
    format!("{BLOBS}/{}", digest.hex())
}
