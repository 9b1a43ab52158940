//! What the conformance harness asks of a function: `docs/conformance/function.md`, a line each.
//!
//! ```text
//! hotfn conformance fdk -- target/debug/conformance
//! ```

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use hotfn_fdk::{Body, BoxError, Context, FromCall as _, Json, Reply};
use serde_json::{Value, json};

/// The first line of a body with orders.
const MARK: &str = "conformance\n";

async fn obey(ctx: Context, body: Body) -> Result<Reply, BoxError> {
    if ctx.header("conformance-unread").is_some() {
        return Ok(Reply::new("unread"));
    }
    let body = Vec::from_call(&ctx, body).await?;
    let Some(orders) = body.strip_prefix(MARK.as_bytes()) else {
        let content_type = ctx.content_type().unwrap_or("application/octet-stream").to_owned();
        return Ok(Reply::new(body).header("content-type", content_type));
    };
    let mut reply = Reply::new("done");
    for order in std::str::from_utf8(orders)?.lines() {
        reply = step(&ctx, order, reply).await?;
    }
    Ok(reply)
}

async fn step(ctx: &Context, order: &str, reply: Reply) -> Result<Reply, BoxError> {
    let (word, rest) = order.split_once(' ').unwrap_or((order, ""));
    Ok(match word {
        "bytes" => Reply::new(vec![0, 1, 2]),
        "fail" => return Err(rest.into()),
        "header" => {
            let (name, value) = rest.split_once(' ').ok_or("header wants a name and a value")?;
            reply.header(name, value)
        }
        "json" => Reply::new(Json(json!({}))),
        "nothing" => Reply::new(()),
        "panic" => panic!("{rest}"),
        "print" => {
            println!("{rest}");
            eprintln!("{rest}");
            reply
        }
        "report" => Reply::new(Json(report(ctx))),
        "sleep" => {
            tokio::time::sleep(Duration::from_millis(rest.parse()?)).await;
            reply
        }
        "status" => reply.status(rest.parse()?),
        "text" => Reply::new("text"),
        "type" => reply.header("content-type", rest),
        other => return Err(format!("{other:?} is no order").into()),
    })
}

fn report(ctx: &Context) -> Value {
    let mut headers: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, value) in ctx.headers() {
        headers.entry(name.as_str()).or_default().push(String::from_utf8_lossy(value.as_bytes()).into_owned());
    }
    json!({
        "call_id": ctx.call_id(),
        "deadline": ctx.deadline().map(|deadline| deadline.to_rfc3339_millis()),
        "method": ctx.method().as_str(),
        "url": ctx.url(),
        "headers": headers,
        "app_id": ctx.app_id(),
        "fn_id": ctx.fn_id(),
        "memory": ctx.memory_mb(),
        "greeting": ctx.config().get("CONFORMANCE_GREETING"),
        "trace_id": ctx.trace().map(|trace| trace.trace_id),
    })
}

fn main() -> ExitCode {
    hotfn_fdk::main(obey)
}
