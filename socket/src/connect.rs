//! Connecting, and waiting out a full backlog.
//!
//! A non-blocking `connect` to a unix listener whose backlog is full fails with `EAGAIN` at once,
//! and nothing will ever say when there is room: no descriptor becomes ready for it. So it is tried
//! again after a while, a longer one each time. A listener with a backlog of one is common among
//! functions.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream as Blocking;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::{Backoff, Kind, Packets, Socket, Stream, address};

/// Pauses after a full backlog.
const BACKOFF: Backoff = Backoff::new(Duration::from_micros(500), Duration::from_millis(50));

impl Socket {
    /// Connects to this very socket, and waits while its backlog is full.
    ///
    /// The wait has no end of its own: the caller's deadline ends it by dropping this future, which
    /// is safe at any time.
    ///
    /// # Errors
    /// As `connect(2)`: `ConnectionRefused` if nobody listens.
    pub async fn connect(&self) -> io::Result<Stream> {
        Stream::of_nonblocking(self.connect_of(Kind::Stream).await?.into())
    }

    async fn connect_of(&self, kind: Kind) -> io::Result<OwnedFd> {
        let mut backoff = BACKOFF;
        loop {
            match self.connect_as(kind.socket_type()) {
                Ok(socket) => return Ok(socket),
                Err(Errno::AGAIN) => tokio::time::sleep(backoff.pause()).await,
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Connects to this very socket if there is room now. The stream does not block.
    ///
    /// # Errors
    /// As `connect(2)`: `WouldBlock` if the backlog is full, `ConnectionRefused` if nobody listens.
    pub fn connect_now(&self) -> io::Result<Blocking> {
        Ok(self.connect_as(SocketType::STREAM)?.into())
    }

    pub(crate) fn connect_as(&self, kind: SocketType) -> Result<OwnedFd, Errno> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(AddressFamily::UNIX, kind, flags, None)?;
        rustix::net::connect(&socket, &address::of_open(self)?)?;
        Ok(socket)
    }
}

/// Connects to the socket at `path`, of any length, for packets; `@name` is an abstract one. Blocks
/// while its backlog is full. Links are followed, as [`connect`] does.
///
/// # Errors
/// As `open(2)` and `connect(2)`.
pub fn connect_packets(path: &Path) -> io::Result<Packets> {
    connect_packets_within(path, None)
}

/// The same, which blocks no longer than `patience`; nor does anything that is sent or received on the
/// connection, each time.
///
/// # Errors
/// As [`connect_packets`]; `WouldBlock` when it takes longer.
pub fn connect_packets_within(path: &Path, patience: Option<Duration>) -> io::Result<Packets> {
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    for direction in [Timeout::Recv, Timeout::Send] {
        set_socket_timeout(&socket, direction, patience)?;
    }
    match path.as_os_str().as_bytes().strip_prefix(b"@") {
        Some(name) => connected(socket, &SocketAddrUnix::new_abstract_name(name)?),
        None => {
            // Held open until it is connected to: the address leads through it.
            let file = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
            connected(socket, &address::of_open(&file)?)
        }
    }
}

fn connected(socket: OwnedFd, address: &SocketAddrUnix) -> io::Result<Packets> {
    loop {
        match rustix::net::connect(&socket, address) {
            Err(Errno::INTR) => {}
            connected => return Ok(connected.map(|()| socket.into())?),
        }
    }
}

/// Connects to the socket at `path`, of any length, and waits while its backlog is full, as
/// [`Socket::connect`] does. Links are followed: this is for paths that we were told by someone we
/// trust.
///
/// # Errors
/// As `open(2)` and `connect(2)`.
pub async fn connect(path: &Path) -> io::Result<Stream> {
    let file = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    Socket::from(file).connect().await
}

/// The same for a socket of any kind, not blocking, for whoever reads and writes it themselves.
///
/// # Errors
/// As `open(2)` and `connect(2)`.
pub async fn connect_of(path: &Path, kind: Kind) -> io::Result<OwnedFd> {
    let file = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    Socket::from(file).connect_of(kind).await
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::Dir;

    #[tokio::test]
    async fn a_full_backlog_is_waited_out() {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("s")).unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        let socket = Dir::open(dir.path()).unwrap().look("s".as_ref()).unwrap().unwrap();

        let mut fill = Vec::new();
        while let Ok(stream) = socket.connect_now() {
            fill.push(stream);
        }
        assert_eq!(socket.connect_now().unwrap_err().kind(), io::ErrorKind::WouldBlock);

        let waiting = tokio::spawn(async move { socket.connect().await.map(drop) });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        for _ in &fill {
            listener.accept().unwrap();
        }
        waiting.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn the_socket_that_was_found_is_reached_even_if_its_name_is_given_to_another() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let ours = UnixListener::bind(&path).unwrap();
        let socket = Dir::open(dir.path()).unwrap().look("s".as_ref()).unwrap().unwrap();
        std::fs::remove_file(&path).unwrap();
        let theirs = UnixListener::bind(&path).unwrap();
        theirs.set_nonblocking(true).unwrap();

        socket.connect().await.unwrap().write_all(b"hi").await.unwrap();
        assert_eq!(theirs.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        let (mut peer, _) = ours.accept().unwrap();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut peer, &mut text).unwrap();
        assert_eq!(text, "hi");
    }

    #[tokio::test]
    async fn a_path_longer_than_an_address_is_connected_to() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("d".repeat(200));
        std::fs::create_dir(&deep).unwrap();
        let announced = crate::announce(&deep.join("lsnr.sock")).unwrap();
        let mut stream = connect(&deep.join("lsnr.sock")).await.unwrap();
        drop(announced.listener.accept().unwrap());
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_socket_that_nobody_listens_on_refuses_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        drop(UnixListener::bind(&path).unwrap());
        assert_eq!(connect(&path).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn who_has_no_time_does_not_wait_for_one_who_does_not_accept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let claim: crate::Claim<crate::PacketListener> = crate::claim(&path, 0o600, crate::Owner::default()).unwrap();
        rustix::net::listen(claim.listener(), 0).unwrap();
        let patience = Some(Duration::from_millis(20));
        let accepted_later = connect_packets_within(&path, patience).unwrap();
        assert_eq!(accepted_later.recv(&mut [0; 8]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert_eq!(connect_packets_within(&path, patience).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}
