//! The v2 API of a whole node, over real connections. Numbers in comments are the contract's cases.

mod apps;
mod functions;
mod lists;
mod node;
mod serving;
mod triggers;

use std::net::SocketAddr;

use serde_json::{Value, json};
use tempfile::TempDir;

use hotfn_server::config::Settings;
use hotfn_server::node::Node;
use hotfn_server::store::{Given, Store, Url};

use crate::client::{Answer, ask};

/// A node with an empty store.
pub(crate) struct Api {
    addr: SocketAddr,
    node: Node,
    _folder: TempDir,
}

impl Api {
    pub(crate) async fn start() -> Self {
        Self::with(Settings::default()).await
    }

    pub(crate) async fn with(settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            listen: Some("127.0.0.1:0".parse().unwrap()),
            iofs: Some(folder.path().to_owned()),
            memory_mb: Some(1024),
            ..settings
        };
        let store = Store::open(&settings.db.clone().unwrap_or(Url::Memory)).await.unwrap();
        let node = Node::serve(&settings, store, &Given::default(), Vec::new()).await.unwrap();
        Self { addr: node.local_addr().unwrap(), node, _folder: folder }
    }

    /// Ends the node, in order.
    pub(crate) async fn stop(self) {
        self.node.stop(std::future::ready(())).await;
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Sends `body` as it is.
    pub(crate) async fn send(&self, method: &str, path: &str, body: &str) -> Answer {
        let head = format!("{method} {path} HTTP/1.1\nHost: fn.example:80\nContent-Length: {}\n\n", body.len());
        ask(self.addr, &format!("{head}{body}")).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "").await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, &body.to_string()).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send("PUT", path, &body.to_string()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, "").await
    }

    /// A new app's id.
    pub(crate) async fn app(&self, name: &str) -> String {
        text(&self.post("/v2/apps", json!({ "name": name })).await.ok(), "id")
    }

    /// A new function's id.
    pub(crate) async fn function(&self, app: &str, name: &str) -> String {
        let body = json!({"name": name, "app_id": app, "image": IMAGE});
        text(&self.post("/v2/fns", body).await.ok(), "id")
    }

    /// A new trigger's id.
    pub(crate) async fn trigger(&self, app: &str, function: &str, name: &str, source: &str) -> String {
        text(&self.post("/v2/triggers", trigger(app, function, name, source)).await.ok(), "id")
    }
}

/// Answers what it is asked: a function of the format `default`.
pub(crate) const IMAGE: &str = "process:/bin/cat";

fn trigger(app: &str, function: &str, name: &str, source: &str) -> Value {
    json!({"name": name, "app_id": app, "fn_id": function, "type": "http", "source": source})
}

impl Answer {
    /// The object of an answer that says 200.
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.json()
    }

    /// Holds an answer to its status, and an error's body to its shape.
    pub(crate) fn is(&self, status: u16, what: &dyn std::fmt::Debug) -> &Self {
        assert_eq!(self.status, status, "{what:?}: {}", self.body);
        match status {
            200 => drop(self.json()),
            204 | 410 => assert_eq!(self.body, ""),
            _ => {
                let error = self.json();
                assert!(error.as_object().unwrap().len() == 1 && error["message"].is_string(), "{error}");
            }
        }
        self
    }
}

pub(crate) fn text(object: &Value, member: &str) -> String {
    object[member].as_str().unwrap_or_else(|| panic!("no {member} in {object}")).to_owned()
}

/// `given`, with `changes` to its members; `null` takes one away.
fn with(mut given: Value, changes: Value) -> Value {
    for (key, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(given.as_object_mut().unwrap().remove(key)),
            value => given[key] = value.clone(),
        }
    }
    given
}
