//! An answer that takes its time: counts to a number, a line each, with a pause before each.
//!
//! ```text
//! hotfn run examples/stream -d '{"count":3,"pause_ms":500}'
//! 1
//! 2
//! 3
//! ```
//!
//! Each line is sent when it is made. When the caller leaves, the counting stops.

use std::convert::Infallible;
use std::process::ExitCode;
use std::time::Duration;

use futures_util::{Stream, stream};
use hotfn_fdk::{BoxError, Context, Json, Reply};
use serde::Deserialize;

#[derive(Deserialize)]
struct Counting {
    count: u64,
    #[serde(default)]
    pause_ms: u64,
}

async fn count(_: Context, Json(counting): Json<Counting>) -> Result<Reply, BoxError> {
    Ok(Reply::new(hotfn_fdk::stream(lines(counting))).header("content-type", "text/plain"))
}

fn lines(Counting { count, pause_ms }: Counting) -> impl Stream<Item = Result<String, Infallible>> {
    stream::unfold(1, move |n| async move {
        if n > count {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        Some((Ok(format!("{n}\n")), n + 1))
    })
}

fn main() -> ExitCode {
    hotfn_fdk::main(count)
}
