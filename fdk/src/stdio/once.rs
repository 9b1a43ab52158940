//! The format `default`: the input is a body, the output is the answer's, and the process ends.
//!
//! What else there is to know of the call is in the environment. There is no room for a status: a
//! call that failed says so on standard error and with exit code 1. A call that is cut short by
//! SIGTERM ends the same way.

use std::process::ExitCode;
use std::sync::Arc;

use http::Method;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use hotfn_protocols::{Body, Intent, default};

use super::reading::Reading;
use super::{Session, ends};
use crate::report::{chain, say};
use crate::settings::Settings;
use crate::shutdown::Asked;
use crate::turn::{Outcome, Wanted, turn};
use crate::{Context, Function, StartError};

pub(crate) async fn serve(
    function: Arc<Function>,
    settings: Arc<Settings>,
    asked: Asked,
) -> Result<ExitCode, StartError> {
    let ends::Ends { calls, mut answers } = ends::take().map_err(StartError::Stdio)?;
    let variables = settings.config.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    let body = Body::stream(Reading::new(calls));
    let mut arrival = default::arrival(variables, body);
    if arrival.intent == Intent::Invoke {
        arrival.method = Method::POST;
    }

    let mut session = Session::new(function.clone(), settings.clone(), asked);
    let work = async {
        let (ctx, body) = Context::new(arrival, settings);
        match turn(&function, &ctx, body, Wanted::Streamed).await {
            Outcome::Answered(reply) => copy(reply.body, &mut answers).await,
            Outcome::Failed(_) | Outcome::TimedOut => false,
        }
    };
    let answered = session.finish(work).await.unwrap_or(false);
    session.end().await;
    Ok(if answered { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Writes an answer. False if it broke off, or nobody takes it.
async fn copy(mut body: Body, answers: &mut (impl AsyncWrite + Unpin)) -> bool {
    while let Some(piece) = body.next().await {
        let written = match piece {
            Ok(piece) => answers.write_all(&piece).await,
            Err(e) => {
                say(&format!("the answer broke off: {}", chain(&e)));
                return false;
            }
        };
        if written.is_err() {
            return false;
        }
    }
    answers.flush().await.is_ok()
}
