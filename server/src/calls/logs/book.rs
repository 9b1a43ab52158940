//! The last lines of every function, and all lines of some calls, within bounds.
//!
//! Plain data: who owns it says when a line came. Lines are numbered in the order in which they
//! come, over all functions, and never anew: not even by the next node, since a book's first number
//! is the moment it was begun at. So who follows a function asks what came after the number he saw
//! last, and a restart in between confuses nobody.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, SystemTime};

use hotfn::container::Stdio;
use hotfn::log::Line;
use hotfn_protocols::{CallId, FunctionId};

use super::super::record;

/// Bounds of a [`Book`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Most bytes of one function's last lines. Default 256 KiB.
    pub(crate) function_bytes_max: usize,
    /// Most bytes of all functions' last lines; beyond it the oldest go. Default 32 MiB.
    pub(crate) bytes_max: usize,
    /// Most bytes of a call's lines; what comes after is left out, and said to be. Default 64 KiB.
    pub(crate) call_bytes_max: usize,
    /// Most calls whose lines are gathered; beyond it the oldest lose theirs. Default 4096.
    pub(crate) calls_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { function_bytes_max: 256 << 10, bytes_max: 32 << 20, call_bytes_max: 64 << 10, calls_max: 4096 }
    }
}

/// A line that is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Kept {
    /// Its number.
    pub n: u64,
    /// When it was read.
    pub at: SystemTime,
    /// Its call, where only one can be meant.
    pub call: Option<CallId>,
    /// Where it came from.
    pub stdio: Stdio,
    /// Itself.
    pub text: String,
}

/// What is kept of what functions write.
#[derive(Debug)]
pub(crate) struct Book {
    bounds: Bounds,
    functions: HashMap<FunctionId, Tail>,
    /// Whose each line is, in the order in which they came; some of them are gone.
    order: VecDeque<(u64, FunctionId)>,
    bytes: usize,
    next: u64,
    /// Lines of calls that were asked for.
    calls: HashMap<CallId, Gathered>,
    /// In the order in which they were asked for; some of them are gone.
    asked: VecDeque<CallId>,
    /// Are those of all calls gathered, from the first line on?
    gathers_all: bool,
}

#[derive(Debug, Default)]
struct Tail {
    lines: VecDeque<Kept>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Gathered {
    text: String,
    is_cut: bool,
    ended: Option<SystemTime>,
}

/// What a line takes beside its text.
const LINE_OVERHEAD: usize = 64;

/// How long after a call's end its last lines may come: they take another way than its answer.
pub(crate) const LAST_LINES_WAIT: Duration = Duration::from_millis(500);

impl Book {
    pub(crate) fn new(bounds: Bounds, gathers_all: bool, now: SystemTime) -> Self {
        // Room for a thousand lines in each millisecond before the next book's first.
        let next = record::millis(now).saturating_mul(1000);
        Self {
            bounds,
            functions: HashMap::new(),
            order: VecDeque::new(),
            bytes: 0,
            next,
            calls: HashMap::new(),
            asked: VecDeque::new(),
            gathers_all,
        }
    }

    /// The number that the next line will have.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// A line came.
    pub(crate) fn add(&mut self, line: Line) {
        let Line { function, call, stdio, text, at, lost } = line;
        if lost > 0 {
            let text = format!("[{lost} lines were lost here: they came faster than they are read]");
            self.keep(&function, Kept { n: 0, at, call, stdio, text });
        }
        self.keep(&function, Kept { n: 0, at, call, stdio, text });
    }

    /// From now on all lines of `call` are gathered.
    pub(crate) fn begin(&mut self, call: CallId) {
        self.calls.insert(call, Gathered::default());
        self.asked.push_back(call);
        while self.calls.len() > self.bounds.calls_max
            && let Some(oldest) = self.asked.pop_front()
        {
            self.calls.remove(&oldest);
        }
    }

    /// The call is over; what it wrote may still come for a moment. Is anything gathered of it?
    pub(crate) fn end(&mut self, call: CallId, now: SystemTime) -> bool {
        let gathered = self.calls.get_mut(&call);
        gathered.map(|gathered| gathered.ended = Some(now)).is_some()
    }

    /// Are there calls that ended and were not taken?
    pub(crate) fn some_ended(&self) -> bool {
        self.calls.values().any(|gathered| gathered.ended.is_some())
    }

    /// What calls wrote of which nothing more will come; those that were silent are left out.
    pub(crate) fn take_ended(&mut self, now: SystemTime) -> Vec<(CallId, String)> {
        let is_whole = |ended: SystemTime| now.duration_since(ended).is_ok_and(|since| since >= LAST_LINES_WAIT);
        let whole = self.calls.extract_if(|_, gathered| gathered.ended.is_some_and(is_whole));
        let taken = whole.map(|(call, gathered)| (call, gathered.text)).filter(|(_, text)| !text.is_empty()).collect();
        let calls = &self.calls;
        self.asked.retain(|call| calls.contains_key(call));
        taken
    }

    /// What is gathered of `call`, if it is.
    pub(crate) fn of_call(&self, call: CallId) -> Option<&str> {
        self.calls.get(&call).map(|gathered| gathered.text.as_str())
    }

    /// The last lines of `function`, `count_max` at most.
    pub(crate) fn last(&self, function: &FunctionId, count_max: usize) -> Vec<Kept> {
        let Some(tail) = self.functions.get(function) else { return Vec::new() };
        let from = tail.lines.len().saturating_sub(count_max);
        tail.lines.range(from..).cloned().collect()
    }

    /// Its lines from the number `from` on, `count_max` at most.
    pub(crate) fn from(&self, function: &FunctionId, from: u64, count_max: usize) -> Vec<Kept> {
        let Some(tail) = self.functions.get(function) else { return Vec::new() };
        let at = tail.lines.partition_point(|line| line.n < from);
        tail.lines.range(at..).take(count_max).cloned().collect()
    }

    fn keep(&mut self, function: &FunctionId, line: Kept) {
        let line = Kept { n: self.next, ..line };
        self.next += 1;
        if let Some(call) = line.call {
            self.gather(call, &line.text);
        }
        let size = line.text.len() + LINE_OVERHEAD;
        self.order.push_back((line.n, function.clone()));
        let tail = self.functions.entry(function.clone()).or_default();
        tail.lines.push_back(line);
        tail.bytes += size;
        self.bytes += size;
        while tail.bytes > self.bounds.function_bytes_max {
            self.bytes -= tail.forget_oldest();
        }
        while self.bytes > self.bounds.bytes_max || self.order.len() > self.bounds.bytes_max / LINE_OVERHEAD {
            self.forget_oldest();
        }
    }

    fn gather(&mut self, call: CallId, line: &str) {
        if self.gathers_all && !self.calls.contains_key(&call) {
            self.begin(call);
        }
        let Some(Gathered { text, is_cut, .. }) = self.calls.get_mut(&call) else { return };
        let max = self.bounds.call_bytes_max;
        if *is_cut {
            return;
        }
        *is_cut = text.len() + line.len() + 1 > max;
        text.push_str(&line[..line.floor_char_boundary(max.saturating_sub(text.len() + 1))]);
        text.push('\n');
        if *is_cut {
            text.push_str(&format!("[of each call's log {max} bytes are kept; the rest is left out]\n"));
        }
    }

    /// Forgets the oldest line of all.
    fn forget_oldest(&mut self) {
        let Some((n, function)) = self.order.pop_front() else { return };
        let Some(tail) = self.functions.get_mut(&function) else { return };
        // It may have gone before, when there was too much of its function.
        if tail.lines.front().is_some_and(|line| line.n == n) {
            self.bytes -= tail.forget_oldest();
        }
        if tail.lines.is_empty() {
            self.functions.remove(&function);
        }
    }
}

impl Tail {
    /// Answers how many bytes that were.
    fn forget_oldest(&mut self) -> usize {
        let size = self.lines.pop_front().map_or(0, |line| line.text.len() + LINE_OVERHEAD);
        self.bytes -= size;
        size
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;

    use super::*;

    fn line(function: &str, call: Option<CallId>, text: &str) -> Line {
        let function = function.into();
        Line { function, call, stdio: Stdio::Err, text: text.to_owned(), at: UNIX_EPOCH, lost: 0 }
    }

    fn book(bounds: Bounds) -> Book {
        Book::new(bounds, false, UNIX_EPOCH)
    }

    fn texts(lines: &[Kept]) -> Vec<&str> {
        lines.iter().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn who_follows_gets_each_line_once() {
        let (mut book, f) = (book(Bounds::default()), "f".into());
        for n in 0..5 {
            book.add(line("f", None, &format!("f{n}")));
            book.add(line("g", None, "other"));
        }
        assert_eq!(texts(&book.last(&f, 2)), ["f3", "f4"]);
        let (mut from, mut seen) = (0, Vec::new());
        loop {
            let lines = book.from(&f, from, 2);
            let Some(last) = lines.last() else { break };
            from = last.n + 1;
            seen.extend(lines);
        }
        assert_eq!(texts(&seen), ["f0", "f1", "f2", "f3", "f4"]);
        book.add(Line { lost: 3, ..line("f", None, "f5") });
        let lines = book.from(&f, from, 10);
        assert!(lines[0].text.starts_with("[3 lines were lost here") && lines[1].text == "f5", "{lines:?}");
    }

    #[test]
    fn a_calls_lines_are_gathered_whoever_else_writes() {
        let mut book = book(Bounds { call_bytes_max: 12, ..Bounds::default() });
        let [asked, other, silent] = [CallId::new(), CallId::new(), CallId::new()];
        book.begin(asked);
        book.begin(silent);
        for call in [Some(asked), Some(other), None] {
            book.add(line("f", call, "one"));
        }
        assert_eq!((book.of_call(asked), book.of_call(other)), (Some("one\n"), None));
        let at = |millis| UNIX_EPOCH + Duration::from_millis(millis);
        assert!(!book.some_ended());
        assert!(book.end(asked, at(1000)) && book.end(silent, at(1000)) && !book.end(other, at(1000)));
        book.add(line("f", Some(asked), "last words"));
        assert_eq!(book.take_ended(at(1499)), []);
        assert!(book.some_ended());
        let cut = "one\nlast wo\n[of each call's log 12 bytes are kept; the rest is left out]\n";
        assert_eq!(book.take_ended(at(1500)), [(asked, cut.to_owned())]);
        assert!(book.calls.is_empty() && book.asked.is_empty());
    }

    #[test]
    fn of_too_many_calls_the_oldest_lose_their_lines() {
        let mut book = Book::new(Bounds { calls_max: 2, ..Bounds::default() }, true, UNIX_EPOCH);
        let calls = [CallId::new(), CallId::new(), CallId::new()];
        for call in calls {
            book.add(line("f", Some(call), "x"));
        }
        assert_eq!(calls.map(|call| book.of_call(call)), [None, Some("x\n"), Some("x\n")]);
    }

    proptest! {
        #[test]
        fn no_bound_is_ever_passed_and_the_newest_stay(
            lines in prop::collection::vec((0..4_u8, 0..200_usize), 1..300),
            function_bytes_max in 300..2000_usize,
            bytes_max in 300..4000_usize,
        ) {
            let mut book = book(Bounds { function_bytes_max, bytes_max, ..Bounds::default() });
            for (function, length) in lines {
                let name = function.to_string();
                book.add(line(&name, None, &"x".repeat(length)));
                let of_all: usize = book.functions.values().map(|tail| tail.bytes).sum();
                prop_assert_eq!(of_all, book.bytes);
                prop_assert!(book.bytes <= bytes_max);
                prop_assert!(book.functions.values().all(|tail| tail.bytes <= function_bytes_max));
                prop_assert_eq!(book.last(&name.as_str().into(), 1).len(), 1);
                prop_assert!(book.order.len() <= bytes_max / LINE_OVERHEAD);
            }
        }
    }
}
