//! A file whose events a client sends first.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::task::{Context, Poll, ready};
use std::thread;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::definition::Definition;
use super::inbound::{Event, Inbound};
use super::trouble::Trouble;

/// Bytes of a read, and how many reads may wait.
const READ_BYTES: usize = 64 << 10;
const READS_MAX: usize = 4;

/// The events of a file, framed as a peer's would be.
#[derive(Debug)]
pub(super) struct Feed {
    reads: mpsc::Receiver<io::Result<Bytes>>,
    inbound: Inbound,
    is_over: bool,
}

impl Feed {
    /// Opens the file. A thread reads it, since a disk may take its time.
    pub(super) fn open(path: &Path, definition: &Definition) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let (reader, reads) = mpsc::channel(READS_MAX);
        let read = move || loop {
            let mut buf = vec![0; READ_BYTES];
            let read = file.read(&mut buf).map(|length| {
                buf.truncate(length);
                Bytes::from(buf)
            });
            let is_last = read.as_ref().map_or(true, Bytes::is_empty);
            if reader.blocking_send(read).is_err() || is_last {
                return;
            }
        };
        thread::Builder::new().name("hotfn-feed".to_owned()).spawn(read)?;
        let inbound = Inbound::new(definition).map_err(|e| io::Error::other(e.to_string()))?;
        Ok(Self { reads, inbound, is_over: false })
    }

    /// The next event of what was read.
    pub(super) fn next(&mut self, now_ns: u64) -> Option<Result<Event, (Trouble, u64)>> {
        self.inbound.next(now_ns)
    }

    /// Was that all?
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Reads on.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let read = ready!(self.reads.poll_recv(cx));
        match read {
            Some(Ok(bytes)) if !bytes.is_empty() => self.inbound.feed(bytes),
            Some(Ok(_)) | None => self.end(),
            Some(Err(e)) => {
                self.end();
                return Poll::Ready(Err(e));
            }
        }
        Poll::Ready(Ok(()))
    }

    fn end(&mut self) {
        self.is_over = true;
        self.inbound.finish();
    }
}
