//! Section 4.3 of the contract.

use serde_json::{Value, json};

use super::{Api, IMAGE, text, with};

const INVOKE_ENDPOINT: &str = "fnproject.io/fn/invokeEndpoint";

/// 140, 147
#[tokio::test]
async fn a_function_is_made_told_changed_and_deleted() {
    let api = Api::start().await;
    let app = text(&api.post("/v2/apps", json!({"name": "shop", "shape": "GENERIC_X86"})).await.ok(), "id");
    let given = json!({"name": "hello", "app_id": app, "image": IMAGE, "format": "default", "memory": 64});
    let made = api.post("/v2/fns", given).await.ok();
    let id = text(&made, "id");
    let expected = json!({
        "id": id, "name": "hello", "app_id": app, "image": IMAGE, "memory": 64, "timeout": 30, "idle_timeout": 30,
        "config": {}, "shape": "GENERIC_X86", "format": "default",
        "annotations": {INVOKE_ENDPOINT: format!("http://fn.example:80/invoke/{id}")},
        "created_at": made["created_at"], "updated_at": made["created_at"],
    });
    assert_eq!(made, expected);
    let path = format!("/v2/fns/{id}");
    assert_eq!(api.get(&path).await.ok(), made);

    // 144, 145; as it was told, with the endpoint.
    let change =
        json!({"config": {"A": "1"}, "memory": 128, "timeout": 0, "image": "", "name": "renamed", "app_id": "moved"});
    let changed = api.put(&path, with(made.clone(), change)).await.ok();
    assert_eq!((&changed["config"], &changed["memory"]), (&json!({"A": "1"}), &json!(128)));
    for kept in ["timeout", "image", "name", "app_id", "format", "annotations"] {
        assert_eq!(changed[kept], made[kept], "{kept}");
    }
    let changed = api.put(&path, json!({"config": {"A": ""}, "annotations": {INVOKE_ENDPOINT: ""}})).await.ok();
    assert_eq!((&changed["config"], changed.get("annotations")), (&json!({}), None), "a PUT is answered without");
    assert_eq!(api.get(&path).await.ok()["annotations"], made["annotations"]);

    api.delete(&path).await.is(204, &"delete");
    api.get(&path).await.is(404, &"get");
    api.put(&path, json!({})).await.is(404, &"put");
    api.delete(&path).await.is(404, &"delete again");
}

/// 141, 142
#[tokio::test]
async fn each_rule_has_its_status() {
    let api = Api::start().await;
    let app = api.app("a").await;
    api.function(&app, "taken").await;
    let check = async |status: u16, change: Value| {
        let given = with(json!({"name": "fresh", "app_id": app, "image": IMAGE}), change);
        let answer = api.post("/v2/fns", given.clone()).await;
        answer.is(status, &given);
        if status == 200 {
            api.delete(&format!("/v2/fns/{}", text(&answer.json(), "id"))).await.is(204, &given);
        }
    };
    check(400, json!({"id": "mine"})).await;
    check(409, json!({"name": "taken"})).await;
    for name in ["", "a b", "a/b", "é", "a%20b", "a?"] {
        check(400, json!({ "name": name })).await;
    }
    for name in ["a.b:c~d@e$f&g+h=i_j-k", "x".repeat(255).as_str()] {
        check(200, json!({ "name": name })).await;
    }
    check(400, json!({"name": "x".repeat(256)})).await;
    check(400, json!({"name": null})).await;
    check(400, json!({"app_id": null})).await;
    check(404, json!({"app_id": "nobody"})).await;
    check(400, json!({"image": ""})).await;
    check(400, json!({"image": "shop/hello:0.0.1"})).await; // This node starts processes.
    for (member, most) in [("memory", 8192), ("timeout", 300), ("idle_timeout", 3600)] {
        for (value, status) in [(-1, 400), (0, 200), (1, 200), (most, 200), (most + 1, 400)] {
            check(status, json!({ member: value })).await;
        }
        check(400, json!({ member: "1" })).await;
        check(400, json!({ member: 1.5 })).await;
    }
    check(400, json!({"annotations": {"k": null}})).await;
    check(400, json!({"config": {"K": 1}})).await;
}

#[tokio::test]
async fn the_knobs_of_our_own_are_members_like_others() {
    let api = Api::start().await;
    let app = api.app("a").await;
    let given = json!({
        "name": "f", "app_id": app, "image": IMAGE, "format": "http-stream", "dir": "/tmp", "cpu_milli": 100,
        "concurrency": 4, "min_warm": 0, "stock": 1, "max_containers": 2, "max_calls_per_container": 10, "max_age": 60,
        "queue_max": 0, "queue_wait_max_ms": 250,
    });
    let made = api.post("/v2/fns", given.clone()).await.ok();
    for (member, value) in given.as_object().unwrap() {
        assert_eq!(&made[member], value, "{member}");
    }
    let path = format!("/v2/fns/{}", text(&made, "id"));
    let check = async |status: u16, change: Value| {
        let answer = api.put(&path, change.clone()).await;
        answer.is(status, &change);
        answer.json()
    };
    let back = json!({"cpu_milli": -1, "concurrency": -1, "max_age": -1, "queue_max": -1, "dir": ""});
    let changed = check(200, back.clone()).await;
    assert!(back.as_object().unwrap().keys().all(|member| changed.get(member).is_none()), "{changed}");
    assert_eq!((&changed["max_containers"], &changed["queue_wait_max_ms"]), (&json!(2), &json!(250)));
    check(400, json!({"min_warm": 3})).await;
    check(400, json!({"format": "json", "concurrency": 2})).await;
    check(400, json!({"format": "grpc"})).await;
    check(400, json!({"concurrency": 0})).await;
    check(400, json!({"max_containers": 0})).await;
    check(200, json!({"format": "json"})).await;
    check(400, json!({"concurrency": 2})).await;
}

/// 150
#[tokio::test]
async fn what_is_refused_changes_nothing() {
    let api = Api::start().await;
    let app = api.app("a").await;
    let (id, other) = (api.function(&app, "f").await, api.function(&app, "g").await);
    let path = format!("/v2/fns/{id}");
    let before = api.get(&path).await.ok();
    for change in [json!({"id": other}), json!({"timeout": 301}), json!({"annotations": {"k": null}})] {
        let given = with(json!({"config": {"K": "v"}, "memory": 1}), change);
        api.put(&path, given.clone()).await.is(400, &given);
        assert_eq!(api.get(&path).await.ok(), before, "{given}");
    }
    api.put(&path, json!({"id": id})).await.is(200, &"its own id");
}
