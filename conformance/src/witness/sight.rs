//! What was seen of a call.

use std::collections::BTreeMap;
use std::env;

use serde::{Deserialize, Serialize};

/// A call as it came over the socket, and who saw it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Sight {
    /// The container: its process, as it sees itself.
    pub(crate) container: String,
    /// Which of its connections, from 0.
    pub(crate) connection: usize,
    /// The most calls it ever had at once.
    pub(crate) together_max: usize,
    /// The first line.
    pub(crate) line: String,
    /// Names as they were written, in their order.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body_bytes: usize,
    pub(crate) body_sum: u64,
    pub(crate) environment: BTreeMap<String, String>,
}

impl Sight {
    pub(super) fn of(head: Vec<u8>, body: &[u8], connection: usize, together_max: usize) -> Self {
        let head = String::from_utf8_lossy(&head).into_owned();
        let mut lines = head.lines().map(str::to_owned).filter(|line| !line.is_empty());
        let line = lines.next().unwrap_or_default();
        let header = |line: String| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_owned(), value.trim().to_owned()))
        };
        Self {
            container: container(),
            connection,
            together_max,
            line,
            headers: lines.filter_map(header).collect(),
            body_bytes: body.len(),
            body_sum: checksum(body),
            environment: env::vars().collect(),
        }
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

/// The name by which one process is told from the next: in a container each is process 1.
pub(super) fn container() -> String {
    use std::sync::OnceLock;
    use std::time::SystemTime;
    static STARTED: OnceLock<u128> = OnceLock::new();
    let started = STARTED.get_or_init(|| SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos()));
    format!("{}-{started:x}", std::process::id())
}

/// Tells bodies apart (FNV-1a).
pub(crate) fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
