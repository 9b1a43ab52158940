//! What a container prints: lines of log, told apart by call, bounded, and never in the way.
//!
//! Each line becomes an event of the target [`TARGET`] at debug level, with the function, the
//! container and, while exactly one call is in flight, the call. The last few lines are kept, so
//! that a fault can say what a container's last words were. Bytes from a container are hostile:
//! control characters are escaped before anybody sees them.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard};

use hotfn_protocols::CallId;

use crate::Function;
use crate::container::{Heard, LogLine, Stdio};

/// The target of log lines' events.
pub const TARGET: &str = "hotfn::function";

/// How many lines a fault may quote.
const LAST_WORDS_LINES: usize = 3;
/// How much of each.
const LAST_WORDS_CHARS: usize = 200;
/// How much of each is kept: enough to tell that there was more.
const LAST_WORDS_BYTES: usize = 4 * (LAST_WORDS_CHARS + 1);

/// One container's log.
#[derive(Debug)]
pub(crate) struct Log {
    function: Arc<Function>,
    container: String,
    bytes_max: u64,
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
}

impl Log {
    pub(crate) fn new(function: Arc<Function>, container: String, bytes_max: u64) -> Arc<Self> {
        Arc::new(Self { function, container, bytes_max, state: Mutex::default() })
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

    /// From now on they do not.
    pub(crate) fn end(&self, call: CallId) {
        self.state().crowd.leave(call);
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
            let call = state.crowd.only();
            if !state.cut && !line.is_empty() {
                let is_full = state.last.len() == LAST_WORDS_LINES;
                let mut words = if is_full { state.last.pop_front().unwrap_or_default() } else { Vec::new() };
                words.clear();
                words.extend_from_slice(&line[..line.len().min(LAST_WORDS_BYTES)]);
                state.last.push_back(words);
            }
            (call, state.cut)
        };
        if !tracing::enabled!(target: TARGET, tracing::Level::DEBUG) {
            return Heard::Kept;
        }
        let text = if cut_now {
            format!("log is longer than {} bytes; the rest is dropped", self.bytes_max)
        } else {
            printable(line, usize::MAX)
        };
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
        Heard::Kept
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no code panics while it holds this lock")
    }
}

/// The calls in flight in one container, of which nobody asks more than which one it is when there is
/// only one. So no list is kept: all their names added up without carry are the one name that is left
/// when all others have been taken off again.
#[derive(Debug, Default)]
struct Crowd {
    count: u32,
    sum: [u8; CallId::BYTES],
}

impl Crowd {
    fn enter(&mut self, call: CallId) {
        self.count += 1;
        self.add(call);
    }

    fn leave(&mut self, call: CallId) {
        self.count -= 1;
        self.add(call);
    }

    fn only(&self) -> Option<String> {
        (self.count == 1).then(|| String::from_utf8_lossy(&self.sum).into_owned())
    }

    fn add(&mut self, call: CallId) {
        for (sum, byte) in self.sum.iter_mut().zip(call.as_bytes()) {
            *sum ^= byte;
        }
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
        Log::new(Arc::new(Function::new("f", "process:f")), "c".to_owned(), bytes_max)
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
            log.end(call);
        }
        assert_eq!(log.state().crowd.count, 0);
    }

    #[test]
    fn a_call_is_named_while_it_is_alone() {
        let calls: Vec<_> = (0..5).map(|_| CallId::new()).collect();
        let mut crowd = Crowd::default();
        assert_eq!(crowd.only(), None);
        for alone in &calls {
            calls.iter().for_each(|call| crowd.enter(*call));
            assert_eq!(crowd.only(), None);
            calls.iter().filter(|call| *call != alone).for_each(|call| crowd.leave(*call));
            assert_eq!(crowd.only().as_deref(), Some(alone.as_str()));
            crowd.leave(*alone);
        }
    }
}
