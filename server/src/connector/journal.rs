//! Events on disk, so that a crash loses none.
//!
//! Each event is written and synced before it is called, and noted as done when something came of
//! it. What was written and not done when the process ended is called again by the next one: at
//! least once, for what happens between a call and its note happens twice.
//!
//! ```text
//! length u32 | crc32 of what follows | kind u8 | id u64 | peer u64 | seq u64 | ingest u64 | frame
//! ```
//!
//! A record that broke off, or does not match its sum, ends the file: it was never acknowledged.
//! The file is written by one thread, the [`writer`], which syncs once for all who wait at that moment.

mod record;
mod writer;

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use tokio::sync::{mpsc, oneshot};

use super::inbound::Event;
use record::Record;
use writer::{Span, Writer};

/// Events that may wait to be written.
const WAITING_MAX: usize = 1024;

/// Events on disk.
#[derive(Debug)]
pub(super) struct Journal {
    next: AtomicU64,
    /// `None` once it is closed.
    orders: Mutex<Option<mpsc::Sender<Order>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    done: Arc<DoneWith>,
    interrupted: Mutex<Vec<Interrupted>>,
}

/// Events that are done with, until the writer has noted them: never more than are under way.
type DoneWith = Mutex<Vec<u64>>;

/// An event's place in the journal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Entry(u64);

/// An event that was written and not done with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Interrupted {
    pub(super) entry: Entry,
    pub(super) peer: u64,
    pub(super) seq: u64,
    pub(super) ingest_ns: u64,
    pub(super) frame: bytes::Bytes,
}

#[derive(Debug)]
enum Order {
    /// Some are done with.
    Note,
    Write(Record, oneshot::Sender<io::Result<()>>),
}

impl Journal {
    /// Opens the journal at `path`, which is made if it is not there.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().create(true).read(true).write(true).truncate(false).open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let (undone, length) = read(&bytes);
        // What broke off goes, or the records after it could not be found.
        file.set_len(length)?;
        file.seek(SeekFrom::Start(length))?;
        let next = undone.keys().next_back().map_or(0, |last| last + 1);
        let interrupted = undone.values().map(|(interrupted, _)| interrupted.clone()).collect();
        let (orders, waiting) = mpsc::channel(WAITING_MAX);
        let undone = undone.into_iter().map(|(id, (_, span))| (id, span)).collect();
        let done = Arc::default();
        let writer = Writer { path: path.to_owned(), file, length, undone, done: Arc::clone(&done) };
        let writer = thread::Builder::new().name("hotfn-journal".to_owned()).spawn(move || writer.run(waiting))?;
        Ok(Self {
            next: next.into(),
            orders: Mutex::new(Some(orders)),
            writer: Mutex::new(Some(writer)),
            done,
            interrupted: Mutex::new(interrupted),
        })
    }

    /// Writes an event; when this resolves well, it is on disk.
    pub(super) async fn write(&self, event: &Event, peer: u64) -> io::Result<Entry> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let record = Record::written(id, peer, event.seq, event.ingest_ns, event.frame.clone());
        let (told, written) = oneshot::channel();
        let orders = self.orders().ok_or_else(closed)?;
        orders.send(Order::Write(record, told)).await.map_err(|_| closed())?;
        written.await.map_err(|_| closed())??;
        Ok(Entry(id))
    }

    /// Notes that an event is done with. The note is not synced: if a crash loses it, the event
    /// happens again.
    pub(super) fn done(&self, Entry(id): Entry) {
        let mut done = self.done.lock().expect("no code panics while it holds this lock");
        let is_first = done.is_empty();
        done.push(id);
        drop(done);
        if is_first && let Some(orders) = self.orders() {
            // Where there is no room the writer has orders before it, and looks at the list with them.
            let _ = orders.try_send(Order::Note);
        }
    }

    /// What an earlier process left undone; given once.
    pub(super) fn interrupted(&self) -> Vec<Interrupted> {
        std::mem::take(&mut *self.interrupted.lock().expect("no code panics while it holds this lock"))
    }

    /// Writes what waits, and ends.
    pub(super) async fn close(&self) {
        self.orders.lock().expect("no code panics while it holds this lock").take();
        let writer = self.writer.lock().expect("no code panics while it holds this lock").take();
        if let Some(writer) = writer {
            // One that panicked has said so already.
            let _ = tokio::task::spawn_blocking(move || writer.join()).await;
        }
    }

    fn orders(&self) -> Option<mpsc::Sender<Order>> {
        self.orders.lock().expect("no code panics while it holds this lock").clone()
    }
}

fn closed() -> io::Error {
    io::Error::other("journal is closed")
}

/// What is undone in a file's bytes, and where; and how long its whole records are.
fn read(bytes: &[u8]) -> (BTreeMap<u64, (Interrupted, Span)>, u64) {
    let (mut undone, mut at) = (BTreeMap::new(), 0);
    while let Some((record, length)) = Record::decode(&bytes[at..]) {
        let span = Span { at: at as u64, bytes: length as u64 };
        at += length;
        match record {
            Record::Done { id } => {
                undone.remove(&id);
            }
            Record::Written { id, peer, seq, ingest_ns, frame } => {
                undone.insert(id, (Interrupted { entry: Entry(id), peer, seq, ingest_ns, frame }, span));
            }
        }
    }
    (undone, at as u64)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::writer::LENGTH_KEPT;
    use super::*;
    use crate::connector::codec::Value;

    fn event(seq: u64, text: &'static str) -> Event {
        Event { value: Value::Text(text.into()), frame: Bytes::from(text), seq, ingest_ns: 9 }
    }

    #[tokio::test]
    async fn what_was_not_done_with_is_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let journal = Journal::open(&path).unwrap();
        let first = journal.write(&event(0, "done"), 7).await.unwrap();
        journal.write(&event(1, "undone"), 7).await.unwrap();
        journal.done(first);
        journal.close().await;

        let again = Journal::open(&path).unwrap();
        let found = again.interrupted();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].frame.as_ref(), found[0].seq, found[0].peer), (&b"undone"[..], 1, 7));
        assert_eq!(again.interrupted(), []);
        again.done(found[0].entry);
        again.close().await;
        assert_eq!(Journal::open(&path).unwrap().interrupted(), []);
    }

    #[tokio::test]
    async fn a_record_that_broke_off_ends_the_file_and_hides_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let journal = Journal::open(&path).unwrap();
        journal.write(&event(0, "whole"), 0).await.unwrap();
        journal.write(&event(1, "broken"), 0).await.unwrap();
        journal.close().await;
        let length = std::fs::metadata(&path).unwrap().len();
        OpenOptions::new().write(true).open(&path).unwrap().set_len(length - 3).unwrap();

        let again = Journal::open(&path).unwrap();
        again.write(&event(2, "after"), 0).await.unwrap();
        again.close().await;
        let found = Journal::open(&path).unwrap().interrupted();
        let frames: Vec<_> = found.iter().map(|event| event.frame.as_ref()).collect();
        assert_eq!(frames, [&b"whole"[..], b"after"]);
    }

    #[tokio::test]
    async fn a_long_file_with_nothing_undone_begins_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let journal = Journal::open(&path).unwrap();
        let long = Event { frame: vec![b'x'; LENGTH_KEPT as usize + 1].into(), ..event(0, "") };
        let entry = journal.write(&long, 0).await.unwrap();
        journal.done(entry);
        journal.close().await;
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
    }

    #[tokio::test]
    async fn no_note_is_lost_however_many_come_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let journal = Journal::open(&path).unwrap();
        let whole = event(0, "x");
        let entries = futures_util::future::join_all((0..4 * WAITING_MAX).map(|_| journal.write(&whole, 0))).await;
        for entry in entries {
            journal.done(entry.unwrap());
        }
        journal.close().await;
        assert_eq!(Journal::open(&path).unwrap().interrupted(), []);
    }

    #[test]
    fn a_file_cut_anywhere_has_all_that_came_before() {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for id in 0..4 {
            Record::written(id, 1, id, 9, Bytes::from_static(b"a frame")).encode(&mut bytes);
            ends.push(bytes.len());
        }
        for cut in 0..=bytes.len() {
            let whole = ends.iter().filter(|end| **end <= cut).count();
            let (undone, length) = read(&bytes[..cut]);
            assert_eq!((undone.len(), length), (whole, whole.checked_sub(1).map_or(0, |n| ends[n]) as u64), "{cut}");
        }
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 1;
            let harmed = ends.iter().filter(|end| **end <= at).count();
            assert_eq!(read(&other).0.len(), harmed, "a record that is not what it was ends the file: byte {at}");
        }
    }
}
