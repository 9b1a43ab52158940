use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};

use super::pipes::{Function, container, dispatch};
use super::*;
use crate::{ContainerIo as _, Exit, Format, Io, reply_pipe};

/// Both formats this shell is for, each with an answer that says `hi`.
const FORMATS: [(Format, &str); 2] =
    [(Format::Json, r#"{"body":"hi"}"#), (Format::CloudEvent, r#"{"contentType":"text/plain","data":"hi"}"#)];

fn start(format: Format, limits: Limits) -> (Io, Function) {
    let (ends, function) = container(Exit::Code(0));
    (format.end(ends, limits).unwrap(), function)
}

fn call(body: impl Into<Vec<u8>>) -> Call {
    let mut call = Call::new("hello", body.into());
    call.headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("text/plain"));
    call
}

/// What a call came to: what the caller read, or why not, and the verdict on the container.
type Outcome = (Result<Bytes, Kind>, Reuse);

async fn outcome(io: &mut Io, call: Call, function: impl Future<Output = ()>) -> Outcome {
    let (verdict, seen) = dispatch(io, call, function).await;
    let answer = match verdict.fault {
        None => Ok(seen.expect("an answer has a head").1.expect("it is whole")),
        Some(fault) => {
            assert!(seen.is_none(), "{fault}");
            Err(fault.kind())
        }
    };
    (answer, verdict.reuse)
}

/// One call that the function answers with `printed`.
async fn answered(format: Format, limits: Limits, printed: &[u8]) -> Outcome {
    let (mut io, mut function) = start(format, limits);
    outcome(&mut io, call("x"), async {
        function.document().await;
        function.print(printed).await;
    })
    .await
}

#[tokio::test]
async fn white_space_after_an_answer_keeps_the_container() {
    for (format, hi) in FORMATS {
        for behind in ["", "\n", " \t\r\n", "\u{a0}\u{2028}\n"] {
            let printed = format!("\n {hi}{behind}");
            let got = answered(format, Limits::default(), printed.as_bytes()).await;
            assert_eq!(got, (Ok("hi".into()), Reuse::Keep), "{format} {behind:?}");
        }
    }
}

#[tokio::test]
async fn anything_else_after_it_delivers_the_answer_and_retires_the_container() {
    for (format, hi) in FORMATS {
        for behind in ["x", "\nlog line\n", "{}", hi, "\0"] {
            let got = answered(format, Limits::default(), format!("{hi}{behind}").as_bytes()).await;
            assert_eq!(got, (Ok("hi".into()), Reuse::Retire), "{format} {behind:?}");
        }
    }
}

#[tokio::test]
async fn late_bytes_are_noticed_before_the_next_call() {
    for (format, hi) in FORMATS {
        for (late, expected) in
            [("", Reuse::Keep), (" \n\u{a0}", Reuse::Keep), ("\u{a0}x", Reuse::Retire), ("\n{}", Reuse::Retire)]
        {
            let (mut io, mut function) = start(format, Limits::default());
            let got = outcome(&mut io, call("x"), async {
                function.document().await;
                function.print(hi).await;
            });
            assert_eq!(got.await, (Ok("hi".into()), Reuse::Keep));
            function.print(late).await;
            assert_eq!(io.look(), expected, "{format} {late:?}");
        }
    }
}

#[tokio::test]
async fn what_is_printed_before_a_call_is_no_answer_to_it() {
    for (format, hi) in FORMATS {
        let (mut io, mut function) = start(format, Limits::default());
        assert_eq!(io.look(), Reuse::Keep);
        function.print(hi).await;
        assert_eq!(io.look(), Reuse::Retire);
        assert_eq!(io.look(), Reuse::Retire, "what was found is kept");
    }
}

#[tokio::test]
async fn a_closed_output_is_noticed_before_the_next_call() {
    let (mut io, function) = start(Format::Json, Limits::default());
    drop(function);
    assert_eq!(io.look(), Reuse::Retire);
}

#[tokio::test]
async fn garbage_is_an_error_at_once_and_retires() {
    for format in [Format::Json, Format::CloudEvent] {
        for garbage in ["hello", "[1]", "\"hi\"", "7", "null", "{]", "{'body': 1}", "\0", "\u{feff}{}"] {
            // The function goes on living with its pipes open.
            let got = answered(format, Limits::default(), garbage.as_bytes()).await;
            assert_eq!(got, (Err(Kind::InvalidFrame), Reuse::Retire), "{format} {garbage:?}");
        }
    }
}

#[tokio::test]
async fn an_output_that_ends_is_an_error_that_says_so() {
    for format in [Format::Json, Format::CloudEvent] {
        for begun in ["", " \n", r#"{"body":"#] {
            let (mut io, mut function) = start(format, Limits::default());
            let (verdict, seen) = dispatch(&mut io, call("x"), async {
                function.document().await;
                function.print(begun).await;
                drop(function);
            })
            .await;
            assert_eq!((seen, verdict.reuse), (None, Reuse::Retire));
            let expected = format!("invalid {format} response: function closed its output");
            assert_eq!(verdict.fault.unwrap().reason(), Some(expected.as_str()));
        }
    }
}

#[tokio::test]
async fn a_closed_input_is_an_error_unless_the_answer_is_there() {
    for (printed, expected) in [("", Err(Kind::InvalidFrame)), (r#"{"body":"hi"}"#, Ok("hi".into()))] {
        let (mut io, mut function) = start(Format::Json, Limits::default());
        function.print(printed).await;
        // The output stays open: nobody waits for its end.
        let Function { input, output, .. } = function;
        drop(input);
        let got = outcome(&mut io, call("x"), async {}).await;
        assert_eq!(got, (expected, Reuse::Retire), "{printed:?}");
        drop(output);
    }
}

#[tokio::test]
async fn a_function_may_write_more_than_a_pipe_holds_before_it_reads() {
    let (mut io, mut function) = start(Format::Json, Limits::default());
    let long = "a".repeat(1 << 20);
    let got = outcome(&mut io, call("b".repeat(1 << 20)), async {
        function.print(format!("{{\"body\":\"{long}")).await;
        function.document().await;
        function.print("\"}\n").await;
    });
    let (answer, reuse) = got.await;
    assert!(answer.unwrap() == long.as_bytes());
    assert_eq!(reuse, Reuse::Keep);
}

#[tokio::test]
async fn an_answer_before_its_call_was_written_is_delivered_and_retires() {
    let (mut io, mut function) = start(Format::Json, Limits::default());
    let got = outcome(&mut io, call("b".repeat(1 << 20)), function.print(r#"{"body":"hi"}"#));
    assert_eq!(got.await, (Ok("hi".into()), Reuse::Retire));
}

#[tokio::test]
async fn a_call_beyond_its_bound_harms_nothing() {
    let limits =
        |request_bytes_max, document_bytes_max| Limits { request_bytes_max, document_bytes_max, ..Limits::default() };
    for (limits, fits, not) in [
        (limits(Some(8), 4096), "12345678", "123456789"),
        (limits(None, 400), "1234567890", &"1".repeat(401)),
        // The bound is on the document, and a body grows on its way into it.
        (limits(None, 400), "1234567890", &"\0".repeat(60)),
    ] {
        let (mut io, mut function) = start(Format::Json, limits);
        let got = outcome(&mut io, call(not), async {}).await;
        assert_eq!(got, (Err(Kind::RequestTooLarge), Reuse::Keep));
        assert_eq!(io.look(), Reuse::Keep);
        let got = outcome(&mut io, call(fits), async {
            let document = String::from_utf8(function.document().await.into()).unwrap();
            assert!(document.contains(fits), "nothing of the other came: {document}");
            function.print("{}").await;
        });
        assert_eq!(got.await, (Ok(Bytes::new()), Reuse::Keep));
    }
}

#[tokio::test]
async fn a_call_that_cannot_be_carried_harms_nothing() {
    let (mut io, _function) = start(Format::CloudEvent, Limits::default());
    let mut png = Call::new("hello", "?");
    png.headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("image/png"));
    assert_eq!(outcome(&mut io, png, async {}).await, (Err(Kind::CallUnsupported), Reuse::Keep));
}

#[tokio::test]
async fn an_answer_has_bounds() {
    let limits = Limits { response_bytes_max: Some(2), document_bytes_max: 300, ..Limits::default() };
    let printed = |body: &str| format!("{{\"body\":\"{body}\"}}");
    let check = async |printed: String, expected: Outcome| {
        assert_eq!(answered(Format::Json, limits.clone(), printed.as_bytes()).await, expected, "{printed}");
    };
    check(printed("hi"), (Ok("hi".into()), Reuse::Keep)).await;
    check(printed("hi!"), (Err(Kind::ResponseTooLarge), Reuse::Retire)).await;
    // Its end never comes.
    check(format!("{{{}", " ".repeat(300)), (Err(Kind::ResponseTooLarge), Reuse::Retire)).await;
}

#[tokio::test]
async fn an_event_of_unknown_content_is_an_error_that_keeps_the_container() {
    let printed = br#"{"contentType":"image/png","data":"?"}"#;
    let got = answered(Format::CloudEvent, Limits::default(), printed).await;
    assert_eq!(got, (Err(Kind::InvalidResponse), Reuse::Keep));
}

#[tokio::test]
async fn a_status_without_a_body_has_none() {
    let got = answered(Format::Json, Limits::default(), br#"{"body":"x","protocol":{"status_code":204}}"#).await;
    assert_eq!(got, (Ok(Bytes::new()), Reuse::Keep));
}

#[tokio::test]
async fn a_caller_who_left_costs_no_container() {
    let (mut io, mut function) = start(Format::Json, Limits::default());
    let (sink, source) = reply_pipe();
    drop(source);
    function.print(" ").await;
    let mut call = call("x");
    let (verdict, ()) = tokio::join!(io.dispatch(&mut call, sink), async {
        function.document().await;
        function.print(r#"{"body":"hi"}"#).await;
    });
    assert_eq!(verdict.fault.unwrap().kind(), Kind::CallerLeft);
    assert_eq!(verdict.reuse, Reuse::Keep);
}

#[tokio::test]
async fn the_time_a_call_reached_the_function_is_told() {
    let (mut io, mut function) = start(Format::Json, Limits::default());
    let (sink, source) = reply_pipe();
    let mut call = call("x");
    let (verdict, ()) = tokio::join!(io.dispatch(&mut call, sink), async {
        assert_eq!(source.reached(), None);
        function.document().await;
        function.print("{}").await;
    });
    assert!(verdict.fault.is_none());
    assert!(source.reached().is_some());
}

/// One container, one call after another, each with a body of its own of any length.
#[tokio::test]
async fn a_thousand_calls_do_not_interlace() {
    let mut runner = TestRunner::new(Config { source_file: None, ..Config::default() });
    let bodies = prop_oneof![3 => "\\PC{0,40}", 1 => ".{0,400}", 1 => Just("z".repeat(100_000))];
    for format in [Format::Json, Format::CloudEvent] {
        let (mut io, mut function) = start(format, Limits::default());
        for nth in 0..1000 {
            // The number keeps it from being JSON, so that it travels as the text it is.
            let body = format!("no. {nth}: {}", bodies.new_tree(&mut runner).unwrap().current());
            assert_eq!(io.look(), Reuse::Keep);
            let got = outcome(&mut io, call(body.clone()), async {
                let document = function.document().await;
                function.print(echo(format, &document).await).await;
            });
            let (answer, reuse) = got.await;
            assert!(answer.unwrap() == body.as_bytes(), "{format}, call {nth}");
            assert_eq!(reuse, Reuse::Keep);
        }
    }
}

/// What a function that gives back what it got answers, by the function's side of the wire.
async fn echo(format: Format, document: &[u8]) -> Vec<u8> {
    let wall = std::time::SystemTime::now();
    let mut head = Head::default();
    head.headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("text/plain"));
    if format == Format::Json {
        let body = crate::json::decode_call(document).unwrap().body;
        crate::json::encode_reply(&head, body.as_bytes().unwrap())
    } else {
        let body = crate::cloudevent::decode_call(document).unwrap().body;
        crate::cloudevent::encode_reply(&head, body.as_bytes().unwrap(), "1", wall).unwrap()
    }
}
