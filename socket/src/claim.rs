//! Taking a path for one listener alone.
//!
//! A socket file says nothing about its owner: one that a crash left behind looks like one that is
//! served this minute. Asking it (by connecting) tells the two apart, and a lock beside it makes
//! the asking and the taking one step, so that of two servers started together exactly one wins.

use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::Path;

use rustix::fs::{FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::SocketType;

use crate::address::Owner;
use crate::file::{File, Spot};
use crate::kind::Listener;
use crate::{BACKLOG, Dir, Peer, SocketError, address};

/// A path that is ours, and the listener there. Dropping it removes the path, if it is still ours.
#[derive(Debug)]
pub struct Claim<L = UnixListener> {
    listener: L,
    spot: Spot,
    /// What is removed at the end; nothing when the path was left to another process.
    file: Option<File>,
    /// Held as long as the path is. The lock file itself stays for the next owner: if it were
    /// removed, two could hold a lock on two files of one name.
    _lock: OwnedFd,
}

/// Takes `path` for a listener of ours alone, and listens. `mode` is the file's, for example
/// `0o600`; it is never wider, not even for a moment.
///
/// The listener does not block, as tokio wants it. Which kind it is, is the caller's choice of `L`.
///
/// # Errors
/// [`SocketError::InUse`] if somebody listens there, with the owner's pid where it can be seen;
/// [`SocketError::NotASocket`] if what is there is not a socket.
pub fn claim<L: Listener>(path: &Path, mode: u32, owner: Owner) -> Result<Claim<L>, SocketError> {
    let spot = Spot::of(path)?;
    let lock = lock(&spot)?;
    clear(&spot)?;
    let (listener, file) = address::listen(&spot, Mode::from_raw_mode(mode), owner)?;
    Ok(Claim { listener, spot, file: Some(file), _lock: lock })
}

/// Takes over `path` from a process that listened there with this very `socket` and has
/// [left](Claim::leave) it, or died. Who connects meanwhile waits as ever.
///
/// That the path still leads to this socket is found out by asking it: a connection is made and not
/// used. To listen once more makes us the one whom the kernel names to those who connect.
///
/// # Errors
/// [`SocketError::InUse`] if the other has not left it yet, or the path leads elsewhere by now; the
/// socket is as good as before then, and the path nobody's to remove.
pub fn adopt<L: Listener + AsFd>(path: &Path, socket: OwnedFd) -> Result<Claim<L>, SocketError> {
    let spot = Spot::of(path)?;
    let lock = lock(&spot)?;
    rustix::net::listen(&socket, BACKLOG).map_err(|e| spot.failed("listen on", e))?;
    let file = spot.file()?;
    match ask(&spot) {
        Ok(pid) if pid == Some(std::process::id()) => Ok(Claim { listener: L::from(socket), spot, file, _lock: lock }),
        Ok(pid) => Err(in_use(&spot, pid)),
        Err(e) => Err(spot.failed("ask who listens at", e)),
    }
}

impl<L> Claim<L> {
    /// Leaves the path to a process that has the same socket, and is to [adopt](adopt()) it.
    pub fn leave(mut self) {
        self.file = None;
    }

    /// The listener. A copy (`try_clone`) may outlive the claim, the path does not.
    #[must_use]
    pub fn listener(&self) -> &L {
        &self.listener
    }

    /// The path, as it was asked for.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.spot.path
    }

    /// May others than the directory's owner put something else in the path's place? True if others
    /// may write to its directory and it does not keep each to their own.
    #[must_use]
    pub fn is_exposed(&self) -> bool {
        let mode = rustix::fs::fstat(&self.spot.dir).map_or(0, |stat| stat.st_mode);
        mode & 0o022 != 0 && mode & 0o1000 == 0
    }
}

impl<L> Drop for Claim<L> {
    fn drop(&mut self) {
        if let Some(file) = self.file {
            self.spot.remove_if(file);
        }
    }
}

/// `PATH.lock`, held. It is ours alone to write, so nobody else can keep us out.
fn lock(spot: &Spot) -> Result<OwnedFd, SocketError> {
    let mut name = OsString::from(&spot.name);
    name.push(".lock");
    let lock = spot.beside(name)?;
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&lock.dir, &lock.name, flags, Mode::from_raw_mode(0o600))
        .map_err(|e| lock.failed("open", e))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK) => Err(in_use(spot, owner(spot))),
        Err(e) => Err(lock.failed("lock", e)),
    }
}

/// Makes room at `spot` if what is there is a socket that nobody listens on.
fn clear(spot: &Spot) -> Result<(), SocketError> {
    match spot.file()?.map(|file| file.kind) {
        None => return Ok(()),
        Some(FileType::Socket) => {}
        Some(_) => return Err(SocketError::NotASocket { path: spot.path.clone() }),
    }
    match ask(spot) {
        Ok(pid) => Err(in_use(spot, pid)),
        Err(Errno::CONNREFUSED) => spot.remove(),
        Err(Errno::NOENT) => Ok(()),
        Err(e) => Err(spot.failed("ask who listens at", e)),
    }
}

/// Connects to whoever listens at `spot`, to learn that somebody does, and who.
fn ask(spot: &Spot) -> Result<Option<u32>, Errno> {
    let dir = Dir::from(spot.dir.try_clone().map_err(|_| Errno::MFILE)?);
    let Ok(Some(socket)) = dir.look(&spot.name) else { return Err(Errno::NOENT) };
    let mut answer = Err(Errno::PROTOTYPE);
    for kind in [SocketType::STREAM, SocketType::SEQPACKET] {
        if answer.as_ref().err() == Some(&Errno::PROTOTYPE) {
            answer = socket.connect_as(kind);
        }
    }
    match answer {
        Ok(connected) => Ok(Peer::of(&connected).ok().and_then(|peer| peer.pid)),
        // No room in the backlog, or a socket of yet another kind: somebody is there either way.
        Err(Errno::AGAIN | Errno::PROTOTYPE) => Ok(None),
        Err(e) => Err(e),
    }
}

fn owner(spot: &Spot) -> Option<u32> {
    ask(spot).ok().flatten()
}

fn in_use(spot: &Spot, pid: Option<u32>) -> SocketError {
    SocketError::InUse { path: spot.path.clone(), pid }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::PacketListener;

    fn take(path: &Path, mode: u32) -> Result<Claim, SocketError> {
        claim(path, mode, Owner::default())
    }

    #[test]
    fn a_claimed_path_is_served_with_its_mode_and_goes_with_the_claim() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let claim = take(&path, 0o640).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        UnixStream::connect(&path).unwrap();
        claim.listener().accept().unwrap();
        drop(claim);
        assert!(!path.exists());
    }

    #[test]
    fn a_second_claim_is_refused_and_names_the_owner() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let _first = take(&path, 0o600).unwrap();
        let e = take(&path, 0o600).unwrap_err();
        assert!(e.to_string().contains(&format!("by process {}", std::process::id())), "{e}");
        assert!(path.exists());
    }

    #[test]
    fn a_listener_that_knows_no_lock_is_respected_also_with_a_full_backlog() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        let first = take(&path, 0o600).unwrap_err();
        assert!(matches!(first, SocketError::InUse { pid: Some(_), .. }), "{first}");
        let full = take(&path, 0o600).unwrap_err();
        assert!(matches!(full, SocketError::InUse { pid: None, .. }), "{full}");
    }

    #[test]
    fn a_socket_that_a_crash_left_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        drop(UnixListener::bind(&path).unwrap());
        let _claim = take(&path, 0o600).unwrap();
        UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn what_is_no_socket_is_never_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        fs::write(&path, "mine").unwrap();
        assert!(matches!(take(&path, 0o600).unwrap_err(), SocketError::NotASocket { .. }));
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("elsewhere", &path).unwrap();
        assert!(matches!(take(&path, 0o600).unwrap_err(), SocketError::NotASocket { .. }));
        assert!(fs::symlink_metadata(&path).is_ok());
    }

    #[test]
    fn a_path_that_was_given_to_another_meanwhile_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let claim = take(&path, 0o600).unwrap();
        fs::remove_file(&path).unwrap();
        let _other = UnixListener::bind(&path).unwrap();
        drop(claim);
        assert!(path.exists());
    }

    #[test]
    fn a_path_that_was_left_is_adopted_with_its_socket() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let first = take(&path, 0o600).unwrap();
        let socket = || OwnedFd::from(first.listener().try_clone().unwrap());
        let (one, two) = (socket(), socket());
        assert!(matches!(adopt::<UnixListener>(&path, one).unwrap_err(), SocketError::InUse { .. }));
        let waiting = UnixStream::connect(&path).unwrap();
        first.leave();
        assert!(path.exists());

        let second: Claim = adopt(&path, two).unwrap();
        assert!(matches!(take(&path, 0o600).unwrap_err(), SocketError::InUse { .. }));
        second.listener().accept().unwrap();
        drop(waiting);
        drop(second);
        assert!(!path.exists());
    }

    #[test]
    fn a_path_that_leads_elsewhere_by_now_is_not_adopted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let first = take(&path, 0o600).unwrap();
        let socket = OwnedFd::from(first.listener().try_clone().unwrap());
        first.leave();
        fs::remove_file(&path).unwrap();
        // Nobody listens there, so it cannot be taken for us.
        drop(UnixListener::bind(&path).unwrap());
        assert!(adopt::<UnixListener>(&path, socket).is_err());
        assert!(path.exists());
    }

    #[test]
    fn a_path_longer_than_an_address_is_claimed() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("d".repeat(200));
        fs::create_dir(&deep).unwrap();
        let first = take(&deep.join("s"), 0o600).unwrap();
        assert!(matches!(take(&deep.join("s"), 0o600).unwrap_err(), SocketError::InUse { .. }));
        drop(first);
        take(&deep.join("s"), 0o600).unwrap();
    }

    #[test]
    fn packets_are_claimed_as_streams_are_and_the_one_kind_respects_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let packets: Claim<PacketListener> = claim(&path, 0o600, Owner::default()).unwrap();
        let connection = crate::connect_packets(&path).unwrap();
        assert_eq!(Peer::of(&connection).unwrap().pid, Some(std::process::id()));
        // As if its owner knew nothing of locks.
        fs::remove_file(dir.path().join("s.lock")).unwrap();
        assert!(matches!(take(&path, 0o600).unwrap_err(), SocketError::InUse { pid: Some(_), .. }));
        drop(packets);
        assert!(!path.exists());
    }

    #[test]
    fn the_file_is_never_open_wider_than_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let stop = std::sync::atomic::AtomicBool::new(false);
        let widest = std::thread::scope(|scope| {
            let watcher = scope.spawn(|| {
                let mut widest = 0;
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    if let Ok(meta) = fs::symlink_metadata(&path) {
                        widest |= meta.permissions().mode() & 0o777;
                    }
                }
                widest
            });
            for _ in 0..200 {
                drop(take(&path, 0o620).unwrap());
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
            watcher.join().unwrap()
        });
        assert_eq!(widest & !0o620, 0, "{widest:o}");
    }

    #[test]
    fn a_directory_that_others_may_write_to_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        for (mode, exposed) in [(0o700, false), (0o777, true), (0o1777, false)] {
            fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(take(&dir.path().join("s"), 0o600).unwrap().is_exposed(), exposed, "{mode:o}");
        }
    }
}
