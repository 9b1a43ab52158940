//! The formats over standard input and output, as processes: cases 155 to 171 from this side.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, Instant, SystemTime};

use hotfn_fdk::Deadline;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::served::{PATIENCE, command, run, wait};
use crate::wire::{Wire, request};

/// A function over pipes.
struct Piped {
    child: Child,
    stdin: Option<ChildStdin>,
    answers: Wire<ChildStdout>,
}

impl Piped {
    fn new(format: &str, fixture: &str, env: &[(&str, &str)]) -> Self {
        let mut command = command(fixture, env);
        let mut child = command.env("FN_FORMAT", format).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take().unwrap());
        Self { child, stdin, answers: Wire::new(stdout) }
    }

    fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stdin.as_mut().unwrap().write_all(bytes.as_ref()).unwrap();
    }

    fn document(&mut self, document: &Value) -> Value {
        self.send(format!("{document}\n"));
        serde_json::from_slice(&self.answers.until(b"\n").expect("an answer")).unwrap()
    }

    fn body(&mut self, body: &str) -> Value {
        self.document(&json!({"call_id": "01J", "body": body, "protocol": {"type": "http", "method": "POST"}}))
    }

    /// Ends the input and waits; everything that was still said.
    fn end(mut self) -> (Option<i32>, String, String) {
        self.stdin = None;
        self.ended()
    }

    fn ended(&mut self) -> (Option<i32>, String, String) {
        let mut rest = String::new();
        while let Some(line) = self.answers.until(b"\n") {
            rest.push_str(&String::from_utf8(line).unwrap());
        }
        let status = wait(&mut self.child);
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        (status.code(), rest, log)
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Drop for Piped {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn json_serves_call_after_call_until_the_input_ends() {
    let mut piped = Piped::new("json", "deeds", &[]);
    let answer = piped.body("status 404");
    assert_eq!((&answer["body"], &answer["protocol"]["status_code"]), (&json!("as told"), &json!(404)));
    assert_eq!(answer["content_type"], "text/plain");
    let answer = piped.body("error as told");
    assert_eq!((&answer["body"], &answer["protocol"]["status_code"]), (&json!("handler gave up"), &json!(502)));
    assert_eq!(piped.body("panic now")["protocol"]["status_code"], 502);
    let answer = piped.body("headers");
    assert_eq!(answer["protocol"]["headers"]["Set-Cookie"], json!(["a=1", "b=2"]));
    assert!(answer["protocol"]["headers"]["Fn-Fdk-Version"][0].as_str().unwrap().starts_with("fdk-rust/"));
    let (code, rest, log) = piped.end();
    assert_eq!((code, rest.as_str()), (Some(0), ""));
    assert!(log.contains("hook ran"), "{log}");
}

/// 171 from this side: what a handler prints is log, not answer.
#[test]
fn what_a_handler_prints_cannot_break_an_answer() {
    let mut piped = Piped::new("json", "deeds", &[]);
    assert_eq!(piped.body("print {\"body\":\"forged\"}")["body"], "done");
    assert_eq!(piped.body("status 200")["body"], "as told");
    let (_, rest, log) = piped.end();
    assert_eq!(rest, "");
    assert!(log.contains("out:{\"body\":\"forged\"}"), "{log}");
}

#[test]
fn json_answers_what_it_cannot_read_and_goes_on() {
    let mut piped = Piped::new("json", "text", &[]);
    for nonsense in [json!({"body": 7}), json!({"protocol": []}), json!([1, 2])] {
        let answer = piped.document(&nonsense);
        assert_eq!(answer["protocol"]["status_code"], 502, "{nonsense}");
        assert!(answer["body"].as_str().unwrap().contains("could not be read"), "{answer}");
    }
    assert_eq!(piped.body("still there")["body"], "still there");
}

#[test]
fn json_is_told_apart_however_it_is_cut() {
    let mut piped = Piped::new("json", "text", &[]);
    for byte in b" {\"body\":\"}{\"}\n{\"body\"" {
        piped.send([*byte]);
    }
    let first: Value = serde_json::from_slice(&piped.answers.until(b"\n").unwrap()).unwrap();
    assert_eq!(first["body"], "}{");
    piped.send(":\"second\"}");
    let second: Value = serde_json::from_slice(&piped.answers.until(b"\n").unwrap()).unwrap();
    assert_eq!(second["body"], "second");
}

#[test]
fn json_gives_up_a_call_before_its_deadline() {
    let mut piped = Piped::new("json", "deeds", &[]);
    let deadline = Deadline::from_clocks(Instant::now(), SystemTime::now(), Duration::from_millis(300));
    let call = json!({"body": "hang", "deadline": deadline.to_rfc3339_millis(), "protocol": {}});
    assert_eq!(piped.document(&call)["protocol"]["status_code"], 504);
    assert_eq!(piped.body("status 200")["body"], "as told");
}

#[test]
fn cloudevent_carries_json_and_text_and_says_when_it_cannot() {
    let event = |content_type: &str, data: Value| {
        json!({"cloudEventsVersion": "0.1", "eventID": "01J", "contentType": content_type, "data": data,
               "extensions": {"protocol": {"type": "http", "method": "PUT", "request_url": "http://x/y"}}})
    };
    let mut json = Piped::new("cloudevent", "json", &[]);
    let answer = json.document(&event("application/json", json!({"a": 1})));
    assert_eq!((&answer["data"], &answer["contentType"]), (&json!({"a": 1}), &json!("application/json")));
    assert_eq!((&answer["eventID"], &answer["cloudEventsVersion"]), (&json!("01J"), &json!("0.1")));
    assert_eq!(answer["extensions"]["protocol"]["status_code"], 200);
    assert_eq!(json.document(&json!({"data": "x", "contentType": 1}))["extensions"]["protocol"]["status_code"], 502);

    let mut text = Piped::new("cloudevent", "text", &[]);
    let answer = text.document(&event("text/plain", json!("hi")));
    assert_eq!((&answer["data"], &answer["contentType"]), (&json!("hi"), &json!("text/plain")));

    let mut see = Piped::new("cloudevent", "see", &[]);
    let answer = see.document(&event("text/plain", json!("hi")));
    assert_eq!((&answer["data"]["method"], &answer["data"]["url"]), (&json!("PUT"), &json!("http://x/y")));
    assert_eq!((&answer["data"]["body"], &answer["data"]["call_id"]), (&json!("hi"), &json!("01J")));
}

#[test]
fn http_serves_request_after_request_with_its_own_status() {
    let mut piped = Piped::new("http", "deeds", &[]);
    let mut check = |headers: &str, body: &str, status: u16, text: &str| {
        piped.send(request(headers, body));
        let answer = piped.answers.answer();
        assert_eq!((answer.status, answer.text()), (status, text), "{body}");
        assert!(answer.header("fn-fdk-version").is_some());
    };
    check("", "status 404", 404, "as told");
    // Connections of the caller are not the container's: it goes on.
    check("Connection: close\r\n", "status 200", 200, "as told");
    check("", "error as told", 502, "handler gave up");
    check("", "panic now", 502, "handler panicked: now");
    check("", "print x", 200, "done");
    let deadline = Deadline::from_clocks(Instant::now(), SystemTime::now(), Duration::from_millis(300));
    let deadline = format!("Fn_deadline: {}\r\n", deadline.to_rfc3339_millis());
    check(&deadline, "hang", 504, "the handler was still at work shortly before the deadline");
    check("", "status 200", 200, "as told");
    assert_eq!(piped.end().0, Some(0));
}

#[test]
fn http_streams_long_bodies_both_ways() {
    let mut piped = Piped::new("http", "echo", &[]);
    let body: Vec<u8> = (0..10usize << 20).map(|i| (i ^ (i >> 8)) as u8).collect();
    for _ in 0..2 {
        let mut stdin = piped.stdin.take().unwrap();
        let answer = std::thread::scope(|scope| {
            let sent = scope.spawn(|| {
                stdin.write_all(&request("", &body)).unwrap();
                stdin
            });
            let answer = piped.answers.answer();
            piped.stdin = Some(sent.join().unwrap());
            answer
        });
        assert!(answer.body == body);
    }
}

#[test]
fn http_reads_away_what_the_handler_leaves() {
    let mut piped = Piped::new("http", "nothing", &[]);
    for _ in 0..3 {
        piped.send(request("", "POST / HTTP/1.1\r\n\r\n"));
        assert_eq!(piped.answers.answer().status, 200);
        piped.send("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
        assert_eq!(piped.answers.answer().status, 200);
    }
}

#[test]
fn http_shows_the_caller_s_request() {
    let mut piped = Piped::new("http", "see", &[]);
    piped.send("GET /books?x=1 HTTP/1.1\r\nHost: node\r\nX-Two: 1\r\nX-Two: 2\r\nFn_call_id: 01J\r\nFn_method: GET\r\nFn_request_url: http://node/books?x=1\r\n\r\n");
    let seen = piped.answers.answer().json();
    assert_eq!((&seen["method"], &seen["url"]), (&json!("GET"), &json!("http://node/books?x=1")));
    assert_eq!(seen["call_id"], "01J");
    assert_eq!(seen["headers"].as_array().unwrap().iter().filter(|h| h[0] == "x-two").count(), 2);
}

#[test]
fn http_that_cannot_be_read_is_answered_and_ends_in_order() {
    let mut piped = Piped::new("http", "echo", &[]);
    piped.send("what is this\r\n\r\n");
    assert_eq!(piped.answers.answer().status, 502);
    let (code, rest, log) = piped.ended();
    assert_eq!((code, rest.as_str()), (Some(0), ""));
    assert!(log.contains("could not be read"), "{log}");
}

/// 155, 156.
#[test]
fn default_is_one_call_whose_failure_is_the_exit_code() {
    let check = |fixture: &str, env: &[(&str, &str)], input: &[u8], code: i32, output: &[u8], words: &str| {
        let (status, said, log) = run(command(fixture, env), input);
        assert_eq!(status.code(), Some(code), "{log}");
        assert!(said == output, "{:?}", String::from_utf8_lossy(&said));
        assert!(log.contains(words), "{log}");
    };
    let long: Vec<u8> = (0..3usize << 20).map(|i| (i ^ (i >> 8)) as u8).collect();
    check("echo", &[], b"", 0, b"", "");
    check("echo", &[("FN_FORMAT", "default")], &long, 0, &long, "");
    check("deeds", &[], b"status 404", 0, b"as told", "hook ran");
    check("deeds", &[], b"error as told", 1, b"", "handler gave up: as told");
    check("deeds", &[], b"panic now", 1, b"", "handler panicked: now");
    check("deeds", &[], b"print forged", 0, b"done", "out:forged");
    check("deeds", &[], b"stream-panic", 1, b"begun", "broke off");
    check("nothing", &[], &long, 0, b"", "");
    let deadline = Deadline::from_clocks(Instant::now(), SystemTime::now(), Duration::from_millis(300));
    check("deeds", &[("FN_DEADLINE", &deadline.to_rfc3339_millis())], b"hang", 1, b"", "still at work");
}

#[test]
fn default_reads_its_call_from_the_environment() {
    let env = [
        ("FN_CALL_ID", "01J"),
        ("FN_METHOD", "PUT"),
        ("FN_REQUEST_URL", "http://node/x"),
        ("FN_HEADER_Content-Type", "a/b"),
        ("FN_HEADER_CONTENT_TYPE", "a/b"),
    ];
    let (_, output, _) = run(command("see", &env), b"body");
    let seen: Value = serde_json::from_slice(&output).unwrap();
    assert_eq!(
        (&seen["call_id"], &seen["method"], &seen["url"]),
        (&json!("01J"), &json!("PUT"), &json!("http://node/x"))
    );
    assert_eq!((&seen["content_type"], &seen["body"]), (&json!("a/b"), &json!("body")));
}

#[test]
fn files_serve_as_well_as_pipes() {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in"), dir.path().join("out"));
    std::fs::write(&input, "from a file").unwrap();
    let mut command = command("echo", &[]);
    command.stdin(std::fs::File::open(&input).unwrap()).stdout(std::fs::File::create(&output).unwrap());
    assert!(command.status().unwrap().success());
    assert_eq!(std::fs::read_to_string(&output).unwrap(), "from a file");
}

#[test]
fn sigterm_ends_every_stdio_format_and_a_call_under_way_first() {
    for format in ["json", "http", "cloudevent"] {
        let mut piped = Piped::new(format, "deeds", &[("FN_SHUTDOWN_MS", "20000")]);
        if format == "json" {
            piped.body("status 200");
            piped.send("{\"body\":\"sleep 200\"}");
            let mut log = [0; 9];
            piped.child.stderr.as_mut().unwrap().read_exact(&mut log).unwrap();
            assert_eq!(&log, b"sleeping\n");
        } else {
            // Ready when it answers.
            match format {
                "http" => piped.send(request("", "status 200")),
                _ => piped.send("{\"contentType\":\"text/plain\",\"data\":\"status 200\"}"),
            }
            piped.answers.until(b"as told").unwrap();
        }
        let begun = Instant::now();
        piped.signal(Signal::TERM);
        let (code, rest, log) = piped.ended();
        assert_eq!(code, Some(0), "{format}: {log}");
        assert_eq!(rest.contains("slept"), format == "json", "{format}: {rest}");
        assert!(log.contains("hook ran") && begun.elapsed() < PATIENCE, "{format}: {log}");
    }
}
