//! For each case, functions that break just its rule.

use std::thread;

use hotfn_conformance::{Only, Verdict};

use crate::{numbers, run};

const FORMAT: &str = "http-stream";

/// Which rule a mutant breaks, and the case that must find it.
const MUTANTS: &[(u16, &str)] = &[
    (1, "never-listens"),
    (2, "refuses-well"),
    (2, "refuses-silently"),
    (3, "refuses-well"),
    (4, "any-format"),
    (5, "usual-name"),
    (6, "absolute-link"),
    (7, "closed-mode"),
    (8, "link-first"),
    (9, "keeps-old"),
    // Rust without help dies of SIGTERM.
    (10, "tidies-not"),
    (11, "no-chunks"),
    (12, "no-empty"),
    (13, "no-length"),
    (14, "not-found"),
    (15, "closes"),
    (16, "five-hundred"),
    (17, "idle-timeout"),
    (18, "wakes-badly"),
    (19, "one-at-a-time"),
    (20, "error-is-200"),
    (21, "dies-of-panic"),
    (22, "dies-of-nothing"),
    (23, "dies-of-deadlines"),
    (24, "shows-status"),
    (25, "no-status"),
    (26, "unprefixed"),
    (26, "prefixed-twice"),
    (27, "prefixed-type"),
    (28, "own-url"),
    (29, "cased-prefix"),
    (30, "last-value"),
    (31, "last-value"),
    (32, "one-cookie"),
    (33, "utc-only"),
    (34, "needs-id"),
    (35, "needs-deadline"),
    (36, "no-version"),
    (37, "no-version-on-failure"),
    (38, "no-runtime"),
    (39, "a-mebibyte"),
    (40, "text-only"),
    (41, "surplus"),
    (42, "leaves-unread"),
    (43, "no-type"),
    (44, "sends-id"),
    (45, "no-frame"),
    (46, "frames-always"),
    (47, "prints-late"),
    (48, "no-trace"),
    (49, "writes-beside"),
    (50, "greedy"),
    (51, "small-head"),
    (52, "dies-of-latin"),
    (53, "no-expect"),
    (54, "dies-of-cuts"),
    (55, "dies-of-leavers"),
];

/// Those of case `first` to `last`: a share of the table for each test, so that they run side by side.
fn caught(first: u16, last: u16) {
    // Most of them wait for what never comes, so they wait together.
    let missed: Vec<String> = thread::scope(|scope| {
        let mutants = MUTANTS.iter().filter(|(case, _)| (first..=last).contains(case));
        let running: Vec<_> = mutants.map(|(case, rule)| scope.spawn(|| missed(*case, rule))).collect();
        running.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(missed.is_empty(), "{missed:?}");
}

fn missed(case: u16, rule: &str) -> Option<String> {
    let report = run(crate::mutant(FORMAT, rule), &Only::from(case));
    (report.outcomes[0].verdict == Verdict::Held).then(|| format!("{case} misses {rule}"))
}

#[test]
fn mutants_of_the_start_are_caught() {
    caught(1, 10);
}

#[test]
fn mutants_of_calls_are_caught() {
    caught(11, 35);
}

#[test]
fn mutants_of_answers_are_caught() {
    caught(36, 48);
}

#[test]
fn mutants_in_bounds_and_under_rude_callers_are_caught() {
    caught(49, 55);
}

#[test]
fn a_case_that_cannot_fail_is_not_a_case() {
    let without: Vec<u16> =
        numbers(FORMAT).into_iter().filter(|n| !MUTANTS.iter().any(|(case, _)| case == n)).collect();
    assert!(without.is_empty(), "no mutant for {without:?}");
}

#[test]
fn a_right_function_passes() {
    let report = run(crate::mutant(FORMAT, ""), &"1-9,11-55".parse().unwrap());
    let broken = report.outcomes.iter().filter(|outcome| outcome.verdict == Verdict::Broken).count();
    assert_eq!(broken, 0, "{}", report.to_text());
}
