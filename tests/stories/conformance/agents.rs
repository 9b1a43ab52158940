//! Our agent and server keep every rule, with each driver; one that breaks a rule is caught by its case.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command as Process;
use std::thread;

use hotfn_conformance::{Agent, Command, Only, Place, Profile, Report, Suite, Verdict, Witness};
use hotfn_tests::node::Home;
use hotfn_tests::{binaries, skipped};
use serde_json::Value;

use super::lies::{AGENT, FORMATS, Fault, IMAGES, SERVER};
use super::proxy::in_front_of;

/// Room for the hundred callers of one case, each with a container of 64 MB.
const NODE: [(&str, i64); 2] = [("memory", 16_384), ("cpu_milli", 64_000)];
/// What no case from outside can tell.
const UNSEEN: &[u64] = &[129];
/// What is about images, which plain processes have not.
const ABOUT_IMAGES: &[u64] = &[68, 69, 70, 71, 75, 78];
/// Runs of the harness at a time: they mostly wait.
const WORKERS: usize = 8;

type Suited = fn(Agent, Profile, u64) -> Suite;

#[test]
fn our_agent_keeps_every_rule_with_processes() {
    let left_out = [ABOUT_IMAGES, UNSEEN].concat();
    for (subject, left_out) in [("agent", &left_out[..]), ("formats", &[]), ("server", &[])] {
        keeps(subject, &[], &[], left_out);
    }
}

#[test]
fn our_agent_keeps_every_rule_with_an_oci_runtime() {
    let witness = binaries::static_program("witness");
    let program = ["--program", witness.to_str().unwrap()];
    keeps("agent", &program, &["--driver", "oci"], UNSEEN);
    keeps("formats", &program, &["--driver", "oci"], &[]);
}

/// What the engine has its own ways with: images, the sandbox, freezing, memory, the end.
#[test]
fn our_agent_keeps_every_rule_about_images_with_docker() {
    if !has_docker() {
        return skipped("there is no Docker");
    }
    let witness = binaries::static_program("witness");
    let program = ["--program", witness.to_str().unwrap(), "--only", "56,64-66,68-78,92,100,111-113,119,125,129"];
    keeps("agent", &program, &["--driver", "docker"], UNSEEN);
}

/// Without a command some cases are left out, and the others go to the node that runs.
#[tokio::test]
async fn an_agent_that_runs_already_is_tested_as_far_as_it_goes() {
    let home = Home::with(&NODE, &[]);
    let node = home.start().await;
    let report =
        reported(&["conformance", "agent", "--base", &node.address().to_string(), "--only", "56,76,79,129"], &[]);
    assert_eq!(numbers(&report["outcomes"]), [56, 79]);
    assert_eq!(numbers(&report["left_out"]), [76, 129]);
    assert!(super::unkept(&report).is_empty(), "{report:#}");
}

/// Else it would be the go-between that is caught, and not the lie.
#[test]
fn without_a_lie_the_go_between_is_not_noticed() {
    for (suited, mutants) in
        [(Suite::of_agent as Suited, AGENT), (Suite::of_formats, FORMATS), (Suite::of_server, SERVER)]
    {
        let mut cases: Vec<(u16, Fault)> = mutants.iter().map(|(case, _)| (*case, Fault::Lies(|_| ()))).collect();
        cases.dedup_by_key(|(case, _)| *case);
        let noticed = outcomes(suited, &cases, None, &[], |held| !held);
        assert!(noticed.is_empty(), "these notice the go-between:\n{}", noticed.join("\n"));
    }
}

#[test]
fn an_agent_that_breaks_a_rule_is_caught() {
    caught(Suite::of_agent, AGENT, None, &[]);
}

#[test]
fn an_agent_that_breaks_a_rule_about_images_is_caught() {
    caught(Suite::of_agent, IMAGES, Some(&binaries::static_program("witness")), &["--driver", "oci"]);
}

#[test]
fn an_agent_that_breaks_a_rule_of_a_format_is_caught() {
    caught(Suite::of_formats, FORMATS, None, &[]);
}

#[test]
fn a_server_that_breaks_a_rule_is_caught() {
    caught(Suite::of_server, SERVER, None, &[]);
}

#[test]
fn every_case_of_agents_and_servers_can_fail() {
    let of_agents = [AGENT, IMAGES].concat();
    for (suited, mutants) in
        [(Suite::of_agent as Suited, &of_agents[..]), (Suite::of_formats, FORMATS), (Suite::of_server, SERVER)]
    {
        let witness = Witness::Program("witness".into());
        let suite = suited(Agent { place: Place::Command(Command::of(Vec::new())), witness }, Profile::Quick, 1);
        let without: Vec<u16> =
            suite.cases().map(|case| case.number).filter(|n| !mutants.iter().any(|(case, _)| case == n)).collect();
        assert!(without.is_empty(), "no mutant for {without:?}");
        let left_out: Vec<u64> = suite.left_out().iter().map(|left_out| left_out.case.number.into()).collect();
        assert!(left_out.iter().all(|number| UNSEEN.contains(number)), "{left_out:?}");
    }
}

/// Is there an engine?
pub(super) fn has_docker() -> bool {
    Process::new("docker").arg("version").output().is_ok_and(|ended| ended.status.success())
}

/// Every case of `subject` holds for nodes of ours, but for those that are left out.
fn keeps(subject: &str, harness: &[&str], node: &[&str], left_out: &[u64]) {
    let home = Home::with(&NODE, &[]);
    let words = [&["conformance", subject][..], harness].concat();
    let report = reported(&words, &[&["--".into()][..], &serve(&home, node)].concat());
    let broken = super::unkept(&report);
    assert!(broken.is_empty(), "{subject}: {broken:#?}");
    assert_eq!(numbers(&report["left_out"]), left_out, "{subject}");
}

/// How a node of ours is started.
fn serve(home: &Home, more: &[&str]) -> Vec<OsString> {
    let words = [binaries::program("hotfn").into(), "serve".into(), "--config".into(), home.config().into()];
    words.into_iter().chain(["--listen", "{address}"].iter().chain(more).map(OsString::from)).collect()
}

fn reported(harness: &[&str], command: &[OsString]) -> Value {
    let mut hotfn = Process::new(binaries::program("hotfn"));
    super::report(hotfn.args(harness).args(["--report", "json"]).args(command))
}

fn numbers(cases: &Value) -> Vec<u64> {
    cases.as_array().into_iter().flatten().filter_map(|case| case["number"].as_u64()).collect()
}

fn caught(suited: Suited, mutants: &[(u16, Fault)], program: Option<&Path>, node: &[&str]) {
    let missed = outcomes(suited, mutants, program, node, |held| held);
    assert!(missed.is_empty(), "these hold for one that breaks them:\n{}", missed.join("\n"));
}

/// What is said of the cases, of those that the mutants are for, whose outcome is as `wanted` says; several
/// at a time.
fn outcomes(
    suited: Suited,
    mutants: &[(u16, Fault)],
    program: Option<&Path>,
    node: &[&str],
    wanted: impl Fn(bool) -> bool + Sync,
) -> Vec<String> {
    let home = Home::with(&NODE, &[]);
    let run = |(case, fault): &(u16, Fault)| {
        let witness = match program {
            Some(program) => Witness::Program(program.to_owned()),
            None => Witness::Image(format!("process:{} conformance witness", binaries::program("hotfn").display())),
        };
        let agent = Agent { place: Place::Command(command(&home, *fault, node)), witness };
        let report = suited(agent, Profile::Quick, 1).only(&Only::from(*case)).run(&|_| ());
        wanted(held(&report)).then(|| format!("case {case}: {}", report.to_text()))
    };
    let run = &run;
    thread::scope(|scope| {
        let shares = mutants.chunks(mutants.len().div_ceil(WORKERS));
        let running: Vec<_> =
            shares.map(|share| scope.spawn(move || share.iter().filter_map(run).collect::<Vec<_>>())).collect();
        running.into_iter().flat_map(|thread| thread.join().expect("a run of the harness ends")).collect()
    })
}

fn held(report: &Report) -> bool {
    assert_eq!(report.outcomes.len(), 1, "one case is run: {}", report.to_text());
    // What cannot be told was not caught.
    report.outcomes[0].verdict != Verdict::Broken
}

/// Starts nodes with this fault.
fn command(home: &Home, fault: Fault, node: &[&str]) -> Command {
    let serve = |more: &[&str]| serve(home, &[node, more].concat());
    let after = |words: &[&str], serve: Vec<OsString>| words.iter().map(OsString::from).chain(serve).collect();
    match fault {
        Fault::Lacks(setting) => Command::of(after(&["env", "-u", setting], serve(&[]))),
        Fault::Lies(lie) => Command::of(serve(&[])).reached_at(move |agent: SocketAddr| in_front_of(agent, lie)),
        Fault::Litters => Command::of(after(&["sh", "-c", LITTER, "sh"], serve(&[]))),
        Fault::Says(more) => Command::of(serve(more)),
    }
}

/// Makes a folder that nobody will ever remove, and goes on as the words behind it say.
const LITTER: &str =
    "mkdir -p \"$FN_IOFS_PATH/stray\" && ln -sf hidden \"$FN_IOFS_PATH/stray/lsnr.sock\" && exec \"$@\"";
