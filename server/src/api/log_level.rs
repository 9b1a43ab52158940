//! What this node logs. It is the process's and no store's.

use serde::{Deserialize, Serialize};

use crate::log;

use super::{Answer, Problem, input, rules};

/// What is said of it, by either side.
#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct Told {
    level: Option<String>,
}

pub(super) fn get() -> Result<Answer, Problem> {
    Ok(Answer::json(&Told { level: log::level() }))
}

pub(super) fn set(body: &[u8]) -> Result<Answer, Problem> {
    let told: Told = input::read(body)?;
    let level = rules::required("level", told.level)?;
    log::set_level(&level).map_err(|e| Problem::invalid(format!("Invalid level: {e}")))?;
    get()
}
