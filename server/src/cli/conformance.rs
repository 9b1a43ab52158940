//! `hotfn conformance`: does a function, an agent, a server keep the contract?
//!
//! Progress and the table go to standard error and output as a person reads them; `--report` writes
//! the same for machines and repositories.

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, anyhow};
use clap::Subcommand;

use hotfn_conformance::{Agent, Case, Form, Function, Level, Only, Outcome, Profile, Suite, Verdict};
use hotfn_protocols::Format;

use super::Usage;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Debug, Subcommand)]
enum Subject {
    /// Play the agent for a function: start CMD, and see whether it keeps each rule
    #[command(after_help = "Example:\n  hotfn conformance fdk -- ./my-function\n  \
        hotfn conformance fdk --only 20-31 --report html --out report.html -- node func.js\n\n\
        docs/conformance/function.md says what the function has to do on demand.\n\
        Exit code 0: every MUST holds.")]
    Fdk(Fdk),
    /// Play client and function for an agent: deploy functions to it, and see whether it keeps each rule
    #[command(after_help = "Example:\n  hotfn conformance agent --base 127.0.0.1:8080\n\n\
        Its functions are apps of their own that are deleted again. Exit code 0: every MUST holds.")]
    Agent(Served),
    /// The same for the server around an agent: its gateway and its API
    Server(Served),
    /// Be the function that an agent is tested with
    #[command(hide = true)]
    Witness,
}

#[derive(clap::Args, Debug)]
struct Served {
    /// Where it serves calls and the v2 API
    #[arg(long, value_name = "ADDRESS")]
    base: SocketAddr,
    /// An image that runs `hotfn conformance witness` [default: this program, as a process]
    #[arg(long)]
    image: Option<String>,
    #[command(flatten)]
    common: Common,
}

#[derive(clap::Args, Debug)]
struct Fdk {
    /// What FN_FORMAT says
    #[arg(long, default_value = "http-stream")]
    format: Format,
    #[command(flatten)]
    common: Common,
    /// The function: its program and arguments
    #[arg(last = true, value_name = "CMD", required_unless_present_any = ["list", "explain"])]
    command: Vec<OsString>,
}

#[derive(clap::Args, Debug)]
struct Common {
    /// quick, or full: idle for as long as the contract says, minutes
    #[arg(long, default_value_t)]
    profile: Profile,
    /// Which cases to run, as 1-20,36 [default: all]
    #[arg(long, value_name = "NUMBERS")]
    only: Option<Only>,
    /// What random bytes are made of: the same seed, the same bytes
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What the report calls the subject [default: its command]
    #[arg(long)]
    name: Option<String>,
    /// Write a report: html, json, junit or md
    #[arg(long, value_name = "FORM")]
    report: Option<Form>,
    /// Where the report goes [default: standard output, instead of the table]
    #[arg(long, value_name = "FILE", requires = "report")]
    out: Option<PathBuf>,
    /// List the cases, a line each, and run none
    #[arg(long)]
    list: bool,
    /// Tell what a case is about, and run none
    #[arg(long, value_name = "NUMBER")]
    explain: Option<u16>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.subject {
        Subject::Fdk(Fdk { format, common, command }) => {
            let function = Function { command: command.clone(), format: *format };
            common.follow(Suite::of_function(function, common.profile, common.seed))
        }
        Subject::Agent(served) => {
            let common = &served.common;
            common.follow(Suite::of_agent(served.agent()?, common.profile, common.seed))
        }
        Subject::Server(served) => {
            let common = &served.common;
            common.follow(Suite::of_server(served.agent()?, common.profile, common.seed))
        }
        Subject::Witness => Ok(hotfn_conformance::witness()),
    }
}

impl Served {
    fn agent(&self) -> anyhow::Result<Agent> {
        let image = match &self.image {
            Some(image) => image.clone(),
            None => {
                let program = std::env::current_exe().context("cannot find this program's own file")?;
                format!("process:{} conformance witness", program.display())
            }
        };
        Ok(Agent { address: self.base, image })
    }
}

impl Common {
    fn follow(&self, suite: Suite) -> anyhow::Result<ExitCode> {
        if let Some(number) = self.explain {
            let unknown = || Usage::of(anyhow!("there is no case {number} here; --list shows them all"));
            println!("{}", explained(suite.cases().find(|case| case.number == number).ok_or_else(unknown)?));
            return Ok(ExitCode::SUCCESS);
        }
        let suite = match &self.name {
            Some(name) => suite.named(name),
            None => suite,
        };
        let suite = suite.only(&self.only.clone().unwrap_or_default());
        if self.list {
            suite.cases().for_each(|case| println!("{:>4}  {:<6}  {}", case.number, case.level, case.title));
            return Ok(ExitCode::SUCCESS);
        }
        let all = suite.cases().count();
        if all == 0 {
            return Err(Usage::of(anyhow!("--only leaves no case; --list shows which there are")));
        }
        let progress = Progress { all, done: AtomicUsize::new(0), shown: std::io::stderr().is_terminal() };
        let report = suite.run(&|outcome| progress.tell(outcome));
        progress.end();
        match (self.report, &self.out) {
            (Some(form), None) => println!("{}", report.to(form)),
            (Some(form), Some(path)) => {
                std::fs::write(path, report.to(form)).with_context(|| format!("cannot write {path:?}"))?;
                println!("{}", report.to_text());
            }
            (None, _) => println!("{}", report.to_text()),
        }
        Ok(if report.keeps(Level::Must) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn explained(case: &Case) -> String {
    format!("{} {}: {}\n\n{}", case.number, case.level, case.title, case.clause)
}

/// One line on a terminal that is written over again and again; nothing elsewhere.
struct Progress {
    all: usize,
    done: AtomicUsize,
    shown: bool,
}

impl Progress {
    fn tell(&self, outcome: &Outcome) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if !self.shown {
            return;
        }
        if outcome.verdict == Verdict::Broken {
            eprintln!("\r\x1b[K{} {} {}", outcome.case.number, outcome.mark(), outcome.case.title);
        }
        eprint!("\r\x1b[K{done}/{} {}", self.all, outcome.case.title);
    }

    fn end(&self) {
        if self.shown {
            eprint!("\r\x1b[K");
        }
    }
}
