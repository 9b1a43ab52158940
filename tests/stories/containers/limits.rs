//! Limits hold: what a function must not do is refused inside, and its neighbours go on.

use std::time::{Duration, Instant};

use hotfn::Agent;
use hotfn_protocols::Kind;
use hotfn_tests::processes;

use super::{House, PATIENCE, answer, ask};

/// An agent with a function that does as it is told, and a neighbour.
fn agent(house: &House) -> Agent {
    let agent = house.agent();
    agent.deploy(house.function("f", "faulty"));
    agent.deploy(house.function("neighbour", "echo"));
    agent
}

async fn neighbours_go_on(agent: &Agent) {
    assert_eq!(answer(agent, "neighbour", "fine?").await, "fine?");
    assert_eq!(answer(agent, "f", "reply fine").await, "fine");
}

pub(super) async fn what_a_sandbox_refuses(house: &House) {
    let agent = agent(house);
    for (attempt, expected) in [
        ("write /file", &["Read-only file system"][..]),
        ("write /proc/sys/kernel/hostname", &["Read-only file system", "Permission denied"]),
        ("write /tmp/file", &["done"]),
        ("write /tmp/iofs/file", &["done"]),
        ("fill /tmp/file 4", &["done"]),
        ("fill /tmp/file 64", &["No space left on device"]),
        ("fork 10", &["done"]),
        ("fork 100", &["Resource temporarily unavailable"]),
        ("open 200", &["done"]),
        ("open 1000", &["Too many open files"]),
        ("connect 192.0.2.1:80", &["Network is unreachable"]),
        ("mount", &["Operation not permitted", "Permission denied"]),
        ("raw", &["Operation not permitted", "Permission denied"]),
        ("root", &["Operation not permitted", "Invalid argument"]),
    ] {
        let told = answer(&agent, "f", &format!("try {attempt}")).await;
        assert!(expected.iter().any(|expected| told.contains(expected)), "{attempt}: {told:?}, not {expected:?}");
        neighbours_go_on(&agent).await;
    }
    agent.drain(PATIENCE).await;
}

pub(super) async fn memory_is_held_to_and_told_as_such(house: &House) {
    let agent = agent(house);
    neighbours_go_on(&agent).await;
    for _ in 0..3 {
        let fault = ask(&agent, "f", "leak 500").await.unwrap_err();
        assert_eq!(fault.kind(), Kind::OutOfMemory, "{fault}");
        neighbours_go_on(&agent).await;
    }
    agent.drain(PATIENCE).await;
}

pub(super) async fn a_start_without_memory_is_told_as_such(house: &House) {
    let agent = agent(house);
    let mut greedy = house.function("greedy", "faulty");
    greedy.config.insert("FAULTY_START".to_owned(), "leak 500".to_owned());
    agent.deploy(greedy);
    let fault = ask(&agent, "greedy", "").await.unwrap_err();
    assert!(fault.to_string().contains("out of memory"), "{fault}");
    neighbours_go_on(&agent).await;
    agent.drain(PATIENCE).await;
}

pub(super) async fn a_share_of_a_cpu_is_no_more(house: &House) {
    let agent = house.agent();
    let mut function = house.function("tenth", "faulty");
    function.cpu_milli = 100;
    agent.deploy(function);
    answer(&agent, "tenth", "reply up").await;
    let used = || processes::marked(&house.mark).into_iter().map(processes::cpu).sum::<Duration>();
    let (before, began) = (used(), Instant::now());
    answer(&agent, "tenth", "burn 1500").await;
    // However busy the machine is otherwise, it is a tenth at most, and what a period's edge gives away.
    let (used, took) = (used() - before, began.elapsed());
    assert!(used < took / 4, "{used:?} of {took:?}");
    agent.drain(PATIENCE).await;
}
