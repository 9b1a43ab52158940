//! Images: how they are fetched, and what a container of one may do.
//!
//! The harness makes an image of a static build of the witness, and serves it from a registry of its own
//! on the loopback, under a name that is new in each case.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::stage::{Deployed, Stage, fault};
use crate::case::{Entry, Needs};
use crate::check::{Run, Stop, holds};
use crate::registry::{Image, Manner, Registry};
use crate::subject::Witness;
use crate::witness::Surroundings;

/// How long the socket of these cases may take, and a pull that takes longer.
const START_TIMEOUT_MS: &str = "1500";
const SLOW: Duration = Duration::from_millis(2500);
/// How long a pull may take in the case about that, and how much later it may be told.
const PULL_TIMEOUT: Duration = Duration::from_secs(2);
const LATE: Duration = Duration::from_secs(2);
/// The user that functions run as.
const USER: u32 = 1000;

pub(super) const CASES: &[Entry<Stage>] = &[
    Entry::must(
        68,
        "A slow pull",
        "The time to pull an image does not count in the time in which the socket must appear.",
        |stage: &Stage| {
            let (_own, stage) = stage.own(&[("FN_HOT_START_TIMEOUT_MSECS", START_TIMEOUT_MS)])?;
            // Of what an agent has already, this at least is new.
            let salt = stage.random.borrow_mut().letters(20);
            let registry = registry(&stage, Manner::Slow(SLOW), &json!({ "Labels": { "salt": salt } }))?;
            let function = deploy(&stage, &registry)?;
            let began = Instant::now();
            function.sees(&function.request("hi"))?;
            let took = began.elapsed();
            holds!(took >= SLOW, "the call was answered after {took:?}, before its image could be there");
            Ok(())
        },
    )
    .needs(Needs::OwnImages),
    Entry::must(
        69,
        "An image that is not there",
        "An image that its registry does not have is told as 404 or 502, and named.",
        |stage| {
            let registry = registry(stage, Manner::Empty, &json!({}))?;
            let answer = deploy(stage, &registry)?.call("hi")?;
            holds!([404, 502].contains(&answer.status), "the status must be 404 or 502, but it was {}", answer.brief());
            named(&answer, &registry)
        },
    )
    .needs(Needs::Images),
    Entry::must(
        70,
        "An image that needs credentials",
        "Where a registry asks for a password that the agent has not, its 4xx is told.",
        |stage| {
            let registry = registry(stage, Manner::Locked, &json!({}))?;
            let answer = deploy(stage, &registry)?.call("hi")?;
            holds!(
                (400..500).contains(&answer.status),
                "the status must be the registry's 4xx, but it was {}",
                answer.brief()
            );
            named(&answer, &registry)
        },
    )
    .needs(Needs::Images),
    Entry::must(
        71,
        "A registry that hangs",
        "A pull that is not done by its timeout is told as 504.",
        |stage: &Stage| {
            let timeout = PULL_TIMEOUT.as_millis().to_string();
            let (_own, stage) = stage.own(&[("FN_HOT_PULL_TIMEOUT_MSECS", &timeout)])?;
            let registry = registry(&stage, Manner::Hung, &json!({}))?;
            let function = deploy(&stage, &registry)?;
            let began = Instant::now();
            fault(&function.call("hi")?, 504, &["timed out", "timeout", "pull"])?;
            let took = began.elapsed();
            holds!(took >= PULL_TIMEOUT, "it was given up after {took:?} already");
            holds!(took < PULL_TIMEOUT + LATE, "it was given up only after {took:?}");
            Ok(())
        },
    )
    .needs(Needs::OwnImages),
    Entry::should(
        75,
        "The sandbox",
        "A function is user and group 1000, without capabilities or new privileges; its root is read-only, /tmp can be \
         written.",
        |stage| {
            let registry = registry(stage, Manner::Open, &json!({}))?;
            let function = deploy(stage, &registry)?;
            let answer = function.steps(&["look"])?.is(200, "a call of the witness in an image")?;
            let found: Surroundings = serde_json::from_slice(&answer.body)
                .map_err(|e| Stop::broken(format!("the witness's answer was changed on its way ({e})")))?;
            holds!(
                (found.user, found.group) == (USER, USER),
                "the function is user {} of group {}, and must be {USER} of {USER}",
                found.user,
                found.group
            );
            holds!(found.capabilities.is_empty(), "the function has the capabilities {}", found.capabilities);
            holds!(found.no_new_privileges, "the function could get new privileges");
            holds!(!found.root_is_writable, "the function can write to /");
            holds!(found.tmp_is_writable, "the function cannot write to /tmp");
            Ok(())
        },
    )
    .needs(Needs::Images),
    Entry::must(
        78,
        "An image with a volume",
        "It is refused with 400, unless FN_IMAGE_ENABLE_VOLUME allows it.",
        |stage: &Stage| {
            let volume = json!({ "Volumes": { "/data": {} } });
            let declares = registry(stage, Manner::Open, &volume)?;
            fault(&deploy(stage, &declares)?.call("hi")?, 400, &["volume"])?;
            let (_own, stage) = stage.own(&[("FN_IMAGE_ENABLE_VOLUME", "true")])?;
            let function = deploy(&stage, &declares)?;
            function.sees(&function.request("hi")).map(drop)
        },
    )
    .needs(Needs::OwnImages),
];

/// A registry with an image of the witness.
pub(super) fn registry(stage: &Stage, manner: Manner, config: &Value) -> Run<Registry> {
    match &stage.subject.witness {
        Witness::Program(program) => Registry::start(Image::of(program, config)?, manner),
        Witness::Image(_) => Err(Stop::untold("there is no static build of the witness")),
    }
}

fn deploy<'s>(stage: &'s Stage, registry: &Registry) -> Run<Deployed<'s>> {
    stage.transcript.note(format!("the image is {}", registry.reference()));
    stage.deploy_as(&json!({ "image": registry.reference() }))
}

/// The message names the image.
fn named(answer: &crate::wire::Answer, registry: &Registry) -> Run {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let message = body["message"].as_str().unwrap_or_default();
    let reference = registry.reference();
    let name = reference.rsplit_once(':').map_or(reference.as_str(), |(name, _)| name);
    holds!(message.contains(name), "the message does not name the image {name}: {}", answer.brief());
    Ok(())
}
