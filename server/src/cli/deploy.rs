//! `hotfn deploy`: the function in a folder, built and given to a running node.
//!
//! What the folder's `func.yaml` says is made or changed: the function, and its triggers. What it does not say
//! stays as it is on the node, and what it says no longer is not taken away: whoever wants it gone deletes it.
//!
//! A function that was built again has the image it had, by name, and a node would see no reason to start new
//! containers. So each deploy puts its time into the function's environment, as [`DEPLOYED`].

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use hotfn_images::Reference;
use serde_json::{Map, Value, json};

use super::driver::DriverArgs;
use super::node::NodeArgs;
use super::show::Shown;
use super::signals::Signals;
use super::{Usage, build, fns, source, triggers};
use crate::config::{Deployment, Driver, Settings, env, function as limit};
use crate::project::manifest::Manifest;
use crate::project::{Command, Project};
use crate::remote::objects::{id, text};
use crate::remote::{Error, Node};
use crate::store::free_name;
use crate::store::record::{HTTP, now};

#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  hotfn deploy examples/hello --app shop --create-app\n  \
    hotfn deploy examples/hello --app shop --driver oci\n  \
    hotfn deploy . --app shop --image registry.example/shop/hello:7 --context prod\n\n\
    The node starts what is built here, so it has to be on this machine, with the driver of --driver. For a node \
    elsewhere, bring an image to a registry and name it with --image.")]
pub(super) struct Args {
    /// The folder: with a func.yaml, or just a Cargo.toml, func.py, func.js, package.json, go.mod, Dockerfile or an
    /// executable func
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// The app the function is to be of
    #[arg(long, value_name = "NAME", value_parser = app)]
    app: String,
    /// Make the app if it is not there
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

/// The variable that tells a function when it was deployed.
const DEPLOYED: &str = "HOTFN_DEPLOYED";

fn app(name: &str) -> Result<String, String> {
    limit::app(name).map(|()| name.to_owned())
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let project = Project::open(&args.dir).map_err(Usage::of)?;
    let node = args.node.node()?;
    if args.image.is_none() && !node.base().is_here() {
        let what = format!(
            "what is built here is on this machine, and {} is not; bring an image to a registry and name it with --image",
            node.base()
        );
        return Err(Usage::of(anyhow::Error::msg(what)));
    }
    let mut signals = Signals::new()?;
    let deploy = async {
        // Before anything is built: a build may take minutes.
        let app = owner(&node, &args.app, args.create_app).await?;
        let built = what(&args, &project).await?;
        let (function, verb) = put_function(&node, &app, &project, &built).await?;
        let triggers = put_triggers(&node, &function, &project.manifest).await?;
        let outcome = json!({ "function": function, "triggers": triggers });
        args.shown.done(&outcome, || {
            let places = std::iter::once(fns::endpoint(&function)).chain(triggers.iter().map(triggers::endpoint));
            let places: String = places.map(|place| format!("\n  {place}")).collect();
            format!("{}/{} was {verb}{places}", args.app, project.name)
        })
    };
    tokio::select! {
        outcome = deploy => outcome,
        () = signals.next() => anyhow::bail!("the deploy was broken off; what was done of it stays, and it can be repeated"),
    }
}

/// The app, by its name.
async fn owner(node: &Node, name: &str, create: bool) -> anyhow::Result<Value> {
    match node.app(name).await {
        Err(Error::Unknown { .. }) if create => Ok(node.create("/v2/apps", &json!({ "name": name })).await?),
        Err(e @ Error::Unknown { .. }) => anyhow::bail!("{e}, and --create-app makes it"),
        outcome => Ok(outcome?),
    }
}

/// The function that is to run: built here, or by the image that is named.
async fn what(args: &Args, project: &Project) -> anyhow::Result<Deployment> {
    if let Some(image) = &args.image {
        let mut deployment = project.deployment(&args.app, &Command::default());
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
            let name = source::local(&format!("{}/{}", args.app, project.name));
            Some(name.context("the image needs another name; choose one with --tag").map_err(Usage::of)?)
        }
    };
    source::deployment(project, &args.app, &settings, tag.as_ref()).await
}

/// Makes the function, or changes the one there is, and answers which of both it was.
async fn put_function(
    node: &Node,
    app: &Value,
    project: &Project,
    built: &Deployment,
) -> anyhow::Result<(Value, &'static str)> {
    let mut body = body(project, built);
    let before = node.function_of(id(app), &project.name).await?;
    let verb = match before {
        Some(before) => {
            node.update("/v2/fns", id(&before), &body.into()).await?;
            "changed"
        }
        None => {
            body.insert("app_id".to_owned(), id(app).into());
            node.create("/v2/fns", &body.into()).await?;
            "made"
        }
    };
    // A change is not answered with where the function is called.
    let function = node.function_of(id(app), &project.name).await?;
    Ok((function.context("somebody else deleted the function in the meantime")?, verb))
}

/// What a folder says of its function, and no more: what it leaves open stays as it is on the node.
fn body(project: &Project, Deployment { function, .. }: &Deployment) -> Map<String, Value> {
    let mut body = Map::new();
    let mut put = |member: &str, value: Value| body.insert(member.to_owned(), value);
    put("name", project.name.as_str().into());
    put("image", function.image.as_str().into());
    put("format", function.format.to_string().into());
    put("dir", function.dir.as_ref().map_or_else(String::new, |dir| dir.display().to_string()).into());
    let Manifest { memory, timeout, idle_timeout, annotations, .. } = &project.manifest;
    for (member, value) in [("memory", memory), ("timeout", timeout), ("idle_timeout", idle_timeout)] {
        if let Some(value) = value {
            put(member, (*value).into());
        }
    }
    if !annotations.is_empty() {
        put("annotations", json!(annotations));
    }
    let mut config = json!(function.config);
    config[DEPLOYED] = now().into();
    put("config", config);
    body
}

/// Makes the triggers, or changes those there are.
async fn put_triggers(node: &Node, function: &Value, manifest: &Manifest) -> anyhow::Result<Vec<Value>> {
    let (app_id, fn_id) = (text(function, "app_id"), id(function));
    if manifest.triggers.is_empty() {
        return Ok(Vec::new());
    }
    let there = node.triggers(app_id, Some(fn_id)).await?;
    let mut names: BTreeSet<String> = there.iter().map(|trigger| text(trigger, "name").to_owned()).collect();
    names.extend(manifest.triggers.iter().filter_map(|trigger| trigger.name.clone()));
    for trigger in &manifest.triggers {
        let source = trigger.source.as_str();
        let same = |t: &&Value| match &trigger.name {
            Some(name) => text(t, "name") == name,
            None => text(t, "source") == source,
        };
        match there.iter().find(same) {
            Some(before) if text(before, "source") == source => {}
            Some(before) => drop(node.update("/v2/triggers", id(before), &json!({ "source": source })).await?),
            None => {
                let name = trigger.name.clone().unwrap_or_else(|| free_name(source, |name| names.contains(name)));
                names.insert(name.clone());
                let new = json!({"name": name, "app_id": app_id, "fn_id": fn_id, "type": HTTP, "source": source});
                node.create("/v2/triggers", &new).await?;
            }
        }
    }
    Ok(node.triggers(app_id, Some(fn_id)).await?)
}
