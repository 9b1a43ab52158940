//! How an agent comes to be: what it is told, what it looks up, and what it sweeps before it takes calls.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Agent, Ticking};
use crate::config::Config;
use crate::container::process::ProcessDriver;
use crate::container::{Driver, View};
use crate::descriptors;
use crate::host::{Host, HostError};
use crate::iofs::{Access, IofsError, Root};
use crate::keeper::Keeper;
use crate::log::Lines;
use crate::pool::Need;
use crate::tag::Tag;
use crate::watch::{Watch, WatchError};

/// Makes an [`Agent`].
#[derive(Debug, Default)]
pub struct Builder {
    /// How it is to be.
    pub config: Config,
    driver: Option<Arc<dyn Driver>>,
    lines: Option<Lines>,
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
    /// The place of what outlives an agent cannot be used.
    #[error("cannot use {path:?} for the agent's state; choose another state directory")]
    State {
        /// The place.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// The supervisor of processes could not start.
    #[error("cannot start the supervisor of processes")]
    Supervisor(#[source] std::io::Error),
    /// There can be no inotify instance.
    #[error("cannot watch directories; raise fs.inotify.max_user_instances")]
    Watch(#[from] WatchError),
}

impl Builder {
    /// Uses another driver than that of processes.
    #[must_use]
    pub fn driver(mut self, driver: Arc<dyn Driver>) -> Self {
        self.driver = Some(driver);
        self
    }

    /// Puts every line that containers write into this pipe as well.
    #[must_use]
    pub fn lines(mut self, lines: Lines) -> Self {
        self.lines = Some(lines);
        self
    }

    /// Sweeps what earlier agents left behind under the same root, then starts. Blocks while what
    /// they left is being ended; containers that outlived theirs are removed while it already works. Needs a tokio runtime with time and I/O, whose tasks the agent's
    /// containers then are.
    ///
    /// # Errors
    /// When the iofs root or the state directory cannot be used, the host's resources cannot be told, or the kernel gives
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
        descriptors::make_room();
        let driver = match self.driver {
            Some(driver) => driver,
            None => Arc::new(ProcessDriver::new().map_err(StartError::Supervisor)?),
        };
        let access = match driver.view() {
            View::Host => Access::Owner,
            View::Image { .. } => Access::Everyone,
        };
        let root = Root::open(&config.iofs_root)
            .map_err(|source| StartError::Iofs { path: config.iofs_root.clone(), source })?
            .access(access);
        let watch = Watch::new()?;
        let state = |source| StartError::State { path: config.state_dir.clone(), source };
        let (tag, dead) = match driver.view() {
            View::Host => (None, Vec::new()),
            View::Image { .. } => {
                let tag = Tag::claim(&config.state_dir, driver.name()).map_err(state)?;
                (Some(tag), Tag::dead(&config.state_dir, driver.name()).map_err(state)?)
            }
        };
        let runtime = tokio::runtime::Handle::current();
        let mut keeper = Keeper::new(config, driver, tag, root, watch, room, runtime.clone());
        keeper.written = self.lines;
        let keeper = Arc::new(keeper);
        keeper.bury(dead);
        let ticking = Arc::new(Ticking(runtime.spawn(keeper.ticking()).abort_handle()));
        Ok(Agent { keeper, _ticking: ticking })
    }
}
