//! The connectors of a node: made, looked at and ended, by name.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use serde_json::{Value as Tree, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use hotfn_socket::{Inherited, SocketError};

use super::client::{self, State};
use super::codec::Value;
use super::counts::Reading;
use super::datagram;
use super::definition::{Definition, Kind, Side};
use super::desk::Desk;
use super::feed::Feed;
use super::journal::Journal;
use super::listener::{Handed, Listener};
use super::mailbox::Mailbox;
use super::options::Invalid;
use super::peers::Unreachable;
use super::server;
use super::world::{Callable, World};
use crate::threads::Threads;

/// The connectors of a node.
///
/// Needs a runtime with I/O. Dropping it ends nothing: [`stop_all`](Self::stop_all) does.
#[derive(Debug)]
pub struct Connectors {
    world: World,
    threads: Arc<Threads>,
    /// Where journals are kept.
    state: Option<PathBuf>,
    /// Commands that there are since later than the rest of the world.
    commands: OnceLock<Callable>,
    /// What a service manager opened for connectors.
    handed: OnceLock<Handed>,
    running: Mutex<BTreeMap<String, Running>>,
    /// Where clients are sent to, whether they run now or not.
    links: Mutex<HashMap<String, Arc<Mailbox>>>,
    exhausted: CancellationToken,
}

#[derive(Debug)]
struct Running {
    desk: Arc<Desk>,
    client: Option<(Arc<State>, Arc<Mailbox>)>,
    /// The one task that makes sessions.
    main: TaskTracker,
}

/// Why a connector could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// One of that name runs.
    #[error("connector {name:?} exists; remove it first")]
    Exists {
        /// Its name.
        name: String,
    },
    /// A file that it names cannot be used.
    #[error("connector {name:?} cannot use {path:?}")]
    File {
        /// The connector.
        name: String,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// Its definition cannot be followed here.
    #[error("connector {name:?}: {invalid}")]
    Invalid {
        /// Its name.
        name: String,
        /// What is the matter.
        #[source]
        invalid: Invalid,
    },
    /// Its socket cannot be had.
    #[error("connector {name:?} cannot listen")]
    Socket {
        /// Its name.
        name: String,
        /// Why not.
        #[source]
        source: SocketError,
    },
}

/// There is no connector of that name.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
#[error("there is no connector {name:?}")]
pub struct Unknown {
    /// The name.
    pub name: String,
}

impl Connectors {
    /// None yet. Sessions run on `threads`; journals are kept in `state`, and there are none
    /// without it.
    #[must_use]
    pub fn new(world: World, threads: Arc<Threads>, state: Option<PathBuf>) -> Self {
        Self {
            world,
            threads,
            state,
            commands: OnceLock::new(),
            handed: OnceLock::new(),
            running: Mutex::default(),
            links: Mutex::default(),
            exhausted: CancellationToken::new(),
        }
    }

    /// The same, with sockets that a service manager opened: servers whose path is `systemd:NAME` listen
    /// on those.
    #[must_use]
    pub fn on(self, handed_over: Vec<Inherited>) -> Self {
        self.hand_over(handed_over);
        self
    }

    /// The same for connectors that are started from now on; the first that are given count.
    pub fn hand_over(&self, handed_over: Vec<Inherited>) {
        let _ = self.handed.set(Handed::new(handed_over));
    }

    /// Lets connectors that are started from now on call these commands; the first that are given count.
    pub fn reach(&self, commands: Callable) {
        let _ = self.commands.set(commands);
    }

    /// Starts these, clients first, so that whoever sends to one finds it.
    ///
    /// # Errors
    /// At the first that cannot; those before it run.
    pub fn start_all(&self, definitions: Vec<Definition>) -> Result<(), StartError> {
        let (clients, servers): (Vec<_>, Vec<_>) = definitions.into_iter().partition(|d| d.side == Side::Client);
        for client in &clients {
            self.link(&client.name, client.bounds.buffer_frames_max);
        }
        clients.into_iter().chain(servers).try_for_each(|definition| self.start(definition))
    }

    /// Starts one. A server listens when this returns; a client connects in its own time.
    ///
    /// # Errors
    /// When its name or its socket is taken, or what it names is not here.
    pub fn start(&self, definition: Definition) -> Result<(), StartError> {
        let name = definition.name.clone();
        // Held until it runs: of two of one name that are started at once, one is refused.
        let mut running = self.lock();
        if running.contains_key(&name) {
            return Err(StartError::Exists { name });
        }
        let listener = match definition.side {
            Side::Client => None,
            Side::Server => {
                let claimed = Listener::claim(&definition, self.handed.get_or_init(Handed::default));
                Some(claimed.map_err(|source| StartError::Socket { name: name.clone(), source })?)
            }
        };
        let feed = definition.from.as_ref().map(|path| self.feed(path, &definition)).transpose()?;
        let journal = if definition.has_journal { Some(self.journal(&definition)?) } else { None };
        let links = |name: &str| self.links_lock().get(name).cloned();
        let mut world = self.world.clone();
        world.commands = self.commands.get().cloned().or(world.commands);
        let desk = Desk::new(definition, &world, journal, &links)
            .map_err(|invalid| StartError::Invalid { name: name.clone(), invalid })?;
        running.insert(name, self.spawn(Arc::new(desk), listener, feed));
        Ok(())
    }

    /// Ends one: nothing more is read, what is under way is answered within its `drain_s`, its
    /// socket goes.
    ///
    /// # Errors
    /// When there is none of that name.
    pub async fn stop(&self, name: &str) -> Result<(), Unknown> {
        let running = self.lock().remove(name).ok_or_else(|| Unknown { name: name.to_owned() })?;
        running.stop().await;
        // One that others still send to keeps its place, for the next of its name.
        self.links_lock().retain(|_, mailbox| Arc::strong_count(mailbox) > 1);
        Ok(())
    }

    /// Ends all, at once.
    pub async fn stop_all(&self) {
        let running = std::mem::take(&mut *self.lock());
        for one in running.values() {
            one.desk.stop.cancel();
        }
        for one in running.into_values() {
            one.stop().await;
        }
    }

    /// Resolves when a client that is to end its process has given up. Cancel safe.
    pub async fn exhausted(&self) {
        self.exhausted.cancelled().await;
    }

    /// Resolves when a client has sent its file and its peer had no more to say, or when it gave
    /// up. Cancel safe; at once if it does not run.
    pub async fn finished(&self, name: &str) {
        let main = self.lock().get(name).map(|running| running.main.clone());
        if let Some(main) = main {
            main.wait().await;
        }
    }

    /// Has every client given up on nothing?
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let running = self.lock();
        running.values().all(|one| one.client.as_ref().is_none_or(|(state, _)| !state.is_failed()))
    }

    /// Each by name, in numbers.
    #[must_use]
    pub fn readings(&self) -> Vec<Reading> {
        self.lock().values().map(Running::read).collect()
    }

    /// Each by name, with what it is doing.
    #[must_use]
    pub fn list(&self) -> Vec<Tree> {
        self.lock().values().map(Running::to_json).collect()
    }

    /// What one is doing, and how it was defined.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn show(&self, name: &str) -> Result<Tree, Unknown> {
        let running = self.lock();
        let one = running.get(name).ok_or_else(|| Unknown { name: name.to_owned() })?;
        let mut shown = one.to_json();
        shown["definition"] = Tree::Object(one.desk.definition.source.clone());
        Ok(shown)
    }

    /// Sends a value on a connection, unasked.
    ///
    /// # Errors
    /// When there is no such connection, or it does not read.
    pub fn send(&self, name: &str, peer: u64, value: Value) -> Result<(), SendError> {
        let desk = self.lock().get(name).map(|running| running.desk.clone());
        let desk = desk.ok_or_else(|| Unknown { name: name.to_owned() })?;
        Ok(desk.peers.send(peer, value)?)
    }

    fn spawn(&self, desk: Arc<Desk>, listener: Option<Listener>, feed: Option<Feed>) -> Running {
        let main = TaskTracker::new();
        let name = &desk.definition.name;
        if desk.definition.has_journal {
            let desk = desk.clone();
            main.spawn(async move { desk.answer_interrupted().await });
        }
        let client = match listener {
            Some(listener) if desk.definition.socket.kind == Kind::Datagram => {
                main.spawn(datagram::serve(desk.clone(), listener));
                None
            }
            Some(listener) => {
                main.spawn(server::serve(desk.clone(), listener, self.threads.clone()));
                None
            }
            None => {
                let state = Arc::new(State::default());
                let mailbox = self.link(name, desk.definition.bounds.buffer_frames_max);
                let (client, exhausted) = ((state.clone(), mailbox.clone()), self.exhausted.clone());
                let desk = desk.clone();
                main.spawn(async move {
                    let exits = desk.definition.exits_when_exhausted;
                    client::run(desk, mailbox, state.clone(), feed).await;
                    if exits && state.is_failed() {
                        exhausted.cancel();
                    }
                });
                Some(client)
            }
        };
        main.close();
        Running { desk, client, main }
    }

    fn link(&self, name: &str, waiting_max: usize) -> Arc<Mailbox> {
        self.links_lock().entry(name.to_owned()).or_insert_with(|| Arc::new(Mailbox::new(waiting_max))).clone()
    }

    fn feed(&self, path: &std::path::Path, definition: &Definition) -> Result<Feed, StartError> {
        Feed::open(path, definition).map_err(|source| StartError::File {
            name: definition.name.clone(),
            path: path.to_owned(),
            source,
        })
    }

    fn journal(&self, definition: &Definition) -> Result<Journal, StartError> {
        let name = definition.name.clone();
        let Some(state) = &self.state else {
            let invalid = Invalid::new("journal", "there is no folder for it; set state");
            return Err(StartError::Invalid { name, invalid });
        };
        let folder = state.join("connectors");
        let path = folder.join(format!("{name}.journal"));
        let opened = std::fs::create_dir_all(&folder).and_then(|()| Journal::open(&path));
        opened.map_err(|source| StartError::File { name, path, source })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Running>> {
        self.running.lock().expect("no code panics while it holds this lock")
    }

    fn links_lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Mailbox>>> {
        self.links.lock().expect("no code panics while it holds this lock")
    }
}

/// Why nothing could be sent.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub enum SendError {
    /// There is no such connector.
    #[error(transparent)]
    Unknown(#[from] Unknown),
    /// There is no such connection, or it does not read.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
}

impl Running {
    /// In order: no new connections, what is under way, what is written in the background.
    async fn stop(self) {
        self.desk.stop.cancel();
        self.main.wait().await;
        self.desk.tasks.close();
        self.desk.tasks.wait().await;
        self.desk.close().await;
    }

    fn read(&self) -> Reading {
        let (desk, definition) = (&self.desk, &self.desk.definition);
        let count = |n: usize| n as u64;
        let (state, queue, forgotten) = match &self.client {
            None => ("listening", 0, 0),
            Some((state, mailbox)) => (state.name(), count(mailbox.len()), mailbox.forgotten()),
        };
        Reading {
            name: definition.name.clone(),
            side: definition.side,
            state,
            open: count(desk.peers.len()),
            in_flight: count(definition.bounds.in_flight_total - desk.permits.available_permits()),
            queue,
            forgotten,
            totals: desk.counts.read(),
        }
    }

    fn to_json(&self) -> Tree {
        let read = self.read();
        let mut shown = json!({
            "name": read.name,
            "type": read.side.as_str(),
            "path": self.desk.definition.socket.path.to_string_lossy(),
            "state": {"state": read.state},
            "peers": self.desk.peers.ids(),
            "in_flight": read.in_flight,
            "counts": read.totals.to_json(),
        });
        if let Some((state, _)) = &self.client {
            shown["state"] = state.to_json();
            shown["queue"] = read.queue.into();
            shown["forgotten"] = read.forgotten.into();
        }
        shown
    }
}
