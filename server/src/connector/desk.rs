//! What all connections of a connector share: whom events call, where what comes of them goes,
//! and what has been counted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use hotfn::Invoke;
use hotfn_protocols::{Body, Call, FunctionId};

use super::batch::Batcher;
use super::callee::{Answer, Line};
use super::calls::Done;
use super::codec::Value;
use super::counts::Counts;
use super::definition::{Definition, Target};
use super::inbound::{Event, Inbound};
use super::journal::{Entry, Interrupted, Journal};
use super::mailbox::Mailbox;
use super::options::Invalid;
use super::origin::Origin;
use super::peers::Peers;
use super::sink::Sink;
use super::trouble::{Kind, Trouble};
use super::world::World;

/// What the connections of a connector share.
pub(super) struct Desk {
    pub(super) definition: Definition,
    pub(super) peers: Arc<Peers>,
    pub(super) counts: Counts,
    /// Calls at once, of all connections.
    pub(super) permits: Arc<Semaphore>,
    /// No more is to be read.
    pub(super) stop: CancellationToken,
    /// Connections, and calls that outlive theirs.
    pub(super) tasks: TaskTracker,
    /// Does what comes of an event go back?
    pub(super) replies: bool,
    line: Option<Line>,
    batcher: Option<Batcher>,
    journal: Option<Journal>,
    outlets: Vec<Outlet>,
    troubles: Option<Complaints>,
    muffler: Mutex<HashMap<&'static str, Muffled>>,
    passes_bytes: bool,
}

/// A place beyond the connections where events go.
#[derive(Clone, Debug)]
pub(super) enum Outlet {
    /// Another connector.
    Link(Arc<Mailbox>),
    /// A file, or standard output.
    Sink(Arc<Sink>),
}

/// Where troubles go.
enum Complaints {
    Function(Arc<dyn Invoke>, FunctionId),
    Outlet(Outlet),
}

/// What was not said lately.
struct Muffled {
    since: Instant,
    unsaid: u64,
}

/// One line a second for each kind of trouble: a peer must not be able to fill a disk.
const LOG_PAUSE: Duration = Duration::from_secs(1);

/// Where a name leads: to the mailbox of a client connector.
pub(super) type Links<'a> = &'a dyn Fn(&str) -> Option<Arc<Mailbox>>;

impl Desk {
    pub(super) fn new(
        definition: Definition,
        world: &World,
        journal: Option<Journal>,
        links: Links<'_>,
    ) -> Result<Self, Invalid> {
        let inbound = Inbound::new(&definition)?;
        let line = Line::new(&definition, world, inbound.content_type())?;
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let batcher = match (&definition.batch, &line) {
            (Some(batch), Some(line)) => Some(Batcher::start(*batch, line.clone(), &tasks)),
            (Some(_), None) => return Err(Invalid::new("batch", "there is nobody to call with one; set call")),
            (None, _) => None,
        };
        let mut outlets = Vec::new();
        for target in &definition.to {
            outlets.extend(outlet(target, "to", &definition, links)?);
        }
        let troubles = match &definition.err_to {
            None => None,
            Some(Target::Function(name)) => {
                let found = world.functions.directory.find(name);
                let found = found.ok_or_else(|| Invalid::new("err_to", format!("there is no function {name:?}")))?;
                Some(Complaints::Function(world.functions.invoke.clone(), found))
            }
            Some(target) => outlet(target, "err_to", &definition, links)?.map(Complaints::Outlet),
        };
        Ok(Self {
            peers: Arc::default(),
            counts: Counts::default(),
            permits: Arc::new(Semaphore::new(definition.bounds.in_flight_total)),
            stop,
            tasks,
            replies: definition.to.contains(&Target::Reply),
            line,
            batcher,
            journal,
            outlets,
            troubles,
            muffler: Mutex::default(),
            passes_bytes: inbound.passes_bytes(),
            definition,
        })
    }

    /// Is what comes of an event the event itself, at once?
    pub(super) fn passes_through(&self) -> bool {
        self.line.is_none() && self.journal.is_none()
    }

    /// Calls at once of one connection. A batch is a call of many events.
    pub(super) fn in_flight(&self) -> usize {
        let batched = self.definition.batch.map_or(0, |batch| batch.events_max);
        self.definition.bounds.in_flight.max(batched)
    }

    /// What comes of an event. Where there is a journal it is written there first.
    pub(super) async fn answer(&self, event: Event, origin: &Arc<Origin>) -> (Result<Answer, Trouble>, Option<Entry>) {
        let entry = match &self.journal {
            None => None,
            Some(journal) => match journal.write(&event, origin.peer).await {
                Ok(entry) => Some(entry),
                Err(e) => {
                    let what = format!("event cannot be written to the journal: {e}");
                    return (Err(Trouble::new(Kind::Fault, what)), None);
                }
            },
        };
        (self.called(event, origin).await, entry)
    }

    async fn called(&self, event: Event, origin: &Arc<Origin>) -> Result<Answer, Trouble> {
        let Some(line) = &self.line else {
            return Ok(Answer { value: Some(event.value), receiver: None });
        };
        // The semaphore is never closed.
        let _permit = self.permits.acquire().await;
        match &self.batcher {
            Some(batcher) => batcher.call(event, origin).await,
            None => line.call(&event, origin, self.passes_bytes).await,
        }
    }

    /// Something came of an event that nobody can be sent: it goes wherever it goes but back.
    pub(super) fn settle(&self, done: Done) {
        if self.replies && matches!(done.outcome, Ok(Answer { value: Some(_), .. })) {
            self.counts.undelivered.add(1);
        }
        self.done(done.entry, &done.outcome);
        let spread = match done.outcome {
            Ok(Answer { value: Some(value), .. }) => self.spread(&value, done.ingest_ns),
            Ok(_) => Ok(()),
            Err(trouble) => Err(trouble),
        };
        if let Err(trouble) = spread {
            self.report(&trouble, done.peer, done.seq);
        }
    }

    /// An event is done with, whatever came of it. Only what failed while the connector was ending may
    /// have failed for that: the journal keeps it for the next process.
    pub(super) fn done(&self, entry: Option<Entry>, outcome: &Result<Answer, Trouble>) {
        let is_owed = self.stop.is_cancelled() && outcome.as_ref().is_err_and(|trouble| trouble.kind == Kind::Fault);
        if let (Some(entry), Some(journal), false) = (entry, &self.journal, is_owed) {
            journal.done(entry);
        }
    }

    /// Answers the events that a crash interrupted. Their connections are gone.
    pub(super) async fn answer_interrupted(&self) {
        let interrupted = self.journal.as_ref().map(Journal::interrupted).unwrap_or_default();
        let mut inbound = Inbound::new(&self.definition).expect("the definition was checked when it was read");
        for Interrupted { entry, peer, seq, ingest_ns, frame } in interrupted {
            let outcome = match inbound.again(frame, seq, ingest_ns) {
                // It says nothing any more, as the connector is defined now.
                None => Ok(Answer { value: None, receiver: None }),
                Some(event) => {
                    let origin = Arc::new(Origin::new(&self.definition, peer, None, inbound.content_type()));
                    tokio::select! {
                        outcome = self.called(event, &origin) => outcome,
                        // What is left stays in the journal.
                        () = self.stop.cancelled() => return,
                    }
                }
            };
            self.settle(Done { peer, seq, ingest_ns, outcome, entry: Some(entry) });
            self.flush().await;
        }
    }

    /// Does anything go elsewhere than back?
    pub(super) fn has_outlets(&self) -> bool {
        !self.outlets.is_empty()
    }

    /// Puts a value wherever it goes but back.
    pub(super) fn spread(&self, value: &Value, ingest_ns: u64) -> Result<(), Trouble> {
        self.outlets.iter().try_for_each(|outlet| outlet.put(value, ingest_ns))
    }

    /// Waits until what was spread, or told of, has somewhere to be.
    pub(super) async fn flush(&self) {
        for outlet in self.all_outlets() {
            outlet.flush().await;
        }
    }

    /// Where events go, and where troubles do.
    fn all_outlets(&self) -> impl Iterator<Item = &Outlet> {
        self.outlets.iter().chain(match &self.troubles {
            Some(Complaints::Outlet(outlet)) => Some(outlet),
            Some(Complaints::Function(..)) | None => None,
        })
    }

    /// Counts a trouble and tells of it: in the log, once a while, and to whom it is to be told. Whoever
    /// calls this [flushes](Self::flush) before it goes on for long.
    pub(super) fn report(&self, trouble: &Trouble, peer: u64, seq: u64) {
        self.count(trouble);
        if let Some(unsaid) = self.may_say(trouble.kind.as_str()) {
            let (connector, kind) = (&self.definition.name, trouble.kind.as_str());
            tracing::warn!(connector, peer, seq, kind, unsaid, "{}", trouble.what);
        }
        let record = || trouble.to_record(&self.definition.name, peer, seq);
        match &self.troubles {
            None => {}
            Some(Complaints::Outlet(outlet)) => {
                // A trouble with telling a trouble is not told.
                let _ = outlet.put(&Value::Tree(record()), 0);
            }
            Some(Complaints::Function(invoke, function)) => {
                // Beyond the calls there may be, complaints are only counted.
                if let Ok(permit) = self.permits.clone().try_acquire_owned() {
                    let (invoke, call) =
                        (invoke.clone(), Call::new(function.clone(), Body::from(record().to_string())));
                    self.tasks.spawn(async move {
                        if let Err(fault) = invoke.invoke(call).await {
                            tracing::debug!("function for troubles failed: {fault}");
                        }
                        drop(permit);
                    });
                }
            }
        }
    }

    pub(super) fn count(&self, trouble: &Trouble) {
        self.counts.trouble(trouble.kind).add(1);
    }

    /// Says no more than a line a second of one kind; how many were not said, if this one may be.
    pub(super) fn may_say(&self, kind: &'static str) -> Option<u64> {
        let mut kinds = self.muffler.lock().expect("no code panics while it holds this lock");
        match kinds.get_mut(kind) {
            Some(muffled) if muffled.since.elapsed() < LOG_PAUSE => {
                muffled.unsaid += 1;
                None
            }
            known => {
                let unsaid = known.map_or(0, |muffled| muffled.unsaid);
                kinds.insert(kind, Muffled { since: Instant::now(), unsaid: 0 });
                Some(unsaid)
            }
        }
    }

    /// Ends what is written in the background, after the last connection.
    pub(super) async fn close(&self) {
        for outlet in self.all_outlets() {
            if let Outlet::Sink(sink) = outlet {
                sink.close().await;
            }
        }
        if let Some(journal) = &self.journal {
            journal.close().await;
        }
    }
}

impl Outlet {
    fn put(&self, value: &Value, ingest_ns: u64) -> Result<(), Trouble> {
        match self {
            Self::Link(mailbox) => {
                mailbox.push(value.clone());
                Ok(())
            }
            Self::Sink(sink) => sink.put(value, ingest_ns),
        }
    }

    async fn flush(&self) {
        if let Self::Sink(sink) = self {
            sink.flush().await;
        }
    }
}

fn outlet(target: &Target, key: &str, definition: &Definition, links: Links<'_>) -> Result<Option<Outlet>, Invalid> {
    let sink = |sink: std::io::Result<Sink>| match sink {
        Ok(sink) => Ok(Some(Outlet::Sink(Arc::new(sink)))),
        Err(e) => Err(Invalid::new(key, format!("cannot write to {target:?}: {e}"))),
    };
    match target {
        Target::Connector(name) => match links(name) {
            Some(mailbox) => Ok(Some(Outlet::Link(mailbox))),
            None => Err(Invalid::new(key, format!("there is no client connector {name:?}"))),
        },
        Target::Discard | Target::Reply => Ok(None),
        Target::File(path) => sink(Sink::file(path, definition)),
        Target::Function(_) => Err(Invalid::new(key, "a function is called by call, not by to")),
        Target::Stdout => sink(Sink::stdout(definition)),
    }
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").field("name", &self.definition.name).field("peers", &self.peers).finish_non_exhaustive()
    }
}
