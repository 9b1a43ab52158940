//! What each token opens, and what none does.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use http::StatusCode;
use serde_json::{Value, json};

use hotfn_server::access::{Role, Tokens};
use hotfn_server::config::Settings;
use hotfn_server::store::{Store, Url};

use crate::api::{Api, IMAGE, text};
use crate::client::{Answer, Client, ask};
use crate::soon;

/// Somebody at a node's API, with a token or without.
struct Person<'a> {
    addr: SocketAddr,
    token: Option<&'a str>,
}

impl Person<'_> {
    async fn send(&self, method: &str, path: &str, body: &str) -> Answer {
        let token = self.token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\n"));
        let length = body.len();
        ask(self.addr, &format!("{method} {path} HTTP/1.1\nHost: h\n{token}Content-Length: {length}\n\n{body}")).await
    }

    async fn status(&self, method: &str, path: &str, body: &Value) -> u16 {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(method, path, &body).await.status
    }
}

/// A node that asks for tokens, and the store it shares with us.
struct Guarded {
    api: Api,
    store: Store,
    _folder: tempfile::TempDir,
}

impl Guarded {
    async fn start(tokens: Tokens) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = Url::Sqlite(folder.path().join("fn.db"));
        let store = Store::open(&url).await.unwrap();
        let settings = Settings { db: Some(url), tokens: Some(tokens), ..Settings::default() };
        Self { api: Api::with(settings).await, store, _folder: folder }
    }

    fn as_who<'a>(&self, token: impl Into<Option<&'a str>>) -> Person<'a> {
        Person { addr: self.api.addr(), token: token.into() }
    }

    /// A new token, once the node takes it.
    async fn token(&self, role: Role, apps: &[&str]) -> String {
        let apps: BTreeSet<String> = apps.iter().map(|&app| app.to_owned()).collect();
        let (_, token) = self.store.create_token(role.to_string(), role, apps).await.unwrap();
        let path = "/v2/nothing";
        soon(async { while self.as_who(token.reveal()).status("GET", path, &Value::Null).await == 401 {} }).await;
        token.reveal().to_owned()
    }
}

/// Every path with every role, as a row: nobody, invoke, deploy and admin, each of the whole node;
/// then invoke and deploy for another app, and for this one.
#[tokio::test]
async fn every_path_asks_for_what_it_takes() {
    let node = Guarded::start(Tokens::Required).await;
    let admin = node.token(Role::Admin, &[]).await;
    let by_admin = node.as_who(&*admin);
    let made = async |path: &str, body: Value| {
        let answer = by_admin.send("POST", path, &body.to_string()).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        text(&answer.json(), "id")
    };
    let app = made("/v2/apps", json!({"name": "shop"})).await;
    let function = made("/v2/fns", json!({"name": "f", "app_id": app, "image": IMAGE, "format": "default"})).await;
    let trigger = json!({"name": "t", "app_id": app, "fn_id": function, "type": "http", "source": "/s"});
    let trigger = made("/v2/triggers", trigger).await;

    let mut people = vec![None];
    for (role, apps) in [
        (Role::Invoke, &[][..]),
        (Role::Deploy, &[]),
        (Role::Admin, &[]),
        (Role::Invoke, &["blog"]),
        (Role::Deploy, &["blog"]),
        (Role::Invoke, &["shop"]),
        (Role::Deploy, &["shop"]),
    ] {
        people.push(Some(node.token(role, apps).await));
    }
    let (app_path, fn_path, trigger_path) =
        (format!("/v2/apps/{app}"), format!("/v2/fns/{function}"), format!("/v2/triggers/{trigger}"));
    let runner = format!("/v2/runner/apps/{app}/triggerBySource/http//s");
    let of_app = |path: &str| format!("{path}?app_id={app}");
    let unfit = json!({"name": "?", "app_id": app, "image": ""});
    let none = Value::Null;
    // Whom a request is let through to the API or the function, which may have reasons of its own to refuse.
    let anybody = [true; 8];
    let invoke = [false, true, true, true, false, false, true, true];
    let deploy = [false, false, true, true, false, false, false, true];
    let some_app = [false, true, true, true, true, true, true, true];
    let whole_node = [false, true, true, true, false, false, false, false];
    let admins = [false, false, false, true, false, false, false, false];
    for (method, path, body, expected) in [
        ("GET", "/", &none, anybody),
        ("GET", "/version", &none, anybody),
        ("GET", "/v2/openapi.yaml", &none, anybody),
        ("GET", "/metrics", &none, whole_node),
        ("GET", "/nowhere", &none, some_app),
        ("GET", "/v2/nothing", &none, some_app),
        ("PATCH", "/v2/apps", &none, some_app),
        ("GET", "/invoke/f", &none, some_app),
        ("POST", &format!("/invoke/{function}"), &none, invoke),
        ("POST", "/invoke/nobody", &none, some_app),
        ("GET", "/t/shop/s", &none, invoke),
        ("GET", "/t/shop/none", &none, invoke),
        ("GET", "/v2/apps", &none, some_app),
        ("GET", &app_path, &none, invoke),
        ("PUT", &app_path, &json!({}), deploy),
        ("GET", &of_app("/v2/fns"), &none, invoke),
        ("GET", &fn_path, &none, invoke),
        ("PUT", &fn_path, &json!({}), deploy),
        ("POST", "/v2/fns", &unfit, deploy),
        ("GET", &format!("{fn_path}/calls"), &none, deploy),
        ("GET", &format!("{fn_path}/calls/c"), &none, deploy),
        ("GET", &format!("{fn_path}/calls/c/log"), &none, deploy),
        ("GET", &of_app("/v2/triggers"), &none, invoke),
        ("GET", &trigger_path, &none, invoke),
        ("PUT", &trigger_path, &json!({}), deploy),
        ("POST", "/v2/triggers", &unfit, deploy),
        ("GET", &runner, &none, invoke),
        ("POST", "/v2/apps", &json!({"name": "shop"}), deploy),
        ("GET", "/v2/connectors", &none, admins),
        ("POST", "/v2/connectors", &json!({}), admins),
        ("GET", "/v2/connectors/c", &none, admins),
        ("DELETE", "/v2/connectors/c", &none, admins),
        ("POST", "/v2/connectors/c/peers/1", &json!({}), admins),
        ("GET", "/v2/tokens", &none, admins),
        ("POST", "/v2/tokens", &json!({}), admins),
        ("DELETE", "/v2/tokens/t", &none, admins),
        // Last, since who may takes away what the others ask for.
        ("DELETE", &trigger_path, &none, [false, false, true, true, false, false, false, false]),
    ] {
        for (person, expected) in people.iter().zip(expected) {
            let answer = node.as_who(person.as_deref()).send(method, path, &body.to_string()).await;
            let admitted = !matches!(answer.status, 401 | 403);
            // What is gone is no app's any more, and is told so to whoever has the role.
            if answer.status == 404 && method == "DELETE" {
                continue;
            }
            assert_eq!(admitted, expected, "{method} {path} as {person:?}: {} {}", answer.status, answer.body);
            if !admitted {
                assert_eq!(answer.status, if person.is_none() { 401 } else { 403 }, "{method} {path}");
                assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"), "{method} {path}");
                assert_eq!(answer.json().as_object().unwrap().len(), 1, "{}", answer.body);
            }
        }
    }
}

#[tokio::test]
async fn who_is_refused_is_refused_before_the_body() {
    let node = Guarded::start(Tokens::Required).await;
    for path in ["/v2/apps", "/invoke/f", "/t/shop/s"] {
        let mut client = Client::connect(node.api.addr()).await;
        // The body never comes.
        client.send(&format!("POST {path} HTTP/1.1\nHost: h\nContent-Length: 1000000\n\n")).await;
        let answer = client.answer().await;
        assert_eq!(answer.status, 401, "{path}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"hotfn\""));
        assert!(answer.json()["message"].as_str().unwrap().starts_with("Token missing"), "{}", answer.body);
    }
}

#[tokio::test]
async fn a_token_is_good_until_it_is_revoked_on_every_node() {
    let folder = tempfile::tempdir().unwrap();
    let url = Url::Sqlite(folder.path().join("fn.db"));
    let store = Store::open(&url).await.unwrap();
    let settings = Settings { db: Some(url), tokens: Some(Tokens::Required), ..Settings::default() };
    let (one, other) = (Api::with(settings.clone()).await, Api::with(settings).await);
    let (_, admin) = store.create_token("ops".to_owned(), Role::Admin, BTreeSet::new()).await.unwrap();
    let at = |api: &Api| Person { addr: api.addr(), token: Some(admin.reveal()) };
    for api in [&one, &other] {
        soon(async { while at(api).status("GET", "/v2/apps", &Value::Null).await != 200 {} }).await;
    }

    let new = json!({"name": "ci", "role": "invoke", "apps": ["shop"]});
    let made = at(&one).send("POST", "/v2/tokens", &new.to_string()).await.ok();
    let (id, token) = (text(&made, "id"), text(&made, "token"));
    assert_eq!((&made["role"], &made["apps"]), (&json!("invoke"), &json!(["shop"])));
    let listed = at(&one).send("GET", "/v2/tokens", "").await.ok();
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    assert!(!listed.to_string().contains(&token[token.len() - 20..]) && listed["items"][1].get("token").is_none());

    // One connection each, which remembers what it was shown.
    let mut kept = Vec::new();
    for api in [&one, &other] {
        let mut client = Client::connect(api.addr()).await;
        let request = format!("GET /v2/apps HTTP/1.1\nHost: h\nAuthorization: Bearer {token}\n\n");
        let first = async {
            loop {
                client.send(&request).await;
                if client.answer().await.status == 200 {
                    return;
                }
            }
        };
        soon(first).await;
        kept.push((client, request));
    }
    at(&one).send("DELETE", &format!("/v2/tokens/{id}"), "").await.is(204, &"revoke");
    let revoked = std::time::Instant::now();
    let (client, request) = &mut kept[0];
    client.send(request).await;
    let refused = client.answer().await;
    assert_eq!(refused.status, 401, "at once where it was revoked");
    assert!(refused.json()["message"].as_str().unwrap().starts_with("Token not known"), "{}", refused.body);
    let (client, request) = &mut kept[1];
    soon(async {
        loop {
            client.send(request).await;
            if client.answer().await.status == 401 {
                return;
            }
        }
    })
    .await;
    assert!(revoked.elapsed().as_secs() < 1, "{:?}", revoked.elapsed());
    at(&one).send("DELETE", &format!("/v2/tokens/{id}"), "").await.is(404, &"twice");
}

#[tokio::test]
async fn tokens_that_make_no_sense_are_refused() {
    let api = Api::start().await;
    for (body, what) in [
        (json!({"role": "admin"}), "Missing name"),
        (json!({"name": "a"}), "Missing role"),
        (json!({"name": "a", "role": "root"}), "Invalid role: unknown role \"root\""),
        (json!({"name": "a", "role": "admin", "apps": ["shop"]}), "Invalid token: the role admin is of the whole node"),
        (json!({"name": "a", "role": "invoke", "apps": ["a b"]}), "Invalid token: \"a b\" is not an app's name"),
        (json!({"name": "a\n", "role": "invoke"}), "Invalid token: a token's name"),
    ] {
        let answer = api.post("/v2/tokens", body).await;
        answer.is(400, &what);
        assert!(answer.json()["message"].as_str().unwrap().starts_with(what), "{}", answer.body);
    }
}

#[tokio::test]
async fn a_token_for_some_apps_sees_and_makes_no_others() {
    let node = Guarded::start(Tokens::Required).await;
    let admin = node.token(Role::Admin, &[]).await;
    for name in ["a", "blog", "shop", "z"] {
        let body = json!({ "name": name, "config": {"K": "v"} }).to_string();
        node.as_who(&*admin).send("POST", "/v2/apps", &body).await.is(200, &name);
    }
    let (deploy, invoke) =
        (node.token(Role::Deploy, &["shop", "new"]).await, node.token(Role::Invoke, &["shop"]).await);
    let apps = async |token: &str, path: &str| {
        let listed = node.as_who(token).send("GET", path, "").await.ok();
        let names = listed["items"].as_array().unwrap().iter().map(|app| text(app, "name"));
        (names.collect::<Vec<_>>(), listed)
    };
    let (names, listed) = apps(&deploy, "/v2/apps").await;
    assert_eq!((names, &listed["items"][0]["config"]), (vec!["shop".to_owned()], &json!({"K": "v"})));
    let (names, listed) = apps(&invoke, "/v2/apps").await;
    assert_eq!((names, listed["items"][0].get("config")), (vec!["shop".to_owned()], None));
    // Nor does it learn what others are called from where pages end.
    let (names, listed) = apps(&deploy, "/v2/apps?per_page=2").await;
    assert_eq!((names, listed.get("next_cursor")), (vec!["shop".to_owned()], None));
    let (names, listed) = apps(&deploy, "/v2/apps?per_page=1").await;
    assert_eq!(names, ["shop"]);
    let next = format!("/v2/apps?per_page=1&cursor={}", text(&listed, "next_cursor"));
    assert!(apps(&deploy, &next).await.0.is_empty());
    for (name, seen) in [("shop", 1), ("blog", 0)] {
        assert_eq!(apps(&deploy, &format!("/v2/apps?name={name}")).await.0.len(), seen, "{name}");
    }

    let person = node.as_who(&*deploy);
    assert_eq!(person.status("POST", "/v2/apps", &json!({"name": "new"})).await, 200);
    assert_eq!(person.status("POST", "/v2/apps", &json!({"name": "other"})).await, 403);
}

#[tokio::test]
async fn a_function_never_sees_the_token_that_called_it() {
    let node = Guarded::start(Tokens::ExceptTriggers).await;
    let admin = node.token(Role::Admin, &[]).await;
    let by_admin = node.as_who(&*admin);
    let app = by_admin.send("POST", "/v2/apps", r#"{"name":"shop"}"#).await.ok();
    let body = json!({"name": "f", "app_id": app["id"], "image": ENV, "format": "default"});
    let function = by_admin.send("POST", "/v2/fns", &body.to_string()).await.ok();
    let trigger = json!({"name": "t", "app_id": app["id"], "fn_id": function["id"], "type": "http", "source": "/s"});
    by_admin.send("POST", "/v2/triggers", &trigger.to_string()).await.ok();
    let invoke = format!("/invoke/{}", text(&function, "id"));
    for _ in 0..2 {
        let answer = by_admin.send("POST", &invoke, "").await;
        assert_eq!((answer.status, answer.body.contains("hotfn_")), (200, false), "{}", answer.body);
    }
    // Where no token is needed the header is the function's own business.
    let mut client = Client::connect(node.api.addr()).await;
    client.send("GET /t/shop/s HTTP/1.1\nHost: h\nAuthorization: Basic dTpw\n\n").await;
    let answer = client.answer().await;
    assert!(answer.status == 200 && answer.body.contains("Basic dTpw"), "{} {}", answer.status, answer.body);
    // But for a token that was not asked for: it opens more than this function.
    for lines in ["Authorization: Bearer {}", "Authorization: Basic dTpw\nAuthorization: bearer {}"] {
        client.send(&format!("GET /t/shop/s HTTP/1.1\nHost: h\n{}\n\n", lines.replace("{}", &admin))).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.body.contains("hotfn_")), (200, false), "{}", answer.body);
    }
}

#[tokio::test]
async fn what_a_function_wrote_is_nobody_elses_while_it_goes() {
    let node = Guarded::start(Tokens::Required).await;
    let admin = node.token(Role::Admin, &[]).await;
    let by_admin = node.as_who(&*admin);
    let app = by_admin.send("POST", "/v2/apps", r#"{"name":"shop"}"#).await.ok();
    let body = json!({"name": "f", "app_id": app["id"], "image": IMAGE, "format": "default"});
    let function = text(&by_admin.send("POST", "/v2/fns", &body.to_string()).await.ok(), "id");
    let stranger = node.token(Role::Deploy, &["blog"]).await;
    let logs = format!("/v2/fns/{function}/logs");
    assert_eq!(by_admin.status("GET", &logs, &Value::Null).await, 200);
    assert_eq!(node.as_who(&*stranger).status("GET", &logs, &Value::Null).await, 403);
    // On another node; this one has its lines until it follows.
    node.store.delete_function(&function).await.unwrap();
    let answer = node.as_who(&*stranger).send("GET", &logs, "").await;
    assert!([403, 404].contains(&answer.status), "{} {}", answer.status, answer.body);
}

/// Prints its environment, in which the format `default` has a call's headers.
const ENV: &str = "process:/usr/bin/env";

#[tokio::test]
async fn without_being_asked_for_no_token_matters() {
    let api = Api::start().await;
    let person = Person { addr: api.addr(), token: Some("hotfn_nonsense") };
    assert_eq!(person.status("GET", "/v2/apps", &Value::Null).await, StatusCode::OK.as_u16());
}
