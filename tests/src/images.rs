//! Container images of the examples: one static program each, in an image from scratch.
//!
//! ```text
//! manifest.json    [{"Config": "config.json", "RepoTags": […], "Layers": ["layer.tar"]}]
//! config.json      what to start, and the digests of the layers unpacked
//! layer.tar        /function, /tmp
//! ```

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::binaries;

/// An image of one program, as `docker save` would write it.
#[derive(Debug)]
pub struct Image {
    program: PathBuf,
    tag: String,
    config: Value,
}

impl Image {
    /// Of the example `name`, with the tag `hotfn-stories/NAME:latest`.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let config = json!({ "Entrypoint": ["/function"], "Env": ["PATH=/", "FROM_IMAGE=1"] });
        Self { program: binaries::static_program(name), tag: format!("hotfn-stories/{name}:latest"), config }
    }

    /// With another tag.
    #[must_use]
    pub fn tag(self, tag: &str) -> Self {
        Self { tag: tag.to_owned(), ..self }
    }

    /// With a key of its config, such as `Volumes`, set.
    #[must_use]
    pub fn config(mut self, key: &str, value: Value) -> Self {
        self.config[key] = value;
        self
    }

    /// Writes it to `path`, and gives that as a function's image.
    ///
    /// # Panics
    /// When that fails.
    #[must_use]
    pub fn archive(&self, path: &Path) -> String {
        self.write(path).unwrap_or_else(|e| panic!("cannot write the image {}: {e}", path.display()));
        format!("docker-archive:{}", path.display())
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let layer = self.layer()?;
        let digest = hex(&Sha256::digest(&layer));
        let config = json!({
            "architecture": arch(), "os": "linux", "config": self.config,
            "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{digest}")] },
        });
        let manifest = json!([{ "Config": "config.json", "RepoTags": [self.tag], "Layers": ["layer.tar"] }]);
        let mut tar = tar::Builder::new(File::create(path)?);
        for (name, bytes) in [
            ("manifest.json", manifest.to_string().into_bytes()),
            ("config.json", config.to_string().into_bytes()),
            ("layer.tar", layer),
        ] {
            tar.append_data(&mut header(&bytes, 0o644), name, &*bytes)?;
        }
        tar.finish()
    }

    fn layer(&self) -> io::Result<Vec<u8>> {
        let program = fs::read(&self.program)?;
        let mut layer = tar::Builder::new(Vec::new());
        let mut tmp = header(&[], 0o1777);
        tmp.set_entry_type(tar::EntryType::Directory);
        layer.append_data(&mut tmp, "tmp/", io::empty())?;
        layer.append_data(&mut header(&program, 0o755), "function", &*program)?;
        layer.into_inner()
    }
}

fn header(bytes: &[u8], mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(mode);
    header
}

fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "arm64",
        "x86_64" => "amd64",
        other => other,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
