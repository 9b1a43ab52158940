//! A node: an agent, a front before it, and the order in which they begin and end.
//!
//! What a node serves it is given ([`Node::start`], [`Node::deploy`]), or it follows a store
//! ([`Node::serve`]) and has the v2 API to change it.
//!
//! `start` puts it together, `beside` is what it does beside answering calls over HTTP, and `end` takes
//! it apart in order; `following` keeps what it serves like its store.

mod beside;
mod end;
mod following;
mod start;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hotfn::Agent;
use hotfn::pool::Need;
use hotfn_protocols::FunctionId;

use crate::calls::Calls;
use crate::command;
use crate::config::Deployment;
use crate::connector::Connectors;
use crate::front::listen::Server;
use crate::front::listener::Handed;
use crate::front::{Address, Front};
use crate::store::Given;
use crate::takeover;
use crate::threads::Threads;
use crate::tls::Tls;

pub use beside::Beside;
pub use start::StartError;

use following::Following;

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

impl Node {
    /// The threads it serves on.
    #[must_use]
    pub fn threads(&self) -> &Arc<Threads> {
        &self.threads
    }

    /// The very sockets that it listens at, for a successor.
    ///
    /// # Errors
    /// When descriptors have run out.
    pub fn sockets(&self) -> io::Result<Vec<Handed>> {
        self.server.sockets()
    }

    /// What its containers have, all together.
    #[must_use]
    pub fn room(&self) -> takeover::Room {
        let Need { memory_mb, cpu_milli } = self.agent.room();
        takeover::Room { memory_mb, cpu_milli }
    }

    /// Where it listens; at one place at least.
    #[must_use]
    pub fn addresses(&self) -> &[Address] {
        self.server.addresses()
    }

    /// Where it listens on the network, if it does.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.addresses().iter().find_map(Address::tcp)
    }

    /// What its URLs begin with, at each of its places: `http://ADDR:PORT`, `https://` or `unix:///PATH`.
    #[must_use]
    pub fn bases(&self) -> Vec<String> {
        self.addresses().iter().map(|address| address.base(self.tls.is_some())).collect()
    }

    /// Reads its certificate again, if it has one, and that of its host commands.
    pub fn reload(&self) {
        if self.tls.is_none() && self.commands.is_none() {
            tracing::info!("there is no certificate to be read again; a successor (USR2) follows a changed config");
        }
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

    /// Puts the functions that it [serves](Self::serve) beside its store into that store. To be called when nothing
    /// else of a start can fail: what others serve that have the same store changes with it.
    ///
    /// # Errors
    /// When the store has something else in the place of one of them. Then it is as it was.
    pub async fn give(&self, given: &Given) -> Result<(), StartError> {
        match &self.following {
            Some(following) => Ok(following.mirror.give(given).await?),
            None => Ok(()),
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
}
