//! The command line: what there is to ask for, and a file for each subcommand.
//!
//! Exit codes are the same everywhere: 0 when it went well, 1 for a fault or another failure, 2
//! for wrong usage, config that cannot be followed included.

mod apps;
mod build;
mod calls;
mod command;
mod command_server;
mod completions;
mod conformance;
mod connect;
mod connectors;
mod deploy;
mod dev;
mod driver;
mod exec;
mod exec_server;
mod fns;
mod help;
mod input;
mod invoke;
mod logs;
mod man;
mod node;
mod notes;
mod run;
mod serve;
mod show;
mod signals;
mod source;
mod table;
mod token;
mod triggers;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::log::{self, FunctionLines};

/// Keeps function containers hot and talks to them fast.
#[derive(Debug, Parser)]
#[command(name = "hotfn", version, after_help = EXAMPLE, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
    /// error, warn, info, debug, trace, or a filter such as hotfn=debug [default: info for serve, else warn]
    #[arg(long, global = true, value_name = "LEVEL")]
    log_level: Option<String>,
    /// How log lines look [default: text]
    #[arg(long, global = true, value_name = "FORMAT")]
    log_format: Option<log::Format>,
}

const EXAMPLE: &str = "Example:\n  hotfn dev examples/hello\n  \
    curl -d '{\"name\":\"Ada\"}' http://127.0.0.1:8080/invoke/hello\n\n\
    Ends with 0 when it went well, 1 for a fault or another failure, 2 for wrong usage.";

#[derive(Debug, Subcommand)]
enum Verb {
    /// The apps of a running node
    Apps(apps::Args),
    /// Make a container image of the function in a folder
    Build(build::Args),
    /// What became of the calls of a function of a running node
    Calls(calls::Args),
    /// Have a command run by a service of host commands
    Command(command::Args),
    /// Run commands for whoever holds a key, over signed HTTP
    CommandServer(command_server::Args),
    /// Print what a shell needs to complete command lines
    Completions(completions::Args),
    /// Check whether a function, or an agent, keeps the contract, case by case
    Conformance(conformance::Args),
    /// Run a unix-socket connector, without a node
    Connect(connect::Args),
    /// The unix-socket connectors of a running node
    Connectors(connectors::Args),
    /// Build the function in a folder and give it to a running node
    Deploy(deploy::Args),
    /// Build and serve the function in a folder, again at each change
    Dev(dev::Args),
    /// Run a program of another container as if it were here
    Exec(exec::Args),
    /// Run programs for callers at a socket
    ExecServer(exec_server::Args),
    /// The functions of a running node
    Fns(Box<fns::Args>),
    /// Call a function that is served somewhere
    Invoke(invoke::Args),
    /// What a function of a running node writes
    Logs(logs::Args),
    /// Write the manual, a page a subcommand
    Man(man::Args),
    /// Start a function, make one call, end it
    Run(run::Args),
    /// Serve the functions of a store and of a config file
    Serve(serve::Args),
    /// Who may call a node: make, list and revoke tokens
    Token(token::Args),
    /// The triggers of a running node
    Triggers(triggers::Args),
}

/// What was asked for cannot be done as it was asked: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0:#}")]
struct Usage(anyhow::Error);

impl Usage {
    fn of(error: impl Into<anyhow::Error>) -> anyhow::Error {
        Self(error.into()).into()
    }
}

impl Cli {
    /// Reads the command line. Where that asks for help, or cannot be followed, the process ends here.
    #[must_use]
    pub fn read() -> Self {
        let matches = help::grouped(Self::command()).get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|e| e.exit())
    }

    /// Does what was asked for, and answers with the exit code.
    #[must_use]
    pub fn run(self) -> ExitCode {
        match self.try_run() {
            Ok(code) => code,
            Err(e) => {
                eprintln!("hotfn: {e:#}");
                ExitCode::from(if e.is::<Usage>() { 2 } else { 1 })
            }
        }
    }

    fn try_run(self) -> anyhow::Result<ExitCode> {
        let verb = match self.verb {
            // Its output is another program's.
            Verb::Exec(args) => return Ok(exec::run(args)),
            verb => verb,
        };
        let (quiet, lines) = match verb {
            Verb::CommandServer(_) | Verb::Connect(_) | Verb::Exec(_) | Verb::ExecServer(_) | Verb::Serve(_) => {
                ("info", FunctionLines::Events)
            }
            // A person sees answers and what the function prints; of the rest only what is wrong.
            Verb::Apps(_)
            | Verb::Build(_)
            | Verb::Calls(_)
            | Verb::Command(_)
            | Verb::Completions(_)
            | Verb::Conformance(_)
            | Verb::Connectors(_)
            | Verb::Deploy(_)
            | Verb::Dev(_)
            | Verb::Fns(_)
            | Verb::Invoke(_)
            | Verb::Logs(_)
            | Verb::Man(_)
            | Verb::Run(_)
            | Verb::Token(_)
            | Verb::Triggers(_) => ("warn", FunctionLines::Bare),
        };
        log::start(self.log_level.as_deref(), self.log_format, quiet, lines).map_err(Usage::of)?;
        // The first thread that serves, and often the only one: see `threads`.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            match verb {
                Verb::Apps(args) => apps::run(args).await,
                Verb::Build(args) => build::run(args).await,
                Verb::Calls(args) => calls::run(args).await,
                Verb::Command(args) => command::run(args).await,
                Verb::CommandServer(args) => command_server::run(args).await,
                Verb::Completions(args) => completions::run(&args),
                Verb::Conformance(args) => conformance::run(args).await,
                Verb::Connect(args) => connect::run(args).await,
                Verb::Connectors(args) => connectors::run(args).await,
                Verb::Deploy(args) => deploy::run(args).await,
                Verb::Dev(args) => dev::run(args).await,
                Verb::Exec(_) => unreachable!("it was run before there was a runtime"),
                Verb::ExecServer(args) => exec_server::run(args).await,
                Verb::Fns(args) => fns::run(*args).await,
                Verb::Invoke(args) => invoke::run(args).await,
                Verb::Logs(args) => logs::run(args).await,
                Verb::Man(args) => man::run(&args),
                Verb::Run(args) => run::run(args).await,
                Verb::Serve(args) => serve::run(args).await,
                Verb::Token(args) => token::run(args).await,
                Verb::Triggers(args) => triggers::run(args).await,
            }
        })
    }
}
