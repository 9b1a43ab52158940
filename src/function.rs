//! What an agent needs to know of a function.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use hotfn_protocols::{Format, FunctionId};

use crate::config::Config;
use crate::pool::{Need, Rules};
use crate::rate::Rate;
use crate::secret::Secret;

/// A function: what to start for it, how to talk to it, and how much of the node it may have.
///
/// Plain data. Deploying a changed one under the same id sends later calls to new containers, while
/// the old ones finish what they have.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Function {
    /// The name that calls use.
    pub id: FunctionId,
    /// The function's own name, for people, logs and `FN_FN_NAME`.
    pub name: String,
    /// The app it belongs to: `FN_APP_ID`.
    pub app_id: String,
    /// The app's name: `FN_APP_NAME`.
    pub app_name: String,
    /// What a driver starts: `process:PATH ARG…` for the process driver, an image for the others.
    pub image: String,
    /// Where a process starts. Default: the agent's own working directory.
    pub dir: Option<PathBuf>,
    /// How agent and function talk. Default: `http-stream`.
    pub format: Format,
    /// What a container counts for against the node's memory, in MB. Default 128.
    pub memory_mb: u64,
    /// What a container counts for against the node's CPUs, in thousandths. Default 0: nothing.
    pub cpu_milli: u64,
    /// How long a call may hold a slot. Default 30 s.
    pub timeout: Duration,
    /// How long a container may idle before it ends. Default 30 s.
    pub idle_timeout: Duration,
    /// Calls in flight in one container, for `http-stream` only. Default 1.
    pub concurrency: u32,
    /// Containers kept even when idle. Default 0.
    pub min_warm: u32,
    /// Containers made ahead and not started, for the next launches: they cost no memory and no CPU
    /// but what the engine keeps of them. Default 0.
    pub stock: u32,
    /// Most containers at once. Default: as the node's memory allows.
    pub max_containers: Option<u32>,
    /// Calls after which a container is replaced. Default: never.
    pub max_calls_per_container: Option<u64>,
    /// Age at which a container is replaced. Default: never.
    pub max_age: Option<Duration>,
    /// Most calls that wait; the next is refused as busy. Default: no bound, as in Fn.
    pub queue_max: Option<usize>,
    /// How long a call may wait before it is refused as busy. Default: no limit, as in Fn.
    pub queue_wait_max: Option<Duration>,
    /// How often it may be called, of this agent. Default: as often as there is room.
    pub rate: Option<Rate>,
    /// Commands of this host that it wants to run, by name. Those that the node's rules let it have it
    /// reaches by a socket of each container's own. Default: none.
    pub exec: Vec<String>,
    /// The function's environment, the app's merged in. It can never override the platform's names.
    pub config: BTreeMap<String, String>,
    /// More of its environment, before `config` where both have a name, which nobody else is shown.
    pub secrets: BTreeMap<String, Secret>,
}

impl Function {
    /// The defaults: `id` is every name it has.
    #[must_use]
    pub fn new(id: impl Into<FunctionId>, image: impl Into<String>) -> Self {
        let id = id.into();
        Self {
            name: id.as_str().to_owned(),
            app_id: id.as_str().to_owned(),
            app_name: id.as_str().to_owned(),
            id,
            image: image.into(),
            dir: None,
            format: Format::HttpStream,
            memory_mb: 128,
            cpu_milli: 0,
            timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(30),
            concurrency: 1,
            min_warm: 0,
            stock: 0,
            max_containers: None,
            max_calls_per_container: None,
            max_age: None,
            queue_max: None,
            queue_wait_max: None,
            rate: None,
            exec: Vec::new(),
            config: BTreeMap::new(),
            secrets: BTreeMap::new(),
        }
    }
}

impl Function {
    /// What one container counts for.
    pub(crate) fn need(&self) -> Need {
        Need { memory_mb: self.memory_mb, cpu_milli: self.cpu_milli }
    }
}

/// What of a function and an agent's config the pool goes by.
pub(crate) fn rules(function: &Function, config: &Config) -> Rules {
    let concurrency = if function.format.has_socket() { function.concurrency.max(1) } else { 1 };
    Rules {
        cold: !function.format.is_streamable(),
        concurrency,
        freeze_idle: config.freeze_idle,
        idle_timeout: function.idle_timeout,
        max_age: function.max_age,
        max_calls: function.max_calls_per_container,
        max_containers: function.max_containers,
        min_warm: function.min_warm,
        need: function.need(),
        queue_max: function.queue_max,
        queue_wait_max: function.queue_wait_max,
    }
}
