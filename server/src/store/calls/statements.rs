//! What is said to the database about calls.
//!
//! A statement about many calls has a row of values for each: how many there are is a part of its text.

use super::Wanted;

/// Most calls that are forgotten in one transaction: others are to have their turn.
pub(super) const FORGOTTEN_MAX: usize = 1000;
/// The calls that are not over, as the schema's indexes say it.
const OPEN: &str = "status IN ('delayed', 'queued', 'running')";
/// A number, which is text on its way in.
const NUMBER: &str = "CAST(CAST($ AS TEXT) AS BIGINT)";

pub(in crate::store) fn insert_calls(rows: usize) -> String {
    let values = values(rows, &["$", "$", "$", NUMBER, "$", NUMBER, "$", "$"]);
    format!("INSERT INTO calls (id, fn_id, status, due, owner, bytes, doc, request) VALUES {values}")
}

pub(in crate::store) fn change_calls(rows: usize, is_owned: bool) -> String {
    let values = values(rows, &["$", "$", NUMBER, "$", "$", "$"]);
    let owned = if is_owned { format!(" AND calls.owner = ${}", rows * 6 + 1) } else { String::new() };
    format!(
        "UPDATE calls SET status = v.column2, due = v.column3, owner = v.column4, doc = v.column5, \
         request = CASE v.column6 WHEN 'yes' THEN calls.request ELSE '' END \
         FROM (VALUES {values}) AS v WHERE calls.id = v.column1{owned} RETURNING id, request"
    )
}

pub(in crate::store) fn log_calls(rows: usize) -> String {
    let values = values(rows, &["$", "$"]);
    format!("UPDATE calls SET log = v.column2 FROM (VALUES {values}) AS v WHERE calls.id = v.column1")
}

pub(in crate::store) fn first_due_call() -> String {
    format!("SELECT CAST(due AS TEXT) FROM calls WHERE {OPEN} AND due >= 0 ORDER BY due, id LIMIT 1")
}

pub(in crate::store) fn due_calls() -> String {
    format!(
        "SELECT doc, CAST(bytes AS TEXT) FROM calls WHERE {OPEN} AND due <= CAST(CAST($1 AS TEXT) AS BIGINT) \
         ORDER BY due, id LIMIT CAST(CAST($2 AS TEXT) AS BIGINT)"
    )
}

pub(in crate::store) fn renew_calls(rows: usize) -> String {
    let ids: Vec<String> = (0..rows).map(|n| format!("${}", n + 3)).collect();
    format!(
        "UPDATE calls SET due = CAST(CAST($2 AS TEXT) AS BIGINT) \
         WHERE id IN ({}) AND owner = $1 AND status = 'running'",
        ids.join(", ")
    )
}

pub(in crate::store) fn list_calls(wanted: &Wanted) -> String {
    let status = if wanted.status.is_some() { " AND status = $4" } else { "" };
    let count_max = wanted.count_max;
    format!(
        "SELECT doc FROM calls WHERE fn_id = $1 AND id < $2 AND id >= $3{status} ORDER BY id DESC LIMIT {count_max}"
    )
}

pub(in crate::store) fn count_calls() -> String {
    format!("SELECT CAST(COUNT(*) AS TEXT), CAST(COALESCE(SUM(bytes), 0) AS TEXT) FROM calls WHERE {OPEN}")
}

pub(in crate::store) fn oldest_kept() -> String {
    format!(
        "SELECT id FROM calls WHERE status = $1 AND NOT {OPEN} ORDER BY id DESC \
         LIMIT 1 OFFSET CAST(CAST($2 AS TEXT) AS BIGINT) - 1"
    )
}

/// The newest dead call with whose request, and those of all after it, there are more bytes than there may be.
pub(in crate::store) fn dead_beyond() -> String {
    format!(
        "SELECT id FROM (SELECT id, SUM(bytes) OVER (ORDER BY id DESC) AS held FROM calls \
         WHERE status = 'dead' AND NOT {OPEN}) AS dead \
         WHERE held > CAST(CAST($1 AS TEXT) AS BIGINT) ORDER BY id DESC LIMIT 1"
    )
}

pub(in crate::store) fn forget_calls() -> String {
    format!(
        "DELETE FROM calls WHERE id IN (SELECT id FROM calls WHERE status = $1 AND NOT {OPEN} AND id < $2 \
         ORDER BY id LIMIT {FORGOTTEN_MAX}) RETURNING id"
    )
}

/// `($1, $2), ($3, $4)`: so many rows, in which a `$` of `columns` is the next parameter.
fn values(rows: usize, columns: &[&str]) -> String {
    let (mut sql, mut n) = (String::new(), 0);
    for row in 0..rows {
        sql.push_str(if row == 0 { "(" } else { ", (" });
        for (at, column) in columns.iter().enumerate() {
            n += 1;
            sql.push_str(if at == 0 { "" } else { ", " });
            sql.push_str(&column.replace('$', &format!("${n}")));
        }
        sql.push(')');
    }
    sql
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_numbered_through() {
        assert_eq!(
            values(2, &["$", NUMBER]),
            "($1, CAST(CAST($2 AS TEXT) AS BIGINT)), ($3, CAST(CAST($4 AS TEXT) AS BIGINT))"
        );
    }
}
