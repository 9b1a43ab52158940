//! How a socket is to be.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hotfn_socket::Owner;

use super::Counts;
use crate::packet::{Limits, Request};
use crate::{Resource, rules};

/// How a socket is to be. Plain data.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it is.
    pub path: PathBuf,
    /// The socket's mode. Default 0600.
    pub mode: u32,
    /// Whose it is. Default: ours.
    pub owner: Owner,
    /// Sessions at once; who comes beyond that is refused as busy. Default 64.
    pub sessions_max: usize,
    /// How long a caller may take from connecting to a whole request. Default 5 s.
    pub handshake: Duration,
    /// What a request may hold.
    pub limits: Limits,
    /// The most that a caller may choose as the time between the first signal and KILL. Default 60 s.
    pub grace_max: Duration,
    /// Signals a second that a session passes on; the rest is dropped. Default 100.
    pub signals_per_second: u32,
    /// Callers that speak version 1 are served. Default: yes.
    pub compat_v1: bool,
    /// The function whose container's socket it is, `app/fn`. Default: none.
    pub function: Option<String>,
    /// Limits of every job. Default: no core files, the rest as ours.
    pub rlimits: Vec<(Resource, u64)>,
    /// What else holds for a job. Default: nothing.
    pub bounds: Option<Arc<dyn Bounds>>,
    /// Where sessions are counted. Default: counts of its own.
    pub counts: Arc<Counts>,
}

/// What holds for a job beside the rules.
pub trait Bounds: fmt::Debug + Send + Sync {
    /// When what `request` asks for must have ended, if at all.
    fn deadline(&self, request: &Request) -> Option<Instant>;

    /// Variables that the job gets from us, over all others.
    fn variables(&self, request: &Request) -> Vec<rules::Variable>;
}

impl Config {
    /// At `path`, with the defaults.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            mode: 0o600,
            owner: Owner::default(),
            sessions_max: 64,
            handshake: Duration::from_secs(5),
            limits: Limits::default(),
            grace_max: Duration::from_secs(60),
            signals_per_second: 100,
            compat_v1: true,
            function: None,
            rlimits: vec![(Resource::Core, 0)],
            bounds: None,
            counts: Arc::default(),
        }
    }
}
