//! Calls whose caller does not wait, and what is known of calls afterwards.
//!
//! A detached call is a promise: the caller has its name and goes away, so the call must be made
//! whatever happens to this process. It is written into the store before the answer, given to its
//! function, tried again when it fails, and given up in the end: then it is dead, and stays for a
//! person to look at and to send again. A node that is killed leaves its calls to the next that has
//! the same store. Each is run at least once, and in bad moments more often; the function can tell by
//! the call's id, which stays the same.
//!
//! Read in this order:
//!
//! * [`retry`]: when a call that failed is tried again.
//! * `settle`: what becomes of a call when an attempt has ended; a rule without a clock.
//! * [`record`]: what is told of a call; `request`: the call itself, written down.
//! * `intake`: a body is taken in.
//! * `journal`: what is written is written for many calls at a time.
//! * `runner`: calls are given to functions, when they come and when the `alarm` says that one is due;
//!   `places`: which have a place; `rules`: which functions there are, and what they say of retries.
//! * `room`: how much of all this there may be; `tally`: how much there was.
//! * `upkeep`: what is done from time to time.
//! * [`logs`]: what functions write.
//!
//! What the store does for this is in [`store::calls`](crate::store::calls). A call that is waited for
//! never comes here, but to leave a record if the node keeps records of all; it waits for none of it.
//!
//! Simplifications made on purpose: calls are taken in the order in which they are due, so a function
//! that is slow and called often makes the others' calls wait once all places are its; and nodes
//! that share a store must agree on the time to within some seconds.

mod alarm;
mod intake;
mod journal;
pub mod logs;
mod places;
pub mod record;
mod request;
pub mod retry;
mod room;
mod rules;
mod runner;
mod settle;
mod tally;
mod upkeep;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use prometheus_client::registry::Registry;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use hotfn::Invoke;
use hotfn::log::Line;
use hotfn_protocols::{Body, Call, CallId, Fault, FunctionId, Kind};

use crate::store::Store;
use crate::store::calls::Entry;

pub use logs::Logs;
pub use retry::{Retries, Retry};
pub use rules::Rules;

use alarm::Alarm;
use journal::{Accept, Journal, Work};
use record::{Record, Status, millis};
use room::Room;
use runner::{Ready, Runner, Stirs};
use tally::Tally;

/// How long a call is its node's without a word from that node.
const LEASE: Duration = Duration::from_secs(10);

/// How calls are kept and run.
#[derive(Clone, Debug)]
pub struct Config {
    /// Most detached calls that run at a time. Default 1024.
    pub running_max: usize,
    /// Most bytes of a detached call's body. Default 16 MiB.
    pub body_bytes_max: u64,
    /// Most bytes of bodies in memory: of calls that come and of calls that run. Default 256 MiB.
    pub memory_bytes_max: u64,
    /// Most detached calls that wait or run, in the whole store; the next is refused as busy.
    /// Default 100,000.
    pub open_max: u64,
    /// Most bytes of their requests. So many of dead ones are kept as well, and the oldest go. Default 1 GiB.
    pub open_bytes_max: u64,
    /// How long a call is remembered, from when it came. Default a day.
    pub kept_for: Duration,
    /// How long a dead one is. Default a week.
    pub dead_kept_for: Duration,
    /// Most calls of each status that are remembered. Default 100,000.
    pub kept_max: u64,
    /// Most bytes of a call's log that are remembered. Default 64 KiB.
    pub log_bytes_max: usize,
    /// Of which calls there are records.
    pub records: Records,
    /// How calls are tried again whose functions say nothing of it.
    pub retries: Retries,
}

/// Of which calls there are records.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Records {
    /// Of all, those that are waited for included.
    All,
    /// Of detached ones, which are in the store anyway.
    #[default]
    Detached,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            running_max: 1024,
            body_bytes_max: 16 << 20,
            memory_bytes_max: 256 << 20,
            open_max: 100_000,
            open_bytes_max: 1 << 30,
            kept_for: Duration::from_secs(24 * 3600),
            dead_kept_for: Duration::from_secs(7 * 24 * 3600),
            kept_max: 100_000,
            log_bytes_max: 64 << 10,
            records: Records::default(),
            retries: Retries::default(),
        }
    }
}

/// Keeps detached calls and runs them; keeps records and logs.
///
/// [`stop`](Self::stop) it before it is dropped: its tasks end with it, but calls that run are then
/// another node's only when this one's word has run out.
pub struct Calls {
    config: Config,
    runner: Arc<Runner>,
    over: CancellationToken,
    writer: std::sync::Mutex<Option<JoinHandle<()>>>,
    tasks: [JoinHandle<()>; 3],
}

impl Calls {
    /// Keeps calls in `store` and gives them to `invoke`; `lines` is what functions write.
    #[must_use]
    pub fn start(
        store: Arc<Store>,
        invoke: Arc<dyn Invoke>,
        rules: Arc<Rules>,
        lines: mpsc::Receiver<Line>,
        config: Config,
    ) -> Arc<Self> {
        let (journal, work) = journal::line();
        let gathers_all = config.records == Records::All;
        let calls_max = config.running_max.saturating_mul(4);
        let runner = Arc::new(Runner {
            name: ulid::Ulid::generate().to_string(),
            store,
            invoke,
            rules,
            logs: Logs::new(config.log_bytes_max, calls_max, gathers_all),
            room: Room::new(config.open_max, config.open_bytes_max, config.memory_bytes_max),
            tally: Tally::default(),
            journal,
            places: Arc::new(Semaphore::new(config.running_max)),
            held: Arc::default(),
            running: TaskTracker::new(),
            leaves: CancellationToken::new(),
            due: Notify::new(),
            alarm: Alarm::default(),
            stirs: Stirs::default(),
            is_behind: AtomicBool::new(true),
        });
        let over = CancellationToken::new();
        let writer = tokio::spawn(Journal::new(work, runner.clone()).write(over.clone()));
        let tasks = [
            tokio::spawn(runner.logs.clone().hear(lines)),
            tokio::spawn(runner.clone().take()),
            tokio::spawn(upkeep::keep(runner.clone(), config.clone())),
        ];
        // What an earlier node left is due.
        runner.due.notify_one();
        Arc::new(Self { config, runner, over, writer: std::sync::Mutex::new(Some(writer)), tasks })
    }

    /// Where it is said which functions there are.
    #[must_use]
    pub fn rules(&self) -> &Arc<Rules> {
        &self.runner.rules
    }

    /// What functions write.
    #[must_use]
    pub fn logs(&self) -> &Arc<Logs> {
        &self.runner.logs
    }

    /// Shows how many calls came and what became of them, and how often the store was asked.
    pub fn register(&self, registry: &mut Registry) {
        self.runner.tally.register(registry);
    }

    /// Takes a call over. When this answers, the call is in the store.
    ///
    /// Its whole body is taken in first, since the connection it comes on will be busy with other
    /// things. Dropped in the middle, the call may be made or not.
    ///
    /// # Errors
    /// When there is no such function, the body is too long or breaks off, there are too many calls, or
    /// the store is away.
    pub async fn accept(&self, mut call: Call) -> Result<(), Fault> {
        let runner = &self.runner;
        if !runner.rules.has(&call.function) {
            let reason = format!("no function has the id {:?}", call.function.as_str());
            return Err(Fault::new(Kind::UnknownFunction).because(reason));
        }
        let max = self.config.body_bytes_max;
        runner.room.admit(call.body.len().unwrap_or_default())?;
        let (body, memory) = intake::take_in(std::mem::take(&mut call.body), max, &runner.room).await?;
        runner.room.admit(body.len() as u64)?;
        let request = request::write(&call, &body);
        call.body = Body::from(body);

        let now = SystemTime::now();
        let mut record = Record::new(call.id, &call.function, record::Kind::Detached, now);
        let bytes = request.len() as u64;
        let place = runner.place(&record.id);
        let (due, owner) = match &place {
            Some(_) => {
                record.begin(now);
                (now + LEASE, runner.name.clone())
            }
            None => (now, String::new()),
        };
        let entry = Entry { record: record.clone(), due: millis(due), owner, request };
        let (ready, memory) = match place {
            Some(place) => (Some(Ready { record, call, bytes, place, memory: Some(memory) }), None),
            None => (None, Some(memory)),
        };
        let waits = ready.is_none();
        let (written, is_written) = oneshot::channel();
        let away = || Fault::new(Kind::Busy).because("detached calls cannot be written down: the store is away");
        let accept = Work::Accept(Box::new(Accept { entry, ready, memory, written }));
        runner.journal.send(accept).await.map_err(|_| away())?;
        if !is_written.await.unwrap_or(false) {
            return Err(away());
        }
        runner.tally.accepted.inc();
        runner.room.came(bytes);
        if waits {
            runner.due.notify_one();
        }
        Ok(())
    }

    /// Are calls recorded that are waited for?
    #[must_use]
    pub fn records_all(&self) -> bool {
        self.config.records == Records::All
    }

    /// Leaves a record of a call that was waited for, which came at `came`. Waits for nothing: a record
    /// for which there is no room is lost, and counted.
    pub fn note(&self, id: CallId, function: &FunctionId, came: SystemTime, outcome: Result<(), &Fault>) {
        let mut record = Record::new(id, function, record::Kind::Sync, came);
        record.begin(came);
        let status = match outcome.map_err(Fault::kind) {
            Ok(()) => Status::Success,
            Err(Kind::CallerLeft) => Status::Canceled,
            Err(Kind::TimedOut) => Status::Timeout,
            Err(_) => Status::Error,
        };
        let error = outcome.err().map(|fault| format!("{}: {fault}", fault.kind().code()));
        record.end(status, error, SystemTime::now());
        self.runner.logs.end(id);
        let entry = Entry { record, due: 0, owner: String::new(), request: String::new() };
        if self.runner.journal.try_send(Work::Note { entry }).is_err() {
            self.runner.tally.unrecorded.inc();
        }
    }

    /// A call was revived.
    pub fn look(&self) {
        self.runner.due.notify_one();
    }

    /// Takes no more calls from the store. Those that run go on.
    pub fn leave(&self) {
        self.runner.leaves.cancel();
        self.runner.running.close();
    }

    /// Resolves when no call runs any more, after [`leave`](Self::leave). Cancel safe.
    pub async fn settled(&self) {
        self.runner.running.wait().await;
    }

    /// Ends in order, after the agent did: what became of the last calls is written down, those that
    /// were cut are put back for the next node, within `patience`.
    pub async fn stop(&self, patience: Duration) {
        self.leave();
        let written = async {
            self.settled().await;
            // Nobody is left to write more.
            upkeep::flush_logs(&self.runner, SystemTime::now() + logs::LAST_LINES_WAIT).await;
            self.over.cancel();
            let writer = self.writer.lock().expect("no code panics while it holds this lock").take();
            if let Some(writer) = writer {
                // One that panicked has said so already.
                let _ = writer.await;
            }
        };
        if tokio::time::timeout(patience, written).await.is_err() {
            tracing::warn!("the store did not take in time what became of the last detached calls");
        }
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        self.over.cancel();
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls").field("config", &self.config).finish_non_exhaustive()
    }
}
