//! A connection to a function, held by somebody who looks closely.

use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use http::Method;

use hotfn_protocols::Headers;
use hotfn_protocols::http1::{Event, Limits, ResponseDecoder};

use super::stream::Stream;
use super::{Answer, Request};
use crate::bounds;
use crate::check::{Run, Stop, holds, ours};
use crate::transcript::Transcript;

/// Beyond this a request is written while its answer is read: a function may stream.
const ONE_WRITE_BYTES_MAX: usize = 32 << 10;

/// A connection. What came and was not read yet stays in `kept`.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: Stream,
    kept: BytesMut,
    transcript: Transcript,
}

/// Why there is no answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Unanswered {
    /// The connection was closed, this many bytes into the answer.
    Closed(usize),
    /// What came is no HTTP.
    Invalid(String),
    /// Nothing, or not the whole of it, within the bound.
    Silent,
}

impl From<Unanswered> for Stop {
    fn from(unanswered: Unanswered) -> Self {
        Self::broken(match unanswered {
            Unanswered::Closed(0) => "the connection was closed without an answer".to_owned(),
            Unanswered::Closed(bytes) => format!("the connection was closed {bytes} bytes into the answer"),
            Unanswered::Invalid(why) => format!("the answer is no valid HTTP: {why}"),
            Unanswered::Silent => format!("no whole answer within {:?}", bounds::ANSWER),
        })
    }
}

impl Connection {
    pub(crate) fn open(listener: &Path, transcript: &Transcript) -> Run<Self> {
        let stream = Stream::unix(listener)
            .map_err(|e| Stop::broken(format!("cannot connect to {}: {e}; is it accepting?", listener.display())))?;
        ours(stream.set_write_timeout(Some(bounds::ANSWER)), "bound writes")?;
        Ok(Self { stream, kept: BytesMut::new(), transcript: transcript.clone() })
    }

    /// To a server.
    pub(crate) fn to(address: SocketAddr, transcript: &Transcript) -> Run<Self> {
        let stream = Stream::tcp(address).map_err(|e| Stop::untold(format!("cannot connect to {address}: {e}")))?;
        ours(stream.set_write_timeout(Some(bounds::ANSWER)), "bound writes")?;
        Ok(Self { stream, kept: BytesMut::new(), transcript: transcript.clone() })
    }

    /// Sends bytes as they are.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Run {
        self.transcript.sent(bytes);
        self.stream.write_all(bytes).map_err(|e| Stop::broken(format!("the request could not be sent whole: {e}")))
    }

    /// Sends a request and takes its answer.
    pub(crate) fn call(&mut self, request: &Request) -> Run<Answer> {
        let bytes = request.bytes();
        if bytes.len() <= ONE_WRITE_BYTES_MAX {
            self.send(&bytes)?;
            return Ok(self.answer()?);
        }
        self.transcript.sent(&bytes);
        let mut writer = ours(self.stream.try_clone(), "share the connection")?;
        thread::scope(|scope| {
            // A function may answer without reading all of it: then the answer is what counts.
            scope.spawn(move || writer.write_all(&bytes));
            let answer = self.answer();
            if answer.is_err() {
                // Whoever still writes to it gives up.
                self.stream.shutdown();
            }
            Ok(answer?)
        })
    }

    /// Sends a request with the method HEAD and takes its answer, which has no body.
    pub(crate) fn head(&mut self, request: &Request) -> Run<Answer> {
        self.send(&request.bytes())?;
        Ok(self.answer_to(&Method::HEAD, bounds::ANSWER)?)
    }

    /// The next answer.
    pub(crate) fn answer(&mut self) -> Result<Answer, Unanswered> {
        self.answer_within(bounds::ANSWER)
    }

    /// The next answer, if it comes within `bound`.
    pub(crate) fn answer_within(&mut self, bound: Duration) -> Result<Answer, Unanswered> {
        self.answer_to(&Method::POST, bound)
    }

    fn answer_to(&mut self, method: &Method, bound: Duration) -> Result<Answer, Unanswered> {
        let until = Instant::now() + bound;
        let mut decoder = ResponseDecoder::new(method, Limits::default());
        let mut answer = Answer::default();
        let mut seen = self.kept.to_vec();
        let outcome = loop {
            match decoder.decode(&mut self.kept) {
                Ok(Some(Event::Head(head))) => {
                    answer.status = head.status.as_u16();
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                    let headers = Headers::of(head.lines);
                    answer.headers = headers.fields().map(|(name, value)| (text(name), text(value))).collect();
                }
                Ok(Some(Event::Data(data))) => answer.body.extend_from_slice(&data),
                Ok(Some(Event::End)) => break Ok(answer),
                Ok(None) => match self.fill(until) {
                    Ok(0) if decoder.end(&self.kept).is_ok() && answer.status != 0 => break Ok(answer),
                    Ok(0) => break Err(Unanswered::Closed(seen.len())),
                    Ok(read) => seen.extend_from_slice(&self.kept[self.kept.len() - read..]),
                    Err(_) if Instant::now() >= until => break Err(Unanswered::Silent),
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    Err(e) => {
                        self.transcript.note(format!("cannot read: {e}"));
                        break Err(Unanswered::Closed(seen.len()));
                    }
                },
                Err(invalid) => break Err(Unanswered::Invalid(invalid.to_string())),
            }
        };
        let surplus = if outcome.is_ok() { self.kept.len() } else { 0 };
        if !seen.is_empty() {
            self.transcript.came(&seen[..seen.len() - surplus]);
        }
        if let Err(unanswered) = &outcome {
            self.transcript.note(format!("no answer: {unanswered:?}"));
        }
        outcome
    }

    /// Nothing comes, and nothing was left over.
    pub(crate) fn is_silent(&mut self) -> Run {
        if self.kept.is_empty() {
            let _ = self.fill(Instant::now() + bounds::SILENCE);
        }
        self.transcript.came(&self.kept);
        holds!(
            self.kept.is_empty(),
            "{} bytes came after the end of an answer, beginning {:?}; its Content-Length or last chunk must be its end",
            self.kept.len(),
            String::from_utf8_lossy(&self.kept[..self.kept.len().min(40)])
        );
        Ok(())
    }

    /// Whether the peer closes it within `bound`, or sent something.
    pub(crate) fn closes_within(&mut self, bound: Duration) -> bool {
        matches!(self.fill(Instant::now() + bound), Ok(0))
    }

    /// Reads what is there; waits for it until `until`.
    fn fill(&mut self, until: Instant) -> io::Result<usize> {
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        self.stream.set_read_timeout(Some(left))?;
        let mut piece = [0; 16 << 10];
        let read = self.stream.read(&mut piece)?;
        self.kept.extend_from_slice(&piece[..read]);
        Ok(read)
    }
}
