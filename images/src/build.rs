//! An image from scratch: one program, and the little that a program expects around it.
//!
//! ```text
//! /func          the program: static, for there is no library here
//! /etc/passwd    root, and the user 1000 that functions run as
//! /etc/group     their groups
//! /dev /proc /sys /tmp    empty: places to mount on
//! ```
//!
//! The same program makes the same image, byte for byte and on any host: nothing of the time, the
//! user or the file's place goes into it. What is absent: a shell, time zones, and certificates; a
//! function that calls out over TLS brings its roots within itself.

mod elf;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};
use tar::{EntryType, Header};

use crate::document::{CONFIG, Configuration, LAYER_GZIP, Manifest};
use crate::error::Trouble;
use crate::store::{Shared, blocking};
use crate::{Digest, Image, ImageConfig, ImageError, Reference, Store};

/// Where the program is in its image.
pub const PROGRAM: &str = "/func";

const PASSWD: &str = "root:x:0:0:root:/:/sbin/nologin\nfn:x:1000:1000:fn:/tmp:/sbin/nologin\n";
const GROUP: &str = "root:x:0:\nfn:x:1000:\n";

impl Store {
    /// Makes the image of `program` and lets `name` stand for it. An empty entrypoint in `config` is
    /// filled in: [`PROGRAM`].
    ///
    /// Cancel safe: what is under way is done to its end and goes with the next cleaning.
    ///
    /// # Errors
    /// When the program cannot be read, or is none that runs without libraries.
    pub async fn from_scratch(
        &self,
        program: &Path,
        config: ImageConfig,
        name: &Reference,
    ) -> Result<Image, ImageError> {
        let made = async {
            let _adding = self.shared.adding().await?;
            let (shared, program) = (self.shared.clone(), program.to_owned());
            let manifest = blocking(move || blobs(&shared, &program, config)).await?;
            self.shared.admit_here(manifest).await
        };
        let image = made.await.map_err(|trouble| trouble.about(name))?;
        self.tag(name, &image).await?;
        Ok(image)
    }
}

/// Makes the image's blobs and answers with its manifest.
fn blobs(shared: &Shared, program: &Path, mut config: ImageConfig) -> Result<Vec<u8>, Trouble> {
    if config.entrypoint.is_empty() {
        config.entrypoint = vec![PROGRAM.to_owned()];
    }
    let unreadable = |e| Trouble::os(format!("cannot make an image of {}", program.display()), e);
    let file = File::open(program).map_err(unreadable)?;
    let not = |what| Trouble::Invalid(format!("{} {what}", program.display()));
    match elf::kind(&file).map_err(unreadable)? {
        elf::Kind::Linked => {
            return Err(not("needs libraries, and an image from scratch has none; link it statically"));
        }
        elf::Kind::None => return Err(not("is no program for Linux")),
        elf::Kind::Static => {}
    }
    let temp = shared.dirs.temp_file()?;
    let mut gzip = GzEncoder::new(temp.as_file(), Compression::default());
    let diff_id = layer(&mut gzip, file).map_err(unreadable)?;
    gzip.finish().map_err(unreadable)?;
    let layer = shared.add_blob(File::open(temp.path()).map_err(unreadable)?, LAYER_GZIP)?;
    let configuration = Configuration { diff_ids: vec![diff_id], image: config };
    let config = shared.add_blob(&configuration.write()[..], CONFIG)?;
    Ok(Manifest::new(config, vec![layer]).write())
}

/// Writes the image's one layer and answers with its digest before compression.
fn layer(into: impl io::Write, program: File) -> io::Result<Digest> {
    let mut tar = tar::Builder::new(Digesting { into, digest: Sha256::new() });
    for (dir, mode) in [("dev/", 0o755), ("etc/", 0o755)] {
        tar.append(&header(dir, EntryType::Directory, 0, mode)?, io::empty())?;
    }
    for (file, text) in [("etc/group", GROUP), ("etc/passwd", PASSWD)] {
        tar.append(&header(file, EntryType::Regular, text.len() as u64, 0o644)?, text.as_bytes())?;
    }
    let size = program.metadata()?.len();
    tar.append(&header("func", EntryType::Regular, size, 0o755)?, program.take(size))?;
    for (dir, mode) in [("proc/", 0o755), ("sys/", 0o755), ("tmp/", 0o1777)] {
        tar.append(&header(dir, EntryType::Directory, 0, mode)?, io::empty())?;
    }
    Ok(Digest::new(tar.into_inner()?.digest.finalize().into()))
}

fn header(path: &str, kind: EntryType, size: u64, mode: u32) -> io::Result<Header> {
    let mut header = Header::new_ustar();
    header.set_path(path)?;
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    Ok(header)
}

/// Digests what is written on its way.
struct Digesting<W> {
    into: W,
    digest: Sha256,
}

impl<W: io::Write> io::Write for Digesting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.into.write(bytes)?;
        self.digest.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.into.flush()
    }
}
