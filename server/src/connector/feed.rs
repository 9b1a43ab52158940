//! A file whose events a client sends first.
//!
//! A pipe with a name is a file as well, to which somebody else writes: its end is when the last who
//! wrote has closed it. Opening one waits for a first writer, unless one asks not to, and then it is
//! the events that wait for one. So a pipe is read without a thread, as a socket is.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::thread;

use bytes::{Bytes, BytesMut};
use rustix::fs::OFlags;
use tokio::net::unix::pipe;
use tokio::sync::mpsc;
use tokio_util::io::poll_read_buf;

use super::definition::Definition;
use super::inbound::{Event, Inbound};
use super::trouble::Trouble;

/// Bytes of a read, and how many reads may wait.
const READ_BYTES: usize = 64 << 10;
const READS_MAX: usize = 4;

/// The events of a file, framed as a peer's would be.
#[derive(Debug)]
pub(super) struct Feed {
    source: Source,
    inbound: Inbound,
    is_over: bool,
}

/// Where reads come from. One without bytes is the last.
#[derive(Debug)]
enum Source {
    /// From a thread, since a disk may take its time.
    Disk(mpsc::Receiver<io::Result<Bytes>>),
    Pipe {
        pipe: pipe::Receiver,
        /// Kept for its memory.
        buf: BytesMut,
    },
}

impl Feed {
    /// Opens the file; waits for nothing. Needs a runtime with I/O.
    pub(super) fn open(path: &Path, definition: &Definition) -> io::Result<Self> {
        let inbound = Inbound::new(definition).map_err(|e| io::Error::other(e.to_string()))?;
        Ok(Self { source: Source::open(path)?, inbound, is_over: false })
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
        match ready!(self.source.poll_read(cx)) {
            Ok(bytes) if !bytes.is_empty() => self.inbound.feed(bytes),
            Ok(_) => self.end(),
            Err(e) => {
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

impl Source {
    fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)?;
        if file.metadata()?.file_type().is_fifo() {
            return Ok(Self::Pipe { pipe: pipe::Receiver::from_file(file)?, buf: BytesMut::new() });
        }
        // What is no pipe, a terminal for one, is read by a thread that can wait.
        rustix::io::ioctl_fionbio(&file, false)?;
        Ok(Self::Disk(read_on(file)?))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        match self {
            Self::Disk(reads) => reads.poll_recv(cx).map(|read| read.unwrap_or_else(|| Ok(Bytes::new()))),
            Self::Pipe { pipe, buf } => {
                buf.reserve(READ_BYTES);
                ready!(poll_read_buf(Pin::new(pipe), cx, buf))?;
                Poll::Ready(Ok(buf.split().freeze()))
            }
        }
    }
}

fn read_on(mut file: File) -> io::Result<mpsc::Receiver<io::Result<Bytes>>> {
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
    Ok(reads)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Write as _;
    use std::time::Duration;

    use rustix::fs::{CWD, FileType, Mode};
    use serde_json::json;

    use super::*;
    use crate::connector::definition::testing::definition;

    async fn texts(feed: &mut Feed, count: usize) -> Vec<String> {
        let mut texts = Vec::new();
        while texts.len() < count && !feed.is_over() {
            let read = tokio::time::timeout(Duration::from_secs(30), poll_fn(|cx| feed.poll_read(cx)));
            read.await.expect("there is something to read").unwrap();
            while let Some(event) = feed.next(0) {
                texts.push(String::from_utf8(event.unwrap().value.to_bytes().to_vec()).unwrap());
            }
        }
        texts
    }

    #[tokio::test]
    async fn a_pipe_that_nobody_writes_to_is_waited_for_by_its_events_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lines");
        rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let definition = definition(json!({"codec": "string", "preprocessors": ["separate"]}));
        let mut feed = Feed::open(&path, &definition).unwrap();
        let nothing = poll_fn(|cx| Poll::Ready(feed.poll_read(cx).is_pending())).await;
        assert!(nothing && !feed.is_over(), "who has not come yet is not gone");

        let mut writer = OpenOptions::new().write(true).open(&path).unwrap();
        writer.write_all(b"a\nb\nc").unwrap();
        assert_eq!(texts(&mut feed, 2).await, ["a", "b"]);
        drop(writer);
        assert_eq!(texts(&mut feed, 2).await, ["c"]);
        assert!(feed.is_over());
    }

    #[tokio::test]
    async fn a_file_is_read_to_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lines");
        std::fs::write(&path, "a\nb").unwrap();
        let definition = definition(json!({"codec": "string", "preprocessors": ["separate"]}));
        let mut feed = Feed::open(&path, &definition).unwrap();
        assert_eq!(texts(&mut feed, 3).await, ["a", "b"]);
    }
}
