//! The v2 API, as the command line and others use it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::stage::{App, Stage, fault};
use crate::case::Entry;
use crate::check::{Run, holds};
use crate::wire::Answer;

/// What the command line sends where a time was never set.
const ZERO: &str = "0001-01-01T00:00:00.000Z";
/// Items of the cases that walk lists, and how many a page has unless asked otherwise.
const COUNTS: [usize; 4] = [0, 29, 31, 101];

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
            let of =
                |members: Value| with(json!({ "name": "f", "app_id": app.id, "image": stage.subject.image }), &members);
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
        "Memory is 1 to 8192 MB (0 is the default), timeout at most 300 s, idle timeout at most 3600 s.",
        |stage| {
            let app = stage.app(&json!({}))?;
            for (number, (member, value, right)) in [
                ("memory", 8192, true),
                ("memory", 8193, false),
                ("timeout", 300, true),
                ("timeout", 301, false),
                ("idle_timeout", 3600, true),
                ("idle_timeout", 3601, false),
            ]
            .into_iter()
            .enumerate()
            {
                let new = json!({ "name": format!("f{number}"), "app_id": app.id, "image": stage.subject.image, member: value });
                let answer = stage.api("POST", "/v2/fns", Some(&new))?;
                let wanted = if right { 200 } else { 400 };
                holds!(answer.status == wanted, "{member} {value} was answered {}, not {wanted}", answer.brief());
            }
            Ok(())
        },
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
        "Both are annotated with an address on the host that the request was for.",
        |stage| {
            let function = stage.deploy_as(&json!({}))?;
            let path = function.trigger("/here")?;
            let host = stage.subject.address.to_string();
            let seen = body(&stage.api("GET", &format!("/v2/fns/{}", function.id), None)?);
            let found = seen["annotations"]["fnproject.io/fn/invokeEndpoint"].as_str().unwrap_or("absent");
            holds!(found == format!("http://{host}/invoke/{}", function.id), "the function's address is {found}");
            let list = body(&stage.api("GET", &format!("/v2/triggers?app_id={}", function.app.id), None)?);
            let found =
                list["items"][0]["annotations"]["fnproject.io/trigger/httpEndpoint"].as_str().unwrap_or("absent");
            holds!(found == format!("http://{host}{path}"), "the trigger's address is {found}");
            Ok(())
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
                    let new =
                        json!({ "name": format!("f{number:03}"), "app_id": app.id, "image": stage.subject.image });
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
    Entry::should(153, "Calls and logs", "The routes that once told of past calls are 410.", |stage| {
        let function = stage.deploy_as(&json!({}))?;
        for path in ["calls", "calls/01CALL", "calls/01CALL/log"] {
            stage.api("GET", &format!("/v2/fns/{}/{path}", function.id), None)?.is(410, path)?;
        }
        Ok(())
    }),
];

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
