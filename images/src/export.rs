//! An image as one file, for others to read.

use std::fs::File;
use std::io::{self, Read, Write};

use serde_json::json;
use tar::{EntryType, Header};

use crate::document::{Descriptor, INDEX, MANIFEST};
use crate::error::Trouble;
use crate::store::Shared;
use crate::{Digest, Image, ImageError, Reference};

impl Image {
    /// Writes the image as `docker save` would, for engines that load nothing else. `name` is what
    /// it is to be called there. Blocks.
    ///
    /// Layers are written as they were fetched: Docker decompresses them by itself.
    ///
    /// # Errors
    /// When the disk or `into` refuses.
    pub fn docker_archive(&self, name: Option<&Reference>, into: impl Write) -> Result<(), ImageError> {
        self.written(|shared| {
            let manifest = shared.manifest(self.digest())?;
            let mut tar = Tar::new(shared, into);
            let config = format!("{}.json", manifest.config.digest.hex());
            tar.blob(&config, manifest.config.digest)?;
            let mut layers = Vec::new();
            for layer in &manifest.layers {
                let path = format!("{}/layer.tar", layer.digest.hex());
                // The same layer may be there twice, and is loaded twice from one file.
                if !layers.contains(&path) {
                    tar.blob(&path, layer.digest)?;
                }
                layers.push(path);
            }
            let tags: Vec<String> = name.iter().map(ToString::to_string).collect();
            let list = json!([{ "Config": config, "RepoTags": tags, "Layers": layers }]);
            tar.bytes("manifest.json", list.to_string().as_bytes())?;
            tar.finish()
        })
    }

    /// Writes the image as a tar of an OCI image layout, in which it is called `tag`. Blocks.
    ///
    /// # Errors
    /// When the disk or `into` refuses.
    pub fn oci_archive(&self, tag: Option<&str>, into: impl Write) -> Result<(), ImageError> {
        self.written(|shared| {
            let manifest = shared.manifest(self.digest())?;
            let size = shared.dirs.blob(self.digest()).metadata().map_err(unwritten)?.len();
            let mut descriptor = Descriptor::new(MANIFEST, self.digest(), size);
            if let Some(tag) = tag {
                descriptor.annotations.insert(crate::document::REF_NAME.to_owned(), tag.to_owned());
            }
            let mut tar = Tar::new(shared, into);
            tar.bytes("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
            let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [descriptor] });
            tar.bytes("index.json", index.to_string().as_bytes())?;
            let mut blobs: Vec<Digest> = manifest.layers.iter().map(|layer| layer.digest).collect();
            blobs.extend([self.digest(), manifest.config.digest]);
            blobs.sort();
            blobs.dedup();
            for blob in blobs {
                tar.blob(&format!("blobs/sha256/{}", blob.hex()), blob)?;
            }
            tar.finish()
        })
    }
}

/// An archive in which everything is root's, readable, and without a date.
struct Tar<'a, W: Write> {
    shared: &'a Shared,
    builder: tar::Builder<W>,
}

impl<'a, W: Write> Tar<'a, W> {
    fn new(shared: &'a Shared, into: W) -> Self {
        Self { shared, builder: tar::Builder::new(into) }
    }

    fn blob(&mut self, path: &str, digest: Digest) -> Result<(), Trouble> {
        let file = File::open(self.shared.dirs.blob(digest)).map_err(unwritten)?;
        let size = file.metadata().map_err(unwritten)?.len();
        self.member(path, size, file)
    }

    fn bytes(&mut self, path: &str, bytes: &[u8]) -> Result<(), Trouble> {
        self.member(path, bytes.len() as u64, bytes)
    }

    fn member(&mut self, path: &str, size: u64, body: impl Read) -> Result<(), Trouble> {
        let mut header = Header::new_ustar();
        header.set_path(path).map_err(unwritten)?;
        header.set_entry_type(EntryType::Regular);
        header.set_size(size);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_cksum();
        self.builder.append(&header, body.take(size)).map_err(unwritten)
    }

    fn finish(mut self) -> Result<(), Trouble> {
        self.builder.finish().map_err(unwritten)
    }
}

fn unwritten(e: io::Error) -> Trouble {
    Trouble::os("cannot write the image", e)
}
