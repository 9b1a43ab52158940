//! What was said during a case, shortened to what a person reads.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

/// Bytes that are kept of one thing said: its beginning, and less of its end.
const HEAD_BYTES_MAX: usize = 600;
const TAIL_BYTES_MAX: usize = 80;
/// Lines that are kept: the first ones, and the last.
const FIRST_LINES_MAX: usize = 16;
const LAST_LINES_MAX: usize = 16;

/// Who said a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Voice {
    /// The subject.
    Came,
    /// The harness, about what it does.
    Note,
    /// The harness, to the subject.
    Sent,
}

/// One thing said.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Line {
    /// By whom.
    pub voice: Voice,
    /// Its text; bytes that are none are escaped, and a long middle is left out.
    pub text: String,
}

/// Writes along. Clones write into the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transcript(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    first: Vec<Line>,
    last: std::collections::VecDeque<Line>,
    dropped: usize,
}

impl Transcript {
    pub(crate) fn sent(&self, bytes: &[u8]) {
        self.add(Voice::Sent, shortened(bytes));
    }

    pub(crate) fn came(&self, bytes: &[u8]) {
        self.add(Voice::Came, shortened(bytes));
    }

    pub(crate) fn note(&self, text: impl Into<String>) {
        self.add(Voice::Note, text.into());
    }

    fn add(&self, voice: Voice, text: String) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let line = Line { voice, text };
        if kept.first.len() < FIRST_LINES_MAX {
            return kept.first.push(line);
        }
        if kept.last.len() == LAST_LINES_MAX {
            kept.last.pop_front();
            kept.dropped += 1;
        }
        kept.last.push_back(line);
    }

    /// All that was kept, in order.
    pub(crate) fn lines(&self) -> Vec<Line> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines = kept.first.clone();
        if kept.dropped > 0 {
            lines.push(Line { voice: Voice::Note, text: format!("… {} more …", kept.dropped) });
        }
        lines.extend(kept.last.iter().cloned());
        lines
    }
}

/// Bytes as a person reads them: line breaks stay, other odd bytes are escaped, a long middle is
/// left out.
pub(crate) fn shortened(bytes: &[u8]) -> String {
    if bytes.len() <= HEAD_BYTES_MAX + TAIL_BYTES_MAX {
        return escaped(bytes);
    }
    let (head, tail) = (&bytes[..HEAD_BYTES_MAX], &bytes[bytes.len() - TAIL_BYTES_MAX..]);
    let left_out = bytes.len() - head.len() - tail.len();
    format!("{}… {left_out} bytes …{}", escaped(head), escaped(tail))
}

fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\n' | '\t' => text.push(c),
                '\r' => {}
                c if c.is_control() => text.extend(c.escape_default()),
                c => text.push(c),
            }
        }
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_bytes_are_escaped_and_a_long_middle_is_left_out() {
        assert_eq!(shortened(b"a\r\n\xff\x00\tb"), "a\n\\xff\\u{0}\tb");
        let long = shortened(&[b'x'; 1000]);
        assert!(long.contains("… 320 bytes …"), "{long}");
    }

    #[test]
    fn of_many_lines_the_first_and_the_last_are_kept() {
        let transcript = Transcript::default();
        (0..100).for_each(|n| transcript.note(n.to_string()));
        let lines = transcript.lines();
        assert_eq!(lines.len(), FIRST_LINES_MAX + 1 + LAST_LINES_MAX);
        assert_eq!((lines[0].text.as_str(), lines[16].text.as_str()), ("0", "… 68 more …"));
        assert_eq!(lines.last().unwrap().text, "99");
    }
}
