//! From the launch of a container to its socket.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::json;

use super::images::registry;
use super::stage::{Stage, fault};
use crate::case::Entry;
use crate::check::{Run, Stop, holds};
use crate::registry::{Manner, Registry};

/// How long an agent waits for a socket, and how much later it may say so.
const START_TIMEOUT: Duration = Duration::from_secs(5);
const LATE: Duration = Duration::from_secs(1);
/// What an agent gives every container.
const SYSTEM: [&str; 6] = ["FN_FORMAT", "FN_LISTENER", "FN_APP_ID", "FN_FN_ID", "FN_MEMORY", "FN_TYPE"];
/// What an agent may give beside, to the good of functions. Who ends containers with SIGTERM may say how
/// long there is after it.
const MAY: [&str; 7] =
    ["FN_APP_NAME", "FN_FN_NAME", "FN_TMPSIZE", "FN_CPUS", "FN_SPAWN_CALL_ID", "FN_NAME", "FN_SHUTDOWN_MS"];

pub(super) const CASES: &[Entry<Stage>] = &[
    Entry::must(
        56,
        "A relative link to a hidden socket",
        "A container that binds a hidden socket and links its name to it is served.",
        |stage| served(stage, &["link"]),
    ),
    Entry::must(57, "A socket under its name", "One that binds the name itself is served.", |stage| {
        served(stage, &["direct"])
    }),
    Entry::must(
        58,
        "A socket moved or linked to its name",
        "One that renames its socket, or makes a hard link, is served.",
        |stage| served(stage, &["rename", "hard"]),
    ),
    Entry::must(59, "A link that says ./", "A target of ./name is as good as name.", |stage| served(stage, &["dot"])),
    Entry::must(
        60,
        "An absolute link",
        "A link with an absolute target, even to the right place, is refused with 502.",
        |stage| refused(stage, &["absolute"]),
    ),
    Entry::must(61, "A link to another folder", "A target with a folder in it, or .., is refused with 502.", |stage| {
        refused(stage, &["subdir", "parent"])
    }),
    Entry::must(
        62,
        "A name that is no socket",
        "A file, a directory, a fifo or a link to nothing under the name is refused with 502.",
        |stage| refused(stage, &["file", "dir", "fifo", "dangling"]),
    ),
    Entry::better(
        63,
        "A chain of links that leaves the folder",
        "A link to a link with an absolute target is refused with 502: it could lead to any socket of the agent's host.",
        |stage| refused(stage, &["chain-absolute"]),
    ),
    Entry::must(
        64,
        "No socket at all",
        "A container without a socket after the start timeout of 5 s is given up with 504, at most 1 s later.",
        |stage: &Stage| {
            // What comes before the agent starts to wait: the image, and a container of it.
            let began = Instant::now();
            served(stage, &["link"])?;
            let usual = began.elapsed();
            let (function, began) = (stage.start("never")?, Instant::now());
            fault(&function.call("hi")?, 504, &["timed out", "timeout", "init"])?;
            let took = began.elapsed();
            holds!(took >= START_TIMEOUT, "it was given up after {took:?} already");
            holds!(
                took < START_TIMEOUT + LATE + usual,
                "it was given up only after {took:?}, where a container that listens takes {usual:?}"
            );
            Ok(())
        },
    )
    .alone(),
    Entry::must(
        65,
        "A process that ends before its socket",
        "Whatever its exit code, the answer is 502, at once.",
        |stage| {
            served(stage, &["link"])?;
            for way in ["exit-0", "exit-1"] {
                let began = Instant::now();
                refused(stage, &[way])?;
                let took = began.elapsed();
                holds!(took < START_TIMEOUT, "it took {took:?}; the end of a process is known at once");
            }
            Ok(())
        },
    ),
    Entry::must(
        66,
        "An entry point that is not there",
        "A container that cannot start is answered with 502.",
        |stage| {
            let (_registry, nowhere) = nowhere(stage)?;
            match stage.deploy_as(&json!({ "image": nowhere })) {
                // A server may look at an image before it takes it.
                Err(Stop::Broken(why)) if why.contains("400") => Ok(()),
                Err(stop) => Err(stop),
                Ok(function) => fault(&function.call("hi")?, 502, &[]),
            }
        },
    ),
    Entry::must(
        67,
        "Other names come first",
        "Files of other names in the folder are none of the agent's business.",
        |stage| served(stage, &["noise"]),
    ),
    Entry::must(
        72,
        "The environment",
        "A container sees FN_FORMAT, FN_LISTENER, FN_APP_ID, FN_FN_ID, FN_MEMORY, FN_TYPE and the user's config; \
         of the platform's own settings it sees nothing.",
        environment,
    ),
    Entry::must(
        73,
        "The user's config and the platform's names",
        "Config cannot override a name of the platform's.",
        |stage| {
            let forged = json!({ "config": { "FN_FORMAT": "forged", "FN_FN_ID": "forged", "FN_MEMORY": "7" } });
            let function = match stage.deploy_as(&forged) {
                // To refuse it says so even earlier.
                Err(Stop::Broken(why)) if why.contains("400") => return Ok(()),
                other => other?,
            };
            let seen = function.sees(&function.request("who"))?.environment;
            for (name, wanted) in [("FN_FORMAT", "http-stream"), ("FN_FN_ID", &function.id), ("FN_MEMORY", "64")] {
                let found = seen.get(name).map_or("absent", String::as_str);
                holds!(found == wanted, "with {name} in the user's config the function sees {found}, not {wanted}");
            }
            Ok(())
        },
    ),
    Entry::must(74, "A function's config before its app's", "Where both set a name, the function's counts.", |stage| {
        let app = stage.app(&json!({ "BOTH": "app", "APP": "app" }))?;
        let function = app.deploy(&json!({ "config": { "BOTH": "function" } }))?;
        let seen = function.sees(&function.request("who"))?.environment;
        let found = ["BOTH", "APP"].map(|name| seen.get(name).map(String::as_str));
        holds!(found == [Some("function"), Some("app")], "the app's config and the function's came to {found:?}");
        Ok(())
    }),
];

/// An image whose entry point does not exist, and the registry that it is in, if it is in one.
fn nowhere(stage: &Stage) -> Run<(Option<Registry>, String)> {
    if stage.runs_images() {
        let registry = registry(stage, Manner::Open, &json!({ "Entrypoint": ["/nowhere"] }))?;
        let image = registry.reference();
        return Ok((Some(registry), image));
    }
    match stage.image.strip_prefix("process:") {
        Some(program) => Ok((None, format!("process:/nonexistent{program}"))),
        None => Err(Stop::untold("this needs an image whose entry point does not exist")),
    }
}

fn served(stage: &Stage, ways: &[&str]) -> Run {
    for way in ways {
        let function = stage.start(way)?;
        function.sees(&function.request("hi"))?;
    }
    Ok(())
}

fn refused(stage: &Stage, ways: &[&str]) -> Run {
    for way in ways {
        let answer = stage.start(way)?.call("hi")?;
        fault(&answer, 502, &["init", "failed", "start"]).map_err(|stop| match stop {
            Stop::Broken(why) => Stop::broken(format!("announced by {way}: {why}")),
            untold @ Stop::Untold(_) => untold,
        })?;
    }
    Ok(())
}

fn environment(stage: &Stage) -> Run {
    let function = stage.deploy(&json!({ "GREETING": "good day" }))?;
    let seen = function.sees(&function.request("who"))?.environment;
    let greeting = seen.get("GREETING").map(String::as_str);
    holds!(greeting == Some("good day"), "GREETING of the user's config is {greeting:?}");
    for (name, wanted) in [
        ("FN_FORMAT", "http-stream"),
        ("FN_APP_ID", &function.app.id),
        ("FN_FN_ID", &function.id),
        ("FN_MEMORY", "64"),
        ("FN_TYPE", "sync"),
    ] {
        let found = seen.get(name).map_or("absent", String::as_str);
        holds!(found == wanted, "{name} is {found}, and must be {wanted}");
    }
    let listener = seen.get("FN_LISTENER").map_or("absent", String::as_str);
    holds!(listener.starts_with("unix:/"), "FN_LISTENER is {listener}, and must be unix: and an absolute path");
    let known: BTreeSet<&str> = SYSTEM.into_iter().chain(MAY).collect();
    let strange: Vec<&String> =
        seen.keys().filter(|name| name.starts_with("FN_") && !known.contains(name.as_str())).collect();
    holds!(
        strange.is_empty(),
        "the function sees {strange:?}, which are neither its own nor the contract's; does the agent pass on its own settings?"
    );
    Ok(())
}
