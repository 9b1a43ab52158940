//! The time of day as HTTP writes it, made once a second and thread.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use httpdate::HttpDate;

/// Gives `Sat, 21 Nov 2026 07:28:00 GMT` for now.
pub(crate) fn with_now(write: impl FnOnce(&str)) {
    let now = SystemTime::now();
    let second = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    LAST.with_borrow_mut(|(last, text)| {
        if *last != second || text.is_empty() {
            *last = second;
            text.clear();
            write!(text, "{}", HttpDate::from(now)).expect("a string grows");
        }
        write(text);
    });
}

thread_local! {
    static LAST: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
}
