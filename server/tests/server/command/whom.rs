//! Case 23, and what it takes: as whom commands run, and how all of them end.

use std::sync::Arc;
use std::time::Duration;

use hotfn_exec::pen::{Field, Mark, Remains};
use hotfn_exec::rules::{self, Commands, Machine, User, World as _};
use hotfn_server::command::{Bounds, Caller, Config, Key, Mode, Strays};
use serde_json::json;

use super::sidecar::{Ask, KEY, Sidecar, config, eventually, key, runs, told};
use crate::{is_root, skipped, soon};

/// Who one is, in lines.
const WHO: &str = "id -u; id -g; id -G; echo $HOME $USER $LOGNAME; pwd; \
    grep -E '^(CapEff|CapPrm|NoNewPrivs):' /proc/self/status | cut -f 2";

fn nobody() -> User {
    Machine.user("nobody").unwrap()
}

/// Somebody whom this machine does not know.
fn stranger(home: &std::path::Path) -> User {
    User {
        uid: 47_110,
        gid: 47_111,
        groups: vec![47_112, 47_113],
        name: "stranger".to_owned(),
        home: home.to_owned(),
        shell: "/bin/sh".into(),
    }
}

#[tokio::test]
async fn case_23_a_command_is_the_users_alone() {
    if !is_root() {
        return skipped("becoming another user takes root");
    }
    let sidecar = Sidecar::start(Config { user: Some(nobody()), ..config() }).await;
    let User { uid, gid, home, .. } = nobody();
    let none = "0000000000000000\n0000000000000000\n1\n";
    let expected = format!("{uid}\n{gid}\n{gid}\n{} nobody nobody\n/\n{none}", home.display());
    assert_eq!(sidecar.output(WHO).await, expected, "none of root's groups, and nothing to regain");

    let home = tempfile::tempdir().unwrap();
    std::fs::set_permissions(home.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let sidecar = Sidecar::start(Config { user: Some(stranger(home.path())), ..config() }).await;
    let place = home.path().display();
    let expected = format!("47110\n47111\n47111 47112 47113\n{place} stranger stranger\n{place}\n{none}");
    assert_eq!(sidecar.output(WHO).await, expected, "the user's own groups, home and place");
    assert_eq!(sidecar.output("kill -0 $PPID || echo not ours").await, "not ours\n");
}

#[tokio::test]
async fn a_key_or_a_listed_command_may_have_a_user_of_its_own() {
    if !is_root() {
        return skipped("becoming another user takes root");
    }
    let of_user = |user| Caller { user, ..Caller::new("theirs") };
    let theirs = Arc::new(Key {
        caller: Arc::new(of_user(Some(nobody()))),
        ..(*key("theirs", "another key of mine", Mode::Shell)).clone()
    });
    let listed = rules::Command {
        run_as: Some("nobody".to_owned()),
        args: vec!["-u".into()],
        ..rules::Command::new("/usr/bin/id")
    };
    let ghost = rules::Command { run_as: Some("no-such-user".to_owned()), ..listed.clone() };
    let slow = rules::Command { timeout: Some(Duration::from_millis(50)), ..rules::Command::new("/bin/sleep") };
    let commands =
        Commands::from_iter([("who".to_owned(), listed), ("ghost".to_owned(), ghost), ("sleep".to_owned(), slow)]);
    let list = key("list", "a key for the list", Mode::List);
    let sidecar =
        Sidecar::start(Config { keys: vec![key("default", KEY, Mode::Shell), theirs, list], commands, ..config() })
            .await;
    let ask = async |key, command: &str| {
        let body = json!({ "command": command }).to_string();
        told(sidecar.send(&Ask { key, ..Ask::shell(&body) }).await)
    };
    let uid = nobody().uid;
    assert_eq!(ask(KEY, "id -u").await.1["data"]["stdout"], "0\n");
    assert_eq!(ask("another key of mine", "id -u").await.1["data"]["stdout"], format!("{uid}\n"));
    assert_eq!(ask("a key for the list", "who").await.1["data"]["stdout"], format!("{uid}\n"));
    let (status, answer) = ask("a key for the list", "ghost").await;
    assert_eq!((status, answer["reason"].as_str()), (400, Some("CannotStart")), "{answer}");
    let (_, answer) = soon(ask("a key for the list", "sleep 600")).await;
    assert_eq!(answer["data"]["timedOut"], true, "{answer}");
}

/// What has left its group and wiped its environment is found by its control group alone.
#[tokio::test]
async fn what_hides_ends_with_its_command_all_the_same() {
    let mark = Mark { family: "hotfn-test", label: "HOTFN_TEST" };
    if Field::ours(mark, Remains::Leave).is_none() {
        return eprintln!("SKIPPED: no control group of version 2 may be made here");
    }
    let hidden = "env -i setsid sh -c 'echo $$; exec sleep 600' &";
    let bounds = Bounds { end_grace: Duration::from_millis(50), ..Bounds::default() };
    let hasty = Bounds { run_max: Some(Duration::from_millis(300)), ..bounds };
    let sidecar = Sidecar::start(Config { bounds: hasty, ..config() }).await;
    let (_, answer) = soon(sidecar.shell(&json!({ "command": format!("{hidden} wait") }).to_string())).await;
    let pid = answer["data"]["stdout"].as_str().unwrap();
    assert!(answer["data"]["timedOut"] == true && pid.trim().parse::<u32>().is_ok(), "{answer}");
    assert!(!runs(pid), "time was up");

    let sidecar = Sidecar::start(Config { bounds, ..config() }).await;
    let (_, answer) = sidecar.shell(&json!({ "command": format!("{hidden} wait"), "wait": false }).to_string()).await;
    let path = format!("/shell/{}", answer["data"]["id"].as_str().unwrap());
    let pid = soon(async {
        loop {
            let (_, answer) = sidecar.get("GET", &path).await;
            if let Some(pid) = answer["data"]["stdout"].as_str().filter(|text| text.ends_with('\n')) {
                return pid.to_owned();
            }
        }
    })
    .await;
    assert!(runs(&pid));
    soon(sidecar.get("DELETE", &path)).await;
    assert!(!runs(&pid), "it was ended");

    let strict = Sidecar::start(Config { strays: Strays::Kill, ..config() }).await;
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path().join("pid");
    let leaves = format!("({hidden}) > {0}; until [ -s {0} ]; do sleep 0.01; done; cat {0}", here.display());
    let pid = strict.output(&leaves).await;
    eventually("the stray's end", || (!runs(&pid)).then_some(())).await;
}

#[tokio::test]
async fn what_happened_is_counted() {
    let sidecar = Sidecar::start(config()).await;
    sidecar.output("true").await;
    assert_eq!(sidecar.send(&Ask { key: "another key of mine", ..Ask::shell("{}") }).await.status, 401);
    let tally = sidecar.service.tally();
    assert_eq!((tally.done(), tally.refused(hotfn_server::command::Reason::Unauthorized)), (1, 1));
    let mut registry = prometheus_client::registry::Registry::default();
    tally.register(&mut registry);
    let shown = || {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text
    };
    let counted = || shown().contains("\nhotfn_command_duration_seconds_count 1\n").then_some(());
    eventually("the command to be counted", counted).await;
    assert!(shown().contains("\nhotfn_command_running 0\n"), "{}", shown());
}
