//! The faults of a handler.

use std::time::Duration;

use futures_util::stream;
use hotfn_fdk::{BoxError, Context, Reply};

use crate::script::{Step, steps};
use crate::{attempts, deeds};

pub(crate) async fn misbehave(ctx: Context, script: String) -> Result<Reply, BoxError> {
    let mut reply = Reply::new("ok");
    for step in steps(&script) {
        reply = self::step(&ctx, step, reply).await?;
    }
    Ok(reply)
}

async fn step(ctx: &Context, step: Step<'_>, mut reply: Reply) -> Result<Reply, BoxError> {
    match step.word {
        "block" => std::thread::sleep(Duration::from_millis(step.number()?)),
        "break" => reply = Reply::new(hotfn_fdk::stream(stream::iter([Ok("x"), Err("broken off as told")]))),
        "bytes" => reply = Reply::new(vec![b'x'; usize::try_from(step.number()?)?]),
        "env" => reply = Reply::new(ctx.config().get(step.rest.trim()).unwrap_or_default().to_owned()),
        "error" => return Err(step.rest.into()),
        "hang" => std::future::pending().await,
        "header" => {
            let (name, value) = step.rest.split_once(' ').ok_or("header wants a name and a value")?;
            reply = reply.header(name, value);
        }
        "panic" => panic!("as told"),
        "pause" => tokio::time::sleep(Duration::from_millis(step.number()?)).await,
        "pid" => reply = Reply::new(std::process::id().to_string()),
        "reply" => reply = Reply::new(step.rest.to_owned()),
        "status" => reply = reply.status(u16::try_from(step.number()?)?),
        "try" => reply = Reply::new(attempts::outcome(step.rest)),
        word if !deeds::done(step)? => return Err(format!("{word:?} is no fault of a handler").into()),
        _ => {}
    }
    Ok(reply)
}
