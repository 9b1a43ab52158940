//! The instrument `agent-calls`: what the agent alone takes for a call, without any front.
//!
//! ```text
//! agent-calls PROGRAM                          64 callers of one container, http-stream, 16 bytes
//! agent-calls PROGRAM --format json            the same over its standard input and output
//! agent-calls PROGRAM --containers 500         one of 500 hot containers at a time
//! agent-calls PROGRAM --functions 2000         one of 2,000 functions
//! ```
//!
//! PROGRAM is a function that gives each call's body back: `examples/echo`. The agent is embedded as
//! any program would embed it, on one thread, and called by tasks of that thread. So what
//! the process spends is the agent's, plus next to nothing for the callers; the function is a
//! process of its own and not counted. Pinned to one core (`taskset -c 0`) the figures repeat; what
//! callgrind counts of it repeats exactly.
//!
//! It prints one line of JSON: calls a second, user and system time a call in microseconds,
//! allocations a call, the process's resident memory in KiB, and the time of the very first call,
//! start of its container included.
//!
//! Containers beyond those that calls need are kept warm and idle, and functions beyond the first
//! are deployed and never called: both are there to be in the way.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Parser;
use hotfn::container::process::{ProcessDriver, Rlimits};
use hotfn::{Agent, Function, Invoke};
use hotfn_protocols::{Call, Format, FunctionId};
use tokio::task::JoinSet;

mod counting;

use counting::Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How long the containers that are to be in the way may take to come up.
const WARM_PATIENCE: Duration = Duration::from_secs(60);

/// Calls before the first that is measured: a tenth as many as are, but no more than these.
const WARM_UP_CALLS_MAX: u32 = 2_000;

/// What the agent alone takes for a call.
#[derive(Debug, Parser)]
#[command(name = "agent-calls")]
struct Options {
    /// A function that gives each call's body back.
    program: PathBuf,
    /// How agent and function talk.
    #[arg(long, default_value = "http-stream")]
    format: Format,
    /// Calls in flight. Over standard input and output each takes a container of its own.
    #[arg(long, default_value_t = 64)]
    callers: u32,
    /// Calls to measure.
    #[arg(long, default_value_t = 200_000)]
    calls: u32,
    /// Bytes of a call's body.
    #[arg(long, default_value_t = 16)]
    body_bytes: usize,
    /// Containers of the function, at least.
    #[arg(long, default_value_t = 1)]
    containers: u32,
    /// Functions deployed.
    #[arg(long, default_value_t = 1)]
    functions: u32,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measure(&options))
}

async fn measure(options: &Options) -> Result<()> {
    let program = options.program.canonicalize();
    let program = program.with_context(|| format!("cannot find the function {:?}", options.program))?;
    let root = tempfile::tempdir()?;
    // As many open files as we may have: valgrind lets a child have no other number.
    let limits = Rlimits { open_files: u64::MAX, ..Rlimits::default() };
    let mut agent = Agent::builder().driver(Arc::new(ProcessDriver::new()?.rlimits(limits)));
    agent.config.iofs_root = root.path().to_owned();
    let agent = agent.start()?;

    for n in 1..options.functions {
        agent.deploy(Function::new(format!("idle-{n}"), format!("process:{}", program.display())));
    }
    let mut echo = Function::new("echo", format!("process:{}", program.display()));
    echo.format = options.format;
    echo.memory_mb = 1;
    echo.concurrency = options.callers;
    echo.min_warm = if options.containers > 1 { options.containers } else { 0 };
    agent.deploy(echo);
    if options.containers > 1 {
        all_listen(root.path(), options.containers).await?;
    }

    let began = Instant::now();
    call(&agent, &"echo".into(), options.body_bytes).await?;
    let first = began.elapsed();
    calls(&agent, options, WARM_UP_CALLS_MAX.min(options.calls / 10)).await?;

    let (before, allocations) = (Usage::now()?, counting::allocations());
    let began = Instant::now();
    calls(&agent, options, options.calls).await?;
    let took = began.elapsed();
    let (after, allocations) = (Usage::now()?, counting::allocations() - allocations);

    let each = |what: f64| what / f64::from(options.calls);
    println!(
        r#"{{"calls_per_s":{:.0},"user_us":{:.2},"system_us":{:.2},"allocations":{:.2},"rss_kib":{},"first_us":{}}}"#,
        f64::from(options.calls) / took.as_secs_f64(),
        each(after.user_us - before.user_us),
        each(after.system_us - before.system_us),
        each(allocations as f64),
        after.rss_kib,
        first.as_micros(),
    );
    agent.drain(Duration::from_secs(5)).await;
    Ok(())
}

/// Makes so many calls, from as many tasks as there are to be callers.
async fn calls(agent: &Agent, options: &Options, count: u32) -> Result<()> {
    let mut callers = JoinSet::new();
    for caller in 0..options.callers {
        let share = count / options.callers + u32::from(caller < count % options.callers);
        let (agent, body_bytes) = (agent.clone(), options.body_bytes);
        callers.spawn(async move {
            let echo = FunctionId::from("echo");
            for _ in 0..share {
                call(&agent, &echo, body_bytes).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = callers.join_next().await {
        ended??;
    }
    Ok(())
}

/// One call, its answer read to the end and counted.
async fn call(agent: &Agent, echo: &FunctionId, body_bytes: usize) -> Result<()> {
    static ZEROS: [u8; 1 << 20] = [0; 1 << 20];
    let body = match ZEROS.get(..body_bytes) {
        Some(zeros) => bytes::Bytes::from_static(zeros),
        None => vec![0; body_bytes].into(),
    };
    let mut reply = agent.invoke(Call::new(echo.clone(), body)).await?;
    let mut back = 0;
    while let Some(piece) = reply.body.next().await.transpose()? {
        back += piece.len();
    }
    if back != body_bytes {
        bail!("{body_bytes} bytes went out and {back} came back; is the function examples/echo?");
    }
    Ok(())
}

/// Waits until so many containers have put up their sockets below `root`.
async fn all_listen(root: &Path, containers: u32) -> Result<()> {
    let listening = || -> std::io::Result<usize> {
        let mut count = 0;
        for agent in std::fs::read_dir(root)? {
            let agent = agent?.path();
            if agent.is_dir() {
                for container in std::fs::read_dir(agent)? {
                    count += usize::from(container?.path().join(hotfn::iofs::LISTENER).exists());
                }
            }
        }
        Ok(count)
    };
    let mut look = tokio::time::interval(Duration::from_millis(50));
    let began = Instant::now();
    while listening()? < containers as usize {
        if began.elapsed() > WARM_PATIENCE {
            bail!("{containers} containers did not come up within {WARM_PATIENCE:?}");
        }
        look.tick().await;
    }
    Ok(())
}

/// What this process has used so far, its children left out.
struct Usage {
    user_us: f64,
    system_us: f64,
    rss_kib: u64,
}

/// The kernel counts time for `/proc` in hundredths of a second, whatever it counts in itself.
const TICK_US: f64 = 1e4;

impl Usage {
    fn now() -> Result<Self> {
        let stat = std::fs::read_to_string("/proc/self/stat")?;
        // The program's name stands in parentheses and may hold anything.
        let (_, fields) = stat.rsplit_once(')').context("/proc/self/stat has no program name")?;
        let mut times = fields.split_whitespace().skip(11);
        let mut time_us = || -> Result<f64> {
            let ticks: f64 = times.next().context("/proc/self/stat has no times")?.parse()?;
            Ok(ticks * TICK_US)
        };
        let (user_us, system_us) = (time_us()?, time_us()?);
        let status = std::fs::read_to_string("/proc/self/status")?;
        let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next());
        let rss_kib = rss.context("/proc/self/status has no VmRSS")?.parse()?;
        Ok(Self { user_us, system_us, rss_kib })
    }
}
