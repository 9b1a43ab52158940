//! Detached calls are given to functions: what has just come, and what is due in the store.
//!
//! A call that comes while there is a free place and nothing waits is begun as soon as it is written
//! down, from memory. Every other is taken from the store when a place is free: those due longest
//! first, whatever their functions, and whichever node wrote them down. Each is its taker's as long
//! as the taker says often enough that it lives.
//!
//! Taking reads and writes the store, so it takes many at a time; and it is asked for when something
//! was put there, when places are free again while there was more than could be taken, when the next
//! call is due ([`Alarm`]), and when other nodes have something for us. Should nobody tell of that, it is
//! looked for as often as [`Told`](store::Told) says.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use hotfn::Invoke;
use hotfn_protocols::{Body, BodyError, Call, Fault, Kind};

use crate::store::calls::{Change, Entry, Taken};
use crate::store::{self, Store, Topic};

use super::alarm::Alarm;
use super::journal::Work;
use super::logs::Logs;
use super::places::{Held, Place};
use super::record::{Record, Status, millis};
use super::room::Room;
use super::rules::Rules;
use super::settle::{Next, settle, was_lost};
use super::tally::Tally;
use super::{LEASE, request};

/// What other nodes may have put into the store is looked at no more often than this.
const LOOK_REST: Duration = Duration::from_millis(250);
/// A call that is due and could not be taken, or a store that is away, is tried again after so long.
const TRY_AGAIN: Duration = Duration::from_millis(500);
/// Most calls that are taken at once.
const TAKE_MAX: usize = 64;

/// Gives calls to functions.
pub(super) struct Runner {
    /// This node's, and never another's.
    pub(super) name: String,
    pub(super) store: Arc<Store>,
    pub(super) invoke: Arc<dyn Invoke>,
    pub(super) rules: Arc<Rules>,
    pub(super) logs: Arc<Logs>,
    pub(super) room: Room,
    pub(super) tally: Tally,
    pub(super) journal: mpsc::Sender<Work>,
    /// Places of calls that run.
    pub(super) places: Arc<Semaphore>,
    /// Which have one.
    pub(super) held: Arc<Held>,
    /// Calls that run.
    pub(super) running: TaskTracker,
    /// No more calls are taken.
    pub(super) leaves: CancellationToken,
    /// There is something to take.
    pub(super) due: Notify,
    /// When there will be.
    pub(super) alarm: Alarm,
    /// Calls were begun, or written.
    pub(super) stirs: Stirs,
    /// There was more than could be taken: who comes now is to wait behind it.
    pub(super) is_behind: AtomicBool,
}

/// Wakes what has nothing to do while no calls come.
#[derive(Debug, Default)]
pub(super) struct Stirs {
    /// A call was begun.
    pub(super) begun: Notify,
    /// Something was written.
    pub(super) written: Notify,
}

/// A call that has its place.
pub(super) struct Ready {
    pub(super) record: Record,
    pub(super) call: Call,
    /// Of its request, in the store.
    pub(super) bytes: u64,
    pub(super) place: Place,
    /// For its body; none where memory was short and the call was there already.
    pub(super) memory: Option<OwnedSemaphorePermit>,
}

impl Runner {
    /// A place for the call `id` that comes now, if it need not wait behind others.
    pub(super) fn place(&self, id: &str) -> Option<Place> {
        let may_begin = !self.is_behind.load(Ordering::Relaxed) && !self.leaves.is_cancelled();
        let place = may_begin.then(|| self.places.clone().try_acquire_owned().ok()).flatten();
        if place.is_none() {
            self.is_behind.store(true, Ordering::Relaxed);
        }
        Some(Place::of(id.to_owned(), place?, &self.held))
    }

    /// Begins a call.
    pub(super) fn begin(self: &Arc<Self>, ready: Ready) {
        self.stirs.begun.notify_one();
        let runner = self.clone();
        self.running.spawn(async move { runner.run(ready).await });
    }

    /// Places may be free again.
    pub(super) fn room_again(&self) {
        if self.is_behind.load(Ordering::Relaxed) {
            self.due.notify_one();
        }
    }

    /// Takes calls that are due, until this node leaves.
    pub(super) async fn take(self: Arc<Self>) {
        let mut told = self.store.told(Topic::Calls);
        let (mut is_lost, mut looked) = (false, Instant::now());
        loop {
            let known = self.alarm.rings_in(millis(SystemTime::now()));
            let wait = if is_lost { TRY_AGAIN } else { known.min(told.look_within()).min(LEASE) };
            let others = async {
                sleep_until(looked + LOOK_REST).await;
                told.next().await;
            };
            let was_told = tokio::select! {
                biased;
                () = self.leaves.cancelled() => return,
                () = self.due.notified() => true,
                () = self.alarm.set_earlier() => continue,
                () = others => false,
                () = sleep(wait) => false,
            };
            match self.look(was_told).await {
                Ok(()) => is_lost = false,
                Err(e) if is_lost => tracing::debug!("detached calls cannot be taken: {e}"),
                Err(e) => {
                    is_lost = true;
                    tracing::warn!("detached calls cannot be taken: {:#}", anyhow::Error::from(e));
                }
            }
            looked = Instant::now();
        }
    }

    /// Takes what is due. Who was not told of anything reads first: that is in nobody's way.
    async fn look(self: &Arc<Self>, was_told: bool) -> Result<(), store::Error> {
        self.alarm.clear();
        let mut first_due = None;
        if !was_told {
            first_due = self.store.first_due_call().await?;
        }
        if was_told || first_due.is_some_and(|due| due <= millis(SystemTime::now())) {
            self.take_due().await?;
            // Who is behind looks as soon as there is a place.
            first_due = if self.is_behind.load(Ordering::Relaxed) { None } else { self.store.first_due_call().await? };
        }
        if let Some(due) = first_due {
            self.alarm.set(due.max(millis(SystemTime::now() + TRY_AGAIN)));
        }
        Ok(())
    }

    async fn take_due(self: &Arc<Self>) -> Result<(), store::Error> {
        while !self.leaves.is_cancelled() {
            let count = self.places.available_permits().min(TAKE_MAX);
            let places = u32::try_from(count).ok().filter(|&count| count > 0);
            let Some(mut places) = places.and_then(|n| self.places.clone().try_acquire_many_owned(n).ok()) else {
                self.is_behind.store(true, Ordering::Relaxed);
                break;
            };
            // Before it is looked: what is put there from now on sets it again.
            self.is_behind.store(false, Ordering::Relaxed);
            let now = SystemTime::now();
            let mut ours = HashSet::new();
            let take = |record: Record| {
                if !self.held.has(&record.id) {
                    return self.taken(record, now);
                }
                ours.insert(record.id.clone());
                self.kept(record, now)
            };
            let Taken { entries, are_more } =
                self.store.take_calls(millis(now), count, self.room.memory_left(), take).await?;
            for entry in entries.into_iter().filter(|entry| !ours.contains(&entry.record.id)) {
                let bytes = entry.request.len() as u64;
                if entry.record.status != Status::Running {
                    self.tally.ended(entry.record.status);
                    self.room.went(bytes);
                    continue;
                }
                let permit = places.split(1).expect("no more are taken than there are places");
                let place = Place::of(entry.record.id.clone(), permit, &self.held);
                self.begin_taken(entry, bytes, place).await;
            }
            if !are_more {
                return Ok(());
            }
            self.is_behind.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// What becomes of a call that is due.
    fn taken(&self, mut record: Record, now: SystemTime) -> Change {
        let rule = self.rules.of(&record.fn_id);
        if record.status == Status::Running {
            tracing::warn!(call_id = record.id, fn_id = record.fn_id, "a detached call's node died, or lost the store");
            if was_lost(&mut record, &rule, now) {
                return Change { record, due: 0, owner: String::new(), keeps_request: true };
            }
        }
        record.begin(now);
        Change { record, due: millis(now + LEASE), owner: self.name.clone(), keeps_request: true }
    }

    /// What becomes of a call that is due and that this node still runs: its word was late, because the
    /// store was away or the machine slept. It is this node's again, if nobody else ended it meanwhile.
    fn kept(&self, mut record: Record, now: SystemTime) -> Change {
        tracing::debug!(call_id = record.id, fn_id = record.fn_id, "it was said late that a detached call still runs");
        record.status = Status::Running;
        Change { record, due: millis(now + LEASE), owner: self.name.clone(), keeps_request: true }
    }

    async fn begin_taken(self: &Arc<Self>, entry: Entry, bytes: u64, place: Place) {
        let Entry { mut record, request, .. } = entry;
        let id = record.id.parse().map_err(anyhow::Error::from);
        let call = id.and_then(|id| Ok(request::read(id, record.fn_id.as_str().into(), &request)?));
        match call {
            Ok(call) => {
                let memory = self.room.memory(bytes);
                self.begin(Ready { record, call, bytes, place, memory });
            }
            // Nobody of us wrote it; nobody will ever be able to run it.
            Err(e) => {
                record.end(Status::Dead, Some(e.to_string()), SystemTime::now());
                self.tell(record, Next::Keep, bytes, place).await;
            }
        }
    }

    async fn run(&self, ready: Ready) {
        let Ready { mut record, call, bytes, place, memory } = ready;
        let id = call.id;
        self.logs.begin(id);
        let outcome = self.outcome(call).await;
        self.logs.end(id);
        drop(memory);
        let rule = self.rules.of(&record.fn_id);
        let leaves = self.leaves.is_cancelled();
        let next = settle(&mut record, outcome.as_ref().copied(), &rule, leaves, SystemTime::now());
        let Record { status, attempts, .. } = record;
        match &outcome {
            Ok(()) => tracing::debug!(call_id = %id, fn_id = record.fn_id, attempts, "detached call ended"),
            Err(fault) if status == Status::Dead => {
                tracing::warn!(call_id = %id, fn_id = record.fn_id, attempts, "detached call is dead: {fault}");
            }
            Err(fault) => {
                tracing::info!(call_id = %id, fn_id = record.fn_id, attempts, %status, "detached call failed: {fault}");
            }
        }
        self.tell(record, next, bytes, place).await;
    }

    async fn outcome(&self, call: Call) -> Result<(), Fault> {
        let reply = self.invoke.invoke(call).await?;
        read_out(reply.body).await.map_err(|e| Fault::new(Kind::Receiving).because(e.to_string()).caused_by(e))
    }

    /// Has it written what became of a call.
    async fn tell(&self, record: Record, next: Next, bytes: u64, place: Place) {
        self.tally.ended(record.status);
        let due = match next {
            Next::Again(at) => millis(at),
            Next::Forget | Next::Keep => {
                self.room.went(bytes);
                0
            }
        };
        let change = Change { record, due, owner: String::new(), keeps_request: next != Next::Forget };
        // The writer ends after all calls did; should it be gone, the call is somebody's again when
        // nobody says any more that we live.
        let _ = self.journal.send(Work::Change { change, place }).await;
    }
}

/// Nobody wants the answer, but the function is to finish it.
async fn read_out(mut body: Body) -> Result<(), BodyError> {
    while let Some(piece) = body.next().await {
        piece?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use hotfn_protocols::{CallId, Reply};
    use tokio::time::timeout;

    use super::*;
    use crate::calls::{self, Calls, Retries, record, upkeep};
    use crate::store::Url;
    use crate::store::calls::Batch;

    /// Begins every call and ends none.
    struct Stuck;

    impl Invoke for Stuck {
        fn invoke(&self, _: Call) -> Pin<Box<dyn Future<Output = Result<Reply, Fault>> + Send + '_>> {
            Box::pin(std::future::pending())
        }
    }

    /// A node that runs one call of `f` and never comes to its end, and the call's id.
    async fn stuck() -> (Arc<Calls>, CallId) {
        let store = Arc::new(Store::open(&Url::Memory).await.unwrap());
        let rules = Arc::new(Rules::new(Retries::default()));
        rules.put("f".into(), Retries::default());
        let (_, lines) = hotfn::log::pipe();
        let calls = Calls::start(store, Arc::new(Stuck), rules, lines, calls::Config::default());
        // Until then there might be more than can be taken, as far as it knows.
        while calls.runner.is_behind.load(Ordering::Relaxed) {
            tokio::task::yield_now().await;
        }
        let call = Call::new("f", "");
        let id = call.id;
        calls.accept(call).await.unwrap();
        (calls, id)
    }

    fn now() -> u64 {
        millis(SystemTime::now())
    }

    #[tokio::test]
    async fn a_node_does_not_begin_again_what_it_still_runs() {
        let (calls, id) = stuck().await;
        let runner = &calls.runner;
        // Its word came too late.
        runner.store.renew_calls(&runner.name, &[id.to_string()], 0).await.unwrap();
        calls.look();
        let is_due = async || runner.store.first_due_call().await.unwrap().is_some_and(|due| due <= now());
        let looked = async { while is_due().await {} };
        timeout(Duration::from_secs(10), looked).await.expect("it is looked at soon");
        let record = runner.store.call("f", id.as_str()).await.unwrap();
        assert_eq!((record.status, record.attempts), (Status::Running, 1));
    }

    /// As when the connection to a database breaks just as it says that a call was taken.
    #[tokio::test]
    async fn a_node_says_of_no_call_that_it_runs_which_it_does_not() {
        let (calls, _) = stuck().await;
        let runner = &calls.runner;
        let mut record = Record::new(CallId::new(), &"f".into(), record::Kind::Detached, SystemTime::now());
        record.begin(SystemTime::now());
        let (owner, due) = (runner.name.clone(), now() + 5000);
        let lost = Entry { record, due, owner: owner.clone(), request: String::new() };
        runner.store.write_calls(&owner, &Batch { new: vec![lost], ..Batch::default() }).await.unwrap();
        upkeep::renew_once(runner).await.unwrap();
        let first_due = runner.store.first_due_call().await.unwrap();
        assert_eq!(first_due, Some(due), "in time somebody else may take it, and what it does run is its own");
    }
}
