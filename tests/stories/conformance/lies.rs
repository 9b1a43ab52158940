//! Who breaks which rule: the tables of mutants, and the lies they tell.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::proxy::{Lie, Passage};
use Fault::{Lacks, Lies, Litters, Says};

/// How an agent is made to break a rule.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// A setting never reaches it.
    Lacks(&'static str),
    /// Somebody in front of it changes its answers.
    Lies(Lie),
    /// It leaves behind what looks like a container's directory.
    Litters,
    /// It is started with other arguments.
    Says(&'static [&'static str]),
}

/// Rules broken, by the case that must find each.
pub(super) const AGENT: &[(u16, Fault)] = &[
    (56, Lies(refused)),
    (57, Lies(refused)),
    (58, Lies(refused)),
    (59, Lies(refused)),
    (60, Lies(served)),
    (61, Lies(served)),
    (62, Lies(served)),
    (63, Lies(served)),
    (64, Lies(|p| p.status = if p.status == 504 { 502 } else { p.status })),
    (65, Lies(served)),
    (66, Lies(served)),
    (67, Lies(refused)),
    (72, Lies(|p| p.edit(|b| b["environment"]["FN_DB_URL"] = "secret".into()))),
    (72, Lies(|p| p.edit(|b| b["environment"]["FN_TYPE"] = Value::Null))),
    (73, Lies(|p| p.edit(|b| b["environment"]["FN_FORMAT"] = "forged".into()))),
    (74, Lies(|p| p.edit(|b| b["environment"]["BOTH"] = "app".into()))),
    (76, Litters),
    (77, Litters),
    (79, Lies(|p| p.set("line", "POST /invoke/x HTTP/1.1"))),
    (80, Lies(|p| p.seen(|h| replace(h, "fn-call-id", "01OTHER")))),
    (81, Lies(|p| p.seen(|h| replace(h, "fn-deadline", "2099-01-01T00:00:00Z")))),
    (82, Lies(|p| p.seen(|h| replace(h, "fn-deadline", "2099-01-01T00:00:00Z")))),
    (83, Lies(|p| p.seen(|h| add(h, "Keep-Alive", "timeout=5")))),
    (84, Lies(|p| p.seen(|h| add(h, "X-Hop", "1")))),
    (85, Lies(|p| p.seen(|h| h.retain(|(name, value)| !(name.eq_ignore_ascii_case("x-twice") && value == "1"))))),
    (86, Lies(|p| p.set("body_sum", 7))),
    (87, Lies(|p| p.body.truncate(2))),
    (88, Lies(each_its_own)),
    (88, Lies(served)),
    (89, Lies(each_its_own)),
    (90, Lies(always_the_same)),
    (90, Lies(served)),
    (91, Lies(|p| p.status = if p.is_call() { 103 } else { p.status })),
    (92, Lies(always_the_same)),
    (92, Lies(served)),
    (93, Lies(always_the_same)),
    (94, Lies(always_the_same)),
    (95, Lacks("FN_MAX_RESPONSE_SIZE")),
    (95, Lies(|p| p.status = if p.status == 502 { 200 } else { p.status })),
    (96, Lacks("FN_MAX_HDR_RESPONSE_SIZE")),
    (97, Lies(|p| p.status = 200)),
    (98, Lacks("FN_MAX_REQUEST_SIZE")),
    (98, Lies(|p| p.set("calls", 7))),
    (99, Lacks("FN_MAX_REQUEST_SIZE")),
    (99, Lies(each_its_own)),
    (100, Lies(always_the_same)),
    (101, Lies(|p| p.body = if p.is_call() { b"forged".to_vec() } else { std::mem::take(&mut p.body) })),
    (102, Lies(each_its_own)),
    (103, Lies(each_its_own)),
    (104, Lies(|p| add(&mut p.headers, "X-Late", "1"))),
    (105, Lies(|p| p.headers.retain(|(name, _)| name != "content-type"))),
    (106, Lies(|p| add(&mut p.headers, "Fn-Call-Id", "01FORGED"))),
    (107, Lies(always_the_same)),
    (108, Lies(|p| p.set("together_max", 2))),
    (109, Lies(each_its_own)),
    (110, Lies(always_the_same)),
    (111, Lies(always_the_same)),
    (112, Lies(each_its_own)),
    (112, Lies(|p| p.edit(|b| b["cpu_ms"] = json!(b["calls"].as_u64().unwrap_or_default() * 10_000)))),
    (113, Lies(always_the_same)),
    (114, Says(&["--log-level", "info"])),
    (114, Lies(|p| replace(&mut p.headers, "fn-call-id", "01OTHER"))),
    (115, Lacks("FN_MAX_LOG_SIZE_BYTES")),
    (115, Says(&["--log-level", "info"])),
    (116, Lies(refused)),
    (117, Litters),
    (117, Lies(always_the_same)),
    (118, Lies(always_the_same)),
    (118, Lies(each_its_own)),
    (119, Lies(refused)),
    (120, Lacks("FN_MAX_TOTAL_MEMORY_BYTES")),
    (121, Lacks("FN_ENABLE_NB_RESOURCE_TRACKER")),
    (121, Lies(|p| replace(&mut p.headers, "retry-after", "1"))),
    (122, Lacks("FN_MAX_TOTAL_MEMORY_BYTES")),
    (123, Lacks("FN_MAX_TOTAL_MEMORY_BYTES")),
    (124, Lies(|p| p.status = if p.body.starts_with(b"{") { p.status } else { 504 })),
    (125, Litters),
    (125, Lies(served)),
    (126, Lies(|p| p.set("calls", 7))),
    (127, Lies(|p| p.status = if p.status == 202 { 200 } else { p.status })),
    (127, Lies(|p| p.set("earlier", json!([])))),
    (128, Lacks("FN_MAX_TOTAL_MEMORY_BYTES")),
];

pub(super) const SERVER: &[(u16, Fault)] = &[
    (130, Lies(|p| p.seen(|h| replace(h, "fn-intent", "cloudevent")))),
    (131, Lies(|p| p.seen(|h| replace(h, "fn-http-method", "GET")))),
    (131, Lies(|p| p.set("earlier", json!([])))),
    (132, Lies(refused)),
    (133, Lies(|p| add(&mut p.headers, "X-Bare", "1"))),
    (134, Lies(refused)),
    (135, Lies(served)),
    (136, Lies(served)),
    (137, Lies(refused)),
    (138, Lies(|p| p.seen(|h| h.retain(|(name, _)| !name.eq_ignore_ascii_case("fn-http-h-fn-intent"))))),
    (139, Lies(|p| p.status = 200)),
    (140, Lies(|p| p.edit(|b| b["created_at"] = Value::Null))),
    (141, Lies(|p| p.status = if p.status == 409 { 400 } else { p.status })),
    (142, Lies(|p| p.status = if p.status == 400 { 200 } else { p.status })),
    (143, Lies(|p| p.status = if p.asked.starts_with("POST /v2/triggers") { 400 } else { p.status })),
    (144, Lies(|p| p.edit(|b| b["config"]["A"] = "".into()))),
    (145, Lies(|p| p.edit(|b| b["annotations"]["b"] = "x".into()))),
    (146, Lies(|p| p.status = 200)),
    (147, Lies(|p| p.edit(|b| b["annotations"]["fnproject.io/fn/invokeEndpoint"] = "http://elsewhere/".into()))),
    (147, Lacks("FN_PUBLIC_LB_URL")),
    (148, Lies(|p| p.edit(|b| b["next_cursor"] = Value::Null))),
    (149, Lies(|p| p.status = if p.status == 404 { 200 } else { p.status })),
    (150, Lies(|p| p.status = if p.status == 400 { 200 } else { p.status })),
    (151, Lies(|p| p.status = if p.status == 409 { 200 } else { p.status })),
    (152, Lies(|p| p.status = if p.asked.starts_with("POST /v2/") && p.status == 200 { 201 } else { p.status })),
    (153, Lies(|p| p.status = if p.status == 404 { 410 } else { p.status })),
];

/// For agents that run images.
pub(super) const IMAGES: &[(u16, Fault)] = &[
    (66, Lies(served)),
    (68, Lies(refused)),
    (69, Lies(|p| p.status = if p.is_call() { 500 } else { p.status })),
    (69, Lies(|p| p.edit(|b| b["message"] = "no".into()))),
    (70, Lies(refused)),
    (71, Lies(|p| p.status = if p.status == 504 { 502 } else { p.status })),
    (75, Lies(|p| p.set("user", 0))),
    (75, Lies(|p| p.set("capabilities", "00000000a80425fb"))),
    (75, Lies(|p| p.set("root_is_writable", true))),
    (78, Lies(served)),
    (78, Lacks("FN_IMAGE_ENABLE_VOLUME")),
    (92, Lies(always_the_same)),
];

/// For agents that speak the formats over standard input and output.
pub(super) const FORMATS: &[(u16, Fault)] = &[
    (154, Lies(|p| p.edit(|b| b["environment"]["FN_FORMAT"] = "http-stream".into()))),
    (154, Lies(|p| p.status = if p.status == 400 { 200 } else { p.status })),
    (155, Lies(always_the_same)),
    (155, Lies(|p| p.set("body_sum", 7))),
    (156, Lies(served)),
    (156, Lies(|p| p.edit(|b| b["environment"]["FN_CALL_ID"] = "01OTHER".into()))),
    (157, Lies(|p| p.set("line", "POST /call HTTP/1.1"))),
    (157, Lies(|p| p.seen(|h| h.retain(|(name, _)| name != "Fn_deadline")))),
    (158, Lies(each_its_own)),
    (158, Lies(served)),
    (159, Lies(always_the_same)),
    (160, Lies(|p| p.document(|text| text.replace("\\u003c", "<")))),
    (160, Lies(|p| p.document(|text| text.replace("\"body\":", "\"contents\":")))),
    (160, Lies(|p| p.document(|text| text.trim_end().to_owned()))),
    (161, Lies(|p| replace(&mut p.headers, "content-type", "text/other"))),
    (162, Lies(served)),
    (162, Lies(always_the_same)),
    (163, Lies(each_its_own)),
    (164, Lies(always_the_same)),
    (165, Lies(always_the_same)),
    (166, Lies(|p| p.document(|text| text.replace("\"0.1\"", "\"1.0\"")))),
    (167, Lies(|p| p.body = b"witness".to_vec())),
    (168, Lies(|p| p.body.truncate(2))),
    (169, Lies(served)),
    (170, Lies(|p| p.set("body_sum", 7))),
    (170, Lies(each_its_own)),
    (171, Lies(|p| p.body = if p.is_call() { b"forged".to_vec() } else { std::mem::take(&mut p.body) })),
];

/// Every call fails.
fn refused(passage: &mut Passage) {
    if passage.is_call() {
        passage.status = 502;
    }
}

/// No call fails.
fn served(passage: &mut Passage) {
    if passage.is_call() {
        passage.status = 200;
    }
}

/// All calls seem to be served by one container.
fn always_the_same(passage: &mut Passage) {
    passage.set("container", "the-one");
}

/// Each call seems to be served by a new one.
fn each_its_own(passage: &mut Passage) {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    passage.set("container", json!(COUNT.fetch_add(1, Ordering::Relaxed).to_string()));
}

fn replace(headers: &mut [(String, String)], name: &str, with: &str) {
    for (_, value) in headers.iter_mut().filter(|(given, _)| given.eq_ignore_ascii_case(name)) {
        with.clone_into(value);
    }
}

fn add(headers: &mut Vec<(String, String)>, name: &str, value: &str) {
    headers.push((name.to_owned(), value.to_owned()));
}
