//! Packets, and the open files that ride along with them.
//!
//! A sequenced-packet socket keeps the bounds of what was sent, and with a packet it can carry
//! descriptors. Both are cut without a word by whoever leaves too little room for them: here a
//! packet that was longer than the room, or that carried more files than it may, is an error, and
//! what came with it is closed.
//!
//! [`Packets`] is a connection that blocks, for programs without a runtime; [`AsyncPackets`] is the
//! same for those that have one.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::sys;

/// Most descriptors that one packet may carry here. The kernel's own bound is 253.
pub const FILES_MAX: usize = 4;

/// One packet as it was received.
#[derive(Debug, Default)]
pub struct Received {
    /// Bytes of it, at the beginning of the room that was given. 0: the peer has closed.
    pub bytes: usize,
    /// The files that came with it, closed on exec.
    pub files: Vec<OwnedFd>,
}

/// A connection that keeps the bounds of what is sent, and blocks.
#[derive(Debug)]
pub struct Packets {
    socket: OwnedFd,
}

/// The same, for a task.
#[derive(Debug)]
pub struct AsyncPackets {
    socket: AsyncFd<OwnedFd>,
}

/// Where such connections arrive. It does not block.
#[derive(Debug)]
pub struct PacketListener {
    socket: OwnedFd,
}

/// The same, for a task.
#[derive(Debug)]
pub struct AsyncPacketListener {
    socket: AsyncFd<OwnedFd>,
}

impl Packets {
    /// Sends one packet with `files`.
    ///
    /// # Errors
    /// As `sendmsg(2)`: `BrokenPipe` when nobody listens, never a signal.
    pub fn send(&self, packet: &[u8], files: &[BorrowedFd<'_>]) -> io::Result<()> {
        send(self.socket.as_fd(), packet, files)
    }

    /// Waits for the next packet.
    ///
    /// # Errors
    /// As `recvmsg(2)`; `InvalidData` for a packet that did not fit `room` or carried more than
    /// [`FILES_MAX`] files.
    pub fn recv(&self, room: &mut [u8]) -> io::Result<Received> {
        recv(self.socket.as_fd(), room)
    }
}

impl AsyncPackets {
    /// Takes a connected socket. Needs a tokio runtime with I/O.
    ///
    /// # Errors
    /// When it cannot be made non-blocking, or not registered.
    pub fn new(packets: Packets) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&packets.socket, true)?;
        Ok(Self { socket: sys::register(packets.socket, Interest::READABLE | Interest::WRITABLE)? })
    }

    /// Sends one packet with `files`, as soon as there is room. Cancel safe: it was sent whole, or
    /// not at all.
    ///
    /// # Errors
    /// As [`Packets::send`].
    pub async fn send(&self, packet: &[u8], files: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.socket.async_io(Interest::WRITABLE, |socket| send(socket.as_fd(), packet, files)).await
    }

    /// Waits for the next packet. Cancel safe.
    ///
    /// # Errors
    /// As [`Packets::recv`].
    pub async fn recv(&self, room: &mut [u8]) -> io::Result<Received> {
        self.socket.async_io(Interest::READABLE, |socket| recv(socket.as_fd(), room)).await
    }
}

impl AsyncPacketListener {
    /// Takes a listener. Needs a tokio runtime with I/O.
    ///
    /// # Errors
    /// When it cannot be registered.
    pub fn new(listener: PacketListener) -> io::Result<Self> {
        Ok(Self { socket: sys::register(listener.socket, Interest::READABLE)? })
    }

    /// Waits for the next connection. Cancel safe.
    ///
    /// # Errors
    /// As `accept(2)`.
    pub async fn accept(&self) -> io::Result<AsyncPackets> {
        let accept = |socket: &OwnedFd| Ok(rustix::net::accept_with(socket, SocketFlags::CLOEXEC)?);
        let socket = self.socket.async_io(Interest::READABLE, accept).await?;
        AsyncPackets::new(Packets { socket })
    }
}

impl PacketListener {
    /// Another handle of the same listener.
    ///
    /// # Errors
    /// When descriptors have run out.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { socket: self.socket.try_clone()? })
    }
}

impl From<OwnedFd> for Packets {
    /// A connected sequenced-packet socket.
    fn from(socket: OwnedFd) -> Self {
        Self { socket }
    }
}

impl From<OwnedFd> for PacketListener {
    /// A listening sequenced-packet socket that does not block.
    fn from(socket: OwnedFd) -> Self {
        Self { socket }
    }
}

impl AsFd for Packets {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsFd for AsyncPackets {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.get_ref().as_fd()
    }
}

impl AsFd for PacketListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn send(socket: BorrowedFd<'_>, packet: &[u8], files: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !files.is_empty() && !control.push(SendAncillaryMessage::ScmRights(files)) {
        let what = format!("{} files are more than a packet may carry; it is {FILES_MAX}", files.len());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    // Sent whole or not at all: that is what this kind of socket is for.
    retried(|| rustix::net::sendmsg(socket, &[IoSlice::new(packet)], &mut control, SendFlags::NOSIGNAL))?;
    Ok(())
}

fn recv(socket: BorrowedFd<'_>, room: &mut [u8]) -> io::Result<Received> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let message =
        retried(|| rustix::net::recvmsg(socket, &mut [IoSliceMut::new(room)], &mut control, RecvFlags::CMSG_CLOEXEC))?;
    let mut files = Vec::new();
    for part in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = part {
            files.extend(rights);
        }
    }
    if message.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        let what = format!("a packet is longer than {} bytes or carries more than {FILES_MAX} files", room.len());
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    Ok(Received { bytes: message.bytes, files })
}

fn retried<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Write};

    use rustix::net::{AddressFamily, SocketType};

    use super::*;

    fn pair() -> (Packets, Packets) {
        let (one, other) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        (one.into(), other.into())
    }

    #[test]
    fn packets_keep_their_bounds_and_the_end_is_an_empty_one() {
        let (one, other) = pair();
        for packet in [&b"ab"[..], b"c"] {
            one.send(packet, &[]).unwrap();
        }
        let mut room = [0; 8];
        assert_eq!(other.recv(&mut room).unwrap().bytes, 2);
        assert_eq!(other.recv(&mut room).unwrap().bytes, 1);
        drop(one);
        assert_eq!(other.recv(&mut room).unwrap().bytes, 0);
        assert_eq!(other.send(b"x", &[]).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn files_arrive_open_and_marked_to_be_closed() {
        let (one, other) = pair();
        let (mut read, write) = std::io::pipe().unwrap();
        one.send(b"x", &[write.as_fd()]).unwrap();
        drop(write);
        let received = other.recv(&mut [0; 8]).unwrap();
        let [file] = <[OwnedFd; 1]>::try_from(received.files).unwrap();
        assert!(rustix::io::fcntl_getfd(&file).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
        File::from(file).write_all(b"hi").unwrap();
        let mut text = String::new();
        read.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hi");
    }

    #[test]
    fn what_does_not_fit_is_an_error_and_leaves_nothing_open() {
        let (one, other) = pair();
        one.send(b"too long", &[]).unwrap();
        assert_eq!(other.recv(&mut [0; 4]).unwrap_err().kind(), io::ErrorKind::InvalidData);

        let (read, write) = std::io::pipe().unwrap();
        let many = [write.as_fd(); 20];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(20))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(&many)));
        rustix::net::sendmsg(&one.socket, &[IoSlice::new(b"x")], &mut control, SendFlags::empty()).unwrap();
        assert_eq!(other.recv(&mut [0; 4]).unwrap_err().kind(), io::ErrorKind::InvalidData);
        drop(write);
        assert_eq!(rustix::io::read(&read, &mut [0; 1]), Ok(0), "nobody holds the other end any more");
    }

    #[tokio::test]
    async fn a_task_hears_of_packets_as_they_come() {
        let (one, other) = pair();
        let other = AsyncPackets::new(other).unwrap();
        let waiting = tokio::spawn(async move { other.recv(&mut [0; 8]).await.map(|received| received.bytes) });
        tokio::task::yield_now().await;
        one.send(b"hello", &[]).unwrap();
        assert_eq!(waiting.await.unwrap().unwrap(), 5);
    }
}
