//! What becomes of a detached call when an attempt has ended.
//!
//! A rule without a clock, a store or a task: the call as it was, how the attempt ended, and now; the
//! call as it is to be written down.

use std::time::{Duration, SystemTime};

use hotfn_protocols::{Blame, Fault, Kind};

use super::record::{Record, Status};
use super::retry::Retry;

/// What is to be done with a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Next {
    /// To be tried again, at that moment or later, by whichever node is first.
    Again(SystemTime),
    /// Nothing; and nobody will want to make it again.
    Forget,
    /// Nothing; what it was stays, for a person to look at and to send again.
    Keep,
}

/// How long a call waits that met no room. It was never begun, so that is no attempt.
const ROOM_WAIT: Duration = Duration::from_secs(1);

/// An attempt at `record` has ended. `leaves` says that this node does, and may have cut the call.
pub(super) fn settle(
    record: &mut Record,
    outcome: Result<(), &Fault>,
    rule: &Retry,
    leaves: bool,
    now: SystemTime,
) -> Next {
    let Err(fault) = outcome else {
        record.end(Status::Success, None, now);
        return Next::Forget;
    };
    let error = Some(format!("{}: {fault}", fault.kind().code()));
    match fault.kind() {
        Kind::Draining => again(record, Status::Queued, error, now),
        _ if leaves => again(record, Status::Queued, error, now),
        Kind::Busy | Kind::RateLimited => again(record, Status::Delayed, error, now + ROOM_WAIT),
        // Another node may have heard of the function, or this one hears of it later.
        kind if kind.blame() == Blame::Caller && kind != Kind::UnknownFunction => dead(record, error, now),
        _ => match rule.wait_after(record.attempts) {
            Some(wait) => {
                let due = now + wait;
                record.wait(Status::Delayed, error, due);
                Next::Again(due)
            }
            None => dead(record, error, now),
        },
    }
}

/// `record`, which another node had begun, was not heard of again: is there an attempt left? If not,
/// it is dead: a call that takes its node down must not take the next one down for ever.
pub(super) fn was_lost(record: &mut Record, rule: &Retry, now: SystemTime) -> bool {
    if record.attempts < rule.attempts {
        return false;
    }
    let _ = dead(record, Some("the node that ran it was not heard of again".to_owned()), now);
    true
}

/// It did not count.
fn again(record: &mut Record, status: Status, error: Option<String>, due: SystemTime) -> Next {
    record.attempts = record.attempts.saturating_sub(1);
    record.wait(status, error, due);
    Next::Again(due)
}

fn dead(record: &mut Record, error: Option<String>, now: SystemTime) -> Next {
    record.end(Status::Dead, error, now);
    Next::Keep
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use hotfn_protocols::CallId;

    use super::super::record;
    use super::*;

    const NOW: SystemTime = UNIX_EPOCH;

    fn begun(attempts: u32) -> Record {
        let mut record = Record::new(CallId::new(), &"f".into(), record::Kind::Detached, NOW);
        (0..attempts).for_each(|_| record.begin(NOW));
        record
    }

    #[test]
    fn every_fault_has_its_consequence() {
        let soon = |millis| Next::Again(NOW + Duration::from_millis(millis));
        let rule = Retry { attempts: 3, ..Retry::default() };
        let check = |begun_before: u32, kind: Kind, leaves, next, status, attempts| {
            let mut record = begun(begun_before);
            let fault = Fault::new(kind);
            assert_eq!(settle(&mut record, Err(&fault), &rule, leaves, NOW), next, "{kind:?}");
            assert_eq!((record.status, record.attempts), (status, attempts), "{kind:?}");
            assert!(record.error.unwrap().starts_with(kind.code()));
        };
        check(1, Kind::Failed, false, soon(1000), Status::Delayed, 1);
        check(2, Kind::TimedOut, false, soon(3000), Status::Delayed, 2);
        check(3, Kind::TimedOut, false, Next::Keep, Status::Dead, 3);
        check(1, Kind::UnknownFunction, false, soon(1000), Status::Delayed, 1);
        check(1, Kind::CallUnsupported, false, Next::Keep, Status::Dead, 1);
        check(1, Kind::BeyondNode, false, Next::Keep, Status::Dead, 1);
        check(3, Kind::Busy, false, soon(1000), Status::Delayed, 2);
        check(3, Kind::RateLimited, false, soon(1000), Status::Delayed, 2);
        check(3, Kind::Draining, false, soon(0), Status::Queued, 2);
        check(3, Kind::Receiving, true, soon(0), Status::Queued, 2);
    }

    #[test]
    fn what_succeeded_is_over_even_on_a_node_that_leaves() {
        let mut record = begun(2);
        assert_eq!(settle(&mut record, Ok(()), &Retry::default(), true, NOW), Next::Forget);
        assert_eq!((record.status, record.error), (Status::Success, None));
    }

    #[test]
    fn a_call_whose_node_died_has_its_other_attempts_and_no_more() {
        let rule = Retry { attempts: 2, ..Retry::default() };
        assert!(!was_lost(&mut begun(1), &rule, NOW));
        let mut record = begun(2);
        assert!(was_lost(&mut record, &rule, NOW));
        assert_eq!(record.status, Status::Dead);
    }
}
