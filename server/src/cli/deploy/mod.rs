//! `hotfn deploy`: the function in a folder, or all below it, built and given to a running node.
//!
//! What the folder's `func.yaml` says is made or changed: the function, and its triggers; and the app, if there
//! is an `app.yaml`. What they do not say stays as it is on the node, and what they say no longer is not taken
//! away: whoever wants it gone deletes it (`put`). Of many functions each is looked through before the first is
//! built, and then they are built and put one by one: what went well before one that fails stays.
//!
//! A function that was built again has the image it had, by name, and a node would see no reason to start new
//! containers. So each deploy puts its time into the function's environment, as `HOTFN_DEPLOYED`.

mod put;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use hotfn_images::Reference;
use serde_json::{Value, json};

use super::driver::DriverArgs;
use super::node::NodeArgs;
use super::show::Shown;
use super::signals::Signals;
use super::{Usage, build, fns, source, triggers};
use crate::config::{Deployment, Driver, Settings, env, function as limit};
use crate::project::app::AppFile;
use crate::project::{Command, Project, tree};
use crate::remote::Node;

#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  hotfn deploy examples/hello --app shop --create-app\n  \
    hotfn deploy examples/hello --app shop --driver oci\n  hotfn deploy --all shop\n  \
    hotfn deploy . --app shop --image registry.example/shop/hello:7 --context prod\n\n\
    The node starts what is built here, so it has to be on this machine, with the driver of --driver. For a node \
    elsewhere, bring an image to a registry and name it with --image.")]
pub(super) struct Args {
    /// The folder: with a func.yaml, or just a Cargo.toml, func.py, func.js, package.json, go.mod, Dockerfile or an
    /// executable func
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Every function in the folder and below that has a func.yaml
    #[arg(long, conflicts_with_all = ["image", "tag"])]
    all: bool,
    /// The app they are to be of [default: the name in the folder's app.yaml]
    #[arg(long, value_name = "NAME", value_parser = app)]
    app: Option<String>,
    /// Make the app if it is not there, also without an app.yaml
    #[arg(long)]
    create_app: bool,
    /// An image that is there already: nothing is built
    #[arg(long, value_name = "IMAGE", conflicts_with_all = ["driver", "docker_host", "state", "tag"])]
    image: Option<String>,
    /// What an image is to be called that is built here [default: hotfn.local/APP/FN:latest]
    #[arg(short, long, value_name = "NAME", value_parser = build::name)]
    tag: Option<Reference>,
    /// Where the node keeps what outlives it: `state` in its config [default: /var/lib/hotfn for root, else
    /// ~/.local/state/hotfn]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    #[command(flatten)]
    driver: DriverArgs,
    #[command(flatten)]
    node: NodeArgs,
    #[command(flatten)]
    shown: Shown,
}

fn app(name: &str) -> Result<String, String> {
    limit::app(name).map(|()| name.to_owned())
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let plan = Plan::of(&args)?;
    let node = args.node.node()?;
    if args.image.is_none() && !node.base().is_here() {
        let what = format!(
            "what is built here is on this machine, and {} is not; bring an image to a registry and name it with --image",
            node.base()
        );
        return Err(Usage::of(anyhow::Error::msg(what)));
    }
    let mut signals = Signals::new()?;
    tokio::select! {
        outcome = deploy(&args, &plan, &node) => outcome,
        () = signals.next() => anyhow::bail!("the deploy was broken off; what was done of it stays, and it can be repeated"),
    }
}

/// What is to be deployed: everything that the folders say, and all of it can be followed.
struct Plan {
    app: String,
    file: Option<AppFile>,
    /// At least one.
    projects: Vec<Project>,
}

impl Plan {
    fn of(args: &Args) -> anyhow::Result<Self> {
        let projects = if args.all {
            tree::functions(&args.dir).map_err(Usage::of)?
        } else {
            vec![Project::open(&args.dir).map_err(Usage::of)?]
        };
        let file = AppFile::of(&args.dir).map_err(Usage::of)?;
        let named = || file.as_ref().and_then(|file| file.name.clone());
        let app = args.app.clone().or_else(named).ok_or_else(|| {
            let dir = args.dir.display();
            Usage::of(anyhow::anyhow!("of which app? name it with --app, or in an app.yaml in {dir}"))
        })?;
        Ok(Self { app, file, projects })
    }
}

async fn deploy(args: &Args, plan: &Plan, node: &Node) -> anyhow::Result<ExitCode> {
    // Before anything is built: a build may take minutes.
    let (app, done) = put::app(node, &plan.app, plan.file.as_ref(), args.create_app).await?;
    if args.all || plan.file.is_some() {
        args.shown.step(|| format!("app {} {}", plan.app, done.verb()))?;
    }
    let mut outcomes = Vec::new();
    for project in &plan.projects {
        let deployed = function(args, plan, node, &app, project).await;
        outcomes.push(if args.all {
            deployed.with_context(|| format!("{}/{} in {}", plan.app, project.name, project.dir.display()))?
        } else {
            deployed?
        });
    }
    if args.all {
        args.shown.outcome(&json!({ "app": app, "functions": outcomes }))
    } else {
        args.shown.outcome(&outcomes[0])
    }
}

/// Builds one function, puts it to the node with its triggers, and says so.
async fn function(args: &Args, plan: &Plan, node: &Node, app: &Value, project: &Project) -> anyhow::Result<Value> {
    let built = what(args, &plan.app, project).await?;
    let (function, done) = put::function(node, app, project, &built).await?;
    let triggers = put::triggers(node, &function, &project.manifest).await?;
    args.shown.step(|| {
        let places = std::iter::once(fns::endpoint(&function)).chain(triggers.iter().map(triggers::endpoint));
        let places: String = places.map(|place| format!("\n  {place}")).collect();
        format!("{}/{} {}{places}", plan.app, project.name, done.verb())
    })?;
    Ok(json!({ "function": function, "triggers": triggers }))
}

/// The function that is to run: built here, or by the image that is named.
async fn what(args: &Args, app: &str, project: &Project) -> anyhow::Result<Deployment> {
    if let Some(image) = &args.image {
        let mut deployment = project.deployment(app, &Command::default());
        deployment.function.image.clone_from(image);
        deployment.function.dir = None;
        return Ok(deployment);
    }
    let below = args.driver.over(env::settings(&env::process).map_err(Usage::of)?);
    let settings = Settings { state: args.state.clone(), ..Settings::default() }.or(below);
    let tag = match &args.tag {
        Some(tag) => Some(tag.clone()),
        None if settings.containers.driver() == Driver::Process => None,
        None => {
            let name = source::local(&format!("{app}/{}", project.name));
            Some(name.context("the image needs another name; choose one with --tag").map_err(Usage::of)?)
        }
    };
    source::deployment(project, app, &settings, tag.as_ref()).await
}
