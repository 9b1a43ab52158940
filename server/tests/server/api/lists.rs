//! Sections 4.5 and 4.6 of the contract.

use serde_json::Value;

use super::{Api, text};

/// 148
#[tokio::test]
async fn pages_hold_each_object_once() {
    let api = Api::start().await;
    assert_eq!(api.get("/v2/apps").await.body, "{\"items\":[]}\n");
    let mut made = 0;
    for count in [29, 30, 31, 100, 101] {
        while made < count {
            api.app(&format!("app-{made}")).await;
            made += 1;
        }
        let first = api.get("/v2/apps").await.ok();
        assert_eq!(first["items"].as_array().unwrap().len(), count.min(30));
        assert_eq!(first.get("next_cursor").is_some(), count >= 30, "{count}");
        for per_page in ["", "per_page=1000", "per_page=7"] {
            let names = walk(&api, "/v2/apps", per_page).await;
            let mut expected: Vec<_> = (0..count).map(|n| format!("app-{n}")).collect();
            expected.sort();
            assert_eq!(names, expected, "{count} {per_page}");
        }
    }
    let most = api.get("/v2/apps?per_page=1000").await.ok();
    assert_eq!(most["items"].as_array().unwrap().len(), 100);
}

/// All names, page by page.
async fn walk(api: &Api, path: &str, query: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = api.get(&format!("{path}?{query}&cursor={cursor}&sort_by=ignored")).await.ok();
        names.extend(page["items"].as_array().unwrap().iter().map(|item| text(item, "name")));
        match page.get("next_cursor") {
            Some(next) => cursor = next.as_str().unwrap().to_owned(),
            None => return names,
        }
    }
}

#[tokio::test]
async fn lists_are_filtered() {
    let api = Api::start().await;
    let (a, b) = (api.app("a").await, api.app("b").await);
    let (f, g) = (api.function(&a, "f").await, api.function(&a, "g").await);
    api.function(&b, "f").await;
    for (function, name, source) in [(&f, "t", "/1"), (&f, "u", "/2"), (&g, "t", "/3")] {
        api.trigger(&a, function, name, source).await;
    }
    let check = async |path: &str, expected: &[&str], member: &str| {
        let list = api.get(path).await.ok();
        let found: Vec<String> = list["items"].as_array().unwrap().iter().map(|item| text(item, member)).collect();
        assert_eq!(found, expected, "{path}");
    };
    check("/v2/apps?name=b", &["b"], "name").await;
    check("/v2/apps?name=%62&name=a", &["b"], "name").await;
    check("/v2/apps?name=nobody", &[], "name").await;
    check(&format!("/v2/fns?app_id={a}"), &["f", "g"], "name").await;
    check(&format!("/v2/fns?app_id={a}&name=g"), &["g"], "name").await;
    check(&format!("/v2/triggers?app_id={a}&name=u"), &["/2"], "source").await;
    check(&format!("/v2/triggers?app_id={a}&fn_id={f}"), &["/1", "/2"], "source").await;
    check(&format!("/v2/triggers?app_id={a}&fn_id={g}&name=t"), &["/3"], "source").await;
    for unknown in ["/v2/fns?app_id=nobody", "/v2/triggers?app_id=nobody", "/v2/fns?app_id=%00"] {
        check(unknown, &[], "name").await;
    }
    // Two of one name are on two pages, each once.
    let mut pages = walk(&api, "/v2/triggers", &format!("app_id={a}&per_page=1")).await;
    pages.sort();
    assert_eq!(pages, ["t", "t", "u"]);
}

#[tokio::test]
async fn what_a_list_cannot_follow_is_refused() {
    let api = Api::start().await;
    for path in ["/v2/fns", "/v2/fns?app_id=", "/v2/triggers", "/v2/triggers?fn_id=f"] {
        api.get(path).await.is(400, &path);
    }
    for path in ["/v2/apps", "/v2/fns", "/v2/triggers"] {
        for cursor in ["*", "a", "bm9udWw", "%00"] {
            let path = format!("{path}?app_id=a&cursor={cursor}");
            api.get(&path).await.is(400, &path);
        }
    }
    let items: Value = api.get("/v2/apps?per_page=0&cursor=").await.ok();
    assert_eq!(items["items"], Value::Array(Vec::new()));
}
