//! Every room names only its neighbours.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use hotfn_tests::{binaries, program};
use serde_json::Value;

/// Which rooms each room may know: the table of `ARCHITECTURE.md`. A room that is missing here may
/// know none.
const KNOWS: &[(&str, &[&str])] = &[
    ("hotfn", &["hotfn-exec", "hotfn-images", "hotfn-protocols", "hotfn-socket"]),
    ("hotfn-conformance", &["hotfn-protocols"]),
    ("hotfn-exec", &["hotfn-socket"]),
    ("hotfn-fdk", &["hotfn-exec", "hotfn-protocols", "hotfn-socket"]),
    ("hotfn-images", &[]),
    ("hotfn-protocols", &[]),
    (
        "hotfn-server",
        &["hotfn", "hotfn-conformance", "hotfn-exec", "hotfn-fdk", "hotfn-images", "hotfn-protocols", "hotfn-socket"],
    ),
    ("hotfn-socket", &[]),
    // An embedder as any other, and functions as anybody's.
    ("hotfn-benches", &["hotfn", "hotfn-fdk", "hotfn-protocols"]),
    // Functions stand outside the house: they know what any user's function would.
    ("echo", &["hotfn-fdk"]),
    ("conformance", &["hotfn-fdk"]),
    ("faulty", &["hotfn-fdk"]),
    ("gateway", &["hotfn-fdk"]),
    ("hello", &["hotfn-fdk"]),
    ("slow", &["hotfn-fdk"]),
    ("stream", &["hotfn-fdk"]),
    // The function of the harness stands with it.
    ("witness", &["hotfn-conformance"]),
];

#[test]
fn every_room_knows_only_its_neighbours() {
    let knows: BTreeMap<&str, BTreeSet<&str>> =
        KNOWS.iter().map(|(room, of)| (*room, of.iter().copied().collect())).collect();
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    let ours: BTreeSet<&str> = packages.iter().map(|package| package["name"].as_str().unwrap()).collect();
    for room in knows.keys() {
        assert!(ours.contains(room), "{room} is in the table but not in the workspace");
    }
    let mut strangers = Vec::new();
    for package in packages {
        let room = package["name"].as_str().unwrap();
        for dependency in package["dependencies"].as_array().unwrap() {
            let name = dependency["name"].as_str().unwrap();
            // What a test leans on ships nowhere.
            let ships = dependency["kind"].as_str() != Some("dev");
            if ships && ours.contains(name) && !knows.get(room).is_some_and(|of| of.contains(name)) {
                strangers.push(format!("{room} -> {name}"));
            }
        }
    }
    assert!(strangers.is_empty(), "rooms know what they must not: {strangers:?}");
}

fn metadata() -> Value {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--no-deps", "--format-version", "1", "--offline"]).current_dir(binaries::root());
    serde_json::from_slice(&program::run(&mut cargo, b"").well().stdout).unwrap()
}
