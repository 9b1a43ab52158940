//! `hotfn invoke`: one call over HTTP.

use std::process::ExitCode;

use anyhow::Context as _;
use http::{Method, Request, Response, Uri, header};
use http_body_util::BodyExt as _;
use http_body_util::Limited;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;

use hotfn_protocols::names;

use super::input::Input;
use super::{Usage, show};

#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  hotfn invoke http://127.0.0.1:8080/invoke/hello -d '{\"name\":\"Ada\"}'")]
pub(super) struct Args {
    /// Where the function is served
    url: Uri,
    #[command(flatten)]
    input: Input,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let authority = authority(&args.url)?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((host, authority.port_u16().unwrap_or(80)))
        .await
        .with_context(|| format!("cannot connect to {authority}; is a node listening there?"))?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;

    let mut request = Request::new(args.input.body().await?);
    *request.method_mut() = Method::POST;
    *request.uri_mut() = args.url.path_and_query().map_or("/", |p| p.as_str()).parse()?;
    *request.headers_mut() = args.input.headers();
    request.headers_mut().entry(header::HOST).or_insert(authority.as_str().parse()?);
    let exchange = async {
        let response =
            sender.send_request(request).await.context("the node closed the connection without an answer")?;
        tell(response, args.input.include).await
    };
    // The connection only moves while it is polled. That it ends first is no news: what it brought
    // is still to be read.
    let connection = async {
        if let Err(e) = connection.await {
            tracing::debug!("connection ended: {e}");
        }
        std::future::pending().await
    };
    tokio::select! {
        outcome = exchange => outcome,
        never = connection => never,
    }
}

fn authority(url: &Uri) -> anyhow::Result<http::uri::Authority> {
    if let (Some("http"), Some(authority)) = (url.scheme_str(), url.authority()) {
        return Ok(authority.clone());
    }
    Err(Usage::of(anyhow::anyhow!("{url} is not a URL of ours; write it as http://HOST:PORT/invoke/ID")))
}

async fn tell(response: Response<Incoming>, include: bool) -> anyhow::Result<ExitCode> {
    let (head, body) = response.into_parts();
    if head.headers.contains_key(names::FN_BLAME) && !include {
        let text = Limited::new(body, FAULT_BYTES_MAX).collect().await.map(|b| b.to_bytes()).unwrap_or_default();
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
const FAULT_BYTES_MAX: usize = 64 << 10;

#[derive(Default, Deserialize)]
struct Told {
    message: String,
    code: Option<String>,
}
