//! How often a function may be called.

use serde_json::json;

use crate::api::{Api, IMAGE, text};

#[tokio::test]
async fn who_calls_too_often_is_told_when_to_come_back() {
    let api = Api::start().await;
    let app = api.app("shop").await;
    let body = json!({"name": "f", "app_id": app, "image": IMAGE, "format": "default", "rate": 1, "burst": 2});
    let made = api.post("/v2/fns", body).await.ok();
    assert_eq!((&made["rate"], &made["burst"]), (&json!(1), &json!(2)));
    let id = text(&made, "id");
    let invoke = format!("/invoke/{id}");
    let mut refused = None;
    // A second lets one more through; ten calls take less than ten.
    for _ in 0..10 {
        let answer = api.send("POST", &invoke, "hi").await;
        if answer.status != 200 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("more than the rate was let through");
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")));
    let told = refused.json();
    assert_eq!((&told["code"], &told["blame"]), (&json!("rate_limited"), &json!("caller")));
    assert_eq!(told["reason"], "this node lets 1 a second through, and 2 at once");

    api.put(&format!("/v2/fns/{id}"), json!({"rate": -1, "burst": -1})).await.ok();
    for _ in 0..10 {
        assert_eq!(api.send("POST", &invoke, "hi").await.status, 200);
    }
}

#[tokio::test]
async fn a_rate_has_its_bounds() {
    let api = Api::start().await;
    let app = api.app("shop").await;
    let id = api.function(&app, "f").await;
    let put = async |body: serde_json::Value| api.put(&format!("/v2/fns/{id}"), body).await;
    put(json!({"rate": 0})).await.is(400, &"0");
    put(json!({"rate": 1_000_001})).await.is(400, &"too much");
    put(json!({"burst": 5})).await.is(400, &"a burst of no rate");
    let told = put(json!({"rate": 20})).await.ok();
    assert_eq!((&told["rate"], told.get("burst")), (&json!(20), None));
}
