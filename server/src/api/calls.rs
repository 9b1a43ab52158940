//! Calls of a function: what became of them, and what it wrote during one.

use std::time::SystemTime;

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use hotfn_protocols::CallId;

use crate::calls::record::{Record, Status, UnknownStatus, first_id, millis};
use crate::store::calls::Wanted;

use super::page::Query;
use super::{Answer, Api, Problem};

/// A page of calls, the newest first.
#[derive(Serialize)]
struct Calls {
    items: Vec<Record>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

impl Api {
    pub(super) async fn list_calls(&self, function: &str, query: Query<'_>) -> Result<Answer, Problem> {
        let wanted = wanted(query)?;
        // Its app is whom a token may be for: of a function that is gone nobody is told anything.
        self.store.function(function).await?;
        let items = self.store.calls(function, &wanted).await?;
        let last = items.last().filter(|_| items.len() == wanted.count_max);
        let next_cursor = last.map(|call| call.id.clone());
        Ok(Answer::json(&Calls { items, next_cursor }))
    }

    pub(super) async fn call(&self, function: &str, call: &str) -> Result<Answer, Problem> {
        self.store.function(function).await?;
        Ok(Answer::json(&self.store.call(function, call).await?))
    }

    /// What was written is in the store a moment after the call's end; until then it is here, if the
    /// call runs here.
    pub(super) async fn call_log(&self, function: &str, call: &str) -> Result<Answer, Problem> {
        self.store.function(function).await?;
        let here = call.parse::<CallId>().ok().and_then(|id| self.calls.logs().of_call(id));
        let kept = self.store.call_log(function, call).await;
        Ok(Answer::text(match (here, kept) {
            (Some(here), Ok(kept)) if kept.is_empty() => here,
            (_, Ok(kept)) => kept,
            (_, Err(e)) => return Err(e.into()),
        }))
    }

    pub(super) async fn retry_call(&self, function: &str, call: &str) -> Result<Answer, Problem> {
        // It would only die once more.
        self.store.function(function).await?;
        let record = self.store.revive_call(function, call, millis(SystemTime::now())).await?;
        self.calls.look();
        Ok(Answer::json(&record))
    }
}

fn wanted(query: Query<'_>) -> Result<Wanted, Problem> {
    let before = match query.first("cursor") {
        None => String::new(),
        Some(cursor) => match cursor.parse::<CallId>() {
            Ok(id) => id.to_string(),
            Err(_) => {
                let message = format!("Invalid cursor: {cursor:?} is none that a list of this node gave");
                return Err(Problem::invalid(message));
            }
        },
    };
    let status = query.first("status").map(|word| word.parse::<Status>()).transpose();
    let status = status.map_err(|e: UnknownStatus| Problem::invalid(format!("Invalid status: {e}")))?;
    let from = time(query, "from_time")?.map(first_id).unwrap_or_default();
    let to = time(query, "to_time")?.map(first_id).unwrap_or_default();
    let before = match (before.is_empty(), to.is_empty()) {
        (false, false) => before.min(to),
        _ => before + &to,
    };
    Ok(Wanted { before, from, status, count_max: query.count_max() })
}

/// A moment as Fn's clients wrote it, in seconds since 1970, or as our records do.
fn time(query: Query<'_>, name: &str) -> Result<Option<SystemTime>, Problem> {
    let Some(text) = query.first(name) else { return Ok(None) };
    let at = match text.parse::<i64>() {
        Ok(seconds) => OffsetDateTime::from_unix_timestamp(seconds).ok(),
        Err(_) => OffsetDateTime::parse(&text, &Rfc3339).ok(),
    };
    let at = at.filter(|at| *at >= OffsetDateTime::UNIX_EPOCH).ok_or_else(|| {
        let message =
            format!("Invalid {name}: {text:?} is neither seconds since 1970 nor a time as RFC 3339 writes it");
        Problem::invalid(message)
    })?;
    Ok(Some(at.into()))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn filters_are_read_or_refused() {
        let ok = |query: &str| wanted(Query(query)).unwrap();
        let seconds = ok("from_time=1600000000&to_time=1600000001&status=dead&per_page=7");
        assert_eq!((seconds.status, seconds.count_max), (Some(Status::Dead), 7));
        let written = ok("from_time=2020-09-13T12:26:40Z&to_time=2020-09-13T12:26:41.000Z");
        assert_eq!((&seconds.from, &seconds.before), (&written.from, &written.before));
        assert!(seconds.from < seconds.before);
        let cursor = CallId::new();
        assert_eq!(ok(&format!("cursor={cursor}")).before, cursor.as_str());
        assert_eq!(ok(&format!("cursor={cursor}&to_time=1")).before, ok("to_time=1").before);
        for wrong in ["cursor=x", "status=gone", "from_time=-1", "to_time=yesterday", "from_time=99999999999999"] {
            assert_eq!(wanted(Query(wrong)).unwrap_err().status, StatusCode::BAD_REQUEST, "{wrong}");
        }
    }
}
