//! Functions that misbehave: each gets the contract's code, with the reason in the message, and the
//! next call is answered.

use std::os::unix::net::UnixListener;

use hotfn_tests::binaries;
use hotfn_tests::client::Answer;
use hotfn_tests::node::{Function, Home, Node};

/// The example `faulty`, to be told what to do by the call's body.
fn handler(name: &str) -> Function {
    Function::new(name, &binaries::image("faulty")).set("timeout", 1)
}

/// The same without any protocol of its own: it writes what the call's body says.
fn raw(name: &str) -> Function {
    handler(name).config("FAULTY_RAW", "1")
}

/// A fault as the contract has it: its status and code, and a word of its message.
fn check(answer: &Answer, status: u16, code: &str, word: &str) {
    let told = answer.text();
    assert_eq!(answer.status.as_u16(), status, "{told}");
    let json = answer.json();
    assert_eq!(json["code"], code, "{told}");
    assert!(json["message"].as_str().unwrap().contains(word), "{told} should say {word:?}");
    assert_eq!(json["blame"], "function", "{told}");
    assert_eq!(answer.header("fn-blame"), "function");
    assert_eq!(answer.header("fn-call-id").len(), 26, "{:?}", answer.headers);
    assert!(!answer.header("server-timing").is_empty(), "{:?}", answer.headers);
}

async fn next_is_answered(node: &Node, id: &str, good: &'static str) {
    let answer = node.invoke(id, good).await.ok();
    assert!(!answer.text().is_empty());
}

#[tokio::test]
async fn a_handler_that_fails() {
    let home = Home::of(&[handler("f")]);
    let node = home.start().await;
    for (script, status, code, word) in [
        ("error it had to be", 502, "function_failed", "function failed"),
        ("panic", 502, "function_failed", "function failed"),
        ("exit 3", 502, "receiving_response", "error receiving function response"),
        ("abort", 502, "receiving_response", "error receiving function response"),
        ("hang", 504, "timed_out", "Timed out"),
        ("block 5000", 504, "timed_out", "Timed out"),
        ("pause 3000; reply late", 504, "timed_out", "Timed out"),
    ] {
        check(&node.invoke("f", script).await, status, code, word);
        next_is_answered(&node, "f", "reply fine").await;
    }
}

#[tokio::test]
async fn bytes_on_the_socket_that_are_no_answer() {
    let home = Home::of(&[raw("f")]);
    let node = home.start().await;
    for (script, status, code, word) in [
        ("[[send garbage%0d%0a%0d%0a]]", 502, "receiving_response", "error receiving function response"),
        ("[[close]]", 502, "receiving_response", "error receiving function response"),
        ("[[send HTTP/1.1 200 OK%0d%0aContent-]]", 504, "timed_out", "Timed out"),
        ("[[send HTTP/1.1 404 Not Found%0d%0aContent-Length: 0%0d%0a%0d%0a]]", 502, "invalid_response", "404"),
        ("[[send HTTP/1.1 200 OK%0d%0aContent-Length: 9%0d%0a%0d%0ashort; close]]", 502, "receiving_response", "error"),
        ("[[exit 0]]", 502, "receiving_response", "error receiving function response"),
        ("[[hang]]", 504, "timed_out", "Timed out"),
        ("[[pause 3000; ok]]", 504, "timed_out", "Timed out"),
    ] {
        check(&node.invoke("f", script).await, status, code, word);
        next_is_answered(&node, "f", "[[ok]]").await;
    }
}

#[tokio::test]
async fn bytes_on_a_pipe_that_are_no_answer() {
    const FORMATS: [&str; 3] = ["cloudevent", "http", "json"];
    let home = Home::of(&FORMATS.map(|format| raw(format).set("format", format)));
    let node = home.start().await;
    for format in FORMATS {
        for (script, status, code) in [
            ("[[send garbage%0d%0a%0d%0a]]", 502, "invalid_response_frame"),
            ("[[close]]", 502, "invalid_response_frame"),
            ("[[hang]]", 504, "timed_out"),
            ("[[pause 3000; ok]]", 504, "timed_out"),
        ] {
            let mut call = hotfn_tests::client::invoke(format, hotfn_tests::client::whole(script));
            call.headers_mut().insert("content-type", "text/plain".parse().unwrap());
            let answer = node.ask(call).await;
            check(&answer, status, code, "");
            next_is_answered(&node, format, "\"[[ok]]\"").await;
        }
        // A byte too many does no harm to who was answered, nor to who comes next.
        let first = node.invoke(format, "\"[[ok; send stray]]\"").await.ok().text();
        let second = node.invoke(format, "\"[[ok]]\"").await.ok().text();
        assert_ne!(first, second, "{format}: the one that said too much was asked again");
    }
}

#[tokio::test]
async fn a_flood_on_standard_error_delays_nobody() {
    let home = Home::of(&[handler("f").set("timeout", 20)]);
    let node = home.start().await;
    let answer = node.invoke("f", "eprint 20000000; print 20000000; reply dry").await.ok();
    assert_eq!(answer.text(), "dry");
    assert_eq!(node.invoke("f", "reply still").await.ok().text(), "still");
}

#[tokio::test]
async fn a_start_that_fails_is_told_and_tried_again() {
    for (first, status, code, word) in [
        ("link-out", 502, "init_failed", "Container failed to initialize"),
        ("parent", 502, "init_failed", "Container failed to initialize"),
        ("link-absolute", 502, "init_failed", "Container failed to initialize"),
        ("chain-absolute", 502, "init_failed", "Container failed to initialize"),
        ("dangling", 502, "init_failed", "Container failed to initialize"),
        ("file", 502, "init_failed", "Container failed to initialize"),
        ("exit 3", 502, "init_failed", "Container failed to initialize"),
        ("exit 0", 502, "init_failed", "Container failed to initialize"),
        ("hang", 504, "init_timeout", "Container initialization timed out"),
    ] {
        let outside = tempfile::tempdir().unwrap();
        let target = outside.path().join("outside.sock");
        // Somebody does listen there, so that only the agent's care keeps it away.
        let listener = UnixListener::bind(&target).unwrap();
        let script = format!("process:/bin/sh {}", binaries::function("first_start.sh").display());
        let function = Function::new("f", &script)
            .config("FIRST_START", first)
            .config("STARTED", outside.path().join("started").to_str().unwrap())
            .config("FAULTY", binaries::program("faulty").to_str().unwrap())
            .config("FAULTY_TARGET", target.to_str().unwrap());
        let home = Home::with(&[("start_timeout_ms", 2000)], &[function]);
        let node = home.start().await;
        check(&node.invoke("f", "reply never").await, status, code, word);
        assert_eq!(node.invoke("f", "reply fine").await.ok().text(), "fine", "after {first}");
        listener.set_nonblocking(true).unwrap();
        assert!(listener.accept().is_err(), "{first} led the agent out of the container's directory");
        node.drain().await;
    }
}

#[tokio::test]
async fn a_process_that_ends_badly_is_told_with_its_exit_code() {
    let home = Home::of(&[Function::new("f", "process:/bin/sh -s").set("format", "default").set("timeout", 1)]);
    let node = home.start().await;
    // The body is the shell's program.
    check(&node.invoke("f", "exit 7").await, 502, "exited", "7");
    check(&node.invoke("f", "sleep 60").await, 504, "timed_out", "Timed out");
    assert_eq!(node.invoke("f", "echo fine").await.ok().text(), "fine\n");
}
