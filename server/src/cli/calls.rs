//! `hotfn calls`: what became of the calls of a function.

use std::num::NonZeroUsize;
use std::process::ExitCode;

use serde_json::Value;

use super::node::NodeArgs;
use super::show::Shown;
use super::table::{Table, plain};
use crate::calls::record::Status;
use crate::remote::objects::{id, text};

#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  hotfn calls list shop hello\n  hotfn calls list shop hello --status dead -n 10\n  \
    hotfn calls list shop hello --from 2026-11-21T07:00:00Z --json\n  \
    hotfn calls inspect shop hello 01KAF4Q8ZV0C9D3T5W7Y2M6N8P\n  \
    hotfn calls retry shop hello 01KAF4Q8ZV0C9D3T5W7Y2M6N8P\n\n\
    Calls whose caller waited are recorded only by a node with record = \"all\" in [calls]. What a function wrote \
    during a call is told by hotfn logs --call."
)]
pub(super) struct Args {
    #[command(flatten)]
    node: NodeArgs,
    #[command(flatten)]
    shown: Shown,
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand, Debug)]
enum What {
    /// Everything about a call
    #[command(alias = "get")]
    Inspect {
        #[command(flatten)]
        name: Name,
    },
    /// The calls of a function, the newest first
    List {
        /// Its app's name
        app: String,
        /// The function's name
        #[arg(value_name = "FN")]
        function: String,
        /// How many at most
        #[arg(short = 'n', long = "max", value_name = "N", default_value = "100")]
        count_max: NonZeroUsize,
        /// Only those that are queued, running, delayed, success, dead, error, timeout or canceled
        #[arg(long)]
        status: Option<Status>,
        /// Only those that came then or later: as RFC 3339 writes times, or in seconds since 1970
        #[arg(long, value_name = "TIME")]
        from: Option<String>,
        /// Only those that came earlier
        #[arg(long, value_name = "TIME")]
        to: Option<String>,
    },
    /// Run a dead call again, with all its attempts
    Retry {
        #[command(flatten)]
        name: Name,
    },
}

#[derive(clap::Args, Debug)]
struct Name {
    /// Its app's name
    app: String,
    /// The function's name
    #[arg(value_name = "FN")]
    function: String,
    /// Its id, which its answer has as Fn-Call-Id
    #[arg(value_name = "CALL")]
    call: String,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (node, shown) = (args.node.node()?, args.shown);
    match args.what {
        What::Inspect { name: Name { app, function, call } } => {
            let function = node.function(&app, &function).await?;
            shown.object(&node.call(id(&function), &call).await?)
        }
        What::List { app, function, count_max, status, from, to } => {
            let function = node.function(&app, &function).await?;
            let status = status.map(Status::as_str);
            let filters = [("status", status), ("from_time", from.as_deref()), ("to_time", to.as_deref())];
            let filters = filters.into_iter().filter_map(|(name, value)| Some((name, value?)));
            let calls = node.calls(id(&function), filters, count_max.get()).await?;
            shown.list(&calls, || table(&calls))
        }
        What::Retry { name: Name { app, function, call } } => {
            let function = node.function(&app, &function).await?;
            let record = node.retry_call(id(&function), &call).await?;
            shown.done(&record, || format!("call {call} is {}", text(&record, "status")))
        }
    }
}

fn table(calls: &[Value]) -> String {
    let table = Table::new(["ID", "TYPE", "STATUS", "ATTEMPTS", "CAME", "ERROR"]);
    let rows = calls.iter().fold(table, |table, call| {
        let attempts = plain(&call["attempts"]);
        let [kind, status, came, error] = ["type", "status", "created_at", "error"].map(|member| text(call, member));
        table.row([id(call), kind, status, &attempts, came, error])
    });
    rows.text()
}
