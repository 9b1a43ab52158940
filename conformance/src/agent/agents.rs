//! Where a case has its agent from: the one that runs, or one that is started for it.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use super::own::Own;
use super::stage::Stage;
use crate::case::Needs;
use crate::check::Run;
use crate::random::Random;
use crate::registry::{Image, Manner, Registry};
use crate::subject::{Agent, Place, Witness};
use crate::transcript::Transcript;

/// An agent under test, and those that were started of it. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Agents(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    agent: Arc<Agent>,
    /// The one for all cases that need no settings of their own, started when the first of them comes.
    plain: Mutex<Option<Own>>,
    /// Where agents have the witness from, if it is to be an image; made when the first case asks.
    registry: Mutex<Option<Registry>>,
}

impl Agents {
    pub(crate) fn of(agent: Agent) -> Self {
        Self(Arc::new(Shared { agent: Arc::new(agent), plain: Mutex::default(), registry: Mutex::default() }))
    }

    /// What of a case's needs is not there, in a sentence.
    pub(crate) fn lack(&self, needs: Needs) -> Option<String> {
        let agent = &self.0.agent;
        if let Needs::Insight(why) = needs {
            return Some(format!("nobody outside can tell: {why}"));
        }
        if needs.own() && matches!(agent.place, Place::There(_)) {
            return Some("it needs an agent with settings of its own; give the command that starts one".to_owned());
        }
        if needs.images() && matches!(agent.witness, Witness::Image(_)) {
            return Some("it is about images; give a static build of the witness to make one of".to_owned());
        }
        if needs.images() && matches!(agent.place, Place::There(address) if !address.ip().is_loopback()) {
            return Some("the harness's registry is on the loopback, which that agent does not share".to_owned());
        }
        None
    }

    /// The stage of a case.
    pub(crate) fn stage(&self, number: u16, random: Random, transcript: &Transcript) -> Run<Stage> {
        Ok(Stage {
            subject: self.0.agent.clone(),
            address: self.address()?,
            image: self.image()?,
            random: RefCell::new(random),
            transcript: transcript.clone(),
            number,
            apps: Cell::new(0),
        })
    }

    /// What the witness is called.
    fn image(&self) -> Run<String> {
        let program = match &self.0.agent.witness {
            Witness::Image(image) => return Ok(image.clone()),
            Witness::Program(program) => program,
        };
        let mut registry = self.0.registry.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(registry) = &*registry {
            return Ok(registry.reference());
        }
        let serves = Registry::start(Image::of(program, &Value::Null)?, Manner::Open)?;
        Ok(registry.insert(serves).reference())
    }

    fn address(&self) -> Run<SocketAddr> {
        let command = match &self.0.agent.place {
            Place::There(address) => return Ok(*address),
            Place::Command(command) => command,
        };
        let mut plain = self.0.plain.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = &mut *plain
            && own.lives()
        {
            return Ok(own.address());
        }
        // What an agent says that serves many cases is in no transcript of theirs.
        let own = Own::start(command, &[], &Transcript::default())?;
        Ok(plain.insert(own).address())
    }
}
