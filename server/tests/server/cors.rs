//! Pages of other sites: what they may, and what they are told.

use hotfn_protocols::Reply;
use hotfn_server::config::Settings;
use hotfn_server::front::{Config, Cors};

use crate::api::Api;
use crate::client::{Answer, ask};
use crate::double::{Running, reply, serve, serve_with};

const SHOP: &str = "https://shop.example";

/// A front that allows these origins; its function says so itself when the request asks for that.
async fn allowing(origins: &[&str], headers: &[&str]) -> Running {
    let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    let cors = Cors::new(&owned(origins), &owned(headers)).unwrap();
    serve_with(Config { cors, ..Config::default() }, |call| async move {
        let mut answer: Reply = reply("ok");
        if call.headers.contains_key("x-own") {
            answer.head.headers.insert("access-control-allow-origin", "https://own.example".parse().unwrap());
        }
        Ok(answer)
    })
    .await
}

async fn send(node: &Running, line: &str, origin: &str, more: &str) -> Answer {
    ask(node.addr, &format!("{line} HTTP/1.1\nHost: h\nOrigin: {origin}\n{more}\n")).await
}

const ASKS: &str = "Access-Control-Request-Method: PUT\n";

#[tokio::test]
async fn nothing_is_said_unless_somebody_is_allowed() {
    let node = serve(|_| async { Ok(reply("ok")) }).await;
    let answer = send(&node, "GET /t/shop", SHOP, "").await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin"), answer.header("vary")), (200, None, None));
    let preflight = send(&node, "OPTIONS /t/shop", SHOP, ASKS).await;
    assert_eq!((preflight.status, &*preflight.body), (200, "ok"), "the function's to answer");
    assert_eq!(send(&node, "OPTIONS /invoke/f", SHOP, ASKS).await.status, 405);
}

#[tokio::test]
async fn a_named_origin_may_ask_call_and_read() {
    let node = allowing(&[SHOP], &["X-Cart"]).await;
    for path in ["/t/shop", "/t/shop/unknown", "/invoke/f", "/v2/apps"] {
        let preflight = send(&node, &format!("OPTIONS {path}"), SHOP, ASKS).await;
        assert_eq!((preflight.status, &*preflight.body), (204, ""), "{path}");
        assert_eq!(preflight.header("access-control-allow-origin"), Some(SHOP), "{path}");
        assert!(preflight.header("access-control-allow-methods").unwrap().contains("PUT"));
        let headers = preflight.header("access-control-allow-headers").unwrap();
        assert!(headers.contains("Content-Type") && headers.contains("X-Cart"), "{headers}");
    }
    let answer = send(&node, "POST /invoke/f", SHOP, "content-length: 0\n").await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, Some(SHOP)));
    assert_eq!(answer.header("vary"), Some("origin"));
    assert!(answer.header("access-control-expose-headers").unwrap().contains("Fn-Call-Id"));
    let refused = send(&node, "GET /t/nothing", SHOP, "").await;
    assert_eq!(
        (refused.status, refused.header("access-control-allow-origin")),
        (404, Some(SHOP)),
        "to be read as well"
    );
    let options = send(&node, "OPTIONS /t/shop", SHOP, "").await;
    assert_eq!(options.body, "ok", "without the question it is a request like any other");
}

#[tokio::test]
async fn others_are_told_nothing_and_functions_speak_for_themselves() {
    let node = allowing(&[SHOP], &[]).await;
    for origin in ["https://evil.example", "https://shop.example.evil.example", "null"] {
        let answer = send(&node, "GET /t/shop", origin, "").await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, None), "{origin}");
        assert_eq!(answer.header("vary"), Some("origin"), "{origin}");
        assert_eq!(send(&node, "OPTIONS /t/shop", origin, ASKS).await.body, "ok", "{origin}");
    }
    let own = send(&node, "GET /t/shop", SHOP, "X-Own: 1\n").await;
    assert_eq!(own.header("access-control-allow-origin"), Some("https://own.example"));
}

#[tokio::test]
async fn a_star_is_for_calls_and_never_for_the_api() {
    let node = allowing(&["*"], &[]).await;
    let anyone = Some("https://any.example");
    for path in ["/t/shop", "/invoke/f"] {
        let preflight = send(&node, &format!("OPTIONS {path}"), "https://any.example", ASKS).await;
        assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (204, anyone), "{path}");
    }
    let listed = send(&node, "GET /v2/apps", "https://any.example", "").await;
    assert_eq!(listed.header("access-control-allow-origin"), None);
    assert_ne!(send(&node, "OPTIONS /v2/apps", "https://any.example", ASKS).await.status, 204);
}

#[tokio::test]
async fn only_a_named_page_may_change_what_is_served() {
    for (origins, status) in [(vec![SHOP.to_owned()], 200), (vec!["*".to_owned()], 403)] {
        let api = Api::with(Settings { cors_origins: Some(origins), ..Settings::default() }).await;
        let head = format!("POST /v2/apps HTTP/1.1\nHost: h\nOrigin: {SHOP}\nContent-Length: 12\n\n");
        let answer = ask(api.addr(), &(head + "{\"name\":\"a\"}")).await;
        assert_eq!(answer.status, status, "{}", answer.body);
    }
}
