//! One caller, from its first packet to its job's last process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hotfn_socket::{AsyncPackets, Peer};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::Config;
use super::audit::Audit;
use super::job::{self, Ready};
use super::wire::{Ask, Failed, News, Opening, Wire};
use crate::packet::{Class, Ended, How, Invalid, OnClose, Request, Signal as Passed, Usage};
use crate::pen::{self, Field, Pen};
use crate::rules::{Caller, Denied, Machine, Permit, Rules};
use crate::{Change, Child, Exit, GONE_PATIENCE, Signal, Supervisor, sys};

/// What all sessions of a socket share.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) config: Config,
    rules: Rules,
    supervisor: Supervisor,
    /// Where control groups may be made.
    field: Option<Field>,
    /// Room by each rule that has a bound of its own.
    turns: Vec<Option<Arc<Semaphore>>>,
    jobs: AtomicU64,
    /// Somebody who may has asked for the server's end.
    pub(super) stop: CancellationToken,
    /// Every job ends now.
    pub(super) force: CancellationToken,
}

impl Room {
    pub(super) fn new(config: Config, rules: Rules, supervisor: Supervisor) -> Self {
        let turns = rules.rules.iter().map(|rule| Some(Arc::new(Semaphore::new(rule.concurrency?)))).collect();
        Self {
            config,
            rules,
            supervisor,
            field: Field::of_exec(),
            turns,
            jobs: AtomicU64::new(1),
            stop: CancellationToken::new(),
            force: CancellationToken::new(),
        }
    }

    fn caller(&self, peer: &Peer) -> Caller {
        Caller { uid: peer.uid, gid: peer.gid, groups: peer.groups.clone(), function: self.config.function.clone() }
    }
}

/// Tells a caller that there is no room.
pub(super) async fn turn_away(room: &Room, packets: AsyncPackets) {
    let opening = Wire::open(packets, &room.config);
    let Ok((wire, _)) = tokio::time::timeout(room.config.handshake, opening).await else { return };
    let sessions = room.config.sessions_max;
    let message = format!("all {sessions} sessions are taken; try again later");
    room.config.counts.refuse();
    tracing::warn!(sessions, "exec refused: all sessions are taken");
    wire.refused(Class::Busy, None, message).await;
}

/// The whole of a session. `free` is how many more there is room for.
pub(super) async fn serve(room: Arc<Room>, packets: AsyncPackets, slot: OwnedSemaphorePermit, free: usize) {
    let Ok(peer) = Peer::of(&packets) else { return };
    let mut audit = Audit::new(peer, room.config.function.clone());
    let opening = Wire::open(packets, &room.config);
    let Ok((wire, opening)) = tokio::time::timeout(room.config.handshake, opening).await else {
        audit.refused(Class::BadRequest, &"no whole request came in time");
        return;
    };
    let ask = match opening {
        Err(Failed::Gone) => return,
        Err(Failed::Invalid(invalid)) => {
            room.config.counts.refuse();
            return refuse_invalid(&wire, &audit, invalid).await;
        }
        Ok(Opening::Ping) => return wire.pong(free).await,
        Ok(Opening::Stop) => return stop(&room, &wire, &audit).await,
        Ok(Opening::Run(ask)) => *ask,
    };
    audit.asked(&ask.request);
    let started = match Started::of(&room, ask, &mut audit).await {
        Ok(started) => started,
        Err(Refused { class, errno, reason, told }) => {
            room.config.counts.refuse();
            audit.refused(class, &reason);
            return wire.refused(class, errno, told).await;
        }
    };
    let running = room.config.counts.begin();
    let lasting = started.last(&room, &wire, &audit).await;
    drop(running);
    // The next caller has room as soon as this one knows the end.
    drop((wire, slot));
    lasting.tidy().await;
}

async fn refuse_invalid(wire: &Wire, audit: &Audit, invalid: Invalid) {
    let class = match invalid {
        Invalid::Malformed(_) => Class::BadRequest,
        Invalid::TooLarge { .. } => Class::TooLarge,
    };
    audit.refused(class, &invalid);
    wire.refused(class, None, invalid.to_string()).await;
}

async fn stop(room: &Room, wire: &Wire, audit: &Audit) {
    if room.rules.may_stop(&room.caller(audit.peer())) {
        tracing::info!(peer = %audit.peer(), "a caller asks for the end of this server");
        room.stop.cancel();
    } else {
        audit.refused(Class::Policy, &"no rule lets this caller end the server");
        wire.refused(Class::Policy, None, "you may not end this server".to_owned()).await;
    }
}

/// Why a program was not started: for the log, and for the caller, who is told less.
struct Refused {
    class: Class,
    errno: Option<i32>,
    reason: String,
    told: String,
}

impl From<Denied> for Refused {
    fn from(denied: Denied) -> Self {
        let class = denied.class();
        match &denied {
            Denied::Policy { reason } => Self {
                class,
                errno: None,
                reason: reason.clone(),
                told: "the server's rules do not allow it".to_owned(),
            },
            Denied::Program(e) => {
                let cause = std::error::Error::source(e).map_or_else(String::new, |cause| format!(": {cause}"));
                let reason = format!("{e}{cause}");
                Self { class, errno: e.errno(), told: reason.clone(), reason }
            }
        }
    }
}

/// A job that runs.
struct Started {
    id: u64,
    child: Child,
    terminal: Option<std::os::fd::OwnedFd>,
    pen: Pen,
    on_close: OnClose,
    until: Option<Instant>,
    orphans: bool,
    signals: Meter,
    /// Its place by its rule.
    _turn: Option<OwnedSemaphorePermit>,
}

/// What is left of a job that has ended.
struct Lasting {
    pen: Pen,
    /// How long it may stay; `None`: as long as it likes.
    grace: Option<Duration>,
}

/// Why a job ends that has not ended by itself.
#[derive(Clone, Copy, PartialEq)]
enum Cause {
    CallerGone,
    ServerEnds,
    TimeUp,
}

impl Started {
    async fn of(room: &Room, ask: Ask, audit: &mut Audit) -> Result<Self, Refused> {
        let caller = room.caller(audit.peer());
        let mut permit = room.rules.decide(&caller, &ask.request, &Machine)?;
        let rule = &room.rules.rules[permit.rule];
        audit.permitted(&permit, rule);
        let turn = match &room.turns[permit.rule] {
            None => None,
            Some(turns) => Some(turns.clone().try_acquire_owned().map_err(|_| Refused {
                class: Class::Busy,
                errno: None,
                reason: "the rule allows no more at once".to_owned(),
                told: "no more of these may run at once; try again later".to_owned(),
            })?),
        };
        let until = until(room, &permit, &ask.request);
        if let Some(bounds) = &room.config.bounds {
            permit.env.extend(bounds.variables(&ask.request));
        }
        let on_close = OnClose { grace: ask.request.on_close.grace.min(room.config.grace_max), ..ask.request.on_close };
        let Ready { mut job, terminal } = job::ready(&permit, rule, ask, &room.config)?;
        let id = room.jobs.fetch_add(1, Ordering::Relaxed);
        let pen = Pen::make(room.field.as_ref(), pen::EXEC, &format!("{:p}-{id}", &raw const *room), &mut job);
        let spawned = room.supervisor.spawn(job).await.map_err(Denied::from)?;
        let signals = Meter::new(room.config.signals_per_second);
        let orphans = rule.orphans;
        Ok(Self { id, child: spawned.child, terminal, pen, on_close, until, orphans, signals, _turn: turn })
    }

    /// Until its main process has ended and the caller knows.
    async fn last(mut self, room: &Room, wire: &Wire, audit: &Audit) -> Lasting {
        let told = wire.started(self.child.pid(), self.id, self.terminal.take()).await;
        let cause = match told {
            Ok(()) => self.watch(room, wire).await,
            Err(_) => Some(Cause::CallerGone),
        };
        if cause.is_some() {
            self.end().await;
        }
        let ended = self.ended(cause).await;
        wire.ended(ended).await;
        audit.ended(&ended, self.signals.dropped);
        let grace = match (cause, self.orphans) {
            (None, true) => None,
            (None, false) => Some(self.on_close.grace),
            (Some(_), _) => Some(Duration::ZERO),
        };
        Lasting { pen: self.pen, grace }
    }

    /// Passes signals and news on. `None` if the job ended by itself.
    async fn watch(&mut self, room: &Room, wire: &Wire) -> Option<Cause> {
        // Without it nobody hears that a program was stopped, and everything else works.
        let mut changes = signal(SignalKind::child()).ok();
        let mut exit = std::pin::pin!(self.child.exit());
        let mut time_up = std::pin::pin!(sleep_until(self.until));
        loop {
            tokio::select! {
                biased;
                _ = &mut exit => return None,
                // Before the caller: one who never stops talking has no more time than others.
                () = &mut time_up => return Some(Cause::TimeUp),
                () = room.force.cancelled() => return Some(Cause::ServerEnds),
                news = wire.news() => match news {
                    News::Gone => return Some(Cause::CallerGone),
                    News::Signal(signal) => self.pass(signal),
                },
                () = next(&mut changes) => match self.child.change() {
                    None => {}
                    Some(Change::Continued) => wire.state(None).await,
                    Some(Change::Stopped(signal)) => wire.state(Some(signal)).await,
                },
            }
        }
    }

    fn pass(&mut self, signal: Passed) {
        let Some(number) = sys::signal(signal.number) else { return };
        if self.signals.admits() {
            match signal.only_it {
                true => self.child.signal(number),
                false => self.child.signal_group(number),
            }
        }
    }

    /// Asks the group to end as its caller wished, and after its grace insists.
    async fn end(&self) {
        let first = sys::signal(self.on_close.signal).unwrap_or(Signal::TERM);
        self.child.signal_group(first);
        self.child.signal_group(Signal::CONT);
        if tokio::time::timeout(self.on_close.grace, self.child.exit()).await.is_err() {
            self.child.signal_group(Signal::KILL);
        }
    }

    async fn ended(&self, cause: Option<Cause>) -> Ended {
        let end = self.child.end_of_it().await;
        let (how, value) = match end.exit {
            Exit::Code(code) => (How::Code, code),
            Exit::Signal(signal) => (How::Signal, signal),
        };
        let how = match cause {
            Some(Cause::TimeUp) => How::TimedOut,
            Some(Cause::ServerEnds) => How::Killed,
            Some(Cause::CallerGone) | None => how,
        };
        let usage = Usage { user: end.user, system: end.system, memory_max_kb: end.memory_max_kb };
        Ended { how, value, core: end.core, usage }
    }
}

impl Lasting {
    /// Sees to it that nothing is left that may not be.
    async fn tidy(self) {
        let Self { pen, grace: Some(grace) } = self else { return };
        if !pen.may_hold() {
            return;
        }
        tokio::time::sleep(grace).await;
        let ended = tokio::task::spawn_blocking(move || pen.end(GONE_PATIENCE)).await;
        match ended {
            Ok(Ok(0)) | Err(_) => {}
            Ok(Ok(strays)) => tracing::info!(strays, "killed what a job left behind"),
            Ok(Err(e)) => tracing::warn!("{e}"),
        }
    }
}

/// When a job must have ended, if at all.
fn until(room: &Room, permit: &Permit, request: &Request) -> Option<Instant> {
    let own = permit.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let bound = room.config.bounds.as_ref().and_then(|bounds| bounds.deadline(request));
    match (own, bound) {
        (Some(own), Some(bound)) => Some(own.min(bound)),
        (own, bound) => own.or(bound),
    }
}

async fn sleep_until(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until.into()).await,
        None => std::future::pending().await,
    }
}

async fn next(changes: &mut Option<tokio::signal::unix::Signal>) {
    match changes {
        Some(changes) => drop(changes.recv().await),
        None => std::future::pending().await,
    }
}

/// Lets so many through in each second, and counts the others.
struct Meter {
    max: u32,
    since: Instant,
    count: u32,
    dropped: u64,
}

impl Meter {
    fn new(max: u32) -> Self {
        Self { max, since: Instant::now(), count: 0, dropped: 0 }
    }

    fn admits(&mut self) -> bool {
        let now = Instant::now();
        if now.duration_since(self.since) >= Duration::from_secs(1) {
            (self.since, self.count) = (now, 0);
        }
        let admits = self.count < self.max;
        if admits {
            self.count += 1
        } else {
            self.dropped += 1
        }
        admits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_its_bound_a_session_drops_signals_and_counts_them() {
        let mut meter = Meter::new(3);
        let admitted = (0..10).filter(|_| meter.admits()).count();
        assert_eq!((admitted, meter.dropped), (3, 7));
        meter.since = Instant::now().checked_sub(Duration::from_secs(2)).unwrap();
        assert!(meter.admits());
    }
}
