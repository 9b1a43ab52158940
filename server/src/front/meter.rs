//! What is counted of requests: where they went, what was answered, how long it took.
//!
//! Nearly all there are, on a node that works, are plain calls that were answered with 200: those are
//! counters of the thread that serves them. All others share a table for each thread. Their paths are
//! those of the routes and not what stood in the request, so that nobody can make the table grow but a
//! function that thinks of ever new statuses, and it only up to a bound. Which kit a function was made
//! with is one of a bounded list as well ([`Kits`]).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Method, StatusCode};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use hotfn::metrics::{Buckets, Page, Seen, Shards};
use hotfn_protocols::{Timing, names};

use super::answer::Answer;
use super::kits::{Kit, Kits, NUMBERS};
use crate::conversation::Hangup;

/// The counters of a front.
#[derive(Debug, Default)]
pub(super) struct Meter {
    /// Plain calls that were answered with 200, by the number of the kit that did.
    good: Shards<[Buckets; NUMBERS]>,
    others: Shards<Mutex<BTreeMap<Key, Buckets>>>,
    kits: Kits,
}

/// What requests have in common that are counted together.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Key {
    path: &'static str,
    method: &'static str,
    /// 0: none, because nobody was left to be answered.
    status: u16,
    blame: &'static str,
    kit: Kit,
}

/// Sets that a thread's table has at most; what comes then is counted without its status and its kit.
const KEYS_MAX: usize = 1000;

/// Where plain calls go.
pub(super) const INVOKE: &str = "/invoke/:fn_id";
/// Where gateway calls go.
pub(super) const TRIGGER: &str = "/t/:app_name/*trigger_source";
/// Where there is nothing.
pub(super) const NOWHERE: &str = "other";

impl Meter {
    /// A plain call was answered, or not, on the short way: its steps say how long it took.
    pub(super) fn invoked(&self, answer: &Result<Answer, Hangup>) {
        match answer {
            Ok(answer) if answer.status == StatusCode::OK => {
                self.good.here()[self.kit(answer).number()].note(total(answer.timing));
            }
            Ok(Answer { timing, .. }) => self.note(INVOKE, &Method::POST, answer, total(*timing)),
            Err(Hangup) => self.note(INVOKE, &Method::POST, answer, Duration::ZERO),
        }
    }

    /// Any request was answered, or not.
    pub(super) fn note(&self, path: &'static str, method: &Method, answer: &Result<Answer, Hangup>, took: Duration) {
        let method = word(method);
        let mut key = match answer {
            Ok(answer) => {
                Key { path, method, status: answer.status.as_u16(), blame: blame(answer), kit: self.kit(answer) }
            }
            Err(Hangup) => Key { path, method, status: 0, blame: "caller", kit: Kit::NONE },
        };
        let mut table = self.others.here().lock().unwrap_or_else(PoisonError::into_inner);
        if table.len() >= KEYS_MAX && !table.contains_key(&key) {
            (key.status, key.kit) = (key.status / 100 * 100, Kit::NONE);
        }
        table.entry(key).or_default().note(took);
    }

    fn kit(&self, answer: &Answer) -> Kit {
        self.kits.of(answer.headers.first(&names::FN_FDK_VERSION))
    }

    fn sums(&self) -> BTreeMap<Key, Seen> {
        let mut sums = BTreeMap::new();
        for kit in Kit::all() {
            let good = Key { path: INVOKE, method: "POST", status: 200, blame: "", kit };
            let seen = Seen::of(self.good.all().map(|kits| &kits[kit.number()]));
            // One is there from the beginning, so that whoever looks finds something.
            if kit == Kit::NONE || seen.count() > 0 {
                sums.insert(good, seen);
            }
        }
        for table in self.others.all() {
            for (key, buckets) in &*table.lock().unwrap_or_else(PoisonError::into_inner) {
                sums.entry(*key).or_default().add(buckets);
            }
        }
        sums
    }
}

/// Tells what a front has counted, each time it is asked.
#[derive(Debug)]
pub(super) struct Told(pub(super) Arc<Meter>);

impl Collector for Told {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let sums = self.0.sums();
        let mut came: BTreeMap<[(&str, &str); 2], u64> = BTreeMap::new();
        for (key, seen) in &sums {
            *came.entry([("path", key.path), ("method", key.method)]).or_default() += seen.count();
        }
        let statuses: Vec<String> = sums.keys().map(|key| key.status.to_string()).collect();
        let answered = || {
            sums.iter().zip(&statuses).filter(|((key, _), _)| key.status > 0).map(|((key, seen), status)| {
                let labels = [
                    ("path", key.path),
                    ("method", key.method),
                    ("status", status.as_str()),
                    ("blame", key.blame),
                    ("fn_fdk_version", self.0.kits.name(key.kit)),
                ];
                (labels, seen)
            })
        };
        let mut page = Page::new(encoder);
        page.plains("fn_api_request_count", "Requests that came", came.iter().map(|(labels, n)| (*labels, *n)))?;
        let counts = answered().map(|(labels, seen)| (labels, seen.count()));
        page.plains("fn_api_response_count", "Requests that were answered", counts)?;
        page.millis("fn_api_latency", "Milliseconds from a request's head to its answer's", answered())?;
        page.counters("hotfn_requests", "Requests that came", came)
    }
}

fn total(timing: Timing) -> Duration {
    // The launch is a part of the queue's time.
    [timing.queue, timing.thaw, timing.dispatch, timing.function].into_iter().flatten().sum()
}

fn blame(answer: &Answer) -> &'static str {
    match answer.headers.first(&names::FN_BLAME) {
        Some(b"caller") => "caller",
        Some(b"function") => "function",
        Some(b"platform") => "platform",
        _ => "",
    }
}

/// The method, if it is one of those that everybody knows.
fn word(method: &Method) -> &'static str {
    match method.as_str() {
        "CONNECT" => "CONNECT",
        "DELETE" => "DELETE",
        "GET" => "GET",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        "PATCH" => "PATCH",
        "POST" => "POST",
        "PUT" => "PUT",
        "TRACE" => "TRACE",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::super::answer;
    use super::*;

    #[test]
    fn requests_are_counted_by_where_they_went_and_what_came_of_them() {
        let meter = Meter::default();
        let answered = |status: u16| Ok(answer::refusal(StatusCode::from_u16(status).unwrap(), "no"));
        meter.invoked(&Ok(answer::json(StatusCode::OK, String::new())));
        meter.invoked(&answered(503));
        meter.invoked(&Err(Hangup));
        let odd = Method::from_bytes(b"BREW").unwrap();
        meter.note(TRIGGER, &odd, &answered(405), Duration::from_millis(1));
        let sums: Vec<_> = meter.sums().into_iter().map(|(key, seen)| (key, seen.count())).collect();
        let key = |path, method, status, blame| (Key { path, method, status, blame, kit: Kit::NONE }, 1);
        assert_eq!(
            sums,
            [
                key(INVOKE, "POST", 0, "caller"),
                key(INVOKE, "POST", 200, ""),
                key(INVOKE, "POST", 503, "caller"),
                key(TRIGGER, "other", 405, "caller"),
            ]
        );
    }

    #[test]
    fn what_answers_say_of_their_kit_is_counted_apart() {
        let meter = Meter::default();
        for (status, said) in [(200, "fdk-go/1"), (200, "fdk-go/1"), (200, "<script>"), (502, "fdk-go/1"), (502, "x")] {
            let mut answer = answer::json(StatusCode::from_u16(status).unwrap(), String::new());
            answer.headers.insert(names::FN_FDK_VERSION, said.parse().unwrap());
            meter.invoked(&Ok(answer));
        }
        let sums = meter.sums();
        let told = |(key, seen): (&Key, &Seen)| (key.status, meter.kits.name(key.kit).to_owned(), seen.count());
        let sums: Vec<_> = sums.iter().map(told).collect();
        let row = |status, kit: &str, count| (status, kit.to_owned(), count);
        assert_eq!(
            sums,
            [
                row(200, "", 0),
                row(200, "other", 1),
                row(200, "fdk-go/1", 2),
                row(502, "other", 1),
                row(502, "fdk-go/1", 1)
            ]
        );
    }

    #[test]
    fn the_table_has_an_end() {
        let meter = Meter::default();
        for status in 100..1000 {
            for method in [&Method::GET, &Method::PUT] {
                let answer = Ok(answer::json(StatusCode::from_u16(status).unwrap(), String::new()));
                meter.note(TRIGGER, method, &answer, Duration::ZERO);
            }
        }
        let sums = meter.sums();
        assert!(sums.len() <= KEYS_MAX + 20, "{}", sums.len());
        assert_eq!(sums.values().map(Seen::count).sum::<u64>(), 1800);
    }
}
