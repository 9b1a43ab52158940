//! Who may call a node: from the first token, made beside it, to the last, revoked.

use std::time::{Duration, Instant};

use http::header::AUTHORIZATION;
use http::{Method, Request};

use hotfn_tests::client::{self, Answer};
use hotfn_tests::node::{Home, Node};
use hotfn_tests::program::{self, Ended};

async fn ask(node: &Node, token: &str) -> Answer {
    let mut request: Request<client::Body> = client::api(Method::GET, "/v2/apps", None);
    request.headers_mut().insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
    node.ask(request).await
}

#[tokio::test]
async fn the_first_token_is_made_beside_the_node() {
    let home = Home::of(&[]);
    let folder = tempfile::tempdir().unwrap();
    let store = format!("sqlite3://{}", folder.path().join("fn.db").display());
    let node = home.start_with(&["--tokens", "required", "--db", &store]).await;
    node.says("make the first with: hotfn token create --role admin NAME").await;
    assert_eq!(node.api(Method::GET, "/v2/apps", None).await.status, 401);
    let token = |args: &[&str]| -> Ended { program::hotfn(&[&["token", "--db", &store], args].concat()) };
    let made = token(&["create", "--role", "admin", "ops"]).well();
    let text = made.text().trim().to_owned();
    assert!(text.starts_with("hotfn_") && made.stderr.contains("cannot be shown again"), "{text} {}", made.stderr);
    let began = Instant::now();
    while ask(&node, &text).await.status != 200 {
        assert!(began.elapsed() < Duration::from_secs(10), "the node does not take the token");
    }

    let listed = token(&["list"]).well().text();
    assert!(listed.contains("admin") && listed.contains("ops") && !listed.contains(&text[40..]), "{listed}");
    let id = listed.lines().nth(1).and_then(|line| line.split(' ').next()).unwrap();
    assert_eq!(token(&["revoke", id]).well().text(), "");
    let revoked = Instant::now();
    while ask(&node, &text).await.status != 401 {
        assert!(revoked.elapsed() < Duration::from_secs(1), "the node still takes the token");
    }
    let said = node.drain().await;
    assert!(!said.contains(&text[40..]), "{said}");
}

#[test]
fn who_gets_it_wrong_is_told_what_is_right() {
    let check = |args: &[&str], code: i32, what: &str| {
        let ended = program::hotfn(args);
        assert!(ended.code == Some(code) && ended.stderr.contains(what), "{args:?}: {ended:?}");
    };
    let db = ["--db", "sqlite3:///dev/null/fn.db"];
    let with_db = |args: &[&'static str]| [&["token"], args, &db[..]].concat();
    check(&with_db(&["create", "--role", "root", "ops"]), 2, "one of admin, deploy, invoke");
    check(&with_db(&["create", "--role", "admin", "--app", "shop", "ops"]), 2, "the whole node");
    check(&with_db(&["create", "--role", "invoke", ""]), 2, "a token's name has");
    check(&with_db(&["list"]), 1, "cannot use the store sqlite3:///dev/null/fn.db");
    check(&["token", "--db", "memory", "list"], 2, "a store in memory is the node's alone");
    check(&["serve", "--tokens", "maybe"], 2, "none of required, except-triggers, off");
    check(&["serve", "--tls-key", "key.pem"], 2, "--tls-certificate");
    let tls =
        ["serve", "--db", "memory", "--listen", "127.0.0.1:0", "--tls-certificate", "/none", "--tls-key", "/none"];
    check(&tls, 1, "cannot encrypt connections: cannot read /none");
}

/// The whole way: a certificate of one's own authority, a token for one app, and our client.
#[tokio::test]
async fn a_client_elsewhere_comes_with_a_token_through_tls() {
    let home = Home::of(&[]);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
    std::fs::write(path("cert.pem"), certificate.pem()).unwrap();
    std::fs::write(path("key.pem"), key.serialize_pem()).unwrap();
    std::fs::write(path("secret"), "opensesame\n").unwrap();
    let store = format!("sqlite3://{}", path("fn.db"));
    let (cert, key) = (path("cert.pem"), path("key.pem"));
    let args = ["--tokens", "required", "--db", &store, "--tls-certificate", &cert, "--tls-key", &key];
    let node = home.start_with(&args).await;
    let made = program::hotfn(&["token", "--db", &store, "create", "--role", "deploy", "--app", "shop", "ci"]).well();
    let token = made.text().trim().to_owned();
    let base = format!("https://{}", node.address());
    let hotfn = |variables: &[(&str, &str)], args: &[&str]| {
        let mut command = std::process::Command::new(hotfn_tests::binaries::program("hotfn"));
        command.args(args).args(["--api-url", &base]).env("HOME", folder.path()).env_remove("HOTFN_CA_FILE");
        program::run(command.envs(variables.iter().copied()), b"")
    };
    let ours = [("HOTFN_TOKEN", &*token), ("HOTFN_CA_FILE", &*cert)];
    let began = Instant::now();
    while hotfn(&ours, &["apps", "create", "shop"]).code != Some(0) {
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", hotfn(&ours, &["apps", "create", "shop"]));
    }
    let image = "process:/bin/sh -c 'test ${#KEY} = 10 && echo it has it'";
    let secret = format!("KEY={}", path("secret"));
    let create = ["fns", "create", "shop", "f", image, "--format", "default", "--memory", "32", "--secret", &secret];
    let told = hotfn(&ours, &create).well();
    assert!(told.text().contains("it is called at https://127.0.0.1:"), "{}", told.text());
    assert_eq!(hotfn(&ours, &["invoke", "shop", "f"]).well().text(), "it has it\n");
    let url = told.text().split_whitespace().find(|word| word.starts_with("https://")).unwrap().to_owned();
    assert_eq!(hotfn(&ours, &["invoke", &url]).well().text(), "it has it\n");
    assert!(!hotfn(&ours, &["fns", "inspect", "shop", "f"]).well().text().contains("opensesame"));

    let refused = |variables: &[(&str, &str)], args: &[&str], what: &str| {
        let ended = hotfn(variables, args);
        assert!(ended.code == Some(1) && ended.stderr.contains(what), "{args:?}: {ended:?}");
    };
    refused(&ours, &["apps", "create", "blog"], "the token \"ci\" is not for the app \"blog\"");
    refused(&ours[1..], &["apps", "list"], "put a token of this node into HOTFN_TOKEN");
    refused(&ours[..1], &["apps", "list"], "is not believed");
    refused(&[("HOTFN_CA_FILE", &path("secret"))], &["apps", "list"], "no node can be believed");
    node.drain().await;
}
