//! One container: made, started, frozen, ended.
//!
//! That a container has ended shows in its streams' end, which comes at once; only then, or when they are
//! stuck, is the engine asked how it ended. Nothing else is asked of the engine while a container lives: to freeze it is to
//! write to its control group, and where that is takes one question, at its first freeze.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bollard::models::ContainerState;
use bollard::query_parameters::{KillContainerOptions, RemoveContainerOptions};
use hotfn_protocols::{Ends, Exit, Exiting};
use tokio::sync::{OnceCell, watch};

use super::background::Background;
use super::end::{End, KILL};
use super::engine::{self, Engine, Stdin};
use super::networks::Lease;
use super::streams::Streams;
use super::tally;
use crate::container::cgroup::{Accounts, Cgroup};
use crate::container::usage::Usage;
use crate::container::{Container, Created, Doing, DriverError, LogLine};

/// How long an engine may take to notice that a container has ended and to say how, as a rule. It takes
/// 30 ms to 70 ms when it has little else to do.
const EXIT_KNOWN_WITHIN: Duration = Duration::from_millis(500);
/// How long a container that was killed may take to be gone.
const KILL_PATIENCE: Duration = Duration::from_secs(10);
/// How often a removal is tried that the engine has failed at,
const REMOVALS_MAX: u32 = 5;
/// and the pause after the first; each further one is twice as long.
const REMOVAL_PAUSE: Duration = Duration::from_millis(100);
/// A container that the engine has. Dropping it removes it in the background.
#[derive(Debug)]
pub(super) struct Held {
    engine: Arc<Engine>,
    background: Background,
    /// The engine's own name of it, 64 digits.
    pub(super) id: String,
    gone: AtomicBool,
    _network: Option<Lease>,
}

impl Held {
    pub(super) fn new(engine: Arc<Engine>, background: Background, id: String, network: Option<Lease>) -> Self {
        Self { engine, background, id, gone: AtomicBool::new(false), _network: network }
    }

    async fn remove(&self) {
        match remove(&self.engine, &self.id).await {
            Ok(()) => self.gone.store(true, Ordering::Relaxed),
            Err(error) => tracing::warn!(container = self.id, %error, "a container stays behind"),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.gone.load(Ordering::Relaxed) {
            return;
        }
        let (engine, id) = (self.engine.clone(), std::mem::take(&mut self.id));
        self.background.spawn(async move {
            if let Err(error) = bury(&engine, &id).await {
                tracing::warn!(container = id, %error, "a container stays behind");
            }
        });
    }
}

/// A container that was not started yet.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) held: Held,
    pub(super) image: String,
    pub(super) pipes: bool,
}

impl Made {
    async fn begin(self, log: LogLine) -> Result<Running, DriverError> {
        let Self { held, image, pipes } = self;
        let (engine, id) = (&held.engine, &held.id);
        let failed = |why| DriverError::Engine { what: format!("container {id} of image {image:?}"), why };
        let stdin = if pipes { Stdin::Open } else { Stdin::Closed };
        // Before it starts, so that nothing it says is lost.
        let (wire, begun) = engine.attach(id, stdin).await.map_err(failed)?;
        engine.api.start_container(id, None).await.map_err(|e| {
            let why = engine::why(&e);
            // The runtime's words, when there is no such program in the image or it cannot be run.
            let unrunnable =
                ["executable file not found", "exec format error", "exec: "].iter().any(|w| why.contains(w));
            if unrunnable {
                DriverError::Image { image: image.clone(), why: format!("does not start: {why}") }
            } else {
                failed(why)
            }
        })?;

        let end = End::new(held.engine.clone(), held.id.clone());
        let exit = end.heard();
        let mut ends = None;
        let streams = if pipes {
            let (streams, stdin, answers) = Streams::of_format(wire, begun, log);
            let exit = Exiting(Box::pin(exited(exit.clone())));
            ends = Some(Ends::Pipes { stdin: Box::new(stdin), stdout: Box::new(answers), exit });
            streams
        } else {
            Streams::of_log(wire, begun, log)
        };
        tokio::spawn(async move {
            streams.follow(|| end.told()).await;
            end.told().await;
        });
        let freezer = OnceCell::new();
        let accounts = OnceCell::new();
        Ok(Running { held, exit, pipes: Mutex::new(ends), freezer, accounts, frozen: AtomicBool::new(false) })
    }
}

impl Created for Made {
    fn start(self: Box<Self>, log: LogLine) -> Doing<'static, Result<Box<dyn Container>, DriverError>> {
        let background = self.held.background.clone();
        Box::pin(background.see_through(async move { Ok(Box::new(self.begin(log).await?) as Box<dyn Container>) }))
    }

    fn discard(self: Box<Self>) -> Doing<'static, ()> {
        Box::pin(async move { self.held.remove().await })
    }
}

/// A container that was started.
pub(super) struct Running {
    held: Held,
    exit: watch::Receiver<Option<Exit>>,
    pipes: Mutex<Option<Ends>>,
    freezer: OnceCell<Freezer>,
    /// Found when somebody asks what it uses; `None` inside if they are not within reach.
    accounts: OnceCell<Option<Accounts>>,
    /// It is, or may be.
    frozen: AtomicBool,
}

/// By what it is frozen.
#[derive(Debug)]
enum Freezer {
    /// Its control group, which is within reach.
    Cgroup(Cgroup),
    /// The engine.
    Engine,
}

impl Running {
    /// Found at the first freeze: a start should not have to ask.
    async fn freezer(&self) -> Result<&Freezer, DriverError> {
        let find = || async {
            let Held { engine, id, .. } = &self.held;
            if !engine.is_here() {
                return Ok(Freezer::Engine);
            }
            let state = state(engine, id).await.map_err(|e| self.failed("freeze", &e))?;
            Ok(cgroup(&state, id).map_or(Freezer::Engine, Freezer::Cgroup))
        };
        self.freezer.get_or_try_init(find).await
    }

    /// The engine's containers elsewhere have none here.
    async fn accounts(&self) -> Option<&Accounts> {
        let Held { engine, id, .. } = &self.held;
        if !engine.is_here() {
            return None;
        }
        let find = || async {
            let pid = state(engine, id).await?.pid.and_then(|pid| u32::try_from(pid).ok());
            Ok::<_, bollard::errors::Error>(pid.and_then(|pid| Accounts::of(pid, id).ok()))
        };
        self.accounts.get_or_try_init(find).await.ok()?.as_ref()
    }

    async fn wake(&self) -> Result<(), DriverError> {
        let Some(freezer) = self.freezer.get() else { return Ok(()) };
        match freezer {
            Freezer::Cgroup(group) => group.thaw().map_err(|source| self.unfrozen("thaw", source))?,
            Freezer::Engine => {
                self.held.engine.api.unpause_container(&self.held.id).await.map_err(|e| self.failed("thaw", &e))?;
            }
        }
        self.frozen.store(false, Ordering::Relaxed);
        Ok(())
    }

    async fn signal(&self, signal: &str) {
        let options = KillContainerOptions { signal: signal.to_owned() };
        // One that has ended meanwhile hears nothing, which shows in its exit.
        if let Err(e) = self.held.engine.api.kill_container(&self.held.id, Some(options)).await {
            tracing::debug!(container = self.held.id, signal, "was not heard: {}", engine::why(&e));
        }
    }

    fn failed(&self, verb: &str, e: &bollard::errors::Error) -> DriverError {
        DriverError::Engine { what: format!("cannot {verb} container {}", self.held.id), why: engine::why(e) }
    }

    fn unfrozen(&self, verb: &str, source: std::io::Error) -> DriverError {
        DriverError::Os { what: format!("cannot {verb} container {}", self.held.id), source }
    }
}

impl Container for Running {
    fn pipes(&self) -> Option<Ends> {
        self.pipes.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn exit(&self) -> Doing<'static, Exit> {
        Box::pin(exited(self.exit.clone()))
    }

    fn exit_known_within(&self) -> Duration {
        EXIT_KNOWN_WITHIN
    }

    fn freeze(&self) -> Doing<'_, Result<(), DriverError>> {
        Box::pin(async {
            let freezer = self.freezer().await?;
            self.frozen.store(true, Ordering::Relaxed);
            match freezer {
                Freezer::Cgroup(group) => group.freeze().await.map_err(|source| self.unfrozen("freeze", source)),
                Freezer::Engine => {
                    self.held.engine.api.pause_container(&self.held.id).await.map_err(|e| self.failed("freeze", &e))
                }
            }
        })
    }

    fn thaw(&self) -> Doing<'_, Result<(), DriverError>> {
        Box::pin(self.wake())
    }

    fn usage(&self) -> Doing<'_, Option<Usage>> {
        Box::pin(async {
            let accounts = self.accounts().await?.clone();
            tokio::task::spawn_blocking(move || accounts.read()).await.ok()
        })
    }

    fn end(&self, grace: Duration) -> Doing<'_, ()> {
        Box::pin(async move {
            if self.frozen.load(Ordering::Relaxed)
                && let Err(error) = self.wake().await
            {
                tracing::debug!(%error, "a container that is to end stays frozen");
            }
            let ended = || self.exit.borrow().is_some();
            if !ended() && !grace.is_zero() {
                self.signal("SIGTERM").await;
                let _ = tokio::time::timeout(grace, self.exit()).await;
            }
            if !ended() {
                self.signal("SIGKILL").await;
                let _ = tokio::time::timeout(KILL_PATIENCE, self.exit()).await;
            }
            self.held.remove().await;
        })
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("id", &self.held.id).field("exit", &*self.exit.borrow()).finish_non_exhaustive()
    }
}

/// Ends and removes a container whatever state it is in. One that was frozen behind the engine's back
/// has to be woken first, to be able to die.
pub(super) async fn bury(engine: &Engine, id: &str) -> Result<(), String> {
    if engine.is_here()
        && let Ok(state) = state(engine, id).await
        && let Some(group) = cgroup(&state, id)
        && let Err(error) = group.thaw()
    {
        tracing::debug!(container = id, %error, "a container that is to be removed stays frozen");
    }
    remove(engine, id).await
}

/// Removes a container and its volumes, by force.
async fn remove(engine: &Engine, id: &str) -> Result<(), String> {
    let mut pause = REMOVAL_PAUSE;
    let mut tries = 1;
    loop {
        let options = RemoveContainerOptions { force: true, v: true, ..RemoveContainerOptions::default() };
        match engine.api.remove_container(id, Some(options)).await {
            Ok(()) => return Ok(()),
            Err(e) if engine::status(&e) == Some(404) => return Ok(()),
            // Among them 409: somebody else is at it.
            Err(e) if tries == REMOVALS_MAX => return Err(engine::why(&e)),
            Err(e) => {
                engine.tally.retry(tally::REMOVE, engine::status(&e).into());
                tokio::time::sleep(pause).await;
            }
        }
        pause *= 2;
        tries += 1;
    }
}

pub(super) async fn state(engine: &Engine, id: &str) -> Result<ContainerState, bollard::errors::Error> {
    Ok(engine.api.inspect_container(id, None).await?.state.unwrap_or_default())
}

/// The control group of a container that runs, if we may write to it.
fn cgroup(state: &ContainerState, id: &str) -> Option<Cgroup> {
    let pid = u32::try_from(state.pid?).ok().filter(|pid| *pid != 0)?;
    Cgroup::of(pid, id).inspect_err(|error| tracing::debug!(%error, "the engine has to freeze it")).ok()
}

async fn exited(mut exit: watch::Receiver<Option<Exit>>) -> Exit {
    let known = exit.wait_for(Option::is_some).await.map(|exit| *exit);
    // Without an answer the task that follows it was cut off, and with it everything here.
    known.ok().flatten().unwrap_or(Exit::Signal(KILL))
}
