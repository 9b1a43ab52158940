//! The service: one request in, one answer out, in the order of checks that the contract sets.
//!
//! What a request leads to is a job that belongs to the service and not to the request: it is run by
//! a task of its own, so that a caller who leaves takes nothing along.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderName, StatusCode, header};
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use hotfn_exec::rules::{Machine, User, World as _};
use hotfn_exec::{self as exec, Supervisor};
use hotfn_protocols::http1::RequestHead;
use hotfn_protocols::{Body, BodyError, CallId};

use super::answer::{self, Answer, Output, Told};
use super::book::{Book, Known, Once, Slot};
use super::callback::{self, Courier, Delivery, Functions};
use super::config::{Bounds, Caller, Config, Current};
use super::gate::{Gate, Now, Received};
use super::job::{Job, Stage};
use super::peer::Peer;
use super::refusal::{Reason, Refusal};
use super::request::{Ask, Encoding, When};
use super::route::Route;
use super::run::{self, Patience};
use super::stream::{self, Notation};
use super::tally::Tally;
use super::{policy, route};

/// Runs commands for whoever holds a key.
pub struct Service {
    current: Arc<Current>,
    gate: Gate,
    book: Arc<Book>,
    /// As whom commands run where the config does not say.
    ours: User,
    supervisor: Supervisor,
    courier: Arc<Courier>,
    tally: Arc<Tally>,
    clock: fn() -> SystemTime,
    /// No new commands.
    draining: CancellationToken,
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

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Bytes of such a key, at most.
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 128;
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
        let tally = Arc::new(Tally::default());
        let Means { functions, clock } = means;
        let courier = Courier::start(current.clone(), state_dir.as_deref(), functions, clock, tally.clone());
        Ok(Arc::new(Self {
            current,
            gate: Gate::new(Now::of(clock())),
            book: Arc::default(),
            ours: Machine.server(),
            supervisor: Supervisor::start()?,
            courier,
            tally,
            clock,
            draining: CancellationToken::new(),
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
        self.book.running()
    }

    /// Takes on nothing more. Who waits is served on for the patience of the config, and then told
    /// which job goes on without them. Resolves when nobody waits any more; what runs goes on.
    pub async fn drain(&self) {
        self.draining.cancel();
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

    /// A part of this process that asks: it needs no signature.
    pub(super) fn asker(&self, caller: Caller) -> Asker {
        let peer = Peer::Process { uid: self.ours.uid, pid: std::process::id() };
        Asker { by: caller.name.clone(), caller: Arc::new(caller), peer }
    }

    /// Answers one request.
    pub(super) async fn answer(self: &Arc<Self>, head: RequestHead, body: Body, peer: Peer) -> Answer {
        let _under_way = self.requests.token();
        let config = self.current.get();
        match self.outcome(&config, &head, body, peer).await {
            Ok(answer) => answer,
            Err(refusal) => {
                self.tally.refuse(refusal.reason);
                tracing::debug!(%peer, reason = refusal.reason.code(), "refused: {refusal}");
                let closes = matches!(refusal.reason, Reason::Timeout | Reason::TooLarge);
                Answer { closes, ..refusal.into() }
            }
        }
    }

    /// The checks, in their order.
    async fn outcome(
        self: &Arc<Self>,
        config: &Config,
        head: &RequestHead,
        body: Body,
        peer: Peer,
    ) -> Result<Answer, Refusal> {
        allow(config, peer)?;
        let route = route::find(&head.method, head.target())?;
        match route {
            Route::Greeting => return Ok(Answer::new(StatusCode::OK, answer::TEXT, GREETING)),
            Route::Health => return Ok(Answer::new(StatusCode::OK, answer::TEXT, "ok\n")),
            Route::Ready if self.is_ready(config) => return Ok(Answer::new(StatusCode::OK, answer::TEXT, "ready\n")),
            Route::Ready => return Err(Refusal::new(Reason::Unavailable, "not ready: no key, or ending")),
            Route::Find(_) | Route::Run | Route::Shell | Route::Stop(_) => {}
        }
        let body = gather(body, &config.bounds).await?;
        let received =
            Received { method: head.method.as_str(), target: head.target(), lines: &head.lines, body: &body };
        let asker = match peer {
            Peer::Process { uid, .. } if config.trusted_users.contains(&uid) => Asker::trusted(config, uid, peer),
            _ => {
                let key = self.gate.admit(config, &received, peer, Now::of((self.clock)()))?;
                Asker { caller: key.caller.clone(), by: key.name.clone(), peer }
            }
        };
        let notation = notation(head);
        let ask = match &route {
            Route::Find(id) => return self.find(id, &asker.caller, notation),
            Route::Stop(id) => return self.stop(id, &asker.caller, &config.bounds).await,
            Route::Run => Ask::run(&body, &config.bounds)?,
            _ => Ask::shell(&body, &config.bounds)?,
        };
        self.note_unknown(&ask.unknown);
        let once = once(head, &body)?;
        let job = self.take_on(config, &ask, &asker, once).await?;
        self.reply(config, &ask, &job, notation).await
    }

    /// The job of what is asked for: one that was just started, or the one that an idempotency key
    /// stands for.
    pub(super) async fn take_on(
        self: &Arc<Self>,
        config: &Config,
        ask: &Ask,
        asker: &Asker,
        once: Option<Once>,
    ) -> Result<Arc<Job>, Refusal> {
        let id = CallId::new();
        let process = policy::plan(ask, config, &asker.caller, config.user.as_ref().unwrap_or(&self.ours), id)?;
        if let Some(url) = &ask.callback {
            policy::callback(url, config, &asker.caller, asker.peer)?;
        }
        if self.draining.is_cancelled() {
            return Err(Refusal { retry_after: Some(2), ..Refusal::new(Reason::Unavailable, "service is ending") });
        }
        let job = Job::new(id, asker.caller.name.clone(), config.bounds.output_bytes_max);
        let known = match &once {
            None => Known::New,
            Some(once) => self.book.known(&job.caller, once, std::time::Instant::now(), &config.bounds),
        };
        let job = match known {
            Known::New => {
                let slot = self.book.slot(&config.bounds, asker.peer.origin(), &asker.caller)?;
                match self.book.enter(&job, once.as_ref()) {
                    Known::New => {
                        let run = Run { process, slot, asker: asker.clone(), ask: ask.clone(), bounds: config.bounds };
                        tokio::spawn(self.clone().run(job.clone(), run));
                        job
                    }
                    Known::Before(job) => job,
                    Known::Different => return Err(different()),
                }
            }
            Known::Before(job) => job,
            Known::Different => return Err(different()),
        };
        job.started().await?;
        Ok(job)
    }

    /// Runs a job to its end, and says so to whoever is to know.
    async fn run(self: Arc<Self>, job: Arc<Job>, run: Run) {
        let Run { process, slot, asker, mut ask, bounds } = run;
        let spawned = match self.supervisor.spawn(process).await {
            Ok(spawned) => spawned,
            Err(e) => {
                self.book.strike_out(&job);
                return job.update(|progress| progress.stage = Stage::Refused(policy::cannot_start(&e)));
            }
        };
        job.update(|progress| progress.stage = Stage::Running);
        let run_max = [bounds.run_max, ask.timeout].into_iter().flatten().min();
        let patience = Patience { run_max, end_grace: bounds.end_grace };
        let outcome = run::follow(spawned, ask.stdin.take().unwrap_or_default(), &job, patience).await;
        drop(slot);
        self.tally.end();
        self.book.ended(&job, std::time::Instant::now(), &bounds);
        tracing::info!(
            job = %job.id,
            caller = &*job.caller,
            by = &*asker.by,
            peer = %asker.peer,
            label = ?ask.label,
            exit = %outcome.exit,
            timed_out = outcome.timed_out,
            took_ms = outcome.took.as_millis(),
            "command ended"
        );
        if let Some(url) = ask.callback {
            let fields = self.current.get().callback_fields;
            let body = callback::body(&job, &outcome, fields, ask.reply.encoding);
            let (id, key) = (job.id.to_string(), asker.by.to_string());
            self.courier.send(Delivery { job: id, url, key, exit_code: outcome.code(), body }).await;
        }
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

    fn find(&self, id: &str, caller: &Caller, notation: Option<Notation>) -> Result<Answer, Refusal> {
        let job = self.book.find(id, &caller.name).ok_or_else(|| unknown_job(id))?;
        Ok(match notation {
            Some(notation) => streamed(job, notation, Encoding::Text),
            None => Answer::told(StatusCode::OK, Told::running(&job, Output::Whole(Encoding::Text))),
        })
    }

    async fn stop(&self, id: &str, caller: &Caller, bounds: &Bounds) -> Result<Answer, Refusal> {
        let job = self.book.find(id, &caller.name).ok_or_else(|| unknown_job(id))?;
        job.stop.cancel();
        // It may hang inside the kernel; then it is told as it is.
        let _ = timeout(bounds.end_grace + STOP_SLACK, job.ended()).await;
        Ok(Answer::told(StatusCode::OK, Told::running(&job, Output::Whole(Encoding::Text))))
    }

    fn is_ready(&self, config: &Config) -> bool {
        let has_callers = !config.keys.is_empty() || !config.trusted_users.is_empty();
        has_callers && !self.draining.is_cancelled()
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

/// What the task of a job needs beside the job.
struct Run {
    process: exec::Job,
    slot: Slot,
    asker: Asker,
    ask: Ask,
    bounds: Bounds,
}

/// Who asks: the caller, by which key, from where.
#[derive(Clone)]
pub(super) struct Asker {
    caller: Arc<Caller>,
    by: Arc<str>,
    peer: Peer,
}

impl Asker {
    /// A user of this machine who needs no signature.
    fn trusted(config: &Config, uid: u32, peer: Peer) -> Self {
        let name: Arc<str> = format!("uid {uid}").into();
        let caller = Caller { name: name.clone(), mode: config.trusted_mode, list: None, concurrent_max: None };
        Self { caller: Arc::new(caller), by: name, peer }
    }
}

/// What a stopped job may take beyond its grace until its end is known.
const STOP_SLACK: Duration = Duration::from_secs(6);

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

fn allow(config: &Config, peer: Peer) -> Result<(), Refusal> {
    let is_allowed = match peer {
        Peer::Address(ip) => config.allow_from.is_empty() || config.allow_from.iter().any(|network| network.holds(ip)),
        Peer::Process { .. } => true,
    };
    if is_allowed { Ok(()) } else { Err(Refusal::forbidden("your address may not ask")) }
}

/// The body as a whole, in time and within its bound.
async fn gather(body: Body, bounds: &Bounds) -> Result<Bytes, Refusal> {
    if let Some(bytes) = body.as_bytes()
        && bytes.len() as u64 <= bounds.body_bytes_max
    {
        return Ok(bytes.clone());
    }
    match timeout(bounds.read_timeout, body.gather(bounds.body_bytes_max)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(BodyError::TooLarge { max })) => {
            Err(Refusal::new(Reason::TooLarge, format!("body is larger than {max} bytes")))
        }
        Ok(Err(BodyError::Cut(why))) => Err(Refusal::bad(format!("body cannot be read: {why}"))),
        Err(_) => {
            let message = format!("body did not come within {} s", bounds.read_timeout.as_secs());
            Err(Refusal::new(Reason::Timeout, message))
        }
    }
}

/// How the caller wants to follow, if it does.
fn notation(head: &RequestHead) -> Option<Notation> {
    let accept = head.lines.first(&header::ACCEPT)?.trim_ascii();
    let is = |media: &str| accept.get(..media.len()).is_some_and(|a| a.eq_ignore_ascii_case(media.as_bytes()));
    match () {
        () if is("text/event-stream") => Some(Notation::Events),
        () if is("application/x-ndjson") => Some(Notation::Lines),
        () => None,
    }
}

fn streamed(job: Arc<Job>, notation: Notation, encoding: Encoding) -> Answer {
    let content_type = match notation {
        Notation::Events => answer::EVENTS,
        Notation::Lines => answer::LINES,
    };
    Answer::new(StatusCode::OK, content_type, stream::body(job, notation, encoding))
}

fn once(head: &RequestHead, body: &[u8]) -> Result<Option<Once>, Refusal> {
    let Some(name) = head.lines.first(&IDEMPOTENCY_KEY) else { return Ok(None) };
    let name = std::str::from_utf8(name).ok().filter(|name| (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&name.len()));
    let name = name.ok_or_else(|| Refusal::bad("Idempotency-Key must be 1 to 128 characters"))?;
    let path = head.target().split('?').next().unwrap_or_default();
    let request = Sha256::new().chain_update(path).chain_update(b"\n").chain_update(body).finalize().into();
    Ok(Some(Once { name: name.to_owned(), request }))
}

fn different() -> Refusal {
    Refusal::bad("Idempotency-Key was used with another request")
}

fn unknown_job(id: &str) -> Refusal {
    Refusal::new(Reason::NotFound, format!("no job {id:?} is known"))
}
