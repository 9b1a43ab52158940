//! What was seen of a call.

use std::collections::{BTreeMap, VecDeque};
use std::env;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// Calls before this one that are remembered.
const EARLIER_MAX: usize = 8;

/// A call as it came, and who saw it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Sight {
    /// The container: its process, as it sees itself.
    pub(crate) container: String,
    /// Which of its connections, from 0.
    pub(crate) connection: usize,
    /// Which of its calls, from 1.
    pub(crate) calls: usize,
    /// The most calls it ever had at once.
    pub(crate) together_max: usize,
    /// The processor time it used so far, in milliseconds.
    pub(crate) cpu_ms: u64,
    /// The first line.
    pub(crate) line: String,
    /// Names as they were written, in their order.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body_bytes: usize,
    pub(crate) body_sum: u64,
    /// In a format of documents: the whole of it, byte for byte.
    pub(crate) document: String,
    /// Some of the calls before this one, the last one last.
    pub(crate) earlier: Vec<Earlier>,
    pub(crate) environment: BTreeMap<String, String>,
}

/// What is remembered of a call.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Earlier {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl Earlier {
    /// Does it have this id?
    pub(crate) fn is(&self, id: &str) -> bool {
        self.headers.iter().any(|(name, value)| name.eq_ignore_ascii_case("fn-call-id") && value == id)
    }
}

impl Sight {
    /// Of a call with this head, on the connection of this number.
    pub(super) fn of(head: &[u8], body: &[u8], connection: usize, together_max: usize) -> Self {
        let head = String::from_utf8_lossy(head).into_owned();
        let mut lines = head.lines().map(str::to_owned).filter(|line| !line.is_empty());
        let line = lines.next().unwrap_or_default();
        let header = |line: String| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_owned(), value.trim().to_owned()))
        };
        let headers: Vec<_> = lines.filter_map(header).collect();
        let (calls, earlier) = remembered(&line, &headers);
        Self {
            container: container(),
            connection,
            calls,
            together_max,
            cpu_ms: cpu_ms(),
            line,
            headers,
            body_bytes: body.len(),
            body_sum: checksum(body),
            document: String::new(),
            earlier,
            environment: env::vars().collect(),
        }
    }

    /// Of a call that has no head, but a document or nothing but its body.
    pub(super) fn without_head(document: &[u8], body: &[u8]) -> Self {
        Self { document: String::from_utf8_lossy(document).into_owned(), ..Self::of(b"", body, 0, 1) }
    }

    /// The values of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(given, _)| given.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// The first value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }
}

/// Counts a call and remembers it for those to come; gives its number, and what was before it.
fn remembered(line: &str, headers: &[(String, String)]) -> (usize, Vec<Earlier>) {
    static MEMORY: Mutex<(usize, VecDeque<Earlier>)> = Mutex::new((0, VecDeque::new()));
    let mut memory = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
    memory.0 += 1;
    let before = memory.1.iter().cloned().collect();
    if memory.1.len() == EARLIER_MAX {
        memory.1.pop_front();
    }
    memory.1.push_back(Earlier { line: line.to_owned(), headers: headers.to_owned() });
    (memory.0, before)
}

fn cpu_ms() -> u64 {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    u64::try_from(used.tv_sec * 1000 + used.tv_nsec / 1_000_000).unwrap_or_default()
}

/// The name by which one process is told from the next: in a container each is process 1.
pub(super) fn container() -> String {
    static STARTED: OnceLock<u128> = OnceLock::new();
    let started = STARTED.get_or_init(|| SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos()));
    format!("{}-{started:x}", std::process::id())
}

/// Tells bodies apart (FNV-1a).
pub(crate) fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
