//! The formats over standard input and output.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Stdin, Write as _};
use std::process::ExitCode;
use std::{env, str};

use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::deeds::{self, Answered};
use crate::http::{self, Request};
use crate::{breaks, die};

/// One call after another, until there are no more; `default` has one.
pub(crate) fn serve(format: &str) -> ExitCode {
    let mut calls = BufReader::new(io::stdin());
    for count in 0.. {
        if breaks("one-read") {
            // Whatever the first read gives is taken for the whole.
            let read = calls.fill_buf().map_or(0, <[u8]>::len);
            if (1..6).contains(&read) {
                die();
            }
        }
        let request = match next(&mut calls, format) {
            Ok(Some(request)) => request,
            Ok(None) if breaks("ends-badly") => die(),
            Ok(None) => return ExitCode::SUCCESS,
            Err(_) if breaks("answers-anything") => Request::default(),
            Err(e) => {
                eprintln!("mutant cannot read a call: {e}");
                return ExitCode::FAILURE;
            }
        };
        if breaks("keeps-nothing") {
            let read_ahead = calls.buffer().len();
            calls.consume(read_ahead);
        }
        if breaks("five-hundred") && count >= 500 {
            return ExitCode::SUCCESS;
        }
        let answered = deeds::answered(&request);
        let mut bytes = written(format, &answered);
        if breaks("surplus") {
            bytes.extend_from_slice(b"more\n");
        }
        if io::stdout().write_all(&bytes).and_then(|()| io::stdout().flush()).is_err() {
            return ExitCode::FAILURE;
        }
        if format == "default" {
            return if answered.status == 200 { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
    }
    ExitCode::SUCCESS
}

fn next(calls: &mut BufReader<Stdin>, format: &str) -> io::Result<Option<Request>> {
    Ok(match format {
        "default" => Some(only(calls)?),
        "http" => http::read(calls, &mut io::sink())?.map(as_gateways_say),
        "json" => document(calls)?.map(|call| {
            let text = |name: &str| call[name].as_str().unwrap_or_default().to_owned();
            request(&call["protocol"], &text("call_id"), &text("deadline"), &text("body"))
        }),
        _ => document(calls)?.map(|event| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let extensions = &event["extensions"];
            let (id, deadline) = (text(&event["eventID"]), text(&extensions["deadline"]));
            request(&extensions["protocol"], &id, &deadline, &text(&event["data"]))
        }),
    })
}

/// The call that the environment is about.
fn only(calls: &mut impl io::Read) -> io::Result<Request> {
    let variable = |name: &str| env::var(name).unwrap_or_default();
    let (method, path) = (variable("FN_METHOD"), variable("FN_REQUEST_URL"));
    let mut request = Request { method, path, ..Request::default() };
    for (name, value) in env::vars() {
        if let Some(name) = name.strip_prefix("FN_HEADER_") {
            let value = if breaks("last-value") { value.split(", ").last().unwrap_or_default() } else { &value };
            request.headers.push((name.to_ascii_lowercase(), value.as_bytes().to_vec()));
        }
    }
    for (header, name) in [("fn-call-id", "FN_CALL_ID"), ("fn-deadline", "FN_DEADLINE")] {
        request.headers.push((header.to_owned(), variable(name).into_bytes()));
    }
    calls.read_to_end(&mut request.body)?;
    Ok(request)
}

/// What the platform added to the headers of an HTTP request.
fn as_gateways_say(mut request: Request) -> Request {
    for (name, value) in &mut request.headers {
        if name.starts_with("fn_") {
            *name = name.replace('_', "-");
        }
        if name == "fn-request-url" {
            request.path = String::from_utf8_lossy(value).into_owned();
        }
    }
    request
}

/// The next document; `None` if the input ends before it.
fn document(calls: &mut impl BufRead) -> io::Result<Option<Value>> {
    loop {
        let buffer = calls.fill_buf()?;
        let Some(first) = buffer.first() else { return Ok(None) };
        if !first.is_ascii_whitespace() {
            break;
        }
        calls.consume(1);
    }
    let value = Value::deserialize(&mut serde_json::Deserializer::from_reader(calls))?;
    if breaks("strict") && value.get("a_member_of_tomorrow").is_some() {
        die();
    }
    Ok(Some(value))
}

fn request(protocol: &Value, id: &str, deadline: &str, body: &str) -> Request {
    let text = |name: &str| protocol[name].as_str().unwrap_or_default().to_owned();
    let own = [("fn-call-id", id), ("fn-deadline", deadline)];
    let mut headers: Vec<_> = own.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).into();
    for (name, values) in protocol["headers"].as_object().into_iter().flatten() {
        for value in values.as_array().into_iter().flatten().filter_map(Value::as_str) {
            headers.push((name.to_ascii_lowercase(), value.as_bytes().to_vec()));
        }
    }
    let (method, path) = (text("method"), text("request_url"));
    Request { method, path, headers, body: body.as_bytes().to_vec(), chunked: false }
}

fn written(format: &str, answered: &Answered) -> Vec<u8> {
    let Answered { status, given, .. } = answered;
    let status = if *status == 200 && given.status != 0 && !breaks("no-status") { given.status } else { *status };
    let content_type = given.content_type.clone().unwrap_or_default();
    let mut headers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in deeds::sent(&given.headers) {
        headers.entry(name).or_default().push(value);
    }
    let body = str::from_utf8(&given.body).unwrap_or_default();
    let protocol = json!({ "status_code": status, "headers": headers });
    match format {
        "default" => given.body.clone(),
        "http" => {
            let lines: String =
                deeds::sent(&given.headers).map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let length = given.body.len();
            let head =
                format!("HTTP/1.1 {status} Status\r\nContent-Length: {length}\r\nContent-Type: {content_type}\r\n");
            [head.as_bytes(), lines.as_bytes(), b"\r\n", &given.body].concat()
        }
        "json" => {
            format!("{}\n", json!({ "body": body, "content_type": content_type, "protocol": protocol })).into_bytes()
        }
        _ => format!(
            "{}\n",
            json!({
                "cloudEventsVersion": "0.1", "eventID": "1", "source": "mutant", "eventType": "http",
                "contentType": content_type, "data": body, "extensions": { "protocol": protocol },
            })
        )
        .into_bytes(),
    }
}
