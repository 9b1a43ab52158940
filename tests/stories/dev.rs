//! `hotfn dev`: a change is swapped in, and no call is dropped for it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use hotfn_tests::binaries;
use hotfn_tests::client::{self, held, whole};
use hotfn_tests::node::{Home, Node};
use rustix::process::Signal;
use tempfile::TempDir;

const ADA: &str = r#"{"name":"Ada"}"#;

#[tokio::test]
async fn a_change_is_swapped_in_without_dropping_a_call() {
    let home = Home::of(&[]);
    let folder = project(&home);
    write(&folder, &binaries::program("echo"));
    let node = start(&home, &folder).await;
    assert_eq!(node.invoke("swap", ADA).await.ok().text(), ADA);

    // One call is in flight through the change, others come and go all the while.
    let (body, hold) = held("in flight", " to the end");
    let mut connection = node.connect().await;
    let in_flight = tokio::spawn(async move { connection.call(client::invoke("swap", body)).await });
    let swapped = std::sync::Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let (address, swapped) = (node.address(), swapped.clone());
            tokio::spawn(async move {
                let mut connection = client::Connection::open(address).await.unwrap();
                while !swapped.load(Ordering::Relaxed) {
                    let answer = connection.call(client::invoke("swap", whole(ADA))).await.unwrap().ok().text();
                    assert!(answer == ADA || answer.contains("Hello Ada"), "{answer}");
                }
            })
        })
        .collect();
    write(&folder, &binaries::program("hello"));
    node.says("was rebuilt").await;
    // From here on nothing reaches the version before, though its container is still at work.
    assert!(node.invoke("swap", ADA).await.ok().text().contains("Hello Ada"));
    swapped.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    hold.release();
    assert_eq!(in_flight.await.unwrap().unwrap().ok().text(), "in flight to the end");

    // What cannot be followed is told, and changes nothing.
    fs::write(folder.path().join("func.yaml"), "name: swap\nmemory: lots\n").unwrap();
    node.says("still served").await;
    assert!(node.invoke("swap", ADA).await.ok().text().contains("Hello Ada"));

    node.signal(Signal::INT);
    let (status, said) = node.end().await;
    assert!(status.success(), "{status}\n{said}");
    home.is_bare();
}

/// A folder with a manifest of a function that is a program.
fn project(home: &Home) -> TempDir {
    let folder = TempDir::with_prefix("story-dev-").unwrap();
    let (key, value) = home.mark();
    let manifest = format!("name: swap\nruntime: executable\nformat: http-stream\nconfig:\n  {key}: \"{value}\"\n");
    fs::write(folder.path().join("func.yaml"), manifest).unwrap();
    folder
}

/// Puts `program` in as the function, at once and whole, as editors do.
fn write(folder: &TempDir, program: &Path) {
    let (new, func) = (folder.path().join(".new"), folder.path().join("func"));
    fs::write(&new, format!("#!/bin/sh\nexec {}\n", program.display())).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(new, func).unwrap();
}

async fn start(home: &Home, folder: &TempDir) -> Node {
    let mut command = Command::new(binaries::program("hotfn"));
    command.args(["dev", "--port", "0"]).arg(folder.path()).env("TMPDIR", home.scratch());
    Node::start(&mut command).await
}
