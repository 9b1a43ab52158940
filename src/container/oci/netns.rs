//! A network namespace that is there before its container, as a file to be named.
//!
//! A namespace lives as long as a process is in it or a mount holds it. A thread of ours goes into a
//! new one, mounts it on a file, and ends.
#![allow(unsafe_code)]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::mount::UnmountFlags;
use rustix::thread::UnshareFlags;

/// Makes one, and its file in the directory `bundle`.
pub(super) fn make(bundle: &Path) -> io::Result<PathBuf> {
    let file = file(bundle);
    fs::File::create(&file)?;
    let place = file.clone();
    let made = std::thread::Builder::new().name("netns".to_owned()).spawn(move || {
        // SAFETY: only the network namespace of this new thread changes. No file descriptor table
        // and no memory are unshared, so that nothing another thread relies on differs here; and the
        // thread ends with this closure.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET)? };
        rustix::mount::mount_bind("/proc/thread-self/ns/net", &place)
    })?;
    made.join().expect("it only makes system calls")?;
    Ok(file)
}

/// Where the namespace of a bundle's container is.
pub(super) fn file(bundle: &Path) -> PathBuf {
    bundle.join("netns")
}

/// Lets it go. Without a container in it, it is gone then.
pub(super) fn remove(bundle: &Path) {
    // There is none unless the network needed one.
    let _ = rustix::mount::unmount(file(bundle), UnmountFlags::DETACH);
}
