//! A container that was made and not started yet: its directory, the watch on it, and what the
//! driver made.
//!
//! That much of a container can be had ahead of the call that needs it. What it knows is its
//! function and nothing of any call; a cold call's own variables come in when it is made for that
//! call alone.

use std::sync::Arc;
use std::time::Duration;

use hotfn_protocols::{CallId as ContainerName, Fault, Kind, names};

use crate::Function;
use crate::container::{Created, Doing, DriverError, PullFailure, Spec, View};
use crate::exec::{self, Door};
use crate::iofs::{Iofs, LISTENER};
use crate::keeper::Keeper;
use crate::log::Log;
use crate::phases::{Lap, Phases};
use crate::watch::Armed;

/// How long a driver may take to make a container, or to start one that was made: longer than any engine
/// takes to say no, so that its own words are heard first. One that says nothing at all would else hold
/// up its calls for ever.
pub(crate) const DRIVER_PATIENCE: Duration = Duration::from_secs(180);

/// A container that was made and not started yet. Dropping it removes it, in the background.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) name: String,
    pub(crate) log: Arc<Log>,
    /// For formats with a socket; armed before the container starts, since the socket may appear at
    /// any moment after.
    pub(crate) armed: Option<Armed>,
    pub(crate) created: Box<dyn Created>,
    /// By which it runs programs of this host, if it may.
    pub(crate) door: Option<Door>,
    /// Last, because it outlives what runs in it.
    pub(crate) iofs: Arc<Iofs>,
}

impl Made {
    /// Gets the image ready and makes a container of it. `env` is what this container alone is told.
    /// The steps it took are noted in `phases`, also if one failed.
    pub(crate) async fn make(
        keeper: &Keeper,
        function: Arc<Function>,
        env: &[(String, String)],
        phases: &mut Phases,
    ) -> Result<Self, Fault> {
        let name = ContainerName::new().to_string();
        let failed = Failed { name: &name, function: &function };
        let mut lap = Lap::start();
        let wait = keeper.config.pull_timeout;
        let prepared = tokio::time::timeout(wait, keeper.driver.prepare(&function.image)).await;
        lap.note(&mut phases.image);
        match prepared {
            Ok(prepared) => prepared.map_err(|e| failed.by_driver(e))?,
            Err(_) => {
                let reason = format!("image {:?} was not here within {wait:?}", function.image);
                return Err(Fault::new(Kind::PullTimeout).because(reason));
            }
        }
        let iofs = keeper.root.container(&name);
        let iofs = Arc::new(iofs.map_err(|e| failed.internally("cannot make a container directory", e))?);
        let armed = match function.format.has_socket() {
            true => {
                let armed = keeper.watch.arm(&iofs);
                Some(armed.map_err(|e| failed.internally("cannot watch a container directory", e))?)
            }
            false => None,
        };
        let door = Door::open(&keeper.config, &function, &iofs, &keeper.programs);
        let door = door.map_err(|e| failed.internally("cannot make a container's exec socket", e))?;
        let spec = spec(keeper, &name, &function, env, &iofs, door.is_some());
        let created = failed.in_time(keeper.driver.create(spec)).await;
        lap.note(&mut phases.create);
        let created = created?;
        let log = Log::new(function, name.clone(), keeper.config.log_bytes_max, keeper.written.clone());
        Ok(Self { name, log, armed, created, door, iofs })
    }

    /// Removes it. When this resolves nothing is left of it.
    pub(crate) async fn discard(self) {
        self.created.discard().await;
        drop(self.armed);
        self.iofs.close().await;
    }
}

/// How what fails on the way up becomes a fault.
pub(crate) struct Failed<'a> {
    pub(crate) name: &'a str,
    pub(crate) function: &'a Function,
}

impl Failed<'_> {
    /// What a driver does, if it does it in time.
    pub(crate) async fn in_time<T>(&self, doing: Doing<'_, Result<T, DriverError>>) -> Result<T, Fault> {
        let done = tokio::time::timeout(DRIVER_PATIENCE, doing).await;
        let done = done.unwrap_or_else(|_| {
            let why = format!("its driver says nothing for {DRIVER_PATIENCE:?}");
            Err(DriverError::Engine { what: format!("container {}", self.name), why })
        });
        done.map_err(|e| self.by_driver(e))
    }

    /// The driver's own error.
    pub(crate) fn by_driver(&self, error: DriverError) -> Fault {
        match error {
            // What these say is all there is to them: there is no cause beneath.
            DriverError::Barred { .. } => Fault::new(Kind::ImageBarred).because(error.to_string()),
            DriverError::Image { .. } => Fault::new(Kind::InitFailed).because(error.to_string()),
            DriverError::Pull { failure, .. } => {
                let fault = match failure {
                    PullFailure::Broken => Fault::new(Kind::PullFailed),
                    PullFailure::Refused(status) => Fault::new(Kind::PullFailed).refused_with(status),
                    PullFailure::TimedOut => Fault::new(Kind::PullTimeout),
                };
                fault.because(error.to_string())
            }
            DriverError::Engine { .. } | DriverError::Os { .. } => {
                self.internally("the driver cannot start a container", error)
            }
        }
    }

    /// Something of ours, which is for the log and not for the caller.
    fn internally(&self, what: &'static str, error: impl std::error::Error + Send + Sync + 'static) -> Fault {
        tracing::error!(container_id = %self.name, fn_id = %self.function.id, error = %Chain(&error), "{what}");
        Fault::new(Kind::Internal).because(what).caused_by(error)
    }
}

fn spec(
    keeper: &Keeper,
    name: &str,
    function: &Function,
    env: &[(String, String)],
    iofs: &Iofs,
    has_door: bool,
) -> Spec {
    let has_socket = function.format.has_socket();
    Spec {
        id: name.to_owned(),
        node: keeper.node.clone(),
        function: function.id.to_string(),
        image: function.image.clone(),
        dir: function.dir.clone(),
        env: environment(keeper, function, env, iofs, has_door),
        iofs: Some(iofs.path().to_owned()),
        pipes: !has_socket,
        memory_mb: function.memory_mb,
        cpu_milli: function.cpu_milli,
        connections_max: if has_socket { function.concurrency } else { 0 },
    }
}

/// What the container is told, later over earlier: the basics, the function's config and secrets, the
/// platform's own names. No user overrides the last.
fn environment(
    keeper: &Keeper,
    function: &Function,
    env: &[(String, String)],
    iofs: &Iofs,
    has_door: bool,
) -> Vec<(String, String)> {
    let mut all = Vec::with_capacity(16 + function.config.len() + function.secrets.len() + env.len());
    let mut set = |name: &str, value: String| all.push((name.to_owned(), value));
    let view = keeper.driver.view();
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
    for (name, value) in &function.secrets {
        set(name, value.reveal().to_owned());
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
    if has_door {
        let path = match view {
            View::Host => iofs.short(exec::SOCKET),
            View::Image { iofs } => format!("{iofs}/{}", exec::SOCKET),
        };
        set(exec::ENV, path);
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
    set("FN_SHUTDOWN_MS", shutdown_ms(keeper.config.end_grace).to_string());
    all.extend(env.iter().cloned());
    all
}

/// What a function that sees this host sees of the agent's own environment.
const INHERITED: [&str; 5] = ["HOME", "HOSTNAME", "LANG", "PATH", "TZ"];

/// Half of the grace is the function's own to shut down in; the rest is for its way out.
fn shutdown_ms(grace: Duration) -> u128 {
    (grace / 2).as_millis()
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
