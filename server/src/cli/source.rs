//! A folder with a function, as what the node's driver starts.

use std::path::Path;

use hotfn_images::{Reference, ReferenceError};

use super::Usage;
use crate::build::{build, image};
use crate::config::{Deployment, Driver, Settings};
use crate::drivers;
use crate::project::{Command, Project};

/// Builds `project` for the driver that `settings` choose: a command for processes, else an image, called `tag` or
/// what nobody asks for.
///
/// Cancel safe: the tool at work is ended.
pub(super) async fn deployment(
    project: &Project,
    app: &str,
    settings: &Settings,
    tag: Option<&Reference>,
) -> anyhow::Result<Deployment> {
    let driver = settings.containers.driver();
    if driver == Driver::Process {
        return Ok(project.deployment(app, &build(project).await?));
    }
    let name = match tag {
        Some(tag) => tag.clone(),
        None => local(&project.name).map_err(Usage::of)?,
    };
    let store = drivers::images(settings).map_err(|e| anyhow::anyhow!(e))?;
    let engine = image::Engine { wanted: driver == Driver::Docker, host: settings.containers.docker_host.clone() };
    image::build(&project.dir, &store, &name, &engine).await?;
    let mut deployment = project.deployment(app, &Command::default());
    deployment.function.image = name.to_string();
    deployment.function.dir = None;
    Ok(deployment)
}

/// A name for an image that is made here and pushed nowhere.
pub(super) fn local(name: &str) -> Result<Reference, ReferenceError> {
    Reference::parse(&format!("{LOCAL}/{}:latest", name.to_lowercase()))
}

/// Does `what` mean a folder, where an image could be meant too? Names of images begin with neither.
pub(super) fn is_folder(what: &str) -> bool {
    what.starts_with(['.', '/']) && Path::new(what).is_dir()
}

/// What the names of images begin with that are made to be run here and now.
const LOCAL: &str = "hotfn.local";
