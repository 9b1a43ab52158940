//! A function that gives the body back when it has all of it.
//!
//! `examples/echo` streams: its answer is under way before the request has ended. nginx stops
//! sending a request once its answer has begun, so behind it a streaming echo of more than the
//! sockets hold comes to a halt, both ends waiting for each other. To put the same large bodies through
//! every front, the benchmark has this function behind each.

use std::process::ExitCode;

use bytes::Bytes;
use hotfn_fdk::{Body, BoxError, Context};

/// Most bytes of a body: somewhat more than the largest that the benchmark has.
const BODY_BYTES_MAX: u64 = 1 << 30;

async fn echo(_: Context, body: Body) -> Result<Bytes, BoxError> {
    Ok(body.gather(BODY_BYTES_MAX).await?)
}

fn main() -> ExitCode {
    hotfn_fdk::main(echo)
}
