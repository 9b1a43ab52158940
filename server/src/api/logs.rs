//! What a function writes: its last lines, and those that come.

use std::time::Duration;

use http::StatusCode;
use serde::Serialize;

use hotfn::container::Stdio;
use hotfn_protocols::FunctionId;

use crate::calls::logs::{Kept, Lines};
use crate::calls::record::told;

use super::page::Query;
use super::{Answer, Api, Problem};

/// Most lines of an answer; also how many of the last are told where nobody says how many.
const LINES_MAX: usize = 1000;
const LINES: usize = 100;
/// Longest that is waited for a line, in s: shorter than proxies wait for an answer.
const WAIT_MAX: u64 = 25;

#[derive(Serialize)]
struct Told {
    items: Vec<Item>,
    /// Where the next lines begin.
    next: u64,
}

#[derive(Serialize)]
struct Item {
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    call_id: Option<String>,
    stream: &'static str,
    text: String,
}

impl Api {
    pub(super) async fn function_logs(&self, function: &str, query: Query<'_>) -> Result<Answer, Problem> {
        let id = FunctionId::from(function);
        if !self.calls.rules().has(&id) {
            return Err(Problem::new(
                StatusCode::NOT_FOUND,
                format!("Function not found: none has the id {function:?}"),
            ));
        }
        let wait = number(query, "wait")?.unwrap_or_default().min(WAIT_MAX);
        let count_max = number(query, "lines")?.map(|n| usize::try_from(n).unwrap_or(LINES_MAX).min(LINES_MAX));
        let logs = self.calls.logs();
        let Lines { lines, next } = match number(query, "from")? {
            None => logs.last(&id, count_max.unwrap_or(LINES)),
            Some(from) => logs.from(&id, from, count_max.unwrap_or(LINES_MAX), Duration::from_secs(wait)).await,
        };
        Ok(Answer::json(&Told { items: lines.into_iter().map(item).collect(), next }))
    }
}

fn item(line: Kept) -> Item {
    let stream = match line.stdio {
        Stdio::Err => "stderr",
        Stdio::Out => "stdout",
    };
    Item { at: told(line.at), call_id: line.call.map(|id| id.to_string()), stream, text: line.text }
}

fn number(query: Query<'_>, name: &str) -> Result<Option<u64>, Problem> {
    let Some(text) = query.first(name) else { return Ok(None) };
    let number = text.parse().map_err(|_| Problem::invalid(format!("Invalid {name}: {text:?} is no whole number")))?;
    Ok(Some(number))
}
