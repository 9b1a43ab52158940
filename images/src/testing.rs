//! Archives as tests want them: honest ones, and such as no honest program writes.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

use crate::document::{CONFIG, Configuration, Descriptor, Document, LAYER_GZIP, MANIFEST, Manifest, REF_NAME};
use crate::{Digest, ImageConfig, Limits};

/// Says that the rest of a test is skipped and why; with `HOTFN_NO_SKIP=1`, makes a failure of it.
pub(crate) fn skipped(why: &str) {
    let strict = std::env::var_os("HOTFN_NO_SKIP").is_some_and(|value| value == "1");
    assert!(!strict, "nothing may be skipped here (HOTFN_NO_SKIP=1), but {why}");
    // Not with `eprintln!`, of which the test harness swallows what a passing test prints.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}; `cargo xtask test` brings what is missing");
}

/// An archive in the making.
pub(crate) struct Archive {
    builder: Builder<Vec<u8>>,
}

impl Archive {
    pub(crate) fn new() -> Self {
        Self { builder: Builder::new(Vec::new()) }
    }

    pub(crate) fn file(self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.member(EntryType::Regular, path, "", bytes.as_ref(), 0o644)
    }

    pub(crate) fn dir(self, path: &str) -> Self {
        self.member(EntryType::Directory, path, "", b"", 0o755)
    }

    pub(crate) fn symlink(self, path: &str, target: &str) -> Self {
        self.member(EntryType::Symlink, path, target, b"", 0o777)
    }

    pub(crate) fn hard_link(self, path: &str, target: &str) -> Self {
        self.member(EntryType::Link, path, target, b"", 0o644)
    }

    /// Any member, with a name as it is: `tar`'s own methods would not write every one of them.
    pub(crate) fn member(mut self, kind: EntryType, path: &str, link: &str, bytes: &[u8], mode: u32) -> Self {
        let mut header = Header::new_gnu();
        for (long, kind) in [(path, EntryType::GNULongName), (link, EntryType::GNULongLink)] {
            if long.len() > 100 {
                let mut header = Header::new_gnu();
                header.set_entry_type(kind);
                header.set_size(long.len() as u64 + 1);
                header.set_cksum();
                self.builder.append(&header, format!("{long}\0").as_bytes()).unwrap();
            }
        }
        let fits = |text: &str| text.as_bytes()[..text.len().min(100)].to_vec();
        header.as_old_mut().name[..fits(path).len()].copy_from_slice(&fits(path));
        header.as_old_mut().linkname[..fits(link).len()].copy_from_slice(&fits(link));
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(1000);
        header.set_gid(1001);
        header.set_mtime(1_000_000_000);
        header.set_size(bytes.len() as u64);
        if matches!(kind, EntryType::Char | EntryType::Block) {
            header.set_device_major(1).unwrap();
            header.set_device_minor(3).unwrap();
        }
        header.set_cksum();
        self.builder.append(&header, bytes).unwrap();
        self
    }

    /// An extension for the member that comes next.
    pub(crate) fn extension(mut self, key: &str, value: &str) -> Self {
        self.builder.append_pax_extensions([(key, value.as_bytes())]).unwrap();
        self
    }

    pub(crate) fn bytes(self) -> Vec<u8> {
        self.builder.into_inner().unwrap()
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// As a stream of two frames with a skippable one before each, as some builders write it.
pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    let (first, second) = bytes.split_at(bytes.len() / 2);
    for half in [first, second] {
        stream.extend([0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
        stream.extend(ruzstd::encoding::compress_to_vec(half, ruzstd::encoding::CompressionLevel::Fastest));
    }
    stream
}

/// An image in the making: its blobs, and the descriptor of its manifest.
pub(crate) struct Made {
    pub(crate) blobs: BTreeMap<Digest, Vec<u8>>,
    pub(crate) manifest: Descriptor,
}

impl Made {
    /// Of these layers, compressed.
    pub(crate) fn new(layers: Vec<Archive>) -> Self {
        let mut blobs = BTreeMap::new();
        let mut add = |kind: &str, bytes: Vec<u8>| {
            let descriptor = Descriptor::new(kind, Digest::of(&bytes), bytes.len() as u64);
            blobs.insert(descriptor.digest, bytes);
            descriptor
        };
        let layers: Vec<Vec<u8>> = layers.into_iter().map(Archive::bytes).collect();
        let diff_ids = layers.iter().map(|layer| Digest::of(layer)).collect();
        let layers = layers.iter().map(|layer| add(LAYER_GZIP, gzip(layer))).collect();
        let image = ImageConfig { entrypoint: vec!["/func".to_owned()], ..ImageConfig::default() };
        let config = add(CONFIG, Configuration { diff_ids, image }.write());
        let manifest = add(MANIFEST, Manifest::new(config, layers).write());
        Self { blobs, manifest }
    }

    /// Under a name within a layout.
    pub(crate) fn named(mut self, name: &str) -> Self {
        self.manifest.annotations.insert(REF_NAME.to_owned(), name.to_owned());
        self
    }

    /// The blob that is a layer, the first from below.
    pub(crate) fn layer(&self) -> Digest {
        match Document::read(&self.blobs[&self.manifest.digest], &Limits::default()).unwrap() {
            Document::Manifest(manifest) => manifest.layers[0].digest,
            Document::Index(_) => panic!("made as a manifest"),
        }
    }
}

/// Writes a layout with these images.
pub(crate) fn layout(dir: &Path, images: &[&Made]) {
    let blobs = dir.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    for (digest, bytes) in images.iter().flat_map(|image| &image.blobs) {
        fs::write(blobs.join(digest.hex()), bytes).unwrap();
    }
    let manifests: Vec<&Descriptor> = images.iter().map(|image| &image.manifest).collect();
    let index = serde_json::json!({ "schemaVersion": 2, "manifests": manifests });
    fs::write(dir.join("index.json"), index.to_string()).unwrap();
}

/// What looks like a static program that does `code`.
pub(crate) fn program(code: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 64 + 56];
    bytes[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1]);
    // One header, right behind this one, of the kind that is loaded.
    bytes[32] = 64;
    bytes[54] = 56;
    bytes[56] = 1;
    bytes[64] = 1;
    bytes.extend_from_slice(code);
    bytes
}
