//! The Fn CLI against a node, request by request.
//!
//! The CLI itself is no package of any registry that tests install from, so it is not run here:
//! its requests are made as it makes them (section 4.7 of the contract), with the bodies it sends.
//! Its ways are what a server has to bear with: zero times in whatever is created, whole objects
//! sent back with what the server had put in, and the answer to a GET as the only source of ids.

use hotfn_tests::binaries;
use hotfn_tests::client::{self, request, whole};
use hotfn_tests::node::{Home, Node};
use http::{Method, Uri};
use serde_json::{Value, json};

/// What the CLI sends where a time was never set.
const ZERO: &str = "0001-01-01T00:00:00.000Z";
const INVOKE_ENDPOINT: &str = "fnproject.io/fn/invokeEndpoint";

/// A CLI whose context names a node.
struct Cli(Node);

/// Creates everything, changes everything, calls it, and takes it away, as a person would.
#[tokio::test]
async fn a_session_of_the_cli() {
    let home = Home::of(&[]);
    let cli = Cli(home.start().await);
    let image = binaries::image("echo");

    // fn version
    assert!(cli.get("/version").await["version"].is_string());
    // fn list apps
    assert_eq!(cli.get("/v2/apps?per_page=100").await, json!({"items": []}));
    // fn create app shop; and once more
    cli.create("/v2/apps", json!({"name": "shop"})).await;
    let again = cli.0.api(Method::POST, "/v2/apps", Some(&created(json!({"name": "shop"})))).await.is(409);
    assert!(again.json()["message"].is_string());
    // fn inspect app shop; fn inspect app nobody
    let app = cli.app("shop").await;
    assert_eq!(cli.get("/v2/apps?name=nobody").await, json!({"items": []}));
    // fn config app shop GREETING hi; fn config app shop EMPTY x; fn unset config app shop EMPTY
    cli.put_with("/v2/apps", cli.app("shop").await, json!({"config": {"GREETING": "hi"}})).await;
    cli.put_with("/v2/apps", cli.app("shop").await, json!({"config": {"EMPTY": "x"}})).await;
    cli.put_with("/v2/apps", cli.app("shop").await, json!({"config": {"EMPTY": ""}})).await;
    assert_eq!(cli.app("shop").await["config"], json!({"GREETING": "hi"}));
    // fn update app shop --annotation owner='"me"' --syslog-url udp://log:514
    let change = json!({"annotations": {"owner": "me"}, "syslog_url": "udp://log:514"});
    let updated = cli.put_with("/v2/apps", cli.app("shop").await, change).await;
    assert_eq!(updated["annotations"], json!({"owner": "me"}));

    // fn create function shop hello IMAGE
    let new =
        json!({"name": "hello", "app_id": app["id"], "image": image, "memory": 32, "timeout": 30, "idle_timeout": 30});
    cli.create("/v2/fns", new).await;
    // fn list functions shop; fn inspect function shop hello
    let list = cli.get(&format!("/v2/fns?app_id={}&per_page=100", id(&app))).await;
    assert_eq!(list["items"], json!([cli.function("shop", "hello").await]));
    // fn update function shop hello --memory 64
    cli.put_with("/v2/fns", cli.function("shop", "hello").await, json!({"memory": 64})).await;
    // fn config function shop hello K v; fn unset config function shop hello K
    cli.put_with("/v2/fns", cli.function("shop", "hello").await, json!({"config": {"K": "v"}})).await;
    assert_eq!(cli.function("shop", "hello").await["config"], json!({"K": "v"}));
    cli.put_with("/v2/fns", cli.function("shop", "hello").await, json!({"config": {"K": ""}})).await;
    let function = cli.function("shop", "hello").await;
    assert_eq!((&function["config"], &function["memory"]), (&json!({}), &json!(64)));

    // fn create trigger shop hello web --type http --source /web
    let new = json!({"name": "web", "app_id": app["id"], "fn_id": function["id"], "type": "http", "source": "/web"});
    let trigger = cli.create("/v2/triggers", new).await;
    // fn list triggers shop
    let list = cli.get(&format!("/v2/triggers?app_id={}&per_page=100", id(&app))).await;
    assert_eq!(list["items"], json!([trigger]));
    for trigger in list["items"].as_array().unwrap() {
        assert_eq!(cli.get(&format!("/v2/fns/{}", trigger["fn_id"].as_str().unwrap())).await, function);
    }
    // fn update trigger shop hello web --source /moved
    cli.put_with("/v2/triggers", cli.trigger("shop", "hello", "web").await, json!({"source": "/moved"})).await;
    let trigger = cli.trigger("shop", "hello", "web").await;
    let endpoint = trigger["annotations"]["fnproject.io/trigger/httpEndpoint"].as_str().unwrap();
    assert!(endpoint.ends_with("/t/shop/moved"), "{endpoint}");
    assert_eq!(cli.0.ask(request(Method::POST, path(endpoint), whole("by trigger"))).await.ok().text(), "by trigger");

    // echo hi | fn invoke shop hello
    assert_eq!(cli.invoke("shop", "hello", "hi").await, "hi");

    // fn delete trigger shop hello web; fn delete function shop hello; fn delete app shop
    cli.delete("/v2/triggers", &cli.trigger("shop", "hello", "web").await).await;
    cli.delete("/v2/fns", &cli.function("shop", "hello").await).await;
    cli.delete("/v2/apps", &cli.app("shop").await).await;
    assert_eq!(cli.get("/v2/apps?per_page=100").await, json!({"items": []}));
    cli.0.drain().await;
}

/// fn --verbose deploy --local --app shop --create-app, twice; then fn delete app shop -r -f
#[tokio::test]
async fn a_deploy_and_its_end() {
    let home = Home::of(&[]);
    let cli = Cli(home.start().await);
    let image = binaries::image("echo");
    for (round, memory) in [32, 48].into_iter().enumerate() {
        let app = match cli.first("/v2/apps?name=shop").await {
            Some(app) => app,
            None => cli.create("/v2/apps", json!({"name": "shop"})).await,
        };
        assert_eq!(cli.app("shop").await, app);
        // An app.yaml that has settings of the app's.
        cli.put_with("/v2/apps", app.clone(), json!({"config": {"ROUND": round.to_string()}})).await;
        let new = json!({"name": "hello", "app_id": app["id"], "image": image, "memory": memory, "config": {"K": "v"}});
        let function = match cli.first(&format!("/v2/fns?app_id={}&name=hello", id(&app))).await {
            Some(before) => cli.put_with("/v2/fns", before, json!({"image": image, "memory": memory})).await,
            None => cli.create("/v2/fns", new).await,
        };
        assert_eq!((&function["memory"], &function["config"]), (&json!(memory), &json!({"K": "v"})));
        let by_name = format!("/v2/triggers?app_id={}&fn_id={}&name=web", id(&app), id(&function));
        let new =
            json!({"name": "web", "app_id": app["id"], "fn_id": function["id"], "type": "http", "source": "/web"});
        match cli.first(&by_name).await {
            Some(before) => cli.put_with("/v2/triggers", before, json!({"source": "/web"})).await,
            None => cli.create("/v2/triggers", new).await,
        };
        assert_eq!(cli.invoke("shop", "hello", "deployed").await, "deployed");
    }

    let app = cli.app("shop").await;
    for function in cli.items(&format!("/v2/fns?app_id={}", id(&app))).await {
        for trigger in cli.items(&format!("/v2/triggers?app_id={}&fn_id={}", id(&app), id(&function))).await {
            cli.delete("/v2/triggers", &trigger).await;
        }
        cli.delete("/v2/fns", &function).await;
    }
    cli.delete("/v2/apps", &app).await;
    cli.0.drain().await;
}

/// fn list apps, of more than a page, with everything that versions of the CLI put into a query; fn get config app
/// shop KEY; and what it prints where a server says no.
#[tokio::test]
async fn lists_of_many_pages_and_words_of_refusal() {
    let home = Home::of(&[]);
    let cli = Cli(home.start().await);
    let names: Vec<String> = (0..205).map(|n| format!("app{n:03}")).collect();
    for name in &names {
        cli.create("/v2/apps", json!({"name": name, "shape": "GENERIC_X86"})).await;
    }
    let (mut listed, mut cursor) = (Vec::new(), String::new());
    loop {
        let ignored = "display_name=&id=&lifecycle_state=&sort_by=&sort_order=";
        let page = cli.get(&format!("/v2/apps?{ignored}&per_page=100&cursor={cursor}")).await;
        listed.extend(page["items"].as_array().unwrap().iter().map(|app| app["name"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) if !next.is_empty() => cursor = next.to_owned(),
            _ => break,
        }
    }
    assert_eq!(listed, names);
    cli.put_with("/v2/apps", cli.app("app000").await, json!({"config": {"KEY": "v"}})).await;
    assert_eq!(cli.app("app000").await["config"]["KEY"], "v");

    // The CLI reads `message` and prints it.
    let refused = async |method: Method, path: &str, body: Option<Value>, status: u16, sentence: &str| {
        let answer = cli.0.api(method, path, body.map(created).as_ref()).await.is(status);
        assert_eq!(answer.header("content-type"), "application/json; charset=utf-8");
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(message.starts_with(sentence), "{message}");
    };
    let app = cli.app("app000").await;
    refused(Method::POST, "/v2/apps", Some(json!({"name": "app000"})), 409, "App already exists").await;
    refused(Method::POST, "/v2/apps", Some(json!({"name": "a b"})), 400, "Invalid name").await;
    let new = json!({"name": "f", "app_id": "gone", "image": binaries::image("echo")});
    refused(Method::POST, "/v2/fns", Some(new), 404, "App not found").await;
    let new = json!({"name": "f", "app_id": app["id"], "image": binaries::image("echo"), "memory": 9000});
    refused(Method::POST, "/v2/fns", Some(new), 400, "Invalid memory").await;
    refused(Method::GET, "/v2/fns/gone", None, 404, "Function not found").await;
    refused(Method::DELETE, "/v2/triggers/gone", None, 404, "Trigger not found").await;

    // A context may have a token also for a server that wants none.
    let mut request = client::api(Method::GET, "/v2/apps?name=app001", None);
    request.headers_mut().insert("authorization", "Bearer of-a-context".parse().unwrap());
    assert_eq!(cli.0.ask(request).await.ok().json()["items"][0]["name"], "app001");
    cli.0.drain().await;
}

impl Cli {
    async fn get(&self, path: &str) -> Value {
        self.0.api(Method::GET, path, None).await.ok().json()
    }

    async fn items(&self, path: &str) -> Vec<Value> {
        self.get(path).await["items"].as_array().unwrap().clone()
    }

    async fn first(&self, path: &str) -> Option<Value> {
        self.items(path).await.into_iter().next()
    }

    async fn app(&self, name: &str) -> Value {
        self.first(&format!("/v2/apps?name={name}")).await.unwrap()
    }

    async fn function(&self, app: &str, name: &str) -> Value {
        let app = self.app(app).await;
        self.first(&format!("/v2/fns?app_id={}&name={name}", id(&app))).await.unwrap()
    }

    async fn trigger(&self, app: &str, function: &str, name: &str) -> Value {
        let function = self.function(app, function).await;
        let app = function["app_id"].as_str().unwrap();
        self.first(&format!("/v2/triggers?app_id={app}&fn_id={}&name={name}", id(&function))).await.unwrap()
    }

    async fn create(&self, path: &str, new: Value) -> Value {
        self.0.api(Method::POST, path, Some(&created(new))).await.ok().json()
    }

    /// Puts the whole of what was fetched, changed.
    async fn put_with(&self, path: &str, fetched: Value, change: Value) -> Value {
        let path = format!("{path}/{}", id(&fetched));
        let mut whole = fetched;
        whole.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        self.0.api(Method::PUT, &path, Some(&whole)).await.ok().json()
    }

    async fn delete(&self, path: &str, fetched: &Value) {
        let answer = self.0.api(Method::DELETE, &format!("{path}/{}", id(fetched)), None).await.is(204);
        assert_eq!(answer.text(), "");
    }

    async fn invoke(&self, app: &str, name: &str, body: &'static str) -> String {
        let function = self.function(app, name).await;
        let endpoint = function["annotations"][INVOKE_ENDPOINT].as_str().unwrap();
        let mut call = request(Method::POST, path(endpoint), whole(body));
        call.headers_mut().insert("content-type", "text/plain".parse().unwrap());
        self.0.ask(call).await.ok().text()
    }
}

/// What the CLI sends to create: its structures have times, and they are never set.
fn created(mut new: Value) -> Value {
    new["created_at"] = ZERO.into();
    new["updated_at"] = ZERO.into();
    new
}

fn id(object: &Value) -> &str {
    object["id"].as_str().unwrap()
}

/// The endpoint's host is the one that the request for it was sent to, and need not exist.
fn path(endpoint: &str) -> &str {
    let host = endpoint.parse::<Uri>().unwrap().host().unwrap().to_owned();
    assert_eq!(host, "stories.example");
    &endpoint[endpoint.find(&host).unwrap() + host.len()..]
}
