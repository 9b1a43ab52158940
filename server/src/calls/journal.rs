//! What is written about calls, many calls at a time.
//!
//! Getting a transaction onto the disk takes the same time for one call as for hundreds. So there is
//! one writer, which takes whatever waits and writes it in one transaction; while that is under way
//! the next lot gathers. Under load the lots grow by themselves, and a single call waits for nobody.
//!
//! Nothing is answered, begun or let go of before it is written: an accepted call is in the store
//! when its caller hears of it, and a finished one gives its place to another when the store knows
//! that it is finished. Of what cannot be written, because the store is away, acceptances are refused
//! and ends are kept until they can be. Records that nobody waits for are lost then, and counted.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use hotfn_protocols::CallId;

use crate::store::calls::{Batch, Change, Entry};

use super::places::Place;
use super::runner::{Ready, Runner};

/// Most that waits to be written; who comes later waits for room.
const LINE_MAX: usize = 1024;
/// Most calls in a transaction.
const LOT_MAX: usize = 512;
/// Requests of so many bytes are enough for a transaction.
const LOT_BYTES: usize = 8 << 20;
/// How long until what could not be written is tried again.
const PAUSE: Duration = Duration::from_millis(500);

/// Something to be written.
pub(super) enum Work {
    /// A call that came. The others are small beside it.
    Accept(Box<Accept>),
    /// A call of ours that ended, or waits for another try, and its place among those that run.
    Change { change: Change, place: Place },
    /// What a function wrote during a call.
    Log { call: CallId, text: String },
    /// A call that is over, and whose caller knows what became of it.
    Note { entry: Entry },
}

/// A call that came.
pub(super) struct Accept {
    pub(super) entry: Entry,
    /// To be begun as soon as it is written.
    pub(super) ready: Option<Ready>,
    /// For its request, where it is not to be begun: it is in memory until it is written.
    pub(super) memory: Option<OwnedSemaphorePermit>,
    /// Told whether it was written.
    pub(super) written: oneshot::Sender<bool>,
}

/// The writer's end of the line.
pub(super) struct Journal {
    work: mpsc::Receiver<Work>,
    runner: Arc<Runner>,
    /// Was somebody told that the store is away?
    is_lost: bool,
}

/// What is written in one transaction, and who hears of it.
#[derive(Default)]
struct Lot {
    batch: Batch,
    accepted: Vec<(Option<Ready>, oneshot::Sender<bool>)>,
    memory: Vec<OwnedSemaphorePermit>,
    places: Vec<Place>,
    bytes: usize,
    records: u64,
}

/// A line to a writer that is yet to start.
pub(super) fn line() -> (mpsc::Sender<Work>, mpsc::Receiver<Work>) {
    mpsc::channel(LINE_MAX)
}

impl Journal {
    pub(super) fn new(work: mpsc::Receiver<Work>, runner: Arc<Runner>) -> Self {
        Self { work, runner, is_lost: false }
    }

    /// Writes until `over`, and then what is left.
    pub(super) async fn write(mut self, over: CancellationToken) {
        let mut lot = Lot::default();
        while self.fill(&mut lot, &over).await {
            lot = self.commit(mem::take(&mut lot)).await;
        }
        if !lot.is_empty() && !self.commit(lot).await.is_empty() {
            tracing::warn!("the store is away: what was done last of detached calls will be done again");
        }
    }

    /// Takes what waits, or waits for something; answers whether there is anything to write, or ever
    /// will be.
    async fn fill(&mut self, lot: &mut Lot, over: &CancellationToken) -> bool {
        let first = tokio::select! {
            biased;
            () = over.cancelled(), if !self.work.is_closed() => {
                self.work.close();
                None
            }
            first = self.work.recv() => match first {
                Some(first) => Some(first),
                None => return false,
            },
            () = tokio::time::sleep(PAUSE), if !lot.is_empty() => None,
        };
        let mut next = first.or_else(|| self.work.try_recv().ok());
        while let Some(work) = next {
            lot.add(work);
            let is_full = lot.len() >= LOT_MAX || lot.bytes >= LOT_BYTES;
            next = if is_full { None } else { self.work.try_recv().ok() };
        }
        true
    }

    /// Writes `lot`, and lets everybody know; answers what is to be tried again.
    async fn commit(&mut self, lot: Lot) -> Lot {
        if lot.is_empty() {
            return lot;
        }
        let Lot { batch, accepted, memory, places, records, bytes: _ } = lot;
        let retried = batch.changed.iter().filter(|change| !change.record.status.is_over());
        let first_due = retried.map(|change| change.due).min();
        let written = self.runner.store.write_calls(&self.runner.name, &batch).await;
        drop(memory);
        match written {
            Ok(()) => {
                if mem::take(&mut self.is_lost) {
                    tracing::info!("the store is back: detached calls are accepted again");
                }
                for (ready, written) in accepted {
                    if let Some(ready) = ready {
                        self.runner.begin(ready);
                    }
                    // Who left before his answer has his call made all the same.
                    let _ = written.send(true);
                }
                drop(places);
                self.runner.room_again();
                self.runner.stirs.written.notify_one();
                if let Some(due) = first_due {
                    self.runner.alarm.set(due);
                }
                Lot::default()
            }
            Err(e) => {
                if !mem::replace(&mut self.is_lost, true) {
                    let why = anyhow::Error::from(e);
                    tracing::warn!("the store is away: detached calls are refused: {why:#}");
                }
                self.runner.tally.unrecorded.inc_by(records);
                for (_, written) in accepted {
                    let _ = written.send(false);
                }
                let changed = batch.changed;
                Lot { batch: Batch { changed, ..Batch::default() }, places, ..Lot::default() }
            }
        }
    }
}

impl Lot {
    fn add(&mut self, work: Work) {
        match work {
            Work::Accept(accept) => {
                let Accept { entry, ready, memory, written } = *accept;
                self.bytes += entry.request.len();
                self.batch.new.push(entry);
                self.accepted.push((ready, written));
                self.memory.extend(memory);
            }
            Work::Change { change, place } => {
                self.batch.changed.push(change);
                self.places.push(place);
            }
            Work::Log { call, text } => {
                self.bytes += text.len();
                self.records += 1;
                self.batch.logs.push((call.to_string(), text));
            }
            Work::Note { entry } => {
                self.records += 1;
                self.batch.new.push(entry);
            }
        }
    }

    fn len(&self) -> usize {
        self.batch.new.len() + self.batch.changed.len() + self.batch.logs.len()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
