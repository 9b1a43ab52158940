//! The format `http`: requests and responses one after another.
//!
//! Bodies stream both ways. The input is one: while a handler holds its body nobody else reads on.
//! What it left unread is read away before the next request. Bytes that are no request end the
//! session, for there is no telling where the next one begins.

use std::future::poll_fn;
use std::sync::Arc;

use http::header::CONTENT_TYPE;
use tokio::io::{Join, join};

use hotfn_protocols::http1::{Limits, Served, Unsent};
use hotfn_protocols::{Arrival, http as format};

use super::Session;
use super::ends::{self, Answers, Calls, Ends};
use crate::report::{chain, say};
use crate::settings::Settings;
use crate::shutdown::Asked;
use crate::turn::{Outcome, Wanted, turn};
use crate::{Context, Function, StartError, signature};

pub(crate) async fn serve(function: Arc<Function>, settings: Arc<Settings>, asked: Asked) -> Result<(), StartError> {
    let Ends { calls, answers } = ends::take().map_err(StartError::Stdio)?;
    let mut session = Session::new(function, settings, asked);
    let mut served = Served::endless(join(calls, answers), Limits::default());
    loop {
        let next = session.next(poll_fn(|cx| served.poll_next(cx)));
        let (head, body) = match next.await {
            Some(Some(Ok(request))) => request,
            Some(Some(Err(e))) => {
                let message = format!("a request could not be read: {}", chain(&e));
                say(&message);
                let _ = session.finish(answer(Outcome::Failed(message), &mut served)).await;
                break;
            }
            Some(None) | None => break,
        };
        let (function, settings) = (session.function.clone(), session.settings.clone());
        let work = async {
            let arrival = Arrival { body, ..format::decode_call(head) };
            let (ctx, body) = Context::new(arrival, settings);
            let outcome = turn(&function, &ctx, body, Wanted::Streamed).await;
            answer(outcome, &mut served).await?;
            if let Some(lines) = ctx.into_lines() {
                served.recycle(lines);
            }
            Ok::<_, Unsent>(())
        };
        match session.finish(work).await {
            Some(Ok(())) => {}
            Some(Err(e)) => {
                say(&format!("calls end here: {}", chain(&e)));
                break;
            }
            None => break,
        }
    }
    session.end().await;
    Ok(())
}

/// Writes an answer. An error means that its end cannot be told from the next one's beginning.
async fn answer(outcome: Outcome, served: &mut Served<Join<Calls, Answers>>) -> Result<(), Unsent> {
    let mut reply = outcome.into_reply();
    let mut answer = served.answer(reply.status);
    if let Some(content_type) = &reply.content_type {
        answer.header(&CONTENT_TYPE, content_type);
    }
    if let Some(headers) = &mut reply.headers {
        signature::unsign(headers);
        format::encode_answer(headers, answer.lines());
    }
    answer.lines().extend_from_slice(signature::LINES);
    answer.send(reply.body).await
}
