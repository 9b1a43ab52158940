//! Waiting for an event that nobody announces.

use std::time::{Duration, Instant};

/// How long a story waits for what should come at once. Far above what it takes, even on a machine
/// that is busy with other tests.
const BOUND: Duration = Duration::from_secs(30);
/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Waits until `look` sees something, and gives that.
///
/// # Panics
/// After 30 s, naming `what`.
pub async fn soon<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    until(what, BOUND, look).await
}

/// Waits until `look` sees something, for `bound` at most, and gives that.
///
/// # Panics
/// After `bound`, naming `what`.
pub async fn until<T>(what: &str, bound: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(began.elapsed() < bound, "waited {bound:?} in vain for {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Waits until `look`, which asks somebody, is told something, and gives that.
///
/// # Panics
/// After 30 s, naming `what`.
pub async fn answered<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(began.elapsed() < BOUND, "waited {BOUND:?} in vain for {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
