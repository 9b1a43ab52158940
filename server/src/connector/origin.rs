//! Where an event comes from, as the function that is called learns it.
//!
//! All of it stands in headers `Fn-Connector-*`, which are made here alone: the HTTP front lets
//! nobody else's pass, so a function may trust them as it trusts the node.

use std::path::Path;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::json;

use hotfn_socket::Peer;

use super::definition::{Definition, Side};

/// What every header of ours begins with, in lower case.
pub const PREFIX: &str = "fn-connector";

const NAME: HeaderName = HeaderName::from_static("fn-connector");
const GID: HeaderName = HeaderName::from_static("fn-connector-gid");
const INGEST_NS: HeaderName = HeaderName::from_static("fn-connector-ingest-ns");
const META: HeaderName = HeaderName::from_static("fn-connector-meta");
const PATH: HeaderName = HeaderName::from_static("fn-connector-path");
/// Which connection an event comes from, and which one a reply is for.
pub(super) const PEER: HeaderName = HeaderName::from_static("fn-connector-peer");
const PID: HeaderName = HeaderName::from_static("fn-connector-pid");
const SEQ: HeaderName = HeaderName::from_static("fn-connector-seq");
const UID: HeaderName = HeaderName::from_static("fn-connector-uid");

/// A connection, as functions are told of it.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub(super) peer: u64,
    /// What is the same for all its events.
    headers: HeaderMap,
}

impl Origin {
    pub(super) fn new(definition: &Definition, peer: u64, who: Option<&Peer>, content_type: &'static str) -> Self {
        let mut headers = HeaderMap::with_capacity(16);
        let path = &definition.socket.path;
        headers.insert(NAME, text(&definition.name));
        headers.insert(PATH, text(&path.to_string_lossy()));
        headers.insert(PEER, peer.into());
        headers.insert(META, text(&meta(definition.side, path, peer)));
        if let Some(who) = who {
            for (name, known) in [(UID, who.uid), (GID, who.gid), (PID, who.pid)] {
                if let Some(number) = known {
                    headers.insert(name, number.into());
                }
            }
        }
        if !content_type.is_empty() {
            headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        Self { peer, headers }
    }

    /// The headers of one event.
    pub(super) fn headers(&self, seq: u64, ingest_ns: u64) -> HeaderMap {
        let mut headers = self.headers.clone();
        headers.insert(SEQ, seq.into());
        headers.insert(INGEST_NS, ingest_ns.into());
        headers
    }
}

/// The record that tremor attaches to an event.
pub(super) fn meta(side: Side, path: &Path, peer: u64) -> String {
    let path = path.to_string_lossy();
    match side {
        Side::Client => json!({"unix_socket_client": {"peer": path}}),
        Side::Server => json!({"unix_socket_server": {"path": path, "peer": peer}}),
    }
    .to_string()
}

/// Which connection a reply names as its receiver.
pub(super) fn receiver(headers: &hotfn_protocols::Headers) -> Option<String> {
    let read = |value: &[u8]| std::str::from_utf8(value).ok().map(|text| text.trim().to_owned());
    if let Some(named) = headers.first(&PEER).and_then(read) {
        return Some(named);
    }
    let meta: serde_json::Value = serde_json::from_slice(headers.first(&META)?).ok()?;
    let peer = &meta["unix_socket_server"]["peer"];
    (!peer.is_null()).then(|| peer.to_string())
}

/// What cannot stand in a header is left out of it.
fn text(text: &str) -> HeaderValue {
    let clean: String = text.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect();
    HeaderValue::try_from(clean).expect("what is printable may stand in a header")
}

#[cfg(test)]
mod tests {
    use hotfn_protocols::Headers;
    use serde_json::json;

    use super::*;
    use crate::connector::definition::testing::definition;

    #[test]
    fn a_function_learns_who_sent_what() {
        let who = Peer { pid: Some(3), pidfd: None, uid: Some(1), gid: Some(2), groups: Vec::new() };
        let origin = Origin::new(&definition(json!({"path": "/run/s"})), 7, Some(&who), "application/json");
        let headers = origin.headers(4, 5);
        for (name, value) in [
            ("fn-connector", "test"),
            ("fn-connector-path", "/run/s"),
            ("fn-connector-peer", "7"),
            ("fn-connector-uid", "1"),
            ("fn-connector-gid", "2"),
            ("fn-connector-pid", "3"),
            ("fn-connector-seq", "4"),
            ("fn-connector-ingest-ns", "5"),
            ("fn-connector-meta", "{\"unix_socket_server\":{\"path\":\"/run/s\",\"peer\":7}}"),
            ("content-type", "application/json"),
        ] {
            assert_eq!(headers[name], value, "{name}");
        }
    }

    #[test]
    fn a_reply_names_its_receiver_in_either_way() {
        let named = |name: HeaderName, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_str(value).unwrap());
            receiver(&Headers::from(headers))
        };
        assert_eq!(named(PEER, "7").as_deref(), Some("7"));
        assert_eq!(named(PEER, "*").as_deref(), Some("*"));
        assert_eq!(named(META, "{\"unix_socket_server\":{\"path\":\"/s\",\"peer\":8}}").as_deref(), Some("8"));
        assert_eq!(named(META, "{\"unix_socket_client\":{}}"), None);
        assert_eq!(receiver(&Headers::default()), None);
    }
}
