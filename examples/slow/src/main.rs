//! Sleeps as long as it is told to, and says how it ended: done, out of time, or left alone.
//!
//! ```text
//! hotfn run examples/slow -d '{"ms":200}'
//! slept 200 ms, 29799 ms to spare
//! hotfn run --timeout 1 examples/slow -d '{"ms":60000}'
//! (504, and on standard error: cancelled)
//! ```
//!
//! A handler is cancelled by dropping it where it awaits. Whatever must be tidied up then belongs
//! into a guard's `Drop`, as here.

use std::process::ExitCode;
use std::time::Duration;

use hotfn_fdk::{BoxError, Context, Json};
use serde::Deserialize;

#[derive(Deserialize)]
struct Nap {
    ms: u64,
}

async fn sleep(ctx: Context, Json(nap): Json<Nap>) -> Result<String, BoxError> {
    let guard = Guard;
    tokio::time::sleep(Duration::from_millis(nap.ms)).await;
    std::mem::forget(guard);
    Ok(match ctx.time_left() {
        Some(left) => format!("slept {} ms, {} ms to spare\n", nap.ms, left.as_millis()),
        None => format!("slept {} ms, no deadline\n", nap.ms),
    })
}

struct Guard;

impl Drop for Guard {
    fn drop(&mut self) {
        eprintln!("cancelled");
    }
}

fn main() -> ExitCode {
    hotfn_fdk::main(sleep)
}
