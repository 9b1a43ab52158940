//! `hotfn serve`: the functions of a config file, until a signal.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use super::Usage;
use super::driver::DriverArgs;
use super::signals::Signals;
use crate::config::{self, Settings, env};
use crate::drivers::DriverRefused;
use crate::node::{Node, StartError};

#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  hotfn serve --config hotfn.toml --listen 0.0.0.0:8080\n\n\
    docs/operating.md says what a config file holds and which environment variables count.")]
pub(super) struct Args {
    /// The file that names the functions
    #[arg(long, value_name = "FILE", default_value = "hotfn.toml")]
    config: PathBuf,
    /// Where to listen, before what file and environment say [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// Threads that serve, each with its own connections [default: half the CPUs]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    #[command(flatten)]
    driver: DriverArgs,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let file = config::load(&args.config).map_err(Usage::of)?;
    let flags = Settings { listen: args.listen, threads: args.threads, ..Settings::default() };
    let below = env::settings(&env::process).map_err(Usage::of)?.or(file.settings);
    let settings = flags.or(args.driver.over(below));
    let mut signals = Signals::new()?;
    let functions = file.functions.len();
    let node = start(&settings, file.functions, "--listen").await?;
    tracing::info!(functions, "listening on http://{}", node.local_addr());
    signals.next().await;
    tracing::info!("draining; a second signal ends it at once");
    node.stop(signals.next()).await;
    Ok(ExitCode::SUCCESS)
}

/// Starts a node; if its address is taken, says which `flag` would choose another.
pub(super) async fn start(settings: &Settings, functions: Vec<config::Deployment>, flag: &str) -> anyhow::Result<Node> {
    Node::start(settings, functions).await.map_err(|e| match e {
        StartError::Listen { addr, source } => {
            anyhow::Error::from(source).context(format!("cannot listen on {addr}; choose another address with {flag}"))
        }
        StartError::Driver(refused @ DriverRefused::Image { .. }) => Usage::of(refused),
        other => other.into(),
    })
}
