//! Nothing is left of what is gone.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use hotfn_tests::{processes, until};
use rustix::process::Signal;

use super::{House, PATIENCE, answer, log, soon};

/// The driver and the folder of an agent that is there to be killed.
const ENV_HOUSE: &str = "HOTFN_STORY_HOUSE";
const ENV_FOLDER: &str = "HOTFN_STORY_FOLDER";
/// The test that is that agent.
const VICTIM: &str = "containers::leaks::an_agent_to_be_killed";

pub(super) async fn what_was_made_by_halves_is_removed(house: &House) {
    let spec = house.spec("").await;
    let node = spec.node.clone();
    let left = async || {
        soon(house.driver.settled()).await;
        house.driver.sweep(&node).await.unwrap()
    };

    // Whoever waits for it leaves at once, soon, and when it is made.
    drop(house.driver.create(spec.clone()));
    assert_eq!(left().await, 0, "left before it was made");
    let created = house.driver.create(spec.clone()).await.unwrap();
    drop(created);
    assert_eq!(left().await, 0, "left when it was made");
    house.driver.create(spec.clone()).await.unwrap().discard().await;
    assert_eq!(left().await, 0, "discarded");

    let (sink, _lines) = log();
    let created = house.driver.create(spec.clone()).await.unwrap();
    drop(created.start(sink.clone()));
    assert_eq!(left().await, 0, "left while it started");
    let container = house.driver.create(spec.clone()).await.unwrap().start(sink).await.unwrap();
    container.freeze().await.unwrap();
    drop(container);
    assert_eq!(left().await, 0, "left when it ran, and was frozen");
    until("the last process to go", PATIENCE, || processes::marked(&house.mark).is_empty().then_some(())).await;
}

pub(super) async fn of_a_killed_agent_nothing_is_left(house: &House) {
    // Somebody else's, who lives.
    let (sink, _lines) = log();
    let theirs = house.driver.create(house.spec("").await).await.unwrap().start(sink).await.unwrap();
    let alive = processes::marked(&house.mark);

    let mut victim = Command::new(std::env::current_exe().unwrap());
    victim.args(["--exact", VICTIM, "--ignored", "--nocapture"]).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut victim = victim.env(ENV_HOUSE, house.kind).env(ENV_FOLDER, house.folder.path()).spawn().unwrap();
    let lines = BufReader::new(victim.stdout.take().unwrap());
    let mark = tokio::task::spawn_blocking(|| {
        lines.lines().map_while(Result::ok).find_map(|line| Some(line.split_once("up with ")?.1.to_owned()))
    });
    let mark = soon(mark).await.unwrap().expect("it says its mark");
    assert!(!processes::marked(&mark).is_empty());
    processes::signal(victim.id(), Signal::KILL);
    victim.wait().unwrap();

    let agent = house.agent();
    until("what is left of it to go", PATIENCE, || processes::marked(&mark).is_empty().then_some(())).await;
    agent.deploy(house.function("f", "echo"));
    assert_eq!(answer(&agent, "f", "hello").await, "hello");
    agent.drain(PATIENCE).await;
    assert_eq!(std::fs::read_dir(house.path("iofs")).unwrap().count(), 0, "directories of containers");

    assert_eq!(processes::marked(&house.mark), alive, "somebody else's");
    soon(theirs.end(PATIENCE)).await;
}

/// Not a story: what one of them starts, to kill it.
#[tokio::test]
#[ignore = "a story starts it"]
async fn an_agent_to_be_killed() {
    let Ok(kind) = std::env::var(ENV_HOUSE) else { return };
    let mut house = House::named(&kind).await.unwrap();
    let folder = std::path::PathBuf::from(std::env::var_os(ENV_FOLDER).unwrap());
    let images = std::mem::replace(&mut house.folder, tempfile::TempDir::new_in(&folder).unwrap());
    drop(images);
    let agent = house.agent_in(&folder);
    for id in ["idle", "busy"] {
        agent.deploy(house.function(id, if id == "idle" { "echo" } else { "faulty" }));
    }
    answer(&agent, "idle", "hello").await;
    answer(&agent, "busy", "reply up").await;
    println!("up with {}", house.mark);
    answer(&agent, "busy", "hang").await;
}
