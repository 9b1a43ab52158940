//! What a tested function can be told to do: the small contract of `docs/conformance/function.md`.
//!
//! A body that begins with a line `conformance` is a list of orders, one a line. Any other body
//! comes back as it is, with its content type.

use serde::Deserialize;
use std::collections::BTreeMap;

use crate::check::{Run, Stop};

/// The first line of a body with orders.
const MARK: &str = "conformance";

/// The body with these orders.
pub(crate) fn orders(lines: &[&str]) -> String {
    std::iter::once(&MARK).chain(lines).map(|line| format!("{line}\n")).collect()
}

/// What a function answers to the order `report`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Told {
    pub(crate) call_id: Option<String>,
    /// RFC 3339.
    pub(crate) deadline: Option<String>,
    pub(crate) method: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) headers: BTreeMap<String, Vec<String>>,
    pub(crate) app_id: Option<String>,
    pub(crate) fn_id: Option<String>,
    pub(crate) memory: Option<serde_json::Value>,
    pub(crate) greeting: Option<String>,
    pub(crate) trace_id: Option<String>,
}

impl Told {
    pub(crate) fn of(body: &[u8]) -> Run<Self> {
        serde_json::from_slice(body).map_err(|e| {
            Stop::broken(format!(
                "the order `report` was answered with what is no report ({e}): {:?}; see docs/conformance/function.md",
                String::from_utf8_lossy(&body[..body.len().min(200)])
            ))
        })
    }

    /// The values of a header, whatever its case in the report.
    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(given, _)| given.eq_ignore_ascii_case(name));
        named.flat_map(|(_, values)| values.iter().map(String::as_str)).collect()
    }
}
