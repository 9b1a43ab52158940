//! A folder as a container image.
//!
//! | folder | image |
//! |---|---|
//! | with a `Dockerfile` | what `docker build` makes of it |
//! | Rust, Go | the one program, linked statically, in an image from scratch |
//! | an executable `func` | the same, if it is a static program |
//! | Python, Node | none without a `Dockerfile`: the language itself would have to be in it |
//!
//! It goes into this node's own store of images, from which the driver `oci` starts it; with the driver
//! `docker`, into the engine's. The engine is spoken to by its own command, `docker`, because what it asks
//! and says while it builds is between it and the person who sits there.

use std::path::Path;
use std::process::Stdio;

use hotfn_images::{Image, ImageConfig, Reference, Store};

use super::{BuildError, go, io_error, run, rust, tool};
use crate::project::{Project, ProjectError, Runtime};

/// Where an image is to go besides this node's store.
#[derive(Clone, Debug, Default)]
pub struct Engine {
    /// Into the engine's store as well.
    pub wanted: bool,
    /// Where the engine is, if it is not where `docker` looks by itself.
    pub host: Option<String>,
}

/// Makes an image of the folder `dir`, called `name`.
///
/// Cancel safe: the tool at work is ended.
///
/// # Errors
/// When the folder is no function's, a tool is missing or refuses, or no image comes of it.
pub async fn build(dir: &Path, store: &Store, name: &Reference, engine: &Engine) -> Result<Image, BuildError> {
    if dir.join(DOCKERFILE).is_file() {
        return by_docker(dir, store, name, engine).await;
    }
    let project = Project::open(dir)?;
    let command = match project.runtime {
        Runtime::Executable => super::executable::build(&project)?,
        Runtime::Go => go::build_static(&project).await?,
        Runtime::Rust => rust::build_static(&project).await?,
        Runtime::Docker => {
            let what = format!("{} is to be built by its {DOCKERFILE}, and has none", project.dir.display());
            return Err(BuildError::Nothing(what));
        }
        Runtime::Node | Runtime::Python => {
            return Err(BuildError::Nothing(format!(
                "a {} function needs its language in the image; put a {DOCKERFILE} into {} and have docker at hand, \
                 or serve it as a process with hotfn dev",
                project.runtime,
                project.dir.display()
            )));
        }
    };
    let (program, arguments) = command.words.split_first().expect("a build names a program");
    let config = ImageConfig { cmd: arguments.to_vec(), ..ImageConfig::default() };
    let image = store.from_scratch(Path::new(program), config, name).await?;
    if engine.wanted {
        load(&image, name, engine).await?;
    }
    Ok(image)
}

const DOCKERFILE: &str = "Dockerfile";

/// Lets the engine build, and takes over what it made.
async fn by_docker(dir: &Path, store: &Store, name: &Reference, engine: &Engine) -> Result<Image, BuildError> {
    if !dir.is_dir() {
        return Err(ProjectError::NoFolder(dir.into()).into());
    }
    let mut build = docker(dir, engine);
    build.args(["build", "--tag", &name.to_string(), "."]);
    run(build, "docker build").await?;
    let saved = tempfile::NamedTempFile::new().map_err(io_error("cannot make a file for the image".to_owned()))?;
    let mut save = docker(dir, engine);
    save.args(["save", "--output"]).arg(saved.path()).arg(name.to_string());
    run(save, "docker save").await?;
    let archive = Reference::DockerArchive(saved.path().to_owned());
    let image = store.import(&archive, name).await?;
    // The file goes, so nobody will ask for it by this name.
    store.remove(&archive).await?;
    Ok(image)
}

/// Gives an image to the engine.
async fn load(image: &Image, name: &Reference, engine: &Engine) -> Result<(), BuildError> {
    let archive = tempfile::NamedTempFile::new().map_err(io_error("cannot make a file for the image".to_owned()))?;
    let file = archive.reopen().map_err(io_error("cannot open the image's file".to_owned()))?;
    let (image, called) = (image.clone(), name.clone());
    let written = tokio::task::spawn_blocking(move || image.docker_archive(Some(&called), file)).await;
    written.expect("writing a file does not panic")?;
    let mut load = docker(Path::new("/"), engine);
    load.args(["load", "--quiet", "--input"]).arg(archive.path()).stdout(Stdio::null());
    run(load, "docker load").await
}

fn docker(dir: &Path, engine: &Engine) -> tokio::process::Command {
    let mut docker = tool("docker", dir);
    if let Some(host) = &engine.host {
        docker.args(["--host", host]);
    }
    docker
}
