//! `hotfn` as the client of a node.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use hotfn_tests::node::{Home, Node};
use hotfn_tests::program::{self, Ended};
use hotfn_tests::{answered, binaries, client};
use http::{HeaderValue, Method};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A person with a home, and a node that the home's context in use names.
struct Person {
    node: Node,
    home: TempDir,
    _node_home: Home,
}

impl Person {
    async fn new() -> Self {
        let node_home = Home::of(&[]);
        let node = node_home.start().await;
        let home = tempfile::tempdir().unwrap();
        let person = Self { node, home, _node_home: node_home };
        person.context("here", &format!("http://{}", person.node.address()));
        fs::write(person.fn_folder().join("config.yaml"), "current-context: here\n").unwrap();
        person
    }

    fn fn_folder(&self) -> PathBuf {
        self.home.path().join(".fn")
    }

    fn context(&self, name: &str, url: &str) {
        let folder = self.fn_folder().join("contexts");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{name}.yaml")), format!("provider: default\napi-url: {url}\nregistry: me\n"))
            .unwrap();
    }

    /// A folder with an executable `func` that says `word`, and this manifest.
    fn function(&self, word: &str, manifest: &str) -> String {
        let folder = self.home.path().join("teller");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("func"), format!("#!/bin/sh\necho {word} $GREETING\n")).unwrap();
        fs::set_permissions(folder.join("func"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(folder.join("func.yaml"), manifest).unwrap();
        folder.display().to_string()
    }

    async fn asks(&self, args: &[&str]) -> Ended {
        let mut hotfn = Command::new(binaries::program("hotfn"));
        hotfn.args(args).env("HOME", self.home.path());
        // The person's own are not the story's.
        for name in ["FN_API_URL", "FN_CONTEXT", "FN_TOKEN", "HOTFN_TOKEN", "XDG_STATE_HOME"] {
            hotfn.env_remove(name);
        }
        tokio::task::spawn_blocking(move || program::run(&mut hotfn, b"")).await.unwrap()
    }

    async fn sees(&self, args: &[&str]) -> String {
        self.asks(args).await.well().text()
    }

    async fn reads(&self, args: &[&str]) -> Value {
        let text = self.sees(&[args, &["--json"]].concat()).await;
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e} in {text}"))
    }

    async fn is_refused(&self, args: &[&str], code: i32, said: &str) {
        let ended = self.asks(args).await;
        assert_eq!(ended.code, Some(code), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(said), "{args:?}: {}", ended.stderr);
    }
}

#[tokio::test]
async fn a_person_makes_sees_changes_and_deletes() {
    let person = Person::new().await;
    let image = binaries::image("echo");
    assert_eq!(person.sees(&["apps", "list"]).await, "NAME  ID\n");
    assert_eq!(person.sees(&["apps", "create", "shop", "-c", "GREETING=hi"]).await, "app shop was made\n");
    let app = person.reads(&["apps", "inspect", "shop"]).await;
    assert_eq!((&app["name"], &app["config"]), (&json!("shop"), &json!({"GREETING": "hi"})));
    assert_eq!(person.reads(&["apps"]).await, json!([app]));
    person.sees(&["apps", "update", "shop", "-c", "GREETING=", "-c", "LANG=de", "--annotation", "n=[1]"]).await;
    let app = person.reads(&["apps", "inspect", "shop"]).await;
    assert_eq!((&app["config"], &app["annotations"]), (&json!({"LANG": "de"}), &json!({"n": [1]})));

    let made = person.sees(&["fns", "create", "shop", "echo", &image, "--memory", "32"]).await;
    assert!(made.starts_with("function shop/echo was made; it is called at http://127.0.0.1:"), "{made}");
    person.sees(&["fns", "update", "shop", "echo", "--timeout", "5", "--max-containers", "3"]).await;
    let function = person.reads(&["fns", "inspect", "shop", "echo"]).await;
    let told = ["memory", "timeout", "max_containers"].map(|member| function[member].clone());
    assert_eq!(told, [json!(32), json!(5), json!(3)]);
    let table = person.sees(&["fns", "list", "shop"]).await;
    let row: Vec<&str> = table.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row, ["echo", &image, "32", "5", function["id"].as_str().unwrap()]);
    assert_eq!(person.sees(&["invoke", "shop", "echo", "-d", "by name"]).await, "by name");

    person.sees(&["triggers", "create", "shop", "echo", "all", "--source", "/all/*"]).await;
    person.sees(&["triggers", "update", "shop", "echo", "all", "--source", "/some/*"]).await;
    let triggers = person.sees(&["triggers", "list", "shop"]).await;
    assert!(triggers.contains("/some/*") && triggers.contains("/t/shop/some/*"), "{triggers}");
    let trigger = person.reads(&["triggers", "inspect", "shop", "echo", "all"]).await;
    assert_eq!(trigger["fn_id"], function["id"]);
    let call = client::request(Method::POST, "/t/shop/some/where", client::whole("by trigger"));
    assert_eq!(person.node.ask(call).await.ok().text(), "by trigger");
    person.sees(&["triggers", "delete", "shop", "echo", "all"]).await;
    assert_eq!(person.reads(&["triggers", "list", "shop", "echo"]).await, json!([]));

    person
        .is_refused(&["apps", "delete", "shop"], 1, "app \"shop\" has 1 function; delete them with it by --recursive")
        .await;
    person.sees(&["apps", "delete", "shop", "--recursive"]).await;
    assert_eq!(person.reads(&["apps", "list"]).await, json!([]));
    person.node.drain().await;
}

#[tokio::test]
async fn what_cannot_be_done_is_told_with_what_to_try_next() {
    let person = Person::new().await;
    person.sees(&["apps", "create", "shop"]).await;
    person.is_refused(&["apps", "inspect", "shoe"], 1, "there is no app \"shoe\"; hotfn apps list shows").await;
    person
        .is_refused(&["fns", "inspect", "shop", "f"], 1, "there is no function \"f\"; hotfn fns list shop shows")
        .await;
    person.is_refused(&["invoke", "shop", "f"], 1, "there is no function \"f\"").await;
    person.is_refused(&["apps", "create", "shop"], 1, "App already exists").await;
    person.is_refused(&["apps", "create", "a b"], 1, "Invalid name").await;
    person.is_refused(&["fns", "create", "shop", "f", "shop/hello:1"], 1, "is not an image this node can start").await;
    let image = binaries::image("echo");
    person.is_refused(&["fns", "create", "shop", "f", &image, "--memory", "9000"], 1, "1 to 8192 MB").await;
    person.is_refused(&["apps", "--api-url", "http://127.0.0.1:1"], 1, "is a node listening there?").await;
    person.is_refused(&["apps", "--api-url", "127.0.0.1:1"], 2, "write it as http://HOST:PORT").await;
    person.is_refused(&["apps", "--context", "nowhere"], 2, "there is no context \"nowhere\"").await;
    person.is_refused(&["fns", "list"], 2, "APP").await;
    person.context("wrong", "http://127.0.0.1:1");
    person.is_refused(&["apps", "--context", "wrong"], 1, "cannot connect to http://127.0.0.1:1").await;
    person.node.drain().await;
}

#[tokio::test]
async fn a_folder_is_deployed_and_deployed_again() {
    let person = Person::new().await;
    let manifest = "schema_version: 20180708\nname: teller\nversion: 0.0.1\nruntime: executable\nmemory: 32\n\
        config:\n  GREETING: hi\nannotations:\n  owner: me\n\
        triggers:\n- name: web\n  type: http\n  source: /tell\n- source: /all/*\n";
    let folder = person.function("one", manifest);
    person
        .is_refused(
            &["deploy", &folder, "--app", "shop"],
            1,
            "there is no app \"shop\"; hotfn apps list shows those there are, and --create-app makes it",
        )
        .await;
    let said = person.sees(&["deploy", &folder, "--app", "shop", "--create-app"]).await;
    assert!(said.starts_with("shop/teller was made\n  http://127.0.0.1:"), "{said}");
    assert!(said.contains("/t/shop/tell\n") && said.contains("/t/shop/all/*\n"), "{said}");
    assert_eq!(person.sees(&["invoke", "shop", "teller"]).await, "one hi\n");
    let function = person.reads(&["fns", "inspect", "shop", "teller"]).await;
    assert_eq!((&function["memory"], &function["annotations"]["owner"]), (&json!(32), &json!("me")));
    // What the folder does not say is left alone.
    person.sees(&["fns", "update", "shop", "teller", "--timeout", "7", "-c", "LANG=de"]).await;

    person.function("two", &manifest.replace("/tell", "/told").replace("memory: 32", "memory: 48"));
    let outcome = person.reads(&["deploy", &folder, "--app", "shop"]).await;
    let told = ["id", "memory", "timeout"].map(|member| outcome["function"][member].clone());
    assert_eq!(told, [function["id"].clone(), json!(48), json!(7)]);
    assert_eq!(outcome["function"]["config"]["LANG"], "de");
    let sources: Vec<_> = outcome["triggers"].as_array().unwrap().iter().map(|t| t["source"].clone()).collect();
    assert_eq!(sources, ["/all/*", "/told"]);
    assert_eq!(person.sees(&["invoke", "shop", "teller"]).await, "two hi\n");

    person.is_refused(&["deploy", "/nowhere", "--app", "shop"], 2, "/nowhere is not a folder").await;
    let elsewhere = ["deploy", &folder, "--app", "shop", "--api-url", "http://fn.invalid"];
    person.is_refused(&elsewhere, 2, "http://fn.invalid is not; bring an image to a registry").await;
    person
        .is_refused(&["deploy", &folder, "--app", "shop", "--image", "shop/hello:1"], 1, "not an image this node")
        .await;
    person.node.drain().await;
}

#[tokio::test]
async fn what_became_of_calls_is_listed_and_told_and_the_dead_are_tried_again() {
    const CALLS: usize = 103;
    let person = Person::new().await;
    let works = person.home.path().join("works");
    let image = format!("process:/bin/sh -c 'test -e {}'", works.display());
    person.sees(&["apps", "create", "shop"]).await;
    let make = ["fns", "create", "shop", "f", &image, "--format", "default", "--memory", "32", "--retry-attempts", "1"];
    person.sees(&make).await;
    let function = person.reads(&["fns", "inspect", "shop", "f"]).await["id"].as_str().unwrap().to_owned();
    assert_eq!(person.sees(&["calls", "list", "shop", "f"]).await, "ID  TYPE  STATUS  ATTEMPTS  CAME  ERROR\n");
    let mut connection = person.node.connect().await;
    let mut sent = Vec::new();
    for _ in 0..CALLS {
        let mut request = client::invoke(&function, client::whole(""));
        request.headers_mut().insert("fn-invoke-type", HeaderValue::from_static("detached"));
        sent.push(connection.call(request).await.unwrap().is(202).header("fn-call-id").to_owned());
    }
    sent.sort_unstable_by(|one, other| other.cmp(one));
    let ids = |calls: &Value| -> Vec<String> {
        calls.as_array().unwrap().iter().map(|call| call["id"].as_str().unwrap().to_owned()).collect()
    };
    // More than a page, and no more than asked for.
    assert_eq!(ids(&person.reads(&["calls", "list", "shop", "f"]).await), sent[..100]);
    assert_eq!(ids(&person.reads(&["calls", "list", "shop", "f", "-n", "102"]).await), sent[..102]);
    let dead = ["calls", "list", "shop", "f", "--status", "dead", "-n", "500"];
    answered("every call to be dead", async || (ids(&person.reads(&dead).await) == sent).then_some(())).await;

    let table = person.sees(&["calls", "list", "shop", "f", "-n", "1"]).await;
    let row: Vec<&str> = table.lines().nth(1).unwrap().split_whitespace().take(4).collect();
    assert_eq!(row, [&sent[0], "detached", "dead", "1"]);
    fs::write(&works, "").unwrap();
    assert_eq!(person.sees(&["calls", "retry", "shop", "f", &sent[7]]).await, format!("call {} is queued\n", sent[7]));
    answered("the call's success", async || {
        let call = person.reads(&["calls", "inspect", "shop", "f", &sent[7]]).await;
        (call["status"] == "success").then_some(())
    })
    .await;
    let members = person.sees(&["calls", "inspect", "shop", "f", &sent[7]]).await;
    assert!(members.contains("\nstatus        success\n"), "{members}");

    let came = person.reads(&["calls", "inspect", "shop", "f", &sent[0]]).await["created_at"].clone();
    let since = person.reads(&["calls", "list", "shop", "f", "--from", came.as_str().unwrap()]).await;
    assert!(ids(&since).contains(&sent[0]), "{since}");
    assert_eq!(person.reads(&["calls", "list", "shop", "f", "--to", "1"]).await, json!([]));
    person.is_refused(&["calls", "retry", "shop", "f", &sent[7]], 1, &sent[7]).await;
    person.is_refused(&["calls", "inspect", "shop", "f", "none"], 1, "Call not found").await;
    person.is_refused(&["calls", "list", "shop", "f", "--from", "yesterday"], 1, "neither seconds since 1970").await;
    person.is_refused(&["calls", "list", "shop", "f", "--status", "gone"], 2, "it is one of canceled, dead,").await;
    person.is_refused(&["calls", "list", "shop", "f", "-n", "0"], 2, "number would be zero").await;
    person.node.drain().await;
}

#[tokio::test]
async fn an_app_of_many_functions_is_deployed_at_once() {
    let person = Person::new().await;
    let shop = person.home.path().join("shop");
    let write = |folder: &str, word: &str, manifest: &str| {
        let folder = shop.join(folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("func"), format!("#!/bin/sh\necho {word} $GREETING\n")).unwrap();
        fs::set_permissions(folder.join("func"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(folder.join("func.yaml"), format!("runtime: executable\nmemory: 32\n{manifest}")).unwrap();
    };
    write("one", "first", "triggers:\n- {name: web, type: http, source: /one}\n");
    write("deep/two", "second", "name: second\n");
    let app = |text: &str| fs::write(shop.join("app.yaml"), text).unwrap();
    let folder = shop.display().to_string();
    person
        .is_refused(&["deploy", "--all", &folder], 2, "of which app? name it with --app, or in an app.yaml in /")
        .await;
    person.is_refused(&["deploy", "--all", &folder, "--app", "shop"], 1, "and --create-app makes it").await;

    app("name: shop\nconfig: {GREETING: hi}\nannotations: {owner: me}\n");
    let said = person.sees(&["deploy", "--all", &folder]).await;
    let lines: Vec<&str> = said.lines().filter(|line| !line.starts_with(' ')).collect();
    assert_eq!(lines, ["app shop was made", "shop/second was made", "shop/one was made"]);
    assert!(said.contains("/t/shop/one\n"), "{said}");
    assert_eq!(person.sees(&["invoke", "shop", "one"]).await, "first hi\n");
    assert_eq!(person.sees(&["invoke", "shop", "second"]).await, "second hi\n");

    app("name: shop\nconfig: {GREETING: ho}\n");
    let outcome = person.reads(&["deploy", "--all", &folder]).await;
    let names: Vec<_> = outcome["functions"].as_array().unwrap().iter().map(|one| &one["function"]["name"]).collect();
    assert_eq!(names, ["second", "one"]);
    assert_eq!((&outcome["app"]["name"], &outcome["app"]["config"]["GREETING"]), (&json!("shop"), &json!("ho")));
    assert_eq!(outcome["app"]["annotations"]["owner"], "me", "what the file does not say stays");
    assert_eq!(person.sees(&["invoke", "shop", "one"]).await, "first ho\n");

    // Nothing of what cannot be followed as a whole is begun.
    let before = person.reads(&["apps", "inspect", "shop"]).await;
    app("name: shop\nconfig: {GREETING: never}\n");
    write("three", "third", "name: one\n");
    person.is_refused(&["deploy", "--all", &folder], 2, "are both the function \"one\"").await;
    write("three", "third", "timeout: 301\n");
    person.is_refused(&["deploy", "--all", &folder], 2, "three/func.yaml: timeout: 301 is out of range").await;
    write("three", "third", "");
    app("nmae: shop\n");
    person.is_refused(&["deploy", "--all", &folder], 2, "app.yaml: ").await;
    person.is_refused(&["deploy", "--all", &folder, "--image", "shop/hello:1"], 2, "cannot be used with").await;
    let bare = person.fn_folder().display().to_string();
    person.is_refused(&["deploy", "--all", &bare], 2, "there is no func.yaml in ").await;
    assert_eq!(person.reads(&["apps", "inspect", "shop"]).await, before);
    person.node.drain().await;
}

/// A function that stays hot is not what was deployed before.
#[tokio::test]
async fn a_deploy_ends_the_containers_of_the_one_before() {
    let person = Person::new().await;
    let folder = person.home.path().join("hot");
    fs::create_dir(&folder).unwrap();
    let program = folder.join("func");
    fs::copy(binaries::program("echo"), &program).unwrap();
    fs::write(folder.join("func.yaml"), "runtime: executable\nname: hot\nformat: http-stream\nmemory: 32\n").unwrap();
    let folder = folder.display().to_string();
    person.sees(&["deploy", &folder, "--app", "shop", "--create-app"]).await;
    assert_eq!(person.sees(&["invoke", "shop", "hot", "-d", "hi"]).await, "hi");
    // The path stays, and another program is there.
    fs::remove_file(&program).unwrap();
    fs::copy(binaries::program("hello"), &program).unwrap();
    assert_eq!(person.sees(&["invoke", "shop", "hot", "-d", "hi"]).await, "hi", "until it is deployed");
    person.sees(&["deploy", &folder, "--app", "shop"]).await;
    let greeted = person.sees(&["invoke", "shop", "hot", "-d", "{\"name\":\"Ada\"}"]).await;
    assert!(greeted.contains("Hello Ada"), "{greeted}");
    person.node.drain().await;
}
