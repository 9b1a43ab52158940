//! HTTP triggers: a caller's request, wrapped for the function, and its answer, unwrapped.

use serde_json::json;

use super::stage::{Deployed, Stage, fault, script};
use crate::case::Entry;
use crate::check::{Run, Stop, holds};
use crate::wire::{Answer, Request};

/// All but HEAD.
const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

pub(super) const CASES: &[Entry<Stage>] = &[
    Entry::must(
        130,
        "How a request is wrapped",
        "The function sees Fn-Intent: httprequest, the method, the absolute URL, every header prefixed but Host and \
         Content-Type, and those unprefixed.",
        |stage| {
            let (function, path) = behind(stage, "/wrapped")?;
            let host = stage.address.to_string();
            let request = Request::plain("POST", &format!("{path}?x=1"), &host)
                .header("Content-Type", "text/x-own")
                .header("X-Twice", "1")
                .header("X-Twice", "2")
                .body("hi");
            let seen = function.sees(&request)?;
            let url = format!("http://{host}{path}?x=1");
            for (name, wanted) in [
                ("fn-intent", &["httprequest"][..]),
                ("fn-http-method", &["POST"]),
                ("fn-http-request-url", &[&url]),
                ("content-type", &["text/x-own"]),
                ("fn-http-h-x-twice", &["1", "2"]),
                ("fn-http-h-content-length", &["2"]),
                ("fn-http-h-content-type", &[]),
                ("fn-http-h-host", &[]),
                ("x-twice", &[]),
            ] {
                let found = seen.all(name);
                holds!(found == wanted, "the function sees {name} {found:?}, not {wanted:?}");
            }
            Ok(())
        },
    ),
    Entry::must(
        131,
        "Every method",
        "Whatever the caller's method, the function sees POST /call, and the method in Fn-Http-Method.",
        |stage| {
            let (function, path) = behind(stage, "/any")?;
            for method in METHODS {
                let request = Request::plain(method, &path, &stage.address.to_string());
                let seen = function.sees(&request)?;
                came_as(&seen.line, seen.header("fn-http-method"), method)?;
            }
            // Its answer has no body in which the witness could tell what it saw: the next one's has.
            let head = Request::plain("HEAD", &path, &stage.address.to_string());
            stage.connect()?.head(&head)?.is(200, "a HEAD")?;
            let next = function.sees(&Request::plain("GET", &path, &stage.address.to_string()))?;
            let Some(seen) = next.earlier.last() else {
                return Err(Stop::broken("a HEAD was answered, and the function was not called for it"));
            };
            let method = seen.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("fn-http-method"));
            came_as(&seen.line, method.map(|(_, value)| value.as_str()), "HEAD")?;
            Ok(())
        },
    ),
    Entry::must(132, "The function's status", "Fn-Http-Status is the caller's status.", |stage| {
        let (_function, path) = behind(stage, "/status")?;
        for status in ["201", "204", "302", "404", "500"] {
            let answer = answers(stage, &path, &format!("Fn-Http-Status: {status}%0d%0a"), "")?;
            holds!(answer.status.to_string() == status, "Fn-Http-Status: {status} came as {}", answer.brief());
        }
        Ok(())
    }),
    Entry::must(
        133,
        "The function's headers",
        "Fn-Http-H-X comes as X, repeats included; what has no prefix is dropped, but for Content-Type.",
        |stage| {
            let (_function, path) = behind(stage, "/headers")?;
            let lines = "Fn-Http-H-X-Own: 1%0d%0aFn-Http-H-X-Own: 2%0d%0aX-Bare: 1%0d%0aContent-Type: text/x-own%0d%0a";
            let answer = answers(stage, &path, lines, "hi")?;
            for (name, wanted) in [
                ("x-own", &["1", "2"][..]),
                ("x-bare", &[]),
                ("fn-http-h-x-own", &[]),
                ("content-type", &["text/x-own"]),
            ] {
                let found = answer.all(name);
                holds!(found == wanted, "the caller sees {name} {found:?}, not {wanted:?}");
            }
            Ok(())
        },
    ),
    Entry::should(
        134,
        "A status that is no number",
        "Fn-Http-Status that is absent, or no number, means 200.",
        |stage| {
            let (_function, path) = behind(stage, "/status")?;
            for line in ["", "Fn-Http-Status: abc%0d%0a"] {
                answers(stage, &path, line, "hi")?.is(200, &format!("an answer with {line:?}"))?;
            }
            Ok(())
        },
    ),
    Entry::better(135, "A status that is none", "Fn-Http-Status: 99 is an invalid answer: 502.", |stage| {
        let (_function, path) = behind(stage, "/status")?;
        fault(&answers(stage, &path, "Fn-Http-Status: 99%0d%0a", "hi")?, 502, &[])
    }),
    Entry::must(
        136,
        "Nobody's trigger",
        "An unknown source, and an unknown app, are 404 with a message in JSON.",
        |stage| {
            let (function, _) = behind(stage, "/known")?;
            let host = stage.address.to_string();
            for path in [format!("/t/{}/unknown", function.app.name), "/t/nobody-of-that-name/x".to_owned()] {
                fault(&stage.ask(&Request::plain("GET", &path, &host))?, 404, &[])?;
            }
            Ok(())
        },
    ),
    Entry::must(
        137,
        "Sources of every depth",
        "A source may be / or have many parts; the query does not belong to it.",
        |stage| {
            let (function, deep) = behind(stage, "/a/b/c.d")?;
            let root = function.trigger("/")?;
            let host = stage.address.to_string();
            for path in [deep.clone(), format!("{deep}?x=/y"), root] {
                function.sees(&Request::plain("GET", &path, &host))?;
            }
            Ok(())
        },
    ),
    Entry::must(
        138,
        "A caller's Fn-Intent",
        "Fn-Intent of a caller's comes prefixed, and the gateway's own is not touched.",
        |stage| {
            let (function, path) = behind(stage, "/intent")?;
            let request = Request::plain("GET", &path, &stage.address.to_string()).header("Fn-Intent", "forged");
            let seen = function.sees(&request)?;
            let found = (seen.all("fn-intent"), seen.all("fn-http-h-fn-intent"));
            holds!(found == (vec!["httprequest"], vec!["forged"]), "Fn-Intent and Fn-Http-H-Fn-Intent are {found:?}");
            Ok(())
        },
    ),
];

/// The witness behind a trigger, and the trigger's path.
fn behind<'s>(stage: &'s Stage, source: &str) -> Run<(Deployed<'s>, String)> {
    let function = stage.deploy(&json!({}))?;
    let path = function.trigger(source)?;
    Ok((function, path))
}

fn came_as(line: &str, found: Option<&str>, method: &str) -> Run {
    holds!(line == "POST /call HTTP/1.1", "{method} came as {line:?}");
    holds!(found == Some(method), "Fn-Http-Method of a {method} is {found:?}");
    Ok(())
}

/// What a caller gets of an answer with these header lines.
fn answers(stage: &Stage, path: &str, lines: &str, body: &str) -> Run<Answer> {
    let step = format!("send HTTP/1.1 200 OK%0d%0a{lines}Content-Length: {}%0d%0a%0d%0a{body}", body.len());
    let request = Request::plain("POST", path, &stage.address.to_string());
    stage.ask(&request.body(script(&[&step])))
}
