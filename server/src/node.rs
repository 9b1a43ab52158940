//! A node: an agent, a front before it, and the order in which they begin and end.
//!
//! What a node serves it is given ([`Node::start`], [`Node::deploy`]), or it follows a store
//! ([`Node::serve`]) and has the v2 API to change it.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use hotfn::Agent;
use hotfn::log::Line;
use hotfn::pool::Need;
use hotfn_protocols::FunctionId;
use hotfn_socket::Inherited;

use crate::access::Access;
use crate::api::Api;
use crate::calls::{Calls, Rules};
use crate::command;
use crate::config::{Deployment, Settings};
use crate::connector::{self, Callable, Connectors, Definition, World};
use crate::drivers::{self, DriverRefused};
use crate::front::Front;
use crate::front::listen::Server;
use crate::metrics::{Pulled, Reached, Stored};
use crate::mirror::{LOOK_EVERY, Mirror};
use crate::pulls;
use crate::readiness;
use crate::store::{self, Store, Url};
use crate::takeover;
use crate::threads::Threads;
use crate::tls::{self, Tls};

/// An agent that answers over HTTP.
#[derive(Debug)]
pub struct Node {
    agent: Agent,
    front: Arc<Front>,
    server: Server,
    tls: Option<Arc<Tls>>,
    patience: Duration,
    /// Follows the store of a node that has one.
    following: Option<Following>,
    /// What events come in and go out by.
    connectors: Option<Arc<Connectors>>,
    /// Runs commands of this host.
    commands: Option<command::Server>,
    calls: Arc<Calls>,
    /// Last, because they outlive what runs on them.
    threads: Arc<Threads>,
}

/// What a node of a store does beside answering calls over HTTP.
#[derive(Debug, Default)]
pub struct Beside {
    /// Has commands of this host run for whoever may ask, if so.
    pub commands: Option<command::Settings>,
    /// Has events of sockets become calls.
    pub connectors: Vec<Definition>,
    /// Sockets that a service manager opened for connectors.
    pub handed_over: Vec<Inherited>,
}

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
    /// The address cannot be listened on.
    #[error("cannot listen on {addr}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// The system's answer.
        source: io::Error,
    },
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
        let Begun { listener, agent, pulls, lines } = begin(settings, None).await?;
        // Nobody asks for what is not served, so nothing of it need outlive the node.
        let store = Arc::new(Store::open(&Url::Memory).await.map_err(StartError::Store)?);
        let rules = Arc::new(Rules::new(settings.calls.retries));
        let calls = Calls::start(store, Arc::new(agent.clone()), rules, lines, settings.calls());
        let front = Front::with_calls(Arc::new(agent.clone()), calls.clone(), settings.front());
        let threads = threads(settings)?;
        let node = Self::answer(settings, listener, agent, pulls, front, calls, threads)?;
        functions.into_iter().for_each(|deployment| node.deploy(deployment));
        Ok(node)
    }

    /// The same with the functions that `store` has, and will have: clients may change them. With a
    /// `socket` that listens already, it answers there.
    ///
    /// # Errors
    /// When the address is taken or not ours, or the agent cannot start.
    pub async fn serve(settings: &Settings, store: Store, socket: Option<OwnedFd>) -> Result<Self, StartError> {
        let Begun { listener, agent, pulls, lines } = begin(settings, socket).await?;
        let rules = Arc::new(Rules::new(settings.calls.retries));
        let mirror =
            Arc::new(Mirror::new(Arc::new(store), agent.clone(), Access::new(settings.tokens()), rules.clone()));
        mirror.catch_up().await;
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
        let node = Self::answer(settings, listener, agent, pulls, front, calls, threads)?;
        Ok(Self { following: Some(Following::start(mirror)), connectors: Some(connectors), ..node })
    }

    fn answer(
        settings: &Settings,
        listener: TcpListener,
        agent: Agent,
        pulls: Arc<pulls::Counts>,
        front: Arc<Front>,
        calls: Arc<Calls>,
        threads: Arc<Threads>,
    ) -> Result<Self, StartError> {
        front.metrics().add(|registry| {
            agent.register(registry);
            calls.register(registry);
            registry.register_collector(Box::new(Pulled(pulls)));
        });
        let means = readiness::Means { agent: agent.clone(), mirror: None, connectors: None, since: Instant::now() };
        front.readiness().look_at(means);
        let refused = |source| StartError::Listen { addr: settings.listen(), source };
        let tls = settings.tls.clone().map(Tls::start).transpose()?;
        let server = Server::start(listener, front.clone(), threads.clone(), tls.clone()).map_err(refused)?;
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

    /// Begins what a node of a store does beside answering calls over HTTP. Of two processes that answer at
    /// the same socket one at a time can do it.
    ///
    /// # Errors
    /// When an address of commands is taken or not ours, or a connector cannot start.
    pub fn begin_beside(&mut self, beside: Beside) -> Result<(), StartError> {
        let (Some(connectors), Some(following)) = (&self.connectors, &self.following) else { return Ok(()) };
        if let Some(wanted) = beside.commands {
            let means = means(&self.agent, &following.mirror);
            let server = command::Server::start(wanted, Vec::new(), means)?;
            let commands = Arc::new(server.commands());
            connectors.reach(Callable { invoke: commands.clone(), directory: commands });
            self.front.metrics().add(|registry| server.service().tally().register(registry));
            self.commands = Some(server);
        }
        connectors.hand_over(beside.handed_over);
        Ok(connectors.start_all(beside.connectors)?)
    }

    /// The threads it serves on.
    #[must_use]
    pub fn threads(&self) -> &Arc<Threads> {
        &self.threads
    }

    /// The very socket that it listens at, for a successor.
    ///
    /// # Errors
    /// When descriptors have run out.
    pub fn socket(&self) -> io::Result<OwnedFd> {
        self.server.socket()
    }

    /// What its containers have, all together.
    #[must_use]
    pub fn room(&self) -> takeover::Room {
        let Need { memory_mb, cpu_milli } = self.agent.room();
        takeover::Room { memory_mb, cpu_milli }
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// What its URLs begin with: `http://ADDR:PORT`, or `https://`.
    #[must_use]
    pub fn base(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.local_addr())
    }

    /// Reads its certificate again, if it has one, and that of its host commands.
    pub fn reload(&self) {
        if let Some(tls) = &self.tls {
            tls.reload_aloud();
        }
        if let Some(commands) = &self.commands {
            commands.reload_certificate();
        }
    }

    /// Does nobody have a token, where one is needed?
    #[must_use]
    pub fn is_locked(&self) -> bool {
        let access = self.following.as_ref().map(|following| following.mirror.access());
        access.is_some_and(|access| access.is_required() && access.is_empty())
    }

    /// Resolves when calls are welcome. Cancel safe.
    pub async fn ready(&self) {
        self.front.readiness().reached().await;
    }

    /// How many functions of its store it serves.
    #[must_use]
    pub fn functions(&self) -> usize {
        match &self.following {
            Some(following) => following.mirror.functions(),
            None => 0,
        }
    }

    /// Resolves when a connector that is to end its process (`on_exhausted`) has given up its
    /// connection. Cancel safe.
    pub async fn exhausted(&self) {
        match &self.connectors {
            Some(connectors) => connectors.exhausted().await,
            None => std::future::pending().await,
        }
    }

    /// Serves a function, or a changed one in place of the old. Calls in flight finish with the old.
    pub fn deploy(&self, deployment: Deployment) {
        let Deployment { function, triggers, retries } = deployment;
        let id = function.id.clone();
        self.agent.deploy(function);
        self.calls.rules().put(id.clone(), retries);
        self.front.routes().put(&id, triggers);
    }

    /// Serves a function no longer.
    pub fn remove(&self, function: &FunctionId) {
        self.front.routes().put(function, []);
        self.calls.rules().remove(function);
        self.agent.remove(function);
    }

    /// Leaves new connections to whoever else has the socket, and closes those there are after their next
    /// answer.
    pub fn accept_no_more(&self) {
        self.front.leave();
        self.server.stop_accepting();
    }

    /// Lets go of what a successor cannot share: the sockets of connectors and of commands. What they have
    /// under way is answered first.
    pub async fn let_go(&mut self) {
        end_beside(self.connectors.as_deref(), self.commands.take()).await;
    }

    /// Ends after somebody else has begun to answer at the same socket: accepts no more, answers each
    /// connection once more and closes it, and when none is left, or patience is, ends as
    /// [`stop`](Self::stop) does.
    ///
    /// A client that keeps a connection is told with its next answer to make a new one, and loses nothing;
    /// if it were closed while idle, its next request might cross with that.
    pub async fn leave(self, hurry: impl Future<Output = ()>) {
        let mut hurry = std::pin::pin!(hurry);
        let began = Instant::now();
        self.accept_no_more();
        tokio::select! {
            () = self.server.emptied() => {}
            () = tokio::time::sleep(self.patience) => {}
            () = &mut hurry => return self.stop(std::future::ready(())).await,
        }
        let left = self.patience.saturating_sub(began.elapsed()).max(CLOSE_GRACE);
        Self { patience: left, ..self }.stop(hurry).await;
    }

    /// Ends in order: new calls are refused while those under way finish, for as long as the
    /// settings have patience or until `hurry` resolves; then the containers end; then the
    /// connections close.
    ///
    /// The port stays open to say no with a 503 until the last call is done: a balancer then takes
    /// its callers elsewhere, where a refused connection could mean anything.
    pub async fn stop(self, hurry: impl Future<Output = ()>) {
        let began = Instant::now();
        drop(self.following);
        self.front.refuse();
        self.calls.leave();
        let settled = async {
            let beside = end_beside(self.connectors.as_deref(), self.commands);
            tokio::join!(self.front.settled(), self.calls.settled(), beside);
        };
        let hurried = tokio::select! {
            () = settled => false,
            () = tokio::time::sleep(self.patience) => false,
            () = hurry => true,
        };
        let left = if hurried { Duration::ZERO } else { self.patience.saturating_sub(began.elapsed()) };
        self.agent.drain(left).await;
        self.calls.stop(CALLS_GRACE).await;
        self.server.close(CLOSE_GRACE).await;
    }
}

/// How long it may take to write down what became of the last detached calls.
const CALLS_GRACE: Duration = Duration::from_secs(5);

/// Connectors call commands, so these end after them.
async fn end_beside(connectors: Option<&Connectors>, commands: Option<command::Server>) {
    if let Some(connectors) = connectors {
        connectors.stop_all().await;
    }
    if let Some(commands) = commands {
        commands.stop().await;
    }
}

/// How long the last answers may take to leave, when their calls are done.
const CLOSE_GRACE: Duration = Duration::from_secs(1);

/// Keeps a mirror like its store, until it is dropped.
#[derive(Debug)]
struct Following {
    mirror: Arc<Mirror>,
    task: JoinHandle<Infallible>,
}

impl Following {
    fn start(mirror: Arc<Mirror>) -> Self {
        let follows = mirror.clone();
        Self { mirror, task: tokio::spawn(async move { follows.follow(LOOK_EVERY).await }) }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a service of commands can use of a node: its functions, by the names that the store knows.
fn means(agent: &Agent, mirror: &Mirror) -> command::Means {
    let functions = command::Functions { invoke: Arc::new(agent.clone()), directory: mirror.store().clone() };
    command::Means { functions: Some(functions), ..command::Means::default() }
}

fn threads(settings: &Settings) -> Result<Arc<Threads>, StartError> {
    Ok(Arc::new(Threads::start(settings.threads()).map_err(StartError::Threads)?))
}

/// What a node has before it knows what to serve.
struct Begun {
    listener: TcpListener,
    agent: Agent,
    pulls: Arc<pulls::Counts>,
    /// What containers write.
    lines: mpsc::Receiver<Line>,
}

async fn begin(settings: &Settings, socket: Option<OwnedFd>) -> Result<Begun, StartError> {
    let addr = settings.listen();
    let listener = match socket {
        None => TcpListener::bind(addr).await,
        Some(socket) => listening(socket),
    };
    let listener = listener.map_err(|source| StartError::Listen { addr, source })?;
    let pulls = Arc::default();
    let driver = drivers::start(settings, &pulls).await?;
    let (lines, written) = hotfn::log::pipe();
    let agent = settings.agent().driver(driver).lines(lines).start()?;
    Ok(Begun { listener, agent, pulls, lines: written })
}

/// A socket that somebody opened for us.
fn listening(socket: OwnedFd) -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::from(socket);
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}
