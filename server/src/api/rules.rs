//! What members may say. What a config file may say as well is in `config::function`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use http::StatusCode;
use http::uri::Authority;
use serde_json::Value;

use crate::access::Caller;
use crate::config::function as limit;
use crate::store::record::{Secret, Secrets, Variables};

use super::{Problem, input};

/// A rule's sentence, with the member it is about.
pub(super) fn check<T>(member: &str, checked: Result<T, String>) -> Result<T, Problem> {
    checked.map_err(|what| Problem::invalid(format!("Invalid {member}: {what}")))
}

/// What has to be there.
pub(super) fn required(member: &str, value: Option<String>) -> Result<String, Problem> {
    input::some(value).ok_or_else(|| Problem::invalid(format!("Missing {member}: it is required")))
}

/// Only the server gives ids.
pub(super) fn no_id(id: Option<&str>) -> Result<(), Problem> {
    match id {
        None | Some("") => Ok(()),
        Some(_) => Err(Problem::invalid("Id given on create: id is set by the server")),
    }
}

/// An object that is sent back says its own id, if it says any.
pub(super) fn same_id(path: &str, id: Option<&str>) -> Result<(), Problem> {
    match id {
        Some(id) if !id.is_empty() && id != path => {
            Err(Problem::invalid(format!("Id mismatch: the body has the id {id:?} and the path {path:?}")))
        }
        _ => Ok(()),
    }
}

/// What a new object's variables are.
pub(super) fn variables(given: Option<input::Variables>) -> Result<Variables, Problem> {
    let given = given.unwrap_or_default().into_iter().map(|(name, value)| (name, value.unwrap_or_default()));
    let variables: BTreeMap<_, _> = given.collect();
    variables.iter().try_for_each(|(name, value)| check("config", limit::variable(name, value)))?;
    Ok(variables)
}

/// Sets `variables` as `given` says; an empty value takes one away.
pub(super) fn merge_variables(variables: &mut Variables, given: Option<input::Variables>) -> Result<(), Problem> {
    for (name, value) in given.into_iter().flatten() {
        match input::some(value) {
            None => drop(variables.remove(&name)),
            Some(value) => {
                check("config", limit::variable(&name, &value))?;
                variables.insert(name, value);
            }
        }
    }
    Ok(())
}

/// Sets `secrets` as `given` says: an empty value takes one away, `null` keeps it, which is how
/// they are told, so that an object that is sent back changes none. No message shows one.
pub(super) fn merge_secrets(secrets: &mut Secrets, given: Option<Value>) -> Result<(), Problem> {
    let given = match given {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Object(given)) => given,
        Some(_) => return Err(Problem::invalid("Invalid secrets: they are an object with a text for each name")),
    };
    for (name, value) in given {
        match value {
            Value::Null if secrets.contains_key(&name) => {}
            Value::Null => {
                return Err(Problem::invalid(format!("Invalid secrets: {name:?} is null, and there is none to keep")));
            }
            Value::String(value) if value.is_empty() => drop(secrets.remove(&name)),
            Value::String(value) => {
                check("secrets", limit::variable(&name, &value))?;
                secrets.insert(name, Secret::Given(hotfn::Secret::new(value)));
            }
            _ => return Err(Problem::invalid(format!("Invalid secrets: {name:?} is not a text"))),
        }
    }
    Ok(())
}

/// Where an app's logs are wanted.
pub(super) fn syslog_url(url: &str) -> Result<(), String> {
    const SCHEMES: [&str; 5] = ["tcp", "udp", "unix", "unixgram", "tcp+tls"];
    match url.split_once("://") {
        Some((scheme, rest)) if SCHEMES.contains(&scheme) && !rest.is_empty() => Ok(()),
        _ => Err(format!("{url:?} is not a URL that begins with one of {}", SCHEMES.join(", "))),
    }
}

/// The processors an app wants.
pub(super) fn shape(shape: &str) -> Result<(), String> {
    const SHAPES: [&str; 4] = ["", "GENERIC_X86", "GENERIC_ARM", "GENERIC_X86_ARM"];
    if SHAPES.contains(&shape) { Ok(()) } else { Err(format!("{shape:?} is none of {}", SHAPES[1..].join(", "))) }
}

/// A page of another site may not write here: a browser would let it send what it likes, and a
/// function is a program of its choice.
///
/// A page whose host is the one that the request was sent to may be of another site all the same:
/// whoever owns a name can have it lead here when the page is already open. Such a page has no token.
/// Where none was asked for, names count that nobody else can have: addresses, `localhost`, and that of
/// `public_url`.
pub(super) fn origin(origin: &[u8], base: &str, caller: &Caller, public_url: Option<&str>) -> Result<(), Problem> {
    let refused = |why| Err(Problem::new(StatusCode::FORBIDDEN, format!("Origin not allowed: {why}")));
    let host = |url: &str| url.split_once("://").map(|(_, host)| host.to_ascii_lowercase());
    let from = std::str::from_utf8(origin).ok().and_then(host);
    let Some(from) = from.filter(|from| Some(from) == host(base).as_ref()) else {
        return refused("a page of another site may not change this node");
    };
    let is_ours =
        matches!(caller, Caller::Holder(_)) || is_nobody_elses(&from) || public_url.and_then(host) == Some(from);
    if is_ours {
        return Ok(());
    }
    refused("any site's name may be made to lead here; name this one in cors_origins or public_url, or ask for tokens")
}

/// Is it a host that no name can be given to lead to?
fn is_nobody_elses(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host();
    let is_address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
    is_address || name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::access::{Role, Token};

    #[test]
    fn a_syslog_url_has_a_scheme_of_five() {
        for (url, ok) in [
            ("udp://log:514", true),
            ("tcp+tls://log", true),
            ("tcp://a,tcp://b", true),
            ("https://log", false),
            ("udp:", false),
            ("log", false),
        ] {
            assert_eq!(syslog_url(url).is_ok(), ok, "{url}");
        }
    }

    #[test]
    fn only_pages_of_our_own_may_write() {
        let (token, _) = Token::make("t".to_owned(), Role::Admin, BTreeSet::new(), String::new()).unwrap();
        let holder = Caller::Holder(token.grant().into());
        let check = |from: &str, ok: bool| {
            assert_eq!(origin(from.as_bytes(), "http://h:8080", &holder, None).is_ok(), ok, "{from}");
        };
        check("http://h:8080", true);
        check("https://H:8080", true);
        check("http://h", false);
        check("https://evil.example", false);
        check("null", false);
    }

    #[test]
    fn a_site_whose_name_was_made_to_lead_here_is_another_site() {
        let check = |host: &str, public_url: Option<&str>, ok: bool| {
            let url = format!("http://{host}");
            assert_eq!(origin(url.as_bytes(), &url, &Caller::Anybody, public_url).is_ok(), ok, "{host} {public_url:?}");
        };
        for ours in ["localhost", "localhost:8080", "shop.localhost:8080", "127.0.0.1:8080", "[::1]:8080", "10.1.2.3"] {
            check(ours, None, true);
        }
        for any in ["evil.example:8080", "node", "localhost.evil.example", "127.0.0.1.evil.example", "u@evil.example"] {
            check(any, None, false);
        }
        check("fn.example", Some("https://fn.example"), true);
        check("evil.example", Some("https://fn.example"), false);
    }
}
