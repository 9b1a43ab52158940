//! A process's standard input and output, as a format wants them. They are the pipes of a
//! [`Spawned`](hotfn_exec::Spawned), of which nobody need ask whether they are pipes that do not block.

use std::io;
use std::os::fd::OwnedFd;

use hotfn_protocols::{Stdin, Stdout};
use tokio::net::unix::pipe;

use crate::forward::forward;

/// The end that the process reads from. It does not block.
pub(super) fn writer(pipe: OwnedFd) -> io::Result<Box<dyn Stdin>> {
    Ok(Box::new(Writer(pipe::Sender::from_owned_fd_unchecked(pipe)?)))
}

/// The end that the process writes to. It does not block.
pub(super) fn reader(pipe: OwnedFd) -> io::Result<Box<dyn Stdout>> {
    Ok(Box::new(Reader(pipe::Receiver::from_owned_fd_unchecked(pipe)?)))
}

#[derive(Debug)]
struct Writer(pipe::Sender);

impl Stdin for Writer {}

forward!(write Writer);

#[derive(Debug)]
struct Reader(pipe::Receiver);

impl Stdout for Reader {
    fn has_news(&self) -> bool {
        // Looks at what the runtime has noted, and leaves it as it is.
        self.0.try_io(|| Ok(())).is_ok()
    }

    /// Past the runtime: it may not have heard yet what the kernel has.
    fn read_now(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(&self.0, buf)?)
    }
}

forward!(read Reader);
