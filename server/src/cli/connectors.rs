//! `hotfn connectors`: the connectors of a running node.

use std::process::ExitCode;

use http::{Method, StatusCode};
use serde_json::{Map, Value};

use super::connect::Setting;
use super::node::NodeArgs;
use super::show;
use super::table::{Table, plain};
use crate::percent;
use crate::remote::Error;

#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  hotfn connectors\n  hotfn connectors add lines --set type=unix_socket_server \
    --set codec=json \\\n      --set path=/run/lines.sock --set preprocessors='[\"separate\"]' --set call=shop/hello\n  \
    hotfn connectors send lines 3 '{\"hello\":\"you\"}'\n  hotfn connectors remove lines")]
pub(super) struct Args {
    #[command(flatten)]
    node: NodeArgs,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(clap::Subcommand, Debug)]
enum What {
    /// Make one, which lives until it is removed or the node ends
    Add {
        /// Its name
        name: String,
        /// An option, as in a config file; may be given many times
        #[arg(long, value_name = "KEY=VALUE")]
        set: Vec<Setting>,
    },
    /// Each with its state and its connections
    List,
    /// End one, once what is under way is answered
    Remove {
        /// Its name
        name: String,
    },
    /// Send a JSON value on one of its connections
    Send {
        /// Its name
        name: String,
        /// The connection's number
        peer: u64,
        /// What to send, as JSON
        #[arg(value_parser = json)]
        value: Value,
    },
    /// Everything about one
    Show {
        /// Its name
        name: String,
    },
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let node = args.node.node()?;
    let ask =
        async |method, path: &str, body: Option<Value>| node.ask(method, path, body.as_ref()).await.map_err(advised);
    match args.what.unwrap_or(What::List) {
        What::Add { name, set } => {
            let mut definition: Map<String, Value> = set.into_iter().map(|Setting(key, value)| (key, value)).collect();
            definition.insert("name".to_owned(), name.into());
            ask(Method::POST, "/v2/connectors", Some(definition.into())).await?;
        }
        What::List => {
            let listed = ask(Method::GET, "/v2/connectors", None).await?;
            return show::text(&table(listed["items"].as_array().map_or(&[], Vec::as_slice)));
        }
        What::Remove { name } => {
            ask(Method::DELETE, &at(&name), None).await?;
        }
        What::Send { name, peer, value } => {
            ask(Method::POST, &format!("{}/peers/{peer}", at(&name)), Some(value)).await?;
        }
        What::Show { name } => {
            let shown = ask(Method::GET, &at(&name), None).await?;
            return show::text(&format!("{shown:#}\n"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Without it a text would be taken for a value as it is, quotes or not.
fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|e| format!("it is not JSON: {e}"))
}

fn at(name: &str) -> String {
    format!("/v2/connectors/{}", percent::encode(name))
}

/// The node's own words; where it does not know a connector, with what to try next.
fn advised(e: Error) -> anyhow::Error {
    match e {
        Error::Refused { status: StatusCode::NOT_FOUND, message } => {
            anyhow::anyhow!("{message}; hotfn connectors lists them")
        }
        other => other.into(),
    }
}

fn table(items: &[Value]) -> String {
    let table = Table::new(["NAME", "TYPE", "STATE", "PEERS", "IN", "OUT", "PATH"]);
    let rows = items.iter().fold(table, |table, item| {
        let peers = item["peers"].as_array().map_or(0, Vec::len).to_string();
        let (counts, state) = (&item["counts"], &item["state"]["state"]);
        let cells = [&item["name"], &item["type"], state, &counts["frames_in"], &counts["frames_out"], &item["path"]];
        let [name, kind, state, read, written, path] = cells.map(plain);
        table.row([&name, &kind, &state, &peers, &read, &written, &path])
    });
    rows.text()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_align() {
        let item = json!({
            "name": "lines", "type": "unix_socket_server", "path": "/run/s", "peers": [1, 2],
            "state": {"state": "listening"}, "counts": {"frames_in": 12, "frames_out": 7},
        });
        assert_eq!(
            table(&[item]),
            "NAME   TYPE                STATE      PEERS  IN  OUT  PATH\n\
             lines  unix_socket_server  listening  2      12  7    /run/s\n"
        );
    }
}
