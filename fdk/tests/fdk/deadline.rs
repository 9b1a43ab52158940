//! The end of a call that takes too long, or that nobody waits for any more: case 23.

use std::time::{Duration, Instant, SystemTime};

use hotfn_fdk::Deadline;

use crate::served::Served;
use crate::wire::request;

fn deadline_in(timeout: Duration) -> String {
    let deadline = Deadline::from_clocks(Instant::now(), SystemTime::now(), timeout);
    format!("Fn-Deadline: {}\r\n", deadline.to_rfc3339_millis())
}

#[test]
fn a_handler_that_is_still_at_work_is_dropped_before_the_deadline() {
    // Early enough that a busy machine is still in time.
    let mut served = Served::with("deeds", &[("FN_DEADLINE_EARLY_MS", "1500")]);
    let (begun, timeout) = (Instant::now(), Duration::from_millis(1700));
    let answer = served.call_with(&deadline_in(timeout), "hang");
    assert_eq!(answer.status, 504);
    assert!(begun.elapsed() >= Duration::from_millis(150) && begun.elapsed() < timeout, "{:?}", begun.elapsed());
    assert!(answer.header("fn-fdk-version").is_some());
    served.stderr.wait_for("dropped");
    assert_eq!(served.call("print x").status, 200);
    assert!(served.is_alive());
}

#[test]
fn by_default_it_has_nearly_all_of_its_time() {
    let served = Served::new("deeds");
    let begun = Instant::now();
    assert_eq!(served.call_with(&deadline_in(Duration::from_millis(400)), "hang").status, 504);
    assert!(begun.elapsed() >= Duration::from_millis(345), "{:?}", begun.elapsed());
}

#[test]
fn a_handler_that_answers_at_once_does_so_even_behind_its_deadline() {
    let served = Served::new("deeds");
    assert_eq!(served.call_with("Fn-Deadline: 2001-02-03T04:05:06Z\r\n", "print x").status, 200);
    assert_eq!(served.call_with("Fn-Deadline: 2001-02-03T04:05:06Z\r\n", "hang").status, 504);
}

#[test]
fn an_answer_under_way_is_cut_at_the_deadline() {
    let served = Served::new("deeds");
    let mut wire = served.connect();
    wire.send(request(&deadline_in(Duration::from_millis(300)), "stream-hang"));
    assert!(wire.try_answer().is_none(), "an answer that came too late was ended as if whole");
    served.stderr.wait_for("dropped");
}

#[test]
fn a_caller_who_leaves_takes_the_handler_along() {
    let mut served = Served::new("deeds");
    let mut wire = served.connect();
    wire.send(request("", "hang"));
    served.stderr.wait_for("hanging");
    drop(wire);
    served.stderr.wait_for("dropped");
    assert!(served.is_alive());
}

#[test]
fn a_caller_who_leaves_ends_an_answer_under_way() {
    let served = Served::new("deeds");
    let mut wire = served.connect();
    wire.send(request("", "stream-hang"));
    wire.until(b"begun").unwrap();
    drop(wire);
    served.stderr.wait_for("dropped");
}

/// A body that the handler has not asked for keeps HTTP from reading on, and so from noticing.
#[test]
fn a_caller_who_leaves_is_noticed_behind_a_body_that_is_not_read() {
    let served = Served::new("hang-unread");
    let mut wire = served.connect();
    wire.send(request("", vec![b'x'; 100_000]));
    served.stderr.wait_for("hanging");
    drop(wire);
    served.stderr.wait_for("dropped");
}
