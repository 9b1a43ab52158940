//! A folder with a function, as what the node's driver starts.

use std::path::Path;

use hotfn_images::Reference;

use super::Usage;
use crate::build::{build, image};
use crate::config::{Deployment, Driver, Settings};
use crate::drivers;
use crate::project::{Command, Project};

/// Builds `project` for the driver that `settings` choose: a command for processes, else an image.
///
/// Cancel safe: the tool at work is ended.
pub(super) async fn deployment(project: &Project, app: &str, settings: &Settings) -> anyhow::Result<Deployment> {
    let driver = settings.containers.driver();
    if driver == Driver::Process {
        return Ok(project.deployment(app, &build(project).await?));
    }
    let name = Reference::parse(&format!("{LOCAL}/{}:latest", project.name.to_lowercase())).map_err(Usage::of)?;
    let store = drivers::images(settings).map_err(|e| anyhow::anyhow!(e))?;
    let engine = image::Engine { wanted: driver == Driver::Docker, host: settings.containers.docker_host.clone() };
    image::build(&project.dir, &store, &name, &engine).await?;
    let mut deployment = project.deployment(app, &Command::default());
    deployment.function.image = name.to_string();
    deployment.function.dir = None;
    Ok(deployment)
}

/// Does `what` mean a folder, where an image could be meant too? Names of images begin with neither.
pub(super) fn is_folder(what: &str) -> bool {
    what.starts_with(['.', '/']) && Path::new(what).is_dir()
}

/// What the names of images begin with that are made to be run here and now.
const LOCAL: &str = "hotfn.local";
