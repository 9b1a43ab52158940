//! How long the harness waits for what should come. Far above what a well-behaved subject takes,
//! even on a busy machine; where the contract itself names a bound, the case does.

use std::time::Duration;

/// For a function to listen, where the case is not about that.
pub(crate) const START: Duration = Duration::from_secs(30);
/// For an answer, or for the next of its bytes.
pub(crate) const ANSWER: Duration = Duration::from_secs(20);
/// For a process to end that was asked to, or has no reason to live.
pub(crate) const END: Duration = Duration::from_secs(10);
/// For output to come out of a pipe into which it was written.
pub(crate) const OUTPUT: Duration = Duration::from_secs(5);
/// For bytes that must not come: long enough for what was already on its way.
pub(crate) const SILENCE: Duration = Duration::from_millis(150);
/// For one of several things that may happen, before the next is looked at.
pub(crate) const LOOK: Duration = Duration::from_millis(20);
