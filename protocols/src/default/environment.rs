//! What a cold process is told of its call, beside the body: variables.
//!
//! | variable | value |
//! |---|---|
//! | `FN_CALL_ID` | the call's id |
//! | `FN_DEADLINE` | when it must have ended, RFC 3339 with milliseconds |
//! | `FN_METHOD` | the caller's method |
//! | `FN_REQUEST_URL` | the caller's URL |
//! | `FN_HEADER_Content-Type` | a header of the caller's, its values joined with `, ` |
//! | `FN_HEADER_CONTENT_TYPE` | the same again: no shell reads a name with a dash |
//!
//! The second spelling is not given to a name that has an underscore: `X_User` would pass for
//! `X-User` then, which a front may vouch for.

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::{Arrival, Body, Call, Due, Intent, Text, canonical};

/// The longest variable, its name and `=` counted: the kernel takes 128 KiB for one string, and
/// counts the byte that ends it. A longer one is left out, or the process could not start.
pub const VARIABLE_BYTES_MAX: usize = (128 << 10) - 1;

/// Most bytes of headers, both spellings counted: what remains of the kernel's bound on a whole
/// environment (at the least 128 KiB, with usual stacks 2 MiB) is for the function's own config. From
/// the header that would go beyond it, in order of names, headers are left out.
pub const HEADERS_BYTES_MAX: usize = 256 << 10;

const CALL_ID: &str = "FN_CALL_ID";
const DEADLINE: &str = "FN_DEADLINE";
const METHOD: &str = "FN_METHOD";
const REQUEST_URL: &str = "FN_REQUEST_URL";
const HEADER: &str = "FN_HEADER_";

/// The variables of one call.
#[must_use]
pub fn env(call: &Call) -> Vec<(String, String)> {
    let mut env = vec![(CALL_ID.to_owned(), call.id.to_string())];
    env.extend(call.deadline.map(|deadline| (DEADLINE.to_owned(), deadline.to_rfc3339_millis())));
    env.push((METHOD.to_owned(), call.method.to_string()));
    env.push((REQUEST_URL.to_owned(), call.url.clone()));
    let mut bytes = 0;
    for (name, values) in canonical::headers(&call.headers, |_| true) {
        let values: Vec<_> = values.iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        let value = values.join(", ");
        let loud = name.to_ascii_uppercase().replace('-', "_");
        let spellings = if name.contains('_') || loud == name { vec![name] } else { vec![name, loud] };
        bytes += spellings.iter().map(|name| HEADER.len() + name.len() + value.len()).sum::<usize>();
        if bytes > HEADERS_BYTES_MAX {
            break;
        }
        env.extend(spellings.into_iter().map(|name| (format!("{HEADER}{name}"), value.clone())));
    }
    env.retain(can_be_set);
    env
}

/// The kernel's rules for a variable: not too long, and no byte in it that ends a string.
fn can_be_set((name, value): &(String, String)) -> bool {
    name.len() + 1 + value.len() <= VARIABLE_BYTES_MAX && !name.contains('\0') && !value.contains('\0')
}

/// The function's reading: all of a process's variables, and its standard input.
///
/// Method, URL and headers are those of the caller's HTTP request: [`Intent::Gateway`]. Where an agent
/// gives a header only in capitals, underscores are taken for dashes.
#[must_use]
pub fn arrival(env: impl IntoIterator<Item = (String, String)>, body: Body) -> Arrival {
    let mut arrival = Arrival { body, ..Arrival::default() };
    let (mut exact, mut loud) = (HeaderMap::new(), HeaderMap::new());
    for (name, value) in env {
        match name.as_str() {
            CALL_ID => arrival.call_id = Some(value).filter(|id| !id.is_empty()).map(Text::from),
            DEADLINE => arrival.due = Due::told(value),
            METHOD => {
                arrival.intent = Intent::Gateway;
                arrival.method = value.parse().unwrap_or(Method::POST);
            }
            REQUEST_URL => arrival.url = value,
            _ => {
                let Some(name) = name.strip_prefix(HEADER) else { continue };
                let (map, name) = if name.contains(|c: char| c.is_ascii_lowercase() || c == '-') {
                    (&mut exact, name.to_owned())
                } else {
                    (&mut loud, name.replace('_', "-"))
                };
                if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                    map.insert(name, value);
                }
            }
        }
    }
    for (name, value) in &loud {
        exact.entry(name).or_insert_with(|| value.clone());
    }
    arrival.headers = exact.into();
    arrival
}
