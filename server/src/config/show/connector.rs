//! A `[connector.NAME]`.
//!
//! What a codec or a stage is told stands there as it was written: each knows its own defaults, and says them
//! in `docs/connectors.md`.

use serde_json::Value as Tree;
use toml::Value;

use super::page::{Page, key, millis, seconds, size, text};
use crate::connector::Definition;
use crate::connector::definition::{
    Allowed, Batch, BatchForm, Bounds, Callee, Kind, PeerScope, Policies, Policy, Socket, Target,
};
use crate::connector::reconnect::Rules;

pub(super) fn table(page: &mut Page, definition: &Definition) {
    page.header(&format!("[connector.{}]", key(&definition.name)));
    let page = &mut Lines { page, definition };
    let d = definition;
    page.line("type", d.side.as_str());
    page.as_written("codec", "none");
    page.as_written("preprocessors", "none");
    page.as_written("postprocessors", "none");
    page.line("max_frame", size(d.limits.frame_bytes_max));
    page.line("max_decompressed", size(d.limits.inflated_bytes_max));
    socket(page, &d.socket);
    bounds(page, &d.bounds);
    policies(page, &d.policies);
    page.line("call", callee(&d.call));
    page.line("to", d.to.iter().map(target).collect::<Vec<_>>());
    page.perhaps("err_to", d.err_to.as_ref().map(target), "to the log alone");
    page.perhaps("from", d.from.as_ref().map(|path| format!("file:{}", path.display())), "nothing");
    page.line("peer_scope", if d.peer_scope == PeerScope::Any { "any" } else { "own" });
    page.perhaps("batch", d.batch.as_ref().map(batch), "a call an event");
    page.line("reconnect", d.reconnect.as_ref().map_or_else(|| "none".into(), reconnect));
    page.line("on_exhausted", if d.exits_when_exhausted { "exit" } else { "stay" });
    page.line("journal", d.has_journal);
    page.line("ack", d.acknowledges);
    page.line("finish", d.finishes);
}

/// The lines of one connector, which knows what was said of it.
struct Lines<'a> {
    page: &'a mut Page,
    definition: &'a Definition,
}

impl Lines<'_> {
    fn line(&mut self, key: &str, value: impl Into<Value>) {
        let was_said = self.said(key).is_some();
        self.page.line(key, was_said, value);
    }

    fn perhaps(&mut self, key: &str, value: Option<impl Into<Value>>, otherwise: &str) {
        self.page.perhaps(key, value, otherwise);
    }

    fn as_written(&mut self, key: &str, otherwise: &str) {
        let value = self.said(key).and_then(written);
        self.page.perhaps(key, value, otherwise);
    }

    /// What stands at this key, or at the same within `config`.
    fn said(&self, key: &str) -> Option<&Tree> {
        let source = &self.definition.source;
        source.get(key).or_else(|| source.get("config")?.get(key)).filter(|value| !value.is_null())
    }
}

fn socket(page: &mut Lines<'_>, socket: &Socket) {
    let kind = match socket.kind {
        Kind::Datagram => "dgram",
        Kind::Seqpacket => "seqpacket",
        Kind::Stream => "stream",
    };
    let allowed = |allowed: &Allowed| match allowed {
        Allowed::Group(gid) => Value::from(format!("gid:{gid}")),
        Allowed::User(uid) => Value::from(format!("uid:{uid}")),
    };
    let allow: Vec<Value> = socket.allow.iter().map(allowed).collect();
    page.line("path", text(&socket.path));
    page.line("socket", kind);
    page.line("permissions", format!("={:03o}", socket.mode));
    page.perhaps("owner", socket.owner.map(i64::from), "the node's user");
    page.perhaps("group", socket.group.map(i64::from), "the node's group");
    page.line("buf_size", size(socket.buf_bytes));
    page.perhaps("allow", Some(allow).filter(|allow| !allow.is_empty()), "whoever can open the socket");
}

fn bounds(page: &mut Lines<'_>, bounds: &Bounds) {
    page.line("max_connections", size(bounds.connections_max));
    page.line("in_flight", size(bounds.in_flight));
    page.line("in_flight_total", size(bounds.in_flight_total));
    page.line("ordered", bounds.is_ordered);
    page.perhaps("deadline_ms", bounds.deadline.map(millis), "as long as the function may");
    // 0 is how a definition says for ever.
    page.line("idle_timeout_s", bounds.idle_timeout.map_or_else(|| size(0), seconds));
    page.line("frame_timeout_s", bounds.frame_timeout.map_or_else(|| size(0), seconds));
    page.line("write_timeout_ms", millis(bounds.write_timeout));
    page.line("write_queue", size(bounds.write_frames_max));
    page.line("buffer", size(bounds.buffer_frames_max));
    page.line("drain_s", seconds(bounds.drain));
}

fn policies(page: &mut Lines<'_>, policies: &Policies) {
    let word = |policy| match policy {
        Policy::Close => "close",
        Policy::Drop => "drop",
        Policy::Reply => "reply",
        Policy::Report => "report",
    };
    page.line("on_decode_error", word(policies.decode));
    page.line("on_fault", word(policies.fault));
    page.line("on_frame_error", word(policies.frame));
}

fn callee(callee: &Callee) -> Value {
    match callee {
        Callee::Command(name) => format!("command:{name}").into(),
        Callee::Field { from, prefix } => inline([("from", from.as_str().into()), ("prefix", prefix.as_str().into())]),
        Callee::Function(name) => name.as_str().into(),
        Callee::Passthrough => "passthrough".into(),
    }
}

fn target(target: &Target) -> String {
    match target {
        Target::Connector(name) => name.clone(),
        Target::Discard => "discard".to_owned(),
        Target::File(path) => format!("file:{}", path.display()),
        Target::Function(id) => format!("function:{id}"),
        Target::Reply => "reply".to_owned(),
        Target::Stdout => "stdout".to_owned(),
    }
}

fn batch(batch: &Batch) -> Value {
    let form = match batch.form {
        BatchForm::Array => "array",
        BatchForm::Lines => "ndjson",
    };
    inline([
        ("max_events", size(batch.events_max)),
        ("max_bytes", size(batch.bytes_max)),
        ("max_wait_ms", millis(batch.wait_max)),
        ("format", form.into()),
    ])
}

fn reconnect(rules: &Rules) -> Value {
    let mut retry = vec![
        ("interval_ms", millis(rules.interval)),
        ("growth_rate", rules.growth_rate.into()),
        ("max_interval_ms", millis(rules.interval_max)),
        ("randomized", rules.is_randomized.into()),
    ];
    retry.extend(rules.retries_max.map(|max| ("max_retries", super::page::number(max))));
    inline([("retry", inline(retry))])
}

fn inline<'k>(entries: impl IntoIterator<Item = (&'k str, Value)>) -> Value {
    Value::Table(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// JSON as TOML has it, in which `null` is nothing at all.
fn written(tree: &Tree) -> Option<Value> {
    Some(match tree {
        Tree::Null => return None,
        Tree::Bool(truth) => Value::Boolean(*truth),
        Tree::Number(number) => match number.as_i64() {
            Some(whole) => Value::Integer(whole),
            None => Value::Float(number.as_f64()?),
        },
        Tree::String(text) => Value::String(text.clone()),
        Tree::Array(items) => Value::Array(items.iter().filter_map(written).collect()),
        Tree::Object(members) => {
            let entries = members.iter().filter_map(|(key, value)| Some((key.as_str(), written(value)?)));
            inline(entries)
        }
    })
}
