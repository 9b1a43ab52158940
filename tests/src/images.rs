//! Container images of what is on this machine: an example, which is one static program, or an
//! interpreter with all that it reads.
//!
//! ```text
//! manifest.json    [{"Config": "config.json", "RepoTags": […], "Layers": ["layer.tar"]}]
//! config.json      what to start, and the digests of the layers unpacked
//! layer.tar        /tmp, and what was put in
//! ```

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::binaries;

/// An image, as `docker save` would write it.
#[derive(Debug)]
pub struct Image {
    /// What is on this machine, and where it is in the image.
    entries: Vec<(PathBuf, PathBuf)>,
    tag: String,
    config: Value,
}

impl Image {
    /// Of the example `name`, with the tag `hotfn-stories/NAME:latest`.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let image = Self::from_scratch(name, &["/function"]).config("Env", json!(["PATH=/", "FROM_IMAGE=1"]));
        image.and_at(&binaries::static_program(name), Path::new("/function"))
    }

    /// With nothing in it but `/tmp`, to be started by `start`.
    #[must_use]
    pub fn from_scratch(name: &str, start: &[&str]) -> Self {
        let config = json!({ "Entrypoint": start });
        Self { entries: Vec::new(), tag: format!("hotfn-stories/{name}:latest"), config }
    }

    /// Of a program with the libraries it is linked to, at the places they have here, that is started
    /// with `args`.
    ///
    /// # Panics
    /// When its libraries cannot be listed.
    #[must_use]
    pub fn of_program(program: &Path, args: &[&str]) -> Self {
        let start: Vec<_> =
            std::iter::once(program.to_string_lossy()).chain(args.iter().map(|&arg| arg.into())).collect();
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        let tag = format!("hotfn-stories/{name}:latest");
        let config = json!({ "Entrypoint": start, "Env": ["PATH=/usr/bin"] });
        Self { entries: Vec::new(), tag, config }.and(program).and_libraries_of(program)
    }

    /// With a file or a folder, at the place it has here.
    #[must_use]
    pub fn and(self, here: &Path) -> Self {
        self.and_at(here, here)
    }

    /// With a file or a folder at a place of its own.
    #[must_use]
    pub fn and_at(mut self, here: &Path, there: &Path) -> Self {
        self.entries.push((here.to_owned(), there.to_owned()));
        self
    }

    /// With the libraries that a program or library is linked to.
    ///
    /// # Panics
    /// When they cannot be listed.
    #[must_use]
    pub fn and_libraries_of(mut self, linked: &Path) -> Self {
        let out = Command::new("ldd").arg(linked).output().expect("ldd lists libraries");
        let listed = String::from_utf8_lossy(&out.stdout);
        // `libz.so.1 => /lib/libz.so.1 (0x…)`, and the loader as a path alone.
        for word in listed.split_whitespace().filter(|word| word.starts_with('/')) {
            let library = PathBuf::from(word);
            if library.is_file() && !self.entries.iter().any(|(_, there)| *there == library) {
                self = self.and(&library);
            }
        }
        self
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
        let mut layer = tar::Builder::new(Vec::new());
        layer.follow_symlinks(true);
        let mut tmp = header(&[], 0o1777);
        tmp.set_entry_type(tar::EntryType::Directory);
        layer.append_data(&mut tmp, "tmp/", io::empty())?;
        for (here, there) in &self.entries {
            let there = there.strip_prefix("/").unwrap_or(there);
            if here.is_dir() {
                layer.append_dir_all(there, here)?;
            } else {
                let bytes = fs::read(here)?;
                layer.append_data(&mut header(&bytes, 0o755), there, &*bytes)?;
            }
        }
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
