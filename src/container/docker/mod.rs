//! Functions as containers of an engine: Docker, or one that speaks as it does.
//!
//! A container is made with the [`Sandbox`] and the function's own limits, attached to, and
//! started: three requests on connections that are kept. From then on the engine is left alone until
//! the end. That a container has ended shows in its streams; it is frozen by writing to its control
//! group, where that is within our reach, in a hundredth of the time the engine takes.
//!
//! In the order in which they are needed:
//!
//! * [`Docker`] says where the engine is and what holds for all containers; [`DockerDriver`] is both
//!   of them, connected.
//! * `engine` finds it and speaks to it, over connections of `wire`.
//! * `images` sees to it that an image is there (`load`, `pull`, `auth`), and `store` that what was
//!   fetched does not grow without end.
//! * `body` is what an engine is told of a container: the sandbox, property by property.
//! * `container` is one container's life, with a `background` for what nobody waits for; `networks` is
//!   which network it is in; [`frames`] and `streams` are what it prints.
//! * `tally` is what is counted of all this, with `events` that the engine tells of.
//!
//! Whatever an engine keeps for us outlives us if we are killed. So every container carries the label
//! [`LABEL_NODE`], by which the next agent finds what is left of a dead one.
//!
//! Absent on purpose: TLS and SSH to engines elsewhere, since an iofs directory has to be on the
//! engine's host anyway; building images; Fn's pool of containers that hold a network for others.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use bollard::query_parameters::{CreateContainerOptions, ListContainersOptions};
use hotfn_images::{Progress, Store};
use tokio_util::task::AbortOnDropHandle;

use super::sandbox::{IOFS, Sandbox};
use super::{Created, Doing, Driver, DriverError, Spec, View};
use crate::metrics::Page;

mod auth;
mod background;
mod body;
mod container;
mod end;
mod engine;
mod events;
#[doc(hidden)]
pub mod frames;
mod images;
mod load;
mod networks;
mod pull;
mod store;
mod streams;
mod tally;
mod wire;

pub use body::Seen;
pub use engine::ENV_HOST;
pub use store::Keep;

use background::Background;
use body::Terms;
use container::{Held, Made};
use engine::Engine;
use images::{Images, Rules};
use networks::{Lease, Networks};

/// The label of a container with the name of its agent.
pub const LABEL_NODE: &str = "hotfn.node";
/// The label of a container with the id of its function.
pub const LABEL_FUNCTION: &str = "hotfn.function";

/// Where the engine is, and what holds for all containers. Plain data.
#[derive(Clone, Debug, Default)]
pub struct Docker {
    /// Where it listens, `unix:///PATH` or `tcp://HOST:PORT`. Default: as [`ENV_HOST`] says; else the
    /// first that is there of `/var/run/docker.sock`, the sockets of a rootless Docker or Podman below
    /// `XDG_RUNTIME_DIR`, and Podman's own.
    pub host: Option<String>,
    /// The networks that containers share out among them, each the least used one. Default: none listed,
    /// which is the engine's own choice (`FN_DOCKER_NETWORKS`).
    pub networks: Vec<String>,
    /// Where the engine sees our iofs directories. Default: where we do (`FN_IOFS_DOCKER_PATH`).
    pub iofs_seen: Option<Seen>,
    /// Fn's labels `fn-agent-classifier`, with this value, and `fn-agent-instance`. Default: not there
    /// (`FN_CONTAINER_LABEL_TAG`).
    pub label_tag: Option<String>,
    /// Credentials for registries, as JSON. Default: those in the user's `.docker/config.json`
    /// (`FN_DOCKER_AUTH`).
    pub auth: Option<String>,
    /// A file of images to load at the start. Default: none (`FN_DOCKER_LOAD_FILE`).
    pub load_file: Option<PathBuf>,
    /// Who is told how far the fetching of images is. Default: nobody.
    pub progress: Option<Arc<dyn Progress>>,
    /// Where images in OCI layouts (`oci:PATH`) are read, since older engines load none. Default: none,
    /// and they are refused.
    pub layouts: Option<Store>,
    /// What becomes of images that were fetched.
    pub keep: Keep,
    /// What a container may do.
    pub sandbox: Sandbox,
}

/// Starts functions as containers of an engine.
#[derive(Clone, Debug)]
pub struct DockerDriver {
    shop: Arc<Shop>,
}

/// What makes containers.
#[derive(Debug)]
struct Shop {
    engine: Arc<Engine>,
    images: Arc<Images>,
    networks: Arc<Networks>,
    terms: Terms,
    background: Background,
    /// Counts what the engine tells of.
    _events: AbortOnDropHandle<Infallible>,
}

impl DockerDriver {
    /// Finds the engine, learns what it is, and loads what is to be loaded. What is left behind in
    /// the background is done by the runtime that this is called on.
    ///
    /// # Errors
    /// When there is no engine, or none that may be used or is new enough; when a network is not there or
    /// the file cannot be loaded.
    pub async fn connect(docker: Docker) -> Result<Self, DriverError> {
        let engine = Arc::new(Engine::connect(docker.host.as_deref()).await?);
        let networks = Arc::new(Networks::find(&engine, docker.networks).await?);
        let rules = Rules {
            volumes: docker.sandbox.volumes,
            auth: docker.auth,
            layouts: docker.layouts,
            progress: docker.progress.unwrap_or_else(|| Arc::new(())),
        };
        let images = Arc::new(Images::new(engine.clone(), rules, store::Fetched::new(docker.keep)));
        if let Some(file) = docker.load_file {
            images.preload(&file).await?;
        }
        let terms = Terms {
            sandbox: docker.sandbox,
            iofs_seen: docker.iofs_seen,
            hostname: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            label_tag: docker.label_tag,
            selinux: engine.selinux,
        };
        let (background, events) = (Background::here(), events::follow(engine.clone()));
        Ok(Self { shop: Arc::new(Shop { engine, images, networks, terms, background, _events: events }) })
    }
}

impl Driver for DockerDriver {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn view(&self) -> View {
        View::Image { iofs: IOFS }
    }

    fn prepare<'a>(&'a self, image: &'a str) -> Doing<'a, Result<(), DriverError>> {
        Box::pin(async { self.shop.images.get(image).await.map(drop) })
    }

    fn create(&self, spec: Spec) -> Doing<'_, Result<Box<dyn Created>, DriverError>> {
        let shop = self.shop.clone();
        let work = async move { Ok(Box::new(shop.make(spec).await?) as Box<dyn Created>) };
        Box::pin(self.shop.background.see_through(work))
    }

    fn sweep<'a>(&'a self, node: &'a str) -> Doing<'a, Result<usize, DriverError>> {
        Box::pin(self.shop.sweep(node))
    }

    fn tell(&self, page: &mut Page<'_>) -> fmt::Result {
        self.shop.engine.tally.tell(page, self.shop.engine.instance)
    }

    fn settled(&self) -> Doing<'_, ()> {
        Box::pin(self.shop.background.settled())
    }
}

impl Shop {
    async fn make(&self, spec: Spec) -> Result<Made, DriverError> {
        let network = self.networks.lease();
        let mut retried = false;
        loop {
            let image = self.images.get(&spec.image).await?;
            let body = self.terms.body(&spec, &image.name, network.as_ref().map(Lease::name))?;
            let options = CreateContainerOptions { name: Some(spec.id.clone()), ..CreateContainerOptions::default() };
            match self.engine.api.create_container(Some(options), body).await {
                Ok(created) => {
                    self.images.fetched.need(&image.name);
                    let held = Held::new(self.engine.clone(), self.background.clone(), created.id, network);
                    return Ok(Made { held, image: spec.image, pipes: spec.pipes });
                }
                // Somebody has removed the image since we saw it.
                Err(e) if engine::status(&e) == Some(404) && !retried => {
                    self.engine.tally.retry(tally::CREATE, engine::status(&e).into());
                    self.images.forget(&spec.image);
                    retried = true;
                }
                Err(e) => {
                    let what = format!("container {} of image {:?}", spec.id, spec.image);
                    return Err(DriverError::Engine { what, why: engine::why(&e) });
                }
            }
        }
    }

    async fn sweep(&self, node: &str) -> Result<usize, DriverError> {
        let label = format!("{LABEL_NODE}={node}");
        let failed = |why| DriverError::Engine { what: format!("containers with the label {label}"), why };
        if node.is_empty() {
            return Err(failed("no agent has an empty name".to_owned()));
        }
        let filters = Some(HashMap::from([("label".to_owned(), vec![label.clone()])]));
        let options = ListContainersOptions { all: true, filters, ..ListContainersOptions::default() };
        let found = self.engine.api.list_containers(Some(options)).await.map_err(|e| failed(engine::why(&e)))?;
        let ids: Vec<String> = found.into_iter().filter_map(|container| container.id).collect();
        for id in &ids {
            container::bury(&self.engine, id).await.map_err(failed)?;
        }
        Ok(ids.len())
    }
}
