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
use std::thread;

use anyhow::{Context as _, anyhow};
use clap::Subcommand;
use tokio::sync::oneshot;

use hotfn_conformance::{
    Agent, Case, Command, Form, Function, Level, Only, Outcome, Place, Profile, Program, Suite, Verdict, Witness,
};
use hotfn_protocols::Format;

use super::Usage;
use super::signals::Signals;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Debug, Subcommand)]
enum Subject {
    /// Play the agent for a function: start it, and see whether it keeps each rule
    #[command(after_help = "Example:\n  hotfn conformance fdk -- ./my-function\n  \
        hotfn conformance fdk shop/hello:1\n  \
        hotfn conformance fdk --only 20-31 --report html --out report.html -- node func.js\n\n\
        docs/conformance/function.md says what the function has to do on demand.\n\
        Exit code 0: every MUST holds.")]
    Fdk(Fdk),
    /// Play client and function for an agent: deploy functions to it, and see whether it keeps each rule
    #[command(after_help = AGENT_HELP)]
    Agent(Served),
    /// The same for the formats over standard input and output, of agents that have them
    #[command(after_help = AGENT_HELP)]
    Formats(Served),
    /// The same for the server around an agent: its gateway and its API
    #[command(after_help = AGENT_HELP)]
    Server(Served),
    /// Be the function that an agent is tested with
    #[command(hide = true)]
    Witness,
}

const AGENT_HELP: &str = "Example:\n  hotfn conformance agent -- hotfn serve --listen {address}\n  \
    hotfn conformance agent --base 127.0.0.1:8080\n\n\
    CMD is told its settings by Fn's variables, such as FN_PORT and FN_IOFS_PATH, and its address by {address} as \
    well. An agent at --base keeps its own settings, so some cases are left out. Its functions are in apps of their \
    own that are deleted again. Exit code 0: every MUST holds.";

#[derive(clap::Args, Debug)]
struct Served {
    /// Where an agent serves calls and the v2 API
    #[arg(long, value_name = "ADDRESS", conflicts_with = "command", required_unless_present_any = ["command", "list", "explain"])]
    base: Option<SocketAddr>,
    /// An image that runs `hotfn conformance witness` [default: this program, as a process]
    #[arg(long)]
    image: Option<String>,
    /// A static build of the witness: the agent gets it as an image, from a registry on the loopback
    #[arg(long, value_name = "FILE", conflicts_with = "image")]
    program: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
    /// How to start an agent: its program and arguments
    #[arg(last = true, value_name = "CMD")]
    command: Vec<OsString>,
}

#[derive(clap::Args, Debug)]
struct Fdk {
    /// What FN_FORMAT says
    #[arg(long, default_value = "http-stream")]
    format: Format,
    #[command(flatten)]
    common: Common,
    /// The function: an image that Docker has or can pull
    #[arg(conflicts_with = "command")]
    image: Option<String>,
    /// Or its program and arguments
    #[arg(last = true, value_name = "CMD", required_unless_present_any = ["image", "list", "explain"])]
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

/// The cases of one kind for an agent.
type Suited = fn(Agent, Profile, u64) -> Suite;

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new()?;
    let (tell, told) = oneshot::channel();
    // The harness blocks, and has threads of its own.
    thread::spawn(move || tell.send(test(&args)));
    tokio::select! {
        tested = told => tested.unwrap_or_else(|_| Err(anyhow!("the harness ended without a report"))),
        () = signals.next() => {
            hotfn_conformance::interrupt();
            Ok(ExitCode::from(INTERRUPTED))
        }
    }
}

/// As a shell tells of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

fn test(args: &Args) -> anyhow::Result<ExitCode> {
    let (served, suite): (&Served, Suited) = match &args.subject {
        Subject::Fdk(fdk) => {
            let common = &fdk.common;
            return common.follow(Suite::of_function(fdk.function(), common.profile, common.seed));
        }
        Subject::Agent(served) => (served, Suite::of_agent),
        Subject::Formats(served) => (served, Suite::of_formats),
        Subject::Server(served) => (served, Suite::of_server),
        Subject::Witness => return Ok(hotfn_conformance::witness()),
    };
    served.common.follow(suite(served.agent()?, served.common.profile, served.common.seed))
}

impl Fdk {
    fn function(&self) -> Function {
        let program = match &self.image {
            Some(image) => Program::Image(image.clone()),
            None => Program::Command(self.command.clone()),
        };
        Function { program, format: self.format }
    }
}

impl Served {
    fn agent(&self) -> anyhow::Result<Agent> {
        let witness = match (&self.image, &self.program) {
            (Some(image), _) => Witness::Image(image.clone()),
            (None, Some(program)) => Witness::Program(program.clone()),
            (None, None) => {
                let program = std::env::current_exe().context("cannot find this program's own file")?;
                Witness::Image(format!("process:{} conformance witness", program.display()))
            }
        };
        let place = match self.base {
            Some(address) => Place::There(address),
            None => Place::Command(Command::of(self.command.clone())),
        };
        Ok(Agent { place, witness })
    }
}

impl Common {
    fn follow(&self, suite: Suite) -> anyhow::Result<ExitCode> {
        if let Some(number) = self.explain {
            let unknown = || Usage::of(anyhow!("there is no case {number} here; --list shows them all"));
            println!("{}", explained(&suite, number).ok_or_else(unknown)?);
            return Ok(ExitCode::SUCCESS);
        }
        let suite = match &self.name {
            Some(name) => suite.named(name),
            None => suite,
        };
        let suite = suite.only(&self.only.clone().unwrap_or_default());
        if self.list {
            print!("{}", listed(&suite));
            return Ok(ExitCode::SUCCESS);
        }
        let all = suite.cases().count();
        if all == 0 {
            return Err(Usage::of(anyhow!("--only leaves no case that can be run here; --list shows which there are")));
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

/// A line for each case, those that would be left out among them.
fn listed(suite: &Suite) -> String {
    let run = suite.cases().map(|case| (*case, None));
    let left_out = suite.left_out().iter().map(|left_out| (left_out.case, Some(&left_out.why)));
    let mut cases: Vec<_> = run.chain(left_out).collect();
    cases.sort_by_key(|(case, _)| case.number);
    let line = |(case, why): (Case, Option<&String>)| {
        let why = why.map(|why| format!(" (left out: {why})")).unwrap_or_default();
        format!("{:>4}  {:<6}  {}{why}\n", case.number, case.level, case.title)
    };
    cases.into_iter().map(line).collect()
}

fn explained(suite: &Suite, number: u16) -> Option<String> {
    let told = |case: &Case| format!("{} {}: {}\n\n{}", case.number, case.level, case.title, case.clause);
    if let Some(case) = suite.cases().find(|case| case.number == number) {
        return Some(told(case));
    }
    let left_out = suite.left_out().iter().find(|left_out| left_out.case.number == number)?;
    Some(format!("{}\n\nLeft out: {}.", told(&left_out.case), left_out.why))
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
