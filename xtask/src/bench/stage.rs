//! Where those who are measured stand: on which cores, in which folder, built how.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::part::Cores;
use crate::tree;

/// How the folders are called; what follows is the id of the process that made them.
const FOLDER: &str = "bench-hot-";

/// A folder for sockets, configs and logs, removed with this value, and how programs are started.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) folder: PathBuf,
    pub(crate) cores: Cores,
    profile: String,
}

impl Stage {
    /// Makes the folder. Not below `target`: the path of a unix socket has room for 107 bytes only.
    pub(crate) fn new(cores: Cores, profile: &str) -> Result<Self> {
        sweep();
        let folder = std::env::temp_dir().join(format!("{FOLDER}{}", std::process::id()));
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self { folder, cores, profile: profile.to_owned() })
    }

    /// One of our programs.
    pub(crate) fn built(&self, name: &str) -> PathBuf {
        let folder = if self.profile == "dev" { "debug" } else { &self.profile };
        tree::target().join(folder).join(name)
    }

    /// A command for `program` on these cores, that ends when this process does: an interrupted run
    /// leaves nobody behind.
    ///
    /// Both are had from Debian's base system: programs that set something and become the next one.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM"]);
        if self.cores == Cores::One {
            command.args(["taskset", "--cpu-list", "0"]);
        }
        command.arg(program.as_ref());
        command
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Removes what interrupted runs left.
fn sweep() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(maker) = name.to_str().and_then(|name| name.strip_prefix(FOLDER)) else { continue };
        if !Path::new("/proc").join(maker).exists() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
