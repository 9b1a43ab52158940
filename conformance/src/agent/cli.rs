//! Fn's command line, request by request, as section 4.7 of the contract has it.
//!
//! The program itself is nowhere that a harness could have it from; what it sends was written down. Its
//! ways are what a server has to bear with: zero times in whatever is created, whole objects sent back
//! with what the server had put in, and the answer to a GET as the only source of ids.

use serde_json::{Value, json};

use super::stage::Stage;
use crate::case::Entry;
use crate::check::{Run, Stop, holds};
use crate::wire::{Answer, Request};

/// What it sends where a time was never set.
const ZERO: &str = "0001-01-01T00:00:00.000Z";
const INVOKE_ENDPOINT: &str = "fnproject.io/fn/invokeEndpoint";
/// A token of a context that has one.
const TOKEN: &str = "Bearer conformance";

pub(super) const CASES: &[Entry<Stage>] = &[Entry::must(
    152,
    "The command line",
    "What `fn` sends is answered as it expects, with 200, or 204 to a deletion: version; create, list, inspect, update \
     and delete of apps, functions and triggers; config; invoke; deploy --local.",
    |stage| {
        let cli = Cli { stage };
        session(&cli, &stage.name())?;
        deploy(&cli, &stage.name())
    },
)];

/// `fn` in a context that names the server.
struct Cli<'s> {
    stage: &'s Stage,
}

/// Creates everything, changes everything, calls it, and takes it away.
fn session(cli: &Cli<'_>, shop: &str) -> Run {
    cli.says("fn version");
    holds!(cli.get("/version")?["version"].is_string(), "fn version finds no version");
    cli.says("fn list apps");
    cli.items("/v2/apps?per_page=100")?;
    cli.says("fn create app");
    let app = cli.create("/v2/apps", json!({ "name": shop }))?;
    let again =
        cli.ask("POST", "/v2/apps", Some(&created(json!({ "name": shop }))))?.is(409, "the same app once more")?;
    holds!(read(&again)["message"].is_string(), "what fn would print of a refusal has no message: {}", again.brief());
    cli.says("fn inspect app");
    holds!(cli.app(shop)?["id"] == app["id"], "an app is found by its name as another");
    cli.says("fn config app, fn get config app, fn unset config app");
    cli.change("/v2/apps", cli.app(shop)?, &json!({ "config": { "GREETING": "hi", "GONE": "x" } }))?;
    cli.change("/v2/apps", cli.app(shop)?, &json!({ "config": { "GONE": "" } }))?;
    let found = cli.app(shop)?["config"].clone();
    holds!(found == json!({ "GREETING": "hi" }), "config set and unset comes to {found}");
    cli.says("fn update app --annotation --syslog-url");
    let change = json!({ "annotations": { "owner": "me" }, "syslog_url": "udp://log:514" });
    cli.change("/v2/apps", cli.app(shop)?, &change)?;

    cli.says("fn create function, fn list functions, fn inspect function");
    let new = json!({
        "name": "hello", "app_id": app["id"], "image": cli.stage.image, "memory": 64, "timeout": 30, "idle_timeout": 30,
    });
    cli.create("/v2/fns", new)?;
    let listed = cli.items(&format!("/v2/fns?app_id={}&per_page=100", id(&app)))?.len();
    holds!(listed == 1, "an app with one function lists {listed}");
    cli.says("fn update function, fn config function, fn unset config function");
    cli.change("/v2/fns", cli.function(shop)?, &json!({ "memory": 128 }))?;
    cli.change("/v2/fns", cli.function(shop)?, &json!({ "config": { "K": "v", "GONE": "x" } }))?;
    cli.change("/v2/fns", cli.function(shop)?, &json!({ "config": { "GONE": "" } }))?;
    let function = cli.function(shop)?;
    let found = (&function["memory"], &function["config"]);
    holds!(found == (&json!(128), &json!({ "K": "v" })), "updates of a function came to {found:?}");

    cli.says("fn create trigger, fn list triggers, fn inspect trigger, fn update trigger");
    let new = json!({
        "name": "web", "app_id": app["id"], "fn_id": function["id"], "type": "http", "source": "/web",
    });
    cli.create("/v2/triggers", new)?;
    for trigger in cli.items(&format!("/v2/triggers?app_id={}&per_page=100", id(&app)))? {
        cli.get(&format!("/v2/fns/{}", trigger["fn_id"].as_str().unwrap_or_default()))?;
    }
    cli.change("/v2/triggers", cli.trigger(shop)?, &json!({ "source": "/moved" }))?;
    let found = cli.trigger(shop)?["source"].clone();
    holds!(found == "/moved", "the source /moved of an updated trigger is {found}");

    cli.says("fn invoke");
    cli.invoke(shop)?;

    cli.says("fn delete trigger, fn delete function, fn delete app");
    cli.delete("/v2/triggers", &cli.trigger(shop)?)?;
    cli.delete("/v2/fns", &cli.function(shop)?)?;
    cli.delete("/v2/apps", &cli.app(shop)?)?;
    let left = cli.items(&format!("/v2/apps?name={shop}"))?.len();
    holds!(left == 0, "an app that was deleted is found by its name");
    Ok(())
}

/// `fn deploy --local --create-app`, twice, and `fn delete app -r -f`.
fn deploy(cli: &Cli<'_>, shop: &str) -> Run {
    for memory in [64, 128] {
        cli.says("fn deploy --local --create-app");
        let app = match cli.items(&format!("/v2/apps?name={shop}"))?.pop() {
            Some(app) => cli.change("/v2/apps", app, &json!({ "config": { "ROUND": memory.to_string() } }))?,
            None => cli.create("/v2/apps", json!({ "name": shop }))?,
        };
        let new = json!({
            "name": "hello", "app_id": app["id"], "image": cli.stage.image, "memory": memory, "config": { "K": "v" },
        });
        let function = match cli.items(&format!("/v2/fns?app_id={}&name=hello", id(&app)))?.pop() {
            Some(before) => cli.change("/v2/fns", before, &json!({ "image": cli.stage.image, "memory": memory }))?,
            None => cli.create("/v2/fns", new)?,
        };
        holds!(function["memory"] == memory, "a deployed memory of {memory} MB is {}", function["memory"]);
        let new = json!({
            "name": "web", "app_id": app["id"], "fn_id": function["id"], "type": "http", "source": "/web",
        });
        match cli.items(&format!("/v2/triggers?app_id={}&fn_id={}&name=web", id(&app), id(&function)))?.pop() {
            Some(before) => cli.change("/v2/triggers", before, &json!({ "source": "/web" }))?,
            None => cli.create("/v2/triggers", new)?,
        };
        cli.invoke(shop)?;
    }
    cli.says("fn delete app -r -f");
    let app = cli.app(shop)?;
    for function in cli.items(&format!("/v2/fns?app_id={}", id(&app)))? {
        for trigger in cli.items(&format!("/v2/triggers?app_id={}&fn_id={}", id(&app), id(&function)))? {
            cli.delete("/v2/triggers", &trigger)?;
        }
        cli.delete("/v2/fns", &function)?;
    }
    cli.delete("/v2/apps", &app)
}

impl Cli<'_> {
    /// Notes which command the next requests are.
    fn says(&self, command: &str) {
        self.stage.transcript.note(command);
    }

    fn ask(&self, method: &'static str, path: &str, body: Option<&Value>) -> Run<Answer> {
        let request = Request::plain(method, path, &self.stage.address.to_string())
            .header("Accept", "application/json")
            .header("Authorization", TOKEN);
        self.stage.ask(&match body {
            Some(body) => request.header("Content-Type", "application/json").body(body.to_string()),
            None => request,
        })
    }

    fn get(&self, path: &str) -> Run<Value> {
        Ok(read(&self.ask("GET", path, None)?.is(200, &format!("GET {path}"))?))
    }

    fn items(&self, path: &str) -> Run<Vec<Value>> {
        let list = self.get(path)?;
        list["items"].as_array().cloned().ok_or_else(|| Stop::broken(format!("GET {path} has no items: {list}")))
    }

    fn first(&self, path: &str) -> Run<Value> {
        let first = self.items(path)?.into_iter().next();
        first.ok_or_else(|| Stop::broken(format!("GET {path} finds nothing")))
    }

    fn app(&self, name: &str) -> Run<Value> {
        self.first(&format!("/v2/apps?name={name}"))
    }

    fn function(&self, app: &str) -> Run<Value> {
        self.first(&format!("/v2/fns?app_id={}&name=hello", id(&self.app(app)?)))
    }

    fn trigger(&self, app: &str) -> Run<Value> {
        let function = self.function(app)?;
        let app = function["app_id"].as_str().unwrap_or_default();
        self.first(&format!("/v2/triggers?app_id={app}&fn_id={}&name=web", id(&function)))
    }

    fn create(&self, path: &str, new: Value) -> Run<Value> {
        let made = self.ask("POST", path, Some(&created(new)))?;
        Ok(read(&made.is(200, &format!("POST {path}"))?))
    }

    /// Puts the whole of what was fetched, changed.
    fn change(&self, path: &str, fetched: Value, change: &Value) -> Run<Value> {
        let path = format!("{path}/{}", id(&fetched));
        let mut whole = fetched;
        for (name, value) in change.as_object().into_iter().flatten() {
            whole[name] = value.clone();
        }
        Ok(read(&self.ask("PUT", &path, Some(&whole))?.is(200, &format!("PUT {path}"))?))
    }

    fn delete(&self, path: &str, fetched: &Value) -> Run {
        let path = format!("{path}/{}", id(fetched));
        self.ask("DELETE", &path, None)?.is(204, &format!("DELETE {path}")).map(drop)
    }

    /// Calls where the function says that it is called.
    fn invoke(&self, app: &str) -> Run {
        let function = self.function(app)?;
        let endpoint = function["annotations"][INVOKE_ENDPOINT].as_str().unwrap_or_default();
        let host = self.stage.address.to_string();
        let Some(path) = endpoint.strip_prefix("http://").and_then(|rest| rest.strip_prefix(&host)) else {
            return Err(Stop::broken(format!("the function is called at {endpoint:?}, which is not on http://{host}")));
        };
        let call = Request::plain("POST", path, &host).header("Content-Type", "text/plain").body("hi");
        self.stage.ask(&call)?.is(200, "fn invoke").map(drop)
    }
}

/// What it sends to create: its structures have times, and they are never set.
fn created(mut new: Value) -> Value {
    new["created_at"] = ZERO.into();
    new["updated_at"] = ZERO.into();
    new
}

fn read(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

fn id(object: &Value) -> &str {
    object["id"].as_str().unwrap_or_default()
}
