//! The end of a function: case 10.

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::served::{Served, names};
use crate::wire::request;

#[test]
fn sigterm_removes_the_names_runs_the_hook_and_exits_with_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut served = Served::new("deeds");
        let mut idle = served.connect();
        assert_eq!(idle.call("print x").status, 200);
        let mut silent = served.connect();
        served.signal(signal);
        assert_eq!(served.wait().code(), Some(0));
        assert!(names(served.dir.path()).is_empty());
        assert!(served.stderr.all().contains("hook ran"));
        assert!(idle.is_closed() && silent.is_closed());
    }
}

#[test]
fn sigterm_lets_calls_in_flight_finish_and_takes_no_new_ones() {
    let mut served = Served::with("deeds", &[("FN_SHUTDOWN_MS", "20000")]);
    let mut wires: Vec<_> = (0..5).map(|_| served.connect()).collect();
    for wire in &mut wires {
        wire.send(request("", "sleep 300"));
    }
    served.stderr.wait_for(&"sleeping\n".repeat(wires.len()));
    served.signal(Signal::TERM);
    for wire in &mut wires {
        let answer = wire.answer();
        assert_eq!((answer.status, answer.text()), (200, "slept"));
        assert!(wire.is_closed());
    }
    assert_eq!(served.wait().code(), Some(0));
    assert!(names(served.dir.path()).is_empty());
}

#[test]
fn calls_that_do_not_end_are_dropped_within_the_budget() {
    let mut served = Served::with("deeds", &[("FN_SHUTDOWN_MS", "400")]);
    let mut wire = served.connect();
    wire.send(request("", "hang"));
    served.stderr.wait_for("hanging");
    let begun = Instant::now();
    served.signal(Signal::TERM);
    assert_eq!(served.wait().code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let said = served.stderr.all();
    assert!(said.contains("dropped") && said.contains("hook ran"), "{said}");
    assert!(wire.try_answer().is_none());
}

#[test]
fn a_hook_that_does_not_end_is_dropped_within_the_budget() {
    let mut served = Served::with("endless-hook", &[("FN_SHUTDOWN_MS", "200")]);
    served.signal(Signal::TERM);
    assert_eq!(served.wait().code(), Some(0));
    assert!(served.stderr.all().contains("shutdown hook"));
}

#[test]
fn sigterm_under_load_breaks_no_answer() {
    let mut served = Served::with("echo", &[("FN_SHUTDOWN_MS", "20000")]);
    thread::scope(|scope| {
        for _ in 0..4 {
            let mut wire = served.connect();
            wire.call("warm");
            scope.spawn(move || {
                loop {
                    if std::io::Write::write_all(&mut wire.get_ref(), &request("", "x".repeat(1000))).is_err() {
                        return;
                    }
                    // Refused whole, or answered whole.
                    match wire.try_answer() {
                        Some(answer) => assert_eq!((answer.status, answer.body.len()), (200, 1000)),
                        None => return assert!(wire.is_closed()),
                    }
                }
            });
        }
        served.signal(Signal::TERM);
    });
    assert_eq!(served.wait().code(), Some(0));
}
