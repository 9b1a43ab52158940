//! What a function prints, read along so that it never blocks.

use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes that are kept; what comes after is read and dropped.
const KEPT_BYTES_MAX: usize = 1 << 20;
/// Bytes of the end that a sentence quotes.
const TAIL_BYTES: usize = 300;

/// One stream's output. Clones see the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Output(Arc<(Mutex<Vec<u8>>, Condvar)>);

impl Output {
    /// Reads `from` along, on a thread that ends with it.
    pub(crate) fn follow(mut from: impl Read + Send + 'static) -> Self {
        let output = Self::default();
        let write = output.clone();
        thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(read @ 1..) = from.read(&mut piece) {
                let mut kept = write.0.0.lock().unwrap_or_else(PoisonError::into_inner);
                if kept.len() < KEPT_BYTES_MAX {
                    kept.extend_from_slice(&piece[..read]);
                }
                write.0.1.notify_all();
            }
        });
        output
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// Its end, for a sentence.
    pub(crate) fn tail(&self) -> String {
        let text = self.text();
        let text = text.trim_end();
        let from = text.len().saturating_sub(TAIL_BYTES);
        let from = (from..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text[from..].to_owned()
    }

    /// Waits until `text` was printed, for `bound` at most. Did it come?
    pub(crate) fn says(&self, text: &str, bound: Duration) -> bool {
        let until = Instant::now() + bound;
        let mut kept = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if String::from_utf8_lossy(&kept).contains(text) {
                return true;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            kept = self.0.1.wait_timeout(kept, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
