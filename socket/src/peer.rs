//! Who is at the other end of a connection, as far as the kernel vouches for it.
//!
//! The kernel notes who connected, at that moment, and translates it for whoever asks: a process
//! of another pid namespace has the number 0 here, a user whom our user namespace does not map has
//! the overflow id. Both are "unknown" and nobody in particular; above all they are neither root
//! nor us.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use crate::sys;

/// Whoever connected.
#[derive(Debug)]
pub struct Peer {
    /// The user; `None` if it is not one of ours.
    pub uid: Option<u32>,
    /// The group; `None` if it is not one of ours.
    pub gid: Option<u32>,
    /// The other groups of the user, those that are ours.
    pub groups: Vec<u32>,
    /// The process; `None` if it cannot be seen from here.
    pub pid: Option<u32>,
    /// The very process, whatever becomes of its number; `None` where the kernel does not tell.
    pub pidfd: Option<OwnedFd>,
}

/// What the kernel says instead of an id that it cannot translate, unless somebody has changed it.
pub const OVERFLOW_ID: u32 = 65_534;

impl Peer {
    /// The peer of a connected unix socket.
    ///
    /// # Errors
    /// When it is not one.
    pub fn of(socket: &impl AsFd) -> io::Result<Self> {
        let socket = socket.as_fd();
        let (pid, uid, gid) = sys::peer_credentials(socket)?;
        let known = |id: u32| (id != OVERFLOW_ID).then_some(id);
        let mut groups = sys::peer_groups(socket).unwrap_or_default();
        groups.retain(|id| *id != OVERFLOW_ID);
        Ok(Self { uid: known(uid), gid: known(gid), groups, pid, pidfd: sys::peer_pidfd(socket) })
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |id: Option<u32>| id.map_or_else(|| "unknown".to_owned(), |id| id.to_string());
        write!(f, "uid {}, gid {}, pid {}", number(self.uid), number(self.gid), number(self.pid))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn we_are_our_own_peer() {
        let (one, _other) = UnixStream::pair().unwrap();
        let peer = Peer::of(&one).unwrap();
        assert_eq!(peer.uid, Some(rustix::process::geteuid().as_raw()));
        assert_eq!(peer.gid, Some(rustix::process::getegid().as_raw()));
        assert_eq!(peer.pid, Some(std::process::id()));
        let groups = rustix::process::getgroups().unwrap();
        assert!(groups.iter().all(|group| peer.groups.contains(&group.as_raw())), "{peer:?}");
    }

    #[test]
    fn what_is_no_socket_has_no_peer() {
        assert!(Peer::of(&std::fs::File::open("/dev/null").unwrap()).is_err());
    }
}
