//! `hotfn fns`: the functions of a running node.

use std::process::ExitCode;

use serde::Serialize;
use serde_json::{Map, Value};

use super::node::NodeArgs;
use super::notes::{AnnotationArgs, ConfigArgs};
use super::show::Shown;
use super::table::{Table, plain};
use crate::remote::objects::{id, text};

#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  hotfn fns create shop upper 'process:/usr/bin/tr a-z A-Z' --format default\n  \
    hotfn fns list shop\n  hotfn fns update shop upper --timeout 5 -c GREETING=hi\n  hotfn fns delete shop upper")]
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
    /// Make a function
    Create {
        #[command(flatten)]
        name: Name,
        /// What the node's driver starts: process:PATH ARG…, or the name of an image
        image: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// Delete a function, and its triggers
    Delete {
        #[command(flatten)]
        name: Name,
    },
    /// Everything about a function
    Inspect {
        #[command(flatten)]
        name: Name,
    },
    /// All functions of an app
    List {
        /// The app's name
        app: String,
    },
    /// Change what is given of a function, and nothing else
    Update {
        #[command(flatten)]
        name: Name,
        /// What the node's driver starts
        #[arg(long)]
        image: Option<String>,
        #[command(flatten)]
        settings: Settings,
    },
}

#[derive(clap::Args, Debug)]
struct Name {
    /// Its app's name
    app: String,
    /// Its name
    #[arg(value_name = "FN")]
    function: String,
}

#[derive(clap::Args, Debug)]
struct Settings {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    annotations: AnnotationArgs,
    #[command(flatten)]
    knobs: Knobs,
}

/// The knobs of a function, by the API's names. Their ranges are the API's to know.
#[derive(clap::Args, Debug, Serialize)]
#[command(next_help_heading = "Knobs, put back to their default by -1 where they are not Fn's")]
struct Knobs {
    /// Memory of a container, in MB [default: 128]
    #[arg(long, value_name = "MB")]
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<i64>,
    /// How long a call may take, in s [default: 30]
    #[arg(long, value_name = "S")]
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<i64>,
    /// How long an idle container is kept, in s [default: 30]
    #[arg(long, value_name = "S")]
    #[serde(skip_serializing_if = "Option::is_none")]
    idle_timeout: Option<i64>,
    /// How to talk to it: http-stream, http, json, cloudevent or default [default: http-stream]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<String>,
    /// Where a process starts, on the node
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    dir: Option<String>,
    /// CPU of a container, in thousandths
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_milli: Option<i64>,
    /// Calls at a time in one container
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    concurrency: Option<i64>,
    /// Containers kept even when idle
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    min_warm: Option<i64>,
    /// Containers made ahead and not started
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    stock: Option<i64>,
    /// Most containers at once
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    max_containers: Option<i64>,
    /// Calls after which a container is replaced
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    max_calls_per_container: Option<i64>,
    /// Age at which a container is replaced, in s
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    max_age: Option<i64>,
    /// Calls that may wait for a container
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_max: Option<i64>,
    /// How long one may wait, in ms
    #[arg(long, value_name = "MS", allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_wait_max_ms: Option<i64>,
    /// Calls a second, on each node
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<i64>,
    /// Calls at once, after a pause [default: the rate]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    burst: Option<i64>,
    /// Attempts at a detached call
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_attempts: Option<i64>,
    /// The wait before the second, in ms
    #[arg(long, value_name = "MS", allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_delay_ms: Option<i64>,
    /// How many times the one before each further wait is
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_growth: Option<i64>,
    /// The longest wait, in ms
    #[arg(long, value_name = "MS", allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_delay_max_ms: Option<i64>,
}

const LIST: &str = "/v2/fns";

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (node, shown) = (args.node.node()?, args.shown);
    match args.what {
        What::Create { name: Name { app, function: name }, image, settings } => {
            let mut body = settings.body();
            let app_id = id(&node.app(&app).await?).to_owned();
            for (member, value) in [("name", &name), ("app_id", &app_id), ("image", &image)] {
                body.insert(member.to_owned(), value.as_str().into());
            }
            let function = node.create(LIST, &body.into()).await?;
            shown.done(&function, || format!("function {app}/{name} was made; it is called at {}", endpoint(&function)))
        }
        What::Delete { name: Name { app, function: name } } => {
            let function = node.function(&app, &name).await?;
            node.delete(LIST, id(&function)).await?;
            shown.done(&Value::Null, || format!("function {app}/{name} is gone"))
        }
        What::Inspect { name: Name { app, function } } => shown.object(&node.function(&app, &function).await?),
        What::List { app } => {
            let functions = node.functions(id(&node.app(&app).await?)).await?;
            shown.list(&functions, || table(&functions))
        }
        What::Update { name: Name { app, function: name }, image, settings } => {
            let mut body = settings.body();
            if let Some(image) = image {
                body.insert("image".to_owned(), image.into());
            }
            let function = node.function(&app, &name).await?;
            let function = node.update(LIST, id(&function), &body.into()).await?;
            shown.done(&function, || format!("function {app}/{name} is as it was told"))
        }
    }
}

/// Where a function is called, as the node says it.
pub(super) fn endpoint(function: &Value) -> &str {
    text(&function["annotations"], "fnproject.io/fn/invokeEndpoint")
}

fn table(functions: &[Value]) -> String {
    let table = Table::new(["NAME", "IMAGE", "MB", "TIMEOUT", "ID"]);
    let rows = functions.iter().fold(table, |table, function| {
        let [memory, timeout] = ["memory", "timeout"].map(|member| plain(&function[member]));
        table.row([text(function, "name"), text(function, "image"), &memory, &timeout, id(function)])
    });
    rows.text()
}

impl Settings {
    fn body(self) -> Map<String, Value> {
        let knobs = serde_json::to_value(&self.knobs).expect("numbers and text are JSON");
        let Value::Object(mut body) = knobs else { unreachable!("a structure is an object") };
        self.config.put(&mut body);
        self.annotations.put(&mut body);
        body
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use serde_json::json;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        settings: Settings,
    }

    #[test]
    fn flags_are_the_apis_members() {
        let body = |flags: &str| Line::parse_from(format!("x {flags}").split_whitespace()).settings.body();
        assert_eq!(Value::from(body("")), json!({}));
        let flags = "--memory 64 --timeout 5 --idle-timeout 6 --format json --dir /srv --cpu-milli 7 --concurrency 8 \
            --min-warm 9 --stock 10 --max-containers 11 --max-calls-per-container 12 --max-age 13 --queue-max -1 \
            --queue-wait-max-ms 15 --retry-attempts 16 --retry-delay-ms 17 --retry-growth 18 \
            --retry-delay-max-ms 19 -c A=b --config C= --annotation k=[1]";
        let expected = json!({
            "memory": 64, "timeout": 5, "idle_timeout": 6, "format": "json", "dir": "/srv", "cpu_milli": 7,
            "concurrency": 8, "min_warm": 9, "stock": 10, "max_containers": 11, "max_calls_per_container": 12,
            "max_age": 13, "queue_max": -1, "queue_wait_max_ms": 15, "retry_attempts": 16,
            "retry_delay_ms": 17, "retry_growth": 18, "retry_delay_max_ms": 19, "config": {"A": "b", "C": ""},
            "annotations": {"k": [1]},
        });
        assert_eq!(Value::from(body(flags)), expected);
    }
}
