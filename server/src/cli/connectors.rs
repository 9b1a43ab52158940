//! `hotfn connectors`: the connectors of a running node.

use std::process::ExitCode;

use anyhow::Context as _;
use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value};
use tokio::net::TcpStream;

use super::Usage;
use super::connect::Setting;

#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  hotfn connectors\n  hotfn connectors add lines --set type=unix_socket_server \
    --set codec=json \\\n      --set path=/run/lines.sock --set preprocessors='[\"separate\"]' --set call=shop/hello\n  \
    hotfn connectors send lines 3 '{\"hello\":\"you\"}'\n  hotfn connectors remove lines")]
pub(super) struct Args {
    /// The node
    #[arg(long, global = true, value_name = "URL", env = "FN_API_URL", default_value = "http://127.0.0.1:8080")]
    node: Uri,
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
        /// What to send
        value: Value,
    },
    /// Everything about one
    Show {
        /// Its name
        name: String,
    },
}

/// Most bytes of an answer: far more than a thousand connectors have to say.
const ANSWER_BYTES_MAX: usize = 16 << 20;

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let node = Node { url: args.node };
    match args.what.unwrap_or(What::List) {
        What::Add { name, set } => {
            let mut definition: Map<String, Value> = set.into_iter().map(|Setting(key, value)| (key, value)).collect();
            definition.insert("name".to_owned(), name.into());
            node.ask(Method::POST, "/v2/connectors", Some(definition.into())).await?;
        }
        What::List => {
            let listed = node.ask(Method::GET, "/v2/connectors", None).await?;
            print!("{}", table(listed["items"].as_array().map_or(&[], Vec::as_slice)));
        }
        What::Remove { name } => {
            node.ask(Method::DELETE, &format!("/v2/connectors/{name}"), None).await?;
        }
        What::Send { name, peer, value } => {
            node.ask(Method::POST, &format!("/v2/connectors/{name}/peers/{peer}"), Some(value)).await?;
        }
        What::Show { name } => {
            let shown = node.ask(Method::GET, &format!("/v2/connectors/{name}"), None).await?;
            println!("{shown:#}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

struct Node {
    url: Uri,
}

impl Node {
    /// What the node answers; its refusal is an error.
    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        let authority = self.url.authority().filter(|_| self.url.scheme_str() == Some("http")).ok_or_else(|| {
            Usage::of(anyhow::anyhow!("{} is not a node's URL; write it as http://HOST:PORT", self.url))
        })?;
        let stream = TcpStream::connect((authority.host(), authority.port_u16().unwrap_or(80)))
            .await
            .with_context(|| format!("cannot connect to {authority}; is a node listening there?"))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let body = body.map_or_else(Bytes::new, |body| body.to_string().into());
        let request = Request::builder().method(method).uri(path).header("host", authority.as_str());
        let exchange = sender.send_request(request.body(Full::new(body))?);
        let driven = tokio::spawn(connection);
        let (head, body) = exchange.await.context("the node closed the connection without an answer")?.into_parts();
        let read = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let text = read.map_err(|e| anyhow::anyhow!("the answer broke off: {e}"))?.to_bytes();
        driven.abort();
        let answer: Value = serde_json::from_slice(&text).unwrap_or_default();
        if head.status.is_success() {
            return Ok(answer);
        }
        let why = answer["message"].as_str().unwrap_or("the node does not say why");
        anyhow::ensure!(head.status != StatusCode::NOT_FOUND, "{why}; hotfn connectors lists them");
        anyhow::bail!("{why}")
    }
}

/// Columns that align.
fn table(items: &[Value]) -> String {
    let head = ["NAME", "TYPE", "STATE", "PEERS", "IN", "OUT", "PATH"].map(str::to_owned);
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let rows = items.iter().map(|item| {
        let peers = item["peers"].as_array().map_or(0, Vec::len).to_string();
        let (counts, state) = (&item["counts"], &item["state"]["state"]);
        let [name, kind, state, path] = [&item["name"], &item["type"], state, &item["path"]].map(text);
        [name, kind, state, peers, text(&counts["frames_in"]), text(&counts["frames_out"]), path]
    });
    let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or_default();
    let widths: Vec<_> = (0..rows[0].len()).map(width).collect();
    let mut table = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        table.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        table.push('\n');
    }
    table
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
