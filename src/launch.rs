//! One container's life: its directory, the watch on it, the start, the wait for its socket, and
//! the end, in reverse order.

use std::sync::Arc;
use std::time::Instant;

use hotfn_protocols::{CallId as ContainerName, Fault, Kind, names};
use tokio::sync::oneshot;

use crate::Function;
use crate::container::{Container, DriverError, PullFailure, Spec, View};
use crate::ends::{Ends, MakeEnd};
use crate::hot::Hot;
use crate::iofs::{Iofs, LISTENER};
use crate::keeper::{Keeper, Line};
use crate::log::Log;
use crate::pool::{ContainerId, Event};
use crate::watch::Armed;

/// What is needed to start one container and to keep it.
pub(crate) struct Launch {
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) line: Arc<Line>,
    pub(crate) id: ContainerId,
    pub(crate) function: Arc<Function>,
    /// What this container alone is told: a cold call's own variables.
    pub(crate) env: Vec<(String, String)>,
}

/// Who is told that the container can take calls, or why it cannot.
pub(crate) enum Report {
    /// The one cold call it is for. When that call leaves, the container goes.
    Call(oneshot::Sender<Result<Arc<Hot>, Fault>>),
    /// The pool, which gives it to whoever waits.
    Pool,
}

/// What a start has made so far, to be taken down in reverse.
#[derive(Default)]
struct Made {
    iofs: Option<Arc<Iofs>>,
    armed: Option<Armed>,
    container: Option<Box<dyn Container>>,
}

impl Launch {
    /// The whole life, from the first directory to the last.
    pub(crate) async fn live(self, mut report: Report) {
        let began = Instant::now();
        let name = ContainerName::new().to_string();
        let log = Log::new(self.function.clone(), name.clone(), self.keeper.config.log_bytes_max);
        let mut made = Made::default();

        let started = {
            let start = self.start(&name, &log, &mut made);
            tokio::select! {
                started = start => Some(started),
                () = left(&mut report) => None,
                () = self.keeper.force.cancelled() => None,
            }
        };
        let grace = self.keeper.config.end_grace;
        match started {
            Some(Ok(())) => match self.ends(&made) {
                Ok(ends) => {
                    let container = made.container.take().expect("a start that succeeds made a container");
                    drop(made.armed.take());
                    let hot = Hot::new(name, self.function.clone(), log, container, ends, began);
                    self.keep(Arc::new(hot), report).await;
                }
                Err(fault) => self.failed(fault, report),
            },
            Some(Err(fault)) => self.failed(fault, report),
            None => tracing::debug!(container_id = %name, "its call left while it started"),
        }
        if let Some(container) = made.container {
            container.end(grace).await;
        }
        drop(made.armed);
        if let Some(iofs) = made.iofs {
            iofs.close().await;
        }
        self.keeper.tell(&self.line, Event::Gone(self.id));
    }

    async fn start(&self, name: &str, log: &Arc<Log>, made: &mut Made) -> Result<(), Fault> {
        let format = self.function.format;
        let internal = |what: &'static str, error: Box<dyn std::error::Error + Send + Sync>| {
            tracing::error!(container_id = %name, fn_id = %self.function.id, error = %Chain(&*error), "{what}");
            Fault::new(Kind::Internal).because(what).caused_by(error)
        };
        let driver = &self.keeper.driver;
        let refused = |e| driver_fault(e, &internal);
        let wait = self.keeper.config.pull_timeout;
        match tokio::time::timeout(wait, driver.prepare(&self.function.image)).await {
            Ok(prepared) => prepared.map_err(refused)?,
            Err(_) => {
                let reason = format!("image {:?} was not here within {wait:?}", self.function.image);
                return Err(Fault::new(Kind::PullTimeout).because(reason));
            }
        }
        let iofs = self.keeper.root.container(name);
        let iofs =
            made.iofs.insert(Arc::new(iofs.map_err(|e| internal("cannot make a container directory", e.into()))?));
        if format.has_socket() {
            // Before the container starts: a socket may appear at any moment after.
            let armed = self.keeper.watch.arm(iofs);
            made.armed = Some(armed.map_err(|e| internal("cannot watch a container directory", e.into()))?);
        }
        let spec = Spec {
            id: name.to_owned(),
            node: self.keeper.node.clone(),
            function: self.function.id.to_string(),
            image: self.function.image.clone(),
            dir: self.function.dir.clone(),
            env: self.environment(iofs),
            iofs: Some(iofs.path().to_owned()),
            pipes: !format.has_socket(),
            memory_mb: self.function.memory_mb,
            cpu_milli: self.function.cpu_milli,
            connections_max: if format.has_socket() { self.function.concurrency } else { 0 },
        };
        let created = driver.create(spec).await.map_err(refused)?;
        let container = created.start(log.sink()).await.map_err(refused)?;
        let container = made.container.insert(container);
        let Some(armed) = &mut made.armed else { return Ok(()) };

        let wait = self.keeper.config.start_timeout;
        let ended = container.exit();
        let outcome = tokio::time::timeout(wait, async {
            tokio::select! {
                biased;
                found = armed.socket(iofs) => found.map_err(|invalid| invalid.to_string()),
                exit = ended => Err(format!("container ended with {exit} before its socket appeared")),
            }
        })
        .await;
        let quoting = |reason: String| match log.last_words() {
            Some(words) => format!("{reason} (container {name}); its last words: {words}"),
            None => format!("{reason} (container {name})"),
        };
        match outcome {
            Ok(Ok(())) => Ok(()),
            Ok(Err(reason)) => Err(Fault::new(Kind::InitFailed).because(quoting(reason))),
            Err(_) => {
                let reason = format!("socket did not appear within {wait:?}");
                Err(Fault::new(Kind::InitTimeout).because(quoting(reason)))
            }
        }
    }

    /// The container's ends in the function's format.
    fn ends(&self, made: &Made) -> Result<Ends, Fault> {
        let (format, limits) = (self.function.format, self.keeper.config.limits.clone());
        let iofs = made.iofs.clone().expect("a start that succeeds made a directory");
        if format.has_socket() {
            let make: MakeEnd = Box::new(move || {
                let dial = iofs.dial();
                format
                    .end(hotfn_protocols::Ends::Socket(dial), limits.clone())
                    .expect("a format with a socket takes one")
            });
            return Ok(Ends::many(make, self.function.concurrency));
        }
        let pipes = made.container.as_ref().and_then(|c| c.pipes());
        let end = pipes.and_then(|ends| format.end(ends, limits).ok());
        end.map(Ends::one).ok_or_else(|| Fault::new(Kind::Internal).because("the driver gave no pipes"))
    }

    /// The container is up: say so, and stay until it ends or is to end.
    async fn keep(&self, hot: Arc<Hot>, report: Report) {
        tracing::info!(
            container_id = %hot.name, fn_id = %hot.function.id, image = %hot.function.image,
            took_ms = hot.launch_took.as_millis() as u64, "container is up"
        );
        let exit = hot.container().exit();
        match report {
            Report::Pool => self.keeper.tell(&self.line, Event::Ready(self.id, hot.clone())),
            Report::Call(call) => {
                if call.send(Ok(hot.clone())).is_err() {
                    hot.leave();
                }
            }
        }
        let by_itself = tokio::select! {
            exit = exit => Some(exit),
            () = hot.asked_to_leave() => None,
            () = self.keeper.force.cancelled() => None,
        };
        if let Some(exit) = by_itself {
            hot.ended(exit);
            self.keeper.tell(&self.line, Event::Died(self.id));
        }
        hot.container().end(self.keeper.config.end_grace).await;
        let exit = hot.container().exit().await;
        hot.ended(exit);
        tracing::info!(
            container_id = %hot.name, fn_id = %hot.function.id, %exit, by_itself = by_itself.is_some(),
            "container is gone"
        );
    }

    fn failed(&self, fault: Fault, report: Report) {
        tracing::warn!(fn_id = %self.function.id, image = %self.function.image, "container did not come up: {fault}");
        match report {
            Report::Pool => self.keeper.tell(&self.line, Event::Failed(self.id, fault)),
            Report::Call(call) => {
                let _left = call.send(Err(fault));
            }
        }
    }

    /// What the container is told, later over earlier: the basics, the function's config, the
    /// platform's own names. No user overrides the last.
    fn environment(&self, iofs: &Iofs) -> Vec<(String, String)> {
        let function = &self.function;
        let mut env = Vec::with_capacity(16 + function.config.len() + self.env.len());
        let mut set = |name: &str, value: String| env.push((name.to_owned(), value));
        let view = self.keeper.driver.view();
        if view == View::Host {
            for name in INHERITED {
                if let Ok(value) = std::env::var(name) {
                    set(name, value);
                }
            }
        }
        for (name, value) in &function.config {
            set(name, value.clone());
        }
        set(names::ENV_FORMAT, function.format.to_string());
        if function.format.has_socket() {
            let listener = match view {
                View::Host => iofs.listener(),
                View::Image { iofs } => format!("unix:{iofs}/{LISTENER}"),
            };
            set(names::ENV_LISTENER, listener);
        } else {
            set("FN_PATH", "/invoke".to_owned());
        }
        set("FN_APP_ID", function.app_id.clone());
        set("FN_APP_NAME", function.app_name.clone());
        set("FN_FN_ID", function.id.to_string());
        set("FN_FN_NAME", function.name.clone());
        set("FN_MEMORY", function.memory_mb.to_string());
        if function.cpu_milli > 0 {
            set("FN_CPUS", format!("{}m", function.cpu_milli));
        }
        set("FN_TYPE", "sync".to_owned());
        set("FN_SHUTDOWN_MS", shutdown_ms(self.keeper.config.end_grace).to_string());
        env.extend(self.env.iter().cloned());
        env
    }
}

/// What a function sees of the agent's own environment.
const INHERITED: [&str; 5] = ["HOME", "HOSTNAME", "LANG", "PATH", "TZ"];

/// Half of the grace is the function's own to shut down in; the rest is for its way out.
fn shutdown_ms(grace: std::time::Duration) -> u128 {
    (grace / 2).as_millis()
}

/// Resolves when the cold call that this container is for has left.
async fn left(report: &mut Report) {
    match report {
        Report::Call(call) => call.closed().await,
        Report::Pool => std::future::pending().await,
    }
}

type Internal<'a> = dyn Fn(&'static str, Box<dyn std::error::Error + Send + Sync>) -> Fault + 'a;

fn driver_fault(error: DriverError, internal: &Internal<'_>) -> Fault {
    match error {
        DriverError::Image { .. } => Fault::new(Kind::InitFailed).because(error.to_string()).caused_by(error),
        DriverError::Pull { failure, .. } => {
            let fault = match failure {
                PullFailure::Broken => Fault::new(Kind::PullFailed),
                PullFailure::Refused(status) => Fault::new(Kind::PullFailed).refused_with(status),
                PullFailure::TimedOut => Fault::new(Kind::PullTimeout),
            };
            fault.because(error.to_string()).caused_by(error)
        }
        DriverError::Engine { .. } | DriverError::Os { .. } => {
            internal("the driver cannot start a container", error.into())
        }
    }
}

/// An error with all its causes, on one line.
struct Chain<'a>(&'a (dyn std::error::Error + 'a));

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
