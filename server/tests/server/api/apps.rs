//! Section 4.2 of the contract.

use serde_json::{Value, json};

use super::{Api, text, with};

/// 140
#[tokio::test]
async fn an_app_is_made_told_changed_and_deleted() {
    let api = Api::start().await;
    let given = json!({
        "name": "shop", "config": {"A": "1"}, "annotations": {"k": {"deep": [1]}},
        "syslog_url": "udp://log:514", "shape": "GENERIC_ARM", "unknown": true, "created_at": "2018-01-01T00:00:00Z",
    });
    let made = api.post("/v2/apps", given.clone()).await.ok();
    assert_eq!(text(&made, "id").len(), 26);
    let created = text(&made, "created_at");
    assert!(created.len() == 24 && created.ends_with('Z') && created.starts_with("20") && !created.starts_with("2018"));
    assert_eq!(made["created_at"], made["updated_at"]);
    for member in ["name", "config", "annotations", "syslog_url", "shape"] {
        assert_eq!(made[member], given[member], "{member}");
    }
    assert_eq!(made.as_object().unwrap().len(), 8);
    let path = format!("/v2/apps/{}", text(&made, "id"));
    assert_eq!(api.get(&path).await.ok(), made);

    // 144, 145
    let change = json!({
        "config": {"A": "", "B": "2", "NONE": ""}, "annotations": {"k": "", "l": 1}, "syslog_url": "", "shape": "nonsense",
    });
    let changed = api.put(&path, change).await.ok();
    let expected = with(
        made.clone(),
        json!({"config": {"B": "2"}, "annotations": {"l": 1}, "syslog_url": null, "updated_at": changed["updated_at"]}),
    );
    assert_eq!(changed, expected);
    let same = api.put(&path, json!({"config": {"B": "2"}})).await.ok();
    assert_eq!(same["updated_at"], changed["updated_at"], "nothing changed");
    assert_eq!(api.put(&path, same.clone()).await.ok(), same, "an object may be sent back whole");

    api.delete(&path).await.is(204, &"delete");
    api.get(&path).await.is(404, &"get");
    api.put(&path, json!({})).await.is(404, &"put");
    api.delete(&path).await.is(404, &"delete again");
}

#[tokio::test]
async fn what_says_nothing_is_left_out() {
    let api = Api::start().await;
    let made = api.post("/v2/apps", json!({"name": "a", "config": {}, "syslog_url": "", "shape": ""})).await.ok();
    let members: Vec<_> = made.as_object().unwrap().keys().collect();
    assert_eq!(members, ["created_at", "id", "name", "updated_at"]);
}

/// 141, 142, 146
#[tokio::test]
async fn each_rule_has_its_status() {
    let api = Api::start().await;
    api.app("taken").await;
    let check = async |status: u16, change: Value| {
        let given = with(json!({"name": "fresh"}), change);
        let answer = api.post("/v2/apps", given.clone()).await;
        answer.is(status, &given);
        if status == 200 {
            api.delete(&format!("/v2/apps/{}", text(&answer.json(), "id"))).await.is(204, &given);
        }
    };
    check(200, json!({"id": ""})).await;
    check(400, json!({"id": "mine"})).await;
    check(409, json!({"name": "taken"})).await;
    for name in ["", "a b", "a.b", "a/b", "a\u{0}"] {
        check(400, json!({ "name": name })).await;
    }
    check(400, json!({"name": null})).await;
    for name in ["a-b_c", "café", "Ω", "x".repeat(255).as_str()] {
        check(200, json!({ "name": name })).await;
    }
    check(400, json!({"name": "x".repeat(256)})).await;
    for (shape, status) in [("", 200), ("GENERIC_X86", 200), ("GENERIC_X86_ARM", 200), ("VAX", 400)] {
        check(status, json!({ "shape": shape })).await;
    }
    for (url, status) in [("tcp://a:1", 200), ("tcp+tls://a", 200), ("http://a", 400), ("nonsense", 400)] {
        check(status, json!({ "syslog_url": url })).await;
    }
    check(200, json!({"config": {"EMPTY": ""}})).await;
    for config in [json!({"A=B": "1"}), json!({"": "1"}), json!({"A": "\u{0}"}), json!({"A": 1}), json!([])] {
        check(400, json!({ "config": config })).await;
    }
    check(200, json!({"annotations": {"k": false}})).await;
    for annotations in
        [json!({"k": ""}), json!({"k": null}), json!({"": 1}), json!({"a b": 1}), json!({"k": "v".repeat(511)})]
    {
        check(400, json!({ "annotations": annotations })).await;
    }
    for body in ["", "[]", "{", "\"a\"", "[{\"name\": \"a\"}]"] {
        api.send("POST", "/v2/apps", body).await.is(400, &body);
    }
    api.send("POST", "/v2/apps", "null").await.is(400, &"an app without a name");
}

/// 150
#[tokio::test]
async fn what_is_refused_changes_nothing() {
    let api = Api::start().await;
    let (id, other) = (api.app("a").await, api.app("b").await);
    let path = format!("/v2/apps/{id}");
    let before = api.get(&path).await.ok();
    let check = async |status: u16, change: Value| {
        let given = with(json!({"config": {"K": "v"}}), change);
        let answer = api.put(&path, given.clone()).await;
        answer.is(status, &given);
        assert_eq!(api.get(&path).await.ok(), before, "{given}");
    };
    check(400, json!({"id": other})).await;
    check(409, json!({"name": "b"})).await;
    check(409, json!({"name": "c"})).await;
    check(400, json!({"syslog_url": "gopher://"})).await;
    check(400, json!({"annotations": {"k": null}})).await;
    check(400, json!({"config": {"K": "v", "A=B": "v"}})).await;
    api.put(&path, json!({"id": id, "name": "a"})).await.is(200, &"its own id and name");
}
