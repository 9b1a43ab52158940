//! The command line: exit codes, and errors that name the next thing to try.

use std::fs;
use std::process::Command;

use hotfn_tests::node::{Function, Home};
use hotfn_tests::{binaries, program};

fn echo() -> String {
    binaries::program("echo").display().to_string()
}

#[test]
fn every_subcommand_helps_with_an_example() {
    let whole = program::hotfn(&["--help"]).well().text();
    for subcommand in ["build", "dev", "invoke", "run", "serve"] {
        assert!(whole.contains(subcommand), "{whole}");
        let help = program::hotfn(&[subcommand, "--help"]).well().text();
        assert!(help.contains(&format!("hotfn {subcommand} ")) && help.to_lowercase().contains("example"), "{help}");
    }
}

#[test]
fn wrong_usage_ends_with_2() {
    let check = |args: &[&str], named: &str| {
        let ended = program::hotfn(args);
        assert_eq!(ended.code, Some(2), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(named), "{args:?}: {}", ended.stderr);
    };
    check(&["run", "--no-such-flag", "--", "true"], "--no-such-flag");
    check(&["run", "--format", "grpc", "--", "true"], "grpc");
    check(&["run"], "Usage");
    check(&["frobnicate"], "frobnicate");
    check(&["build", "."], "--tag");
    check(&["build", ".", "-t", "oci:x"], "that is a place");
    check(&["build", ".", "-t", "Hello"], "lower case");
    check(&["build", ".", "-t", "hello", "-o", "hello"], "that is no place");
    check(&["run", "--timeout", "0", "--", "true"], "--timeout");
}

#[test]
fn what_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().display().to_string();
    let python = binaries::example("hello-python").display().to_string();
    let check = |args: &[&str], named: &str| {
        let ended = program::hotfn(args);
        assert!(matches!(ended.code, Some(1 | 2)), "{args:?}: {:?} {}", ended.code, ended.stderr);
        assert!(ended.stderr.contains(named), "{args:?}: {}", ended.stderr);
    };
    check(&["run", "/no/such/function"], "/no/such/function");
    check(&["run", "--", "/no/such/program"], "/no/such/program");
    check(&["run", "-d", "@/no/such/data", "--", "true"], "/no/such/data");
    check(&["serve", "--config", "/no/such/hotfn.toml"], "/no/such/hotfn.toml");
    check(&["build", "/no/such/function", "-t", "x", "--state", &state], "/no/such/function");
    check(&["build", &python, "-t", "x", "--state", &state], "put a Dockerfile into");
    check(&["dev", "/no/such/function"], "/no/such/function");
    check(&["invoke", "http://127.0.0.1:9/invoke/f"], "127.0.0.1:9");
}

#[test]
fn run_prints_status_and_headers_only_when_asked() {
    let echo = echo();
    let plain = program::hotfn(&["run", "-H", "Content-Type: text/x-story", "-d", "hi", "--", &echo]).well();
    assert_eq!(plain.text(), "hi");
    let whole =
        program::hotfn(&["run", "-i", "-H", "Content-Type: text/x-story", "-d", "hi", "--", &echo]).well().text();
    let (head, body) = whole.split_once("\n\n").expect("a head and a body");
    assert!(head.lines().next().unwrap().contains("200"), "{head}");
    assert!(head.to_lowercase().contains("content-type: text/x-story"), "{head}");
    assert_eq!(body, "hi");
}

#[test]
fn run_takes_data_from_a_file_and_from_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("data");
    fs::write(&file, "from a file").unwrap();
    let echo = echo();
    let at_file = format!("@{}", file.display());
    assert_eq!(program::hotfn(&["run", "-d", &at_file, "--", &echo]).well().text(), "from a file");
    let mut hotfn = std::process::Command::new(binaries::program("hotfn"));
    hotfn.args(["run", "-d", "-", "--", &echo]);
    assert_eq!(program::run(&mut hotfn, b"from standard input").well().text(), "from standard input");
}

#[test]
fn a_fault_ends_run_with_1_and_its_code_and_reason() {
    let ended = program::hotfn(&["run", "--format", "default", "--", "/bin/sh", "-c", "exit 3"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("exited") && ended.stderr.contains('3'), "{}", ended.stderr);
    assert_eq!(ended.text(), "");
}

#[test]
fn run_ends_a_call_that_takes_too_long() {
    let ended = program::hotfn(&["run", "--format", "default", "--timeout", "1", "--", "/bin/sh", "-c", "sleep 60"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("timed_out"), "{}", ended.stderr);
}

#[test]
fn a_config_that_cannot_be_followed_is_refused_by_file_line_and_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hotfn.toml");
    let check = |toml: &str, line: u32, key: &str| {
        fs::write(&file, toml).unwrap();
        let ended = program::hotfn(&["serve", "--config", file.to_str().unwrap(), "--listen", "127.0.0.1:0"]);
        assert!(ended.code.is_some_and(|code| code != 0), "{toml}");
        let place = format!("{}:{line}", file.display());
        assert!(
            ended.stderr.contains(&place) && ended.stderr.contains(key),
            "{toml}\nwants {place} and {key}\n{}",
            ended.stderr
        );
    };
    let function = "[[function]]\napp = \"a\"\nname = \"f\"\nimage = \"process:/bin/cat\"\n";
    check(&format!("{function}tiemout = 5\n"), 5, "tiemout");
    check(&format!("{function}timeout = 0\n"), 5, "timeout");
    check(&format!("{function}format = \"grpc\"\n"), 5, "format");
    check("[[function]]\napp = \"a\"\nname = \"f\"\nimage = \"docker:x\"\n", 4, "image");
    check("[nod]\nlisten = \"127.0.0.1:0\"\n", 1, "nod");
}

#[test]
fn who_never_logged_in_is_nobody_to_a_registry_and_no_fault() {
    let home = tempfile::tempdir().unwrap();
    let mut run = Command::new(binaries::program("hotfn"));
    run.args(["run", "--driver", "oci", "127.0.0.1:1/nobody/hello"]).env_remove("DOCKER_CONFIG");
    let ended = program::run(run.env("HOME", home.path()), b"");
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("pull_failed") && ended.stderr.contains("127.0.0.1:1"), "{}", ended.stderr);
}

#[tokio::test]
async fn invoke_calls_a_node() {
    let home = Home::of(&[Function::new("echo", &binaries::image("echo"))]);
    let node = home.start().await;
    let url = |id: &str| format!("http://{}/invoke/{id}", node.address());
    let call = |id: &str| {
        let url = url(id);
        tokio::task::spawn_blocking(move || program::hotfn(&["invoke", &url, "-d", "over the wire"]))
    };
    assert_eq!(call("echo").await.unwrap().well().text(), "over the wire");
    let ended = call("nobody").await.unwrap();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("unknown_function") || ended.stderr.contains("not found"), "{}", ended.stderr);
}

#[test]
fn a_config_is_checked_whole_and_shown_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hotfn.toml");
    let serve = |args: &[&str], config: &str| {
        fs::write(&file, config).unwrap();
        let mut command = Command::new(binaries::program("hotfn"));
        command.arg("serve").args(args).arg("--config").arg(&file);
        program::run(command.env("FN_DOCKER_AUTH", "hunter2").env("FN_PIDS", ""), b"")
    };
    let wrong =
        serve(&["--check"], "[node]\nmemroy = 1\nthreads = 0\n[db]\nurl = \"mysql://x\"\n[command]\nmode = \"x\"\n");
    assert_eq!((wrong.code, wrong.text().as_str()), (Some(2), ""));
    for said in
        ["toml:2: memroy: ", "toml:3: threads: ", "toml:5: url: ", "toml:7: mode: ", "4 things cannot be followed"]
    {
        assert!(wrong.stderr.contains(said), "{said:?} is not in\n{}", wrong.stderr);
    }
    // A key, a value and a password, none of which is what it should be.
    let secret = "[node]\npublic_url = \"ftp://me:hunter2@h\"\n[exec.command.x]\npath = \"/x\"\nenv = { A = 902020 }\n\
        [[function]]\nname = \"f\"\nimage = \"process:f\"\nconfig = { A = 902020 }\nsecrets = { A = 902020 }\n\
        [command]\nsecret_key = 902020\n";
    let wrong = serve(&["--check"], secret);
    assert_eq!((wrong.code, wrong.text().as_str()), (Some(2), ""));
    for line in ["toml:2: ", "toml:5: ", "toml:9: ", "toml:10: ", "toml:12: "] {
        assert!(wrong.stderr.contains(line), "{line:?} is not in\n{}", wrong.stderr);
    }
    assert!(!wrong.stderr.contains("hunter2") && !wrong.stderr.contains("902020"), "{}", wrong.stderr);
    let right = "[db]\nurl = \"postgres://me:hunter2@host/db\"\n[command]\nsecret_key = \"hunter2hunter2hunter2\"\n\
        env = { A = \"hunter2\" }\ncallback_allow = [\"https://me:hunter2@h\"]\n[exec.command.x]\npath = \"/x\"\n\
        env = { A = \"hunter2\" }\n[[function]]\nname = \"f\"\nimage = \"process:f http://me:hunter2@h\"\n\
        config = { A = \"hunter2\" }\nsecrets = { A = \"hunter2\" }\n";
    assert!(serve(&["--check"], right).well().text().ends_with("nothing to complain about\n"));
    let shown = serve(&["--print-config", "--listen", "127.0.0.1:1"], right).well();
    let text = shown.text();
    assert!(text.contains("listen = \"127.0.0.1:1\"\n") && text.contains("url = \"postgres://host/db\""), "{text}");
    assert!(!text.contains("hunter2") && !shown.stderr.contains("hunter2"), "{text}{}", shown.stderr);
}
