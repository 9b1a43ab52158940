//! What a person sees of an answer: its bytes on standard output, everything else on standard error.

use std::io::{self, Write as _};
use std::process::ExitCode;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body::Body;
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::io::{AsyncWriteExt as _, Stdout};

use super::table;

/// Why an answer was not shown to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unshown {
    /// It broke off.
    #[error("the answer broke off")]
    Cut(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Standard output takes no more.
    #[error("cannot write the answer")]
    Stdout(#[source] io::Error),
}

/// Writes the answer's body as it comes, after its head if `include`. That nobody reads on is a
/// way to say "enough", and no failure.
pub(super) async fn answer<B>(status: StatusCode, headers: &HeaderMap, body: B, include: bool) -> Result<(), Unshown>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut out = tokio::io::stdout();
    match write(&mut out, status, headers, body, include).await {
        Err(Unshown::Stdout(e)) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

/// How objects of a node are shown.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(super) struct Shown {
    /// As the JSON that the node says, for programs
    #[arg(long, global = true)]
    json: bool,
}

impl Shown {
    /// Shows many.
    pub(super) fn list(self, items: &[Value], table: impl FnOnce() -> String) -> anyhow::Result<ExitCode> {
        if self.json { text(&format!("{:#}\n", Value::from(items))) } else { text(&table()) }
    }

    /// Shows one, with every member it has.
    pub(super) fn object(self, object: &Value) -> anyhow::Result<ExitCode> {
        if self.json { text(&format!("{object:#}\n")) } else { text(&table::members(object)) }
    }

    /// Says what was done of something longer, as soon as it is. Whoever wants JSON hears it at the end.
    pub(super) fn step(self, sentence: impl FnOnce() -> String) -> anyhow::Result<()> {
        if self.json { Ok(()) } else { text(&(sentence() + "\n")).map(drop) }
    }

    /// What came of all the steps, which are said by now.
    pub(super) fn outcome(self, outcome: &Value) -> anyhow::Result<ExitCode> {
        if self.json { text(&format!("{outcome:#}\n")) } else { Ok(ExitCode::SUCCESS) }
    }

    /// Says what was done; as JSON, what came of it.
    pub(super) fn done(self, outcome: &Value, sentence: impl FnOnce() -> String) -> anyhow::Result<ExitCode> {
        if self.json { text(&format!("{outcome:#}\n")) } else { text(&(sentence() + "\n")) }
    }
}

/// Writes text of ours. That nobody reads on is no failure.
pub(super) fn text(text: &str) -> anyhow::Result<ExitCode> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(Unshown::Stdout(e).into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

async fn write<B>(
    out: &mut Stdout,
    status: StatusCode,
    headers: &HeaderMap,
    mut body: B,
    include: bool,
) -> Result<(), Unshown>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if include {
        out.write_all(&head(status, headers)).await.map_err(Unshown::Stdout)?;
    }
    while let Some(frame) = body.frame().await {
        if let Ok(piece) = frame.map_err(|e| Unshown::Cut(e.into()))?.into_data() {
            out.write_all(&piece).await.map_err(Unshown::Stdout)?;
            // A person who watches a slow answer wants to see each piece.
            out.flush().await.map_err(Unshown::Stdout)?;
        }
    }
    out.flush().await.map_err(Unshown::Stdout)
}

fn head(status: StatusCode, headers: &HeaderMap) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status}\n").into_bytes();
    for (name, value) in headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.push(b'\n');
    }
    head.push(b'\n');
    head
}
