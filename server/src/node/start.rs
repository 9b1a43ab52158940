//! How a node begins: it listens first, so that who connects early waits and is not refused.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;

use hotfn::Agent;
use hotfn::log::Line;

use super::Node;
use super::following::Following;
use crate::access::Access;
use crate::api::Api;
use crate::calls::{Calls, Rules};
use crate::command;
use crate::config::{Deployment, Settings};
use crate::connector::{self, Callable, Connectors, World};
use crate::drivers::{self, DriverRefused};
use crate::front::Front;
use crate::front::listen::Server;
use crate::front::listener::{Handed, Listener, OpenError};
use crate::metrics::{Pulled, Reached, Stored};
use crate::mirror::Mirror;
use crate::pulls;
use crate::readiness;
use crate::store::{self, Given, Store, Url};
use crate::threads::Threads;
use crate::tls::{self, Tls};

/// Why a node could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The agent could not start.
    #[error(transparent)]
    Agent(#[from] hotfn::StartError),
    /// The service of commands could not start.
    #[error(transparent)]
    Command(#[from] command::server::StartError),
    /// A connector could not start.
    #[error(transparent)]
    Connector(#[from] connector::StartError),
    /// There is no driver, or it does not take a function's image.
    #[error(transparent)]
    Driver(#[from] DriverRefused),
    /// The store has something else in the place of a function.
    #[error(transparent)]
    Given(#[from] store::Refused),
    /// What was handed over cannot be listened at.
    #[error("cannot listen at the socket that was handed over")]
    Handed(#[source] io::Error),
    /// An address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] OpenError),
    /// The certificate or its key cannot be used.
    #[error("cannot encrypt connections")]
    Tls(#[from] tls::LoadError),
    /// There can be no store in memory.
    #[error(transparent)]
    Store(store::Failure),
    /// The system gives no more threads.
    #[error("cannot start the threads that serve; start fewer")]
    Threads(#[source] io::Error),
}

impl Node {
    /// Listens, then starts an agent with these functions, then answers: who connects early waits
    /// and is not refused.
    ///
    /// # Errors
    /// When the address is taken or not ours, a function's image is not for the driver, or driver or
    /// agent cannot start.
    pub async fn start(settings: &Settings, functions: Vec<Deployment>) -> Result<Self, StartError> {
        for deployment in &functions {
            drivers::check(settings, deployment)?;
        }
        let Begun { listeners, agent, pulls, lines } = begin(settings, Vec::new()).await?;
        // Nobody asks for what is not served, so nothing of it need outlive the node.
        let store = Arc::new(Store::open(&Url::Memory).await.map_err(StartError::Store)?);
        let rules = Arc::new(Rules::new(settings.calls.retries));
        let calls = Calls::start(store, Arc::new(agent.clone()), rules, lines, settings.calls());
        let front = Front::with_calls(Arc::new(agent.clone()), calls.clone(), settings.front());
        let threads = threads(settings)?;
        let node = Self::answer(settings, listeners, agent, pulls, front, calls, threads)?;
        functions.into_iter().for_each(|deployment| node.deploy(deployment));
        Ok(node)
    }

    /// The same with the functions that `store` has, and will have: clients may change them. Those of `given`
    /// are served as if it had them already, which [`give`](Self::give) is to make true. With `sockets` that listen
    /// already, it answers there, and nowhere else.
    ///
    /// # Errors
    /// When the address is taken or not ours, the agent cannot start, or the store has something else in the
    /// place of one that is given. The store is as it was then.
    pub async fn serve(
        settings: &Settings,
        store: Store,
        given: &Given,
        sockets: Vec<Handed>,
    ) -> Result<Self, StartError> {
        let Begun { listeners, agent, pulls, lines } = begin(settings, sockets).await?;
        let rules = Arc::new(Rules::new(settings.calls.retries));
        let mirror =
            Arc::new(Mirror::new(Arc::new(store), agent.clone(), Access::new(settings.tokens()), rules.clone()));
        mirror.catch_up().await;
        mirror.foresee(given).await?;
        let threads = threads(settings)?;
        let world = World {
            functions: Callable { invoke: Arc::new(agent.clone()), directory: mirror.clone() },
            commands: None,
        };
        let connectors = Arc::new(Connectors::new(world, threads.clone(), Some(settings.state_dir())));
        let calls = Calls::start(mirror.store().clone(), Arc::new(agent.clone()), rules, lines, settings.calls());
        let driver = settings.containers.driver();
        let api = Api::new(mirror.clone(), connectors.clone(), calls.clone(), driver, settings.public_url.clone());
        let front = Front::with_api(Arc::new(agent.clone()), api, settings.front());
        front.metrics().add(|registry| {
            registry.register_collector(Box::new(Stored(mirror.clone())));
            registry.register_collector(Box::new(Reached(connectors.clone())));
        });
        front.readiness().look_at(readiness::Means {
            agent: agent.clone(),
            mirror: Some(mirror.clone()),
            connectors: Some(connectors.clone()),
            since: Instant::now(),
        });
        let node = Self::answer(settings, listeners, agent, pulls, front, calls, threads)?;
        Ok(Self { following: Some(Following::start(mirror)), connectors: Some(connectors), ..node })
    }

    fn answer(
        settings: &Settings,
        listeners: Vec<Listener>,
        agent: Agent,
        pulls: Arc<pulls::Counts>,
        front: Arc<Front>,
        calls: Arc<Calls>,
        threads: Arc<Threads>,
    ) -> Result<Self, StartError> {
        front.metrics().add_agent(&agent);
        front.metrics().add(|registry| {
            calls.register(registry);
            registry.register_collector(Box::new(Pulled(pulls)));
        });
        let means = readiness::Means { agent: agent.clone(), mirror: None, connectors: None, since: Instant::now() };
        front.readiness().look_at(means);
        let tls = settings.tls.clone().map(Tls::start).transpose()?;
        let server = Server::start(listeners, front.clone(), threads.clone(), tls.clone());
        let patience = settings.drain_patience();
        Ok(Self {
            agent,
            front,
            server,
            tls,
            patience,
            following: None,
            connectors: None,
            commands: None,
            calls,
            threads,
        })
    }
}

fn threads(settings: &Settings) -> Result<Arc<Threads>, StartError> {
    Ok(Arc::new(Threads::start(settings.threads()).map_err(StartError::Threads)?))
}

/// What a node has before it knows what to serve.
struct Begun {
    listeners: Vec<Listener>,
    agent: Agent,
    pulls: Arc<pulls::Counts>,
    /// What containers write.
    lines: mpsc::Receiver<Line>,
}

async fn begin(settings: &Settings, sockets: Vec<Handed>) -> Result<Begun, StartError> {
    let handed = sockets.into_iter().map(Listener::handed).collect::<io::Result<Vec<_>>>();
    let mut listeners = handed.map_err(StartError::Handed)?;
    if listeners.is_empty() {
        for address in settings.listen().addresses() {
            listeners.push(Listener::open(address, settings.permissions()).await?);
        }
    }
    let pulls = Arc::default();
    let driver = drivers::start(settings, &pulls).await?;
    let (lines, written) = hotfn::log::pipe();
    let agent = settings.agent().driver(driver).lines(lines).start()?;
    Ok(Begun { listeners, agent, pulls, lines: written })
}
