//! What it is told to do, and the answer to that over a socket.

use std::io::Write as _;
use std::time::{Duration, Instant, SystemTime};
use std::{env, io, thread};

use hotfn_protocols::Deadline;
use serde_json::{Map, Value, json};

use crate::http::Request;
use crate::{breaks, die};

/// What a handler gives, before anything is made of it for the wire.
#[derive(Default)]
pub(crate) struct Given {
    /// The user's, or 0.
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// A call that was worked on.
pub(crate) struct Answered {
    /// 200, 502 or 504.
    pub(crate) status: u16,
    pub(crate) given: Given,
    /// What is still to be printed, if that comes late.
    pub(crate) late: Vec<String>,
}

/// How long before its deadline a call is given up.
const EARLY: Duration = Duration::from_millis(50);

/// Does what a call asks for.
pub(crate) fn answered(request: &Request) -> Answered {
    let deadline = request.header("fn-deadline");
    if refuses(request, deadline.as_deref()) {
        return Answered { status: 502, given: Given::default(), late: Vec::new() };
    }
    let mut printed = Vec::new();
    frame(request);
    let (status, given) = match handle(request, deadline.as_deref(), &mut printed) {
        Ok(given) => (200, given),
        Err(status) => (status, Given::default()),
    };
    let late = if breaks("prints-late") { printed.clone() } else { Vec::new() };
    if late.is_empty() {
        print(&printed);
    }
    Answered { status, given, late }
}

/// The mutants that fail a call that is right.
fn refuses(request: &Request, deadline: Option<&str>) -> bool {
    (breaks("no-chunks") && request.chunked)
        || (breaks("no-empty") && request.body.is_empty())
        || (breaks("no-length") && !request.chunked)
        || (breaks("needs-id") && request.header("fn-call-id").is_none())
        || (breaks("needs-deadline") && deadline.is_some_and(|text| parse(text).is_none()))
}

fn handle(request: &Request, deadline: Option<&str>, printed: &mut Vec<String>) -> Result<Given, u16> {
    if request.header("conformance-unread").is_some() {
        return Ok(Given { body: b"unread".to_vec(), ..Given::default() });
    }
    let content_type = request.header("content-type");
    let text = String::from_utf8_lossy(&request.body).into_owned();
    let Some(orders) = text.strip_prefix("conformance\n") else {
        let mut body = match () {
            () if breaks("text-only") => text.into_bytes(),
            () if breaks("ascii-only") => text.replace(|c: char| !c.is_ascii(), "?").into_bytes(),
            () => request.body.clone(),
        };
        if breaks("a-mebibyte") {
            body.truncate(1_000_000);
        }
        return Ok(Given { content_type, body, ..Given::default() });
    };
    let mut given = Given { body: b"done".to_vec(), ..Given::default() };
    for order in orders.lines() {
        let (word, rest) = order.split_once(' ').unwrap_or((order, ""));
        let kind = |kind: &str| (!breaks("no-type")).then(|| kind.to_owned());
        match word {
            "bytes" => (given.body, given.content_type) = (vec![0, 1, 2], kind("application/octet-stream")),
            "fail" if breaks("error-is-200") => {}
            "fail" => return Err(502),
            "header" => {
                let (name, value) = rest.split_once(' ').unwrap_or((rest, ""));
                given.headers.push((name.to_owned(), value.to_owned()));
            }
            "json" => (given.body, given.content_type) = (b"{}".to_vec(), kind("application/json")),
            "nothing" if breaks("dies-of-nothing") => die(),
            "nothing" => given.body.clear(),
            "panic" if breaks("dies-of-panic") => die(),
            "panic" => return Err(502),
            "print" => printed.push(rest.to_owned()),
            "report" => given.body = report(request, deadline).to_string().into_bytes(),
            "sleep" => sleep(rest.parse().map_err(|_| 502u16)?, deadline)?,
            "status" => given.status = rest.parse().map_err(|_| 502u16)?,
            "text" => (given.body, given.content_type) = (b"text".to_vec(), kind("text/plain")),
            "type" => given.content_type = Some(rest.to_owned()),
            _ => return Err(502),
        }
    }
    Ok(given)
}

/// Sleeps, but not beyond the deadline.
fn sleep(ms: u64, deadline: Option<&str>) -> Result<(), u16> {
    let wanted = Duration::from_millis(ms);
    let left = deadline.and_then(parse).map(|deadline| deadline.left(Instant::now()).saturating_sub(EARLY));
    let Some(left) = left.filter(|left| *left < wanted) else {
        thread::sleep(wanted);
        return Ok(());
    };
    thread::sleep(left);
    if breaks("dies-of-deadlines") {
        die();
    }
    Err(504)
}

fn parse(text: &str) -> Option<Deadline> {
    if breaks("utc-only") && !text.ends_with('Z') {
        return None;
    }
    Deadline::parse(text, Instant::now(), SystemTime::now())
}

fn report(request: &Request, deadline: Option<&str>) -> Value {
    let gateway = is_gateway(request);
    let mut headers: Map<String, Value> = Map::new();
    for (name, value) in &request.headers {
        let prefix = if breaks("cased-prefix") { "Fn-Http-H-" } else { "fn-http-h-" };
        let name = match name.strip_prefix(prefix) {
            Some(name) if gateway => name,
            None if !gateway => name,
            _ => continue,
        };
        let values = headers.entry(name.to_owned()).or_insert_with(|| json!([]));
        let values = values.as_array_mut().unwrap();
        if breaks("last-value") {
            values.clear();
        }
        values.push(String::from_utf8_lossy(value).into());
    }
    let variable = |name: &str| env::var(name).ok();
    let from = |gateways: &str, own: &str| match request.header(gateways) {
        _ if breaks("own-url") => "/".to_owned(),
        Some(value) if gateway => value,
        _ => own.to_owned(),
    };
    let traced = !breaks("no-trace") && variable("OCI_TRACING_ENABLED").as_deref() != Some("0");
    json!({
        "call_id": request.header("fn-call-id"),
        "deadline": deadline.and_then(parse).map(|deadline| deadline.to_rfc3339_millis()),
        "method": from("fn-http-method", &request.method),
        "url": from("fn-http-request-url", &request.path),
        "headers": headers,
        "app_id": variable("FN_APP_ID"),
        "fn_id": variable("FN_FN_ID"),
        "memory": variable("FN_MEMORY"),
        "greeting": variable("CONFORMANCE_GREETING"),
        "trace_id": request.header("x-b3-traceid").filter(|_| traced),
    })
}

fn is_gateway(request: &Request) -> bool {
    request.header("fn-intent").as_deref() == Some("httprequest")
}

/// The line before a call's output.
fn frame(request: &Request) {
    let (Ok(name), header) = (env::var("FN_LOGFRAME_NAME"), env::var("FN_LOGFRAME_HDR")) else { return };
    let value = header.ok().and_then(|header| request.header(&header));
    let value = if breaks("frames-always") { value.or_else(|| Some("null".to_owned())) } else { value };
    if let Some(value) = value.filter(|_| !breaks("no-frame")) {
        print(&[format!("\n{name}={value}")]);
    }
}

/// On both streams, unless one of them is the wire.
pub(crate) fn print(lines: &[String]) {
    let free = env::var("FN_FORMAT").is_ok_and(|format| format == "http-stream");
    for line in lines {
        if free || breaks("prints-on-the-wire") {
            println!("{line}");
        }
        eprintln!("{line}");
    }
    io::stdout().flush().unwrap();
}

/// The user's headers that are sent.
pub(crate) fn sent(headers: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    let count = if breaks("one-cookie") { 1 } else { headers.len() };
    headers.iter().take(count).map(|(name, value)| (name.as_str(), value.as_str()))
}

/// An answer as it goes over a socket.
pub(crate) fn wire(request: &Request, status: u16, given: &Given) -> Vec<u8> {
    let gateway = is_gateway(request);
    let known = ["/", "/call"].contains(&request.path.as_str()) && request.method == "POST";
    let status = match status {
        200 if breaks("not-found") && !known => 404,
        200 if breaks("shows-status") && given.status != 0 => given.status,
        status => status,
    };
    let mut head = format!("HTTP/1.1 {status} Status\r\nContent-Length: {}\r\n", given.body.len());
    let mut add = |name: &str, value: &str| head.push_str(&format!("{name}: {value}\r\n"));
    let unversioned = breaks("no-version") || (breaks("no-version-on-failure") && status != 200);
    if !unversioned {
        add("Fn-Fdk-Version", "fdk-mutant/1.0");
    }
    if !breaks("no-runtime") {
        add("Fn-Fdk-Runtime", "none/1.0");
    }
    if breaks("sends-id") {
        add("Fn-Call-Id", "01FORGED");
    }
    if breaks("closes") {
        add("Connection", "close");
    }
    if let Some(content_type) = &given.content_type {
        add(if gateway && breaks("prefixed-type") { "Fn-Http-H-Content-Type" } else { "Content-Type" }, content_type);
    }
    if gateway && given.status != 0 && !breaks("no-status") {
        add("Fn-Http-Status", &given.status.to_string());
    }
    for (name, value) in sent(&given.headers) {
        let prefix = match () {
            () if !gateway || breaks("unprefixed") => "",
            () if breaks("prefixed-twice") => "Fn-Http-H-Fn-Http-H-",
            () => "Fn-Http-H-",
        };
        add(&format!("{prefix}{name}"), value);
    }
    let surplus: &[u8] = if breaks("surplus") { b"\n" } else { b"" };
    [head.as_bytes(), b"\r\n", &given.body, surplus].concat()
}
