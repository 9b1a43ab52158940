//! Who keeps the contract: our kit, agent and server all of it, the kits of others as far as they do.
//!
//! What is told of others is published in `docs/conformance/`. A release of theirs that mends or breaks
//! something shows here first.

mod agents;
mod proxy;

use std::process::Command;

use hotfn_tests::{binaries, peers, program};
use serde_json::Value;

#[test]
fn our_kit_keeps_every_rule_in_every_format() {
    for format in ["http-stream", "default", "http", "json", "cloudevent"] {
        let broken = broken(format, &Command::new(binaries::program("conformance")));
        assert!(broken.is_empty(), "{format}: {broken:#?}");
    }
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
    let report = program::run(&mut hotfn, b"").stdout;
    let report: Value = serde_json::from_slice(&report).expect("the report is JSON");
    unkept(&report)
}

/// The outcomes of a report that do not hold.
fn unkept(report: &Value) -> Vec<Value> {
    let outcomes = report["outcomes"].as_array().expect("a report has outcomes");
    outcomes.iter().filter(|outcome| outcome["verdict"] != "held").cloned().collect()
}
