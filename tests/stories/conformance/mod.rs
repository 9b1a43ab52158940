//! Who keeps the contract: our kit, agent and server all of it, the kits of others as far as they do.
//!
//! What is told of others is published in `docs/conformance/`. A release of theirs that mends or breaks
//! something shows here first.

mod agents;
mod lies;
mod proxy;

use std::process::{Command, Stdio};

use hotfn_tests::images::Image;
use hotfn_tests::{binaries, peers, processes, program, skipped, soon};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

#[test]
fn our_kit_keeps_every_rule_in_every_format() {
    for format in ["http-stream", "default", "http", "json", "cloudevent"] {
        let broken = broken(format, &Command::new(binaries::program("conformance")));
        assert!(broken.is_empty(), "{format}: {broken:#?}");
    }
}

/// The harness then finds it bound as a platform binds it, and signals its container.
#[test]
fn our_kit_keeps_the_rules_in_an_image() {
    if !agents::has_docker() {
        return skipped("there is no Docker");
    }
    let folder = TempDir::with_prefix("story-").unwrap();
    let (tag, archive) = ("hotfn-stories/conformance:latest", folder.path().join("conformance.tar"));
    let _image = Image::of("conformance").archive(&archive);
    let _ended = program::run(Command::new("docker").args(["load", "--input"]).arg(&archive), b"").well();
    let report = reported(&["--only", "1-16,18-26,36,39-41,47,49,50", tag]);
    assert!(unkept(&report).is_empty(), "{report:#}");
    let report = reported(&["--format", "json", "--only", "201,206,207,210,222-225", tag]);
    assert!(unkept(&report).is_empty(), "{report:#}");
}

/// A function is in a group of its own, which a terminal does not reach.
#[tokio::test]
async fn what_it_started_ends_with_it() {
    let mark = format!("HOTFN_STORY=conformance-{}", std::process::id());
    let (name, value) = mark.split_once('=').unwrap();
    let mut hotfn = Command::new(binaries::program("hotfn"));
    hotfn.args(["conformance", "fdk", "--only", "1", "--", "sleep", "600"]).env(name, value);
    let mut hotfn = hotfn.stdout(Stdio::null()).spawn().unwrap();
    let runs = soon("the function", || (processes::marked(&mark).len() > 1).then(|| processes::marked(&mark))).await;
    assert!(runs.contains(&hotfn.id()), "{runs:?}");
    processes::signal(hotfn.id(), Signal::INT);
    let status = soon("the harness to end", || hotfn.try_wait().unwrap()).await;
    assert_eq!(status.code(), Some(130));
    soon("the function to end", || processes::marked(&mark).is_empty().then_some(())).await;
}

#[test]
fn the_python_kit_of_today_breaks_what_is_published() {
    let Some(python) = peers::Python::find() else { return };
    let command = python.command(&binaries::example("conformance-python").join("func.py"));
    check(&broken("http-stream", &command), &[3, 10, 14, 30, 31, 32, 43]);
}

#[test]
fn the_node_kit_of_today_breaks_what_is_published() {
    let Some(node) = peers::Node::find() else { return };
    let command = node.command(&binaries::example("conformance-node").join("func.js"));
    check(&broken("http-stream", &command), &[9, 10, 14, 22, 37, 43, 46, 51]);
}

fn check(broken: &[Value], published: &[u64]) {
    let numbers: Vec<u64> = broken.iter().filter_map(|outcome| outcome["number"].as_u64()).collect();
    assert_eq!(numbers, published, "{broken:#?}");
}

/// The outcomes of the cases that do not hold for the function that `of` starts.
fn broken(format: &str, of: &Command) -> Vec<Value> {
    let mut hotfn = Command::new(binaries::program("hotfn"));
    hotfn.args(["conformance", "fdk", "--format", format, "--report", "json", "--"]);
    hotfn.arg(of.get_program()).args(of.get_args());
    hotfn.envs(of.get_envs().filter_map(|(name, value)| Some((name, value?))));
    unkept(&report(&mut hotfn))
}

fn reported(words: &[&str]) -> Value {
    report(Command::new(binaries::program("hotfn")).args(["conformance", "fdk", "--report", "json"]).args(words))
}

fn report(hotfn: &mut Command) -> Value {
    let ended = program::run(hotfn, b"");
    serde_json::from_slice(&ended.stdout).unwrap_or_else(|e| panic!("no report ({e}): {}", ended.stderr))
}

/// The outcomes of a report that do not hold.
fn unkept(report: &Value) -> Vec<Value> {
    let outcomes = report["outcomes"].as_array().expect("a report has outcomes");
    outcomes.iter().filter(|outcome| outcome["verdict"] != "held").cloned().collect()
}
