//! Commands of the list as work that the node's other fronts can ask for.
//!
//! The fronts call functions through [`Invoke`]; this is the same door with commands behind it, whose
//! names stand where a function's id does. What a call brings is what the command reads, and what it
//! prints is the reply. Nobody signs here: whoever reaches this door is a part of the node, and was
//! told by its config which command to call.
//!
//! There is no shell, and nothing of a call becomes an argument: what strangers send is only ever
//! data. Where a call comes from stands in variables, `FN_CONNECTOR_PEER` for `Fn-Connector-Peer`.
//!
//! Beside the front over HTTP one thing differs: a command that nobody waits for any more is ended, as
//! a call is. Slots, bounds, environment, control groups and the log are those of every command.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::CONTENT_TYPE;

use hotfn::Invoke;
use hotfn_protocols::{BodyError, Call, Fault, FunctionId, Head, Headers, Kind, Reply};

use super::config::{Caller, Mode};
use super::crew::Asker;
use super::job::Job;
use super::refusal::{Reason, Refusal};
use super::request::{Ask, Encoding, What, When};
use super::service::Service;
use crate::connector::{self, Directory};

/// The commands of a service, to be called. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Commands(Arc<Service>);

/// Most bytes of what a failed command complained of that are logged.
const COMPLAINT_BYTES_MAX: usize = 512;

/// The shortest time that a command is given: a deadline that has passed already is found to have.
const TIMEOUT_MIN: Duration = Duration::from_millis(1);

impl Commands {
    pub(super) fn of(service: Arc<Service>) -> Self {
        Self(service)
    }

    async fn run(&self, call: Call) -> Result<Reply, Fault> {
        let Call { function, headers, body, deadline, .. } = call;
        let config = self.0.config();
        let bytes_max = config.bounds.body_bytes_max;
        let input = body.gather(bytes_max).await.map_err(|e| match e {
            BodyError::TooLarge { max } => {
                Fault::new(Kind::RequestTooLarge).because(format!("a command reads at most {max} bytes"))
            }
            other => other.into_call_fault(),
        })?;
        let ask = Ask {
            what: What::Argv(vec![function.as_str().to_owned()]),
            workdir: None,
            envs: variables(&headers),
            stdin: Some(input.to_vec()),
            timeout: deadline.map(|deadline| deadline.left(Instant::now()).max(TIMEOUT_MIN)),
            reply: super::request::Reply { when: When::Ended, encoding: Encoding::Text },
            callback: None,
            label: Vec::new(),
            unknown: Vec::new(),
        };
        let job = self.0.crew().begin(&config, &ask, &self.asker(&headers), None).map_err(refused)?;
        // From before it is started: whoever leaves while it is being started leaves nothing behind.
        let _ends = EndsWithItsCaller(job.clone());
        let outcome = job.ended().await.map_err(refused)?;
        if outcome.timed_out {
            return Err(Fault::new(Kind::TimedOut));
        }
        if !outcome.is_success() {
            tracing::info!(job = %job.id, command = %function, complaint = ?complaint(&job), "command failed");
            let why = format!("command {:?} ended with {}", function.as_str(), outcome.exit);
            return Err(Fault::new(Kind::Failed).because(why));
        }
        let output = output(&job, config.bounds.output_bytes_max)?;
        Ok(reply(&headers, output))
    }

    /// Whoever calls, as commands know it: a part of this node, by its own name.
    fn asker(&self, headers: &Headers) -> Asker {
        let connector = headers.get(connector::origin::PREFIX).and_then(|name| name.to_str().ok());
        let name: Arc<str> = connector.map_or_else(|| "node".into(), |name| format!("connector {name}").into());
        self.0.crew().asker(Caller { mode: Mode::List, ..Caller::new(name) })
    }
}

impl Directory for Commands {
    fn find(&self, name: &str) -> Option<FunctionId> {
        self.0.config().commands.get(name).map(|_| name.into())
    }
}

impl Invoke for Commands {
    fn invoke(&self, call: Call) -> Pin<Box<dyn Future<Output = Result<Reply, Fault>> + Send + '_>> {
        Box::pin(self.run(call))
    }
}

/// Has a command end when nobody waits for it any more.
struct EndsWithItsCaller(Arc<Job>);

impl Drop for EndsWithItsCaller {
    fn drop(&mut self) {
        // One that has ended already does not hear of it.
        self.0.stop.cancel();
    }
}

/// What a call's headers say of where it comes from.
fn variables(headers: &Headers) -> Vec<(String, String)> {
    let ours = headers.iter().filter(|(name, _)| name.as_str().starts_with(connector::origin::PREFIX));
    let pairs = ours.filter_map(|(name, value)| {
        let name = name.as_str().to_ascii_uppercase().replace('-', "_");
        Some((name, value.to_str().ok()?.to_owned()))
    });
    pairs.collect()
}

/// What it printed, if all of that is there.
fn output(job: &Job, bytes_max: usize) -> Result<Bytes, Fault> {
    let progress = job.progress();
    if progress.stdout.is_truncated() {
        let why = format!("command printed more than max_output, {bytes_max} bytes");
        return Err(Fault::new(Kind::ResponseTooLarge).because(why));
    }
    Ok(progress.stdout.bytes().into())
}

/// A command answers in the kind of words it was spoken to. In text, the line feed that programs end
/// theirs with is not a part of it, as in a shell's `$(…)`.
fn reply(asked: &Headers, mut output: Bytes) -> Reply {
    let mut head = Head::default();
    if let Some(content_type) = asked.get(CONTENT_TYPE.as_str()) {
        if content_type.as_bytes().starts_with(b"text/") && output.ends_with(b"\n") {
            output.truncate(output.len() - 1);
        }
        head.headers.insert(CONTENT_TYPE, content_type.clone());
    }
    Reply { head, body: output.into(), ..Reply::default() }
}

/// The last of what it complained of.
fn complaint(job: &Job) -> String {
    let all = job.progress().stderr.bytes();
    let all = all.trim_ascii_end();
    String::from_utf8_lossy(&all[all.len().saturating_sub(COMPLAINT_BYTES_MAX)..]).into_owned()
}

/// A refusal in the words of calls: one for want of room may be made again.
fn refused(refusal: Refusal) -> Fault {
    let kind = match refusal.reason {
        Reason::TooMany | Reason::Unavailable => Kind::Busy,
        Reason::Forbidden | Reason::NotFound => Kind::UnknownFunction,
        Reason::CannotStart => Kind::InitFailed,
        Reason::TooLarge => Kind::RequestTooLarge,
        _ => Kind::Internal,
    };
    Fault::new(kind).because(refusal.message)
}
