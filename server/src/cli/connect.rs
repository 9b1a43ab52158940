//! `hotfn connect`: connectors without a node.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Map, Value as Tree};

use super::Usage;
use super::signals::Signals;
use crate::config::{connector, env};
use crate::connector::definition::Side;
use crate::connector::{Connectors, Definition, World};
use crate::threads::Threads;

#[derive(clap::Args, Debug)]
#[command(
    override_usage = "hotfn connect [OPTIONS] <server|client> PATH\n       hotfn connect --config FILE",
    after_help = "Examples:\n  hotfn connect server /run/in.sock --to reply --to file:seen.log\n  \
        hotfn connect client /run/in.sock --from file:in.json --to file:out.json\n  \
        hotfn connect server /run/in.sock --pre length-prefixed --post length-prefixed --codec msgpack\n  \
        hotfn connect server /run/in.sock --set permissions='\"=660\"' --set idle_timeout_s=60\n\n\
        docs/connectors.md lists codecs, processors and options. A client with --from ends when its peer has no more to say."
)]
pub(super) struct Args {
    /// Listen, or connect
    #[arg(value_name = "server|client", required_unless_present = "config", value_parser = ["server", "client"])]
    side: Option<String>,
    /// The socket
    #[arg(required_unless_present = "config")]
    path: Option<PathBuf>,
    /// Run the connectors of a config file, those that call no function
    #[arg(long, value_name = "FILE", conflicts_with_all = ["side", "path", "codec", "pre", "post", "to", "from", "set"])]
    config: Option<PathBuf>,
    /// What frames mean
    #[arg(long, default_value = "json")]
    codec: String,
    /// A stage of what comes in; may be given many times [default: separate]
    #[arg(long, value_name = "NAME")]
    pre: Vec<String>,
    /// A stage of what goes out; may be given many times [default: separate]
    #[arg(long, value_name = "NAME")]
    post: Vec<String>,
    /// Where events go: reply, discard, stdout, file:PATH; may be given many times [default: reply, of a client stdout]
    #[arg(long, value_name = "TARGET")]
    to: Vec<String>,
    /// A file whose events a client sends: file:PATH
    #[arg(long, value_name = "file:PATH")]
    from: Option<String>,
    /// Any other option, as in a config file; may be given many times
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<Setting>,
    /// Threads that serve, each with its own connections
    #[arg(long, value_name = "N", default_value = "1")]
    threads: NonZeroUsize,
    /// Where journals are kept
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

/// An option as a config file would have it.
#[derive(Clone, Debug)]
pub(super) struct Setting(pub(super) String, pub(super) Tree);

impl FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE")?;
        let table: Map<String, Tree> = toml::from_str(&format!("value = {value}"))
            .or_else(|_| toml::from_str(&format!("value = {}", Tree::from(value))))
            .map_err(|e| e.message().to_owned())?;
        let value = table.into_iter().next().map(|(_, value)| value).unwrap_or_default();
        Ok(Self(key.to_owned(), value))
    }
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let definitions = match &args.config {
        Some(file) => connector::load(file).map_err(Usage::of)?,
        None => vec![args.definition().map_err(Usage::of)?],
    };
    let mut signals = Signals::new()?;
    open_as_many_files_as_may_be();
    let threads = Arc::new(Threads::start(args.threads)?);
    let handed_over = hotfn_socket::inherited(env::process)?;
    let connectors = Connectors::new(World::empty(), threads, args.state).on(handed_over);
    let finite: Vec<_> = definitions.iter().filter(|d| d.from.is_some()).map(|d| d.name.clone()).collect();
    let is_finite = finite.len() == definitions.len();
    let told: Vec<_> = definitions.iter().map(told).collect();
    connectors.start_all(definitions)?;
    for line in told {
        tracing::info!("{line}");
    }
    let all_sent = async {
        for name in &finite {
            connectors.finished(name).await;
        }
        if !is_finite {
            std::future::pending().await
        }
    };
    tokio::select! {
        () = signals.next() => {}
        () = connectors.exhausted() => {}
        () = all_sent => {}
    }
    let is_ready = connectors.is_ready();
    tokio::select! {
        () = connectors.stop_all() => {}
        () = signals.next() => {}
    }
    Ok(if is_ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What one does from now on.
fn told(definition: &Definition) -> String {
    let (name, path) = (&definition.name, definition.socket.path.display());
    match definition.side {
        Side::Client => format!("{name} connects to {path}"),
        Side::Server => format!("{name} listens on {path}"),
    }
}

/// A connection is an open file, and as many as there may be by default are more than a process may
/// have open by default. It has no children, who would inherit this.
fn open_as_many_files_as_may_be() {
    let limit = getrlimit(Resource::Nofile);
    // Where it is refused, connections wait until others have ended.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

impl Args {
    fn definition(&self) -> Result<Definition, crate::connector::options::Invalid> {
        let side = self.side.as_deref().unwrap_or("server");
        let or = |given: &[String], usual: &str| -> Tree {
            if given.is_empty() { vec![usual.to_owned()].into() } else { given.to_vec().into() }
        };
        let usual_target = if side == "client" { "stdout" } else { "reply" };
        let mut source = Map::new();
        let mut put = |key: &str, value: Tree| source.insert(key.to_owned(), value);
        put("type", format!("unix_socket_{side}").into());
        put("path", self.path.as_ref().map(|path| path.to_string_lossy().into_owned()).into());
        put("codec", self.codec.clone().into());
        put("preprocessors", or(&self.pre, "separate"));
        put("postprocessors", or(&self.post, "separate"));
        put("to", or(&self.to, usual_target));
        put("from", self.from.clone().into());
        for Setting(key, value) in &self.set {
            put(key, value.clone());
        }
        Definition::read(side, source)
    }
}
