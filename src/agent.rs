//! The agent: the door that calls come in by, and what an embedder holds.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hotfn_protocols::{Call, CallId, Deadline, Fault, FunctionId, Io, Kind, Reply, Timing, default, reply_pipe};
use tokio::sync::oneshot;

use crate::config::Config;
use crate::container::Driver;
use crate::container::process::ProcessDriver;
use crate::dispatch::dispatch;
use crate::host::{Host, HostError};
use crate::hot::Hot;
use crate::iofs::{IofsError, Root};
use crate::keeper::{Deployed, Keeper};
use crate::launch::Report;
use crate::pool::{Event, Need, Ticket, Todo};
use crate::slot::{Slot, Unfit};
use crate::watch::{Watch, WatchError};
use crate::{Function, Invoke, meter};

/// Keeps containers hot and gives calls to them. Cheap to clone.
///
/// When the last clone is dropped without [`Agent::drain`], containers are left to the next
/// agent's sweep, as after a crash.
#[derive(Clone, Debug)]
pub struct Agent {
    keeper: Arc<Keeper>,
    _ticking: Arc<Ticking>,
}

/// Makes an [`Agent`].
#[derive(Debug)]
pub struct Builder {
    /// How it is to be.
    pub config: Config,
    driver: Option<Arc<dyn Driver>>,
}

/// Why an agent could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The host's memory or CPUs could not be read, or leave nothing for containers.
    #[error("cannot tell what the host has to give; set memory_mb and cpu_milli")]
    Host(#[from] HostError),
    /// The place of the container directories cannot be used.
    #[error("cannot use {path:?} for container directories; choose another iofs root")]
    Iofs {
        /// The place.
        path: PathBuf,
        /// What is the matter with it.
        #[source]
        source: IofsError,
    },
    /// The supervisor of processes could not start.
    #[error("cannot start the supervisor of processes")]
    Supervisor(#[source] std::io::Error),
    /// There can be no inotify instance.
    #[error("cannot watch directories; raise fs.inotify.max_user_instances")]
    Watch(#[from] WatchError),
}

impl Agent {
    /// Starts from the defaults, with the process driver.
    #[must_use]
    pub fn builder() -> Builder {
        Builder { config: Config::default(), driver: None }
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

    async fn serve(&self, call: Call) -> Result<Reply, Fault> {
        let mut timing = Timing::default();
        let id = call.id;
        let function = call.function.clone();
        let outcome = self.answer(call, &mut timing).await;
        meter::closing(id, &function, &outcome, &timing);
        match outcome {
            Ok(mut reply) => {
                reply.timing = timing;
                Ok(reply)
            }
            Err(fault) => Err(fault.timed(timing)),
        }
    }

    async fn answer(&self, mut call: Call, timing: &mut Timing) -> Result<Reply, Fault> {
        let deployed = self.keeper.deployed(&call.function);
        let deployed = deployed.ok_or_else(|| {
            Fault::new(Kind::UnknownFunction).because(format!("no function has the id {:?}", call.function.as_str()))
        })?;
        let arrived = Instant::now();
        let (mut slot, mut end) = loop {
            let slot = self.slot(&deployed, call.deadline, arrived).await;
            timing.queue = Some(arrived.elapsed());
            let mut slot = slot?;
            if slot.hot().is_none() {
                break (slot, None);
            }
            let granted = Instant::now();
            let end = slot.open().await;
            if slot.was_frozen() {
                timing.thaw = Some(granted.elapsed());
            }
            // A container that turns out unfit retires with its slot, and the call takes another:
            // nothing of it was sent. One that nobody used before would be followed by its like.
            match end {
                Err(Unfit::New(fault)) => return Err(fault),
                Err(Unfit::Worn) => {}
                Ok(end) => break (slot, Some(end)),
            }
        };
        let function = slot.hot().map_or_else(|| deployed.function(), |hot| hot.function.clone());
        let deadline = Deadline::after(function.timeout);
        let deadline = call.deadline.map_or(deadline, |caller| caller.earlier(deadline));
        if slot.hot().is_none() {
            call.deadline = Some(deadline);
            let env = default::env(&call);
            end = Some(self.start_cold(&mut slot, call.id, env, deadline).await?);
        }
        let hot = slot.hot().cloned().expect("a slot that is ready has a container");
        let end = end.expect("a slot that is ready has an end");
        if hot.ready_at > arrived {
            timing.launch = Some(hot.launch_took);
        }
        converse(&self.keeper, slot, hot, end, call, deadline, timing).await
    }

    /// Waits for a slot: first come, first served. Cancel safe: who leaves is forgotten.
    async fn slot(&self, deployed: &Deployed, until: Option<Deadline>, arrived: Instant) -> Result<Slot, Fault> {
        if self.keeper.is_draining() {
            return Err(Fault::new(Kind::Draining));
        }
        let (keeper, line) = (&self.keeper, &deployed.line);
        if let Some(granted) = keeper.pool.take(line, arrived) {
            return Ok(Slot::new(keeper.clone(), line.clone(), granted));
        }
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
        let ticket = keeper.pool.arrive(line, sender, Instant::now(), &mut todo);
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
    ) -> Result<Io, Fault> {
        slot.begin(id);
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

/// Talks to the container until the answer's head is there, or all of it.
///
/// A whole answer costs no task. One that goes on streaming gets a task of its own, so that the
/// deadline holds even when the caller is slow to read.
async fn converse(
    keeper: &Arc<Keeper>,
    slot: Slot,
    hot: Arc<Hot>,
    end: Io,
    call: Call,
    deadline: Deadline,
    timing: &mut Timing,
) -> Result<Reply, Fault> {
    let began = Instant::now();
    let (sink, mut source) = reply_pipe();
    let mut work = Box::pin(dispatch(slot, hot, end, call, deadline, sink));
    let done = std::future::poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(fault) => Poll::Ready(Some(fault)),
        // Without a head there will be a fault; it may take a moment to find out why.
        Poll::Pending if source.poll_head(cx) == Poll::Ready(true) => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await;
    timing.dispatch = source.reached().map(|reached| reached.saturating_duration_since(began));
    timing.function = source.reached().map(|reached| reached.elapsed());
    match done {
        Some(Some(fault)) => return Err(fault),
        Some(None) => {}
        None => {
            keeper.tasks.spawn_on(
                async move {
                    if let Some(fault) = work.await {
                        tracing::debug!("answer was cut: {fault}");
                    }
                },
                &keeper.runtime,
            );
        }
    }
    let answer = source.into_reply();
    let answer =
        answer.ok_or_else(|| Fault::new(Kind::Internal).because("the format gave neither an answer nor a reason"))?;
    Ok(Reply { head: answer.head, body: answer.body, timing: *timing })
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

impl Builder {
    /// Uses another driver than that of processes.
    #[must_use]
    pub fn driver(mut self, driver: Arc<dyn Driver>) -> Self {
        self.driver = Some(driver);
        self
    }

    /// Sweeps what earlier agents left behind under the same root, then starts. Blocks while what
    /// they left is being ended. Needs a tokio runtime with time and I/O, whose tasks the agent's
    /// containers then are.
    ///
    /// # Errors
    /// When the iofs root cannot be used, the host's resources cannot be told, or the kernel gives
    /// no inotify instance.
    pub fn start(self) -> Result<Agent, StartError> {
        let config = self.config;
        let room = match (config.memory_mb, config.cpu_milli) {
            (Some(memory_mb), Some(cpu_milli)) => Need { memory_mb, cpu_milli },
            (memory_mb, cpu_milli) => {
                let host = Host::read(Path::new("/"))?;
                Need { memory_mb: memory_mb.unwrap_or(host.memory_mb), cpu_milli: cpu_milli.unwrap_or(host.cpu_milli) }
            }
        };
        let root = Root::open(&config.iofs_root)
            .map_err(|source| StartError::Iofs { path: config.iofs_root.clone(), source })?;
        let watch = Watch::new()?;
        let driver = match self.driver {
            Some(driver) => driver,
            None => Arc::new(ProcessDriver::new().map_err(StartError::Supervisor)?),
        };
        let runtime = tokio::runtime::Handle::current();
        let keeper = Arc::new(Keeper::new(config, driver, root, watch, room, runtime.clone()));
        let ticking = Arc::new(Ticking(runtime.spawn(keeper.ticking()).abort_handle()));
        Ok(Agent { keeper, _ticking: ticking })
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
    fn invoke(&self, call: Call) -> Pin<Box<dyn Future<Output = Result<Reply, Fault>> + Send + '_>> {
        Box::pin(self.serve(call))
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
        Box::pin(async move { agent.serve(call).await })
    }
}

#[cfg(test)]
mod tests;
