//! The one thread that writes a journal.
//!
//! The file begins anew whenever nothing in it is undone and it is longer than [`LENGTH_KEPT`]. So the
//! writer must never take for undone what is not: an event that could not be written is forgotten, and
//! no note is lost on its way.
//!
//! Where events never stop there is no such moment. Then what little is undone is copied, from
//! [`LENGTH_COPIED`] on, to a file that takes this one's place when it is whole.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::mpsc;

use super::record::Record;
use super::{DoneWith, Order};

/// A journal with nothing undone in it is kept up to this length: 1 MiB.
pub(super) const LENGTH_KEPT: u64 = 1 << 20;

/// A journal of this length is copied if no more than a quarter of it is undone: 16 MiB.
const LENGTH_COPIED: u64 = 16 << 20;

/// Longest file: 1 GiB. Beyond it events are refused until some are done.
const LENGTH_MAX: u64 = 1 << 30;

/// What the thread has before it.
pub(super) struct Writer {
    pub(super) path: PathBuf,
    pub(super) file: File,
    pub(super) length: u64,
    /// Where each is.
    pub(super) undone: BTreeMap<u64, Span>,
    pub(super) done: Arc<DoneWith>,
}

/// A record's place in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) at: u64,
    pub(super) bytes: u64,
}

impl Writer {
    /// Writes until nobody has anything to be written any more.
    pub(super) fn run(mut self, mut waiting: mpsc::Receiver<Order>) {
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
                let at = bytes.len() as u64;
                record.encode(&mut bytes);
                written.push((record.id(), at, bytes.len() as u64 - at));
                told.push(teller);
            }
        }
        let appended = self.append(&bytes, !told.is_empty());
        if let Ok(begin) = appended {
            self.undone.extend(written.into_iter().map(|(id, at, bytes)| (id, Span { at: begin + at, bytes })));
        }
        for teller in told {
            let copy = appended.as_ref().map_or_else(|e| Err(io::Error::new(e.kind(), e.to_string())), |_| Ok(()));
            // One that does not wait any more has left; its event is called again after a crash.
            let _ = teller.send(copy);
        }
        let begun_anew = self.begin_anew();
        if let Err(e) = appended.and(begun_anew) {
            tracing::warn!("journal cannot be written: {e}");
        }
    }

    /// Puts these at the end, and says where that was.
    fn append(&mut self, bytes: &[u8], is_synced: bool) -> io::Result<u64> {
        if is_synced && self.length + bytes.len() as u64 > LENGTH_MAX {
            self.begin_anew()?;
            if self.length + bytes.len() as u64 > LENGTH_MAX {
                return Err(io::Error::other(format!("journal would be longer than {LENGTH_MAX} bytes")));
            }
        }
        let begin = self.length;
        let appended = self.file.write_all(bytes).and_then(|()| if is_synced { self.file.sync_data() } else { Ok(()) });
        if let Err(e) = appended {
            // Half a record would hide all that come after it.
            self.file.set_len(begin)?;
            self.file.seek(SeekFrom::Start(begin))?;
            return Err(e);
        }
        self.length += bytes.len() as u64;
        Ok(begin)
    }

    fn begin_anew(&mut self) -> io::Result<()> {
        if self.undone.is_empty() && self.length > LENGTH_KEPT {
            self.file.set_len(0)?;
            self.file.seek(SeekFrom::Start(0))?;
            self.length = 0;
        } else if self.length > LENGTH_COPIED
            && self.undone.values().map(|span| span.bytes).sum::<u64>() <= self.length / 4
        {
            self.copy()?;
        }
        Ok(())
    }

    /// Copies what is undone to a file that takes this one's place.
    fn copy(&mut self) -> io::Result<()> {
        let beside = self.path.with_extension("journal.new");
        let mut fresh = OpenOptions::new().create(true).truncate(true).read(true).write(true).open(&beside)?;
        let (mut undone, mut length) = (BTreeMap::new(), 0);
        for (id, Span { at, bytes }) in &self.undone {
            let mut record = vec![0; usize::try_from(*bytes).unwrap_or(usize::MAX)];
            self.file.read_exact_at(&mut record, *at)?;
            fresh.write_all(&record)?;
            undone.insert(*id, Span { at: length, bytes: *bytes });
            length += bytes;
        }
        fresh.sync_all()?;
        fs::rename(&beside, &self.path)?;
        (self.file, self.length, self.undone) = (fresh, length, undone);
        File::open(self.path.parent().unwrap_or_else(|| Path::new(".")))?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::sync::oneshot;

    use super::*;

    /// A writer at the end of a file of this length, in which nothing is undone.
    fn writer(path: &Path, length: u64) -> Writer {
        let mut file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path).unwrap();
        file.set_len(length).unwrap();
        file.seek(SeekFrom::End(0)).unwrap();
        Writer { path: path.to_owned(), file, length, undone: BTreeMap::new(), done: Arc::default() }
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
        writer.undone.insert(1, Span { at: 0, bytes: LENGTH_MAX });
        assert!(write(&mut writer, 2).is_err());
        writer.done.lock().unwrap().push(1);
        write(&mut writer, 3).unwrap();
        assert!(writer.length < LENGTH_KEPT, "it began anew: {}", writer.length);
    }

    #[test]
    fn a_file_in_which_something_is_always_undone_is_copied() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.journal");
        let mut writer = writer(&path, 0);
        let mut put = |id: u64, frame: &'static [u8]| {
            let (told, mut written) = oneshot::channel();
            writer.done.lock().unwrap().extend(id.checked_sub(2).filter(|done| *done > 0));
            writer.carry_out(vec![Order::Write(Record::written(id, 7, id, 0, Bytes::from_static(frame)), told)]);
            written.try_recv().unwrap().unwrap();
            assert!(writer.length <= LENGTH_COPIED + (2 << 20), "{}", writer.length);
        };
        const MANY: &[u8] = &[b'x'; 1 << 20];
        put(0, b"the first");
        (1..=40).for_each(|id| put(id, MANY));
        drop(writer);
        let (undone, length) = crate::connector::journal::read(&std::fs::read(&path).unwrap());
        assert_eq!(undone.keys().copied().collect::<Vec<_>>(), [0, 39, 40]);
        assert_eq!(undone[&0].0.frame.as_ref(), b"the first");
        assert_eq!(length, std::fs::metadata(&path).unwrap().len());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
