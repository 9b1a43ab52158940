//! What this machine cannot tell is said aloud, or fails.

use std::io::{self, Write};

/// Says that the rest of a test is skipped and why; the caller then returns.
///
/// Plain `cargo test` needs Rust alone, so a story that needs more may say so and end. Where
/// everything is meant to be there, `HOTFN_NO_SKIP=1` makes a failure of it.
///
/// # Panics
/// With `HOTFN_NO_SKIP=1`.
pub fn skipped(why: &str) {
    let strict = std::env::var_os("HOTFN_NO_SKIP").is_some_and(|value| value == "1");
    assert!(!strict, "nothing may be skipped here (HOTFN_NO_SKIP=1), but {why}");
    // Not with `eprintln!`, of which the test harness swallows what a passing test prints.
    let _ = writeln!(io::stderr(), "SKIPPED: {why}; `cargo xtask test` brings what is missing");
}
