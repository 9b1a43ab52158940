//! How an agent ends, and calls that go on without their caller.

use std::time::{Duration, Instant};
use std::{fs, thread};

use serde_json::json;

use super::containers::{sights, soon};
use super::stage::{Stage, fault, script, sight};
use crate::bounds;
use crate::case::{Entry, Needs};
use crate::check::{Run, Stop, holds};
use crate::wire::Unanswered;

/// By this variable of its environment the processes of a container are found again.
const MARK: &str = "WITNESS_MARK";
/// More than the detached call takes.
const DETACHED: Duration = Duration::from_millis(1500);
/// How often they are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

pub(super) const CASES: &[Entry<Stage>] = &[
    Entry::must(
        125,
        "SIGTERM",
        "An agent that is asked to end refuses new calls, finishes those it has, and leaves no container behind.",
        terminated,
    )
    .needs(Needs::Own),
    Entry::should(
        127,
        "A detached call",
        "Fn-Invoke-Type: detached is answered 202 with Fn-Call-Id and no body, and the call is done all the same.",
        |stage| {
            let function = stage.start("link")?;
            function.container()?;
            let began = Instant::now();
            let request = function.request(script(&["pause 600", "ok"])).header("Fn-Invoke-Type", "detached");
            let answer = stage.ask(&request)?.is(202, "a detached call")?;
            let took = began.elapsed();
            holds!(took < Duration::from_millis(500), "it was answered only after {took:?}, when it was done");
            holds!(answer.body.is_empty(), "its answer has a body: {}", answer.brief());
            let id = answer.header("fn-call-id").unwrap_or_default().to_owned();
            holds!(!id.is_empty(), "its answer has no Fn-Call-Id");
            // It has one container until somebody else calls, so nobody does before it must be done.
            thread::sleep(DETACHED);
            // Two at once: should it take longer, its container is not the one that a single call meets.
            let two = function.request(script(&["pause 100", "saw"]));
            soon(bounds::END, &format!("a container that had the detached call {id}"), || {
                Ok(sights(&function, &two, 2)?.iter().any(|sight| sight.earlier.iter().any(|call| call.is(&id))))
            })
        },
    ),
    Entry::unseen(
        129,
        "Hooks around a call",
        "When a driver's hook before or after a call fails, the call fails and its container is replaced.",
        "hooks belong to drivers within the agent, and no setting of the contract makes one fail",
    ),
];

fn terminated(stage: &Stage) -> Run {
    let (mut own, inner) = stage.own(&[])?;
    let mark = stage.name();
    let function = inner.deploy(&json!({ MARK: mark }))?;
    function.container()?;
    let mark = format!("{MARK}={mark}");
    // Those of other users are hidden from who is not root.
    let seen = !marked(&mark).is_empty();
    let mut running = inner.connect()?;
    running.send(&function.request(script(&["pause 1500", "saw"])).bytes())?;
    if !matches!(running.answer_within(bounds::SILENCE), Err(Unanswered::Silent)) {
        return Err(Stop::broken("a call that takes a second was answered at once"));
    }
    own.terminate();
    stage.transcript.note("SIGTERM to the agent");
    refuses(&inner, || function.call("new"))?;
    let answer = running.answer().map_err(|unanswered| match Stop::from(unanswered) {
        Stop::Broken(why) => Stop::broken(format!("of the call that ran when SIGTERM came: {why}")),
        untold @ Stop::Untold(_) => untold,
    })?;
    sight(&answer)?;
    let Some(status) = own.ends_within(bounds::END) else {
        return Err(Stop::broken(format!("the agent still runs {:?} after its last call", bounds::END)));
    };
    holds!(status.success(), "the agent ended with {status}, not with exit code 0");
    let left = own.listeners();
    holds!(left.is_empty(), "the agent ended and left {} container folders behind", left.len());
    let until = Instant::now() + bounds::END;
    while seen && !marked(&mark).is_empty() {
        holds!(Instant::now() < until, "the agent ended, and {:?} later its container still runs", bounds::END);
        thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

/// From now on, or soon, new calls are refused: with 503, or by a port that is closed.
fn refuses(stage: &Stage, call: impl Fn() -> Run<crate::wire::Answer>) -> Run {
    let until = Instant::now() + Duration::from_secs(1);
    loop {
        match call() {
            Ok(answer) if answer.status == 503 => return fault(&answer, 503, &[]),
            // Nobody listens there any more, or nobody answers.
            Err(_) => return Ok(()),
            Ok(answer) if Instant::now() > until => {
                return Err(Stop::broken(format!("a second after SIGTERM a new call was answered {}", answer.brief())));
            }
            Ok(_) => stage.transcript.note("the signal is still on its way"),
        }
    }
}

/// The processes whose environment says so.
fn marked(mark: &str) -> Vec<u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let says = |number: &u32| {
        let environment = fs::read(format!("/proc/{number}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|word| word == mark.as_bytes())
    };
    numbers.filter(says).collect()
}
