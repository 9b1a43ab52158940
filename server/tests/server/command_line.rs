//! What the binary says to people who get it wrong.

use std::fs;
use std::process::{Command, Output, Stdio};

fn hotfn(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hotfn")).args(args).output().unwrap()
}

#[track_caller]
fn refused(args: &[&str], code: i32, said: &str) {
    let output = hotfn(args);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
    assert!(text.contains(said), "{args:?}: {text}");
}

#[test]
fn every_subcommand_shows_an_example() {
    for args in [
        vec!["--help"],
        vec!["apps", "--help"],
        vec!["command", "call", "--help"],
        vec!["command-server", "--help"],
        vec!["completions", "--help"],
        vec!["connectors", "--help"],
        vec!["deploy", "--help"],
        vec!["dev", "--help"],
        vec!["fns", "--help"],
        vec!["invoke", "--help"],
        vec!["man", "--help"],
        vec!["run", "--help"],
        vec!["serve", "--help"],
        vec!["triggers", "--help"],
    ] {
        let output = hotfn(&args);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && text.contains("Example") && text.contains("  hotfn "), "{args:?}: {text}");
    }
}

#[test]
fn shells_and_readers_are_told_of_every_subcommand() {
    for shell in ["bash", "zsh", "fish"] {
        let script = String::from_utf8(hotfn(&["completions", shell]).stdout).unwrap();
        assert!(script.contains("triggers") && script.contains("max-calls-per-container"), "{shell}");
    }
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man1");
    assert!(hotfn(&["man", pages.to_str().unwrap()]).status.success());
    let page = fs::read_to_string(pages.join("hotfn-triggers-create.1")).unwrap();
    assert!(page.contains("source"), "{page}");
    refused(&["man", "/dev/null/man1"], 1, "cannot write the manual into /dev/null/man1");
}

#[test]
fn wrong_usage_is_told_what_would_be_right() {
    refused(&[], 2, "Usage");
    refused(&["run"], 2, "DIR");
    refused(&["run", "/nowhere"], 2, "/nowhere is not a folder; give the folder that holds the function");
    refused(&["run", "-H", "nonsense", "--", "cat"], 2, "a header is written 'Name: value'");
    refused(&["run", "-e", "nonsense", "--", "cat"], 2, "a variable is written NAME=value");
    refused(&["run", "--format", "grpc", "--", "cat"], 2, "it is one of cloudevent, default, http, http-stream, json");
    refused(&["run", "--timeout", "301", "--", "cat"], 2, "1..=300");
    refused(&["dev", "/nowhere"], 2, "/nowhere is not a folder");
    refused(&["invoke", "ftp://x/"], 2, "write it as http://HOST:PORT/invoke/ID");
    refused(&["invoke", "http://127.0.0.1:1/"], 1, "is a node listening there?");
    refused(&["--log-level", "a=b=c", "invoke", "http://127.0.0.1:1/"], 2, "log level \"a=b=c\"");
}

#[test]
fn a_port_that_is_taken_is_told_with_the_flag_for_another() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hotfn.toml");
    fs::write(&file, "").unwrap();
    let said = format!("cannot listen on {addr}; choose another address with --listen: ");
    let serve = ["serve", "--db", "memory", "--config", file.to_str().unwrap(), "--listen", &addr.to_string()];
    refused(&serve, 1, &said);
    fs::write(folder.path().join("func.yaml"), "runtime: executable\nentrypoint: cat\n").unwrap();
    refused(&["dev", folder.path().to_str().unwrap(), "--port", &addr.port().to_string()], 1, "with --port: ");
}

#[test]
fn a_store_that_cannot_be_used_is_told_with_the_flag_for_another() {
    let listen = ["--listen", "127.0.0.1:0"];
    let serve = |db| ["serve", "--db", db, listen[0], listen[1]];
    refused(
        &serve("sqlite3:///dev/null/fn.db"),
        1,
        "cannot use the store sqlite3:///dev/null/fn.db; choose another with --db",
    );
    refused(&serve("mysql://h/db"), 2, "write memory, sqlite3:///PATH or postgres://USER:PASSWORD@HOST/NAME");
}

#[test]
fn a_function_is_called_once_and_its_words_kept_apart_from_its_answer() {
    let script = "echo to the log >&2; cat; echo \" $NAME\"";
    let output = hotfn(&["run", "--format", "default", "-e", "NAME=Ada", "-d", "hi", "--", "/bin/sh", "-c", script]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "hi Ada\n");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "to the log\n");
    assert_eq!(output.status.code(), Some(0));
    refused(&["run", "--format", "default", "--", "/bin/sh", "-c", "exit 3"], 1, "hotfn: exited: ");
}

#[test]
fn a_reader_who_has_had_enough_is_no_failure() {
    let script = "head -c 10000000 /dev/zero";
    let mut child = Command::new(env!("CARGO_BIN_EXE_hotfn"))
        .args(["run", "--format", "default", "--", "/bin/sh", "-c", script])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_config_file_is_refused_by_file_line_and_key() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "[[function]]\nname = \"f\"\nimage = \"process:cat\"\nmemory = 9000\n").unwrap();
    let path = file.path().to_str().unwrap();
    let said = format!("{path}:4: memory: 9000 is out of range; it may be 1 to 8192 MB");
    refused(&["serve", "--config", path], 2, &said);
    refused(&["serve", "--config", "/nowhere.toml"], 2, "cannot read the config file /nowhere.toml");
}
