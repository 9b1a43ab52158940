//! A service with its listeners, from the first request to the last.

use std::io;
use std::time::Duration;

use std::sync::Arc;

use super::bind::Bind;
use super::call::Commands;
use super::config::Config;
use super::listen::{Handed, ListenError, Listening};
use super::service::{Means, Service};

/// What a service is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens.
    pub bind: Vec<Bind>,
    /// What it does.
    pub config: Config,
}

/// A service that answers.
#[derive(Debug)]
pub struct Server {
    service: Arc<Service>,
    listening: Listening,
}

/// Why a service could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no place to listen at.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The system gives no thread to start processes from.
    #[error("cannot start the thread that starts processes")]
    Thread(#[source] io::Error),
}

/// How long the last answers may take to leave.
const CLOSE_GRACE: Duration = Duration::from_secs(1);

impl Server {
    /// Starts to answer. Needs a tokio runtime.
    ///
    /// # Errors
    /// When no place can be listened at.
    pub fn start(settings: Settings, handed_over: Vec<Handed>, means: Means) -> Result<Self, StartError> {
        let Settings { bind, config } = settings;
        for place in bind.iter().filter(|place| place.is_public()) {
            tracing::warn!("{place} can be reached from other machines, and what is said there is not encrypted");
        }
        let service = Service::start(config, means).map_err(StartError::Thread)?;
        let listening = Listening::start(&bind, handed_over, &service)?;
        Ok(Self { service, listening })
    }

    /// The service itself.
    #[must_use]
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// Its commands, for the node's other fronts.
    #[must_use]
    pub fn commands(&self) -> Commands {
        Commands::of(self.service.clone())
    }

    /// Where it listens.
    #[must_use]
    pub fn listening(&self) -> &Listening {
        &self.listening
    }

    /// Ends in order: nothing new is taken on while those who wait are served, then connections
    /// close. Commands go on.
    pub async fn stop(self) {
        self.service.drain().await;
        self.listening.close(CLOSE_GRACE).await;
    }
}
