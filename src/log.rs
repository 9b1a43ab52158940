//! What a container prints: lines of log, told apart by call, bounded, and never in the way.
//!
//! Each line becomes an event of the target [`TARGET`] at debug level, with the function, the
//! container and, where exactly one call can be meant, the call. An embedder who keeps lines hands in
//! the far end of a [`pipe`], from which he takes them. The last few lines are kept here, so
//! that a fault can say what a container's last words were. Bytes from a container are hostile:
//! control characters are escaped before anybody sees them.

mod crowd;

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Instant, SystemTime};

use hotfn_protocols::{CallId, FunctionId};
use tokio::sync::mpsc;

use crate::Function;
use crate::container::{Heard, LogLine, Stdio};
use crowd::Crowd;

/// The target of log lines' events.
pub const TARGET: &str = "hotfn::function";

/// How many lines a fault may quote.
const LAST_WORDS_LINES: usize = 3;
/// How much of each.
const LAST_WORDS_CHARS: usize = 200;
/// How much of each is kept: enough to tell that there was more.
const LAST_WORDS_BYTES: usize = 4 * (LAST_WORDS_CHARS + 1);

/// Most lines that wait in a [`pipe`]; what comes while it is full is lost, and counted.
const PIPE_LINES_MAX: usize = 1024;

/// A line that a container wrote.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Line {
    /// Whose container it was.
    pub function: FunctionId,
    /// The call it belongs to, where only one can be meant.
    pub call: Option<CallId>,
    /// Where it came from.
    pub stdio: Stdio,
    /// Without its end, and fit for a terminal.
    pub text: String,
    /// When it was read.
    pub at: SystemTime,
    /// So many lines of this container were lost before it, because the pipe was full.
    pub lost: u32,
}

/// Where an agent puts the lines of its containers: see [`Builder::lines`](crate::Builder::lines).
pub type Lines = mpsc::Sender<Line>;

/// A pipe for lines. It is bounded, and nobody ever waits for who reads it.
#[must_use]
pub fn pipe() -> (Lines, mpsc::Receiver<Line>) {
    mpsc::channel(PIPE_LINES_MAX)
}

/// One container's log.
#[derive(Debug)]
pub(crate) struct Log {
    function: Arc<Function>,
    container: String,
    bytes_max: u64,
    lines: Option<Lines>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    crowd: Crowd,
    /// Bytes since the last call began.
    bytes: u64,
    cut: bool,
    /// As they came: hardly any is ever quoted.
    last: VecDeque<Vec<u8>>,
    /// Lines that found the pipe full, since the last one that did not.
    lost: u32,
}

impl Log {
    pub(crate) fn new(function: Arc<Function>, container: String, bytes_max: u64, lines: Option<Lines>) -> Arc<Self> {
        Arc::new(Self { function, container, bytes_max, lines, state: Mutex::default() })
    }

    /// Where a driver sends the lines.
    pub(crate) fn sink(self: &Arc<Self>) -> LogLine {
        let log = self.clone();
        Arc::new(move |stdio, line| log.line(stdio, line))
    }

    /// From now on lines belong to `call`, and may be as long again.
    pub(crate) fn begin(&self, call: CallId) {
        let mut state = self.state();
        state.crowd.enter(call);
        state.bytes = 0;
        state.cut = false;
    }

    /// From `now` on they do not, but for what was on its way.
    pub(crate) fn end(&self, call: CallId, now: Instant) {
        self.state().crowd.leave(call, now);
    }

    /// The last lines, on one line, where there are any.
    pub(crate) fn last_words(&self) -> Option<String> {
        let state = self.state();
        if state.last.is_empty() {
            return None;
        }
        let lines: Vec<_> = state.last.iter().map(|line| printable(line, LAST_WORDS_CHARS)).collect();
        Some(lines.join(" | "))
    }

    fn line(&self, stdio: Stdio, line: &[u8]) -> Heard {
        let (call, cut_now) = {
            let mut state = self.state();
            state.bytes = state.bytes.saturating_add(line.len() as u64 + 1);
            if state.cut {
                return Heard::Dropped;
            }
            state.cut = state.bytes > self.bytes_max;
            let call = state.crowd.only(Instant::now());
            if !state.cut && !line.is_empty() {
                let is_full = state.last.len() == LAST_WORDS_LINES;
                let mut words = if is_full { state.last.pop_front().unwrap_or_default() } else { Vec::new() };
                words.clear();
                words.extend_from_slice(&line[..line.len().min(LAST_WORDS_BYTES)]);
                state.last.push_back(words);
            }
            (call, state.cut)
        };
        let is_traced = tracing::enabled!(target: TARGET, tracing::Level::DEBUG);
        if !is_traced && self.lines.is_none() {
            return Heard::Kept;
        }
        let text = if cut_now {
            format!("log is longer than {} bytes; the rest is dropped", self.bytes_max)
        } else {
            printable(line, usize::MAX)
        };
        if is_traced {
            self.trace(stdio, call, &text);
        }
        if let Some(lines) = &self.lines {
            self.pass(lines, stdio, call, text);
        }
        Heard::Kept
    }

    fn trace(&self, stdio: Stdio, call: Option<CallId>, text: &str) {
        let stream = match stdio {
            Stdio::Err => "stderr",
            Stdio::Out => "stdout",
        };
        tracing::debug!(
            target: TARGET,
            user_log = true,
            call_id = call.map(tracing::field::display),
            fn_id = %self.function.id,
            app_id = %self.function.app_id,
            image = %self.function.image,
            container_id = %self.container,
            stream,
            "{text}"
        );
    }

    fn pass(&self, lines: &Lines, stdio: Stdio, call: Option<CallId>, text: String) {
        let lost = std::mem::take(&mut self.state().lost);
        let function = self.function.id.clone();
        let line = Line { function, call, stdio, text, at: SystemTime::now(), lost };
        if lines.try_send(line).is_err() {
            self.state().lost = lost.saturating_add(1);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no code panics while it holds this lock")
    }
}

/// At most `max` characters of hostile bytes, fit for a terminal.
fn printable(line: &[u8], max: usize) -> String {
    let text = String::from_utf8_lossy(line);
    let mut out = String::with_capacity(text.len().min(max.saturating_mul(4)));
    for (count, c) in text.chars().enumerate() {
        if count == max {
            out.push('…');
            break;
        }
        if c.is_control() && c != '\t' {
            let _infallible = write!(out, "{}", c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(bytes_max: u64) -> Arc<Log> {
        Log::new(Arc::new(Function::new("f", "process:f")), "c".to_owned(), bytes_max, None)
    }

    #[test]
    fn the_last_words_are_few_short_and_harmless() {
        let log = log(1 << 20);
        assert_eq!(log.last_words(), None);
        let sink = log.sink();
        for line in [&b"one"[..], b"", b"two", b"three \x1b[31m", b"f\xffur"] {
            sink(Stdio::Err, line);
        }
        assert_eq!(log.last_words().unwrap(), "two | three \\u{1b}[31m | f\u{fffd}ur");
        sink(Stdio::Out, &[b'x'; 5000]);
        assert!(log.last_words().unwrap().len() < 700);
    }

    #[test]
    fn a_call_may_log_so_much_and_the_next_as_much_again() {
        let log = log(10);
        let sink = log.sink();
        for call in [CallId::new(), CallId::new()] {
            log.begin(call);
            let heard = ["12345", "too long", "never seen"].map(|line| sink(Stdio::Err, line.as_bytes()));
            assert_eq!(heard, [Heard::Kept, Heard::Kept, Heard::Dropped], "the second is the notice");
            assert_eq!(log.state().last.back().unwrap(), b"12345");
            log.end(call, Instant::now());
        }
    }

    #[test]
    fn lines_are_passed_on_with_their_call_and_what_was_lost_is_counted() {
        let (lines, mut read) = mpsc::channel(1);
        let log = Log::new(Arc::new(Function::new("f", "process:f")), "c".to_owned(), 1 << 20, Some(lines));
        let sink = log.sink();
        let call = CallId::new();
        log.begin(call);
        for line in ["on\x07e", "two", "three"] {
            assert_eq!(sink(Stdio::Err, line.as_bytes()), Heard::Kept);
        }
        log.end(call, Instant::now());
        let mut told = |text: &str, lost| {
            let line = read.try_recv().unwrap();
            assert_eq!((line.function.as_str(), line.call, &*line.text, line.lost), ("f", Some(call), text, lost));
        };
        told("on\\u{7}e", 0);
        sink(Stdio::Out, b"four");
        told("four", 2);
    }
}
