//! Files and standard output, as places where events go.
//!
//! What goes there is framed as it would be for a peer. Sessions put values in; a thread of its own
//! writes, since a disk may take its time. What waits for that thread is bounded: a session whose
//! sink is full waits, and with it its peer.
//!
//! A pipe with a name is written to as a file is, but for one thing: opening it would wait for somebody
//! who reads, so where nobody does it is refused.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Mutex;
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use rustix::fs::OFlags;
use rustix::io::Errno;
use tokio::sync::mpsc;

use super::appender::{Appender, Unwritten};
use super::codec::Value;
use super::definition::Definition;
use super::outbound::Outbound;
use super::outbox::Outbox;
use super::trouble::Trouble;

/// Batches that may wait to be written. Each is what one session had after one read.
const BATCHES_MAX: usize = 16;

/// A file or standard output.
#[derive(Debug)]
pub(super) struct Sink {
    framing: Mutex<Framing>,
    /// `None` once it is closed.
    batches: Mutex<Option<mpsc::Sender<Bytes>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Framing {
    outbound: Outbound,
    outbox: Outbox,
}

impl Sink {
    /// The file at `path`, which is made if it is not there and grown if it is. Waits for nothing.
    pub(super) fn file(path: &Path, definition: &Definition) -> io::Result<Self> {
        Self::new(open(path)?, path.display().to_string(), definition)
    }

    /// Standard output.
    pub(super) fn stdout(definition: &Definition) -> io::Result<Self> {
        Self::new(io::stdout(), "standard output".to_owned(), definition)
    }

    fn new(to: impl Write + Send + 'static, name: String, definition: &Definition) -> io::Result<Self> {
        let (batches, mut waiting) = mpsc::channel::<Bytes>(BATCHES_MAX);
        let outbound = Outbound::new(definition).map_err(|e| io::Error::other(e.to_string()))?;
        let write = move || {
            let mut end = Appender::new(to);
            let told = |Unwritten { lost_bytes, waiting_bytes, source }| {
                tracing::warn!(lost_bytes, waiting_bytes, "cannot write everything to {name}: {source}");
            };
            while let Some(batch) = waiting.blocking_recv() {
                end.add(batch).unwrap_or_else(told);
            }
            end.finish().unwrap_or_else(told);
        };
        let writer = thread::Builder::new().name("hotfn-sink".to_owned()).spawn(write)?;
        Ok(Self {
            framing: Mutex::new(Framing { outbound, outbox: Outbox::default() }),
            batches: Mutex::new(Some(batches)),
            writer: Mutex::new(Some(writer)),
        })
    }

    /// Frames a value; [`flush`](Self::flush) sends it on.
    pub(super) fn put(&self, value: &Value, ingest_ns: u64) -> Result<(), Trouble> {
        let mut framing = self.framing.lock().expect("no code panics while it holds this lock");
        let Framing { outbound, outbox } = &mut *framing;
        outbound.put(value, ingest_ns, outbox)
    }

    /// Hands what was put to the thread that writes, and waits while that has too much already.
    pub(super) async fn flush(&self) {
        let Some(to) = self.writer() else { return };
        // It is only gone when this sink is closed.
        let Ok(room) = to.reserve().await else { return };
        // Taken and sent on in one: nothing that was put later may come before it.
        let mut framing = self.framing.lock().expect("no code panics while it holds this lock");
        if !framing.outbox.is_empty() {
            room.send(framing.outbox.take());
        }
    }

    /// Writes all there is, what stages have kept included, and ends.
    pub(super) async fn close(&self) {
        {
            let mut framing = self.framing.lock().expect("no code panics while it holds this lock");
            let Framing { outbound, outbox } = &mut *framing;
            outbound.finish(0, outbox);
        }
        self.flush().await;
        self.batches.lock().expect("no code panics while it holds this lock").take();
        let writer = self.writer.lock().expect("no code panics while it holds this lock").take();
        if let Some(writer) = writer {
            let joined = tokio::task::spawn_blocking(move || writer.join());
            // One that panicked has said so already.
            let _ = joined.await;
        }
    }

    fn writer(&self) -> Option<mpsc::Sender<Bytes>> {
        self.batches.lock().expect("no code panics while it holds this lock").clone()
    }
}

fn open(path: &Path) -> io::Result<File> {
    let no_wait = OFlags::NONBLOCK.bits().cast_signed();
    let opened = OpenOptions::new().create(true).append(true).custom_flags(no_wait).open(path);
    let file = opened.map_err(|e| match std::fs::metadata(path) {
        Ok(there) if there.file_type().is_fifo() && e.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => {
            io::Error::new(e.kind(), "nobody reads from this pipe; start its reader first")
        }
        _ => e,
    })?;
    // From here on waiting is what a thread is there for.
    rustix::io::ioctl_fionbio(&file, false)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};

    use rustix::fs::{CWD, FileType, Mode};
    use serde_json::json;

    use super::*;
    use crate::connector::definition::testing::definition;

    #[tokio::test]
    async fn events_are_framed_and_added_to_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.log");
        let definition = definition(json!({"postprocessors": ["separate"]}));
        for n in 0..2 {
            let sink = Sink::file(&path, &definition).unwrap();
            sink.put(&Value::Tree(json!({"n": n})), 0).unwrap();
            sink.flush().await;
            sink.close().await;
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"n\":0}\n{\"n\":1}\n");
    }

    #[tokio::test]
    async fn a_pipe_is_written_to_when_somebody_reads_and_else_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lines");
        rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let definition = definition(json!({"postprocessors": ["separate"]}));
        let refused = Sink::file(&path, &definition).unwrap_err();
        assert_eq!(refused.to_string(), "nobody reads from this pipe; start its reader first");

        // One that reads and writes waits for nobody.
        let mut reader = BufReader::new(OpenOptions::new().read(true).write(true).open(&path).unwrap());
        let sink = Sink::file(&path, &definition).unwrap();
        sink.put(&Value::Tree(json!({"n": 1})), 0).unwrap();
        sink.flush().await;
        sink.close().await;
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        assert_eq!(line, "{\"n\":1}\n");
    }
}
