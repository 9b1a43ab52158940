//! `hotfn build`: a folder as a container image.

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use hotfn_images::{Image, Reference, Store, store};

use super::Usage;
use super::driver::DriverArgs;
use super::signals::Signals;
use crate::build::image::{self, Engine};
use crate::config::{Driver, Settings, env};

#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  hotfn build examples/hello -t shop/hello:1\n  \
    hotfn build examples/hello -t hello -o oci:hello.tar\n  hotfn build my-python-function -t hello --driver docker")]
pub(super) struct Args {
    /// The folder: a Rust or Go function, a static executable func, or anything with a Dockerfile
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// What the image is to be called, such as shop/hello:1
    #[arg(short, long, value_name = "NAME", value_parser = name)]
    tag: Reference,
    /// Where to write it as well: oci:DIR, oci:FILE.tar or docker-archive:FILE
    #[arg(short, long, value_name = "WHERE", value_parser = output)]
    output: Option<Reference>,
    /// Where the node that is to start it keeps what outlives it: `state` in its config [default: /var/lib/hotfn for
    /// root, else ~/.local/state/hotfn]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    #[command(flatten)]
    driver: DriverArgs,
}

pub(super) fn name(text: &str) -> Result<Reference, String> {
    match Reference::parse(text).map_err(|e| e.to_string())? {
        Reference::Remote(remote) if remote.digest().is_some() => {
            Err("a name for a new image has no digest".to_owned())
        }
        name @ Reference::Remote(_) => Ok(name),
        _ => Err("that is a place; give a name, such as shop/hello:1, and the place with -o".to_owned()),
    }
}

fn output(text: &str) -> Result<Reference, String> {
    match Reference::parse(text).map_err(|e| e.to_string())? {
        Reference::Remote(_) => Err("that is no place; write oci:DIR, oci:FILE.tar or docker-archive:FILE".to_owned()),
        place => Ok(place),
    }
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let below = args.driver.over(env::settings(&env::process).map_err(Usage::of)?);
    let settings = Settings { state: args.state.clone(), ..Settings::default() }.or(below);
    let store = Store::open(&settings.images_dir(), store::Config::default())?;
    let engine = Engine {
        wanted: settings.containers.driver() == Driver::Docker,
        host: settings.containers.docker_host.clone(),
    };
    let mut signals = Signals::new()?;
    let built = tokio::select! {
        built = image::build(&args.dir, &store, &args.tag, &engine) => built?,
        () = signals.next() => anyhow::bail!("the build was broken off"),
    };
    if let Some(place) = &args.output {
        write(&built, &args.tag, place).with_context(|| format!("cannot write {place}"))?;
        println!("{place}");
    }
    println!("{} {}", args.tag, built.digest());
    Ok(ExitCode::SUCCESS)
}

fn write(image: &Image, name: &Reference, place: &Reference) -> anyhow::Result<()> {
    let tag = match (place, name) {
        (Reference::Layout { tag: Some(tag), .. }, _) => Some(tag.as_str()),
        (_, Reference::Remote(remote)) => remote.tag(),
        _ => None,
    };
    match place {
        Reference::DockerArchive(file) => image.docker_archive(Some(name), File::create(file)?)?,
        Reference::Layout { path, .. } if path.extension().is_some_and(|it| it == "tar") => {
            image.oci_archive(tag, File::create(path)?)?;
        }
        Reference::Layout { path, .. } => image.oci_layout(tag, path)?,
        Reference::Remote(_) => unreachable!("refused when it was read"),
    }
    Ok(())
}
