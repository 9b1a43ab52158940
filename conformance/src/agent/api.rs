//! The v2 API, as the command line and others use it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::stage::{App, Stage, fault};
use crate::case::Entry;
use crate::check::{Run, Stop, holds};
use crate::wire::{Answer, Request};

/// What the command line sends where a time was never set.
const ZERO: &str = "0001-01-01T00:00:00.000Z";
/// What a server is told to say that it is called by.
const PUBLIC_URL: &str = "https://fn.example";
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 1 << 20;
/// Items of the cases that walk lists, and how many a page has unless asked otherwise.
const COUNTS: [usize; 6] = [0, 29, 30, 31, 100, 101];

pub(super) const CASES: &[Entry<Stage>] = &[
    Entry::must(
        139,
        "Version, greeting, and what is not there",
        "GET /version tells the version; an unknown path is 404, a wrong method 405 or 404.",
        |stage| {
            let version = body(&stage.api("GET", "/version", None)?.is(200, "/version")?);
            holds!(version["version"].is_string(), "/version was answered {version}");
            stage.api("GET", "/", None)?.is(200, "/")?;
            for path in ["/v2/nothing", "/nothing"] {
                stage.api("GET", path, None)?.is(404, path)?;
            }
            let wrong = stage.api("DELETE", "/v2/apps", None)?;
            holds!([404, 405].contains(&wrong.status), "DELETE /v2/apps was answered {}", wrong.brief());
            Ok(())
        },
    ),
    Entry::must(140, "Create and delete", "Create answers 200 with an id and times, delete 204.", |stage| {
        let made = stage.api("POST", "/v2/apps", Some(&json!({ "name": stage.name() })))?;
        let app = body(&made.is(200, "creating an app")?);
        for member in ["id", "created_at", "updated_at"] {
            holds!(app[member].as_str().is_some_and(|text| !text.is_empty()), "a new app has no {member}: {app}");
        }
        let path = format!("/v2/apps/{}", app["id"].as_str().unwrap_or_default());
        stage.api("DELETE", &path, None)?.is(204, "deleting an app")?;
        stage.api("GET", &path, None)?.is(404, "an app that was deleted")?;
        Ok(())
    }),
    Entry::must(
        141,
        "What is refused",
        "What breaks a rule of an object is refused with 400, what is there already with 409, what is not with 404.",
        |stage| {
            let function = stage.deploy_as(&json!({}))?;
            let app = &function.app;
            let long = "x".repeat(256);
            let of = |members: Value| with(json!({ "name": "f", "app_id": app.id, "image": stage.image }), &members);
            let trigger = |members: Value| {
                with(
                    json!({ "name": "t", "app_id": app.id, "fn_id": function.id, "type": "http", "source": "/s" }),
                    &members,
                )
            };
            for (path, new, status) in [
                ("/v2/apps", json!({}), 400),
                ("/v2/apps", json!({ "name": "a b" }), 400),
                ("/v2/apps", json!({ "name": long }), 400),
                ("/v2/apps", json!({ "name": "x", "id": "mine" }), 400),
                ("/v2/apps", json!({ "name": app.name }), 409),
                ("/v2/fns", of(json!({ "name": "" })), 400),
                ("/v2/fns", of(json!({ "image": "" })), 400),
                ("/v2/fns", of(json!({ "app_id": "" })), 400),
                ("/v2/fns", of(json!({ "app_id": "nobody" })), 404),
                ("/v2/fns", of(json!({ "name": "witness" })), 409),
                ("/v2/triggers", trigger(json!({ "source": "no-slash" })), 400),
                ("/v2/triggers", trigger(json!({ "type": "cron" })), 400),
                ("/v2/triggers", trigger(json!({ "fn_id": "nobody" })), 404),
            ] {
                let answer = stage.api("POST", path, Some(&new))?;
                holds!(answer.status == status, "POST {path} {new} was answered {}, not {status}", answer.brief());
                fault(&answer, status, &[])?;
            }
            Ok(())
        },
    ),
    Entry::must(
        142,
        "Bounds, both sides",
        "Memory is 1 to 8192 MB, timeout 1 to 300 s, idle timeout 1 to 3600 s, and 0 the default of each; names have \
         255 bytes, annotations 100 keys of 128 bytes with values of 512, requests 1 MiB of headers.",
        bounds,
    ),
    Entry::must(
        143,
        "Times of a caller's",
        "The command line sends zero times in what it creates; they are passed over.",
        |stage| {
            let function = stage.deploy_as(&json!({ "created_at": ZERO, "updated_at": ZERO }))?;
            let new = json!({
                "name": "t", "app_id": function.app.id, "fn_id": function.id, "type": "http", "source": "/s",
                "created_at": ZERO, "updated_at": ZERO,
            });
            stage.api("POST", "/v2/triggers", Some(&new))?.is(200, "a trigger with zero times").map(drop)
        },
    ),
    Entry::must(144, "Config is merged", "An update merges config; an empty value takes a name away.", |stage| {
        let app = stage.app(&json!({ "A": "1", "B": "2" }))?;
        let now = put(&app, &json!({ "config": { "A": "", "B": "3", "C": "4" } }))?.is(200, "an update of config")?;
        let found = body(&now)["config"].clone();
        holds!(found == json!({ "B": "3", "C": "4" }), "the merged config is {found}");
        Ok(())
    }),
    Entry::must(
        145,
        "Annotations are merged",
        "An update merges annotations; an empty text takes one away; keys are bounded.",
        |stage| {
            let app = stage.app(&json!({}))?;
            put(&app, &json!({ "annotations": { "a": [1], "b": "x" } }))?.is(200, "new annotations")?;
            let now =
                put(&app, &json!({ "annotations": { "b": "", "c": { "d": 1 } } }))?.is(200, "other annotations")?;
            let found = body(&now)["annotations"].clone();
            holds!(found == json!({ "a": [1], "c": { "d": 1 } }), "the merged annotations are {found}");
            fault(&put(&app, &json!({ "annotations": { "k".repeat(129): 1 } }))?, 400, &[])
        },
    ),
    Entry::better(146, "An annotation that is null", "It is refused with 400.", |stage| {
        let app = stage.app(&json!({}))?;
        fault(&put(&app, &json!({ "annotations": { "a": null } }))?, 400, &[])
    }),
    Entry::must(
        147,
        "Where a function and a trigger are called",
        "Both are annotated with an address on FN_PUBLIC_LB_URL, or else on the host that the request was for.",
        |stage| {
            annotated(stage, &format!("http://{}", stage.address))?;
            if stage.command().is_err() {
                stage.transcript.note("FN_PUBLIC_LB_URL was not tried: this server was started by somebody else");
                return Ok(());
            }
            let (_own, stage) = stage.own(&[("FN_PUBLIC_LB_URL", PUBLIC_URL)])?;
            annotated(&stage, PUBLIC_URL)
        },
    ),
    Entry::must(
        148,
        "Lists in pages",
        "A page has 30 items unless asked otherwise, at most 100; walking the cursor visits each item once.",
        |stage| {
            for count in COUNTS {
                let app = stage.app(&json!({}))?;
                for number in 0..count {
                    let new = json!({ "name": format!("f{number:03}"), "app_id": app.id, "image": stage.image });
                    stage.api("POST", "/v2/fns", Some(&new))?.is(200, "a function")?;
                }
                walk(&app, "", 30, count)?;
                walk(&app, "&per_page=100", 100, count)?;
            }
            Ok(())
        },
    ),
    Entry::must(149, "Deleting an app", "Its functions and triggers go with it.", |stage| {
        let function = stage.deploy_as(&json!({}))?;
        function.trigger("/gone")?;
        let id = function.id.clone();
        drop(function);
        stage.api("GET", &format!("/v2/fns/{id}"), None)?.is(404, "a function of an app that was deleted").map(drop)
    }),
    Entry::better(150, "An update with another id", "It is refused with one document, and changes nothing.", |stage| {
        let app = stage.app(&json!({ "A": "1" }))?;
        let answer = put(&app, &json!({ "id": "other", "config": { "A": "2" } }))?;
        fault(&answer, 400, &[])?;
        let now = body(&stage.api("GET", &format!("/v2/apps/{}", app.id), None)?);
        holds!(now["config"] == json!({ "A": "1" }), "what was refused changed config to {}", now["config"]);
        Ok(())
    }),
    Entry::better(151, "A source that is taken", "A trigger cannot be given another's source: 409.", |stage| {
        let function = stage.deploy_as(&json!({}))?;
        function.trigger("/one")?;
        function.trigger("/two")?;
        let list = body(&stage.api("GET", &format!("/v2/triggers?app_id={}", function.app.id), None)?);
        let items = list["items"].as_array().cloned().unwrap_or_default();
        let two = items.iter().find(|item| item["source"] == "/two").map(|item| item["id"].clone()).unwrap_or_default();
        let path = format!("/v2/triggers/{}", two.as_str().unwrap_or_default());
        fault(&stage.api("PUT", &path, Some(&json!({ "source": "/one" })))?, 409, &[])
    }),
    Entry::should(
        153,
        "Calls and logs",
        "The routes that once told of past calls are 410, or tell of calls.",
        |stage| {
            let function = stage.deploy_as(&json!({}))?;
            let get = |path: &str| stage.api("GET", &format!("/v2/fns/{}/{path}", function.id), None);
            let list = get("calls")?;
            let no_call = if list.status == 410 { 410 } else { 404 };
            if no_call == 404 {
                list.is(200, "calls")?;
            }
            for path in ["calls/01CALL", "calls/01CALL/log"] {
                get(path)?.is(no_call, path)?;
            }
            Ok(())
        },
    ),
];

fn bounds(stage: &Stage) -> Run {
    let app = stage.app(&json!({}))?;
    let create = |path: &str, new: &Value, right: bool, what: &str| {
        let answer = stage.api("POST", path, Some(new))?;
        let wanted = if right { 200 } else { 400 };
        holds!(answer.status == wanted, "{what} was answered {}, not {wanted}", answer.brief());
        if right && path == "/v2/apps" {
            let made = body(&answer);
            stage.api("DELETE", &format!("/v2/apps/{}", made["id"].as_str().unwrap_or_default()), None)?;
        }
        Ok(answer)
    };
    let of = |number: usize, members: Value| {
        with(json!({ "name": format!("f{number}"), "app_id": app.id, "image": stage.image }), &members)
    };
    let mut number = 0;
    for (member, usual, most) in [("memory", 128, 8192), ("timeout", 30, 300), ("idle_timeout", 30, 3600)] {
        for (value, right) in [(-1, false), (0, true), (1, true), (most, true), (most + 1, false)] {
            number += 1;
            let made = create("/v2/fns", &of(number, json!({ member: value })), right, &format!("{member} {value}"))?;
            let set = if value == 0 { usual } else { value };
            let found = &body(&made)[member];
            holds!(!right || *found == set, "{member} {value} was stored as {found}, not as {set}");
        }
    }
    for (bytes, right) in [(255, true), (256, false)] {
        let name = |prefix: &str| format!("{prefix}{}", "x".repeat(bytes - prefix.len()));
        let what = format!("a name of {bytes} bytes");
        create("/v2/apps", &json!({ "name": name(&stage.name()) }), right, &what)?;
        create("/v2/fns", &of(0, json!({ "name": name("f") })), right, &what)?;
    }
    let keys = |count: usize| (0..count).map(|n| (format!("k{n}"), json!(n))).collect::<serde_json::Map<_, _>>();
    for (annotations, right, what) in [
        (Value::Object(keys(100)), true, "100 annotations"),
        (Value::Object(keys(101)), false, "101 annotations"),
        (json!({ "k".repeat(128): 1 }), true, "an annotation's key of 128 bytes"),
        (json!({ "k".repeat(129): 1 }), false, "an annotation's key of 129 bytes"),
        // With the quotes around it.
        (json!({ "k": "v".repeat(510) }), true, "an annotation's value of 512 bytes"),
        (json!({ "k": "v".repeat(511) }), false, "an annotation's value of 513 bytes"),
    ] {
        create("/v2/apps", &json!({ "name": stage.name(), "annotations": annotations }), right, what)?;
    }
    let host = stage.address.to_string();
    let headers = |bytes: usize| Request::plain("GET", "/version", &host).header("X-Long", vec![b'x'; bytes]);
    stage.ask(&headers(HEAD_BYTES_MAX - 1000))?.is(200, "a request with nearly 1 MiB of headers")?;
    match stage.ask(&headers(HEAD_BYTES_MAX + 1000)) {
        Ok(answer) => {
            holds!(
                answer.status == 431 || answer.status == 400,
                "more than 1 MiB of headers was answered {}",
                answer.brief()
            );
            Ok(())
        }
        // To close on somebody who does not stop is an answer too.
        Err(Stop::Broken(_)) => Ok(()),
        Err(untold) => Err(untold),
    }
}

/// A function and a trigger say that they are called below `base`.
fn annotated(stage: &Stage, base: &str) -> Run {
    let function = stage.deploy_as(&json!({}))?;
    let path = function.trigger("/here")?;
    let seen = body(&stage.api("GET", &format!("/v2/fns/{}", function.id), None)?);
    let found = seen["annotations"]["fnproject.io/fn/invokeEndpoint"].as_str().unwrap_or("absent");
    holds!(found == format!("{base}/invoke/{}", function.id), "the function's address is {found}");
    let list = body(&stage.api("GET", &format!("/v2/triggers?app_id={}", function.app.id), None)?);
    let found = list["items"][0]["annotations"]["fnproject.io/trigger/httpEndpoint"].as_str().unwrap_or("absent");
    holds!(found == format!("{base}{path}"), "the trigger's address is {found}");
    Ok(())
}

fn body(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

fn with(mut object: Value, members: &Value) -> Value {
    for (name, value) in members.as_object().into_iter().flatten() {
        object[name] = value.clone();
    }
    object
}

fn put(app: &App<'_>, change: &Value) -> Run<Answer> {
    app.stage.api("PUT", &format!("/v2/apps/{}", app.id), Some(change))
}

/// Visits an app's functions page by page.
fn walk(app: &App<'_>, query: &str, page: usize, count: usize) -> Run {
    let (mut seen, mut cursor) = (BTreeSet::new(), String::new());
    loop {
        let list = app.stage.api("GET", &format!("/v2/fns?app_id={}{query}{cursor}", app.id), None)?;
        let list = body(&list.is(200, "a list")?);
        let items = list["items"].as_array().cloned().unwrap_or_default();
        holds!(items.len() <= page, "a page of at most {page} has {} items", items.len());
        for item in &items {
            let new = seen.insert(item["id"].to_string());
            holds!(new, "walking the cursor visits {} twice", item["name"]);
        }
        match list["next_cursor"].as_str().filter(|next| !next.is_empty()) {
            Some(next) if seen.len() <= count => cursor = format!("&cursor={next}"),
            _ => break,
        }
    }
    holds!(seen.len() == count, "walking the cursor visits {} of {count} items", seen.len());
    Ok(())
}
