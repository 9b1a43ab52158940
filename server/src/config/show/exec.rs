//! `[[exec.rule]]` and `[exec.command.NAME]`.

use std::ffi::OsString;
use std::fmt::Write as _;

use hotfn_exec::rules::{As, Command, Environment, Rule, Rules, Variable, What, Who};
use toml::Value;

use super::page::{Page, key, seconds, size, text};

/// The rules `functions` are for the sockets of containers, `server` for the one of `hotfn exec-server`. The commands
/// of both are the same.
pub(super) fn tables(page: &mut Page, functions: Option<&Rules>, server: &Rules) {
    let rules = functions.into_iter().chain([server]).flat_map(|rules| &rules.rules);
    let commands = server.commands.names().filter_map(|name| Some((name, server.commands.get(name)?)));
    let (mut has_rules, mut has_commands) = (false, false);
    for rule in rules {
        has_rules = true;
        self::rule(page, rule);
    }
    for (name, command) in commands {
        has_commands = true;
        self::command(page, name, command);
    }
    if !has_rules {
        page.absent("[[exec.rule]]", "nobody runs programs of this host");
    }
    if !has_commands {
        page.absent("[exec.command.NAME]", "no command has a name");
    }
}

fn rule(page: &mut Page, rule: &Rule) {
    let who = |pick: fn(&Who) -> Option<Value>| rule.who.iter().filter_map(pick).collect::<Vec<_>>();
    let uids = who(|who| match who {
        Who::Anyone => Some("any".into()),
        Who::Uid(uid) => Some(i64::from(*uid).into()),
        Who::Unknown => Some("unknown".into()),
        Who::Function(_) | Who::Gid(_) => None,
    });
    let gids = who(|who| if let Who::Gid(gid) = who { Some(i64::from(*gid).into()) } else { None });
    let functions = who(|who| if let Who::Function(name) = who { Some(name.as_str().into()) } else { None });
    let what = |pick: fn(&What) -> Option<String>| rule.what.iter().filter_map(pick).collect::<Vec<_>>();
    let commands = what(|what| if let What::Command(name) = what { Some(name.clone()) } else { None });
    let paths = what(|what| if let What::Path(pattern) = what { Some(pattern.to_string()) } else { None });
    page.header("[[exec.rule]]");
    page.list("uid", uids, "nobody by this");
    page.list("gid", gids, "nobody by this");
    page.perhaps("function", functions.into_iter().next(), "for hotfn exec-server");
    page.list("commands", commands, "none by this");
    page.list("paths", paths, "none by this");
    let is_any = rule.what.contains(&What::Any);
    page.line("any", is_any, is_any);
    environment(page, &rule.env);
    page.list("cwd", rule.cwd.iter().map(ToString::to_string), "where the server is");
    page.perhaps("run_as", run_as(&rule.run_as), "the server's user");
    page.perhaps("timeout_s", rule.timeout.map(seconds), "none");
    page.perhaps("concurrency", rule.concurrency.map(size), "no bound but the socket's");
    page.line("tty", rule.terminal, rule.terminal);
    page.line("stop", rule.stop, rule.stop);
    page.line("allow_setuid_programs", rule.setuid_programs, rule.setuid_programs);
    page.line("log_args", rule.log_args, rule.log_args);
    page.line("orphans", rule.orphans, if rule.orphans { "keep" } else { "kill" });
}

fn environment(page: &mut Page, env: &Environment) {
    if *env == Environment::of_server() {
        return page.line("env", true, "server");
    }
    page.list("env", env.pass.iter().map(ToString::to_string), "nothing of the caller's");
    if !env.fixed.is_empty() {
        page.names("env", names(&env.fixed), "none");
    }
}

fn run_as(run_as: &As) -> Option<String> {
    match run_as {
        As::Any => Some("any".to_owned()),
        As::Caller => Some("caller".to_owned()),
        As::Server => None,
        As::User(name) => Some(name.clone()),
    }
}

fn command(page: &mut Page, name: &str, command: &Command) {
    let args = command.args.iter().map(|arg| arg.to_string_lossy().into_owned());
    page.header(&format!("[exec.command.{}]", key(name)));
    page.line("path", true, text(&command.path));
    page.list("args", args, "none");
    page.list("deny_args", command.deny_args.iter().map(ToString::to_string), "none");
    page.perhaps("max_args", command.max_args.map(size), "as many as a request may hold");
    page.perhaps("sha256", command.sha256.as_ref().map(|sum| hex(sum)), "whatever the file is");
    page.perhaps("cwd", command.cwd.as_deref().map(text), "where the server is");
    page.names("env", names(&command.env), "none");
    page.perhaps("run_as", command.run_as.clone(), "as the rule says");
    page.perhaps("timeout_s", command.timeout.map(seconds), "none");
}

fn names(variables: &[Variable]) -> impl Iterator<Item = String> {
    variables.iter().map(|(name, _): &(OsString, OsString)| name.to_string_lossy().into_owned())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string does not fail");
        text
    })
}
