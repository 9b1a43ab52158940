//! `[node]`, and `[db]` beside it.

use toml::Value;

use super::super::Settings;
use super::page::{Page, millis, number, seconds, size, text};
use crate::store::Url;

pub(super) fn table(page: &mut Page, settings: &Settings) {
    let (agent, front) = (settings.agent().config, settings.front());
    let unbound = |max: Option<u64>| number(max.unwrap_or(0));
    page.header("[node]");
    page.line("listen", settings.listen.is_some(), settings.listen().to_string());
    let permissions = settings.permissions();
    page.line("listen_mode", settings.listen_mode.is_some(), format!("{:04o}", permissions.mode));
    page.perhaps("listen_group", permissions.group.map(|group| group.to_string()), "the node's own");
    page.line("tokens", settings.tokens.is_some(), settings.tokens().as_str());
    page.perhaps("tls_certificate", settings.tls.as_ref().map(|tls| text(&tls.certificate)), "none");
    page.perhaps("tls_key", settings.tls.as_ref().map(|tls| text(&tls.key)), "none");
    page.perhaps("public_url", settings.public_url.clone(), "the host a request was sent to");
    page.line("iofs", settings.iofs.is_some(), text(&agent.iofs_root));
    page.perhaps("memory", agent.memory_mb.map(number), "what the host leaves");
    page.perhaps("cpu_milli", agent.cpu_milli.map(number), "what the host leaves");
    page.line("refuse_when_full", settings.refuse_when_full.is_some(), agent.refuse_when_full);
    let freeze = agent.freeze_idle.map_or(Value::Integer(-1), millis);
    page.line("freeze_idle_ms", settings.freeze_idle_ms.is_some(), freeze);
    page.line("start_timeout_ms", settings.start_timeout_ms.is_some(), millis(agent.start_timeout));
    page.line("end_grace_ms", settings.end_grace_ms.is_some(), millis(agent.end_grace));
    let limits = &agent.limits;
    page.line("request_bytes_max", settings.request_bytes_max.is_some(), unbound(front.request_bytes_max));
    page.line("request_head_bytes_max", settings.request_head_bytes_max.is_some(), size(front.request_head_bytes_max));
    page.line("request_head_timeout", settings.request_head_timeout.is_some(), seconds(front.head_timeout));
    let pace = agent.body_pace;
    let bytes_per_second = number(pace.bytes_per_second.get().into());
    page.line("request_body_pace", settings.request_body_pace.is_some(), bytes_per_second);
    page.line("request_body_grace", settings.request_body_grace.is_some(), seconds(pace.grace));
    page.line("response_bytes_max", settings.response_bytes_max.is_some(), unbound(limits.response_bytes_max));
    let head = size(limits.response_head_bytes_max);
    page.line("response_head_bytes_max", settings.response_head_bytes_max.is_some(), head);
    page.line("log_bytes_max", settings.log_bytes_max.is_some(), number(agent.log_bytes_max));
    page.perhaps("cors_origins", settings.cors_origins.clone(), "none");
    page.perhaps("cors_headers", settings.cors_headers.clone(), "none");
    page.line("connections_max", settings.connections_max.is_some(), size(front.connections_max));
    page.line("detached_max", settings.detached_max.is_some(), size(settings.calls().running_max));
    page.line("drain_patience", settings.drain_patience.is_some(), seconds(settings.drain_patience()));
    page.line("threads", settings.threads.is_some(), size(settings.threads().get()));
    page.line("state", settings.state.is_some(), text(&settings.state_dir()));
}

pub(super) fn db(page: &mut Page, settings: &Settings) {
    let url = settings.db();
    page.header("[db]");
    page.line("url", settings.db.is_some(), url.to_string());
    if matches!(url, Url::Postgres(_)) {
        page.note("url", "its user and password are not shown");
    }
}
