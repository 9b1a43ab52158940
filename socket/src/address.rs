//! The address of a name in a directory, whatever the length of the directory's path.
//!
//! `sun_path` holds 108 bytes. `/proc/self/fd/N` is a link of the kernel's own to the very file
//! that descriptor N has open, so a path through it is short, and stays right when the directory is
//! renamed. The plain path is preferred where it fits: it works without `/proc`, and it is the
//! address that a peer sees.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags};

use crate::file::{File, Spot};
use crate::kind::{Kind, Listener};
use crate::{BACKLOG, SocketError};

/// A listening socket of the kind `L` at `spot`, non-blocking, of exactly `mode` and owner from the
/// first moment that anybody could connect.
///
/// The mode is set on the socket before it is bound, which Linux passes on to the new file less the
/// umask, and on the file before anybody listens: at no moment is it wider than asked for. The owner
/// comes before the mode, which is what lets the new one in.
pub(crate) fn listen<L: Listener>(spot: &Spot, mode: Mode, owner: Owner) -> Result<(L, File), SocketError> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, L::KIND.socket_type(), flags, None)
        .map_err(|e| spot.failed("make a socket for", e))?;
    rustix::fs::fchmod(&socket, mode).map_err(|e| spot.failed("set the mode of", e))?;
    let address = of(spot).map_err(|e| spot.failed("bind", e))?;
    rustix::net::bind(&socket, &address).map_err(|e| match e {
        Errno::ADDRINUSE => SocketError::InUse { path: spot.path.clone(), pid: None },
        e => spot.failed("bind", e),
    })?;
    // Whatever becomes of its name: the file itself is what gets owner and mode, and no link is followed.
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let bound = rustix::fs::openat(&spot.dir, &spot.name, flags, Mode::empty());
    let bound = bound.map_err(|e| spot.failed("find, just bound,", e))?;
    let file = File::of(&bound).map_err(|e| spot.failed("look at", e))?;
    let ready = furnish(spot, &bound, mode, owner).and_then(|()| match L::KIND {
        // It has no connections, and is reached from the moment it is bound.
        Kind::Datagram => Ok(()),
        Kind::Seqpacket | Kind::Stream => {
            rustix::net::listen(&socket, BACKLOG).map_err(|e| spot.failed("listen on", e))
        }
    });
    match ready {
        Ok(()) => Ok((L::from(socket), file)),
        Err(e) => {
            spot.remove_if(file);
            Err(e)
        }
    }
}

/// Gives the file of a socket that was just bound its owner and its mode.
fn furnish(spot: &Spot, bound: &OwnedFd, mode: Mode, owner: Owner) -> Result<(), SocketError> {
    let failed = |e| spot.failed("set mode and owner of", e);
    let stat = rustix::fs::fstat(bound).map_err(failed)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Socket {
        return Err(SocketError::NotASocket { path: spot.path.clone() });
    }
    owner.give(bound).map_err(failed)?;
    if Mode::from_raw_mode(stat.st_mode) == mode {
        return Ok(());
    }
    // The umask took something away. What is open by its place alone has no other way to a mode.
    rustix::fs::chmodat(CWD, through(bound), mode, AtFlags::empty()).map_err(failed)
}

/// Whose file a socket is to be; `None` leaves it to the one who makes it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Owner {
    /// The user's id.
    pub uid: Option<u32>,
    /// The group's id.
    pub gid: Option<u32>,
}

impl Owner {
    fn give(self, file: &OwnedFd) -> Result<(), Errno> {
        if self == Self::default() {
            return Ok(());
        }
        let (uid, gid) = (self.uid.map(Uid::from_raw), self.gid.map(Gid::from_raw));
        rustix::fs::chownat(file, "", uid, gid, AtFlags::EMPTY_PATH)
    }
}

/// The address of whatever `file` has open; for a socket opened with `O_PATH`, its own.
pub(crate) fn of_open(file: &impl AsFd) -> Result<SocketAddrUnix, Errno> {
    SocketAddrUnix::new(through(file))
}

fn of(spot: &Spot) -> Result<SocketAddrUnix, Errno> {
    SocketAddrUnix::new(&*spot.path).or_else(|_| SocketAddrUnix::new(through(&spot.dir).join(&spot.name)))
}

fn through(file: &impl AsFd) -> PathBuf {
    Path::new("/proc/self/fd").join(file.as_fd().as_raw_fd().to_string())
}

/// The longest name, in bytes, that fits an address whatever the directory: what
/// `/proc/self/fd/N/` leaves of 107 with the longest N.
#[cfg(test)]
pub(crate) const NAME_BYTES_MAX: usize = 107 - "/proc/self/fd/2147483647/".len();

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn a_short_path_is_its_own_address_and_a_long_one_goes_through_its_directory() {
        let dir = tempfile::tempdir().unwrap();
        let short = Spot::of(&dir.path().join("s")).unwrap();
        assert_eq!(of(&short).unwrap().path_bytes(), Some(short.path.as_os_str().as_bytes()));

        let deep = dir.path().join("d".repeat(200));
        std::fs::create_dir(&deep).unwrap();
        let long = Spot::of(&deep.join("s".repeat(NAME_BYTES_MAX))).unwrap();
        let address = of(&long).unwrap();
        assert!(address.path_bytes().unwrap().starts_with(b"/proc/self/fd/"));
    }

    #[test]
    fn a_link_that_has_taken_the_name_lends_its_target_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (dear, name) = (dir.path().join("dear"), dir.path().join("s"));
        std::fs::write(&dear, "mine").unwrap();
        let before = std::fs::metadata(&dear).unwrap().permissions();
        std::os::unix::fs::symlink(&dear, &name).unwrap();
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let bound = rustix::fs::open(&name, flags, Mode::empty()).unwrap();
        let refused = furnish(&Spot::of(&name).unwrap(), &bound, Mode::from_raw_mode(0o666), Owner::default());
        assert!(matches!(refused, Err(SocketError::NotASocket { .. })), "{refused:?}");
        assert_eq!(std::fs::metadata(&dear).unwrap().permissions(), before);
    }
}
