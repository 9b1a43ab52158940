//! The agent: the door that calls come in by, and what an embedder holds.
//!
//! A [`Builder`] makes one.

mod builder;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use hotfn_protocols::{
    BodyError, Call, CallId, Deadline, Fault, FunctionId, Gathered, Kind, Reply, ReplySource, Timing, default,
    reply_pipe,
};
use prometheus_client::registry::Registry;
use tokio::sync::oneshot;

pub use self::builder::{Builder, StartError};
use crate::census::Census;
use crate::dispatch::{Ended, dispatch};
use crate::ends::End;
use crate::hot::Hot;
use crate::keeper::{Deployed, Keeper};
use crate::launch::Report;
use crate::pool::{Event, Need, Ticket, Todo};
use crate::rate::Rate;
use crate::slot::{Slot, Unfit};
use crate::{Function, Invoke, intake, meter};

/// Keeps containers hot and gives calls to them. Cheap to clone.
///
/// When the last clone is dropped without [`Agent::drain`], containers are left to the next
/// agent's sweep, as after a crash.
#[derive(Clone, Debug)]
pub struct Agent {
    keeper: Arc<Keeper>,
    _ticking: Arc<Ticking>,
}

impl Agent {
    /// Shows what it counts and measures in a registry of metrics; `docs/metrics.md` lists the names.
    pub fn register(&self, registry: &mut Registry) {
        self.keeper.launches.register(registry);
        registry.register_collector(Box::new(Census(self.keeper.clone())));
    }

    /// Looks at what its containers use, for a registry that is read next. Takes half a second at most; who does
    /// not call it is told what was seen before. Cancel safe.
    pub async fn look(&self) {
        self.keeper.sampler.look(&self.keeper).await;
    }

    /// Are those containers up that are to be kept warm? A function whose containers do not start counts
    /// as warm once that was tried.
    #[must_use]
    pub fn is_warm(&self) -> bool {
        self.keeper.pool.lines().iter().all(|line| line.is_warm())
    }

    /// What its containers may have, all together.
    #[must_use]
    pub fn room(&self) -> Need {
        self.keeper.pool.total()
    }

    /// Starts from the defaults, with the process driver.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Makes a function callable, or changes it: calls that wait and later ones go to new
    /// containers, calls in flight finish in the old ones. Its `min_warm` containers start now.
    pub fn deploy(&self, function: Function) {
        self.keeper.deploy(function);
    }

    /// Takes a function away: waiting and later calls are refused, those in flight finish.
    pub fn remove(&self, id: &FunctionId) {
        self.keeper.remove(id);
    }

    /// Ends everything in order: new and waiting calls are refused, those in flight finish, then
    /// every container ends and its directory goes. After `patience` the rest is ended by force.
    pub async fn drain(&self, patience: Duration) {
        self.keeper.drain(patience).await;
    }

    /// Lets a call of a function in, unless there is none, or there are too many. Also says when.
    fn admit(&self, call: &Call) -> Result<(Arc<Deployed>, Instant), Fault> {
        let deployed = self.keeper.deployed(&call.function);
        let deployed = deployed.ok_or_else(|| {
            let reason = format!("no function has the id {:?}", call.function.as_str());
            Fault::new(Kind::UnknownFunction).because(reason)
        })?;
        let arrived = Instant::now();
        deployed.allowance.take(arrived).map_err(|(rate, wait)| too_often(rate, wait))?;
        Ok((deployed, arrived))
    }

    /// Waits until as much of the call's body is here as has to be before it may hold a container. A wait for
    /// its caller is no time in the queue.
    async fn take_in(&self, deployed: Arc<Deployed>, call: &mut Call) -> Result<(Arc<Deployed>, Instant), Fault> {
        let begun = intake::begin(std::mem::take(&mut call.body), self.keeper.config.body_pace);
        let begun = match call.deadline {
            None => begun.await,
            Some(until) => tokio::time::timeout_at(until.at().into(), begun).await.map_err(|_| {
                Fault::new(Kind::CallSlow).because("the call's own deadline passed before its body was here")
            })?,
        };
        call.body = begun.map_err(BodyError::into_call_fault)?;
        Ok((deployed, Instant::now()))
    }

    /// Waits from `now` on for a container that is fit for this call, which had `arrived`, and sets its
    /// deadline. Also says when that was.
    async fn ready(
        &self,
        deployed: &Deployed,
        (arrived, mut now): (Instant, Instant),
        call: &mut Call,
        timing: &mut Timing,
    ) -> Result<(Slot, End, Instant), Fault> {
        loop {
            let slot = match self.free_slot(deployed, now)? {
                Some(slot) => Ok(slot),
                None => {
                    // In boxes, this and what is cold: calls that meet a hot container would carry
                    // the room for it, and memory of more than a kilobyte is slow to get.
                    let slot = Box::pin(self.slot(deployed, call.deadline)).await;
                    now = Instant::now();
                    slot
                }
            };
            timing.queue = Some(now - arrived);
            let mut slot = slot?;
            let Some(hot) = slot.hot() else {
                let deadline = hold(call, deployed.function().timeout, now);
                let env = default::env(call);
                let end = Box::pin(self.start_cold(&mut slot, call.id, env, deadline)).await?;
                timing.launch = slot.hot().map(|hot| hot.phases.total());
                return Ok((slot, end, Instant::now()));
            };
            let timeout = hot.function.timeout;
            if hot.ready_at > arrived {
                timing.launch = Some(hot.phases.total());
            }
            let end = slot.open().await;
            if slot.was_frozen() {
                let thawed = Instant::now();
                timing.thaw = Some(thawed - now);
                now = thawed;
            }
            // A container that turns out unfit retires with its slot, and the call takes another:
            // nothing of it was sent. One that nobody used before would be followed by its like.
            match end {
                Err(Unfit::New(fault)) => return Err(fault),
                Err(Unfit::Worn) => now = Instant::now(),
                Ok(end) => {
                    hold(call, timeout, now);
                    return Ok((slot, end, now));
                }
            }
        }
    }

    /// A slot, if one is free and nobody waits: what most calls of a hot function meet.
    fn free_slot(&self, deployed: &Deployed, now: Instant) -> Result<Option<Slot>, Fault> {
        if self.keeper.is_draining() {
            return Err(Fault::new(Kind::Draining));
        }
        let granted = self.keeper.pool.take(&deployed.line, now);
        Ok(granted.map(|granted| Slot::new(self.keeper.clone(), deployed.line.clone(), granted)))
    }

    /// Waits for a slot: first come, first served. Cancel safe: who leaves is forgotten.
    async fn slot(&self, deployed: &Deployed, until: Option<Deadline>) -> Result<Slot, Fault> {
        let keeper = &self.keeper;
        let function = deployed.function();
        if !function.need().fits(keeper.pool.total()) {
            let (need, total) = (function.need(), keeper.pool.total());
            return Err(Fault::new(Kind::BeyondNode).because(format!(
                "it needs {} MB and {} thousandths of a CPU; the node has {} and {}",
                need.memory_mb, need.cpu_milli, total.memory_mb, total.cpu_milli
            )));
        }
        let (sender, receiver) = oneshot::channel();
        let mut todo = Todo::new();
        let ticket = keeper.pool.arrive(&deployed.line, sender, Instant::now(), &mut todo);
        let mut waiting = Waiting { keeper, deployed, ticket: Some(ticket) };
        keeper.act(todo);
        let answer = match until {
            None => receiver.await,
            Some(until) => match tokio::time::timeout_at(until.at().into(), receiver).await {
                Ok(answer) => answer,
                Err(_) => return Err(Fault::new(Kind::Busy).because("the call's own deadline passed while it waited")),
            },
        };
        waiting.ticket = None;
        answer.unwrap_or_else(|_| Err(Fault::new(Kind::Draining)))
    }

    /// Starts the container that a cold call is for, and takes its end.
    async fn start_cold(
        &self,
        slot: &mut Slot,
        id: CallId,
        env: Vec<(String, String)>,
        deadline: Deadline,
    ) -> Result<End, Fault> {
        slot.begin(id, deadline);
        let (sender, receiver) = oneshot::channel();
        self.keeper.launch(slot.line().clone(), slot.id(), env, Report::Call(sender));
        let started = tokio::time::timeout_at(deadline.at().into(), receiver).await;
        let started = started.map_err(|_| Fault::new(Kind::TimedOut).because("its process did not start in time"))?;
        let hot: Arc<Hot> = started.unwrap_or_else(|_| Err(Fault::new(Kind::Draining)))?;
        slot.started(hot);
        match slot.open().await {
            Ok(end) => Ok(end),
            Err(Unfit::New(fault)) => Err(fault),
            Err(Unfit::Worn) => unreachable!("a container started for this call was not used before"),
        }
    }
}

fn too_often(rate: Rate, wait: Duration) -> Fault {
    let Rate { per_second, burst } = rate;
    let reason = format!("this node lets {per_second} a second through, and {burst} at once");
    Fault::new(Kind::RateLimited).because(reason).retry_after(wait)
}

/// From now on the call holds a slot: it must end within `timeout`, or by its own deadline if that is earlier.
fn hold(call: &mut Call, timeout: Duration, now: Instant) -> Deadline {
    let ours = Deadline::from_clocks(now, SystemTime::now(), timeout);
    *call.deadline.insert(call.deadline.map_or(ours, |callers| callers.earlier(ours)))
}

/// What there is to do about a call that has an answer's head, or a fault.
enum After {
    /// Another container may have it: this one had read nothing of it.
    Again(Box<Call>),
    /// Nothing.
    Nothing,
    /// A task brings the rest of its answer, and counts it when that has ended.
    Rest,
}

/// Talks to the container until the answer's head is there, or all of it.
///
/// A whole answer costs no task. One that goes on streaming gets a task of its own, so that the
/// deadline holds even when the caller is slow to read.
async fn converse<W>(
    keeper: &Arc<Keeper>,
    mut work: Pin<Box<W>>,
    source: ReplySource,
    began: Instant,
    timing: &mut Timing,
    after: &mut After,
) -> Result<Reply, Fault>
where
    W: Future<Output = Ended> + Send + 'static,
{
    let done = std::future::poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(ended) => Poll::Ready(Some(ended)),
        // Without a head there will be a fault; it may take a moment to find out why.
        Poll::Pending if source.has_head() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await;
    let now = done.as_ref().map_or_else(Instant::now, |ended| ended.at);
    let mut note = |reached: Option<Instant>| {
        timing.dispatch = reached.map(|reached| reached.saturating_duration_since(began));
        timing.function = reached.map(|reached| now.saturating_duration_since(reached));
    };
    match done {
        Some(Ended { fault: Some(fault), back, .. }) => {
            if let Some(call) = back {
                *after = After::Again(call);
            }
            note(source.reached());
            return Err(fault);
        }
        Some(Ended { fault: None, .. }) => {}
        None => {
            // Here, where the connection is registered: elsewhere each piece would be heard of twice.
            let counting = keeper.clone();
            let rest = async move {
                let fault = work.await.fault;
                if let Some(fault) = &fault {
                    tracing::debug!("answer was cut: {fault}");
                }
                counting.calls.rest_ended(fault.as_ref());
            };
            keeper.tasks.spawn(rest);
            *after = After::Rest;
        }
    }
    let answer = source.into_reply();
    let Gathered { head, body, reached } =
        answer.ok_or_else(|| Fault::new(Kind::Internal).because("the format gave neither an answer nor a reason"))?;
    note(reached);
    Ok(Reply { head, body, timing: Timing::default() })
}

/// A call in the queue. Dropped with its ticket it leaves.
struct Waiting<'a> {
    keeper: &'a Arc<Keeper>,
    deployed: &'a Deployed,
    ticket: Option<Ticket>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.keeper.tell(&self.deployed.line, Event::Left(ticket));
        }
    }
}

/// The task that ticks, as long as an agent lives.
#[derive(Debug)]
struct Ticking(tokio::task::AbortHandle);

impl Drop for Ticking {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Invoke for Agent {
    /// A call is large, so it is in one place only at any time: in this future, then in that of `dispatch`.
    ///
    /// A container that was gone before it had read anything of the call is followed by another, once: when
    /// an idle function ends is no affair of a caller's.
    fn invoke(&self, mut call: Call) -> Pin<Box<dyn Future<Output = Result<Reply, Fault>> + Send + '_>> {
        Box::pin(async move {
            let counted = self.keeper.calls.begin();
            let mut timing = Timing::default();
            let named = meter::is_heard().then(|| (call.id, call.function.clone()));
            let admitted = match self.admit(&call) {
                // In a box, since hardly any call of those that are in a hurry comes without its body.
                Ok((deployed, _)) if call.body.as_bytes().is_none() => {
                    Box::pin(self.take_in(deployed, &mut call)).await
                }
                admitted => admitted,
            };
            let mut after = After::Nothing;
            let outcome = match admitted {
                Err(fault) => Err(fault),
                Ok((deployed, arrived)) => {
                    let (mut now, mut is_again) = (arrived, false);
                    loop {
                        let ready = self.ready(&deployed, (arrived, now), &mut call, &mut timing).await;
                        let (slot, end, began) = match ready {
                            Ok(ready) => ready,
                            Err(fault) => break Err(fault),
                        };
                        let (sink, source) = reply_pipe();
                        let work = Box::pin(dispatch(slot, end, call, sink));
                        let outcome = converse(&self.keeper, work, source, began, &mut timing, &mut after).await;
                        match after {
                            After::Again(given_back) if !is_again => call = *given_back,
                            _ => break outcome,
                        }
                        (after, now, is_again) = (After::Nothing, Instant::now(), true);
                    }
                }
            };
            match after {
                After::Rest => counted.goes_on(&timing),
                After::Again(_) | After::Nothing => counted.ended(&outcome, &timing),
            }
            if let Some((id, function)) = named {
                meter::closing(id, &function, &outcome, &timing);
            }
            match outcome {
                Ok(reply) => Ok(Reply { timing, ..reply }),
                Err(fault) => Err(fault.timed(timing)),
            }
        })
    }
}

impl tower_service::Service<Call> for Agent {
    type Response = Reply;
    type Error = Fault;
    type Future = Pin<Box<dyn Future<Output = Result<Reply, Fault>> + Send>>;

    /// Always: calls wait in their function's queue, which has a bound of its own.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call) -> Self::Future {
        let agent = self.clone();
        Box::pin(async move { agent.invoke(call).await })
    }
}

#[cfg(test)]
mod tests;
