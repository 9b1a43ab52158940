//! Section 4.4 of the contract.

use serde_json::{Value, json};

use super::{Api, text, trigger, with};

const HTTP_ENDPOINT: &str = "fnproject.io/trigger/httpEndpoint";
/// What the Fn CLI sends in place of times.
const ZERO: &str = "0001-01-01T00:00:00.000Z";

/// 140, 143, 147
#[tokio::test]
async fn a_trigger_is_made_told_changed_and_deleted() {
    let api = Api::start().await;
    let app = api.app("shop").await;
    let (f, g) = (api.function(&app, "f").await, api.function(&app, "g").await);
    let given = with(trigger(&app, &f, "t", "/deep/er"), json!({"created_at": ZERO, "updated_at": ZERO}));
    let made = api.post("/v2/triggers", given).await.ok();
    let id = text(&made, "id");
    let expected = json!({
        "id": id, "name": "t", "app_id": app, "fn_id": f, "type": "http", "source": "/deep/er",
        "annotations": {HTTP_ENDPOINT: "http://fn.example:80/t/shop/deep/er"},
        "created_at": made["created_at"], "updated_at": made["created_at"],
    });
    assert_eq!(made, expected);
    let path = format!("/v2/triggers/{id}");
    assert_eq!(api.get(&path).await.ok(), made);

    let change = json!({"name": "u", "source": "/", "fn_id": g, "type": "ignored"});
    let changed = api.put(&path, with(made.clone(), change)).await.ok();
    assert_eq!((&changed["name"], &changed["source"], &changed["fn_id"]), (&json!("u"), &json!("/"), &json!(g)));
    assert_eq!((&changed["type"], &changed["created_at"]), (&made["type"], &made["created_at"]));
    assert_eq!(changed["annotations"], made["annotations"], "sent back by the client, and stored");
    let told = api.get(&path).await.ok();
    assert_eq!(told["annotations"][HTTP_ENDPOINT], "http://fn.example:80/t/shop/", "but told anew");

    let by_source = |source: &str| format!("/v2/runner/apps/{app}/triggerBySource/http/{source}");
    assert_eq!(api.get(&by_source("/")).await.ok(), changed);
    api.get(&by_source("/deep/er")).await.is(404, &"a source that was");

    api.delete(&path).await.is(204, &"delete");
    api.get(&path).await.is(404, &"get");
    api.put(&path, json!({})).await.is(404, &"put");
    api.delete(&path).await.is(404, &"delete again");
}

/// 141, 142
#[tokio::test]
async fn each_rule_has_its_status() {
    let api = Api::start().await;
    let (app, other) = (api.app("a").await, api.app("b").await);
    let (f, g) = (api.function(&app, "f").await, api.function(&app, "g").await);
    let stranger = api.function(&other, "h").await;
    api.trigger(&app, &f, "taken", "/taken").await;
    api.trigger(&app, &g, "free-for-f", "/g").await;
    let check = async |status: u16, change: Value| {
        let given = with(trigger(&app, &f, "fresh", "/fresh"), change);
        let answer = api.post("/v2/triggers", given.clone()).await;
        answer.is(status, &given);
        if status == 200 {
            api.delete(&format!("/v2/triggers/{}", text(&answer.json(), "id"))).await.is(204, &given);
        }
    };
    check(400, json!({"id": "mine"})).await;
    for member in ["created_at", "updated_at"] {
        check(400, json!({ member: "2018-01-01T00:00:00.000Z" })).await;
        check(200, json!({ member: ZERO })).await;
    }
    for name in ["", "a b", "a.b", "a/b"] {
        check(400, json!({ "name": name })).await;
    }
    check(200, json!({"name": "x".repeat(255)})).await;
    check(400, json!({"name": "x".repeat(256)})).await;
    check(409, json!({"name": "taken"})).await;
    check(200, json!({"name": "free-for-f"})).await;
    for member in ["name", "app_id", "fn_id", "type", "source"] {
        check(400, json!({ member: null })).await;
        check(400, json!({ member: "" })).await;
    }
    check(404, json!({"app_id": "nobody"})).await;
    check(404, json!({"fn_id": "nobody"})).await;
    check(400, json!({"fn_id": stranger})).await;
    check(400, json!({"type": "kafka"})).await;
    check(400, json!({"source": "no-slash"})).await;
    check(400, json!({"source": "/nul\u{0}"})).await;
    check(200, json!({"source": format!("/{}", "x".repeat(2047))})).await;
    check(400, json!({"source": format!("/{}", "x".repeat(2048))})).await;
    check(409, json!({"source": "/taken"})).await;
    check(400, json!({"annotations": {"k": null}})).await;
}

/// 150, 151
#[tokio::test]
async fn what_is_refused_changes_nothing() {
    let api = Api::start().await;
    let (app, other) = (api.app("a").await, api.app("b").await);
    let (f, h) = (api.function(&app, "f").await, api.function(&other, "h").await);
    api.trigger(&app, &f, "taken", "/taken").await;
    let id = api.trigger(&app, &f, "t", "/t").await;
    let path = format!("/v2/triggers/{id}");
    let before = api.get(&path).await.ok();
    for (status, change) in [
        (400, json!({"id": "another"})),
        (400, json!({"app_id": other})),
        (400, json!({"fn_id": h})),
        (404, json!({"fn_id": "nobody"})),
        (409, json!({"source": "/taken"})),
        (409, json!({"name": "taken"})),
        (400, json!({"source": "no-slash"})),
        (400, json!({"name": "a b"})),
    ] {
        let given = with(json!({"annotations": {"k": 1}}), change);
        api.put(&path, given.clone()).await.is(status, &given);
        assert_eq!(api.get(&path).await.ok(), before, "{given}");
    }
}

#[tokio::test]
async fn a_source_with_a_star_calls_for_all_below_it_and_is_one_source() {
    let api = Api::start().await;
    let app = api.app("shop").await;
    let make = async |name: &str, word: &str| {
        let image = format!("process:/bin/echo {word}");
        let body = json!({"name": name, "app_id": app, "image": image, "format": "default"});
        text(&api.post("/v2/fns", body).await.ok(), "id")
    };
    let (one, below) = (make("one", "one").await, make("below", "below").await);
    let made = api.trigger(&app, &below, "api", "/api/*").await;
    api.trigger(&app, &one, "one", "/api/one").await;
    for (path, body) in
        [("/api/one", "one\n"), ("/api/two", "below\n"), ("/api/one/more?x=1", "below\n"), ("/api/", "below\n")]
    {
        assert_eq!(api.get(&format!("/t/shop{path}")).await.body, body, "{path}");
    }
    api.get("/t/shop/api").await.is(404, &"what stands before the slash is not below it");
    // As to Fn's clients it is a source like any other.
    api.post("/v2/triggers", trigger(&app, &one, "again", "/api/*")).await.is(409, &"it is taken");
    let endpoint = &api.get(&format!("/v2/triggers/{made}")).await.ok()["annotations"][HTTP_ENDPOINT];
    assert_eq!(endpoint, "http://fn.example:80/t/shop/api/*");
    api.get(&format!("/v2/runner/apps/{app}/triggerBySource/http/api/*")).await.ok();
    api.put(&format!("/v2/triggers/{made}"), json!({"source": "/v1/*"})).await.ok();
    api.get("/t/shop/api/two").await.is(404, &"moved");
    assert_eq!(api.get("/t/shop/v1/two").await.body, "below\n");
}
