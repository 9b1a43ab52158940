//! The service: one request in, one answer out, in the order of checks that the contract sets.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use http::StatusCode;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use hotfn_protocols::Body;
use hotfn_protocols::http1::RequestHead;

use super::answer::{Answer, Output, Told};
use super::callback::{Courier, Functions};
use super::config::{Bounds, Config, Current};
use super::crew::{Asker, Crew};
use super::gate::{Gate, Now, Received};
use super::job::Job;
use super::peer::Peer;
use super::refusal::{Reason, Refusal};
use super::request::{Ask, Encoding, When};
use super::route::{self, Route};
use super::stream::{self, Notation};
use super::tally::Tally;
use super::{answer, intake};
use crate::metrics::{Metrics, OPEN_METRICS};

/// Runs commands for whoever holds a key.
pub struct Service {
    current: Arc<Current>,
    gate: Gate,
    crew: Arc<Crew>,
    courier: Arc<Courier>,
    tally: Tally,
    /// What is shown of this service and its process.
    metrics: Metrics,
    clock: fn() -> SystemTime,
    /// Nobody waits any longer.
    hurry: CancellationToken,
    /// A token for each request under way.
    requests: TaskTracker,
    /// Fields that nobody knows and that were logged.
    unknown: Mutex<BTreeSet<String>>,
}

/// What a service works with.
#[derive(Clone, Debug)]
pub struct Means {
    /// Functions that can be called back; none outside a node.
    pub functions: Option<Functions>,
    /// The time that callers share.
    pub clock: fn() -> SystemTime,
}

impl Default for Means {
    fn default() -> Self {
        Self { functions: None, clock: SystemTime::now }
    }
}

/// Names of unknown fields that are kept in mind, so that each is logged once.
const UNKNOWN_MAX: usize = 64;

impl Service {
    /// A service that nobody can reach yet. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the system has no room for the thread that starts processes.
    pub fn start(config: Config, means: Means) -> io::Result<Arc<Self>> {
        warn_of(&config);
        let state_dir = config.state_dir.clone();
        let current = Arc::new(Current::new(config));
        let (tally, metrics) = (Tally::default(), Metrics::default());
        metrics.add(|registry| tally.register(registry));
        let Means { functions, clock } = means;
        let courier = Courier::start(current.clone(), state_dir.as_deref(), functions, clock, tally.clone());
        Ok(Arc::new(Self {
            gate: Gate::new(Now::of(clock()), tally.clone()),
            crew: Crew::start(current.clone(), courier.clone(), tally.clone())?,
            current,
            courier,
            tally,
            metrics,
            clock,
            hurry: CancellationToken::new(),
            requests: TaskTracker::new(),
            unknown: Mutex::default(),
        }))
    }

    /// Follows `config` from the next request on. Commands that run, and where we listen and keep
    /// our state, stay as they are.
    pub fn reload(&self, config: Config) {
        warn_of(&config);
        self.current.set(config);
    }

    /// What was counted.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Commands that run now.
    #[must_use]
    pub fn running(&self) -> usize {
        self.crew.running()
    }

    /// Takes on nothing more. Who waits is served on for the patience of the config, and then told
    /// which job goes on without them. Resolves when nobody waits any more; what runs goes on.
    pub async fn drain(&self) {
        self.crew.close();
        self.requests.close();
        if timeout(self.bounds().drain_patience, self.requests.wait()).await.is_err() {
            self.hurry.cancel();
            self.requests.wait().await;
        }
        self.courier.stop();
    }

    /// What counts now.
    pub(super) fn config(&self) -> Arc<Config> {
        self.current.get()
    }

    pub(super) fn bounds(&self) -> Bounds {
        self.current.get().bounds
    }

    pub(super) fn crew(&self) -> &Arc<Crew> {
        &self.crew
    }

    /// Answers one request.
    pub(super) async fn answer(&self, head: RequestHead, body: Body, peer: Peer) -> Answer {
        let _under_way = self.requests.token();
        let config = self.current.get();
        match self.outcome(&config, &head, body, peer).await {
            Ok(answer) => {
                self.tally.do_one();
                answer
            }
            Err(refusal) => {
                self.tally.refuse(refusal.reason);
                tracing::debug!(%peer, reason = refusal.reason.code(), "refused: {refusal}");
                let closes = matches!(refusal.reason, Reason::Timeout | Reason::TooLarge);
                Answer { closes, ..refusal.into() }
            }
        }
    }

    /// The checks, in their order.
    async fn outcome(&self, config: &Config, head: &RequestHead, body: Body, peer: Peer) -> Result<Answer, Refusal> {
        allow(config, peer)?;
        let route = route::find(&head.method, head.target())?;
        match route {
            Route::Greeting => return Ok(Answer::new(StatusCode::OK, answer::TEXT, GREETING)),
            Route::Health => return Ok(Answer::new(StatusCode::OK, answer::TEXT, "ok\n")),
            Route::Ready if self.is_ready(config) => return Ok(Answer::new(StatusCode::OK, answer::TEXT, "ready\n")),
            Route::Ready => return Err(Refusal::new(Reason::Unavailable, "not ready: no key, or ending")),
            Route::Metrics if is_ours(peer) => return Ok(self.shown().await),
            Route::Find(_) | Route::Metrics | Route::Run | Route::Shell | Route::Stop(_) => {}
        }
        let body = intake::gather(body, &config.bounds).await?;
        let received =
            Received { method: head.method.as_str(), target: head.target(), lines: &head.lines, body: &body };
        let asker = match peer {
            Peer::Process { uid, .. } if config.trusted_users.contains(&uid) => Asker::trusted(config, uid, peer),
            _ => {
                let key = self.gate.admit(config, &received, peer, Now::of((self.clock)()))?;
                Asker { caller: key.caller.clone(), by: key.name.clone(), peer }
            }
        };
        let notation = intake::notation(head);
        let ask = match &route {
            Route::Find(id) => return Ok(told(self.crew.find(id, &asker.caller)?, notation)),
            Route::Stop(id) => return Ok(told(self.crew.stop(id, &asker.caller, &config.bounds).await?, None)),
            Route::Metrics => return Ok(self.shown().await),
            Route::Run => Ask::run(&body, &config.bounds)?,
            _ => Ask::shell(&body, &config.bounds)?,
        };
        self.note_unknown(&ask.unknown);
        let once = intake::once(head, &body)?;
        let job = self.crew.take_on(config, &ask, &asker, once).await?;
        self.reply(config, &ask, &job, notation).await
    }

    /// What is measured.
    async fn shown(&self) -> Answer {
        Answer::new(StatusCode::OK, OPEN_METRICS, self.metrics.text().await)
    }

    /// When and how the caller wants to hear of it.
    async fn reply(
        &self,
        config: &Config,
        ask: &Ask,
        job: &Arc<Job>,
        notation: Option<Notation>,
    ) -> Result<Answer, Refusal> {
        let encoding = ask.reply.encoding;
        let notation = match ask.reply.when {
            When::Streamed => Some(notation.unwrap_or(Notation::Events)),
            When::Accepted | When::Ended => notation,
        };
        if let Some(notation) = notation {
            return Ok(streamed(job.clone(), notation, encoding));
        }
        if ask.reply.when == When::Accepted {
            return Ok(Answer::told(StatusCode::OK, Told::accepted(job)));
        }
        tokio::select! {
            biased;
            outcome = job.ended() => {
                let status = config.failure_status.filter(|_| outcome.is_ok_and(|outcome| !outcome.is_success()));
                Ok(Answer::told(status.unwrap_or(StatusCode::OK), Told::of(job, Output::Whole(encoding))))
            }
            () = tokio::time::sleep(config.bounds.wait_max) => {
                Ok(Answer::told(StatusCode::OK, Told::running(job, Output::Empty)))
            }
            () = self.hurry.cancelled() => {
                let message = "service is ending; the command goes on without an answer";
                Err(Refusal { job: Some(job.id), ..Refusal::new(Reason::Unavailable, message) })
            }
        }
    }

    fn is_ready(&self, config: &Config) -> bool {
        let has_callers = !config.keys.is_empty() || !config.trusted_users.is_empty();
        has_callers && !self.crew.is_closed()
    }

    fn note_unknown(&self, fields: &[String]) {
        if fields.is_empty() {
            return;
        }
        let mut known = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        for field in fields {
            if known.len() < UNKNOWN_MAX && known.insert(field.clone()) {
                tracing::info!(?field, "a field of a request is not known and has no effect");
            }
        }
    }
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").field("config", &self.current).field("tally", &self.tally).finish_non_exhaustive()
    }
}

/// As the platform's own service greets, by lines that begin with these words.
const GREETING: &str = concat!(
    "Welcome to hotfn's command service, a DataFlux Func Sidecar\n\n* Version: ",
    env!("CARGO_PKG_VERSION"),
    "\n* Release Date: ",
    "2026-11-21 00:00:00",
    "\n"
);

fn warn_of(config: &Config) {
    for key in config.keys.iter().filter(|key| key.secret.is_short()) {
        tracing::warn!(key = &*key.name, "secret key is short; use at least 16 characters");
    }
    if config.keys.is_empty() && config.trusted_users.is_empty() {
        tracing::warn!("no secret key is configured: nothing but the greeting is answered");
    }
}

/// Is it a process of root's or of our own user, which could look at us anyway?
fn is_ours(peer: Peer) -> bool {
    matches!(peer, Peer::Process { uid, .. } if uid == 0 || uid == rustix::process::geteuid().as_raw())
}

fn allow(config: &Config, peer: Peer) -> Result<(), Refusal> {
    let is_allowed = match peer {
        Peer::Address(ip) => config.allow_from.is_empty() || config.allow_from.iter().any(|network| network.holds(ip)),
        Peer::Process { .. } => true,
    };
    if is_allowed { Ok(()) } else { Err(Refusal::forbidden("your address may not ask")) }
}

/// What a job has come to.
fn told(job: Arc<Job>, notation: Option<Notation>) -> Answer {
    match notation {
        Some(notation) => streamed(job, notation, Encoding::Text),
        None => Answer::told(StatusCode::OK, Told::running(&job, Output::Whole(Encoding::Text))),
    }
}

fn streamed(job: Arc<Job>, notation: Notation, encoding: Encoding) -> Answer {
    let content_type = match notation {
        Notation::Events => answer::EVENTS,
        Notation::Lines => answer::LINES,
    };
    Answer::new(StatusCode::OK, content_type, stream::body(job, notation, encoding))
}
