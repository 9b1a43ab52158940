//! A container's root file system: the layers of its image, over one another.
//!
//! Layers are directories that all containers share. An overlay mount shows them as one; over and under
//! them lie directories of the container's own with the places that mounts need, for images that have
//! nothing but a program in them. Without a writable layer nothing of it can be changed.
//!
//! The mount is ours and lasts only until the container has started: by then the container's own
//! namespace holds it, and what holds no other mount cannot leak one.
//!
//! A page is all that the kernel reads of a mount's options, and paths of forty layers fill it. So
//! layers are named by descriptors, `/proc/self/fd/40`, which also keeps commas and colons in paths
//! from meaning anything.

use std::ffi::CString;
use std::fmt::Write;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountFlags, UnmountFlags};

use super::inside::Inside;

/// What a container's image is here as.
#[derive(Clone, Debug)]
pub(super) enum Tree {
    /// One directory, which is the whole of it.
    Flat(PathBuf),
    /// A directory a layer, bottom first.
    Layers {
        /// The directories.
        layers: Vec<PathBuf>,
        /// Are their marks of what is deleted those of users that are not root?
        userxattr: bool,
    },
}

/// What may be written to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Writes {
    /// Anything: it is kept in memory, which counts as the container's, and goes with it.
    InMemory,
    /// Nothing.
    None,
}

/// Places that containers' mounts need, whatever an image has there.
const PLACES: [&str; 4] = ["dev", "proc", "sys", "tmp"];
/// Runtimes give a file system in memory the mode of the place it is mounted on.
const TMP_MODE: Mode = Mode::from_raw_mode(0o1777);
/// Files that containers' mounts need, unless an image has them.
const FILES: [&str; 2] = ["etc/hosts", "etc/resolv.conf"];

/// A root file system that is mounted, in the directory of a bundle. Dropping it unmounts it.
#[derive(Debug)]
pub(super) struct Rootfs {
    /// Where it is.
    pub(super) path: PathBuf,
    /// What is mounted by us, in order.
    mounted: Vec<PathBuf>,
}

impl Rootfs {
    /// Lays `tree` out in `bundle`, with room for mounts on `places`, which are paths in the container.
    pub(super) fn new(bundle: &Path, tree: &Tree, writes: Writes, places: &[&str]) -> io::Result<Self> {
        let (layers, userxattr) = match tree {
            Tree::Flat(path) => {
                // All of its containers mount on the same places.
                make_top(path)?;
                make_base(path, places)?;
                return Ok(Self { path: path.clone(), mounted: Vec::new() });
            }
            Tree::Layers { layers, userxattr } => (layers, *userxattr),
        };
        let (top, base) = (bundle.join("top"), bundle.join("base"));
        fs::create_dir(&top)?;
        fs::create_dir(&base)?;
        make_top(&top)?;
        make_base(&base, places)?;
        let mut rootfs = Self { path: bundle.join("rootfs"), mounted: Vec::new() };
        fs::create_dir(&rootfs.path)?;

        let lowers = [&top]
            .into_iter()
            .chain(layers.iter().rev())
            .chain([&base])
            .map(|layer| open(layer))
            .collect::<io::Result<Vec<_>>>()?;
        let mut options = String::from("lowerdir=");
        for (i, lower) in lowers.iter().enumerate() {
            let _ = write!(options, "{}/proc/self/fd/{}", if i == 0 { "" } else { ":" }, lower.as_raw_fd());
        }
        let _upper = match writes {
            Writes::None => None,
            Writes::InMemory => {
                let upper = rootfs.upper(bundle)?;
                let [upper_fd, work_fd] = &upper;
                let (upper_fd, work_fd) = (upper_fd.as_raw_fd(), work_fd.as_raw_fd());
                let _ = write!(options, ",upperdir=/proc/self/fd/{upper_fd},workdir=/proc/self/fd/{work_fd}");
                Some(upper)
            }
        };
        if userxattr {
            options.push_str(",userxattr");
        }
        let options = CString::new(options)?;
        rustix::mount::mount("hotfn", &rootfs.path, "overlay", MountFlags::NODEV, options.as_c_str())?;
        rootfs.mounted.push(rootfs.path.clone());
        Ok(rootfs)
    }

    /// The writable layer, and what the kernel needs beside it.
    fn upper(&mut self, bundle: &Path) -> io::Result<[OwnedFd; 2]> {
        let memory = bundle.join("memory");
        fs::create_dir(&memory)?;
        rustix::mount::mount("hotfn", &memory, "tmpfs", MountFlags::NODEV, c"mode=755")?;
        self.mounted.push(memory.clone());
        let (upper, work) = (memory.join("upper"), memory.join("work"));
        fs::create_dir(&upper)?;
        fs::create_dir(&work)?;
        Ok([open(&upper)?, open(&work)?])
    }

    /// Takes our mounts away. A container that has started keeps its own.
    pub(super) fn let_go(&mut self) {
        for place in self.mounted.drain(..).rev() {
            if let Err(error) = rustix::mount::unmount(&place, UnmountFlags::DETACH) {
                tracing::warn!(place = %place.display(), %error, "a mount of a container's stays until the next start");
            }
        }
    }

    /// Takes away what a dead agent may have mounted in the directory of a bundle.
    pub(super) fn sweep(bundle: &Path) {
        for name in ["rootfs", "memory"] {
            // Most are gone already.
            let _ = rustix::mount::unmount(bundle.join(name), UnmountFlags::DETACH);
        }
    }
}

impl Drop for Rootfs {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// What lies over an image.
fn make_top(top: &Path) -> io::Result<()> {
    let inside = Inside::open(top)?;
    PLACES.iter().try_for_each(|place| inside.directory(place).map(drop))?;
    Ok(rustix::fs::fchmod(inside.directory("tmp")?, TMP_MODE)?)
}

/// What lies under an image.
fn make_base(base: &Path, places: &[&str]) -> io::Result<()> {
    let inside = Inside::open(base)?;
    FILES.iter().try_for_each(|file| inside.file(Path::new(file)))?;
    places.iter().try_for_each(|place| inside.directory(place).map(drop))
}

fn open(dir: &Path) -> io::Result<OwnedFd> {
    let opened = rustix::fs::open(dir, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    opened.map_err(|e| io::Error::new(e.kind(), format!("cannot open the layer {dir:?}: {e}")))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn an_image_in_one_directory_has_no_place_made_outside_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let (image, host) = (dir.path().join("image"), dir.path().join("host"));
        fs::create_dir(&image).unwrap();
        fs::create_dir(&host).unwrap();
        fs::set_permissions(&host, fs::Permissions::from_mode(0o700)).unwrap();
        let host_is_untouched = || {
            assert_eq!(fs::read_dir(&host).unwrap().count(), 0);
            assert_eq!(fs::metadata(&host).unwrap().permissions().mode() & 0o7777, 0o700);
        };
        let lay_out = |places: &[&str]| Rootfs::new(dir.path(), &Tree::Flat(image.clone()), Writes::None, places);

        for link in ["tmp", "etc", "work"] {
            symlink(&host, image.join(link)).unwrap();
            lay_out(&["/work/place"]).unwrap_err();
            host_is_untouched();
            fs::remove_file(image.join(link)).unwrap();
        }
        lay_out(&["/work/place"]).unwrap();
        assert!(image.join("work/place").is_dir() && image.join("etc/hosts").is_file());
        assert_eq!(fs::metadata(image.join("tmp")).unwrap().permissions().mode() & 0o7777, 0o1777);
    }
}
