//! Who does the work: jobs are taken on here, run to their end, and found again by their callers.
//!
//! A job belongs to the service and not to its request: a task of its own runs it, so that a caller
//! who leaves takes nothing along.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use hotfn_exec::pen::{Field, Pen, Remains};
use hotfn_exec::rules::{Machine, User, World as _};
use hotfn_exec::{self as exec, Supervisor};
use hotfn_protocols::CallId;

use super::book::{Book, Known, Once, Slot};
use super::callback::{self, Courier, Delivery};
use super::config::{Bounds, Caller, Config, Current};
use super::job::{Job, Stage};
use super::peer::Peer;
use super::policy;
use super::refusal::{Reason, Refusal};
use super::request::Ask;
use super::run::{self, Ending, MARK};
use super::tally::Tally;

/// Takes jobs on.
pub(super) struct Crew {
    current: Arc<Current>,
    book: Arc<Book>,
    /// As whom commands run where nothing else is said.
    ours: User,
    supervisor: Supervisor,
    /// Where each job has a control group, if that can be had.
    field: Option<Field>,
    courier: Arc<Courier>,
    tally: Tally,
    /// Nothing more is taken on.
    closed: CancellationToken,
}

/// Who asks: the caller, by which key, from where.
#[derive(Clone)]
pub(super) struct Asker {
    pub(super) caller: Arc<Caller>,
    pub(super) by: Arc<str>,
    pub(super) peer: Peer,
}

/// What the task of a job needs beside the job.
struct Run {
    process: exec::Job,
    slot: Slot,
    asker: Asker,
    ask: Ask,
    bounds: Bounds,
    ending: Ending,
}

/// What a stopped job may take beyond its grace until its end is known.
const STOP_SLACK: Duration = Duration::from_secs(6);

impl Crew {
    /// A crew without work. What commands of a service before this one have left in control groups
    /// goes on: they were not its own to end.
    pub(super) fn start(current: Arc<Current>, courier: Arc<Courier>, tally: Tally) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            current,
            book: Arc::default(),
            ours: Machine.server(),
            supervisor: Supervisor::start()?,
            field: Field::ours(MARK, Remains::Leave),
            courier,
            tally,
            closed: CancellationToken::new(),
        }))
    }

    /// Takes nothing more on. What runs goes on.
    pub(super) fn close(&self) {
        self.closed.cancel();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }

    /// Jobs that run now.
    pub(super) fn running(&self) -> usize {
        self.book.running()
    }

    /// A part of this process that asks: it needs no signature.
    pub(super) fn asker(&self, caller: Caller) -> Asker {
        let peer = Peer::Process { uid: self.ours.uid, pid: std::process::id() };
        Asker { by: caller.name.clone(), caller: Arc::new(caller), peer }
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
        let job = self.begin(config, ask, asker, once)?;
        job.started().await?;
        Ok(job)
    }

    /// The same, without waiting until it has been started.
    pub(super) fn begin(
        self: &Arc<Self>,
        config: &Config,
        ask: &Ask,
        asker: &Asker,
        once: Option<Once>,
    ) -> Result<Arc<Job>, Refusal> {
        let id = CallId::new();
        let plan = policy::plan(ask, config, &asker.caller, &self.ours)?;
        if let Some(url) = &ask.callback {
            policy::callback(url, config, &asker.caller, asker.peer)?;
        }
        if self.is_closed() {
            return Err(Refusal { retry_after: Some(2), ..Refusal::new(Reason::Unavailable, "service is ending") });
        }
        let bounds = config.bounds;
        let job = Job::new(id, asker.caller.name.clone(), bounds.output_bytes_max);
        let mut known = match &once {
            None => Known::New,
            Some(once) => self.book.known(&job.caller, once, Instant::now(), &bounds),
        };
        if let Known::New = known {
            let slot = self.book.slot(&bounds, asker.peer.origin(), &asker.caller)?;
            // Its twin may have come meanwhile.
            known = self.book.enter(&job, once.as_ref());
            if let Known::New = known {
                let run_max = [bounds.run_max, asker.caller.run_max, plan.timeout, ask.timeout];
                let run_max = run_max.into_iter().flatten().min();
                let ending = Ending { run_max, grace: bounds.end_grace, strays: config.strays };
                let (asker, ask) = (asker.clone(), ask.clone());
                let run = Run { process: plan.process, slot, asker, ask, bounds, ending };
                tokio::spawn(self.clone().run(job.clone(), run));
            }
        }
        match known {
            Known::New => Ok(job),
            Known::Before(job) => Ok(job),
            Known::Different => Err(Refusal::bad("Idempotency-Key was used with another request")),
        }
    }

    /// Runs a job to its end, and says so to whoever is to know.
    async fn run(self: Arc<Self>, job: Arc<Job>, run: Run) {
        let Run { mut process, slot, asker, mut ask, bounds, ending } = run;
        let pen = Pen::make(self.field.as_ref(), MARK, job.id.as_str(), &mut process);
        let spawned = match self.supervisor.spawn(process).await {
            Ok(spawned) => spawned,
            Err(e) => {
                self.book.strike_out(&job);
                return job.update(|progress| progress.stage = Stage::Refused(policy::cannot_start(&e)));
            }
        };
        job.update(|progress| progress.stage = Stage::Running);
        let counted = self.tally.begin();
        let outcome = run::follow(spawned, pen, ask.stdin.take().unwrap_or_default(), &job, ending).await;
        drop((slot, counted));
        self.book.ended(&job, Instant::now(), &bounds);
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

    /// The job of that id, if it is the caller's.
    pub(super) fn find(&self, id: &str, caller: &Caller) -> Result<Arc<Job>, Refusal> {
        let unknown = || Refusal::new(Reason::NotFound, format!("no job {id:?} is known"));
        self.book.find(id, &caller.name).ok_or_else(unknown)
    }

    /// Ends that job, and gives it when it has ended.
    pub(super) async fn stop(&self, id: &str, caller: &Caller, bounds: &Bounds) -> Result<Arc<Job>, Refusal> {
        let job = self.find(id, caller)?;
        job.stop.cancel();
        // It may hang inside the kernel; then it is told as it is.
        let _ = timeout(bounds.end_grace + STOP_SLACK, job.ended()).await;
        Ok(job)
    }
}

impl Asker {
    /// A user of this machine who needs no signature.
    pub(super) fn trusted(config: &Config, uid: u32, peer: Peer) -> Self {
        let name: Arc<str> = format!("uid {uid}").into();
        let caller = Caller { mode: config.trusted_mode, ..Caller::new(name.clone()) };
        Self { caller: Arc::new(caller), by: name, peer }
    }
}
