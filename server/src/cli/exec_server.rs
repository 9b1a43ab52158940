//! `hotfn exec-server`: runs programs for whoever may ask at a socket.

use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use hotfn_exec::Resource;
use hotfn_exec::rules::Rules;
use hotfn_exec::server::{self, Server};
use hotfn_socket::PacketListener;
use rustix::process::{Gid, Pid, Uid};

use super::Usage;
use super::signals::Signals;
use crate::config;

#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  hotfn exec-server /run/tools/exec.sock\n  \
    hotfn exec-server --config exec.toml --mode 0660 /run/tools/exec.sock\n\n\
    Without rules whoever runs as the same user, or as root, may run anything. docs/exec.md says what rules can say.")]
pub(super) struct Args {
    /// The socket; one that a service manager opened for us is used instead
    #[arg(value_name = "PATH", required_unless_present = "inherited", value_parser = path)]
    path: Option<PathBuf>,
    /// Use the socket that a service manager opened for us
    #[arg(long)]
    inherited: bool,
    /// Make the socket's folder first
    #[arg(short, long)]
    parents: bool,
    /// The socket's mode, octal
    #[arg(long, default_value = "0600", value_parser = config::function::mode)]
    mode: u32,
    /// A limit of every job: nofile, nproc, core or fsize, in the units of setrlimit(2); many times
    #[arg(long, value_name = "NAME=N", value_parser = limit)]
    limit: Vec<(Resource, u64)>,
    /// The file with the `[[exec.rule]]` tables
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Sessions at once
    #[arg(long, value_name = "N", default_value = "64", value_parser = sessions)]
    sessions: NonZeroUsize,
    /// How long jobs may take to finish when the server ends, in seconds
    #[arg(long, value_name = "S", default_value_t = 10)]
    drain: u64,
    /// Refuse callers of Sidecar 1.2.0
    #[arg(long)]
    no_compat_v1: bool,
    /// Become this user before anything is opened
    #[arg(long, value_name = "UID")]
    setuid: Option<u32>,
    /// Become this group before anything is opened
    #[arg(long, value_name = "GID")]
    setgid: Option<u32>,
    /// Let go of the terminal it is started from
    #[arg(long)]
    notty: bool,
    /// Begin a session of its own
    #[arg(long)]
    setsid: bool,
    /// Join this process group; 0: begin one
    #[arg(long, value_name = "PGID")]
    setpgid: Option<i32>,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    if args.path.as_ref().is_some_and(|path| path.as_os_str().is_empty()) {
        return Ok(ExitCode::SUCCESS);
    }
    let rules = match &args.config {
        Some(file) => config::load(file, None).map_err(Usage::of)?.exec,
        None => Rules::default(),
    };
    become_what_was_asked(&args).context("cannot become what was asked for")?;
    let mut signals = Signals::new()?;
    let server = start(&args, rules)?;
    tokio::select! {
        () = signals.next() => {}
        () = server.asked_to_stop() => {}
    }
    tracing::info!("draining; a signal ends what is left at once");
    server.drain(Duration::from_secs(args.drain), signals.next()).await;
    Ok(ExitCode::SUCCESS)
}

fn start(args: &Args, rules: Rules) -> anyhow::Result<Server> {
    let rules = if args.config.is_none() {
        let uid = rustix::process::geteuid().as_raw();
        tracing::warn!(uid, "without rules this user and root may run anything here");
        Rules::open_to(uid)
    } else {
        rules
    };
    let path = args.path.clone().unwrap_or_default();
    let mut config = server::Config::new(&path);
    config.mode = args.mode;
    config.sessions_max = args.sessions.get();
    config.compat_v1 = !args.no_compat_v1;
    for (resource, value) in &args.limit {
        // What was lowered once cannot be raised again.
        config.rlimits.retain(|(known, _)| known != resource);
        config.rlimits.push((*resource, *value));
    }
    if args.inherited {
        let mut sockets = hotfn_socket::inherited(|name| std::env::var(name).ok())?;
        anyhow::ensure!(
            sockets.len() == 1,
            "{} sockets were handed over, and one is served; start this by a unit with one socket, or without \
             --inherited and with a PATH",
            sockets.len()
        );
        let listener: PacketListener = sockets.remove(0).into_listener()?;
        tracing::info!("running programs for callers of a socket that was handed over");
        return Ok(Server::on(listener, config, rules)?);
    }
    folder(&path, args.parents)?;
    let server = Server::start(config, rules)?;
    tracing::info!(path = %path.display(), "running programs for callers");
    Ok(server)
}

/// Makes the socket's folder if that was asked for; else it has to be there.
fn folder(socket: &Path, make: bool) -> anyhow::Result<()> {
    let Some(folder) = socket.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    if make {
        return std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()));
    }
    anyhow::ensure!(folder.exists(), "there is no folder {}; --parents makes it", folder.display());
    Ok(())
}

/// While there is one thread: the kernel's calls change the one that makes them. The group comes before
/// the user, who might no longer be let.
fn become_what_was_asked(args: &Args) -> io::Result<()> {
    if args.notty {
        hotfn_exec::leave_terminal()?;
    }
    if args.setsid {
        rustix::process::setsid()?;
    }
    if let Some(group) = args.setpgid {
        rustix::process::setpgid(None, Pid::from_raw(group))?;
    }
    if let Some(gid) = args.setgid.map(Gid::from_raw) {
        rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    }
    if let Some(uid) = args.setuid.map(Uid::from_raw) {
        rustix::thread::set_thread_groups(&[])?;
        rustix::thread::set_thread_res_uid(uid, uid, uid)?;
    }
    Ok(())
}

fn limit(word: &str) -> Result<(Resource, u64), String> {
    let known = |name: &str| match name {
        "core" => Some(Resource::Core),
        "fsize" => Some(Resource::Fsize),
        "nofile" => Some(Resource::Nofile),
        "nproc" => Some(Resource::Nproc),
        _ => None,
    };
    word.split_once('=')
        .and_then(|(name, value)| Some((known(name)?, value.parse().ok()?)))
        .ok_or_else(|| format!("{word:?} is not a limit like nofile=1024; core, fsize, nofile and nproc can be set"))
}

fn sessions(word: &str) -> Result<NonZeroUsize, String> {
    word.parse().map_err(|_| format!("{word:?} is not a number of sessions; there is one at least"))
}

/// A name without a file has no mode: whoever shares the network namespace may connect.
fn path(word: &str) -> Result<PathBuf, String> {
    if word.starts_with('@') {
        return Err(format!("{word:?} would be an abstract name, which has no permissions; for a file write ./{word}"));
    }
    Ok(word.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_there_or_is_made_when_that_was_asked_for() {
        let home = tempfile::tempdir().unwrap();
        let socket = home.path().join("tools/exec.sock");
        assert!(folder(&socket, false).unwrap_err().to_string().ends_with("tools; --parents makes it"));
        folder(&socket, true).unwrap();
        folder(&socket, false).unwrap();
        folder(Path::new("exec.sock"), false).unwrap();
    }

    #[test]
    fn sessions_are_one_at_least() {
        assert_eq!(sessions("64").map(NonZeroUsize::get), Ok(64));
        for wrong in ["0", "-1", "many"] {
            assert!(sessions(wrong).unwrap_err().contains(wrong), "{wrong}");
        }
    }

    #[test]
    fn limits_have_names_and_sockets_have_files() {
        assert_eq!(limit("nofile=77"), Ok((Resource::Nofile, 77)));
        for wrong in ["nofile", "nofile=", "nofile=-1", "stack=1"] {
            assert!(limit(wrong).unwrap_err().contains("nofile=1024"), "{wrong}");
        }
        assert!(path("@tools").unwrap_err().contains("./@tools"));
        assert_eq!(path("./@tools"), Ok("./@tools".into()));
    }
}
