//! `hotfn command call`: one command, run by a service of host commands.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use clap::Subcommand;
use http::{Request, Uri, header};
use serde::Deserialize;

use hotfn_protocols::Body;

use super::Usage;
use crate::command::{Algorithm, Secret, Statement, nonce};
use crate::config::env;
use crate::remote::{self, Base, context, exchange};

#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLE: &str = "Example:\n  hotfn command call http://127.0.0.1:8099 --key-file key -- ls -l /home";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Have a command run, and show what it printed; ends with its exit code
    #[command(after_help = EXAMPLE)]
    Call(Call),
}

#[derive(clap::Args, Debug)]
struct Call {
    /// Where the service is, as http://HOST:PORT
    url: Uri,
    /// The file that holds the secret key
    #[arg(long, value_name = "FILE")]
    key_file: PathBuf,
    /// Where it starts
    #[arg(long, value_name = "DIR")]
    workdir: Option<String>,
    /// A variable for it, NAME=VALUE
    #[arg(short, long = "env", value_name = "NAME=VALUE")]
    envs: Vec<String>,
    /// Where its outcome is to be sent
    #[arg(long, value_name = "URL")]
    callback_url: Option<String>,
    /// Do not wait for its end; shows the job's id
    #[arg(long)]
    no_wait: bool,
    /// How long to wait for the answer, in s
    #[arg(long, value_name = "S", default_value_t = 300)]
    timeout: u64,
    /// The command line; several words are joined with spaces, as ssh does it
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<String>,
}

/// Most bytes of an answer: two streams of a service's usual bound, in the longest notation of JSON.
const ANSWER_BYTES_MAX: u64 = 16 << 20;

#[derive(Deserialize)]
struct Told {
    #[serde(default)]
    message: String,
    reason: Option<String>,
    data: Option<Outcome>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    stdout: String,
    stderr: String,
    exit_code: Option<i32>,
    id: Option<String>,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Verb::Call(call) = args.verb;
    let key = std::fs::read_to_string(&call.key_file);
    let key = key.map_err(|e| Usage::of(anyhow::anyhow!("cannot read {}: {e}", call.key_file.display())))?;
    let Some(key) = Secret::new(key.trim()) else {
        return Err(Usage::of(anyhow::anyhow!("{} holds no key", call.key_file.display())));
    };
    let patience = Duration::from_secs(call.timeout);
    let told = tokio::time::timeout(patience, ask(&call, &key)).await;
    let told = told.with_context(|| format!("no answer within {patience:?}; the command goes on"))??;
    show(told)
}

async fn ask(call: &Call, key: &Secret) -> anyhow::Result<Told> {
    let service =
        format!("{}://{}", call.url.scheme_str().unwrap_or_default(), call.url.authority().map_or("", |a| a.as_str()));
    let service: Base = service.parse().map_err(|_| {
        Usage::of(anyhow::anyhow!(
            "{} is not a service's URL; write it as http://HOST:PORT or https://HOST:PORT",
            call.url
        ))
    })?;
    let path = match call.url.path() {
        "/" => "/shell",
        path => path,
    };
    let request = request(call, key, path)?.body(Body::from(body(call)))?;
    let answer = exchange(&service, &context::trust(None, &env::process), request).await.map_err(|e| match e {
        remote::Error::Unreachable { base, source } => {
            anyhow::Error::from(source).context(format!("cannot connect to {base}; does the service run?"))
        }
        other => other.into(),
    })?;
    let answer = answer.into_body().gather(ANSWER_BYTES_MAX).await.context("the answer broke off")?;
    serde_json::from_slice(&answer).context("the answer is not one of a service of host commands")
}

fn body(call: &Call) -> Bytes {
    let mut body = serde_json::json!({ "command": call.command.join(" "), "wait": !call.no_wait });
    if let Some(workdir) = &call.workdir {
        body["workdir"] = workdir.as_str().into();
    }
    if !call.envs.is_empty() {
        body["envs"] = call.envs.clone().into();
    }
    if let Some(url) = &call.callback_url {
        body["callbackURL"] = url.as_str().into();
    }
    body.to_string().into()
}

fn request(call: &Call, key: &Secret, path: &str) -> anyhow::Result<http::request::Builder> {
    let timestamp = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs().to_string();
    let (nonce, body) = (nonce(), body(call));
    let statement = Statement { method: "POST", path, nonce: &nonce, timestamp: &timestamp, body: &body };
    let signature = key.sign(Algorithm::Sha1, &statement);
    Ok(Request::post(path)
        .header(header::CONTENT_TYPE, "application/json")
        .header("X-Auth-Nonce", &nonce)
        .header("X-Auth-Timestamp", &timestamp)
        .header("X-Auth-Signature", signature))
}

fn show(told: Told) -> anyhow::Result<ExitCode> {
    let Some(outcome) = told.data else {
        bail!("{}: {}", told.reason.as_deref().unwrap_or("refused"), told.message);
    };
    // That nobody reads on is a way to say "enough".
    let _ = std::io::stdout().write_all(outcome.stdout.as_bytes());
    let _ = std::io::stderr().write_all(outcome.stderr.as_bytes());
    match (outcome.exit_code, outcome.id) {
        (Some(code), _) => Ok(ExitCode::from(u8::try_from(code).unwrap_or(1))),
        (None, Some(id)) => {
            println!("{id}");
            Ok(ExitCode::SUCCESS)
        }
        (None, None) => Ok(ExitCode::SUCCESS),
    }
}
