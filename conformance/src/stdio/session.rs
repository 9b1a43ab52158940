//! A function that is talked to over its standard input and output.

use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::thread;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use http::Method;
use rustix::io::ioctl_fionread;
use serde_json::Value;

use hotfn_protocols::http1::{Event, Limits, ResponseDecoder};
use hotfn_protocols::{Format, Headers};

use super::call::Call;
use crate::bounds;
use crate::check::{Run, Stop, holds, ours};
use crate::function::{Launch, Process, Stdio, environment, readable};
use crate::stage::Stage;
use crate::transcript::Transcript;
use crate::wire::{Answer, Unanswered};

/// How often it is looked whether a pipe is empty.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// One process and what it said so far.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) process: Process,
    format: Format,
    kept: BytesMut,
    transcript: Transcript,
}

impl Session {
    /// Starts a process that waits for calls; that of `default` serves `call` alone.
    pub(crate) fn start(stage: &Stage, call: &Call) -> Run<Self> {
        let format = stage.subject.format;
        let mut environment = environment(format.as_str());
        if !format.is_streamable() {
            environment.extend(call.variables());
        }
        let launch = Launch {
            program: &stage.subject.program,
            prefix: Vec::new(),
            folder: None,
            environment,
            stdio: Stdio::Wire,
        };
        let process = Process::start(&launch, &stage.transcript)?;
        Ok(Self { process, format, kept: BytesMut::new(), transcript: stage.transcript.clone() })
    }

    /// A process, and the answer to its first call.
    pub(crate) fn first(stage: &Stage, call: &Call) -> Run<(Self, Answer)> {
        let mut session = Self::start(stage, call)?;
        let answer = session.call(call)?;
        Ok((session, answer))
    }

    /// A call, and its answer.
    pub(crate) fn call(&mut self, call: &Call) -> Run<Answer> {
        let bytes = call.bytes(self.format);
        self.exchange(&bytes)
    }

    /// Bytes in, an answer out. They are written while the answer is read: a function may stream.
    pub(crate) fn exchange(&mut self, bytes: &[u8]) -> Run<Answer> {
        self.transcript.sent(bytes);
        let Some(mut stdin) = self.process.stdin.take() else { return Err(Stop::untold("input was closed before")) };
        let hot = self.format.is_streamable();
        thread::scope(|scope| {
            let writing = scope.spawn(move || {
                let written = stdin.write_all(bytes);
                // Over `default` the end of the input is the end of the body.
                hot.then_some(stdin).filter(|_| written.is_ok())
            });
            let answer = self.answer_within(bounds::ANSWER);
            if answer.is_err() {
                // Whoever still writes to it gives up.
                self.process.signal(rustix::process::Signal::KILL);
            }
            self.process.stdin = writing.join().expect("nothing in it panics");
            answer.map_err(|unanswered| self.explain(unanswered))
        })
    }

    /// Sends bytes and waits for nothing.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Run {
        self.transcript.sent(bytes);
        let Some(stdin) = &mut self.process.stdin else { return Err(Stop::untold("input was closed before")) };
        stdin.write_all(bytes).map_err(|e| Stop::broken(format!("the function stopped reading its input: {e}")))
    }

    /// Waits until what was sent was read, so that what comes next is read apart from it.
    pub(crate) fn has_read_all(&mut self) -> Run {
        let until = Instant::now() + bounds::START;
        while let Some(stdin) = &self.process.stdin
            && ours(ioctl_fionread(stdin), "ask what is in a pipe")? > 0
        {
            if let Some(status) = self.process.ended() {
                return Err(Stop::broken(format!("the process ended with {status} within a call")));
            }
            holds!(Instant::now() < until, "the function does not read its input, {:?} after its start", bounds::START);
            // A pipe tells a writer only when there is room again, not when it is empty.
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// The next answer, if it comes within `bound`.
    pub(crate) fn answer_within(&mut self, bound: Duration) -> Result<Answer, Unanswered> {
        let until = Instant::now() + bound;
        let answer = match self.format {
            Format::Http => self.http(until),
            Format::Default | Format::HttpStream => self.whole(until),
            Format::CloudEvent | Format::Json => self.document(until),
        };
        match &answer {
            Ok(answer) => self.transcript.came(format!("{answer}").as_bytes()),
            Err(unanswered) => self.transcript.note(format!("no answer: {unanswered:?}; kept {:?}", self.kept)),
        }
        answer
    }

    /// Closes its input; it ends well within a bound.
    pub(crate) fn ends(&mut self) -> Option<std::process::ExitStatus> {
        drop(self.process.stdin.take());
        self.process.ends_within(bounds::END)
    }

    /// Nothing but white space, where the format allows that, comes after an answer.
    pub(crate) fn is_silent(&mut self) -> Run {
        let _ = self.fill(Instant::now() + bounds::SILENCE);
        let surplus = if self.format == Format::Http { &self.kept[..] } else { self.kept.trim_ascii() };
        holds!(
            surplus.is_empty(),
            "{} bytes came after the end of an answer, beginning {:?}; an agent ends the container for them",
            surplus.len(),
            String::from_utf8_lossy(&surplus[..surplus.len().min(40)])
        );
        Ok(())
    }

    fn http(&mut self, until: Instant) -> Result<Answer, Unanswered> {
        let mut decoder = ResponseDecoder::new(&Method::POST, Limits::default());
        let mut answer = Answer::default();
        loop {
            match decoder.decode(&mut self.kept) {
                Ok(Some(Event::Head(head))) => {
                    answer.status = head.status.as_u16();
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                    let headers = Headers::of(head.lines);
                    answer.headers = headers.fields().map(|(name, value)| (text(name), text(value))).collect();
                }
                Ok(Some(Event::Data(data))) => answer.body.extend_from_slice(&data),
                Ok(Some(Event::End)) => return Ok(answer),
                Ok(None) if self.fill(until)? == 0 => return Err(Unanswered::Closed(self.kept.len())),
                Ok(None) => {}
                Err(invalid) => return Err(Unanswered::Invalid(invalid.to_string())),
            }
        }
    }

    /// All output until its end; the exit code is the status.
    fn whole(&mut self, until: Instant) -> Result<Answer, Unanswered> {
        while self.fill(until)? > 0 {}
        let status = self.process.ends_within(until.saturating_duration_since(Instant::now()));
        let status = status.ok_or(Unanswered::Silent)?;
        let status = if status.success() { 200 } else { 502 };
        Ok(Answer { status, body: self.kept.split().to_vec(), ..Answer::default() })
    }

    fn document(&mut self, until: Instant) -> Result<Answer, Unanswered> {
        loop {
            let mut values = serde_json::Deserializer::from_slice(&self.kept).into_iter::<Value>();
            match values.next() {
                Some(Ok(value)) => {
                    let end = values.byte_offset();
                    drop(self.kept.split_to(end));
                    return understood(&value, self.format).map_err(Unanswered::Invalid);
                }
                Some(Err(e)) if !e.is_eof() => return Err(Unanswered::Invalid(e.to_string())),
                Some(Err(_)) | None if self.fill(until)? == 0 => return Err(Unanswered::Closed(self.kept.len())),
                Some(Err(_)) | None => {}
            }
        }
    }

    fn fill(&mut self, until: Instant) -> Result<usize, Unanswered> {
        let wire = self.process.wire.as_mut().expect("its output is the wire");
        let left = until.saturating_duration_since(Instant::now());
        if !readable(&[wire.as_fd()], left).unwrap_or(false) {
            return Err(Unanswered::Silent);
        }
        let mut piece = [0; 16 << 10];
        let read = wire.read(&mut piece).unwrap_or(0);
        self.kept.extend_from_slice(&piece[..read]);
        Ok(read)
    }

    fn explain(&mut self, unanswered: Unanswered) -> Stop {
        let said = self.process.stderr.tail();
        match Stop::from(unanswered) {
            Stop::Broken(why) => Stop::broken(format!("{why}; on standard error the function said {said:?}")),
            untold @ Stop::Untold(_) => untold,
        }
    }
}

/// A document as the answer it means.
fn understood(document: &Value, format: Format) -> Result<Answer, String> {
    let event = format == Format::CloudEvent;
    let Some(members) = document.as_object() else { return Err(format!("{document} is no object")) };
    let member =
        |name: &str| members.iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    let protocol = if event { member("extensions").and_then(|e| e.get("protocol")) } else { member("protocol") };
    let status = protocol.and_then(|p| p.get("status_code")).and_then(Value::as_u64).filter(|status| *status != 0);
    let body = match member(if event { "data" } else { "body" }) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) => text.clone().into_bytes(),
        Some(other) if event => other.to_string().into_bytes(),
        Some(other) => return Err(format!("its body is {other}, and must be a string")),
    };
    let mut headers = Vec::new();
    let given = protocol.and_then(|p| p.get("headers")).and_then(Value::as_object);
    for (name, values) in given.into_iter().flatten() {
        let Some(values) = values.as_array() else { return Err(format!("header {name} is {values}, not an array")) };
        headers.extend(values.iter().filter_map(Value::as_str).map(|value| (name.clone(), value.to_owned())));
    }
    let content_type = member(if event { "contentType" } else { "content_type" }).and_then(Value::as_str);
    if let Some(content_type) = content_type.filter(|text| !text.is_empty()) {
        headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
        headers.push(("Content-Type".to_owned(), content_type.to_owned()));
    }
    let status = u16::try_from(status.unwrap_or(200)).map_err(|_| "its status is out of range".to_owned())?;
    Ok(Answer { status, headers, body })
}
