//! `hotfn triggers`: the triggers of a running node.

use std::collections::HashMap;
use std::process::ExitCode;

use serde_json::{Map, Value, json};

use super::node::NodeArgs;
use super::notes::AnnotationArgs;
use super::show::Shown;
use super::table::Table;
use crate::remote::Node;
use crate::remote::objects::{id, text};
use crate::store::record::HTTP;

#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  hotfn triggers create shop upper web --source /upper\n  \
    hotfn triggers create shop upper api --source '/api/*'\n  hotfn triggers list shop\n  \
    hotfn triggers update shop upper web --source /louder\n  hotfn triggers delete shop upper web")]
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
    /// Make a trigger
    Create {
        #[command(flatten)]
        name: Name,
        /// The path behind /t/APP: /hello for exactly this, /api/* for everything below /api
        #[arg(long, value_name = "PATH")]
        source: String,
        #[command(flatten)]
        annotations: AnnotationArgs,
    },
    /// Delete a trigger
    Delete {
        #[command(flatten)]
        name: Name,
    },
    /// Everything about a trigger
    Inspect {
        #[command(flatten)]
        name: Name,
    },
    /// All triggers of an app, or of one function
    List {
        /// The app's name
        app: String,
        /// The function's name
        #[arg(value_name = "FN")]
        function: Option<String>,
    },
    /// Change what is given of a trigger, and nothing else
    Update {
        #[command(flatten)]
        name: Name,
        /// The path behind /t/APP
        #[arg(long, value_name = "PATH")]
        source: Option<String>,
        /// The function it is to call, one of the same app
        #[arg(long, value_name = "FN")]
        to: Option<String>,
        #[command(flatten)]
        annotations: AnnotationArgs,
    },
}

#[derive(clap::Args, Debug)]
struct Name {
    /// Its app's name
    app: String,
    /// The name of the function it calls
    #[arg(value_name = "FN")]
    function: String,
    /// Its name
    #[arg(value_name = "TRIGGER")]
    trigger: String,
}

const LIST: &str = "/v2/triggers";

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (node, shown) = (args.node.node()?, args.shown);
    match args.what {
        What::Create { name: Name { app, function, trigger }, source, annotations } => {
            let function = node.function(&app, &function).await?;
            let Value::Object(mut body) = json!({
                "name": trigger, "app_id": function["app_id"], "fn_id": id(&function), "type": HTTP, "source": source,
            }) else {
                unreachable!("it is written as an object")
            };
            annotations.put(&mut body);
            let made = node.create(LIST, &body.into()).await?;
            shown.done(&made, || format!("trigger {trigger} was made; it is called at {}", endpoint(&made)))
        }
        What::Delete { name: Name { app, function, trigger } } => {
            let there = node.trigger(&app, &function, &trigger).await?;
            node.delete(LIST, id(&there)).await?;
            shown.done(&Value::Null, || format!("trigger {trigger} is gone"))
        }
        What::Inspect { name: Name { app, function, trigger } } => {
            shown.object(&node.trigger(&app, &function, &trigger).await?)
        }
        What::List { app, function } => list(&node, &app, function.as_deref(), shown).await,
        What::Update { name: Name { app, function, trigger }, source, to, annotations } => {
            let mut body = Map::new();
            annotations.put(&mut body);
            if let Some(source) = source {
                body.insert("source".to_owned(), source.into());
            }
            if let Some(to) = to {
                body.insert("fn_id".to_owned(), id(&node.function(&app, &to).await?).into());
            }
            let there = node.trigger(&app, &function, &trigger).await?;
            let changed = node.update(LIST, id(&there), &body.into()).await?;
            shown.done(&changed, || format!("trigger {trigger} is as it was told"))
        }
    }
}

async fn list(node: &Node, app: &str, function: Option<&str>, shown: Shown) -> anyhow::Result<ExitCode> {
    let app = node.app(app).await?;
    let functions = match function {
        Some(name) => vec![node.function(text(&app, "name"), name).await?],
        None => node.functions(id(&app)).await?,
    };
    let of = functions.first().filter(|_| function.is_some()).map(id);
    let triggers = node.triggers(id(&app), of).await?;
    let names: HashMap<&str, &str> = functions.iter().map(|function| (id(function), text(function, "name"))).collect();
    shown.list(&triggers, || {
        let table = Table::new(["NAME", "FUNCTION", "SOURCE", "ENDPOINT", "ID"]);
        let rows = triggers.iter().fold(table, |table, trigger| {
            let function = names.get(text(trigger, "fn_id")).copied().unwrap_or_default();
            table.row([text(trigger, "name"), function, text(trigger, "source"), endpoint(trigger), id(trigger)])
        });
        rows.text()
    })
}

/// Where a trigger is called, as the node says it.
pub(super) fn endpoint(trigger: &Value) -> &str {
    text(&trigger["annotations"], "fnproject.io/trigger/httpEndpoint")
}
