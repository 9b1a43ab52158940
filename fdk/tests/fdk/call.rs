//! One call and the next, over a socket: cases 11 to 22, 31 to 44 and 47 to 55.

use std::io::Write as _;
use std::net::Shutdown;
use std::thread;

use rustix::process::Signal;
use serde_json::json;

use crate::served::Served;
use crate::wire::request;

/// Bytes that nothing would produce by accident.
fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i ^ (i >> 8) ^ (i >> 16)) as u8).collect()
}

fn chunked(headers: &str, chunks: &[&[u8]]) -> Vec<u8> {
    let mut request =
        format!("POST /call HTTP/1.1\r\nHost: localhost\r\n{headers}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    for chunk in chunks {
        request.extend(format!("{:x}\r\n", chunk.len()).bytes());
        request.extend_from_slice(chunk);
        request.extend(b"\r\n");
    }
    request.extend(b"0\r\n\r\n");
    request
}

/// 11, 12, 13, 39, 40, 41: whole and streamed handlers, on one connection.
#[test]
fn bodies_of_every_length_and_framing_come_back_exactly() {
    for fixture in ["echo", "bytes"] {
        let served = Served::new(fixture);
        let mut wire = served.connect();
        for length in [0, 1, 255, 256, 64 << 10, 10 << 20] {
            let body = bytes(length);
            // Both ends have buffers of their own; whoever answers early must be read early.
            let mut writer = wire.get_ref().try_clone().unwrap();
            for request in [request("", &body), chunked("", &body.chunks(70_001).collect::<Vec<_>>())] {
                let answer = thread::scope(|scope| {
                    scope.spawn(|| writer.write_all(&request).unwrap());
                    wire.answer()
                });
                assert_eq!(answer.status, 200);
                assert!(answer.body == body, "{fixture}: {length} bytes did not come back exactly");
            }
        }
    }
}

/// The handler's part of the promise that a function stays within 4 MiB: what grows is anonymous.
#[test]
fn memory_does_not_grow_with_a_stream() {
    const PIECE: usize = 1 << 20;
    let served = Served::new("echo");
    let mut wire = served.connect();
    let mut writer = wire.get_ref().try_clone().unwrap();
    wire.send(format!("POST /call HTTP/1.1\r\nContent-Length: {}\r\n\r\n", 64 * PIECE));
    wire.until(b"\r\n\r\n").unwrap();
    thread::scope(|scope| {
        scope.spawn(|| (0..64).for_each(|_| writer.write_all(&[b'x'; PIECE]).unwrap()));
        for _ in 0..64 {
            wire.exactly(PIECE).unwrap();
        }
    });
    let status = std::fs::read_to_string(format!("/proc/{}/status", served.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    let kb: u64 = line.trim_end_matches("kB").trim().parse().unwrap();
    assert!(kb < 2048, "{kb} kB after a stream of 64 MiB");
}

/// 14.
#[test]
fn any_method_and_path_is_a_call() {
    let served = Served::new("echo");
    let mut wire = served.connect();
    for line in ["GET /", "PUT /call", "BREW /coffee?x=1", "OPTIONS *", "DELETE /invoke/%20"] {
        wire.send(format!("{line} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"));
        let answer = wire.answer();
        assert_eq!((answer.status, answer.text()), (200, "hi"), "{line}");
    }
}

/// 15.
#[test]
fn a_thousand_calls_on_one_connection_and_a_pipeline() {
    let served = Served::new("echo");
    let mut wire = served.connect();
    for n in 0..1000 {
        assert_eq!(wire.call(n.to_string()).text(), n.to_string());
    }
    let pipeline: Vec<u8> = (0..50).flat_map(|n: u32| request("", n.to_string())).collect();
    wire.send(pipeline);
    for n in 0..50 {
        assert_eq!(wire.answer().text(), n.to_string());
    }
}

/// 16.
#[test]
fn a_thousand_connections_one_after_another() {
    let served = Served::new("echo");
    for n in 0..1000 {
        assert_eq!(served.call(n.to_string()).text(), n.to_string());
    }
}

/// 17, 19: nothing on this side looks at the clock while a connection is idle. What can be shown
/// quickly is that idle ones, of which some have not even asked anything yet, keep nobody waiting.
#[test]
fn idle_connections_stay_open_and_keep_nobody_waiting() {
    let served = Served::new("echo");
    let mut silent: Vec<_> = (0..20).map(|_| served.connect()).collect();
    let mut used: Vec<_> = (0..20).map(|_| served.connect()).collect();
    for wire in &mut used {
        wire.call("first");
    }
    assert_eq!(served.call("another").text(), "another");
    for wire in used.iter_mut().chain(&mut silent) {
        assert_eq!(wire.call("later").text(), "later");
    }
}

/// 18: timers that ran out while the process was stopped do not close anything.
#[test]
fn a_process_that_was_stopped_serves_on() {
    let served = Served::new("echo");
    let mut wire = served.connect();
    wire.call("before");
    served.signal(Signal::STOP);
    wire.send(request("", "meanwhile"));
    served.signal(Signal::CONT);
    assert_eq!(wire.answer().text(), "meanwhile");
    assert_eq!(wire.call("after").text(), "after");
}

#[test]
fn many_calls_are_served_at_once_each_its_own() {
    let served = Served::new("deeds");
    let mut hanging = served.connect();
    hanging.send(request("", "hang"));
    served.stderr.wait_for("hanging");
    thread::scope(|scope| {
        for n in 0..16 {
            let served = &served;
            scope.spawn(move || {
                for m in 0..20 {
                    let answer = served.call(format!("error {n}-{m}"));
                    assert_eq!((answer.status, answer.text()), (502, "handler gave up"));
                }
            });
        }
    });
}

/// 20, 21, 36, 37, 38 and 27, 28 of the checklist.
#[test]
fn errors_and_panics_are_answers_and_the_process_lives() {
    let mut served = Served::new("deeds");
    let mut wire = served.connect();
    let check = |answer: crate::wire::Answer, status: u16, body: &str| {
        assert_eq!((answer.status, answer.text()), (status, body));
        assert_eq!(answer.header("fn-fdk-version").as_deref(), Some(concat!("fdk-rust/", env!("CARGO_PKG_VERSION"))));
        let runtime = answer.header("fn-fdk-runtime").unwrap();
        assert!(runtime.starts_with("rust/1."), "{runtime}");
    };
    check(wire.call("print x"), 200, "done");
    check(wire.call_with("Fn-Call-Id: 01JCALL\r\n", "error the disk is full"), 502, "handler gave up");
    served.stderr.wait_for("call 01JCALL: handler gave up: the disk is full\n");
    check(wire.call("panic with words"), 502, "handler panicked: with words");
    check(wire.call("sleep much"), 502, "invalid digit found in string");
    // The same connection, the same process.
    check(wire.call("print x"), 200, "done");
    assert!(served.is_alive());
}

#[test]
fn input_that_does_not_fit_is_a_clear_error() {
    let json = Served::new("json");
    assert_eq!(json.call(r#"{"a":[1]}"#).json(), json!({"a": [1]}));
    let answer = json.call("{");
    assert_eq!((answer.status, answer.text()), (502, "body is not the expected JSON"));
    json.stderr.wait_for("EOF while parsing");
    let answer = Served::new("text").call(b"\xff");
    assert_eq!((answer.status, answer.text()), (502, "body is not UTF-8 text"));
    let bounded = Served::with("bytes", &[("FN_INPUT_BYTES_MAX", "10")]);
    assert_eq!(bounded.call("0123456789").text(), "0123456789");
    let answer = bounded.call("0123456789a");
    assert_eq!(answer.status, 502);
    assert!(answer.text().contains("larger than 10 bytes"), "{}", answer.text());
}

/// 22.
#[test]
fn nothing_is_an_answer() {
    let answer = Served::new("nothing").call("ignored");
    assert_eq!((answer.status, answer.text(), answer.header("content-type")), (200, "", None));
}

/// 31, 33, 34, 35, 15 of the checklist.
#[test]
fn the_context_shows_what_came_and_nothing_missing_is_an_error() {
    let env =
        [("FN_APP_ID", "a1"), ("FN_APP_NAME", "app"), ("FN_FN_ID", "f1"), ("FN_MEMORY", "128"), ("GREETING", "hi")];
    let served = Served::with("see", &env);
    let seen = served.call_with("X-Two: 1\r\nx-two: 2\r\nFn-Call-Id: 01J\r\nContent-Type: a/b\r\n", "b").json();
    assert_eq!(seen["app"], json!(["a1", "app"]));
    assert_eq!(seen["function"], json!(["f1", null]));
    assert_eq!((&seen["memory_mb"], &seen["config"]), (&json!(128), &json!("hi")));
    assert_eq!((&seen["intent"], &seen["method"]), (&json!("Invoke"), &json!("POST")));
    assert_eq!((&seen["call_id"], &seen["content_type"], &seen["body"]), (&json!("01J"), &json!("a/b"), &json!("b")));
    for value in [json!(["x-two", "1"]), json!(["x-two", "2"])] {
        assert!(seen["headers"].as_array().unwrap().contains(&value), "{seen}");
    }

    for (sent, deadline) in [
        ("2030-01-02T03:04:05Z", json!("2030-01-02T03:04:05.000Z")),
        ("2030-01-02T05:04:05+02:00", json!("2030-01-02T03:04:05.000Z")),
        ("2030-01-02T03:04:05.25Z", json!("2030-01-02T03:04:05.250Z")),
        ("tomorrow", json!(null)),
        ("", json!(null)),
    ] {
        let answer = served.call_with(&format!("Fn-Deadline: {sent}\r\n"), "");
        assert_eq!((answer.status, &answer.json()["deadline"]), (200, &deadline), "{sent}");
    }
    let seen = served.call("").json();
    assert_eq!((&seen["call_id"], &seen["deadline"]), (&json!(null), &json!(null)));
}

/// 32, 44.
#[test]
fn repeated_headers_pass_and_those_of_platform_and_connection_do_not() {
    let served = Served::new("deeds");
    let mut wire = served.connect();
    let answer = wire.call("headers");
    assert_eq!(answer.all("set-cookie"), ["a=1", "b=2"]);
    assert_eq!(answer.all("content-type"), ["text/html"]);
    assert_eq!(answer.all("content-length"), ["1"]);
    for gone in ["fn-call-id", "connection", "keep-alive", "transfer-encoding"] {
        assert_eq!(answer.header(gone), None, "{gone}");
    }
    assert_eq!(wire.call("print x").status, 200);
}

/// 43.
#[test]
fn the_content_type_follows_from_the_kind() {
    for (fixture, body, expected) in [
        ("echo", "x", "application/octet-stream"),
        ("bytes", "x", "application/octet-stream"),
        ("text", "x", "text/plain"),
        ("json", "1", "application/json"),
    ] {
        assert_eq!(Served::new(fixture).call(body).header("content-type").as_deref(), Some(expected), "{fixture}");
    }
}

/// 42.
#[test]
fn a_body_that_nobody_reads_does_not_corrupt_the_next_call() {
    let served = Served::new("nothing");
    let mut wire = served.connect();
    // What is short is read away, and the connection goes on.
    for _ in 0..3 {
        wire.send(chunked("", &[b"POST /call HTTP/1.1\r\n\r\n", b"more"]));
        assert_eq!((wire.answer().status, served.call("x").status), (200, 200));
        assert_eq!(wire.call(bytes(5000)).status, 200);
    }
    // What is long, or does not come, costs the connection, after the answer.
    let mut wire = served.connect();
    wire.send("POST /call HTTP/1.1\r\nContent-Length: 1000000000\r\n\r\nabc");
    assert_eq!(wire.answer().status, 200);
    assert!(wire.is_closed());
    assert_eq!(served.call("x").status, 200);
}

/// 51, 52.
#[test]
fn large_and_odd_headers_are_taken() {
    let served = Served::new("see");
    let large = format!("X-Large: {}\r\n", "x".repeat(64 << 10));
    assert_eq!(served.call_with(&large, "").status, 200);
    let many: String = (0..128).map(|n| format!("X-{n}: {}\r\n", "y".repeat(500))).collect();
    let seen = served.call_with(&many, "").json();
    assert_eq!(
        seen["headers"].as_array().unwrap().iter().filter(|h| h[0].as_str().unwrap().starts_with("x-")).count(),
        128
    );

    let mut wire = served.connect();
    wire.send(b"POST /call HTTP/1.1\r\nX-Odd: caf\xe9 \xff\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(wire.answer().status, 200);
}

/// 53.
#[test]
fn a_caller_who_waits_to_be_asked_for_its_body_is_asked() {
    let served = Served::new("bytes");
    let mut wire = served.connect();
    wire.send("POST /call HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert_eq!(wire.answer().status, 100);
    wire.send("hi");
    assert_eq!(wire.answer().text(), "hi");
}

/// 54, 55, and what no agent would send.
#[test]
fn nothing_on_a_connection_ends_the_process() {
    let mut served = Served::new("bytes");
    for cut in [
        "P",
        "POST /call HTTP/1.1\r\nContent-Le",
        "POST /call HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc",
        "POST /call HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        "POST /call HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nnot a size\r\n",
        "\r\n\r\n\0\0\0 what is this\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "POST /call HTTP/1.1\r\nContent-Length: minus one\r\n\r\n",
    ] {
        let mut wire = served.connect();
        wire.send(cut);
        drop(wire);
        let mut wire = served.connect();
        wire.send(cut);
        wire.get_ref().shutdown(Shutdown::Write).unwrap();
        // An answer or none, but an end.
        wire.drain();
        assert_eq!(served.call("still there").text(), "still there", "{cut:?}");
    }
    // A caller who leaves before it reads a long answer.
    let mut wire = served.connect();
    wire.send(request("", bytes(1 << 20)));
    drop(wire);
    assert_eq!(served.call("still there").text(), "still there");
    assert!(served.is_alive());
}

#[test]
fn a_caller_who_has_finished_sending_still_gets_its_answer() {
    let served = Served::new("deeds");
    let mut wire = served.connect();
    wire.send(request("", "sleep 50"));
    wire.get_ref().shutdown(Shutdown::Write).unwrap();
    assert_eq!(wire.answer().text(), "slept");
    assert!(wire.is_closed());
}

#[test]
fn a_stream_that_panics_is_cut_and_the_process_lives() {
    let mut served = Served::new("deeds");
    let mut wire = served.connect();
    wire.send(request("", "stream-panic"));
    assert!(wire.try_answer().is_none(), "an answer that broke off was ended as if whole");
    assert_eq!(served.call("print x").status, 200);
    assert!(served.is_alive());
}
