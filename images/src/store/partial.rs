//! A blob that is being fetched.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

use super::dirs::Dirs;
use crate::Digest;
use crate::error::Trouble;

/// The beginning of a blob, on disk, with the digest of what is there; and the blob's lock.
pub(crate) struct Partial {
    path: PathBuf,
    whole: PathBuf,
    promised: (Digest, u64),
    file: File,
    digest: Sha256,
    length: u64,
    /// Held until nobody writes any more, also when whoever wanted the blob has left.
    _working: File,
}

/// How much is read at once to learn the digest of what is there.
const BUFFER_BYTES: usize = 64 << 10;

impl Partial {
    /// Of the blob with this digest and size, with what an earlier try has left.
    pub(super) fn open(dirs: &Dirs, digest: Digest, size: u64, working: File) -> Result<Self, Trouble> {
        let path = dirs.partial(digest);
        let what = || format!("cannot open {}", path.display());
        let file =
            OpenOptions::new().read(true).append(true).create(true).open(&path).map_err(|e| Trouble::os(what(), e))?;
        let whole = dirs.blob(digest);
        let mut partial = Self {
            path: path.clone(),
            whole,
            promised: (digest, size),
            file,
            digest: Sha256::new(),
            length: 0,
            _working: working,
        };
        partial.read_on().map_err(|e| Trouble::os(what(), e))?;
        if partial.length > size {
            partial.restart()?;
        }
        Ok(partial)
    }

    fn read_on(&mut self) -> io::Result<()> {
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let count = self.file.read(&mut buffer)?;
            if count == 0 {
                return Ok(());
            }
            self.digest.update(&buffer[..count]);
            self.length += count as u64;
        }
    }

    /// How much is there.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// How much is to come.
    pub(crate) fn left(&self) -> u64 {
        self.promised.1 - self.length
    }

    /// Forgets what is there.
    pub(crate) fn restart(&mut self) -> Result<(), Trouble> {
        self.file.set_len(0).map_err(|e| Trouble::os(format!("cannot empty {}", self.path.display()), e))?;
        self.digest = Sha256::new();
        self.length = 0;
        Ok(())
    }

    /// Takes what comes next.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        if bytes.len() as u64 > self.left() {
            self.restart()?;
            return Err(Trouble::Transient(format!("blob {} goes on beyond its end", self.promised.0)));
        }
        self.file.write_all(bytes).map_err(|e| Trouble::os(format!("cannot write {}", self.path.display()), e))?;
        self.digest.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// What is there is whole: if it is what was promised, it gets its place, and this is spent.
    pub(crate) fn finish(&mut self) -> Result<(), Trouble> {
        if self.left() > 0 {
            let (blob, left) = (self.promised.0, self.left());
            return Err(Trouble::Transient(format!("blob {blob} breaks off {left} bytes before its end")));
        }
        let (promised, found) = (self.promised.0, Digest::new(self.digest.finalize_reset().into()));
        if found != promised {
            // Whoever tries again starts anew, for nobody knows which part was wrong.
            self.restart()?;
            return Err(Trouble::Transient(format!("blob {promised} is not what came, which is {found}")));
        }
        fs::rename(&self.path, &self.whole)
            .map_err(|e| Trouble::os(format!("cannot rename {}", self.path.display()), e))
    }
}
