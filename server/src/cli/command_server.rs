//! `hotfn command-server`: host commands over signed HTTP, until a signal.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use rustix::process::DumpableBehavior;
use tokio::signal::unix::{SignalKind, signal};

use super::Usage;
use super::signals::Signals;
use crate::command::bind::Bind;
use crate::command::install;
use crate::command::listen::Handed;
use crate::command::{Means, Server, Settings};
use crate::config::command::{self, Lines};
use crate::config::env;
use crate::footprint;
use crate::manager;

#[derive(clap::Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Example:\n  SECRET_KEY=$(head -c 16 /dev/urandom | xxd -p) hotfn command-server --bind 127.0.0.1:8099\n\n\
    docs/commands.md says what a config file holds, and how to install it as a service."
)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// A file with a table [command] [default: none]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A file with lines BIND=… and SECRET_KEY=…, as the platform's own service has it
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// Where to listen, with commas [default: 127.0.0.1:8099,172.17.0.1:8099]
    #[arg(long, value_name = "LIST")]
    bind: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Look whether everything is as it should be
    Doctor(install::Args),
    /// Install it as a service of this machine, or upgrade it
    Install(install::InstallArgs),
    /// Make a new key; the old one stays good until the next time
    RotateKey(install::Args),
    /// Remove the service; its config stays
    Uninstall(install::Args),
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    match &args.verb {
        Some(Verb::Doctor(args)) => return install::doctor(args),
        Some(Verb::Install(args)) => return install::install(args),
        Some(Verb::RotateKey(args)) => return install::rotate_key(args),
        Some(Verb::Uninstall(args)) => return install::uninstall(args),
        None => {}
    }
    // What the environment or memory holds of the key is not for the commands we run to read, which
    // have the same user.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let handed_over = hotfn_socket::inherited(env::process)?;
    let handed_over =
        handed_over.into_iter().map(|socket| Handed::of(socket.into_socket())).collect::<Result<_, _>>()?;
    let mut signals = Signals::new()?;
    let mut hangups = signal(SignalKind::hangup())?;
    let server = Server::start(settings(&args)?, handed_over, Means::default())?;
    tracing::info!("answering commands at {:?}", server.listening().local_addrs());
    manager::tell("READY=1");
    footprint::give_back_soon();
    loop {
        tokio::select! {
            () = signals.next() => break,
            _ = hangups.recv() => match settings(&args) {
                Ok(settings) => {
                    server.reload(settings.config);
                    tracing::info!("config was read again");
                }
                Err(e) => tracing::error!("config was read again and is not followed: {e:#}; the old one stays"),
            },
        }
    }
    manager::tell("STOPPING=1");
    tracing::info!("ending; commands go on, a second signal ends it at once");
    tokio::select! {
        () = server.stop() => {}
        () = signals.next() => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn settings(args: &Args) -> anyhow::Result<Settings> {
    let lines = Lines::load(&env::process, args.env_file.as_deref()).map_err(Usage::of)?;
    let settings = match &args.config {
        Some(path) => command::load(path, &lines).map_err(Usage::of)?,
        None => None,
    };
    let mut settings = match settings {
        Some(settings) => settings,
        None => command::without_file(&lines).map_err(Usage::of)?,
    };
    // Where systemd made a directory for what is to be kept.
    settings.config.state_dir =
        settings.config.state_dir.take().or_else(|| env::process("STATE_DIRECTORY").map(PathBuf::from));
    if let Some(bind) = &args.bind {
        settings.bind = Bind::list(bind).map_err(|what| Usage::of(anyhow::anyhow!("--bind: {what}")))?;
    }
    Ok(settings)
}
