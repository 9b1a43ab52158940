use std::path::Path;

use super::super::command::{self, Lines};
use super::super::{Config, parse};
use super::*;

/// Every table, and everywhere that something secret may stand.
const FILE: &str = r#"
    [node]
    listen = "127.0.0.1:9000"
    public_url = "https://me:hunter2@fn.example"
    memory = 512
    threads = 3
    state = "/srv/state"

    [containers]
    pids = 10
    networks = ["a"]
    docker_host = "tcp://me:hunter2@docker:2375"

    [db]
    url = "postgres://me:hunter2@host/name?password=hunter2"

    [calls]
    record = "all"
    kept_for = 60
    retry_attempts = 7

    [[exec.rule]]
    function = "shop/f"
    commands = ["git"]
    env = ["LANG", "PGPASSWORD=hunter2"]

    [[exec.rule]]
    uid = [0, "unknown"]
    gid = [50]
    paths = ["/usr/bin/*"]
    any = true
    env = "server"
    cwd = ["/srv/**"]
    run_as = "caller"
    timeout_s = 600
    orphans = "keep"

    [exec.command.git]
    path = "/usr/bin/git"
    args = ["-c", "http.proxy=http://me:hunter2@proxy"]
    sha256 = "00ff000000000000000000000000000000000000000000000000000000000000"
    env = { GIT_TOKEN = "hunter2" }

    [command]
    bind = "127.0.0.1:1,unix:/run/command.sock"
    secret_key = "hunter2hunter2hunter2"
    secret_key_previous = "hunter2hunter2hunter2!"
    mode = "list"
    allow_from = "10.0.0.0/8,fd00::/8,192.168.0.1"
    trusted_users = "root"
    callback_allow = ["https://me:hunter2@back.example/?key=hunter2"]
    env = { TOKEN = "hunter2" }
    exact = { "git pull" = "git" }
    failure_status = 500
    max_run_s = 60

    [[command.key]]
    name = "ops"
    secret_key = "hunter2hunter2hunter2?"
    mode = "shell"
    commands = ["git"]
    max_run_s = 5

    [[function]]
    name = "f"
    image = "process:f --to http://me:hunter2@h"
    stock = 2
    rate = 20
    burst = 5
    triggers = ["/f"]
    config = { TOKEN = "hunter2" }
    secrets = { KEY = "hunter2" }

    [[function]]
    name = "bare"
    image = "process:bare"

    [connector.lines]
    type = "unix_socket_client"
    codec = { name = "json", config = { mode = "sorted" } }
    preprocessors = ["separate"]
    config = { path = "/run/lines.sock", permissions = "=640" }
    allow = ["uid:1", "gid:2"]
    call = { from = "$.fn" }
    to = ["reply", "file:/seen.log"]
    deadline_ms = 5
    reconnect = { retry = { interval_ms = 100, max_retries = 3 } }

    [connector.many]
    type = "unix_socket_server"
    codec = "string"
    path = "systemd:many"
    socket = "seqpacket"
    call = "shop/f"
    batch = { max_events = 7 }
"#;

struct Read {
    config: Config,
    commands: Option<Commands>,
}

fn read(text: &str) -> Read {
    let place = Path::new("/etc/hotfn.toml");
    let commands = command::parse(text, place, &Lines::default()).unwrap_or_else(|e| panic!("{e}\n{text}"));
    Read { config: parse(text, place, None).unwrap_or_else(|e| panic!("{e}\n{text}")), commands }
}

impl Read {
    fn shown(&self) -> String {
        let Config { settings, functions, exec, connectors } = &self.config;
        Effective { settings, exec, commands: self.commands.as_ref(), functions, connectors }.to_string()
    }
}

#[test]
fn what_is_shown_is_a_file_that_means_the_same() {
    let shown = read(FILE).shown();
    // A key is the one thing that a table cannot be without.
    let again = read(&shown.replace("# secret_key: set, and not shown", "secret_key = \"another key\"")).shown();
    // By now everything was said, and of what is not shown nothing.
    let bare = |text: &str| {
        let is_said = |line: &&str| !line.contains("not shown") && !line.ends_with(": none");
        text.lines().filter(is_said).map(|line| line.replace("  # default", "")).collect::<Vec<_>>()
    };
    assert_eq!(bare(&shown), bare(&again));
    for line in [
        "pids = 10",
        "open_files = 350  # default",
        "memory = 512",
        "# cpu_milli: what the host leaves",
        "kept_for = 60",
        "retry_attempts = 7",
        "retry_growth = 3  # default",
        "uid = [0, \"unknown\"]",
        "allow_from = [\"10.0.0.0/8\", \"fd00::/8\", \"192.168.0.1/32\"]",
        "exact = { \"git pull\" = \"git\" }",
        "max_jobs = 1000  # default",
        "rate = 20",
        "burst = 5",
        "permissions = \"=640\"",
        "in_flight = 1  # default",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line} is not in\n{shown}");
    }
}

#[test]
fn nothing_secret_is_shown() {
    let mut said = read(FILE);
    said.config.settings.containers.docker_auth = Some("hunter2".to_owned());
    let shown = said.shown();
    assert!(!shown.contains("hunter2"), "{shown}");
    for line in [
        "# docker_auth: set by the environment, and not shown",
        "# config: TOKEN; values are not shown",
        "# secrets: KEY; values are not shown",
        "# env: PGPASSWORD; values are not shown",
        "# env: GIT_TOKEN; values are not shown",
        "# env: TOKEN; values are not shown",
        "# secret_key_previous: set, and not shown",
        "url = \"postgres://host/name\"",
        "public_url = \"https://…@fn.example\"",
        "callback_allow = [\"https://…@back.example/?…\"]",
        "image = \"process:f --to http://…@h\"",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line} is not in\n{shown}");
    }
    assert_eq!(shown.matches("# secret_key: set, and not shown").count(), 2, "{shown}");
}

#[test]
fn what_is_not_there_is_said_to_be_absent() {
    let shown = read("").shown();
    for line in ["# [[exec.rule]]: ", "# [exec.command.NAME]: ", "# [command]: "] {
        assert!(shown.contains(line), "{line} is not in\n{shown}");
    }
}

#[test]
fn every_key_of_a_file_is_there() {
    let shown = read(FILE).shown();
    for (header, needed) in [
        ("[node]", ""),
        ("[containers]", ""),
        ("[db]", ""),
        ("[calls]", ""),
        ("[[exec.rule]]", ""),
        ("[exec.command.git]", ""),
        ("[command]", ""),
        ("[[command.key]]", ""),
        ("[[function]]", ""),
        ("[connector.lines]", "type = \"unix_socket_server\"\ncodec = \"json\"\npath = \"s\"\n"),
    ] {
        let begin = shown.find(&format!("{header}\n")).unwrap_or_else(|| panic!("no {header} in\n{shown}"));
        let section = shown[begin..].split("\n\n").next().unwrap();
        let known = known(&format!("{header}\n{needed}none_such = 1\n"));
        assert!(!known.is_empty(), "{header}");
        for key in known {
            let (line, note) = (format!("\n{key} = "), format!("\n# {key}: "));
            assert!(section.contains(&line) || section.contains(&note), "{key} is not in\n{section}");
        }
    }
}

/// The keys that a table's reader knows: it lists them when it meets another.
fn known(text: &str) -> Vec<String> {
    let place = Path::new("hotfn.toml");
    let commands = command::parse(text, place, &Lines::default()).map(drop);
    let refused = parse(text, place, None).map(drop).and(commands);
    let what = refused.unwrap_err().what;
    assert!(what.starts_with("unknown "), "{text}: {what}");
    let quoted = what.split('`').skip(1).step_by(2).map(str::to_owned);
    // A connector's `config` is but another place for keys that are there anyway.
    let is_place = |key: &str| text.contains("connector") && key == "config";
    quoted.filter(|key| key != "none_such" && !is_place(key)).collect()
}
