//! Our agent and server keep every rule; one that breaks a rule is caught by its case.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use hotfn_tests::node::Home;
use hotfn_tests::{binaries, program};
use serde_json::{Value, json};

use super::proxy::{Lie, Passage, in_front_of};

/// Room for the hundred callers of one case, each with a container of 64 MB.
const NODE: [(&str, i64); 2] = [("memory", 16_384), ("cpu_milli", 64_000)];

/// Rules broken, by the case that must find each.
const AGENT: &[(u16, Lie)] = &[
    (56, refused),
    (57, refused),
    (58, refused),
    (59, refused),
    (60, served),
    (61, served),
    (62, served),
    (63, served),
    (64, |p| p.status = if p.status == 504 { 502 } else { p.status }),
    (65, served),
    (66, served),
    (67, refused),
    (72, |p| p.edit(|b| b["environment"]["FN_DB_URL"] = "secret".into())),
    (72, |p| p.edit(|b| b["environment"]["FN_TYPE"] = Value::Null)),
    (73, |p| p.edit(|b| b["environment"]["FN_FORMAT"] = "forged".into())),
    (74, |p| p.edit(|b| b["environment"]["BOTH"] = "app".into())),
    (79, |p| p.set("line", "POST /invoke/x HTTP/1.1")),
    (80, |p| p.seen(|h| replace(h, "fn-call-id", "01OTHER"))),
    (81, |p| p.seen(|h| replace(h, "fn-deadline", "2099-01-01T00:00:00Z"))),
    (82, |p| p.seen(|h| replace(h, "fn-deadline", "2099-01-01T00:00:00Z"))),
    (83, |p| p.seen(|h| add(h, "Keep-Alive", "timeout=5"))),
    (84, |p| p.seen(|h| add(h, "X-Hop", "1"))),
    (85, |p| p.seen(|h| h.retain(|(name, value)| !(name.eq_ignore_ascii_case("x-twice") && value == "1")))),
    (86, |p| p.set("body_sum", 7)),
    (87, |p| p.body.truncate(2)),
    (88, each_its_own),
    (88, served),
    (89, each_its_own),
    (90, always_the_same),
    (90, served),
    (91, |p| p.status = if p.is_call() { 103 } else { p.status }),
    (92, always_the_same),
    (92, served),
    (93, always_the_same),
    (94, always_the_same),
    (97, |p| p.status = 200),
    (100, always_the_same),
    (101, |p| p.body = if p.is_call() { b"forged".to_vec() } else { std::mem::take(&mut p.body) }),
    (102, each_its_own),
    (104, |p| add(&mut p.headers, "X-Late", "1")),
    (105, |p| p.headers.retain(|(name, _)| name != "content-type")),
    (106, |p| add(&mut p.headers, "Fn-Call-Id", "01FORGED")),
    (107, always_the_same),
    (108, |p| p.set("together_max", 2)),
    (109, each_its_own),
    (110, always_the_same),
    (111, always_the_same),
    (112, each_its_own),
    (113, always_the_same),
    (116, refused),
];

const SERVER: &[(u16, Lie)] = &[
    (130, |p| p.seen(|h| replace(h, "fn-intent", "cloudevent"))),
    (131, |p| p.seen(|h| replace(h, "fn-http-method", "GET"))),
    (132, refused),
    (133, |p| add(&mut p.headers, "X-Bare", "1")),
    (134, refused),
    (135, served),
    (136, served),
    (137, refused),
    (138, |p| p.seen(|h| h.retain(|(name, _)| !name.eq_ignore_ascii_case("fn-http-h-fn-intent")))),
    (139, |p| p.status = 200),
    (140, |p| p.edit(|b| b["created_at"] = Value::Null)),
    (141, |p| p.status = if p.status == 409 { 400 } else { p.status }),
    (142, |p| p.status = if p.status == 400 { 200 } else { p.status }),
    (143, |p| p.status = if p.asked.starts_with("POST /v2/triggers") { 400 } else { p.status }),
    (144, |p| p.edit(|b| b["config"]["A"] = "".into())),
    (145, |p| p.edit(|b| b["annotations"]["b"] = "x".into())),
    (146, |p| p.status = 200),
    (147, |p| p.edit(|b| b["annotations"]["fnproject.io/fn/invokeEndpoint"] = "http://elsewhere/".into())),
    (148, |p| p.edit(|b| b["next_cursor"] = Value::Null)),
    (149, |p| p.status = if p.status == 404 { 200 } else { p.status }),
    (150, |p| p.status = if p.status == 400 { 200 } else { p.status }),
    (151, |p| p.status = if p.status == 409 { 200 } else { p.status }),
    (153, |p| p.status = if p.status == 410 { 404 } else { p.status }),
];

#[tokio::test]
async fn our_agent_and_server_keep_every_rule() {
    let home = Home::with(&NODE, &[]);
    let node = home.start().await;
    for subject in ["agent", "server"] {
        let broken = super::unkept(&report(subject, node.address(), None));
        assert!(broken.is_empty(), "{subject}: {broken:#?}");
    }
}

/// Else it would be the go-between that is caught, and not the lie.
#[tokio::test]
async fn without_a_lie_the_go_between_is_not_noticed() {
    let home = Home::with(&NODE, &[]);
    let node = home.start().await;
    for (subject, mutants) in [("agent", AGENT), ("server", SERVER)] {
        let kept = shared_out(mutants, |case, _| {
            super::unkept(&report(subject, in_front_of(node.address(), |_| ()), Some(case))).is_empty()
        });
        let noticed: Vec<u16> = kept.into_iter().filter_map(|(case, kept)| (!kept).then_some(case)).collect();
        assert!(noticed.is_empty(), "{subject}: {noticed:?} notice the go-between");
    }
}

#[tokio::test]
async fn an_agent_that_breaks_a_rule_is_caught() {
    caught("agent", AGENT).await;
}

#[tokio::test]
async fn a_server_that_breaks_a_rule_is_caught() {
    caught("server", SERVER).await;
}

#[test]
fn every_case_of_agents_and_servers_can_fail() {
    for (subject, mutants) in [("agent", AGENT), ("server", SERVER)] {
        let list = program::hotfn(&["conformance", subject, "--base", "127.0.0.1:1", "--list"]).well().text();
        let numbers = list.lines().filter_map(|line| line.split_whitespace().next()?.parse::<u16>().ok());
        let without: Vec<_> = numbers.filter(|number| !mutants.iter().any(|(case, _)| case == number)).collect();
        assert!(without.is_empty(), "no mutant for {without:?}");
    }
}

async fn caught(subject: &'static str, mutants: &'static [(u16, Lie)]) {
    let home = Home::with(&NODE, &[]);
    let node = home.start().await;
    let agent = node.address();
    let kept = shared_out(mutants, |case, lie| {
        super::unkept(&report(subject, in_front_of(agent, lie), Some(case))).is_empty()
    });
    let missed: Vec<u16> = kept.into_iter().filter_map(|(case, kept)| kept.then_some(case)).collect();
    assert!(missed.is_empty(), "{subject}: {missed:?} hold for one that breaks them");
}

/// Does `run` with each mutant, several at a time.
fn shared_out(mutants: &[(u16, Lie)], run: impl Fn(u16, Lie) -> bool + Sync) -> Vec<(u16, bool)> {
    let run = |(case, lie): &(u16, Lie)| (*case, run(*case, *lie));
    let run = &run;
    thread::scope(|scope| {
        let shares = mutants.chunks(mutants.len().div_ceil(WORKERS));
        let running: Vec<_> =
            shares.map(|share| scope.spawn(move || share.iter().map(run).collect::<Vec<_>>())).collect();
        running.into_iter().flat_map(|thread| thread.join().expect("a run of the harness ends")).collect()
    })
}

/// Runs of the harness at a time: they mostly wait.
const WORKERS: usize = 8;

fn report(subject: &str, address: SocketAddr, case: Option<u16>) -> Value {
    let mut hotfn = std::process::Command::new(binaries::program("hotfn"));
    hotfn.args(["conformance", subject, "--report", "json", "--base", &address.to_string()]);
    if let Some(case) = case {
        hotfn.args(["--only", &case.to_string()]);
    }
    serde_json::from_slice(&program::run(&mut hotfn, b"").stdout).expect("the report is JSON")
}

/// Every call fails.
fn refused(passage: &mut Passage) {
    if passage.is_call() {
        passage.status = 502;
    }
}

/// No call fails.
fn served(passage: &mut Passage) {
    if passage.is_call() {
        passage.status = 200;
    }
}

/// All calls seem to be served by one container.
fn always_the_same(passage: &mut Passage) {
    passage.set("container", "the-one");
}

/// Each call seems to be served by a new one.
fn each_its_own(passage: &mut Passage) {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    passage.set("container", json!(COUNT.fetch_add(1, Ordering::Relaxed).to_string()));
}

fn replace(headers: &mut [(String, String)], name: &str, with: &str) {
    for (_, value) in headers.iter_mut().filter(|(given, _)| given.eq_ignore_ascii_case(name)) {
        with.clone_into(value);
    }
}

fn add(headers: &mut Vec<(String, String)>, name: &str, value: &str) {
    headers.push((name.to_owned(), value.to_owned()));
}
