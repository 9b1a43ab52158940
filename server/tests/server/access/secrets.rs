//! Values that a function gets and nobody is told.

use serde_json::{Value, json};

use hotfn_server::config::Settings;
use hotfn_server::store::{Store, Url};

use crate::api::{Api, text};

/// Prints its environment.
const ENV: &str = "process:/usr/bin/env";

async fn environment(api: &Api, function: &str) -> Vec<String> {
    let answer = api.send("POST", &format!("/invoke/{function}"), "").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body.lines().filter(|line| line.starts_with("S_")).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_function_gets_its_secrets_and_its_apps() {
    let api = Api::start().await;
    let app = api.post("/v2/apps", json!({"name": "shop", "secrets": {"S_APP": "a", "S_BOTH": "a"}})).await.ok();
    assert_eq!(app["secrets"], json!({"S_APP": null, "S_BOTH": null}));
    let app = text(&app, "id");
    let body = json!({
        "name": "f", "app_id": app, "image": ENV, "format": "default",
        "config": {"S_CONFIG": "c", "S_BOTH": "c"}, "secrets": {"S_FN": "f", "S_BOTH": "f"},
    });
    let made = api.post("/v2/fns", body).await.ok();
    let (function, path) = (text(&made, "id"), format!("/v2/fns/{}", text(&made, "id")));
    let mut seen = environment(&api, &function).await;
    seen.sort();
    // Of two lines with one name the last one counts; a secret is behind the config.
    assert!(seen.contains(&"S_APP=a".to_owned()) && seen.contains(&"S_FN=f".to_owned()), "{seen:?}");
    assert!(seen.contains(&"S_BOTH=f".to_owned()) && !seen.contains(&"S_BOTH=a".to_owned()), "{seen:?}");

    let told = api.get(&path).await.ok();
    assert_eq!(told["secrets"], json!({"S_BOTH": null, "S_FN": null}));
    // What was told, sent back, changes nothing. The first time it is noted where it is called.
    let once = api.put(&path, told).await.ok();
    let twice = api.put(&path, once.clone()).await.ok();
    assert_eq!(twice, once);
    let changed = api.put(&path, json!({"secrets": {"S_FN": "new", "S_BOTH": "", "S_OTHER": "o"}})).await.ok();
    assert_eq!(changed["secrets"], json!({"S_FN": null, "S_OTHER": null}));
    let seen = environment(&api, &function).await;
    for line in ["S_APP=a", "S_BOTH=a", "S_FN=new", "S_OTHER=o"] {
        assert!(seen.contains(&line.to_owned()), "{line}: {seen:?}");
    }
    api.put(&format!("/v2/apps/{app}"), json!({"secrets": {"S_APP": "b"}})).await.ok();
    assert!(environment(&api, &function).await.contains(&"S_APP=b".to_owned()));
}

#[tokio::test]
async fn a_refusal_does_not_quote_what_was_given() {
    let api = Api::start().await;
    let app = api.app("shop").await;
    let function = api.function(&app, "f").await;
    for secrets in [
        json!({"A": 31337}),
        json!({"A": ["31337"]}),
        json!({"A": {"x": "31337"}}),
        json!({"A=B": "31337"}),
        json!({"A": "31337\u{0}"}),
        json!({"A": null, "B": "31337"}),
        json!("31337"),
        json!(31337),
        json!(["31337"]),
    ] {
        for (method, path) in [("PUT", format!("/v2/fns/{function}")), ("PUT", format!("/v2/apps/{app}"))] {
            let answer = api.send(method, &path, &json!({ "secrets": secrets }).to_string()).await;
            answer.is(400, &secrets);
            assert!(!answer.body.contains("31337"), "{secrets}: {}", answer.body);
        }
    }
    let told = api.get(&format!("/v2/fns/{function}")).await.ok();
    assert_eq!(told.get("secrets"), None, "what was refused changed nothing");
}

#[tokio::test]
async fn only_the_owner_can_read_the_file_they_are_kept_in() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fn.db");
    let api = Api::with(Settings { db: Some(Url::Sqlite(path.clone())), ..Settings::default() }).await;
    let made = api.post("/v2/apps", json!({"name": "shop", "secrets": {"S_APP": "opensesame"}})).await.ok();
    for entry in std::fs::read_dir(folder.path()).unwrap().map(Result::unwrap) {
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        if entry.file_name().to_string_lossy().starts_with("fn.db") {
            assert_eq!(mode, 0o600, "{entry:?}");
        }
    }
    // And who reads records from the store reads none.
    let store = Store::open(&Url::Sqlite(path)).await.unwrap();
    let app = store.app(&text(&made, "id")).await.unwrap();
    assert!(!format!("{app:?}").contains("opensesame"));
    let kept: Value = serde_json::to_value(&app).unwrap();
    assert_eq!(kept["secrets"], json!({"S_APP": null}));
}
