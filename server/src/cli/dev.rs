//! `hotfn dev`: the function in a folder, again at each change.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use hotfn_protocols::FunctionId;

use super::Usage;
use super::driver::DriverArgs;
use super::serve::start;
use super::signals::Signals;
use super::source;
use crate::config::{Deployment, Settings, env, function as limit};
use crate::node::Node;
use crate::project::Project;
use crate::project::watch::Watch;

#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  hotfn dev examples/hello\n  hotfn dev examples/hello-python --port 9000")]
pub(super) struct Args {
    /// The folder: with a func.yaml, or just a Cargo.toml, func.py, func.js, package.json, go.mod or an executable func
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// The port of 127.0.0.1 to listen on; 0 takes a free one [default: FN_PORT, else 8080]
    #[arg(long)]
    port: Option<u16>,
    /// The app the function belongs to: /t/APP/… for its triggers
    #[arg(long, default_value = "dev", value_parser = app)]
    app: String,
    #[command(flatten)]
    driver: DriverArgs,
}

fn app(name: &str) -> Result<String, String> {
    limit::app(name).map(|()| name.to_owned())
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let project = Project::open(&args.dir).map_err(Usage::of)?;
    let mut settings = args.driver.over(env::settings(&env::process).map_err(Usage::of)?);
    // Plain processes for trusted code: nobody else on the network is asked in.
    let port = args.port.or_else(|| settings.listen.as_ref()?.first().tcp().map(|address| address.port()));
    settings.listen = port.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into());
    let mut signals = Signals::new()?;
    // Watched before it is built, so that a change during the build is seen.
    let mut watch = Watch::new(&project.dir)?;

    let deployment = tokio::select! {
        built = source::deployment(&project, &args.app, &settings, None) => built?,
        () = signals.next() => return Ok(ExitCode::SUCCESS),
    };
    let mut served = deployment.function.id.clone();
    let node = start(&settings, vec![deployment.clone()], "--port").await?;
    announce(&project, &deployment, &node);

    loop {
        tokio::select! {
            () = signals.next() => break,
            () = watch.changed() => {}
        }
        tokio::select! {
            () = signals.next() => break,
            swapped = swap(&args, &settings, &node, &served) => match swapped {
                Ok(now) => served = now,
                Err(e) => eprintln!("hotfn: {e:#}\nhotfn: the version before it is still served"),
            },
        }
    }
    println!("ending; once more to end at once");
    node.stop(signals.next()).await;
    Ok(ExitCode::SUCCESS)
}

/// Builds what is there now and serves it instead of `before`. Anything may have changed, the name
/// included.
async fn swap(args: &Args, settings: &Settings, node: &Node, before: &FunctionId) -> anyhow::Result<FunctionId> {
    let began = Instant::now();
    let project = Project::open(&args.dir)?;
    let deployment = source::deployment(&project, &args.app, settings, None).await?;
    let now = deployment.function.id.clone();
    if now != *before {
        announce(&project, &deployment, node);
    }
    node.deploy(deployment);
    if now != *before {
        node.remove(before);
    }
    println!("{now} was rebuilt in {:.1?}", began.elapsed());
    Ok(now)
}

fn announce(project: &Project, Deployment { function, triggers, .. }: &Deployment, node: &Node) {
    let base = node.bases().remove(0);
    println!("{} is served ({}, {})", function.name, project.runtime, function.format);
    println!("  {base}/invoke/{}", function.id);
    for trigger in triggers {
        println!("  {base}/t/{}{}", trigger.app, trigger.source);
    }
    println!("Try:\n  curl -d '{{\"name\":\"Ada\"}}' {base}/invoke/{}", function.id);
}
