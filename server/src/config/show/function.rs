//! A `[[function]]`.

use super::super::Deployment;
use super::page::{Page, millis, number, seconds, size, text};

pub(super) fn table(page: &mut Page, Deployment { function, triggers, retries }: &Deployment) {
    let usual = hotfn::Function::new("", "");
    let count = |n: u32| number(u64::from(n));
    page.header("[[function]]");
    page.line("app", true, function.app_name.clone());
    page.line("name", true, function.name.clone());
    page.line("id", true, function.id.to_string());
    page.line("image", true, function.image.clone());
    page.perhaps("dir", function.dir.as_deref().map(text), "the node's own");
    page.line("format", function.format != usual.format, function.format.to_string());
    page.line("memory", function.memory_mb != usual.memory_mb, number(function.memory_mb));
    page.line("cpu_milli", function.cpu_milli != usual.cpu_milli, number(function.cpu_milli));
    page.line("timeout", function.timeout != usual.timeout, seconds(function.timeout));
    page.line("idle_timeout", function.idle_timeout != usual.idle_timeout, seconds(function.idle_timeout));
    page.line("concurrency", function.concurrency != usual.concurrency, count(function.concurrency));
    page.line("min_warm", function.min_warm != usual.min_warm, count(function.min_warm));
    page.line("stock", function.stock != usual.stock, count(function.stock));
    page.perhaps("max_containers", function.max_containers.map(count), "as memory allows");
    page.perhaps("max_calls_per_container", function.max_calls_per_container.map(number), "none");
    page.perhaps("max_age", function.max_age.map(seconds), "none");
    page.perhaps("queue_max", function.queue_max.map(size), "none");
    page.perhaps("queue_wait_max_ms", function.queue_wait_max.map(millis), "none");
    page.perhaps("rate", function.rate.map(|rate| count(rate.per_second.get())), "none");
    match function.rate {
        Some(rate) => page.line("burst", rate.burst != rate.per_second, count(rate.burst.get())),
        None => page.note("burst", "none"),
    }
    page.list("exec", function.exec.clone(), "nothing");
    page.perhaps("retry_attempts", retries.attempts.map(count), "as [calls] says");
    page.perhaps("retry_delay_ms", retries.delay_ms.map(number), "as [calls] says");
    page.perhaps("retry_growth", retries.growth.map(count), "as [calls] says");
    page.perhaps("retry_delay_max_ms", retries.delay_max_ms.map(number), "as [calls] says");
    page.names("config", function.config.keys(), "none");
    page.names("secrets", function.secrets.keys(), "none");
    page.list("triggers", triggers.iter().map(|trigger| trigger.source.clone()), "none");
}
