//! Hearing of names in a directory.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};
use rustix::io::Errno;

/// Room for events read at a time.
const EVENTS_BYTES: usize = 4 << 10;

/// A watch on one directory.
#[derive(Debug)]
pub(crate) struct Watch(OwnedFd);

impl Watch {
    pub(crate) fn new(dir: &Path) -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        inotify::add_watch(&inotify, dir, WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR)?;
        Ok(Self(inotify))
    }

    /// Waits until something gets a name, or `or` is readable, or `bound` is over.
    pub(crate) fn wait(&self, bound: Duration, or: BorrowedFd<'_>) -> io::Result<()> {
        readable(&[self.0.as_fd(), or], bound)?;
        let mut room = [MaybeUninit::uninit(); EVENTS_BYTES];
        let mut reader = Reader::new(&self.0, &mut room);
        loop {
            match reader.next() {
                // What it was is looked at by whoever waits.
                Ok(_) => {}
                Err(Errno::AGAIN) => return Ok(()),
                Err(e) => return Err(e.into()),
            }
        }
    }
}

/// Waits until one of them is readable; false when `bound` was over before.
pub(crate) fn readable(fds: &[BorrowedFd<'_>], bound: Duration) -> io::Result<bool> {
    let mut fds: Vec<_> = fds.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
    let bound = Timespec::try_from(bound).expect("bounds are far below the end of time");
    match poll(&mut fds, Some(&bound)) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::INTR) => Ok(false),
        Err(e) => Err(e.into()),
    }
}
