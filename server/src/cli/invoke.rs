//! `hotfn invoke`: one call over HTTP.

use std::process::ExitCode;

use http::{Method, Response, Uri};
use serde::Deserialize;

use hotfn_protocols::{Body, names};

use super::input::Input;
use super::node::NodeArgs;
use super::{Usage, show};
use crate::percent;
use crate::remote::Base;
use crate::remote::objects::id;

#[derive(clap::Args, Debug)]
#[command(
    override_usage = "hotfn invoke [OPTIONS] URL\n       hotfn invoke [OPTIONS] APP FN",
    after_help = "Examples:\n  hotfn invoke http://127.0.0.1:8080/invoke/hello -d '{\"name\":\"Ada\"}'\n  \
        hotfn invoke shop hello -d '{\"name\":\"Ada\"}'"
)]
pub(super) struct Args {
    /// Where the function is served; or the app it is of, on the node that is meant
    #[arg(value_name = "URL|APP")]
    what: String,
    /// The function's name
    #[arg(value_name = "FN")]
    function: Option<String>,
    #[command(flatten)]
    node: NodeArgs,
    #[command(flatten)]
    input: Input,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let response = match &args.function {
        Some(name) => {
            let node = args.node.node()?;
            let function = node.function(&args.what, name).await?;
            let path = format!("/invoke/{}", percent::encode(id(&function)));
            node.send(Method::POST, &path, args.input.headers(), args.input.body().await?).await?
        }
        None => {
            let (base, target) = place(&args.what)?;
            // What the environment has for a token is for whomever one names; a context's is for its own node.
            let node = args.node.node_at(Some(base))?;
            node.send(Method::POST, &target, args.input.headers(), args.input.body().await?).await?
        }
    };
    tell(response, args.input.include).await
}

/// Whom a URL names, and what is asked for there.
fn place(url: &str) -> anyhow::Result<(Base, String)> {
    let wrong = || {
        let what = format!("{url} is not a URL of ours; write it as http://HOST:PORT/invoke/ID, or say APP FN");
        Usage::of(anyhow::Error::msg(what))
    };
    let uri: Uri = url.parse().map_err(|_| wrong())?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(wrong()) };
    let base = format!("{scheme}://{authority}").parse().map_err(|_| wrong())?;
    Ok((base, uri.path_and_query().map_or("/", |path| path.as_str()).to_owned()))
}

async fn tell(response: Response<Body>, include: bool) -> anyhow::Result<ExitCode> {
    let (head, body) = response.into_parts();
    if head.headers.contains_key(names::FN_BLAME) && !include {
        let text = body.gather(FAULT_BYTES_MAX).await.unwrap_or_default();
        let blame = head.headers[names::FN_BLAME].to_str().unwrap_or("unknown");
        let fault: Told = serde_json::from_slice(&text).unwrap_or_default();
        let code = fault.code.unwrap_or_else(|| head.status.as_u16().to_string());
        eprintln!("hotfn: {code}: {} (blame: {blame})", fault.message);
        return Ok(ExitCode::FAILURE);
    }
    show::answer(head.status, &head.headers, body, include).await?;
    Ok(if head.status.as_u16() < 400 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// More than any fault has to say.
const FAULT_BYTES_MAX: u64 = 64 << 10;

#[derive(Default, Deserialize)]
struct Told {
    message: String,
    code: Option<String>,
}
