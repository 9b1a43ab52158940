//! The agent.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hotfn_protocols::{Call, Fault, FunctionId, Kind, Reply};

use crate::config::Config;
use crate::container::Driver;
use crate::{Function, Invoke};

/// Keeps containers hot and gives calls to them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Agent {
    _inner: Arc<()>,
}

/// Makes an [`Agent`].
#[derive(Debug)]
pub struct Builder {
    /// See [`Config`].
    pub config: Config,
}

impl Agent {
    /// Starts from the defaults, with the process driver.
    #[must_use]
    pub fn builder() -> Builder {
        unreachable!()
    }

    /// Makes a function callable, or changes it: calls that wait and later ones go to new
    /// containers, calls in flight finish in the old ones. Its `min_warm` containers start now.
    pub fn deploy(&self, _function: Function) {}

    /// Takes a function away: waiting and later calls are refused, those in flight finish.
    pub fn remove(&self, _id: &FunctionId) {}

    /// Ends everything in order: new and waiting calls are refused, those in flight finish, then
    /// every container ends and its directory goes. After `patience` the rest is ended by force.
    pub async fn drain(&self, _patience: Duration) {}
}

impl Builder {
    /// Uses another driver.
    #[must_use]
    pub fn driver(self, _driver: Arc<dyn Driver>) -> Self {
        self
    }

    /// Sweeps what earlier agents left behind under the same root, then starts. Needs a tokio
    /// runtime, whose tasks the agent's containers then are.
    ///
    /// # Errors
    /// When the iofs root cannot be used, or the host's resources cannot be read.
    pub fn start(self) -> Result<Agent, StartError> {
        unreachable!()
    }
}

/// Why an agent could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {}

impl Invoke for Agent {
    fn invoke(&self, _call: Call) -> Pin<Box<dyn Future<Output = Result<Reply, Fault>> + Send + '_>> {
        Box::pin(async { Err(Fault::new(Kind::Internal)) })
    }
}
