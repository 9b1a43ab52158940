//! Removing a directory whose contents are hostile.
//!
//! A function may have nested directories thousands deep, taken its own permissions away,
//! or linked to everything we hold dear. So nothing is followed, nothing recurses, and no more than
//! three directories are open at a time: instead of descending, what is found inside a nested
//! directory is lifted to the top, and the empty shell removed.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags};
use rustix::io::Errno;

/// Removes `name` in `parent`, whatever it is and holds. That it is not there is no error.
pub(super) fn tree(parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    match unlink(parent, name) {
        Err(Errno::ISDIR) => {}
        done => return Ok(done?),
    }
    // A function that has tidied up after itself leaves nothing more to do.
    if rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR).is_ok() {
        return Ok(());
    }
    let top = open(parent, name)?;
    let mut lifted = 0_u64;
    loop {
        let mut found = 0_usize;
        let mut removed = 0_usize;
        for entry in names(&top)? {
            let entry = entry?;
            found += 1;
            match unlink(&top, &*entry) {
                Err(Errno::ISDIR) => removed += usize::from(dissolve(&top, &entry, &mut lifted)?),
                done => {
                    done?;
                    removed += 1;
                }
            }
        }
        match rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            // What was lifted is there for the next round. Without progress there is somebody who
            // fills it as fast as we empty it, or something that cannot be removed.
            Err(Errno::NOTEMPTY | Errno::EXIST) if removed > 0 || found == 0 => {}
            Err(e) => return Err(e.into()),
        }
    }
}

/// Is nothing in it?
pub(super) fn is_empty(dir: &OwnedFd) -> io::Result<bool> {
    Ok(names(dir)?.next().is_none())
}

/// Empties the directory `name` in `top`, lifting the directories in it to `top`, and removes it.
/// Says whether it is gone.
fn dissolve(top: &OwnedFd, name: &CStr, lifted: &mut u64) -> io::Result<bool> {
    if rustix::fs::unlinkat(top, name, AtFlags::REMOVEDIR).is_ok() {
        return Ok(true);
    }
    let shell = open(top.as_fd(), name)?;
    for entry in names(&shell)? {
        let entry = entry?;
        match unlink(&shell, &*entry) {
            Err(Errno::ISDIR) => lift(&shell, &entry, top, lifted)?,
            done => done?,
        }
    }
    match rustix::fs::unlinkat(top, name, AtFlags::REMOVEDIR) {
        Ok(()) => Ok(true),
        Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

fn lift(from: &OwnedFd, name: &CStr, to: &OwnedFd, lifted: &mut u64) -> io::Result<()> {
    loop {
        *lifted += 1;
        let fresh = format!(".lifted-{lifted}");
        // To move a directory is to write to it, for its `..` changes.
        let moved = rustix::fs::renameat(from, name, to, &*fresh).or_else(|e| match e {
            Errno::ACCESS | Errno::PERM => {
                open(from.as_fd(), name).map_err(|_| e)?;
                rustix::fs::renameat(from, name, to, &*fresh)
            }
            e => Err(e),
        });
        match moved {
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => {}
            moved => return Ok(moved?),
        }
    }
}

/// Opens a directory for reading, after taking back the permission to, if it was given away.
fn open<P: rustix::path::Arg + Copy>(parent: BorrowedFd<'_>, name: P) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    if !Mode::from_raw_mode(rustix::fs::fstat(&dir)?.st_mode).contains(Mode::RWXU) {
        // The one way to change the mode of what is open by its place alone. Where it fails we may
        // still be allowed to read.
        let _ = rustix::fs::chmodat(CWD, format!("/proc/self/fd/{}", dir.as_raw_fd()), Mode::RWXU, AtFlags::empty());
    }
    Ok(rustix::fs::openat(&dir, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Removes what is not a directory; `ISDIR` says that it is one.
fn unlink<P: rustix::path::Arg>(dir: impl AsFd, name: P) -> Result<(), Errno> {
    match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
        Err(Errno::NOENT) => Ok(()),
        done => done,
    }
}

fn names(dir: &OwnedFd) -> io::Result<impl Iterator<Item = io::Result<CString>> + use<>> {
    let entries = Dir::read_from(dir)?.filter_map(|entry| match entry {
        Ok(entry) if matches!(entry.file_name().to_bytes(), b"." | b"..") => None,
        Ok(entry) => Some(Ok(entry.file_name().to_owned())),
        Err(e) => Some(Err(e.into())),
    });
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    use super::*;

    fn remove(path: &Path) -> io::Result<()> {
        let parent = fs::File::open(path.parent().unwrap()).unwrap();
        tree(parent.as_fd(), path.file_name().unwrap())
    }

    #[test]
    fn links_are_removed_and_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let dear = dir.path().join("dear");
        fs::create_dir(&dear).unwrap();
        fs::write(dear.join("file"), "mine").unwrap();
        let hostile = dir.path().join("hostile");
        fs::create_dir_all(hostile.join("sub")).unwrap();
        symlink(&dear, hostile.join("link")).unwrap();
        symlink("../../dear", hostile.join("sub/link")).unwrap();
        remove(&hostile).unwrap();
        assert!(!hostile.exists());
        assert_eq!(fs::read_to_string(dear.join("file")).unwrap(), "mine");
    }

    #[test]
    fn it_may_be_nested_deeper_than_there_are_descriptors_or_stack() {
        let dir = tempfile::tempdir().unwrap();
        let hostile = dir.path().join("hostile");
        fs::create_dir(&hostile).unwrap();
        let mut at: OwnedFd = fs::File::open(&hostile).unwrap().into();
        for depth in 0..2_000 {
            rustix::fs::mkdirat(&at, "d", Mode::RWXU).unwrap();
            if depth % 500 == 0 {
                rustix::fs::mkdirat(&at, "e", Mode::RWXU).unwrap();
                rustix::fs::openat(&at, "f", OFlags::CREATE | OFlags::WRONLY, Mode::RUSR).unwrap();
            }
            at = rustix::fs::openat(&at, "d", OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
        }
        remove(&hostile).unwrap();
        assert!(!hostile.exists());
    }

    #[test]
    fn permissions_that_were_given_away_are_taken_back() {
        let dir = tempfile::tempdir().unwrap();
        let hostile = dir.path().join("hostile");
        fs::create_dir_all(hostile.join("a/b/c")).unwrap();
        fs::write(hostile.join("a/b/c/file"), "").unwrap();
        for path in ["a/b/c", "a/b", "a", ""] {
            fs::set_permissions(hostile.join(path), fs::Permissions::from_mode(0o000)).unwrap();
        }
        remove(&hostile).unwrap();
        assert!(!hostile.exists());
    }

    #[test]
    fn what_is_not_there_needs_no_removing() {
        let dir = tempfile::tempdir().unwrap();
        remove(&dir.path().join("nothing")).unwrap();
    }
}
