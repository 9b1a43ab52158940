//! Many events, one call.
//!
//! Events of all connections are gathered until they are enough, or the first has waited long
//! enough. The function gets them as one JSON array, or a line each. If its answer is an array as
//! long as the batch, each origin gets its part; any other answer goes to each origin once.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use serde_json::Value as Tree;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::callee::{Answer, Line};
use super::codec::Value;
use super::definition::{Batch, BatchForm};
use super::inbound::Event;
use super::origin::Origin;
use super::trouble::{Kind, Trouble};

/// Events that may wait for a place in a batch; beyond it their connections wait.
const WAITING_MAX: usize = 1024;

/// Gathers events.
#[derive(Debug)]
pub(super) struct Batcher(mpsc::Sender<Waiting>);

/// An event that waits for its batch.
#[derive(Debug)]
struct Waiting {
    event: Event,
    origin: Arc<Origin>,
    answer: oneshot::Sender<Result<Answer, Trouble>>,
}

impl Batcher {
    /// Begins to gather, in a task that ends when this is dropped.
    pub(super) fn start(batch: Batch, line: Line, tasks: &TaskTracker) -> Self {
        let (sender, waiting) = mpsc::channel(WAITING_MAX);
        let calls = tasks.clone();
        // Not one of the tasks that draining waits for: it waits for events as long as anybody may
        // send one.
        tokio::spawn(gather(batch, line, waiting, calls));
        Self(sender)
    }

    /// Calls with this event and others.
    pub(super) async fn call(&self, event: Event, origin: &Arc<Origin>) -> Result<Answer, Trouble> {
        let (answer, answered) = oneshot::channel();
        let sent = self.0.send(Waiting { event, origin: origin.clone(), answer }).await;
        let gone = || Trouble::new(Kind::Fault, "nobody gathers events any more");
        sent.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

async fn gather(batch: Batch, line: Line, mut waiting: mpsc::Receiver<Waiting>, calls: TaskTracker) {
    while let Some(first) = waiting.recv().await {
        let until = Instant::now() + batch.wait_max;
        let mut bytes = first.event.frame.len();
        let mut gathered = vec![first];
        while gathered.len() < batch.events_max && bytes < batch.bytes_max {
            let Ok(Some(next)) = tokio::time::timeout_at(until, waiting.recv()).await else { break };
            bytes += next.event.frame.len();
            gathered.push(next);
        }
        let line = line.clone();
        calls.spawn(async move { call(batch.form, &line, gathered).await });
    }
}

async fn call(form: BatchForm, line: &Line, gathered: Vec<Waiting>) {
    let first = &gathered[0];
    let mut headers = first.origin.headers(first.event.seq, first.event.ingest_ns);
    let content_type = match form {
        BatchForm::Array => "application/json",
        BatchForm::Lines => "application/x-ndjson",
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    let answer = line.call_with(&first.event.value, headers, body(form, &gathered)).await;
    share(answer, gathered);
}

fn body(form: BatchForm, gathered: &[Waiting]) -> Bytes {
    let mut body = Vec::new();
    for (n, waiting) in gathered.iter().enumerate() {
        if form == BatchForm::Array {
            body.push(if n == 0 { b'[' } else { b',' });
        }
        waiting.event.value.write_json(&mut body);
        if form == BatchForm::Lines {
            body.push(b'\n');
        }
    }
    if form == BatchForm::Array {
        body.push(b']');
    }
    body.into()
}

/// Gives each what is its.
fn share(answer: Result<Answer, Trouble>, gathered: Vec<Waiting>) {
    let parts = match &answer {
        Ok(Answer { value: Some(value), .. }) => parts(value, gathered.len()),
        _ => None,
    };
    let mut parts = parts.map(Vec::into_iter);
    let mut told = HashSet::new();
    for waiting in gathered {
        let own = match (&answer, &mut parts) {
            (Ok(Answer { receiver, .. }), Some(parts)) => {
                Ok(Answer { value: parts.next().map(Value::Tree), receiver: receiver.clone() })
            }
            (Ok(_), None) if told.insert(waiting.origin.peer) => answer.clone(),
            (Ok(_), None) => Ok(Answer { value: None, receiver: None }),
            (Err(trouble), _) => Err(trouble.clone()),
        };
        // One that does not wait any more has left.
        let _ = waiting.answer.send(own);
    }
}

/// The elements of an array that is as long as the batch, whether its function said that it is JSON or
/// left that to be seen.
fn parts(value: &Value, length: usize) -> Option<Vec<Tree>> {
    let tree = match value {
        Value::Json(_) | Value::Tree(_) => value.to_tree().into_owned(),
        Value::Binary(bytes) | Value::Text(bytes) => serde_json::from_slice(bytes).ok()?,
    };
    match tree {
        Tree::Array(parts) if parts.len() == length => Some(parts),
        _ => None,
    }
}
