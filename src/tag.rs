//! The name that everything an agent starts is labelled with, and the lock that says it lives.
//!
//! Containers of an engine outlive the agent that started them, if it is killed. The next agent has
//! to tell them from those of an agent that lives, and from everybody else's. So each agent writes a
//! file of its own and holds it locked:
//!
//! ```text
//! /var/lib/hotfn/agents/01kaf3…   "docker": the driver that knows what this agent started
//! ```
//!
//! The lock goes with the process, however it ends; the file stays, on a disk, since containers
//! outlive even the machine's restart. A file that nobody holds is a dead agent's: what carries its
//! name is removed, by a driver of the same name, and then the file. Agents with a process driver have
//! no tag: their containers die with them.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

/// The folder of these files, in the state directory.
const FOLDER: &str = "agents";
/// No driver has a longer name.
const DRIVER_BYTES_MAX: u64 = 64;

/// An agent's name, held for as long as it lives.
#[derive(Debug)]
pub(crate) struct Tag {
    name: String,
    path: PathBuf,
    /// Held locked.
    _file: File,
}

impl Tag {
    /// A name of our own, for containers of `driver`.
    pub(crate) fn claim(state: &Path, driver: &str) -> io::Result<Self> {
        let folder = state.join(FOLDER);
        fs::create_dir_all(&folder)?;
        let name = ulid::Ulid::generate().to_string().to_ascii_lowercase();
        let path = folder.join(&name);
        // Locked before it has its name: a file under its name that is not locked is a dead agent's.
        let hidden = folder.join(format!(".{name}"));
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&hidden)?;
        let named = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)
            .map_err(io::Error::from)
            .and_then(|()| file.write_all(driver.as_bytes()))
            .and_then(|()| fs::rename(&hidden, &path));
        if let Err(e) = named {
            let _ = fs::remove_file(&hidden);
            return Err(e);
        }
        Ok(Self { name, path, _file: file })
    }

    /// What is of the dead agents whose containers `driver` started; each is ours until it is dropped.
    pub(crate) fn dead(state: &Path, driver: &str) -> io::Result<Vec<Self>> {
        let mut dead = Vec::new();
        for entry in fs::read_dir(state.join(FOLDER))? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if name.starts_with('.') {
                continue;
            }
            let Ok(file) = File::open(entry.path()) else { continue };
            if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
                continue;
            }
            let mut of = String::new();
            if (&file).take(DRIVER_BYTES_MAX).read_to_string(&mut of).is_ok() && of == driver {
                dead.push(Self { name, path: entry.path(), _file: file });
            }
        }
        Ok(dead)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Nothing is left that carries this name.
    pub(crate) fn forget(self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "a file of an agent that is gone stays behind");
        }
    }
}

/// Where an agent's state goes if nobody has said: `/var/lib/hotfn` for root; for others `hotfn` in
/// `XDG_STATE_HOME`, else in `~/.local/state`; without a home, in the temporary folder.
pub(crate) fn usual_state() -> PathBuf {
    if rustix::process::geteuid().is_root() {
        return "/var/lib/hotfn".into();
    }
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).or_else(home);
    state.unwrap_or_else(std::env::temp_dir).join("hotfn")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(tags: &[Tag]) -> Vec<&str> {
        tags.iter().map(Tag::name).collect()
    }

    #[test]
    fn a_name_is_dead_when_nobody_holds_it_and_gone_when_it_is_forgotten() {
        let state = tempfile::tempdir().unwrap();
        let (ours, theirs) = (Tag::claim(state.path(), "docker").unwrap(), Tag::claim(state.path(), "docker").unwrap());
        assert!(Tag::dead(state.path(), "docker").unwrap().is_empty(), "both live");

        let name = theirs.name().to_owned();
        drop(theirs);
        assert!(Tag::dead(state.path(), "oci").unwrap().is_empty(), "not this driver's");
        let mut dead = Tag::dead(state.path(), "docker").unwrap();
        assert_eq!(names(&dead), [&name]);
        assert!(Tag::dead(state.path(), "docker").unwrap().is_empty(), "somebody sees to it already");
        dead.pop().unwrap().forget();
        assert!(Tag::dead(state.path(), "docker").unwrap().is_empty());
        assert!(ours.path.exists());
    }
}
