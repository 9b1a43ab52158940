//! `hotfn logs`: what a function writes, or what it wrote during one call.

use std::process::ExitCode;
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;

use hotfn_protocols::Body;

use super::node::NodeArgs;
use super::show::text as print;
use crate::percent;
use crate::remote::objects::{id, text};
use crate::remote::{Error, Node};

#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  hotfn logs shop hello\n  hotfn logs -f shop hello\n  \
    hotfn logs shop hello --call 01KAF4Q8ZV0C9D3T5W7Y2M6N8P\n\n\
    A call's id is what its answer has as Fn-Call-Id. Last lines are those of the node that is asked.")]
pub(super) struct Args {
    #[command(flatten)]
    node: NodeArgs,
    /// Go on with what comes, until the call is over or the command is interrupted
    #[arg(short, long)]
    follow: bool,
    /// How many of the last lines to begin with
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100)]
    lines: u32,
    /// Only what was written during this call
    #[arg(long, value_name = "ID", conflicts_with = "lines")]
    call: Option<String>,
    /// The function's app
    app: String,
    /// The function's name
    #[arg(value_name = "FN")]
    function: String,
}

/// How long a node waits for a line before it says that there is none, in s.
const WAIT: u32 = 20;
/// How often a call that runs is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Most bytes of a call's log: as many as a node may be told to keep, and some.
const LOG_BYTES_MAX: u64 = 32 << 20;

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let node = args.node.node()?;
    let function = node.function(&args.app, &args.function).await?;
    let path = format!("/v2/fns/{}", percent::encode(id(&function)));
    match &args.call {
        Some(call) => of_call(&node, &format!("{path}/calls/{}", percent::encode(call)), args.follow).await,
        None => last(&node, &format!("{path}/logs"), args.lines, args.follow).await,
    }
}

async fn last(node: &Node, path: &str, lines: u32, follow: bool) -> anyhow::Result<ExitCode> {
    let mut query = format!("lines={lines}");
    loop {
        let told = node.ask(Method::GET, &format!("{path}?{query}"), None).await?;
        for line in told["items"].as_array().into_iter().flatten() {
            print(&format!("{} {:26} {}\n", text(line, "at"), call_of(line), text(line, "text")))?;
        }
        if !follow {
            return Ok(ExitCode::SUCCESS);
        }
        query = format!("from={}&wait={WAIT}", told["next"]);
    }
}

/// Whose call a line is, where that is known.
fn call_of(line: &Value) -> &str {
    line["call_id"].as_str().unwrap_or("-")
}

async fn of_call(node: &Node, path: &str, follow: bool) -> anyhow::Result<ExitCode> {
    let mut shown = String::new();
    loop {
        // Asked for first: what was written before the end is then in the log.
        let record = node.ask(Method::GET, path, None).await?;
        let log = log(node, &format!("{path}/log")).await?;
        // Another attempt has a log of its own.
        print(log.strip_prefix(&*shown).unwrap_or(&log))?;
        shown = log;
        let is_under_way = matches!(text(&record, "status"), "delayed" | "queued" | "running");
        if !follow || !is_under_way {
            return Ok(ExitCode::SUCCESS);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn log(node: &Node, path: &str) -> Result<String, Error> {
    let (head, body) = node.send(Method::GET, path, HeaderMap::new(), Body::empty()).await?.into_parts();
    let base = node.base().clone();
    if head.status != StatusCode::OK {
        return Err(Error::Strange { base, status: head.status });
    }
    let bytes = body.gather(LOG_BYTES_MAX).await.map_err(|source| Error::Cut { base, source })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
