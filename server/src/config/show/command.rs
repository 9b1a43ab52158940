//! `[command]`, and a `[[command.key]]` for each key that has a name.

use toml::Value;

use super::super::command::{CURRENT, PREVIOUS};
use super::page::{Page, number, seconds, size, text};
use crate::command::bind::{self, Bind};
use crate::command::{Algorithm, Bounds, CallbackFields, Config, Key, Mode, Privileges, Settings, Strays};
use crate::tls::Trust;

pub(super) fn tables(page: &mut Page, Settings { bind, tls, config }: &Settings) {
    let usual = Config::default();
    let has = |name: &str| config.keys.iter().any(|key| *key.name == *name);
    let key = |name: &str| if has(name) { NOT_SHOWN } else { "none" };
    page.header("[command]");
    let places = bind.iter().map(place).collect::<Vec<_>>();
    page.line("bind", Bind::list(bind::DEFAULT).is_ok_and(|usual| *bind != usual), places);
    page.perhaps("tls_certificate", tls.as_ref().map(|tls| text(&tls.certificate)), "none");
    page.perhaps("tls_key", tls.as_ref().map(|tls| text(&tls.key)), "none");
    page.note("secret_key", key(CURRENT));
    page.note("secret_key_previous", key(PREVIOUS));
    page.note("secret_key_file", "what it holds counts as secret_key");
    let others = || config.keys.iter().filter(|key| ![CURRENT, PREVIOUS].contains(&&*key.name));
    page.note("key", if others().next().is_some() { "a table each, below" } else { "none" });
    page.line("mode", config.trusted_mode != usual.trusted_mode, mode(config.trusted_mode));
    page.line("shell", config.shell != usual.shell, config.shell.clone());
    page.list("allow_from", config.allow_from.iter().map(ToString::to_string), "from anywhere");
    page.list("trusted_users", config.trusted_users.iter().map(ToString::to_string), "none");
    let algorithm = match config.algorithm_min {
        Algorithm::Sha1 => "sha1",
        Algorithm::Sha256 => "sha256",
    };
    page.line("min_algorithm", config.algorithm_min != usual.algorithm_min, algorithm);
    let anywhere = "anywhere in shell mode, else the caller's own address";
    page.list("callback_allow", config.callback_allow.clone(), anywhere);
    let roots = match &config.callback_trust {
        Trust::File(file) | Trust::FileForAnyName(file) => Some(text(file)),
        Trust::Anyone | Trust::System => None,
    };
    page.perhaps("callback_ca", roots, "this machine's usual roots");
    let fields = match config.callback_fields {
        CallbackFields::All => "all",
        CallbackFields::Pair => "pair",
    };
    page.line("callback_fields", config.callback_fields != usual.callback_fields, fields);
    page.names("env", config.env.iter().map(|(name, _)| name), "none");
    let exact: toml::Table = config.exact.iter().map(|one| (one.text.clone(), one.name.clone().into())).collect();
    page.perhaps("exact", Some(exact).filter(|exact| !exact.is_empty()), "none");
    page.perhaps("user", config.user.as_ref().map(|user| user.name.clone()), "the node's own");
    let strays = match config.strays {
        Strays::Kill => "kill",
        Strays::Leave => "leave",
    };
    page.line("strays", config.strays != usual.strays, strays);
    page.perhaps("failure_status", config.failure_status.map(|status| i64::from(status.as_u16())), "200");
    let gains = config.privileges == Privileges::Gain;
    page.line("allow_setuid_programs", gains, gains);
    page.perhaps("state_dir", config.state_dir.as_deref().map(text), "undelivered callbacks end with the node");
    bounds(page, &config.bounds);
    for key in others() {
        named(page, key);
    }
}

const NOT_SHOWN: &str = "set, and not shown";

fn bounds(page: &mut Page, b: &Bounds) {
    let u = Bounds::default();
    let mut line = |key: &str, value: Value, usual: Value| page.line(key, value != usual, value);
    line("max_concurrent", size(b.concurrent_max), size(u.concurrent_max));
    line("max_per_peer", size(b.per_peer_max), size(u.per_peer_max));
    line("max_body", number(b.body_bytes_max), number(u.body_bytes_max));
    line("max_command", size(b.command_bytes_max), size(u.command_bytes_max));
    line("max_envs", size(b.envs_max), size(u.envs_max));
    line("max_output", size(b.output_bytes_max), size(u.output_bytes_max));
    line("window_s", number(b.window_s), number(u.window_s));
    line("max_nonces", size(b.nonces_max), size(u.nonces_max));
    line("max_bad_signatures", number(b.bad_signatures_max.into()), number(u.bad_signatures_max.into()));
    line("max_wait_s", seconds(b.wait_max), seconds(u.wait_max));
    // 0 is how a file says that there is no bound.
    let run = |max: Option<_>| max.map_or_else(|| number(0), seconds);
    line("max_run_s", run(b.run_max), run(u.run_max));
    line("end_grace_s", seconds(b.end_grace), seconds(u.end_grace));
    line("max_jobs", size(b.remembered_max), size(u.remembered_max));
    line("jobs_s", seconds(b.remembered_for), seconds(u.remembered_for));
    line("max_jobs_output", size(b.remembered_bytes_max), size(u.remembered_bytes_max));
    line("max_callbacks", size(b.callbacks_max), size(u.callbacks_max));
    line("max_connections", size(b.connections_max), size(u.connections_max));
    line("max_head", size(b.head_bytes_max), size(u.head_bytes_max));
    line("read_timeout_s", seconds(b.read_timeout), seconds(u.read_timeout));
    line("drain_s", seconds(b.drain_patience), seconds(u.drain_patience));
}

fn named(page: &mut Page, key: &Key) {
    let caller = &key.caller;
    page.header("[[command.key]]");
    page.line("name", true, key.name.to_string());
    page.note("secret_key", NOT_SHOWN);
    page.line("mode", true, mode(caller.mode));
    page.perhaps("commands", caller.list.clone(), "all");
    page.perhaps("user", caller.user.as_ref().map(|user| user.name.clone()), "as [command] says");
    page.perhaps("max_concurrent", caller.concurrent_max.map(size), "as [command] says");
    page.perhaps("max_run_s", caller.run_max.map(seconds), "as [command] says");
}

/// As it is written, and not as it is answered at.
fn place(bind: &Bind) -> String {
    match bind {
        Bind::Address(address) => address.to_string(),
        Bind::Systemd | Bind::Unix(_) => bind.to_string(),
    }
}

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::List => "list",
        Mode::Off => "off",
        Mode::Shell => "shell",
    }
}
