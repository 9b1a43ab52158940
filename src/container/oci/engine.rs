//! What makes containers: a runtime that was found to work, and everything it needs around it.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use hotfn_exec::Supervisor;
use hotfn_images::{Image, ImageConfig};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use super::cni::Attachment;
use super::container::Ready;
use super::home::{self, Home};
use super::remains::{Parts, Remains};
use super::rootfs::{Rootfs, Tree, Writes};
use super::rules::{Ground, Wish};
use super::runtime::Runtime;
use super::spec::{Mount, Root};
use super::{groups, network, user};
use crate::container::{DriverError, Spec};
use crate::watch::Watch;

/// Runtimes at work at once, for each CPU: more of them only take turns, and memory.
const STARTS_A_CPU: usize = 4;

/// What makes containers.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) ground: Ground,
    pub(super) runtime: Runtime,
    pub(super) network: network::Ready,
    pub(super) supervisor: Supervisor,
    pub(super) watch: Watch,
    /// What is left to be removed is removed there, whoever has left.
    pub(super) handle: Handle,
    /// What is being removed so.
    pub(super) removals: TaskTracker,
    /// Where everything is kept.
    pub(super) state: PathBuf,
    /// Who may start a container now.
    pub(super) turns: Semaphore,
    /// The agents that containers were made for: one, but in tests.
    pub(super) nodes: Mutex<BTreeSet<String>>,
}

/// What of an image a container is made of.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) config: ImageConfig,
    pub(super) tree: Tree,
    /// Keeps the image here.
    pub(super) _image: Option<Image>,
}

impl Engine {
    pub(super) fn turns() -> Semaphore {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        Semaphore::new(cpus * STARTS_A_CPU)
    }

    /// Makes all of a container but its processes. `more` is mounted in it, beside what is always.
    pub(super) async fn make(
        self: &Arc<Self>,
        spec: Spec,
        source: Source,
        more: Vec<Mount>,
    ) -> Result<Ready, DriverError> {
        self.ground.fits(&spec.image, &source.config)?;
        let id = spec.id.as_str();
        let os = |what: &str| {
            let what = format!("cannot {what} of container {id}");
            move |source: io::Error| DriverError::Os { what, source }
        };
        let home = Home::new(&self.state, &spec.node);
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner).insert(spec.node.clone());
        let bundle = home.bundle(id).map_err(os("make the directory"))?;
        // From here on whatever was made is removed, unless it becomes a container.
        let mut remains = Remains::new(Parts {
            engine: Arc::clone(self),
            node: spec.node.clone(),
            id: spec.id.clone(),
            root: home.runtime(self.runtime.name()),
            bundle: bundle.clone(),
            rootfs: None,
            attachment: None,
            child: None,
            source,
        });
        let parts = remains.parts();

        let sandbox = &self.ground.sandbox;
        let writes = if sandbox.read_only { Writes::None } else { Writes::InMemory };
        let config = &parts.source.config;
        let places = config.volumes.iter().chain([&config.working_dir]).map(String::as_str).collect::<Vec<_>>();
        let rootfs = Rootfs::new(&bundle, &parts.source.tree, writes, &places).map_err(os("lay out the files"))?;
        let user = user::of(&rootfs.path, config, sandbox)
            .map_err(|why| DriverError::Image { image: spec.image.clone(), why })?;
        let root = Root { path: rootfs.path.clone(), readonly: sandbox.read_only };
        parts.rootfs = Some(rootfs);

        let (reach, attachment) = self.network.connect(&self.supervisor, &bundle, id).await?;
        parts.attachment = attachment;

        let hosts = self.hosts(&bundle, &reach).map_err(os("write the hosts"))?;
        let wish = Wish { spec: &spec, image: &parts.source.config, user, root, reach: &reach, hosts: &hosts };
        let mut config = self.ground.config(wish);
        config.mounts.extend(more);
        let config = serde_json::to_vec(&config).expect("plain data can be written as JSON");
        fs::write(bundle.join("config.json"), config).map_err(os("write the description"))?;
        Ok(Ready::new(remains, spec.pipes))
    }

    /// What becomes the container's `/etc/hosts`.
    fn hosts(&self, bundle: &Path, reach: &network::Reach) -> io::Result<PathBuf> {
        if *reach == network::Reach::Host {
            return Ok("/etc/hosts".into());
        }
        let path = bundle.join("hosts");
        let name = &self.ground.hostname;
        fs::write(&path, format!("127.0.0.1 localhost\n::1 localhost\n127.0.0.1 {name}\n"))?;
        Ok(path)
    }

    /// Does in the background what removes something.
    pub(super) fn remove<F: Future<Output = ()> + Send + 'static>(&self, removal: F) -> JoinHandle<()> {
        self.removals.spawn_on(removal, &self.handle)
    }

    /// Resolves when nothing is being removed in the background.
    pub(super) async fn settled(&self) {
        // It counts on, closed or not.
        self.removals.close();
        self.removals.wait().await;
    }

    /// Ends and removes all containers of a node that is dead; answers how many there were.
    pub(super) async fn sweep(&self, node: &str) -> Result<usize, DriverError> {
        if node.is_empty() {
            // Its directory would be everybody's.
            let what = "find what a dead agent left".to_owned();
            return Err(DriverError::Engine { what, why: "no agent has an empty name".to_owned() });
        }
        let home = Home::new(&self.state, node);
        let mut containers = 0;
        for root in home.runtimes() {
            let runtime = self.runtime_of(&root).await?;
            for entry in fs::read_dir(&root).into_iter().flatten().flatten() {
                let Ok(id) = entry.file_name().into_string() else { continue };
                runtime.delete(&self.supervisor, &root, &id).await?;
            }
        }
        for bundle in home.bundles() {
            if let Some(attachment) = Attachment::of(&bundle) {
                attachment.delete(&self.supervisor, &bundle).await;
            }
            home::remove_bundle(&bundle).map_err(|source| {
                let what = format!("cannot remove {bundle:?}");
                DriverError::Os { what, source }
            })?;
            containers += 1;
        }
        groups::remove(node).await;
        home.remove().map_err(|source| DriverError::Os { what: format!("cannot remove what {node} left"), source })?;
        Ok(containers)
    }

    /// The runtime whose notes are in `root`: ours, or another that an earlier agent had.
    async fn runtime_of(&self, root: &Path) -> Result<Runtime, DriverError> {
        let name = root.file_name().expect("it is an entry of a directory");
        if name == self.runtime.name() {
            return Ok(self.runtime.clone());
        }
        let name = name.to_string_lossy();
        let grouped = self.ground.groups != super::rules::Groups::None;
        let found = Runtime::find(&name, &self.supervisor, grouped).await;
        found.map_err(|why| DriverError::Engine { what: format!("find {name}, which has containers here"), why })
    }
}

impl Drop for Engine {
    /// Takes along what is empty now. Where that is not so, a container was left behind, which the next
    /// agent sweeps.
    fn drop(&mut self) {
        for node in self.nodes.get_mut().unwrap_or_else(PoisonError::into_inner).iter() {
            groups::remove_empty(node);
            Home::new(&self.state, node).remove_empty();
        }
    }
}
