//! How many containers there are: which one is taken, when one is started, and who gives way on a full
//! node.
//!
//! A node is made full by its settings: the harness starts agents with so much memory that one
//! container fits, or two.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde_json::json;

use super::containers::at_once;
use super::own::Own;
use super::stage::{Deployed, Stage, fault, script, sight};
use crate::bounds;
use crate::case::{Entry, Needs};
use crate::check::{Run, Stop, holds};
use crate::wire::{Answer, Unanswered};
use crate::witness::Sight;

/// What a container takes, and a node on which just one has room.
const CONTAINER_MB: u64 = 600;
const NODE_BYTES: &str = "1073741824";
const MEMORY: &str = "FN_MAX_TOTAL_MEMORY_BYTES";
/// So that no container is slow for having been frozen.
const AWAKE: (&str, &str) = ("FN_FREEZE_IDLE_MSECS", "-1");
/// How long one call holds the only container, and another waits for it.
const BUSY: Duration = Duration::from_millis(1500);
/// Between two callers whose order is looked at.
const APART: Duration = Duration::from_millis(100);
/// Callers of the case about their order.
const CALLERS: usize = 4;

pub(super) const CASES: &[Entry<Stage>] = &[
    Entry::must(
        117,
        "When a container is started",
        "One is started for each call that waits and for which none is idle or starting, and none beside these.",
        started,
    )
    .needs(Needs::Own),
    Entry::must(
        118,
        "The newest idle container first",
        "Of several idle containers the one that was used last is taken, so that surplus ones age and end.",
        |stage: &Stage| {
            let function = stage.deploy_as(&json!({ "timeout": 60 }))?;
            // Two at once, of which one is idle well before the other.
            let (mut short, mut long) = (stage.connect()?, stage.connect()?);
            short.send(&function.request(script(&["pause 400", "saw"])).bytes())?;
            long.send(&function.request(script(&["pause 1200", "saw"])).bytes())?;
            let (first, last) = (sight(&short.answer()?)?.container, sight(&long.answer()?)?.container);
            holds!(first != last, "two calls at once were served by one container");
            for number in 1..=10 {
                let next = function.container()?;
                holds!(
                    next == last,
                    "call {number} after two containers became idle was served by {}, not by the one used last",
                    if next == first { "the one idle for longer" } else { "a third" }
                );
            }
            Ok(())
        },
    ),
    Entry::must(
        119,
        "A full node, another function idle",
        "An idle container of another function gives way to a call that needs its room.",
        |stage: &Stage| {
            let (_own, stage) = full(stage, &[])?;
            let (idle, needy) = (large(&stage)?, large(&stage)?);
            idle.container()?;
            let began = Instant::now();
            needy.sees(&needy.request("hi"))?;
            let took = began.elapsed();
            // Its idle timeout is 30 s: waiting for that is no eviction.
            holds!(took < bounds::END, "the call was served only after {took:?}");
            Ok(())
        },
    )
    .needs(Needs::Own),
    Entry::must(
        120,
        "A full node, another function busy",
        "A call waits for the room of a busy container, and is served when that is done.",
        |stage: &Stage| {
            let (_own, stage) = full(stage, &[])?;
            let (busy, needy) = (large(&stage)?, large(&stage)?);
            let began = Instant::now();
            let (held, waited) = while_busy(&busy, || {
                needy.sees(&needy.request("hi"))?;
                Ok(began.elapsed())
            })?;
            held.is(200, "the call that held the node's room")?;
            holds!(waited >= BUSY - APART, "with the node's room taken a call was served after {waited:?} already");
            Ok(())
        },
    )
    .needs(Needs::Own),
    Entry::must(
        121,
        "A full node that does not let wait",
        "With FN_ENABLE_NB_RESOURCE_TRACKER a call without room is refused at once with 503 and Retry-After: 15.",
        |stage: &Stage| {
            let (_own, stage) = full(stage, &[("FN_ENABLE_NB_RESOURCE_TRACKER", "true")])?;
            let (busy, needy) = (large(&stage)?, large(&stage)?);
            let began = Instant::now();
            let (held, (refused, took)) = while_busy(&busy, || Ok((needy.call("hi")?, began.elapsed())))?;
            held.is(200, "the call that held the node's room")?;
            fault(&refused, 503, &["busy"])?;
            let found = refused.header("retry-after");
            holds!(found == Some("15"), "Retry-After of a refused call is {found:?}, and must be 15");
            holds!(took < BUSY, "it was refused only after {took:?}");
            Ok(())
        },
    )
    .needs(Needs::Own),
    Entry::must(
        122,
        "A function does not evict itself",
        "A second call of the function that fills the node waits for its container, and is served by the same.",
        |stage: &Stage| {
            let (_own, stage) = full(stage, &[])?;
            let function = large(&stage)?;
            let before = function.container()?;
            let served = at_once(&function, &function.request(script(&["pause 500", "saw"])), 3)?;
            let others = served.iter().filter(|container| **container != before).count();
            holds!(others == 0, "{others} of 3 calls at once were served by other containers than the one there is");
            Ok(())
        },
    )
    .needs(Needs::Own),
    Entry::must(
        123,
        "More than a node has",
        "A function that needs more memory than the whole node is refused with 400.",
        |stage: &Stage| {
            let (_own, stage) = stage.own(&[(MEMORY, NODE_BYTES)])?;
            let function = stage.deploy_as(&json!({ "memory": 2048 }))?;
            fault(&function.call("hi")?, 400, &[])
        },
    )
    .needs(Needs::Own),
    Entry::must(
        124,
        "Waiting is not in the timeout",
        "A call that waits longer than its function's timeout for room still has the whole of it to run.",
        |stage: &Stage| {
            let (_own, stage) = full(stage, &[])?;
            let busy = large(&stage)?;
            let needy = stage.deploy_as(&json!({ "memory": CONTAINER_MB, "timeout": 1 }))?;
            let (held, answer) = while_busy(&busy, || needy.steps(&["pause 600", "ok"]))?;
            held.is(200, "the call that held the node's room")?;
            answer.is(200, "a call that waited longer than its timeout").map(drop)
        },
    )
    .needs(Needs::Own),
    Entry::better(
        126,
        "First come, first served",
        "Calls that wait for a container get it in the order in which they came.",
        |stage: &Stage| {
            let (_own, stage) = full(stage, &[])?;
            let function = large(&stage)?;
            let (held, seen) = while_busy(&function, || in_turn(&function))?;
            held.is(200, "the call that held the only container")?;
            let first = seen.iter().map(|sight| sight.calls).min().unwrap_or_default();
            let order: Vec<usize> = seen.iter().map(|sight| sight.calls - first + 1).collect();
            let wanted: Vec<usize> = (1..=CALLERS).collect();
            holds!(order == wanted, "{CALLERS} callers, one after the other, were served as number {order:?}");
            Ok(())
        },
    )
    .needs(Needs::Own),
    Entry::should(
        128,
        "Whose a failed start is",
        "Only the caller for whom it was made hears of a start that failed; who waits beside gets a fresh one.",
        |stage: &Stage| {
            let (_own, stage) = full(stage, &[])?;
            // Whatever starts before that moment fails at it, and what starts later does not.
            let until = SystemTime::now() + BUSY;
            let millis = until.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis());
            let config = json!({ "WITNESS_START": "until", "WITNESS_UNTIL": millis.to_string() });
            let function = stage.deploy_as(&json!({ "memory": CONTAINER_MB, "config": config }))?;
            let mut first = stage.connect()?;
            first.send(&function.request("first").bytes())?;
            at_work(&mut first)?;
            let second = function.call("second")?;
            fault(&first.answer()?, 502, &["init", "failed", "start"])?;
            second.is(200, "the call that waited beside a start that failed").map(drop)
        },
    )
    .needs(Needs::Own),
];

/// Counts containers by their folders: one for one call, three for three at once, and no fourth for two
/// when three are idle. A start that takes a while is no reason for another.
fn started(stage: &Stage) -> Run {
    let (own, stage) = stage.own(&[AWAKE])?;
    let function = stage.deploy(&json!({ "WITNESS_START": "slow" }))?;
    // Long enough for every container that is started to have one of them.
    let asks = function.request(script(&["pause 1000", "saw"]));
    for (calls, containers) in [(1, 1), (1, 1), (3, 3), (2, 3)] {
        let served: BTreeSet<String> = at_once(&function, &asks, calls)?.into_iter().collect();
        holds!(served.len() == calls, "{calls} calls at once were served by {} containers", served.len());
        settled(&own, calls, containers)?;
    }
    Ok(())
}

/// As many containers as there should be, and a moment later still.
fn settled(own: &Own, calls: usize, containers: usize) -> Run {
    thread::sleep(bounds::SILENCE);
    let found = own.listeners().len();
    holds!(found == containers, "after {calls} calls at once there are {found} containers; there must be {containers}");
    Ok(())
}

/// An agent on which one container has room.
fn full(stage: &Stage, settings: &[(&str, &str)]) -> Run<(Own, Stage)> {
    let room = [(MEMORY, NODE_BYTES), AWAKE];
    stage.own(&[&room, settings].concat())
}

/// A function that fills it.
fn large(stage: &Stage) -> Run<Deployed<'_>> {
    stage.deploy_as(&json!({ "memory": CONTAINER_MB }))
}

/// Does something while a call of `busy` is at work, and gives that call's answer and what was done.
fn while_busy<T>(busy: &Deployed<'_>, does: impl FnOnce() -> Run<T>) -> Run<(Answer, T)> {
    // Its container runs, so the call is at work as soon as it is there.
    busy.container()?;
    let mut holder = busy.app.stage.connect()?;
    holder.send(&busy.request(script(&[&format!("pause {}", BUSY.as_millis()), "ok"])).bytes())?;
    at_work(&mut holder)?;
    let done = does()?;
    Ok((holder.answer()?, done))
}

/// A call that was sent is at work: no answer comes for a while.
fn at_work(connection: &mut crate::wire::Connection) -> Run {
    match connection.answer_within(APART) {
        Err(Unanswered::Silent) => Ok(()),
        Err(other) => Err(other.into()),
        Ok(answer) => Err(Stop::broken(format!("a call that takes a while was answered at once: {}", answer.brief()))),
    }
}

/// Callers one after the other, of whom each waits; what was seen of each, in the order in which they came.
fn in_turn(function: &Deployed<'_>) -> Run<Vec<Sight>> {
    let mut waiting = Vec::new();
    for _ in 0..CALLERS {
        let mut connection = function.app.stage.connect()?;
        connection.send(&function.request("who").bytes())?;
        at_work(&mut connection)?;
        waiting.push(connection);
    }
    waiting.iter_mut().map(|connection| sight(&connection.answer()?)).collect()
}
