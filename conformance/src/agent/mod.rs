//! The agent's side, and the server's around it: the harness is the client in front, and the
//! [witness](crate::witness) the function behind.
//!
//! A file a theme, in the order of their numbers; each begins with its table.

mod agents;
mod answers;
mod api;
mod caps;
mod cli;
mod containers;
mod ends;
mod folders;
mod formats;
mod gateway;
mod images;
mod logs;
mod own;
mod requests;
mod room;
mod stage;
mod starts;

use crate::case::Entry;

pub(crate) use self::agents::Agents;
pub(crate) use self::stage::Stage;

/// The cases of the agent: 56 to 129.
pub(crate) fn agent_cases() -> Vec<&'static Entry<Stage>> {
    sorted([
        starts::CASES,
        images::CASES,
        folders::CASES,
        requests::CASES,
        answers::CASES,
        caps::CASES,
        containers::CASES,
        logs::CASES,
        room::CASES,
        ends::CASES,
    ])
}

/// The cases of the server: 130 to 153.
pub(crate) fn server_cases() -> Vec<&'static Entry<Stage>> {
    sorted([gateway::CASES, api::CASES, cli::CASES])
}

/// The cases of the formats over standard input and output: 154 to 171.
pub(crate) fn format_cases() -> Vec<&'static Entry<Stage>> {
    sorted(formats::CASES)
}

fn sorted<const N: usize>(tables: [&'static [Entry<Stage>]; N]) -> Vec<&'static Entry<Stage>> {
    let mut all: Vec<_> = tables.into_iter().flatten().collect();
    all.sort_by_key(|entry| entry.case.number);
    all
}
