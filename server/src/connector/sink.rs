//! Files and standard output, as places where events go.
//!
//! What goes there is framed as it would be for a peer. Sessions put values in; a thread of its own
//! writes, since a disk may take its time. What waits for that thread is bounded: a session whose
//! sink is full waits, and with it its peer.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Mutex;
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use tokio::sync::mpsc;

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
    /// The file at `path`, which is made if it is not there and grown if it is.
    pub(super) fn file(path: &Path, definition: &Definition) -> io::Result<Self> {
        let file: File = OpenOptions::new().create(true).append(true).open(path)?;
        Self::new(file, path.display().to_string(), definition)
    }

    /// Standard output.
    pub(super) fn stdout(definition: &Definition) -> io::Result<Self> {
        Self::new(io::stdout(), "standard output".to_owned(), definition)
    }

    fn new(mut to: impl Write + Send + 'static, name: String, definition: &Definition) -> io::Result<Self> {
        let (batches, mut waiting) = mpsc::channel::<Bytes>(BATCHES_MAX);
        let outbound = Outbound::new(definition).map_err(|e| io::Error::other(e.to_string()))?;
        let write = move || {
            while let Some(batch) = waiting.blocking_recv() {
                if let Err(e) = to.write_all(&batch).and_then(|()| to.flush()) {
                    tracing::warn!(bytes = batch.len(), "cannot write to {name}, events are lost: {e}");
                }
            }
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

#[cfg(test)]
mod tests {
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
}
