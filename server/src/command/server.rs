//! A service with its listeners, from the first request to the last.

use std::io;
use std::time::Duration;

use std::sync::Arc;

use super::bind::Bind;
use super::call::Commands;
use super::config::Config;
use super::listen::{Handed, ListenError, Listening};
use super::service::{Means, Service};
use crate::tls::{self, Tls};

/// What a service is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens.
    pub bind: Vec<Bind>,
    /// A certificate to encrypt connections with, but those to unix sockets.
    pub tls: Option<tls::Files>,
    /// What it does.
    pub config: Config,
}

/// A service that answers.
#[derive(Debug)]
pub struct Server {
    service: Arc<Service>,
    tls: Option<Arc<Tls>>,
    listening: Listening,
}

/// Why a service could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no place to listen at.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The certificate or its key cannot be used.
    #[error("cannot encrypt connections")]
    Tls(#[from] tls::LoadError),
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
    /// When no place can be listened at, or the certificate cannot be used.
    pub fn start(settings: Settings, handed_over: Vec<Handed>, means: Means) -> Result<Self, StartError> {
        let Settings { bind, tls, config } = settings;
        for place in bind.iter().filter(|place| place.is_public() && tls.is_none()) {
            tracing::warn!("{place} can be reached from other machines, and what is said there is not encrypted");
        }
        let service = Service::start(config, means).map_err(StartError::Thread)?;
        let tls = tls.map(Tls::start).transpose()?;
        let listening = Listening::start(&bind, handed_over, &service, tls.clone())?;
        Ok(Self { service, tls, listening })
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

    /// Does from now on what `config` says, and shows what its certificate's files hold now.
    pub fn reload(&self, config: Config) {
        self.service.reload(config);
        self.reload_certificate();
    }

    /// Shows what its certificate's files hold now.
    pub fn reload_certificate(&self) {
        if let Some(tls) = &self.tls {
            tls.reload_aloud();
        }
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
