//! The format `http`: requests and responses one after another.
//!
//! Bodies stream both ways. The input is one: while a handler reads its body it holds the input,
//! and hands it back when it drops the body. What it left unread is read away before the next
//! request. Bytes that are no request end the session, for there is no telling where the next one
//! begins.

use std::sync::Arc;

use bytes::BytesMut;
use http::Method;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use hotfn_protocols::http1::{Length, encode};
use hotfn_protocols::{Arrival, http as format};

use super::input::Input;
use super::{Session, ends};
use crate::report::{chain, say};
use crate::settings::Settings;
use crate::shutdown::Asked;
use crate::turn::{Outcome, Wanted, turn};
use crate::{BoxError, Context, Function, StartError, signature};

pub(crate) async fn serve(function: Arc<Function>, settings: Arc<Settings>, asked: Asked) -> Result<(), StartError> {
    let ends::Ends { calls, mut answers } = ends::take().map_err(StartError::Stdio)?;
    let mut session = Session::new(function, settings, asked);
    let mut input = Input::new(calls);
    loop {
        let head = match session.next(input.head()).await {
            Some(Ok(Some(head))) => head,
            Some(Ok(None)) | None => break,
            Some(Err(e)) => {
                let message = format!("a request could not be read: {}", chain(&*e));
                say(&message);
                let _ = session.finish(write(Outcome::Failed(message), &Method::POST, &mut answers)).await;
                break;
            }
        };
        let (function, settings) = (session.function.clone(), session.settings.clone());
        let (body, back) = input.lend(head.length);
        let work = async {
            let to = head.method.clone();
            let arrival = format::decode_call(&head);
            let arrival = Arrival { body, ..arrival };
            let (ctx, body) = Context::new(arrival, settings);
            let outcome = turn(&function, &ctx, body, Wanted::Streamed).await;
            write(outcome, &to, &mut answers).await?;
            // It comes back when the handler, or whoever it gave the body to, is done with it.
            let mut input = back.await?;
            input.skip_body().await?;
            Ok::<_, BoxError>(input)
        };
        match session.finish(work).await {
            Some(Ok(back)) => input = back,
            Some(Err(e)) => {
                say(&format!("calls end here: {}", chain(&*e)));
                break;
            }
            None => break,
        }
    }
    session.end().await;
    Ok(())
}

/// Writes an answer. An error means that its end cannot be told from the next one's beginning.
async fn write(outcome: Outcome, to: &Method, answers: &mut (impl AsyncWrite + Unpin)) -> Result<(), BoxError> {
    let mut reply = outcome.into_reply();
    let (mut headers, mut body) = (reply.take_headers(), reply.body);
    signature::clean(&mut headers);
    signature::sign(&mut headers);
    let length = body.len().map_or(Length::Chunked, Length::Exact);
    let mut out = BytesMut::new();
    format::encode_answer(reply.status, &headers, length, &mut out);
    if to != Method::HEAD {
        while let Some(piece) = body.next().await {
            let piece = piece?;
            match length {
                Length::Chunked => encode::chunk(&mut out, &piece),
                Length::Exact(_) | Length::UntilClose => out.extend_from_slice(&piece),
            }
            answers.write_all_buf(&mut out).await?;
        }
        if length == Length::Chunked {
            out.extend_from_slice(encode::LAST_CHUNK);
        }
    }
    answers.write_all_buf(&mut out).await?;
    Ok(answers.flush().await?)
}
