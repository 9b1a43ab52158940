//! What is counted of an engine: what it was asked and how quickly it answered, what had to be asked again, how
//! containers ended, and what it says happened to them.
//!
//! An engine is asked when containers come and go, so that this may take a lock. Labels are words of closed lists, and
//! the engine's own numbers.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::Method;

use crate::metrics::{Buckets, Page, Seen};

/// The counters of an engine.
#[derive(Debug, Default)]
pub(super) struct Tally {
    requests: Mutex<BTreeMap<(&'static str, Outcome), Buckets>>,
    retries: Mutex<BTreeMap<(&'static str, Outcome), u64>>,
    /// By the status that containers ended with.
    exits: Mutex<BTreeMap<u8, u64>>,
    events: Mutex<BTreeMap<&'static str, u64>>,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Outcome {
    /// Nobody waited for it any more, because it took too long or its caller left.
    Canceled,
    /// There was no answer.
    Error,
    Ok,
    /// The answer was no.
    Status(u16),
}

/// A request under way. Dropped before it is said to have ended, it was canceled.
pub(super) struct Asked<'a> {
    tally: &'a Tally,
    api: &'static str,
    since: Instant,
    outcome: Outcome,
}

/// What can happen to a container, as engines call it; something else is `other`.
const ACTIONS: [&str; 18] = [
    "attach",
    "create",
    "destroy",
    "die",
    "exec_create",
    "exec_die",
    "exec_start",
    "health_status",
    "kill",
    "oom",
    "pause",
    "rename",
    "resize",
    "start",
    "stop",
    "top",
    "unpause",
    "update",
];

impl Tally {
    /// The engine is asked something.
    pub(super) fn ask(&self, method: &Method, path: &str) -> Asked<'_> {
        Asked { tally: self, api: api(method, path), since: Instant::now(), outcome: Outcome::Canceled }
    }

    /// Something is asked again because of this outcome.
    pub(super) fn retry(&self, api: &'static str, outcome: Outcome) {
        *locked(&self.retries).entry((api, outcome)).or_default() += 1;
    }

    /// A container ended with this status.
    pub(super) fn exit(&self, status: u8) {
        *locked(&self.exits).entry(status).or_default() += 1;
    }

    /// The engine says that this happened to a container. Some actions are followed by what they were done with.
    pub(super) fn event(&self, action: &str) {
        let word = action.split(':').next().unwrap_or_default();
        let known = ACTIONS.iter().find(|known| **known == word);
        *locked(&self.events).entry(known.copied().unwrap_or("other")).or_default() += 1;
    }

    /// Tells it all, of the engine with this number.
    pub(super) fn tell(&self, page: &mut Page<'_>, instance: u64) -> fmt::Result {
        let mut requests: BTreeMap<(&str, String), Seen> = BTreeMap::new();
        for ((api, outcome), buckets) in &*locked(&self.requests) {
            requests.entry((api, outcome.to_string())).or_default().add(buckets);
        }
        let labelled =
            || requests.iter().map(|((api, status), seen)| ([("api_name", *api), ("api_status", status)], seen));
        page.millis(
            "fn_docker_api_latency",
            "Milliseconds from a request of the engine to its answer's head",
            labelled(),
        )?;
        page.durations_by(
            "hotfn_engine_request_duration_seconds",
            "From a request of the engine to its answer's head",
            labelled(),
        )?;

        let retries: Vec<_> =
            locked(&self.retries).iter().map(|((api, outcome), n)| (*api, outcome.to_string(), *n)).collect();
        let labelled = || retries.iter().map(|(api, status, n)| ([("api_name", *api), ("api_status", status)], *n));
        page.plains("fn_docker_api_retries", "Requests of the engine that were made again", labelled())?;
        page.counters("hotfn_engine_retries", "Requests of the engine that were made again", labelled())?;

        let exits: Vec<_> = locked(&self.exits).iter().map(|(status, n)| (format!("exit_{status}"), *n)).collect();
        let events: Vec<_> = locked(&self.events).iter().map(|(action, n)| (*action, *n)).collect();
        // Fn's programs have said both.
        for prefix in ["fn_docker", "fn_docker_api"] {
            let labelled = exits.iter().map(|(status, n)| ([("api_name", WAIT), ("exit_status", status)], *n));
            page.plains(&format!("{prefix}_exits"), "Containers that ended, by their status", labelled)?;
            let labelled =
                events.iter().map(|(action, n)| ([("event_action", *action), ("event_type", "container")], *n));
            page.plains(&format!("{prefix}_events"), "What the engine said happened to containers", labelled)?;
            let help = "A number made of the engine's name, which is another one when the engine is";
            page.plain(&format!("{prefix}_instance_id"), help, instance)?;
        }
        let exits = exits.iter().map(|(status, n)| ([("status", status.as_str())], *n));
        page.counters("hotfn_engine_exits", "Containers of the engine that ended, by their status", exits)
    }
}

impl Asked<'_> {
    /// The engine has answered, or will not.
    pub(super) fn ended(mut self, status: Option<http::StatusCode>) {
        self.outcome = match status {
            None => Outcome::Error,
            Some(status) if status.is_client_error() || status.is_server_error() => Outcome::Status(status.as_u16()),
            Some(_) => Outcome::Ok,
        };
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let took: Duration = self.since.elapsed();
        locked(&self.tally.requests).entry((self.api, self.outcome)).or_default().note(took);
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Canceled => f.write_str("canceled"),
            Self::Error => f.write_str("error"),
            Self::Ok => f.write_str("ok"),
            Self::Status(status) => status.fmt(f),
        }
    }
}

impl From<Option<u16>> for Outcome {
    /// Of the status of a refusal, if there was one.
    fn from(status: Option<u16>) -> Self {
        status.map_or(Self::Error, Self::Status)
    }
}

/// To make a container.
pub(super) const CREATE: &str = "docker_create_container";
/// To ask how one is.
pub(super) const INSPECT: &str = "docker_inspect_container";
/// To remove one.
pub(super) const REMOVE: &str = "docker_remove_container";
/// To wait for one's end.
const WAIT: &str = "docker_wait_container";

/// What Fn calls a request with this path, whose version was left away.
fn api(method: &Method, path: &str) -> &'static str {
    let path = path.trim_start_matches('/');
    let (kind, rest) = path.split_once('/').unwrap_or((path, ""));
    // An image's name may have slashes.
    let verb = rest.rsplit('/').next().unwrap_or_default();
    match (kind, rest, verb) {
        ("containers", "create", _) => CREATE,
        ("containers", "json", _) => "docker_list_containers",
        ("containers", _, _) if *method == Method::DELETE => REMOVE,
        ("containers", _, "attach") => "docker_attach_container",
        ("containers", _, "json") => INSPECT,
        ("containers", _, "kill") => "docker_kill_container",
        ("containers", _, "pause") => "docker_pause_container",
        ("containers", _, "start") => "docker_start_container",
        ("containers", _, "unpause") => "docker_unpause_container",
        ("containers", _, "wait") => WAIT,
        ("events", ..) => "docker_events",
        ("images", "create", _) => "docker_pull_image",
        ("images", "json", _) => "docker_list_images",
        ("images", "load", _) => "docker_load_images",
        ("images", ..) if *method == Method::DELETE => "docker_remove_image",
        ("images", _, "json") => "docker_inspect_image",
        ("info", ..) => "docker_info",
        ("networks", ..) => "docker_inspect_network",
        _ => "docker_other",
    }
}

/// A number of a name, small enough for whoever reads it as a fraction.
pub(super) fn number(name: &str) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let hash = name.bytes().fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    hash >> 11
}

fn locked<T>(counts: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use prometheus_client::collector::Collector;
    use prometheus_client::encoding::DescriptorEncoder;
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn a_request_is_called_as_fn_calls_it() {
        let check = |method: Method, path: &str, expected: &str| assert_eq!(api(&method, path), expected, "{path}");
        check(Method::POST, "/containers/create", "docker_create_container");
        check(Method::GET, "/containers/json", "docker_list_containers");
        check(Method::GET, "/containers/0a1b/json", "docker_inspect_container");
        check(Method::POST, "/containers/0a1b/start", "docker_start_container");
        check(Method::DELETE, "/containers/0a1b", "docker_remove_container");
        check(Method::POST, "/images/create", "docker_pull_image");
        check(Method::GET, "/images/host:5000/a/b:1/json", "docker_inspect_image");
        check(Method::DELETE, "/images/a/b", "docker_remove_image");
        check(Method::GET, "/info", "docker_info");
        check(Method::GET, "/", "docker_other");
    }

    #[derive(Debug)]
    struct Told(Tally);

    impl Collector for Told {
        fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
            self.0.tell(&mut Page::new(encoder), number("engine"))
        }
    }

    #[test]
    fn all_that_was_counted_is_told() {
        let tally = Tally::default();
        tally.ask(&Method::GET, "/info").ended(Some(StatusCode::OK));
        tally.ask(&Method::GET, "/info").ended(Some(StatusCode::CONFLICT));
        tally.ask(&Method::GET, "/info").ended(None);
        drop(tally.ask(&Method::GET, "/info"));
        tally.retry(REMOVE, Some(409).into());
        tally.exit(137);
        tally.event("exec_create: /bin/sh -c secret");
        tally.event("what nobody knows");
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Told(tally)));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            "fn_docker_api_latency_count{api_name=\"docker_info\",api_status=\"ok\"} 1",
            "fn_docker_api_latency_count{api_name=\"docker_info\",api_status=\"409\"} 1",
            "fn_docker_api_latency_count{api_name=\"docker_info\",api_status=\"error\"} 1",
            "hotfn_engine_request_duration_seconds_count{api_name=\"docker_info\",api_status=\"canceled\"} 1",
            "fn_docker_api_retries{api_name=\"docker_remove_container\",api_status=\"409\"} 1",
            "fn_docker_exits{api_name=\"docker_wait_container\",exit_status=\"exit_137\"} 1",
            "fn_docker_api_exits{api_name=\"docker_wait_container\",exit_status=\"exit_137\"} 1",
            "hotfn_engine_exits_total{status=\"exit_137\"} 1",
            "fn_docker_events{event_action=\"exec_create\",event_type=\"container\"} 1",
            "fn_docker_api_events{event_action=\"other\",event_type=\"container\"} 1",
        ] {
            assert!(text.lines().any(|told| told == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("secret") && text.contains(&format!("fn_docker_instance_id {}", number("engine"))));
    }
}
