//! An image of one program and nothing else.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::check::{Run, ours};

/// What its documents and its layer are, in the words that old and new engines know.
pub(super) const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";

/// Its documents, and its blobs by their digest.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    manifest: Vec<u8>,
    digest: String,
    blobs: BTreeMap<String, Vec<u8>>,
}

impl Image {
    /// One that runs `program`, with these members of a config on top of the usual ones.
    pub(crate) fn of(program: &Path, more: &Value) -> Run<Self> {
        let layer = ours(layer(program), &format!("make an image of {}", program.display()))?;
        let mut config = json!({ "Entrypoint": ["/witness"], "Env": ["PATH=/"] });
        for (name, value) in more.as_object().into_iter().flatten() {
            config[name] = value.clone();
        }
        let config = json!({
            "architecture": architecture(), "os": "linux", "config": config,
            "rootfs": { "type": "layers", "diff_ids": [digest(&layer)] },
        });
        let config = config.to_string().into_bytes();
        let of = |media_type: &str, blob: &[u8]| json!({ "mediaType": media_type, "size": blob.len(), "digest": digest(blob) });
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": of(CONFIG, &config), "layers": [of(LAYER, &layer)],
        });
        let manifest = manifest.to_string().into_bytes();
        let blobs = [config, layer].map(|blob| (digest(&blob), blob));
        Ok(Self { digest: digest(&manifest), manifest, blobs: blobs.into() })
    }

    pub(super) fn manifest(&self) -> &[u8] {
        &self.manifest
    }

    /// Of the manifest.
    pub(super) fn digest(&self) -> &str {
        &self.digest
    }

    pub(super) fn blob(&self, digest: &str) -> Option<&[u8]> {
        self.blobs.get(digest).map(Vec::as_slice)
    }
}

/// `/witness`, and an empty `/tmp`.
fn layer(program: &Path) -> io::Result<Vec<u8>> {
    let program = fs::read(program)?;
    let mut layer = tar::Builder::new(Vec::new());
    let mut tmp = header(0, 0o1777);
    tmp.set_entry_type(tar::EntryType::Directory);
    layer.append_data(&mut tmp, "tmp/", io::empty())?;
    layer.append_data(&mut header(program.len() as u64, 0o755), "witness", &*program)?;
    layer.into_inner()
}

fn header(bytes: u64, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes);
    header.set_mode(mode);
    header
}

fn digest(bytes: &[u8]) -> String {
    let sum = Sha256::digest(bytes);
    let hex: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "arm64",
        "x86_64" => "amd64",
        other => other,
    }
}
