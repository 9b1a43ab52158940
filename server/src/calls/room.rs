//! How much may be in the journal, and how much of it in memory.
//!
//! What the journal holds is counted here as calls come and go, and set right from time to time by
//! what the store says, since other nodes put in and take out as well. So with several nodes the
//! bound is held to within what they accept in that time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hotfn_protocols::{Fault, Kind};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::store::calls::Open;

/// The journal's bounds, and what it holds.
#[derive(Debug)]
pub(super) struct Room {
    calls_max: u64,
    bytes_max: u64,
    calls: AtomicU64,
    bytes: AtomicU64,
    /// One permit for each [`PIECE`] of bodies in memory.
    memory: Arc<Semaphore>,
    memory_max: u64,
}

/// Memory is given in pieces of so many bytes.
const PIECE: u64 = 1 << 10;

impl Room {
    pub(super) fn new(calls_max: u64, bytes_max: u64, memory_max: u64) -> Self {
        let pieces = usize::try_from(memory_max / PIECE).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self {
            calls_max,
            bytes_max,
            calls: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            memory: Arc::new(Semaphore::new(pieces)),
            memory_max,
        }
    }

    /// May one more call come, with a body of so many bytes or more?
    ///
    /// # Errors
    /// When the journal is full.
    pub(super) fn admit(&self, bytes: u64) -> Result<(), Fault> {
        let Open { calls, bytes: held } = self.open();
        if calls >= self.calls_max {
            return Err(full(format!("{calls} detached calls wait or run, at most {} may", self.calls_max)));
        }
        if held.saturating_add(bytes) > self.bytes_max {
            let max = self.bytes_max;
            return Err(full(format!(
                "detached calls that wait or run have {held} bytes, at most {max} may they have"
            )));
        }
        Ok(())
    }

    /// Memory for so many bytes, if there is some left.
    pub(super) fn memory(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        let pieces = u32::try_from(pieces(bytes)).unwrap_or(u32::MAX);
        self.memory.clone().try_acquire_many_owned(pieces).ok()
    }

    /// Has `held` be for so many bytes in all.
    ///
    /// # Errors
    /// When memory is short. Then `held` stays as it was.
    pub(super) fn grow(&self, held: &mut OwnedSemaphorePermit, bytes: u64) -> Result<(), Fault> {
        let missing = pieces(bytes).saturating_sub(held.num_permits() as u64);
        if missing > 0 {
            let missing = u32::try_from(missing).unwrap_or(u32::MAX);
            let more = self.memory.clone().try_acquire_many_owned(missing).map_err(|_| self.no_memory())?;
            held.merge(more);
        }
        Ok(())
    }

    /// What is told where memory is short.
    pub(super) fn no_memory(&self) -> Fault {
        full(format!("bodies of detached calls take {} bytes of memory, as much as they may", self.memory_max))
    }

    /// Bytes that are left of memory.
    pub(super) fn memory_left(&self) -> u64 {
        self.memory.available_permits() as u64 * PIECE
    }

    /// A call was written down.
    pub(super) fn came(&self, bytes: u64) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A call is over.
    pub(super) fn went(&self, bytes: u64) {
        let less = |held: &AtomicU64, by: u64| {
            let _ = held.try_update(Ordering::Relaxed, Ordering::Relaxed, |held| Some(held.saturating_sub(by)));
        };
        less(&self.calls, 1);
        less(&self.bytes, bytes);
    }

    /// What the store says.
    pub(super) fn set(&self, open: Open) {
        self.calls.store(open.calls, Ordering::Relaxed);
        self.bytes.store(open.bytes, Ordering::Relaxed);
    }

    pub(super) fn open(&self) -> Open {
        Open { calls: self.calls.load(Ordering::Relaxed), bytes: self.bytes.load(Ordering::Relaxed) }
    }
}

/// How many pieces hold so many bytes.
fn pieces(bytes: u64) -> u64 {
    bytes / PIECE + 1
}

fn full(why: String) -> Fault {
    Fault::new(Kind::Busy).because(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bound_refuses_with_its_number_and_a_time_to_come_back() {
        let room = Room::new(2, 1000, 8 << 10);
        let refused = |bytes| {
            let fault = room.admit(bytes).unwrap_err();
            assert!(matches!(fault.retry(), hotfn_protocols::Retry::After(_)));
            fault.reason().unwrap().to_owned()
        };
        assert_eq!(refused(1001), "detached calls that wait or run have 0 bytes, at most 1000 may they have");
        let mut held = room.memory(5 << 10).unwrap();
        room.grow(&mut held, 7 << 10).unwrap();
        assert_eq!((room.memory_left(), room.memory(0).is_none()), (0, true));
        let fault = room.grow(&mut held, 8 << 10).unwrap_err();
        assert_eq!(fault.reason(), Some("bodies of detached calls take 8192 bytes of memory, as much as they may"));
        drop(held);
        assert_eq!(room.memory_left(), 8 << 10);
        assert!(room.admit(1000).is_ok());
        (0..2).for_each(|_| room.came(100));
        assert_eq!(refused(0), "2 detached calls wait or run, at most 2 may");
        room.went(100);
        assert!(room.admit(900).is_ok() && room.admit(901).is_err());
        room.set(Open::default());
        room.went(5);
        assert_eq!(room.open(), Open::default());
    }
}
