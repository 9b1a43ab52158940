//! The function's side of `http-stream`: the harness plays the agent.
//!
//! A file a theme, in the order of their numbers; each begins with its table.

mod answers;
mod bodies;
mod calls;
mod gateway;
mod hostile;
mod lasting;
mod logs;
mod requests;
mod sandbox;
mod start;

use crate::case::Entry;
use crate::stage::Stage;

/// Every case of the function's side over `http-stream`.
pub(crate) fn cases() -> impl Iterator<Item = &'static Entry<Stage>> {
    let mut all: Vec<_> = [
        start::CASES,
        calls::CASES,
        lasting::CASES,
        answers::CASES,
        gateway::CASES,
        requests::CASES,
        bodies::CASES,
        logs::CASES,
        sandbox::CASES,
        hostile::CASES,
    ]
    .into_iter()
    .flatten()
    .collect();
    all.sort_by_key(|entry| entry.case.number);
    all.into_iter()
}
