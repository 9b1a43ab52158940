//! The same for the formats over standard input and output.

use std::thread;

use hotfn_conformance::{Only, Verdict};

use crate::{mutant, numbers, run};

const ALL: &[&str] = &["default", "http", "json", "cloudevent"];
const HOT: &[&str] = &["http", "json", "cloudevent"];
const DOCUMENTS: &[&str] = &["json", "cloudevent"];
const BYTES: &[&str] = &["default", "http"];

/// The case, the rule it must find broken, and the formats in which.
const MUTANTS: &[(u16, &str, &[&str])] = &[
    (201, "no-length", ALL),
    (202, "no-empty", ALL),
    (203, "text-only", BYTES),
    (203, "ascii-only", DOCUMENTS),
    (204, "a-mebibyte", ALL),
    (205, "own-url", ALL),
    (205, "last-value", ALL),
    (206, "no-status", HOT),
    (206, "one-cookie", HOT),
    (207, "error-is-200", ALL),
    (208, "needs-deadline", ALL),
    (209, "dies-of-nothing", ALL),
    (210, "prints-on-the-wire", ALL),
    (221, "five-hundred", HOT),
    (222, "dies-of-panic", HOT),
    (223, "ends-badly", HOT),
    (224, "surplus", HOT),
    (225, "keeps-nothing", HOT),
    (226, "leaves-unread", &["http"]),
    (227, "strict", DOCUMENTS),
    // Rust without help dies of SIGTERM.
    (228, "tidies-not", HOT),
    (241, "one-read", ALL),
    (242, "answers-anything", HOT),
    (243, "answers-anything", HOT),
];

fn missed(format: &str, case: u16, rule: &str) -> Option<String> {
    let report = run(mutant(format, rule), &Only::from(case));
    (report.outcomes[0].verdict == Verdict::Held).then(|| format!("{case} misses {rule} in {format}"))
}

#[test]
fn mutants_over_stdio_are_caught() {
    let missed: Vec<String> = thread::scope(|scope| {
        let all = MUTANTS.iter().flat_map(|(case, rule, formats)| formats.iter().map(|format| (*case, *rule, *format)));
        let running: Vec<_> = all.map(|(case, rule, format)| scope.spawn(move || missed(format, case, rule))).collect();
        running.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn every_case_over_stdio_can_fail_in_every_format() {
    for format in ALL {
        let has = |number: u16| MUTANTS.iter().any(|(case, _, formats)| *case == number && formats.contains(format));
        let without: Vec<u16> = numbers(format).into_iter().filter(|number| !has(*number)).collect();
        assert!(without.is_empty(), "no mutant for {without:?} in {format}");
    }
}

#[test]
fn a_right_function_passes_in_every_format() {
    for format in ALL {
        let report = run(mutant(format, ""), &"201-227,241-243".parse().unwrap());
        assert!(report.outcomes.iter().all(|o| o.verdict == Verdict::Held), "{}", report.to_text());
    }
}
