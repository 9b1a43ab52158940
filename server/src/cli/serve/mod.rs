//! `hotfn serve`: the functions of a store and of a config file, until a signal, or until a successor
//! has taken over.
//!
//! In the order in which it happens: [`plan`] is what flags, environment and file say, `ground` what we
//! find to stand on: a predecessor, or sockets that a service manager opened. Then the node begins, and
//! `signals` say what becomes of it; `successor` is the process that a signal asks us to start.

mod ground;
mod plan;
mod signals;
mod successor;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use hotfn_socket::Inherited;

use super::Usage;
use super::driver::DriverArgs;
use super::show;
use crate::access::Tokens;
use crate::config::{self, Settings, env};
use crate::drivers::DriverRefused;
use crate::footprint;
use crate::front::Listen;
use crate::front::listener::OpenError;
use crate::log;
use crate::manager;
use crate::node::{Beside, Node, StartError};
use crate::store::{Given, Store, Url};
use crate::takeover::{self, Heir, Offer};

use ground::Ground;
pub(super) use plan::CONFIG;
use plan::Plan;
use signals::{Signals, Wish};
use successor::Successor;

#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  hotfn serve --config hotfn.toml --listen 0.0.0.0:8080\n\n\
    Signals: TERM or INT drains and ends, a second one at once; USR1 logs more, or as before; USR2 starts this\n\
    program again, which takes over without losing a call; HUP reads certificates again, or ends it as TERM does if\n\
    it was started at a terminal that is gone, or there are none.\n\n\
    docs/operating.md says what a config file holds and which environment variables count.")]
pub(super) struct Args {
    /// A file with settings, and functions to put into the store [default: hotfn.toml, if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where functions are kept: memory, sqlite3:///PATH or postgres://… [default: hotfn.db in the state directory]
    #[arg(long, value_name = "URL")]
    db: Option<Url>,
    /// Where to listen, before what file and environment say: ADDR:PORT or unix:/PATH, or several with commas
    /// [default: 127.0.0.1:8080]
    #[arg(long, value_name = "WHERE")]
    listen: Option<Listen>,
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
    /// Take over from the node that runs at the same address, or offers itself at SOCKET
    #[arg(long, value_name = "SOCKET", require_equals = true)]
    take_over: Option<Option<PathBuf>>,
    /// Look through the config, say everything that cannot be followed, and start nothing
    #[arg(long, conflicts_with_all = ["print_config", "take_over"])]
    check: bool,
    /// Print what would hold, defaults included, and start nothing; what is secret is left out
    #[arg(long, conflicts_with = "take_over")]
    print_config: bool,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    if args.check {
        return Ok(plan::check(&args));
    }
    let plan = Plan::read(&args)?;
    if args.print_config {
        return show::text(&plan.effective().to_string());
    }
    for name in env::passed_over(&env::process) {
        tracing::warn!("{name} is set, and there is nothing here that follows it; see docs/operating.md");
    }
    let mut signals = Signals::new(plan.has_certificates())?;
    let Ground { taken, sockets, others, settings } = Ground::find(args.take_over, plan.settings).await?;
    // For a successor, whatever becomes of ours.
    let kept = others.iter().map(Inherited::again).collect::<Result<Vec<_>, _>>()?;
    let url = settings.db();
    let store = Store::open(&url)
        .await
        .with_context(|| format!("cannot use the store {url}; choose another with --db URL, or --db memory"))?;
    let given = Given::new(plan.functions);
    let begun = Node::serve(&settings, store, &given, sockets).await;
    let mut node = begun.map_err(|e| with_advice(e, "--listen"))?;
    // Ends with the runtime.
    tokio::spawn(manager::show_life(node.threads().clone()));
    let mut beside = Some(Beside { commands: plan.commands, connectors: plan.connectors, handed_over: others });
    if taken.is_none() {
        node.begin_beside(beside.take().unwrap_or_default())?;
        node.give(&given).await?;
    }
    tracing::info!(functions = node.functions(), store = %url, "listening on {}", node.bases().join(", "));
    warn(&settings, &node);
    if signals.until(node.ready()).await.is_none() {
        return end(node, signals, ExitCode::SUCCESS).await;
    }
    if let Some(taken) = taken {
        // Our predecessor serves them from here on as well, if it has the same store.
        node.give(&given).await?;
        let released = async {
            taken.ready().await?;
            taken.released().await
        };
        match signals.until(released).await {
            None => return end(node, signals, ExitCode::SUCCESS).await,
            Some(Ok(())) => tracing::info!("took over"),
            Some(Err(e)) => tracing::warn!("the predecessor went without a word: {e}"),
        }
        node.inherit();
        // Calls are served by now, and by nobody else: what fails here is no reason to end.
        if let Err(e) = node.begin_beside(beside.take().unwrap_or_default()) {
            tracing::error!("calls are served, but not all else: {:#}", anyhow::Error::from(e));
        }
    }
    manager::tell("READY=1");
    tracing::info!("ready");
    footprint::give_back_soon();

    let place = takeover::place(&settings.state_dir(), node.addresses().first().expect("a node listens somewhere"));
    let mut taken_over = Box::pin(offered(offer(&node, &settings, &place, kept)));
    let mut successor = Successor::new(place)?;
    let heir = loop {
        tokio::select! {
            wish = signals.next() => match wish {
                Wish::End => break None,
                Wish::Log => log::toggle_level(),
                Wish::Reload => node.reload(),
                Wish::Successor => successor.start(),
            },
            heir = &mut taken_over => break Some(heir),
            () = successor.gone() => {}
            () = node.exhausted() => {
                tracing::error!("a connector has given up, and is to end this node (on_exhausted)");
                return end(node, signals, ExitCode::FAILURE).await;
            }
        }
    };
    drop(taken_over);
    match heir {
        None => end(node, signals, ExitCode::SUCCESS).await,
        Some(heir) => leave(node, signals, heir).await,
    }
}

/// Ends in order.
async fn end(node: Node, mut signals: Signals, code: ExitCode) -> anyhow::Result<ExitCode> {
    manager::tell("STOPPING=1");
    tracing::info!("draining; a second signal ends it at once");
    node.stop(signals.asked_to_end()).await;
    Ok(code)
}

/// Ends while `heir` answers.
async fn leave(mut node: Node, mut signals: Signals, heir: Heir) -> anyhow::Result<ExitCode> {
    // Said by us, since the manager listens to its main process alone.
    if let Some(pid) = heir.pid() {
        manager::tell(&format!("MAINPID={pid}"));
    }
    tracing::info!(pid = heir.pid(), "a successor answers calls; what is under way here is finished");
    node.accept_no_more();
    let in_peace = signals.until(node.let_go()).await.is_some();
    heir.release().await;
    if in_peace {
        node.leave(signals.asked_to_end()).await;
    } else {
        node.stop(std::future::ready(())).await;
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes it possible to take this node over; a node that cannot be is as good as another otherwise.
fn offer(node: &Node, settings: &Settings, place: &Path, kept: Vec<Inherited>) -> Option<Offer> {
    let made = std::fs::create_dir_all(settings.state_dir())
        .and_then(|()| node.sockets())
        .map_err(anyhow::Error::from)
        .and_then(|sockets| Ok(Offer::make(place, sockets, kept, node.room())?));
    made.inspect_err(|e| tracing::warn!("no successor can take over from this process: {e:#}")).ok()
}

async fn offered(offer: Option<Offer>) -> Heir {
    match offer {
        Some(offer) => offer.taken().await,
        None => std::future::pending().await,
    }
}

/// Says what is unsafe about who may call, or in the way of everybody.
fn warn(settings: &Settings, node: &Node) {
    if settings.is_public() && settings.tokens() == Tokens::Off {
        let at = node.bases().join(", ");
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
        StartError::Listen(OpenError { address, source }) => {
            let what = format!("cannot listen on {address}; choose another address with {flag}");
            anyhow::Error::from(source).context(what)
        }
        StartError::Driver(refused @ DriverRefused::Image { .. }) => Usage::of(refused),
        other => other.into(),
    }
}
