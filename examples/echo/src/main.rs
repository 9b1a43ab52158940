//! The body comes back as it came, with its content type. It streams: memory does not grow with it.
//!
//! ```text
//! hotfn run examples/echo -d hi
//! hi
//! ```

use std::process::ExitCode;

use hotfn_fdk::{Body, BoxError, Context, Reply};

async fn echo(ctx: Context, body: Body) -> Result<Reply, BoxError> {
    let reply = Reply::new(body);
    Ok(match ctx.content_type() {
        Some(content_type) => reply.header("content-type", content_type),
        None => reply,
    })
}

fn main() -> ExitCode {
    hotfn_fdk::main(echo)
}
