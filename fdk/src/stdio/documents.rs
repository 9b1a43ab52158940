//! The formats `json` and `cloudevent`: documents one after another.
//!
//! Both hold bodies whole, within [`Limits::document_bytes_max`]. A document that cannot be read as
//! a call is answered 502 and the next one may be fine. Bytes that are no document at all are
//! dropped with whatever came along: a platform sends one call at a time, so the next one begins
//! with the next bytes.

use std::error::Error;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};

use hotfn_protocols::document::Documents;
use hotfn_protocols::{Arrival, Head, Limits, cloudevent, gateway, json};

use super::{READ_BYTES, Session, ends};
use crate::report::{chain, say};
use crate::settings::Settings;
use crate::shutdown::Asked;
use crate::turn::{Outcome, Wanted, turn};
use crate::{BoxError, Context, Function, StartError, signature};

/// What one of the two formats says in its documents.
struct Dialect {
    decode: fn(&[u8]) -> Result<Arrival, BoxError>,
    encode: Encode,
}

/// Makes a document of an answer's head and body and of the call's id. Not every answer can be said.
type Encode = fn(&Head, &[u8], &str) -> Result<Vec<u8>, BoxError>;

pub(crate) async fn serve_json(
    function: Arc<Function>,
    settings: Arc<Settings>,
    asked: Asked,
) -> Result<(), StartError> {
    let decode = |document: &[u8]| Ok(json::decode_call(document)?);
    let encode = |head: &Head, body: &[u8], _: &str| Ok(json::encode_reply(head, body));
    serve(Session::new(function, settings, asked), Dialect { decode, encode }).await
}

pub(crate) async fn serve_cloudevent(
    function: Arc<Function>,
    settings: Arc<Settings>,
    asked: Asked,
) -> Result<(), StartError> {
    let decode = |document: &[u8]| Ok(cloudevent::decode_call(document)?);
    let encode = |head: &Head, body: &[u8], id: &str| Ok(cloudevent::encode_reply(head, body, id, SystemTime::now())?);
    serve(Session::new(function, settings, asked), Dialect { decode, encode }).await
}

async fn serve(mut session: Session, dialect: Dialect) -> Result<(), StartError> {
    let mut ends = ends::take().map_err(StartError::Stdio)?;
    let mut requests = Requests::new();
    while let Some(Some(document)) = session.next(requests.next(&mut ends.calls)).await {
        let (function, settings) = (session.function.clone(), session.settings.clone());
        let work = async {
            let answer = answer(document, &dialect, &function, settings).await;
            ends.answers.write_all(&answer).await?;
            ends.answers.flush().await
        };
        // An answer that nobody reads any more is the end of the input, from the other side.
        let Some(Ok(())) = session.finish(work).await else { break };
    }
    session.end().await;
    Ok(())
}

async fn answer(
    document: Result<Bytes, BoxError>,
    dialect: &Dialect,
    function: &Function,
    settings: Arc<Settings>,
) -> Vec<u8> {
    let bytes_max = Limits::default().document_bytes_max as u64;
    let mut call_id = None;
    let outcome = match document.and_then(|document| (dialect.decode)(&document)) {
        Ok(arrival) => {
            call_id = arrival.call_id.clone();
            let (ctx, body) = Context::new(arrival, settings);
            turn(function, &ctx, body, Wanted::Whole(bytes_max)).await
        }
        Err(e) => failed("a request could not be read", &*e),
    };
    encode(outcome, dialect, call_id.as_deref().unwrap_or_default()).unwrap_or_else(|e| {
        let failure = failed("the answer cannot be sent", &*e);
        encode(failure, dialect, call_id.as_deref().unwrap_or_default()).expect("both formats can say a line of text")
    })
}

fn encode(outcome: Outcome, dialect: &Dialect, call_id: &str) -> Result<Vec<u8>, BoxError> {
    let mut reply = outcome.into_reply();
    let mut headers = reply.take_headers();
    gateway::strip_answer(&mut headers);
    signature::sign(&mut headers);
    let body = reply.body.as_bytes().expect("the turn gathered it");
    (dialect.encode)(&Head { status: reply.status, headers: headers.into() }, body, call_id)
}

fn failed(what: &str, why: &(dyn Error + 'static)) -> Outcome {
    let message = format!("{what}: {}", chain(why));
    say(&message);
    Outcome::Failed(message)
}

/// Finds requests in the input.
struct Requests {
    documents: Documents,
    buffer: Box<[u8]>,
}

impl Requests {
    fn new() -> Self {
        Self { documents: documents(), buffer: vec![0; READ_BYTES].into_boxed_slice() }
    }

    /// The next document, or why the bytes are none; `None` at the end of the input. Cancel safe.
    async fn next(&mut self, calls: &mut (impl AsyncRead + Unpin)) -> Option<Result<Bytes, BoxError>> {
        loop {
            match self.documents.next() {
                Ok(Some(document)) => return Some(Ok(document)),
                Ok(None) => {}
                Err(e) => {
                    self.documents = documents();
                    return Some(Err(e.into()));
                }
            }
            match calls.read(&mut self.buffer).await {
                Ok(0) | Err(_) => return None,
                Ok(n) => self.documents.feed(&self.buffer[..n]),
            }
        }
    }
}

fn documents() -> Documents {
    Documents::new(Limits::default().document_bytes_max)
}
