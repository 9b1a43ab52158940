//! What the API changes is what calls meet.

use serde_json::json;

use hotfn_server::config::Settings;
use hotfn_server::store::{App, Store, Url};

use super::{Api, IMAGE, text};
use crate::client::ask;
use crate::soon;

#[tokio::test]
async fn what_was_made_is_served_when_the_answer_is_there() {
    let api = Api::start().await;
    let app = api.app("shop").await;
    let body = json!({"name": "f", "app_id": app, "image": IMAGE, "format": "default"});
    let function = text(&api.post("/v2/fns", body).await.ok(), "id");
    let invoke = format!("/invoke/{function}");
    assert_eq!(api.send("POST", &invoke, "hi").await.body, "hi");

    let trigger = api.trigger(&app, &function, "t", "/s").await;
    let called = |path: &'static str| async { api.get(path).await.status };
    assert_eq!((called("/t/shop/s").await, called("/t/shop/moved").await), (200, 404));
    api.put(&format!("/v2/triggers/{trigger}"), json!({"source": "/moved"})).await.ok();
    assert_eq!((called("/t/shop/s").await, called("/t/shop/moved").await), (404, 200));

    let image = "process:/bin/sh -c 'echo $GREETING'";
    api.put(&format!("/v2/fns/{function}"), json!({ "image": image })).await.ok();
    api.put(&format!("/v2/apps/{app}"), json!({"config": {"GREETING": "of the app"}})).await.ok();
    assert_eq!(api.send("POST", &invoke, "").await.body, "of the app\n");
    api.put(&format!("/v2/fns/{function}"), json!({"config": {"GREETING": "its own"}})).await.ok();
    assert_eq!(api.send("POST", &invoke, "").await.body, "its own\n");

    // 149
    api.delete(&format!("/v2/apps/{app}")).await.is(204, &"delete");
    assert_eq!((api.send("POST", &invoke, "").await.status, called("/t/shop/moved").await), (404, 404));
    for path in [format!("/v2/fns/{function}"), format!("/v2/triggers/{trigger}")] {
        api.get(&path).await.is(404, &path);
    }
}

#[tokio::test]
async fn what_another_node_writes_is_served_within_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let url = Url::Sqlite(folder.path().join("fn.db"));
    let settings = Settings { db: Some(url.clone()), ..Settings::default() };
    let (one, other) = (Api::with(settings.clone()).await, Api::with(settings).await);
    let app = one.app("shop").await;
    let body = json!({"name": "f", "app_id": app, "image": IMAGE, "format": "default"});
    let function = text(&one.post("/v2/fns", body).await.ok(), "id");
    let wrote = std::time::Instant::now();
    let invoke = format!("/invoke/{function}");
    soon(async { while other.send("POST", &invoke, "hi").await.status != 200 {} }).await;
    assert!(wrote.elapsed().as_secs() < 1, "{:?}", wrote.elapsed());
    one.delete(&format!("/v2/fns/{function}")).await.is(204, &"delete");
    soon(async { while other.send("POST", &invoke, "hi").await.status != 404 {} }).await;
}

#[tokio::test]
async fn a_store_that_was_put_back_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fn.db");
    let api = Api::with(Settings { db: Some(Url::Sqlite(path.clone())), ..Settings::default() }).await;
    let (early, late) = (api.app("early").await, api.app("late").await);
    let create = async |app: &str| {
        let body = json!({"name": "f", "app_id": app, "image": IMAGE, "format": "default"});
        format!("/invoke/{}", text(&api.post("/v2/fns", body).await.ok(), "id"))
    };
    let early = create(&early).await;
    let copy = folder.path().join("copy.db");
    let database = rusqlite::Connection::open(&path).unwrap();
    database.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
    let late = create(&late).await;
    assert_eq!(api.send("POST", &late, "hi").await.status, 200);

    database.execute("ATTACH ?1 AS copy", [copy.to_str().unwrap()]).unwrap();
    let tables = ["fns", "changes", "revision"];
    let restore =
        tables.map(|table| format!("DELETE FROM main.{table}; INSERT INTO main.{table} SELECT * FROM copy.{table};"));
    database.execute_batch(&format!("BEGIN; {} COMMIT", restore.join(" "))).unwrap();
    soon(async { while api.send("POST", &late, "hi").await.status != 404 {} }).await;
    assert_eq!(api.send("POST", &early, "hi").await.status, 200);
}

#[tokio::test]
async fn a_note_on_a_function_keeps_its_containers() {
    let api = Api::start().await;
    let app = api.app("a").await;
    // Answers with its process's id, so that a new container shows.
    let script = "while read -r line; do case $line in '{'*) echo '{\"body\":\"'$$'\"}';; esac; done";
    let body = json!({"name": "f", "app_id": app, "image": format!("process:/bin/sh -c \"{}\"", script.replace('"', "\\\"")), "format": "json"});
    let function = text(&api.post("/v2/fns", body).await.ok(), "id");
    let invoke = format!("/invoke/{function}");
    let first = api.send("POST", &invoke, "").await;
    assert_eq!(first.status, 200, "{}", first.body);
    let path = format!("/v2/fns/{function}");
    api.put(&path, json!({"annotations": {"note": "x"}})).await.ok();
    assert_eq!(api.send("POST", &invoke, "").await.body, first.body);
    api.put(&path, json!({"config": {"K": "v"}})).await.ok();
    assert_ne!(api.send("POST", &invoke, "").await.body, first.body);
}

#[tokio::test]
async fn what_the_store_holds_is_served_from_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let url = Url::Sqlite(folder.path().join("fn.db"));
    let settings = Settings { db: Some(url.clone()), ..Settings::default() };
    let function = {
        let api = Api::with(settings.clone()).await;
        let app = api.app("a").await;
        let body = json!({"name": "f", "app_id": app, "image": IMAGE, "format": "default"});
        text(&api.post("/v2/fns", body).await.ok(), "id")
    };
    let store = Store::open(&url).await.unwrap();
    assert!(store.create_app(App { name: "a".to_owned(), ..App::default() }).await.is_err());
    let api = Api::with(settings).await;
    assert_eq!(api.send("POST", &format!("/invoke/{function}"), "again").await.body, "again");
}

#[tokio::test]
async fn a_nodes_bounds_hold_whether_or_not_a_length_is_announced() {
    let settings = Settings { request_bytes_max: Some(8), request_head_bytes_max: Some(2048), ..Settings::default() };
    let api = Api::with(settings).await;
    let app = api.app("shop").await;
    let body = json!({"name": "f", "app_id": app, "image": IMAGE, "format": "default"});
    let function = text(&api.post("/v2/fns", body).await.ok(), "id");
    api.trigger(&app, &function, "t", "/in").await;
    for path in [format!("/invoke/{function}"), "/t/shop/in".to_owned()] {
        let chunked = async |body: &str| {
            let head = format!("POST {path} HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\n");
            ask(api.addr(), &format!("{head}{:x}\n{body}\n0\n\n", body.len())).await
        };
        assert_eq!(api.send("POST", &path, "12345678").await.body, "12345678", "{path}");
        assert_eq!(chunked("12345678").await.body, "12345678", "{path}");
        for refused in [api.send("POST", &path, "123456789").await, chunked("123456789").await] {
            assert_eq!((refused.status, &refused.json()["code"]), (413, &json!("request_too_large")), "{path}");
            assert_eq!(refused.header("fn-blame"), Some("caller"));
        }
        let long = format!("POST {path} HTTP/1.1\nHost: h\nX: {}\nContent-Length: 0\n\n", "x".repeat(2048));
        assert_eq!(ask(api.addr(), &long).await.status, 431, "{path}");
    }
}
