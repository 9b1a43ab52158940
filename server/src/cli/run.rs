//! `hotfn run`: one function, one call.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use hotfn::{Agent, Function, Invoke as _};
use hotfn_protocols::{Call, Fault, Format};

use super::driver::DriverArgs;
use super::input::{Input, Variable};
use super::signals::Signals;
use super::{Usage, show, source};
use crate::build;
use crate::config::{Driver, Settings, env};
use crate::drivers;
use crate::project::Project;

#[derive(clap::Args, Debug)]
#[command(
    override_usage = "hotfn run [OPTIONS] DIR\n       hotfn run [OPTIONS] -- CMD [ARG]...\n       \
        hotfn run --driver docker|oci [OPTIONS] IMAGE",
    after_help = "Examples:\n  hotfn run examples/hello -d '{\"name\":\"Ada\"}'\n  \
        hotfn run --format default -d hi -- cat\n  \
        hotfn run --driver docker shop/hello:1 -d '{\"name\":\"Ada\"}'"
)]
pub(super) struct Args {
    /// A folder that holds a function, which is built first; with a driver of containers, an image, or a folder that
    /// begins with . or /
    #[arg(value_name = "DIR|IMAGE", required_unless_present = "command", conflicts_with = "command")]
    what: Option<String>,
    /// A program that is a function
    #[arg(value_name = "CMD", last = true)]
    command: Vec<String>,
    /// How to talk to it: http-stream, http, json, cloudevent or default [default: the folder's, http-stream for a CMD]
    #[arg(long, value_parser = crate::config::function::format)]
    format: Option<Format>,
    /// How long the call may take, in seconds [default: the folder's, 30 for a CMD]
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u64).range(1..=300))]
    timeout: Option<u64>,
    /// A variable of the function's environment; may be given many times
    #[arg(short, long = "env", value_name = "K=V")]
    env: Vec<Variable>,
    #[command(flatten)]
    driver: DriverArgs,
    #[command(flatten)]
    input: Input,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let settings: Settings = args.driver.over(env::settings(&env::process).map_err(Usage::of)?);
    let mut signals = Signals::new()?;
    let function = tokio::select! {
        function = function(&args, &settings) => function?,
        () = signals.next() => return Ok(INTERRUPTED.into()),
    };
    let mut call = Call::new(function.id.clone(), args.input.body().await?);
    call.headers = args.input.headers().into();

    let agent = settings.agent().driver(drivers::start(&settings, &Arc::default()).await?).start()?;
    agent.deploy(function);
    let outcome = tokio::select! {
        outcome = one_call(&agent, call, args.input.include) => outcome,
        () = signals.next() => Ok(INTERRUPTED.into()),
    };
    agent.drain(DRAIN_PATIENCE).await;
    outcome
}

/// What a shell reports of a program that ended by SIGINT.
const INTERRUPTED: u8 = 130;

/// The call is over or given up, so this only waits for the container's own end, which the agent
/// bounds: TERM, a grace, KILL.
const DRAIN_PATIENCE: Duration = Duration::from_secs(10);

async fn function(args: &Args, settings: &Settings) -> anyhow::Result<Function> {
    let driver = settings.containers.driver();
    let mut function = match &args.what {
        Some(dir) if driver == Driver::Process || source::is_folder(dir) => {
            let project = Project::open(Path::new(dir)).map_err(Usage::of)?;
            source::deployment(&project, "run", settings, None).await?.function
        }
        Some(image) => Function::new("run", image),
        None => Function::new("run", build::image(&args.command)),
    };
    driver.takes(&function.image).map_err(|what| Usage::of(anyhow::anyhow!("image {what}")))?;
    function.format = args.format.unwrap_or(function.format);
    function.timeout = args.timeout.map_or(function.timeout, Duration::from_secs);
    for Variable(name, value) in &args.env {
        function.config.insert(name.clone(), value.clone());
    }
    Ok(function)
}

async fn one_call(agent: &Agent, call: Call, include: bool) -> anyhow::Result<ExitCode> {
    match agent.invoke(call).await {
        Ok(reply) => {
            show::answer(reply.head.status, &reply.head.headers, reply.body, include).await?;
            Ok(ExitCode::SUCCESS)
        }
        Err(fault) => {
            tell(&fault);
            Ok(ExitCode::FAILURE)
        }
    }
}

fn tell(fault: &Fault) {
    let mut chain = String::new();
    let mut cause = std::error::Error::source(fault);
    while let Some(e) = cause {
        chain.push_str(&format!("\n  because: {e}"));
        cause = e.source();
    }
    eprintln!("hotfn: {}: {fault} (blame: {}){chain}", fault.kind().code(), fault.blame());
}
