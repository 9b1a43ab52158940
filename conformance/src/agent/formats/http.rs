//! `http`: messages on standard input and output.

use super::{raw, speaking, steps};
use crate::agent::answers::{kept, replaced};
use crate::agent::stage::{Stage, fault, sight};
use crate::case::Entry;
use crate::check::holds;
use crate::wire::Request;

pub(super) const CASES: &[Entry<Stage>] = &[
    Entry::must(
        157,
        "http: the request",
        "It is an HTTP/1.1 message with the caller's method, URL, Host and headers, and Fn_call_id, Fn_method, \
         Fn_request_url and Fn_deadline.",
        |stage| {
            let function = speaking(stage, "http")?;
            let path = format!("{}?x=1", function.trigger("/as/it/came")?);
            let host = stage.address.to_string();
            let request = Request::plain("PUT", &path, &host).header("X-Twice", "1").header("X-Twice", "2").body("hi");
            let answer = stage.ask(&request)?;
            let (seen, id) = (sight(&answer)?, answer.header("fn-call-id").unwrap_or("none"));
            holds!(seen.line == format!("PUT {path} HTTP/1.1"), "the request line is {:?}", seen.line);
            let url = format!("http://{host}{path}");
            for (name, wanted) in [
                ("Host", &[host.as_str()][..]),
                ("X-Twice", &["1", "2"]),
                ("Fn_call_id", &[id]),
                ("Fn_method", &["PUT"]),
                ("Fn_request_url", &[&url]),
            ] {
                let found = seen.all(name);
                holds!(found == wanted, "the function sees {name} {found:?}, not {wanted:?}");
            }
            holds!(seen.header("Fn_deadline").is_some(), "the request has no Fn_deadline");
            holds!(seen.body_bytes == 2, "of a body of 2 bytes {} came", seen.body_bytes);
            Ok(())
        },
    ),
    Entry::must(
        158,
        "http: the answer",
        "Status and headers of the function's are the caller's; a second call is served by the same container.",
        |stage| {
            let function = speaking(stage, "http")?;
            let before = function.container()?;
            for status in [200, 201, 404, 503] {
                let answer = format!("HTTP/1.1 {status} X%0d%0aX-Own: 1%0d%0aContent-Length: 2%0d%0a%0d%0ahi");
                let answer = function.steps(&[&format!("send {answer}")])?.is(status, "the function's status")?;
                holds!(answer.body == b"hi", "the body hi came as {}", answer.brief());
                holds!(answer.all("x-own") == ["1"], "X-Own came as {:?}", answer.all("x-own"));
            }
            kept(&function, &before, "answers with statuses of its own")
        },
    ),
    Entry::must(
        159,
        "http: an answer that is none",
        "What is no HTTP is told as 502, and the container is replaced.",
        |stage| {
            let function = speaking(stage, "http")?;
            for lines in [[raw("this is no HTTP"), raw("")], [raw("HTTP/1.1 200 OK"), "close".to_owned()]] {
                let before = function.container()?;
                fault(&function.call(steps(&lines))?, 502, &["invalid", "response"])?;
                replaced(&function, &before, "an answer that is no HTTP")?;
            }
            Ok(())
        },
    ),
];
