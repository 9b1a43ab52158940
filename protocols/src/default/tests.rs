use std::pin::Pin;
use std::task::{Context, Poll};

use super::environment::VARIABLE_BYTES_MAX;
use super::*;
use crate::stdio::pipes::{Function, container, dispatch};
use crate::{Format, Intent, Io, samples};

fn start(exit: Exit, limits: Limits) -> (Io, Function) {
    let (ends, function) = container(exit);
    (Format::Default.end(ends, limits).unwrap(), function)
}

/// What a caller saw: type and body, the body an error where it was cut; and the fault.
type Outcome = (Option<(String, Result<Bytes, String>)>, Option<Fault>);

async fn outcome(io: &mut Io, body: impl Into<Body>, function: impl Future<Output = ()>) -> Outcome {
    let (verdict, seen) = dispatch(io, Call::new("hello", body), function).await;
    assert_eq!(verdict.reuse, Reuse::Retire);
    let seen = seen.map(|(head, body)| {
        assert_eq!(head.status, 200);
        (head.headers["content-type"].to_str().unwrap().to_owned(), body)
    });
    (seen, verdict.fault)
}

#[tokio::test]
async fn the_body_goes_in_and_the_output_comes_out() {
    let (mut io, mut function) = start(Exit::Code(0), Limits::default());
    assert!(!io.is_streamable());
    assert_eq!(io.look(), Reuse::Keep);
    let (seen, fault) = outcome(&mut io, "Ada", async move {
        let input = function.all().await;
        function.print([b"Hello ", &*input].concat()).await;
    })
    .await;
    assert!(fault.is_none());
    assert_eq!(seen, Some(("text/plain; charset=utf-8".to_owned(), Ok("Hello Ada".into()))));
    assert_eq!(io.look(), Reuse::Retire, "one call a container");
    let (seen, fault) = outcome(&mut io, "Bob", async {}).await;
    assert_eq!((seen, fault.unwrap().kind()), (None, Kind::Internal));
}

#[tokio::test]
async fn the_type_is_what_the_answer_begins_with() {
    for (printed, expected) in [
        (&b"{\"a\":1}"[..], "application/json; charset=utf-8"),
        (b"{ no json at all", "application/json; charset=utf-8"),
        (b" {}", "text/plain; charset=utf-8"),
        (b"", "text/plain; charset=utf-8"),
        (b"<html><body>", "text/html; charset=utf-8"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\0\x01", "application/octet-stream"),
    ] {
        let (mut io, mut function) = start(Exit::Code(0), Limits::default());
        let (seen, _) = outcome(&mut io, "", async move { function.print(printed).await }).await;
        assert_eq!(seen, Some((expected.to_owned(), Ok(printed.into()))));
    }
}

#[tokio::test]
async fn a_failing_process_is_an_error_that_names_its_end() {
    for (exit, kind, reason) in [
        (Exit::Code(2), Kind::Exited, "exit code 2"),
        (Exit::Code(-1), Kind::Exited, "exit code -1"),
        (Exit::Code(137), Kind::OutOfMemory, "exit code 137"),
        (Exit::OutOfMemory, Kind::OutOfMemory, "out of memory"),
        (Exit::Signal(11), Kind::Exited, "signal 11"),
    ] {
        let (mut io, mut function) = start(exit, Limits::default());
        let (seen, fault) = outcome(&mut io, "", async move { function.print("half an ans").await }).await;
        let fault = fault.unwrap();
        assert_eq!((seen, fault.kind(), fault.reason()), (None, kind, Some(reason)));
    }
}

#[tokio::test]
async fn a_long_answer_streams_and_a_late_failure_cuts_it() {
    let limits = Limits { hold_bytes_max: 10, ..Limits::default() };
    let long = "a".repeat(1 << 20);
    for (exit, kind) in [(Exit::Code(0), None), (Exit::Code(3), Some(Kind::Exited))] {
        let (mut io, mut function) = start(exit, limits.clone());
        let (seen, fault) = outcome(&mut io, "", async {
            function.print(&long).await;
            drop(function)
        })
        .await;
        assert_eq!(fault.map(|f| f.kind()), kind);
        let body = seen.unwrap().1;
        assert_eq!(body.is_ok(), kind.is_none());
        assert!(body.is_err() || body == Ok(long.clone().into()));
    }
    // Exactly the bound is held.
    let (mut io, mut function) = start(Exit::Code(3), limits);
    let (seen, _) = outcome(&mut io, "", async move { function.print("1234567890").await }).await;
    assert_eq!(seen, None);
}

#[tokio::test]
async fn input_and_output_do_not_wait_for_each_other() {
    let long = vec![b'a'; 1 << 20];
    // It writes everything before it reads anything.
    let (mut io, mut function) = start(Exit::Code(0), Limits { hold_bytes_max: 1 << 21, ..Limits::default() });
    let (seen, fault) = outcome(&mut io, long.clone(), async {
        function.print(&long).await;
        assert_eq!(function.all().await, long);
        drop(function);
    })
    .await;
    assert!(fault.is_none());
    assert!(seen.unwrap().1.unwrap() == long);
}

#[tokio::test]
async fn a_process_need_not_read_its_input() {
    let (mut io, function) = start(Exit::Code(0), Limits::default());
    let Function { input, mut output, .. } = function;
    drop(input);
    let (seen, fault) = outcome(&mut io, vec![b'a'; 1 << 20], async move {
        output.write_all(b"done").await.unwrap();
    })
    .await;
    assert!(fault.is_none());
    assert_eq!(seen.unwrap().1.unwrap(), "done");
}

#[tokio::test]
async fn both_bodies_have_bounds() {
    let limits = Limits { request_bytes_max: Some(4), response_bytes_max: Some(4), ..Limits::default() };
    let check = async |limits: Limits, asked: &'static str, printed: String, kind: Option<Kind>| {
        let (mut io, mut function) = start(Exit::Code(0), limits);
        let (seen, fault) = outcome(&mut io, Body::stream(Trickle(asked.as_bytes())), async {
            function.print(printed).await;
            function.all().await;
            drop(function);
        })
        .await;
        assert_eq!(fault.map(|f| f.kind()), kind);
        seen
    };
    assert_eq!(check(limits.clone(), "1234", "1234".into(), None).await.unwrap().1.unwrap(), "1234");
    assert_eq!(check(limits.clone(), "12345", String::new(), Some(Kind::RequestTooLarge)).await, None);
    assert_eq!(check(limits.clone(), "", "12345".into(), Some(Kind::ResponseTooLarge)).await, None);
    // Beyond what is held, the answer can only be cut.
    let limits = Limits { hold_bytes_max: 2, response_bytes_max: Some(30_000), ..limits };
    let seen = check(limits, "", "a".repeat(60_000), Some(Kind::ResponseTooLarge)).await;
    seen.unwrap().1.unwrap_err();
}

/// A body that comes a byte at a time and does not know its length.
struct Trickle(&'static [u8]);

impl http_body::Body for Trickle {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, BodyError>>> {
        Poll::Ready(self.0.split_off_first().map(|byte| Ok(http_body::Frame::data(Bytes::copy_from_slice(&[*byte])))))
    }
}

#[test]
fn a_call_is_an_environment() {
    let headers: &[(&str, &[u8])] = &[
        ("host", b"h"),
        ("content-type", b"text/plain"),
        ("accept", b"a/b"),
        ("accept", b"c/d"),
        ("x-latin", b"caf\xe9"),
        ("x_user", b"forged"),
    ];
    let call = samples::call("PUT", "http://h/t/app/hello?x=1", headers);
    let lines: String = env(&call).into_iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    assert_eq!(samples::text(&call, lines.into_bytes()), include_str!("../../samples/default/environment.txt"));
}

#[test]
fn an_environment_has_bounds() {
    let long = "v".repeat(VARIABLE_BYTES_MAX - "FN_HEADER_X-A=".len());
    let longer = format!("{long}v");
    let names = |value: &str| {
        let env = env(&samples::call("GET", "/", &[("x-a", value.as_bytes())]));
        assert!(env.iter().all(|(name, value)| name.len() + 1 + value.len() < 128 << 10));
        env.into_iter().map(|(name, _)| name).filter(|name| name.starts_with("FN_HEADER_")).collect::<Vec<_>>()
    };
    assert_eq!(names(&long), ["FN_HEADER_X-A", "FN_HEADER_X_A"]);
    assert_eq!(names(&longer), [""; 0]);

    let value = vec![b'v'; 50_000];
    let headers: Vec<_> = ["x-a", "x-b", "x-c"].map(|name| (name, &*value)).to_vec();
    let env = env(&samples::call("GET", "/a\0b", &headers));
    let names: Vec<_> = env.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["FN_CALL_ID", "FN_DEADLINE", "FN_METHOD", "FN_HEADER_X-A", "FN_HEADER_X_A", "FN_HEADER_X-B", "FN_HEADER_X_B"],
    );
}

#[test]
fn the_function_reads_what_it_was_told() {
    let call = samples::call("PUT", "/x", &[("content-type", b"text/plain"), ("x_user", b"u"), ("x", b"1")]);
    let read = |env: Vec<(String, String)>| arrival(env, "Ada".into());
    let arrival = read(env(&call));
    assert_eq!(arrival.call_id.as_deref(), Some(call.id.as_str()));
    assert_eq!(samples::deadline(&arrival.due).unwrap().wall(), call.deadline.unwrap().wall());
    assert_eq!((arrival.intent, arrival.method, arrival.url.as_str()), (Intent::Gateway, call.method, "/x"));
    assert_eq!(arrival.headers, call.headers);
    assert_eq!(arrival.body.as_bytes().unwrap(), "Ada");

    // Some agents give the loud spelling alone.
    let var = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let arrival = read(vec![var("FN_HEADER_CONTENT_TYPE", "a/b"), var("FN_DEADLINE", "soon"), var("HOME", "/")]);
    assert_eq!(arrival.headers["content-type"], "a/b");
    assert_eq!((samples::deadline(&arrival.due), arrival.call_id, arrival.intent), (None, None, Intent::Invoke));
}
