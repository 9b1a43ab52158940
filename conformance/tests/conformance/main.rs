//! The harness, tested: a right function passes, and each wrong one is caught by the case whose rule
//! it breaks.

mod mutants;
mod stdio;

use std::path::PathBuf;

use hotfn_conformance::{Case, Function, Only, Outcome, Profile, Program, Report, Suite};

/// The function of the tests, breaking `rule`.
fn mutant(format: &str, rule: &str) -> Function {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_conformance-mutant"));
    Function { program: Program::Command(vec![program.into(), rule.into()]), format: format.parse().unwrap() }
}

fn run(function: Function, only: &Only) -> Report {
    Suite::of_function(function, Profile::Quick, 7).only(only).run(&|_: &Outcome| ())
}

/// The numbers of all cases for functions of a format.
fn numbers(format: &str) -> Vec<u16> {
    let suite = Suite::of_function(mutant(format, ""), Profile::Quick, 7);
    suite.cases().map(|case: &Case| case.number).collect()
}
