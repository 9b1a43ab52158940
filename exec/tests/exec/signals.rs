//! Cases 13 to 15: signals, and the end of a caller.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::harness::{Served, line_of, runs, soon};

fn kill(child: &Child, signal: Signal) {
    rustix::process::kill_process(Pid::from_child(child), signal).unwrap();
}

/// A client, and the first line that its program prints.
fn started(served: &Served, words: &[&str]) -> (Child, String, BufReader<std::process::ChildStdout>) {
    let mut child = served.client(words).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut from = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    from.read_line(&mut line).unwrap();
    (child, line.trim().to_owned(), from)
}

#[test]
fn case_13_signals_reach_the_group_at_once() {
    let served = Served::by("open");
    let mut fastest = Duration::MAX;
    for (signal, name) in [(Signal::INT, "INT"), (Signal::TERM, "TERM"), (Signal::HUP, "HUP"), (Signal::USR1, "USR1")] {
        // `read` of bash is interrupted by a trap, where `wait` of a child would be by any.
        let script = format!("trap 'echo got {name}; exit 3' {name}; echo ready; sleep 600 & wait");
        let (mut child, ready, mut from) = started(&served, &["sh", "-c", &script]);
        assert_eq!(ready, "ready");
        let began = Instant::now();
        kill(&child, signal);
        let mut line = String::new();
        from.read_line(&mut line).unwrap();
        fastest = fastest.min(began.elapsed());
        assert_eq!(line.trim(), format!("got {name}"));
        assert_eq!(child.wait().unwrap().code(), Some(3));
    }
    assert!(fastest < Duration::from_millis(50), "{fastest:?}");
}

#[test]
fn case_14_nothing_of_a_job_outlives_a_killed_client() {
    let served = Served::by("open");
    let file = |name: &str| served.file(name);
    let script = format!(
        "(setsid sh -c 'echo $$ > {daemon}; trap \"\" TERM HUP; while :; do sleep 0.1; done' >/dev/null 2>&1 &) ; \
         sh -c 'echo $$ > {grandchild}; trap \"\" TERM; while :; do sleep 0.1; done' & echo $$; wait",
        daemon = file("daemon").display(),
        grandchild = file("grandchild").display(),
    );
    let (mut client, child, _from) = started(&served, &["--on-close", "TERM:200", "sh", "-c", &script]);
    let all = [child, line_of(&file("daemon")), line_of(&file("grandchild"))];
    assert!(all.iter().all(|pid| runs(pid)), "{all:?}");
    let began = Instant::now();
    kill(&client, Signal::KILL);
    client.wait().unwrap();
    soon("the whole job to end", || all.iter().all(|pid| !runs(pid)).then_some(()));
    assert!(began.elapsed() < Duration::from_millis(200 + 1_000), "{:?}", began.elapsed());
}

#[test]
fn case_15_first_the_callers_signal_and_only_after_its_grace_kill() {
    let served = Served::by("open");
    let polite = served.file("polite");
    let script = format!("trap 'echo done > {}; exit 0' USR1; echo $$; while :; do sleep 0.01; done", polite.display());
    let (mut client, _, _from) = started(&served, &["--on-close", "USR1:60000", "sh", "-c", &script]);
    kill(&client, Signal::KILL);
    client.wait().unwrap();
    assert_eq!(line_of(&polite), "done");

    let (mut client, deaf, _from) = started(
        &served,
        &["--on-close", "TERM:300", "sh", "-c", "trap '' TERM; echo $$; while :; do sleep 0.01; done"],
    );
    let began = Instant::now();
    kill(&client, Signal::KILL);
    client.wait().unwrap();
    soon("the deaf one to end", || (!runs(&deaf)).then_some(()));
    assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
}

#[test]
fn what_a_finished_command_leaves_behind_ends_after_its_grace_unless_it_may_stay() {
    for (rules, stays) in [("open", false), ("keeping", true)] {
        let served = Served::by(rules);
        let left = served.file("left");
        let script = format!("setsid sh -c 'echo $$ > {}; exec sleep 30' >/dev/null 2>&1 & exit 0", left.display());
        let began = Instant::now();
        assert!(served.run(&["--on-close", "TERM:300", "sh", "-c", &script]).status.success());
        assert!(began.elapsed() < Duration::from_secs(10), "its end is told at once");
        let pid = line_of(&left);
        if stays {
            // Long enough to see that nobody ends it: the server itself is told to end, and does.
            let mut served = served;
            assert_eq!(served.end(Signal::TERM), Some(0));
            assert!(runs(&pid));
            let _ = rustix::process::kill_process(Pid::from_raw(pid.parse().unwrap()).unwrap(), Signal::KILL);
        } else {
            soon("what was left to end", || (!runs(&pid)).then_some(()));
            assert!(began.elapsed() >= Duration::from_millis(300));
        }
    }
}
