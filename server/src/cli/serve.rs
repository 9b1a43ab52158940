//! `hotfn serve`: the functions of a store and of a config file, until a signal.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

use super::Usage;
use super::driver::DriverArgs;
use super::signals::Signals;
use crate::access::Tokens;
use crate::config::command::Lines;
use crate::config::{self, Config, Settings, env};
use crate::drivers::DriverRefused;
use crate::node::{Beside, Node, StartError};
use crate::store::{Store, Url};
use crate::tls;

#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  hotfn serve --config hotfn.toml --listen 0.0.0.0:8080\n\n\
    docs/operating.md says what a config file holds and which environment variables count.")]
pub(super) struct Args {
    /// A file with settings, and functions to put into the store [default: hotfn.toml, if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where functions are kept: memory, sqlite3:///PATH or postgres://… [default: hotfn.db in the state directory]
    #[arg(long, value_name = "URL")]
    db: Option<Url>,
    /// Where to listen, before what file and environment say [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// Threads that serve, each with its own connections [default: half the CPUs]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Who needs a token: required, except-triggers or off [default: off where only this machine can connect]
    #[arg(long, value_name = "WHO")]
    tokens: Option<Tokens>,
    /// A certificate as PEM, which is read again when it changes; connections are encrypted then
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// The certificate's key
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    #[command(flatten)]
    driver: DriverArgs,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let file = match &args.config {
        Some(path) => config::load(path, args.driver.chosen()).map_err(Usage::of)?,
        None if Path::new(CONFIG).exists() => {
            config::load(Path::new(CONFIG), args.driver.chosen()).map_err(Usage::of)?
        }
        None => Config::default(),
    };
    let commands = match args.config.as_deref().or_else(|| Some(Path::new(CONFIG)).filter(|path| path.exists())) {
        Some(path) => {
            let lines = Lines::load(&env::process, None).map_err(Usage::of)?;
            config::command::load(path, &lines).map_err(Usage::of)?
        }
        None => None,
    };
    let tls = args.tls_certificate.zip(args.tls_key).map(|(certificate, key)| tls::Files { certificate, key });
    let (listen, db, threads, tokens) = (args.listen, args.db, args.threads, args.tokens);
    let flags = Settings { listen, db, threads, tokens, tls, ..Settings::default() };
    let below = env::settings(&env::process).map_err(Usage::of)?.or(file.settings);
    let settings = flags.or(args.driver.over(below));
    for name in env::passed_over(&env::process) {
        tracing::warn!("{name} is set, and there is nothing here that follows it; see docs/operating.md");
    }
    let mut signals = Signals::new()?;
    let mut hangups = signal(SignalKind::hangup())?;
    let url = settings.db();
    let store = Store::open(&url)
        .await
        .with_context(|| format!("cannot use the store {url}; choose another with --db URL, or --db memory"))?;
    store.give(&file.functions).await?;
    let handed_over = hotfn_socket::inherited(env::process)?;
    let beside = Beside { commands, connectors: file.connectors, handed_over };
    let node = Node::serve(&settings, store, beside).await.map_err(|e| with_advice(e, "--listen"))?;
    tracing::info!(functions = node.functions().await, store = %url, "listening on {}", node.base());
    warn(&settings, &node);
    let ended = loop {
        tokio::select! {
            () = signals.next() => break ExitCode::SUCCESS,
            _ = hangups.recv() => node.reload(),
            () = node.exhausted() => {
                tracing::error!("a connector has given up, and is to end this node (on_exhausted)");
                break ExitCode::FAILURE;
            }
        }
    };
    tracing::info!("draining; a second signal ends it at once");
    node.stop(signals.next()).await;
    Ok(ended)
}

/// Says what is unsafe about who may call, or in the way of everybody.
fn warn(settings: &Settings, node: &Node) {
    if settings.is_public() && settings.tokens() == Tokens::Off {
        let at = node.base();
        tracing::warn!("whoever reaches {at} may change and call everything: tokens are off");
    }
    if settings.is_public() && settings.tokens() != Tokens::Off && settings.tls.is_none() {
        tracing::warn!(
            "tokens can be overheard: nothing is encrypted; give a certificate, or put a proxy that has one before"
        );
    }
    if node.is_locked() {
        tracing::warn!(
            "tokens are needed, and there is none; make the first with: hotfn token create --role admin NAME"
        );
    }
}

/// Starts a node; if its address is taken, says which `flag` would choose another.
pub(super) async fn start(settings: &Settings, functions: Vec<config::Deployment>, flag: &str) -> anyhow::Result<Node> {
    Node::start(settings, functions).await.map_err(|e| with_advice(e, flag))
}

fn with_advice(e: StartError, flag: &str) -> anyhow::Error {
    match e {
        StartError::Listen { addr, source } => {
            anyhow::Error::from(source).context(format!("cannot listen on {addr}; choose another address with {flag}"))
        }
        StartError::Driver(refused @ DriverRefused::Image { .. }) => Usage::of(refused),
        other => other.into(),
    }
}

/// The config file, where nobody says another.
pub(super) const CONFIG: &str = "hotfn.toml";
