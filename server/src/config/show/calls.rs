//! `[calls]`.

use super::super::Settings;
use super::page::{Page, millis, number, seconds, size};
use crate::calls::Records;

pub(super) fn table(page: &mut Page, settings: &Settings) {
    let (said, config) = (&settings.calls, settings.calls());
    page.header("[calls]");
    page.line("open_max", said.open_max.is_some(), number(config.open_max));
    page.line("open_bytes_max", said.open_bytes_max.is_some(), number(config.open_bytes_max));
    page.line("body_bytes_max", said.body_bytes_max.is_some(), number(config.body_bytes_max));
    page.line("kept_for", said.kept_for.is_some(), seconds(config.kept_for));
    page.line("dead_kept_for", said.dead_kept_for.is_some(), seconds(config.dead_kept_for));
    page.line("kept_max", said.kept_max.is_some(), number(config.kept_max));
    page.line("log_bytes_max", said.log_bytes_max.is_some(), size(config.log_bytes_max));
    page.line("record", said.records.is_some(), records(config.records));
    let (said, rule) = (said.retries, config.retries.rule());
    page.line("retry_attempts", said.attempts.is_some(), number(rule.attempts.into()));
    page.line("retry_delay_ms", said.delay_ms.is_some(), millis(rule.delay));
    page.line("retry_growth", said.growth.is_some(), number(rule.growth.into()));
    page.line("retry_delay_max_ms", said.delay_max_ms.is_some(), millis(rule.delay_max));
}

fn records(records: Records) -> &'static str {
    match records {
        Records::All => "all",
        Records::Detached => "detached",
    }
}
