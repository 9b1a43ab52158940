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
//! The file is written by one thread, which syncs once for all who wait at that moment, and begins
//! anew whenever nothing in it is undone and it is longer than [`LENGTH_KEPT`]. So it must never take for
//! undone what is not: an event that could not be written is forgotten, and no note is lost on its way.

mod record;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use tokio::sync::{mpsc, oneshot};

use super::inbound::Event;
use record::Record;

/// A journal with nothing undone in it is kept up to this length: 1 MiB.
const LENGTH_KEPT: u64 = 1 << 20;

/// Longest file: 1 GiB. Beyond it events are refused until some are done.
const LENGTH_MAX: u64 = 1 << 30;

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
        let interrupted = undone.values().cloned().collect();
        let (orders, waiting) = mpsc::channel(WAITING_MAX);
        let undone = undone.into_keys().collect();
        let done = Arc::default();
        let writer = Writer { file, length, undone, done: Arc::clone(&done) };
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

/// What is undone in a file's bytes, and how long its whole records are.
fn read(bytes: &[u8]) -> (BTreeMap<u64, Interrupted>, u64) {
    let (mut undone, mut at) = (BTreeMap::new(), 0);
    while let Some((record, length)) = Record::decode(&bytes[at..]) {
        at += length;
        match record {
            Record::Done { id } => {
                undone.remove(&id);
            }
            Record::Written { id, peer, seq, ingest_ns, frame } => {
                undone.insert(id, Interrupted { entry: Entry(id), peer, seq, ingest_ns, frame });
            }
        }
    }
    (undone, at as u64)
}

struct Writer {
    file: File,
    length: u64,
    undone: BTreeSet<u64>,
    done: Arc<DoneWith>,
}

impl Writer {
    fn run(mut self, mut waiting: mpsc::Receiver<Order>) {
        while let Some(first) = waiting.blocking_recv() {
            let mut orders = vec![first];
            while let Ok(more) = waiting.try_recv() {
                orders.push(more);
            }
            self.carry_out(orders);
        }
    }

    /// Writes all these with one sync, and tells those who wait.
    fn carry_out(&mut self, orders: Vec<Order>) {
        let (mut bytes, mut written, mut told) = (Vec::new(), Vec::new(), Vec::new());
        for id in std::mem::take(&mut *self.done.lock().expect("no code panics while it holds this lock")) {
            self.undone.remove(&id);
            Record::Done { id }.encode(&mut bytes);
        }
        for order in orders {
            if let Order::Write(record, teller) = order {
                written.push(record.id());
                record.encode(&mut bytes);
                told.push(teller);
            }
        }
        let appended = self.append(&bytes, !told.is_empty());
        if appended.is_ok() {
            self.undone.extend(written);
        }
        for teller in told {
            let copy = appended.as_ref().map_or_else(|e| Err(io::Error::new(e.kind(), e.to_string())), |()| Ok(()));
            // One that does not wait any more has left; its event is called again after a crash.
            let _ = teller.send(copy);
        }
        if let Err(e) = appended.and(self.begin_anew()) {
            tracing::warn!("journal cannot be written: {e}");
        }
    }

    fn append(&mut self, bytes: &[u8], is_synced: bool) -> io::Result<()> {
        if is_synced && self.length + bytes.len() as u64 > LENGTH_MAX {
            self.begin_anew()?;
            if self.length + bytes.len() as u64 > LENGTH_MAX {
                return Err(io::Error::other(format!("journal would be longer than {LENGTH_MAX} bytes")));
            }
        }
        let appended = self.file.write_all(bytes).and_then(|()| if is_synced { self.file.sync_data() } else { Ok(()) });
        match appended {
            Ok(()) => self.length += bytes.len() as u64,
            // Half a record would hide all that come after it.
            Err(_) => {
                self.file.set_len(self.length)?;
                self.file.seek(SeekFrom::Start(self.length))?;
            }
        }
        appended
    }

    fn begin_anew(&mut self) -> io::Result<()> {
        if self.undone.is_empty() && self.length > LENGTH_KEPT {
            self.file.set_len(0)?;
            self.file.seek(SeekFrom::Start(0))?;
            self.length = 0;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

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

    /// A writer at the end of a file of this length, in which nothing is undone.
    fn writer(path: &Path, length: u64) -> Writer {
        let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(path).unwrap();
        file.set_len(length).unwrap();
        file.seek(SeekFrom::End(0)).unwrap();
        Writer { file, length, undone: BTreeSet::new(), done: Arc::default() }
    }

    fn write(writer: &mut Writer, id: u64) -> io::Result<()> {
        let (told, mut written) = oneshot::channel();
        writer.carry_out(vec![Order::Write(Record::written(id, 0, 0, 0, Bytes::from_static(b"x")), told)]);
        written.try_recv().unwrap()
    }

    #[test]
    fn an_event_that_could_not_be_written_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let mut writer = writer(&path, LENGTH_KEPT + 1);
        let whole = std::mem::replace(&mut writer.file, File::open(&path).unwrap());
        assert!(write(&mut writer, 1).is_err(), "the file is open for reading alone");
        writer.file = whole;
        write(&mut writer, 2).unwrap();
        writer.done.lock().unwrap().push(2);
        writer.carry_out(vec![Order::Note]);
        assert_eq!(writer.length, 0, "it begins anew");
    }

    #[test]
    fn a_full_file_with_nothing_undone_takes_the_next_event() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = writer(&dir.path().join("journal"), LENGTH_MAX);
        writer.undone.insert(1);
        assert!(write(&mut writer, 2).is_err());
        writer.done.lock().unwrap().push(1);
        write(&mut writer, 3).unwrap();
        assert!(writer.length < LENGTH_KEPT, "it began anew: {}", writer.length);
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
