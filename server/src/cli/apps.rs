//! `hotfn apps`: the apps of a running node.

use std::process::ExitCode;

use serde_json::{Map, Value};

use super::node::NodeArgs;
use super::notes::{AnnotationArgs, ConfigArgs};
use super::show::Shown;
use super::table::Table;
use crate::remote::Node;
use crate::remote::objects::{id, text};

#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  hotfn apps create shop -c GREETING=hi\n  hotfn apps update shop -c GREETING=\n  \
    hotfn apps inspect shop --json\n  hotfn apps delete shop --recursive")]
pub(super) struct Args {
    #[command(flatten)]
    node: NodeArgs,
    #[command(flatten)]
    shown: Shown,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(clap::Subcommand, Debug)]
enum What {
    /// Make an app
    Create {
        /// Its name: letters of any script, digits, _ and -
        name: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// Delete an app; with functions in it only if told to
    Delete {
        /// Its name
        name: String,
        /// Its functions and their triggers too
        #[arg(short, long)]
        recursive: bool,
    },
    /// Everything about an app
    Inspect {
        /// Its name
        name: String,
    },
    /// All apps
    List,
    /// Change what is given of an app, and nothing else
    Update {
        /// Its name
        name: String,
        #[command(flatten)]
        settings: Settings,
    },
}

#[derive(clap::Args, Debug)]
struct Settings {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    annotations: AnnotationArgs,
    /// Where its logs are wanted; kept for others, and not followed by this program's nodes
    #[arg(long, value_name = "URL")]
    syslog_url: Option<String>,
}

const LIST: &str = "/v2/apps";

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (node, shown) = (args.node.node()?, args.shown);
    match args.what.unwrap_or(What::List) {
        What::Create { name, settings } => {
            let mut body = settings.body();
            body.insert("name".to_owned(), name.into());
            let app = node.create(LIST, &body.into()).await?;
            shown.done(&app, || format!("app {} was made", text(&app, "name")))
        }
        What::Delete { name, recursive } => delete(&node, &name, recursive, shown).await,
        What::Inspect { name } => shown.object(&node.app(&name).await?),
        What::List => {
            let apps = node.apps().await?;
            shown.list(&apps, || {
                let table = Table::new(["NAME", "ID"]);
                apps.iter().fold(table, |table, app| table.row([text(app, "name"), id(app)])).text()
            })
        }
        What::Update { name, settings } => {
            let app = node.app(&name).await?;
            let app = node.update(LIST, id(&app), &settings.body().into()).await?;
            shown.done(&app, || format!("app {name} is as it was told"))
        }
    }
}

async fn delete(node: &Node, name: &str, recursive: bool, shown: Shown) -> anyhow::Result<ExitCode> {
    let app = node.app(name).await?;
    if !recursive {
        let functions = node.functions(id(&app)).await?.len();
        anyhow::ensure!(
            functions == 0,
            "app {name:?} has {functions} function{}; delete them with it by --recursive",
            if functions == 1 { "" } else { "s" },
        );
    }
    node.delete(LIST, id(&app)).await?;
    shown.done(&Value::Null, || format!("app {name} is gone"))
}

impl Settings {
    fn body(self) -> Map<String, Value> {
        let mut body = Map::new();
        self.config.put(&mut body);
        self.annotations.put(&mut body);
        if let Some(url) = self.syslog_url {
            body.insert("syslog_url".to_owned(), url.into());
        }
        body
    }
}
