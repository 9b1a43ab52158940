//! What a case of the agent's side has in hand: a server with the v2 API, and functions of its own on
//! it.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Value, json};

use super::own::Own;
use crate::check::{Run, Stop, holds};
use crate::random::Random;
use crate::subject::{self, Place, Witness};
use crate::transcript::Transcript;
use crate::wire::{Answer, Connection, Request};
use crate::witness::Sight;

/// The subject, and everything that belongs to one run of one case.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) subject: Arc<subject::Agent>,
    /// Where the agent of this case is.
    pub(crate) address: SocketAddr,
    /// What the witness is called there.
    pub(crate) image: String,
    pub(crate) random: RefCell<Random>,
    pub(crate) transcript: Transcript,
    pub(crate) number: u16,
    pub(crate) apps: Cell<u16>,
}

/// An app of a case. Dropping it deletes it, and all that is in it.
#[derive(Debug)]
pub(crate) struct App<'s> {
    pub(crate) stage: &'s Stage,
    pub(crate) id: String,
    pub(crate) name: String,
}

/// A function of a case.
#[derive(Debug)]
pub(crate) struct Deployed<'s> {
    pub(crate) app: App<'s>,
    pub(crate) id: String,
}

impl Stage {
    /// An agent of this case alone, with these settings on top of its defaults, and a stage in front of it.
    pub(crate) fn own(&self, settings: &[(&str, &str)]) -> Run<(Own, Self)> {
        let own = Own::start(self.command()?, settings, &self.transcript)?;
        let stage = self.before(&own);
        Ok((own, stage))
    }

    /// The same case in front of another agent.
    pub(crate) fn before(&self, own: &Own) -> Self {
        Self {
            subject: self.subject.clone(),
            address: own.address(),
            image: self.image.clone(),
            random: self.random.clone(),
            transcript: self.transcript.clone(),
            number: self.number,
            apps: self.apps.clone(),
        }
    }

    /// How agents are started.
    pub(crate) fn command(&self) -> Run<&subject::Command> {
        match &self.subject.place {
            Place::Command(command) => Ok(command),
            Place::There(_) => Err(Stop::untold("it needs an agent with settings of its own")),
        }
    }

    /// Does the agent run images, and not programs of its host?
    pub(crate) fn runs_images(&self) -> bool {
        matches!(self.subject.witness, Witness::Program(_))
    }

    /// A request to the server, on a connection of its own.
    pub(crate) fn ask(&self, request: &Request) -> Run<Answer> {
        self.connect()?.call(request)
    }

    pub(crate) fn connect(&self) -> Run<Connection> {
        Connection::to(self.address, &self.transcript)
    }

    /// A request of the API.
    pub(crate) fn api(&self, method: &'static str, path: &str, body: Option<&Value>) -> Run<Answer> {
        let request = Request::plain(method, path, &self.address.to_string());
        let request = request.header("Content-Type", "application/json");
        self.ask(&match body {
            Some(body) => request.body(body.to_string()),
            None => request,
        })
    }

    /// A name nobody else has.
    pub(crate) fn name(&self) -> String {
        self.apps.set(self.apps.get() + 1);
        format!("conformance-{}-{}-{}", self.number, self.apps.get(), self.random.borrow_mut().letters(8))
    }

    /// A new app with this config.
    pub(crate) fn app(&self, config: &Value) -> Run<App<'_>> {
        let name = self.name();
        let made = self.api("POST", "/v2/apps", Some(&json!({ "name": name, "config": config })))?;
        Ok(App { stage: self, id: id(&made, "an app")?, name })
    }

    /// The witness, with this in its environment.
    pub(crate) fn deploy(&self, config: &Value) -> Run<Deployed<'_>> {
        self.deploy_as(&json!({ "config": config }))
    }

    /// The witness, with these members of a function.
    pub(crate) fn deploy_as(&self, members: &Value) -> Run<Deployed<'_>> {
        self.app(&json!({}))?.deploy(members)
    }

    /// The witness, announcing its socket in one way.
    pub(crate) fn start(&self, way: &str) -> Run<Deployed<'_>> {
        self.deploy(&json!({ "WITNESS_START": way }))
    }
}

impl<'s> App<'s> {
    pub(crate) fn deploy(self, members: &Value) -> Run<Deployed<'s>> {
        let mut new = json!({
            "name": "witness", "app_id": self.id, "image": self.stage.image, "memory": 64, "timeout": 30,
            "idle_timeout": 30,
        });
        for (name, value) in members.as_object().expect("members are an object") {
            new[name] = value.clone();
        }
        let made = self.stage.api("POST", "/v2/fns", Some(&new))?;
        Ok(Deployed { id: id(&made, "a function")?, app: self })
    }
}

impl Drop for App<'_> {
    fn drop(&mut self) {
        // What cannot be deleted any more is the server's own business.
        let _ = self.stage.api("DELETE", &format!("/v2/apps/{}", self.id), None);
    }
}

impl Deployed<'_> {
    /// A call with this body, which is said to be text, as the command line says.
    pub(crate) fn request(&self, body: impl Into<Vec<u8>>) -> Request {
        let host = self.app.stage.address.to_string();
        let request = Request::plain("POST", &format!("/invoke/{}", self.id), &host);
        request.header("Content-Type", "text/plain").body(body)
    }

    pub(crate) fn call(&self, body: impl Into<Vec<u8>>) -> Run<Answer> {
        self.app.stage.ask(&self.request(body))
    }

    /// A call that has the witness do something.
    pub(crate) fn steps(&self, steps: &[&str]) -> Run<Answer> {
        self.call(script(steps))
    }

    /// What the witness saw of a request.
    pub(crate) fn sees(&self, request: &Request) -> Run<Sight> {
        sight(&self.app.stage.ask(request)?)
    }

    /// The container that answers a call now.
    pub(crate) fn container(&self) -> Run<String> {
        Ok(self.sees(&self.request("who"))?.container)
    }

    /// A trigger that calls it.
    pub(crate) fn trigger(&self, source: &str) -> Run<String> {
        let new = json!({
            "name": self.app.stage.name(), "app_id": self.app.id, "fn_id": self.id, "type": "http", "source": source,
        });
        id(&self.app.stage.api("POST", "/v2/triggers", Some(&new))?, "a trigger")?;
        Ok(format!("/t/{}{source}", self.app.name))
    }
}

/// A body that tells the witness what to do.
pub(crate) fn script(steps: &[&str]) -> String {
    std::iter::once(&"witness").chain(steps).map(|line| format!("{line}\n")).collect()
}

/// What the witness says it saw.
pub(crate) fn sight(answer: &Answer) -> Run<Sight> {
    holds!(answer.status == 200, "the witness was not reached: {}", answer.brief());
    serde_json::from_slice(&answer.body)
        .map_err(|e| Stop::broken(format!("the witness's answer was changed on its way ({e}): {}", answer.brief())))
}

fn id(made: &Answer, what: &str) -> Run<String> {
    let id = serde_json::from_slice::<Value>(&made.body).ok().and_then(|made| Some(made["id"].as_str()?.to_owned()));
    let created = made.status == 200;
    id.filter(|_| created).ok_or_else(|| Stop::broken(format!("creating {what} was answered {}", made.brief())))
}

/// A fault as an agent tells it: this status, a message with one of these words, and framing that
/// ends where it says.
pub(crate) fn fault(answer: &Answer, status: u16, words: &[&str]) -> Run {
    let message =
        serde_json::from_slice::<Value>(&answer.body).ok().and_then(|b| Some(b["message"].as_str()?.to_owned()));
    holds!(answer.status == status, "the status must be {status}, but it was {}", answer.brief());
    let Some(message) = message else {
        return Err(Stop::broken(format!("an error's body is JSON with a message, but it was {}", answer.brief())));
    };
    let lower = message.to_lowercase();
    let named = words.is_empty() || words.iter().any(|word| lower.contains(word));
    holds!(named, "the message should name one of {words:?}, but it says {message:?}");
    Ok(())
}
