//! The end of a file, to which no frame is added behind a piece of another.
//!
//! A disk that is full takes as much as it has room for, which may end amid a frame. What is left of
//! that waits here, and is written first when there is room again. Until then what comes is lost,
//! whole: what had to be kept of it would have no bound. Nothing is cut back to the last whole frame,
//! since others may have added to the same file meanwhile.

use std::io::{self, ErrorKind, Write};

use bytes::{Buf as _, Bytes};

/// Adds to the end of a file.
#[derive(Debug)]
pub(super) struct Appender<W> {
    to: W,
    /// What is left of frames that were written in part.
    rest: Bytes,
}

/// Not all was written.
#[derive(Debug)]
pub(super) struct Unwritten {
    /// Bytes that will never be.
    pub(super) lost_bytes: usize,
    /// Bytes that wait for room, behind what is there of the same frames.
    pub(super) waiting_bytes: usize,
    /// Why.
    pub(super) source: io::Error,
}

impl<W: Write> Appender<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to, rest: Bytes::new() }
    }

    /// Adds whole frames, behind what waits.
    pub(super) fn add(&mut self, frames: Bytes) -> Result<(), Unwritten> {
        let length = frames.len();
        if let Err(source) = self.write_rest() {
            return Err(Unwritten { lost_bytes: length, waiting_bytes: self.rest.len(), source });
        }
        self.rest = frames;
        self.write_rest().map_err(|source| {
            // Nothing has begun, or whoever has the beginning will not take the rest.
            if self.rest.len() == length || source.kind() == ErrorKind::BrokenPipe {
                return Unwritten { lost_bytes: std::mem::take(&mut self.rest).len(), waiting_bytes: 0, source };
            }
            Unwritten { lost_bytes: 0, waiting_bytes: self.rest.len(), source }
        })
    }

    /// Writes what waits, for the last time.
    pub(super) fn finish(mut self) -> Result<(), Unwritten> {
        self.write_rest().map_err(|source| Unwritten { lost_bytes: self.rest.len(), waiting_bytes: 0, source })
    }

    fn write_rest(&mut self) -> io::Result<()> {
        while !self.rest.is_empty() {
            match self.to.write(&self.rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => self.rest.advance(written),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use proptest::prelude::*;

    use super::*;

    /// A disk with so much room.
    #[derive(Debug, Default)]
    struct Disk {
        bytes: Vec<u8>,
        room: usize,
    }

    impl Write for &mut Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.room == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            let taken = bytes.len().min(self.room);
            self.bytes.extend_from_slice(&bytes[..taken]);
            self.room -= taken;
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_frame_that_a_full_disk_cut_is_whole_before_the_next() {
        let mut disk = Disk { room: 6, ..Disk::default() };
        let mut appender = Appender::new(&mut disk);
        appender.add("one\n".into()).unwrap();
        let cut = appender.add("two\n".into()).unwrap_err();
        assert_eq!((cut.lost_bytes, cut.waiting_bytes), (0, 2));
        let lost = appender.add("three\n".into()).unwrap_err();
        assert_eq!((lost.lost_bytes, lost.waiting_bytes, lost.source.kind()), (6, 2, ErrorKind::StorageFull));
        appender.to.room = 100;
        appender.add("four\n".into()).unwrap();
        appender.finish().unwrap();
        assert_eq!(disk.bytes, b"one\ntwo\nfour\n");
    }

    #[test]
    fn what_no_byte_of_was_written_is_lost_whole() {
        let mut full = Appender::new(OpenOptions::new().append(true).open("/dev/full").unwrap());
        let lost = full.add("one\n".into()).unwrap_err();
        assert_eq!((lost.lost_bytes, lost.waiting_bytes, lost.source.kind()), (4, 0, ErrorKind::StorageFull));
        full.finish().unwrap();
    }

    proptest! {
        /// Whatever room there is at each time: each frame is there whole or not at all, but the last.
        #[test]
        fn frames_are_whole_or_not_there(steps in proptest::collection::vec((1..9_usize, 0..9_usize), 0..60)) {
            let mut disk = Disk::default();
            let mut appender = Appender::new(&mut disk);
            for (n, (length, more)) in steps.iter().enumerate() {
                appender.to.room += more;
                let frame = [vec![b'a' + u8::try_from(n % 26).unwrap(); *length], vec![b'\n']].concat();
                let _ = appender.add(frame.into());
            }
            appender.to.room = 100;
            appender.finish().unwrap();
            let lines = disk.bytes.split_inclusive(|byte| *byte == b'\n');
            let mut frames = steps.iter().enumerate().map(|(n, (length, _))| (b'a' + u8::try_from(n % 26).unwrap(), *length));
            for line in lines {
                let is_it = |(letter, length): (u8, usize)| line.len() == length + 1 && line[..length].iter().all(|b| *b == letter);
                prop_assert!(line.ends_with(b"\n") && frames.any(is_it), "{line:?}");
            }
        }
    }
}
