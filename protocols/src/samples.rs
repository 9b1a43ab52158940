//! What the tests of several formats compare their wires with: one call with fixed words in it, for
//! the samples in `samples/`.

use std::time::{Duration, Instant, SystemTime};

use http::{HeaderName, HeaderValue};

use crate::{Call, Deadline, Due, Limits};

/// The id that stands in the samples. A call's own is never the same twice.
pub(crate) const ID: &str = "01ARYZ6S41TSV4RRFFQ69G5FAV";

/// The moment at which the samples were written, by the wall clock.
pub(crate) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_000_000_123)
}

/// A call that must have ended 555 ms after [`now`].
pub(crate) fn call(method: &str, url: &str, headers: &[(&str, &[u8])]) -> Call {
    let mut call = Call::new("hello", "");
    call.method = method.parse().unwrap();
    call.url = url.to_owned();
    for (name, value) in headers {
        let name: HeaderName = name.parse().unwrap();
        call.headers.append(name, HeaderValue::from_bytes(value).unwrap());
    }
    call.deadline = Some(Deadline::from_clocks(Instant::now(), now(), Duration::from_millis(555)));
    call
}

/// What a function makes of a deadline at the moment of the samples.
pub(crate) fn deadline(due: &Due) -> Option<Deadline> {
    due.deadline(Instant::now(), now())
}

/// A wire's text with the sample's id in the place of the call's own.
pub(crate) fn text(call: &Call, wire: Vec<u8>) -> String {
    String::from_utf8(wire).unwrap().replace(call.id.as_str(), ID)
}

/// Bounds low enough to meet.
pub(crate) fn limits() -> Limits {
    Limits { response_headers_max: 10, response_head_bytes_max: 256, ..Limits::default() }
}
