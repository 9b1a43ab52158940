//! A network of CNI plug-ins, which are programs.
//!
//! Each gets its part of the list as JSON, with the result of the one before, and says what it did:
//!
//! ```text
//! CNI_COMMAND=ADD CNI_CONTAINERID=01kaf3… CNI_NETNS=…/netns CNI_IFNAME=eth0 CNI_PATH=/usr/lib/cni bridge
//! < {"cniVersion":"0.4.0","name":"hotfn","type":"bridge","bridge":"hotfn0",…,"prevResult":…}
//! > {"cniVersion":"0.4.0","interfaces":[…],"ips":[{"version":"4","address":"10.89.0.7/16",…}]}
//! ```
//!
//! What was added must be deleted, or its address is lost for good. So the list and its result are
//! kept in the container's directory, where the next agent finds them when this one was killed.

use std::fs;
use std::path::{Path, PathBuf};

use hotfn_exec::{Job, Supervisor, program};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::network::Cni;
use super::{netns, runtime, tool};
use crate::container::DriverError;

/// What the interface is called in the container.
const INTERFACE: &str = "eth0";
/// Of our own list. Plug-ins of the last eight years speak it.
const VERSION: &str = "0.4.0";
/// What is noted of a container's connection, in its directory.
const NOTE: &str = "network.json";

/// Plug-ins in the order they are called.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Chain {
    list: List,
    dirs: Vec<PathBuf>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct List {
    cni_version: String,
    name: String,
    plugins: Vec<Map<String, Value>>,
}

/// A container's connection to a network. It is undone by [`delete`](Self::delete) only.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Attachment {
    chain: Chain,
    id: String,
    /// What the plug-ins said, the last of them for all.
    result: Option<Value>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Command {
    Add,
    Delete,
}

impl Chain {
    /// Reads the list, and sees to it that its plug-ins are there.
    pub(super) fn read(cni: &Cni) -> Result<Self, String> {
        let list = match &cni.conflist {
            None => bridge(),
            Some(path) => {
                let text = fs::read_to_string(path).map_err(|e| format!("cannot read {path:?}: {e}"))?;
                serde_json::from_str(&text).map_err(|e| format!("{path:?} is no list of plug-ins: {e}"))?
            }
        };
        let chain = Self { list, dirs: cni.plugins.clone() };
        chain.list.plugins.iter().try_for_each(|plugin| chain.program(plugin).map(drop))?;
        Ok(chain)
    }

    fn program(&self, plugin: &Map<String, Value>) -> Result<PathBuf, String> {
        let name = plugin.get("type").and_then(Value::as_str).unwrap_or_default();
        if name.is_empty() || name.contains('/') {
            return Err(format!("the list {:?} names a plug-in {name:?}, which is no name", self.list.name));
        }
        program::find(name.as_ref(), &self.search(), Path::new("/"))
            .map_err(|e| format!("{e}; install containernetworking-plugins, or say where plug-ins are"))
    }

    fn search(&self) -> std::ffi::OsString {
        std::env::join_paths(&self.dirs).unwrap_or_default()
    }

    /// What one plug-in says.
    async fn call(
        &self,
        supervisor: &Supervisor,
        command: Command,
        plugin: &Map<String, Value>,
        (id, netns): (&str, &Path),
        before: Option<&Value>,
    ) -> Result<Option<Value>, DriverError> {
        let mut settings = plugin.clone();
        settings.insert("cniVersion".to_owned(), self.list.cni_version.clone().into());
        settings.insert("name".to_owned(), self.list.name.clone().into());
        if let Some(before) = before {
            settings.insert("prevResult".to_owned(), before.clone());
        }
        let verb = if command == Command::Add { "ADD" } else { "DEL" };
        let what = format!("CNI {verb} of container {id} by {}", plugin.get("type").unwrap_or(&Value::Null));
        let failed = |why| DriverError::Engine { what: what.clone(), why };

        let mut job = Job::new(self.program(plugin).map_err(failed)?);
        job.env = vec![
            ("CNI_COMMAND".into(), verb.into()),
            ("CNI_CONTAINERID".into(), id.into()),
            ("CNI_NETNS".into(), netns.into()),
            ("CNI_IFNAME".into(), INTERFACE.into()),
            ("CNI_PATH".into(), self.search()),
            // For the firewall's program.
            ("PATH".into(), runtime::search()),
        ];
        let settings = serde_json::to_vec(&settings).expect("what was read as JSON can be written as such");
        let said = tool::run(supervisor, job, Some(&settings), &what).await?;
        if !said.is_well() {
            return Err(failed(said.complaint()));
        }
        if said.stdout.trim().is_empty() {
            return Ok(None);
        }
        serde_json::from_str(&said.stdout).map(Some).map_err(|e| failed(format!("its answer is no JSON: {e}")))
    }
}

/// Our own list: a bridge, addresses, a way out.
fn bridge() -> List {
    let list = json!({
        "cniVersion": VERSION,
        "name": "hotfn",
        "plugins": [
            { "type": "loopback" },
            {
                "type": "bridge",
                "bridge": "hotfn0",
                "isGateway": true,
                "ipMasq": true,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{ "subnet": "10.89.0.0/16" }]],
                    "routes": [{ "dst": "0.0.0.0/0" }],
                },
            },
        ],
    });
    serde_json::from_value(list).expect("our own list is well formed")
}

impl Attachment {
    /// Connects the container `id` by the namespace in its directory `bundle`.
    ///
    /// If that fails, what was done until then is undone. If the future is dropped, the note in the
    /// directory stays, see [`of`](Self::of).
    pub(super) async fn add(
        chain: Chain,
        supervisor: &Supervisor,
        bundle: &Path,
        id: &str,
    ) -> Result<Self, DriverError> {
        let mut attachment = Self { chain, id: id.to_owned(), result: None };
        attachment.note(bundle)?;
        let namespace = netns::file(bundle);
        for plugin in &attachment.chain.list.plugins {
            let before = attachment.result.as_ref();
            let said = attachment.chain.call(supervisor, Command::Add, plugin, (id, &namespace), before).await;
            match said {
                // A loopback's result is not a connection's.
                Ok(_) if plugin.get("type").and_then(Value::as_str) == Some("loopback") => {}
                Ok(said) => attachment.result = said.or(attachment.result),
                Err(e) => {
                    attachment.delete(supervisor, bundle).await;
                    return Err(e);
                }
            }
        }
        attachment.note(bundle)?;
        Ok(attachment)
    }

    /// The connection that a container had whose directory is `bundle`.
    pub(super) fn of(bundle: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(bundle.join(NOTE)).ok()?).ok()
    }

    /// Undoes it, the last first, as far as that goes.
    pub(super) async fn delete(&self, supervisor: &Supervisor, bundle: &Path) {
        let namespace = netns::file(bundle);
        for plugin in self.chain.list.plugins.iter().rev() {
            let place = (self.id.as_str(), &*namespace);
            let deleted = self.chain.call(supervisor, Command::Delete, plugin, place, self.result.as_ref()).await;
            if let Err(error) = deleted {
                tracing::warn!(container_id = %self.id, %error, "a connection stays");
            }
        }
    }

    fn note(&self, bundle: &Path) -> Result<(), DriverError> {
        let path = bundle.join(NOTE);
        let note = serde_json::to_vec(self).expect("what was read as JSON can be written as such");
        fs::write(&path, note).map_err(|source| DriverError::Os { what: format!("cannot write {path:?}"), source })
    }
}
