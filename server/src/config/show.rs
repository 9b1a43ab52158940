//! The config that holds, as a config file would say it.
//!
//! Every knob is there: what was said somewhere as a line, what is at its default as a line that ends
//! with a comment, what has no value as a comment. So it is a file that means the same, but for what is
//! secret: passwords, credentials and the values of functions' variables are left out and said to be.

use std::fmt::Write as _;
use std::path::Path;

use toml::Value;

use super::{Containers, Deployment, Settings};
use crate::access::Tokens;
use crate::connector::Definition;
use crate::store::Url;

/// What `settings`, `functions` and `connectors` come to.
#[must_use]
pub fn config(settings: &Settings, functions: &[Deployment], connectors: &[Definition]) -> String {
    let mut page = Page(String::new());
    node(&mut page, settings);
    containers(&mut page, &settings.containers);
    db(&mut page, settings);
    for deployment in functions {
        function(&mut page, deployment);
    }
    for Definition { name, side, socket, .. } in connectors {
        page.header(&format!("# [connector.{name}], {} at {}", side.as_str(), socket.path.display()));
    }
    page.0
}

fn node(page: &mut Page, settings: &Settings) {
    let (agent, front) = (settings.agent().config, settings.front());
    let unbound = |max: Option<u64>| number(max.unwrap_or(0));
    let size = |bytes: usize| number(bytes as u64);
    let ms = |duration: std::time::Duration| number(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
    page.header("[node]");
    page.line("listen", settings.listen.is_some(), settings.listen().to_string());
    page.line("tokens", settings.tokens.is_some(), tokens(settings.tokens()));
    page.perhaps("tls_certificate", settings.tls.as_ref().map(|tls| text(&tls.certificate)), "none");
    page.perhaps("tls_key", settings.tls.as_ref().map(|tls| text(&tls.key)), "none");
    page.perhaps("public_url", settings.public_url.clone(), "the host a request was sent to");
    page.line("iofs", settings.iofs.is_some(), text(&agent.iofs_root));
    page.perhaps("memory", agent.memory_mb.map(number), "what the host leaves");
    page.perhaps("cpu_milli", agent.cpu_milli.map(number), "what the host leaves");
    page.line("refuse_when_full", settings.refuse_when_full.is_some(), agent.refuse_when_full);
    let freeze = agent.freeze_idle.map_or(Value::Integer(-1), ms);
    page.line("freeze_idle_ms", settings.freeze_idle_ms.is_some(), freeze);
    page.line("start_timeout_ms", settings.start_timeout_ms.is_some(), ms(agent.start_timeout));
    page.line("end_grace_ms", settings.end_grace_ms.is_some(), ms(agent.end_grace));
    let limits = &agent.limits;
    page.line("request_bytes_max", settings.request_bytes_max.is_some(), unbound(front.request_bytes_max));
    page.line("request_head_bytes_max", settings.request_head_bytes_max.is_some(), size(front.request_head_bytes_max));
    let head = number(front.head_timeout.as_secs());
    page.line("request_head_timeout", settings.request_head_timeout.is_some(), head);
    page.line("response_bytes_max", settings.response_bytes_max.is_some(), unbound(limits.response_bytes_max));
    let head = size(limits.response_head_bytes_max);
    page.line("response_head_bytes_max", settings.response_head_bytes_max.is_some(), head);
    page.line("log_bytes_max", settings.log_bytes_max.is_some(), number(agent.log_bytes_max));
    page.perhaps("cors_origins", settings.cors_origins.clone(), "none");
    page.perhaps("cors_headers", settings.cors_headers.clone(), "none");
    page.line("connections_max", settings.connections_max.is_some(), size(front.connections_max));
    page.line("detached_max", settings.detached_max.is_some(), size(settings.calls().running_max));
    let patience = number(settings.drain_patience().as_secs());
    page.line("drain_patience", settings.drain_patience.is_some(), patience);
    page.line("threads", settings.threads.is_some(), size(settings.threads().get()));
    page.line("state", settings.state.is_some(), text(&settings.state_dir()));
}

fn containers(page: &mut Page, containers: &Containers) {
    let sandbox = containers.sandbox();
    let usual_pull = hotfn::Config::default().pull_timeout;
    let pull = containers.pull_timeout().unwrap_or(usual_pull).as_millis();
    page.header("[containers]");
    page.line("driver", containers.driver.is_some(), containers.driver().to_string());
    let pull = number(u64::try_from(pull).unwrap_or(u64::MAX));
    page.line("pull_timeout_ms", containers.pull_timeout_ms.is_some(), pull);
    let images = containers.images_bytes_max;
    page.line("images_bytes_max", images.is_some(), number(images.unwrap_or_default()));
    page.perhaps("images_exempt", containers.images_exempt.clone(), "none");
    page.perhaps("load", containers.load.as_deref().map(text), "nothing");
    page.line("unprivileged", containers.unprivileged.is_some(), sandbox.unprivileged);
    page.line("read_only", containers.read_only.is_some(), sandbox.read_only);
    page.line("tmp", containers.tmp_mb.is_some(), number(sandbox.tmp_mb));
    page.line("tmp_inodes", containers.tmp_inodes.is_some(), number(sandbox.tmp_inodes));
    page.line("pids", containers.pids.is_some(), number(sandbox.pids));
    let rlimits = &sandbox.rlimits;
    page.line("open_files", containers.open_files.is_some(), number(rlimits.open_files));
    page.line("locked_bytes", containers.locked_bytes.is_some(), number(rlimits.locked_bytes));
    page.line("pending_signals", containers.pending_signals.is_some(), number(rlimits.pending_signals));
    page.line("message_queue_bytes", containers.message_queue_bytes.is_some(), number(rlimits.message_queue_bytes));
    page.line("volumes", containers.volumes.is_some(), sandbox.volumes);
    page.perhaps("networks", containers.networks.clone(), "the driver's own choice");
    page.perhaps("docker_host", containers.docker_host.clone(), "DOCKER_HOST, else the usual sockets");
    page.perhaps("docker_iofs", containers.docker_iofs.as_deref().map(text), "as iofs");
    page.perhaps("docker_label", containers.docker_label.clone(), "none");
    if containers.docker_auth.is_some() {
        page.note("docker_auth", "set by the environment, and not shown");
    }
    page.line("unlimited", containers.unlimited.is_some(), containers.unlimited.unwrap_or_default());
    page.perhaps("runtime", containers.runtime.clone(), "the first that works");
}

fn db(page: &mut Page, settings: &Settings) {
    let url = settings.db();
    page.header("[db]");
    page.line("url", settings.db.is_some(), url.to_string());
    if matches!(url, Url::Postgres(_)) {
        page.note("url", "its user and password are not shown");
    }
}

fn function(page: &mut Page, Deployment { function, triggers, retries }: &Deployment) {
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
    page.line("timeout", function.timeout != usual.timeout, number(function.timeout.as_secs()));
    page.line("idle_timeout", function.idle_timeout != usual.idle_timeout, number(function.idle_timeout.as_secs()));
    page.line("concurrency", function.concurrency != usual.concurrency, count(function.concurrency));
    page.line("min_warm", function.min_warm != usual.min_warm, count(function.min_warm));
    page.line("stock", function.stock != usual.stock, count(function.stock));
    page.perhaps("max_containers", function.max_containers.map(count), "as memory allows");
    page.perhaps("max_calls_per_container", function.max_calls_per_container.map(number), "none");
    page.perhaps("max_age", function.max_age.map(|age| number(age.as_secs())), "none");
    page.perhaps("queue_max", function.queue_max.map(|max| number(max as u64)), "none");
    let wait = function.queue_wait_max.map(|wait| number(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)));
    page.perhaps("queue_wait_max_ms", wait, "none");
    page.perhaps("exec", Some(function.exec.clone()).filter(|exec| !exec.is_empty()), "nothing");
    page.perhaps("retry_attempts", retries.attempts.map(count), "as [calls] says");
    page.perhaps("retry_delay_ms", retries.delay_ms.map(number), "as [calls] says");
    page.perhaps("retry_growth", retries.growth.map(count), "as [calls] says");
    page.perhaps("retry_delay_max_ms", retries.delay_max_ms.map(number), "as [calls] says");
    if !function.config.is_empty() {
        let names: Vec<&str> = function.config.keys().map(String::as_str).collect();
        page.note("config", &format!("{}; values are not shown", names.join(", ")));
    }
    let sources: Vec<String> = triggers.iter().map(|trigger| trigger.source.clone()).collect();
    page.perhaps("triggers", Some(sources).filter(|sources| !sources.is_empty()), "none");
}

/// What is written so far.
struct Page(String);

impl Page {
    fn header(&mut self, header: &str) {
        let gap = if self.0.is_empty() { "" } else { "\n" };
        self.write(&format!("{gap}{header}\n"));
    }

    /// A knob with its value, which somebody has said or which is its default.
    fn line(&mut self, key: &str, was_said: bool, value: impl Into<Value>) {
        let default = if was_said { "" } else { "  # default" };
        self.write(&format!("{key} = {}{default}\n", value.into()));
    }

    /// A knob that may have no value, and what holds then.
    fn perhaps(&mut self, key: &str, value: Option<impl Into<Value>>, otherwise: &str) {
        match value {
            Some(value) => self.line(key, true, value),
            None => self.note(key, otherwise),
        }
    }

    fn note(&mut self, key: &str, what: &str) {
        self.write(&format!("# {key}: {what}\n"));
    }

    fn write(&mut self, text: &str) {
        self.0.write_str(text).expect("writing to a string does not fail");
    }
}

fn tokens(tokens: Tokens) -> &'static str {
    match tokens {
        Tokens::ExceptTriggers => "except-triggers",
        Tokens::Off => "off",
        Tokens::Required => "required",
    }
}

fn number(value: u64) -> Value {
    Value::Integer(i64::try_from(value).unwrap_or(i64::MAX))
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    const FILE: &str = "
        [node]
        listen = \"127.0.0.1:9000\"
        memory = 512
        threads = 3
        state = \"/srv/state\"
        [containers]
        pids = 10
        networks = [\"a\"]
        [db]
        url = \"postgres://me:hunter2@host/name?password=hunter2\"
        [[function]]
        name = \"f\"
        image = \"process:f\"
        stock = 2
        triggers = [\"/f\"]
        config = { TOKEN = \"hunter2\" }
    ";

    fn read(text: &str) -> super::super::Config {
        parse(text, Path::new("/etc/hotfn.toml"), None).unwrap_or_else(|e| panic!("{e}\n{text}"))
    }

    #[test]
    fn what_is_shown_is_a_file_that_means_the_same() {
        let said = read(FILE);
        let shown = config(&said.settings, &said.functions, &[]);
        let again = read(&shown);
        // By now everything was said, and of the variables only that there are some.
        let bare = |text: &str| text.replace("  # default", "").replace("# config: TOKEN; values are not shown\n", "");
        assert_eq!(bare(&shown), bare(&config(&again.settings, &again.functions, &[])));
        assert!(shown.contains("pids = 10\n") && shown.contains("open_files = 350  # default\n"), "{shown}");
        assert!(shown.contains("memory = 512\n") && shown.contains("# cpu_milli: what the host leaves\n"), "{shown}");
    }

    #[test]
    fn nothing_secret_is_shown() {
        let mut said = read(FILE);
        said.settings.containers.docker_auth = Some("hunter2".to_owned());
        let shown = config(&said.settings, &said.functions, &[]);
        assert!(!shown.contains("hunter2") && shown.contains("# docker_auth: set"), "{shown}");
        assert!(shown.contains("# config: TOKEN; values are not shown"), "{shown}");
    }

    #[test]
    fn every_key_of_a_file_is_there() {
        let shown = config(&Settings::default(), &[], &[]);
        // The reader knows them all, and says so when it meets another.
        for table in ["node", "containers", "db"] {
            let e = parse(&format!("[{table}]\nnone_such = 1\n"), Path::new("x"), None).unwrap_err();
            let known = e.what.split('`').skip(3).step_by(2);
            for key in known {
                let (line, note) = (format!("\n{key} = "), format!("\n# {key}: "));
                assert!(shown.contains(&line) || shown.contains(&note), "{table}: {key} is not in\n{shown}");
            }
        }
    }
}
