//! What the binary says to people who get it wrong.

use std::fs;
use std::process::{Command, Output};

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
        vec!["dev", "--help"],
        vec!["invoke", "--help"],
        vec!["run", "--help"],
        vec!["serve", "--help"],
    ] {
        let output = hotfn(&args);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && text.contains("Example") && text.contains("  hotfn "), "{args:?}: {text}");
    }
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
fn a_config_file_is_refused_by_file_line_and_key() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "[[function]]\nname = \"f\"\nimage = \"process:cat\"\nmemory = 9000\n").unwrap();
    let path = file.path().to_str().unwrap();
    let said = format!("{path}:4: memory: 9000 is out of range; it may be 1 to 8192 MB");
    refused(&["serve", "--config", path], 2, &said);
    refused(&["serve", "--config", "/nowhere.toml"], 2, "cannot read the config file /nowhere.toml");
}
