//! From an event to a call, and from the answer to what goes back.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;

use hotfn_protocols::{Body, Call, Deadline, Fault, FunctionId, Kind, Reply};

use super::codec::Value;
use super::definition::{Callee, Definition};
use super::inbound::Event;
use super::options::Invalid;
use super::origin::{self, Origin};
use super::stage::Piece;
use super::trouble::{self, Trouble};
use super::world::{Callable, World};

/// How long an event whose call was refused for want of room is tried again, where nobody set a
/// deadline: as long as a function may take at most.
const REFUSED_MAX: Duration = Duration::from_secs(300);

/// The first wait after a refusal, and the longest; each is twice the last.
const REFUSED_WAIT: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(100));

/// Most bytes of an answer, which is held whole before it is framed. 64 MiB.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// What came of an event.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// `None`: nothing is to be sent.
    pub(super) value: Option<Value>,
    /// The connection that it is for, if the answer names one.
    pub(super) receiver: Option<String>,
}

/// Who answers events.
#[derive(Clone)]
pub(super) struct Line {
    callable: Callable,
    whom: Whom,
    deadline: Option<Duration>,
    /// The codec's name and options, to read answers with.
    codec: super::definition::Named,
    content_type: &'static str,
}

/// Which function, or command.
#[derive(Clone, Debug)]
enum Whom {
    /// The function that the event names.
    Field { from: String, prefix: String },
    /// Always this.
    One(FunctionId),
}

impl Line {
    /// To whom a definition says; `None` if nobody is called.
    pub(super) fn new(
        definition: &Definition,
        world: &World,
        content_type: &'static str,
    ) -> Result<Option<Self>, Invalid> {
        let one = |among: &Callable, name: &str, unknown: String| match among.directory.find(name) {
            Some(found) => Ok(Whom::One(found)),
            None => Err(Invalid::new("call", unknown)),
        };
        let functions = &world.functions;
        let (callable, whom) = match &definition.call {
            Callee::Passthrough => return Ok(None),
            Callee::Command(name) => {
                let commands = world.commands.as_ref().ok_or_else(|| {
                    let what = format!("there are no commands here to call {name:?}; they take a table [command]");
                    Invalid::new("call", what)
                })?;
                let unknown = format!("there is no command {name:?}; describe it in [exec.command.{name}]");
                (commands, one(commands, name, unknown)?)
            }
            Callee::Field { from, prefix } => (functions, Whom::Field { from: from.clone(), prefix: prefix.clone() }),
            Callee::Function(name) => {
                (functions, one(functions, name, format!("there is no function {name:?}; deploy it first"))?)
            }
        };
        Ok(Some(Self {
            callable: callable.clone(),
            whom,
            deadline: definition.bounds.deadline,
            codec: definition.codec.clone(),
            content_type,
        }))
    }

    /// Calls with one event.
    pub(super) async fn call(&self, event: &Event, origin: &Origin, passes_bytes: bool) -> Result<Answer, Trouble> {
        let function = self.function(&event.value)?;
        let body = body(event, passes_bytes);
        let mut headers = origin.headers(event.seq, event.ingest_ns);
        if !passes_bytes {
            headers.insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        }
        let reply = self.reply(function, headers, body).await?;
        self.read(reply).await
    }

    /// Calls with bytes of somebody's making.
    pub(super) async fn call_with(
        &self,
        value: &Value,
        headers: http::HeaderMap,
        body: Bytes,
    ) -> Result<Answer, Trouble> {
        let reply = self.reply(self.function(value)?, headers, body).await?;
        self.read(reply).await
    }

    fn function(&self, value: &Value) -> Result<FunctionId, Trouble> {
        match &self.whom {
            Whom::One(function) => Ok(function.clone()),
            Whom::Field { from, prefix } => {
                let named = value.text_at(from);
                let named = named.ok_or_else(|| refused(format!("there is no text at {from} to say whom to call")))?;
                let name = format!("{prefix}{named}");
                self.callable.directory.find(&name).ok_or_else(|| refused(format!("{name:?} is not here")))
            }
        }
    }

    /// The reply, of a call that is made again while there is no room for it: whoever sent the
    /// event waits, rather than lose it.
    async fn reply(&self, function: FunctionId, headers: http::HeaderMap, body: Bytes) -> Result<Reply, Trouble> {
        let began = Instant::now();
        let deadline = self.deadline.map(Deadline::after);
        let most = self.deadline.unwrap_or(REFUSED_MAX);
        let mut wait = REFUSED_WAIT.0;
        loop {
            let mut call = Call::new(function.clone(), Body::from(body.clone()));
            call.headers = headers.clone().into();
            call.deadline = deadline;
            match self.within(call, deadline).await {
                Err(fault)
                    if matches!(fault.kind(), Kind::Busy | Kind::RateLimited) && began.elapsed() + wait < most =>
                {
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(REFUSED_WAIT.1);
                }
                Err(fault) => return Err(Trouble::of_fault(&fault)),
                Ok(reply) => return Ok(reply),
            }
        }
    }

    async fn within(&self, call: Call, deadline: Option<Deadline>) -> Result<Reply, Fault> {
        let answering = self.callable.invoke.invoke(call);
        match deadline {
            None => answering.await,
            Some(deadline) => match tokio::time::timeout_at(deadline.at().into(), answering).await {
                Ok(answered) => answered,
                Err(_late) => Err(Fault::new(Kind::TimedOut)),
            },
        }
    }

    /// What a reply says. One that is no success is a fault of the function's.
    async fn read(&self, reply: Reply) -> Result<Answer, Trouble> {
        let Reply { head, body, .. } = reply;
        let bytes = body.gather(ANSWER_BYTES_MAX).await;
        let bytes = bytes.map_err(|e| Trouble::new(trouble::Kind::Fault, format!("answer broke off: {e}")))?;
        if !head.status.is_success() {
            let what = format!("function answered {}", head.status.as_u16());
            return Err(Trouble::new(trouble::Kind::Fault, what).with_sample(&bytes));
        }
        let receiver = origin::receiver(&head.headers);
        let is_nothing = head.status == StatusCode::NO_CONTENT || bytes.is_empty();
        let value = if is_nothing { None } else { self.value(head.headers.first(&CONTENT_TYPE), bytes)? };
        Ok(Answer { value, receiver })
    }

    fn value(&self, content_type: Option<&[u8]>, bytes: Bytes) -> Result<Option<Value>, Trouble> {
        let named = content_type.map(|value| value.split(|b| *b == b';').next().unwrap_or_default().trim_ascii());
        if named.is_some_and(|named| !self.content_type.is_empty() && named == self.content_type.as_bytes()) {
            let codec = super::codec::codec(&self.codec.name, self.codec.options.clone());
            let mut codec = codec.expect("it was checked when the connector was defined");
            let piece = Piece { bytes: bytes.clone(), ingest_ns: None };
            return codec.decode(&piece, 0).map_err(|e| Trouble::from(e).with_sample(&bytes));
        }
        if named == Some(b"application/json")
            && let Ok(tree) = serde_json::from_slice(&bytes)
        {
            return Ok(Some(Value::Tree(tree)));
        }
        let is_text = std::str::from_utf8(&bytes).is_ok();
        Ok(Some(if is_text { Value::Text(bytes) } else { Value::Binary(bytes) }))
    }
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line").field("whom", &self.whom).finish_non_exhaustive()
    }
}

/// The bytes that came, or the value as JSON.
fn body(event: &Event, passes_bytes: bool) -> Bytes {
    match &event.value {
        Value::Json(json) => json.text().clone(),
        value if passes_bytes => value.to_bytes(),
        value => {
            let mut json = Vec::new();
            value.write_json(&mut json);
            json.into()
        }
    }
}

fn refused(why: String) -> Trouble {
    Trouble::of_fault(&Fault::new(Kind::UnknownFunction).because(why))
}
