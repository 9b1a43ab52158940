//! What a node of a store does beside answering calls over HTTP.

use std::sync::Arc;

use hotfn::Agent;
use hotfn_socket::Inherited;

use super::{Node, StartError};
use crate::command;
use crate::connector::{Callable, Connectors, Definition};
use crate::mirror::Mirror;

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

impl Node {
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

    /// Takes what a predecessor shared with it until it let go: the paths of unix sockets.
    pub fn inherit(&self) {
        self.server.adopt_paths();
    }

    /// Lets go of what a successor cannot share: the sockets of connectors and of commands. What they have
    /// under way is answered first.
    pub async fn let_go(&mut self) {
        end_beside(self.connectors.as_deref(), self.commands.take()).await;
    }
}

/// Connectors call commands, so these end after them.
pub(super) async fn end_beside(connectors: Option<&Connectors>, commands: Option<command::Server>) {
    if let Some(connectors) = connectors {
        connectors.stop_all().await;
    }
    if let Some(commands) = commands {
        commands.stop().await;
    }
}

/// What a service of commands can use of a node: its functions, by the names that the store knows.
fn means(agent: &Agent, mirror: &Mirror) -> command::Means {
    let functions = command::Functions { invoke: Arc::new(agent.clone()), directory: mirror.store().clone() };
    command::Means { functions: Some(functions), ..command::Means::default() }
}
