//! Making places in a tree whose contents are a stranger's.
//!
//! An image may have a link where a container's mount needs a directory: `/tmp` that leads to
//! `/home/ada/.ssh`, say. In a container it leads to a place in the container; followed here it would lead to
//! one of the host's. So nothing here is a path to the host: the kernel resolves each, with the tree as
//! the top of the world.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// How often the kernel is asked again when something on the host was renamed while it looked.
const ATTEMPTS_MAX: usize = 64;

/// A tree, held open.
#[derive(Debug)]
pub(super) struct Inside {
    root: OwnedFd,
}

impl Inside {
    /// The tree at `path`, which is ours.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { root: rustix::fs::open(path, flags, Mode::empty())? })
    }

    /// The directory that `path` is in the tree, made with all above it if it is not there. `..` is left out.
    ///
    /// # Errors
    /// When something else has its name, such as a link to nothing.
    pub(super) fn directory(&self, path: impl AsRef<Path>) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut so_far = PathBuf::from(".");
        let mut above = self.resolve(&so_far, flags, Mode::empty())?;
        for name in path.as_ref().components().filter(|part| matches!(part, Component::Normal(_))) {
            so_far.push(name);
            above = match self.resolve(&so_far, flags, Mode::empty()) {
                Err(Errno::NOENT) => {
                    match rustix::fs::mkdirat(&above, name.as_os_str(), Mode::from_raw_mode(0o777)) {
                        // Another container of the image was as fast.
                        Ok(()) | Err(Errno::EXIST) => {}
                        Err(e) => return Err(e.into()),
                    }
                    self.resolve(&so_far, flags, Mode::empty())?
                }
                found => found?,
            };
        }
        Ok(above)
    }

    /// Makes the file that `path` is in the tree, with all above it, if it is not there.
    ///
    /// # Errors
    /// As [`directory`](Self::directory).
    pub(super) fn file(&self, path: &Path) -> io::Result<()> {
        self.directory(path.parent().unwrap_or_else(|| Path::new("")))?;
        // What is no file is not waited for.
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NONBLOCK | OFlags::CLOEXEC;
        self.resolve(path, flags, Mode::from_raw_mode(0o666))?;
        Ok(())
    }

    fn resolve(&self, path: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        for _ in 1..ATTEMPTS_MAX {
            match rustix::fs::openat2(&self.root, path, flags, mode, how) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                found => return found,
            }
        }
        rustix::fs::openat2(&self.root, path, flags, mode, how)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn places_are_made_in_the_tree_wherever_its_links_lead() {
        let dir = tempfile::tempdir().unwrap();
        let (root, outside) = (dir.path().join("root"), dir.path().join("outside"));
        fs::create_dir_all(root.join("var")).unwrap();
        fs::create_dir(&outside).unwrap();
        symlink(&outside, root.join("out")).unwrap();
        symlink("../../../..", root.join("up")).unwrap();
        symlink("/var", root.join("home")).unwrap();
        let inside = Inside::open(&root).unwrap();

        inside.directory("a/../b/c").unwrap();
        inside.directory("/home/ada").unwrap();
        inside.directory("up/d").unwrap();
        inside.file(Path::new("home/file")).unwrap();
        for made in ["a/b/c", "var/ada", "d", "var/file"] {
            assert!(root.join(made).exists(), "{made}");
        }
        // A link to what only the host has is one to nothing.
        assert!(inside.directory("out/x").is_err());
        assert!(inside.file(Path::new("out/file")).is_err());
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
