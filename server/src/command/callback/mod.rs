//! Callbacks: how the outcome of a command reaches somebody who did not wait for it.
//!
//! Delivery is at least once, and a job's name tells repeats. [`retry`] says when an outcome is sent
//! again, [`spool`] keeps it meanwhile, also from one start of the service to the next, [`post`]
//! sends it, over TLS by those whom [`trusted`] knows, and [`Courier`] is the shell around them: a task for
//! each outcome on its way.
//!
//! Absent on purpose: following redirects.

mod directory;
mod post;
mod retry;
mod spool;
mod target;
mod trusted;

use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use hotfn::Invoke;

pub use self::directory::Directory;
pub(crate) use self::post::nonce;
pub(super) use self::post::random;
pub(super) use self::spool::Delivery;
pub(super) use self::target::Target;

use self::retry::{Next, Tried};
use self::spool::Spool;
use self::target::Scheme;
use self::trusted::Trusted;
use super::answer::encode;
use super::config::{CallbackFields, Current};
use super::gate::Now;
use super::job::{Job, Outcome};
use super::request::Encoding;
use super::tally::Tally;

/// Outcomes sent at the same moment; more wait their turn.
const SENT_AT_ONCE: usize = 16;

/// Functions that can be called back.
#[derive(Clone)]
pub struct Functions {
    /// What calls them.
    pub invoke: Arc<dyn Invoke>,
    /// What finds them.
    pub directory: Arc<dyn Directory>,
}

impl std::fmt::Debug for Functions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Functions").finish_non_exhaustive()
    }
}

/// Sends outcomes.
pub(super) struct Courier {
    current: Arc<Current>,
    spool: Option<Spool>,
    functions: Option<Functions>,
    clock: fn() -> SystemTime,
    tally: Tally,
    trusted: Trusted,
    /// A place for each outcome on its way.
    room: Arc<Semaphore>,
    sending: Arc<Semaphore>,
    end: CancellationToken,
}

/// What a callback says of a job.
pub(super) fn body(job: &Job, outcome: &Outcome, fields: CallbackFields, encoding: Encoding) -> String {
    let progress = job.progress();
    let text = |bytes: Vec<u8>| Value::from(encode(&bytes, encoding));
    let mut said = json!({ "stdout": text(progress.stdout.bytes()), "stderr": text(progress.stderr.bytes()) });
    if fields == CallbackFields::All {
        said["exitCode"] = outcome.code().into();
        said["id"] = job.id.to_string().into();
        said["signal"] = outcome.signal().into();
        said["timedOut"] = outcome.timed_out.into();
    }
    json!({ "kwargs": said }).to_string()
}

impl Courier {
    /// A courier who keeps what he carries beneath `state_dir`, and takes up what is there already.
    /// Needs a tokio runtime.
    pub(super) fn start(
        current: Arc<Current>,
        state_dir: Option<&Path>,
        functions: Option<Functions>,
        clock: fn() -> SystemTime,
        tally: Tally,
    ) -> Arc<Self> {
        let spool = state_dir.and_then(|dir| {
            let unusable = |e: &std::io::Error| {
                tracing::warn!("cannot keep callbacks in {}: {e}; a restart loses those under way", dir.display());
            };
            Spool::open(dir).inspect_err(unusable).ok()
        });
        let max = current.get().bounds.callbacks_max;
        let courier = Arc::new(Self {
            current,
            spool,
            functions,
            clock,
            tally,
            trusted: Trusted::default(),
            room: Arc::new(Semaphore::new(max)),
            sending: Arc::new(Semaphore::new(SENT_AT_ONCE)),
            end: CancellationToken::new(),
        });
        for delivery in courier.spool.iter().flat_map(|spool| spool.load(max)) {
            tracing::info!(job = delivery.job, "sending a callback that was left undelivered");
            courier.carry(delivery);
        }
        courier
    }

    /// Takes an outcome on its way. It is kept before anything else happens.
    pub(super) async fn send(self: &Arc<Self>, delivery: Delivery) {
        if let Some(spool) = self.spool.clone() {
            let copy = delivery.clone();
            if let Ok(Err(e)) = tokio::task::spawn_blocking(move || spool.keep(&copy)).await {
                tracing::warn!(job = delivery.job, "cannot keep a callback: {e}; a restart would lose it");
            }
        }
        self.carry(delivery);
    }

    /// Sends nothing more. What is on its way stays where it is kept.
    pub(super) fn stop(&self) {
        self.end.cancel();
    }

    fn carry(self: &Arc<Self>, delivery: Delivery) {
        let Ok(room) = self.room.clone().try_acquire_owned() else {
            let max = self.current.get().bounds.callbacks_max;
            return self.give_up(&delivery, &format!("{max} callbacks are on their way, the most there may be"));
        };
        let courier = self.clone();
        let end = self.end.clone();
        tokio::spawn(async move { end.run_until_cancelled(courier.deliver(delivery, room)).await });
    }

    async fn deliver(&self, delivery: Delivery, _room: OwnedSemaphorePermit) {
        let target = match Target::parse(&delivery.url) {
            Ok(target) => target,
            Err(why) => return self.give_up(&delivery, &why),
        };
        for times in 1.. {
            let tried = self.attempt(&target, &delivery).await;
            match retry::next(times, &tried, Instant::now()) {
                Next::At(then) => {
                    tracing::debug!(job = delivery.job, ?tried, "callback was not taken; it is sent again");
                    tokio::time::sleep_until(then.into()).await;
                }
                Next::Delivered => {
                    self.tally.callback_delivered();
                    return self.forget(&delivery);
                }
                Next::GiveUp => return self.give_up(&delivery, &format!("{tried:?} after {times} times")),
            }
        }
    }

    async fn attempt(&self, target: &Target, delivery: &Delivery) -> Tried {
        let _turn = self.sending.acquire().await.expect("this semaphore is never closed");
        match (target, &self.functions) {
            (Target::Url(url), _) => {
                let config = self.current.get();
                // A key that is gone by now has a successor, which the receiver knows as well.
                let key = config.key(&delivery.key).or_else(|| config.keys.first());
                let unix_s = Now::of((self.clock)()).unix_s;
                let tls = match url.scheme {
                    Scheme::Http => None,
                    Scheme::Https => match self.trusted.by(&config).await {
                        Ok(tls) => Some(tls),
                        Err(e) => return Tried::Failed(format!("{:#}", anyhow::Error::from(e))),
                    },
                };
                post::post(url, tls.as_ref(), delivery, key.map(|key| &key.secret), unix_s).await
            }
            (Target::Function { app, name }, Some(functions)) => match functions.directory.find(app, name).await {
                Ok(Some(function)) => post::call(&functions.invoke, function, delivery).await,
                Ok(None) => Tried::Answered(404),
                Err(e) => Tried::Failed(e.to_string()),
            },
            (Target::Function { .. }, None) => Tried::Answered(404),
        }
    }

    fn give_up(&self, delivery: &Delivery, why: &str) {
        self.tally.callback_failed();
        tracing::warn!(job = delivery.job, event = "callback_failed", why, "an outcome was not delivered");
        self.forget(delivery);
    }

    fn forget(&self, delivery: &Delivery) {
        if let Some(spool) = &self.spool {
            spool.remove(&delivery.job);
        }
    }
}
