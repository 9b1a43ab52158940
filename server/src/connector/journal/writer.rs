//! The one thread that writes a journal.
//!
//! The file begins anew whenever nothing in it is undone and it is longer than [`LENGTH_KEPT`]. So the
//! writer must never take for undone what is not: an event that could not be written is forgotten, and
//! no note is lost on its way.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::sync::Arc;

use tokio::sync::mpsc;

use super::record::Record;
use super::{DoneWith, Order};

/// A journal with nothing undone in it is kept up to this length: 1 MiB.
pub(super) const LENGTH_KEPT: u64 = 1 << 20;

/// Longest file: 1 GiB. Beyond it events are refused until some are done.
const LENGTH_MAX: u64 = 1 << 30;

/// What the thread has before it.
pub(super) struct Writer {
    pub(super) file: File,
    pub(super) length: u64,
    pub(super) undone: BTreeSet<u64>,
    pub(super) done: Arc<DoneWith>,
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
    use std::fs::OpenOptions;
    use std::path::Path;

    use bytes::Bytes;
    use tokio::sync::oneshot;

    use super::*;

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
}
