//! An image as a file or a directory, for others to read.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use serde_json::json;
use tar::{EntryType, Header};

use crate::document::{Descriptor, Document, INDEX, MANIFEST, REF_NAME};
use crate::error::Trouble;
use crate::source::layout;
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
            let mut tar = Tar::new(shared, into);
            tar.bytes(LAYOUT.0, LAYOUT.1)?;
            tar.bytes(layout::INDEX, &index(vec![self.descriptor(shared, tag)?]))?;
            for blob in shared.read_record(self.digest())?.blobs {
                tar.blob(&layout::path(blob), blob)?;
            }
            tar.finish()
        })
    }

    /// Writes the image into an OCI image layout, in which it is called `tag`. Other images that are there
    /// stay, but for one that was called so. Blocks.
    ///
    /// # Errors
    /// When the disk refuses, or `dir` holds something else.
    pub fn oci_layout(&self, tag: Option<&str>, dir: &Path) -> Result<(), ImageError> {
        self.written(|shared| {
            let mut images = match fs::read(dir.join(layout::INDEX)) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
                Err(e) => return Err(unwritten(e)),
                Ok(bytes) => match Document::read(&bytes, &shared.config.limits) {
                    Ok(Document::Index(images)) => images,
                    _ => return Err(Trouble::Invalid(format!("{} is no OCI image layout", dir.display()))),
                },
            };
            let ours = self.descriptor(shared, tag)?;
            images.retain(|image| image.annotations.get(REF_NAME) != ours.annotations.get(REF_NAME));
            images.push(ours);
            fs::create_dir_all(dir.join(layout::BLOBS)).map_err(unwritten)?;
            for blob in shared.read_record(self.digest())?.blobs {
                // Not with the store's rights, which are for nobody else.
                let mut from = File::open(shared.dirs.blob(blob)).map_err(unwritten)?;
                let mut to = File::create(dir.join(layout::path(blob))).map_err(unwritten)?;
                io::copy(&mut from, &mut to).map_err(unwritten)?;
            }
            fs::write(dir.join(LAYOUT.0), LAYOUT.1).map_err(unwritten)?;
            // Last, for it is what makes the image count.
            fs::write(dir.join(layout::INDEX), index(images)).map_err(unwritten)
        })
    }

    fn descriptor(&self, shared: &Shared, tag: Option<&str>) -> Result<Descriptor, Trouble> {
        let size = shared.dirs.blob(self.digest()).metadata().map_err(unwritten)?.len();
        let mut descriptor = Descriptor::new(MANIFEST, self.digest(), size);
        descriptor.annotations.extend(tag.map(|tag| (REF_NAME.to_owned(), tag.to_owned())));
        Ok(descriptor)
    }
}

/// The file that says that a directory is a layout.
const LAYOUT: (&str, &[u8]) = ("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);

fn index(images: Vec<Descriptor>) -> Vec<u8> {
    json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": images }).to_string().into_bytes()
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
