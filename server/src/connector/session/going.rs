//! What comes of events: back to the peer, to another, elsewhere; and what goes wrong.

use serde_json::json;

use super::{Input, Session};
use crate::connector::callee::Answer;
use crate::connector::calls::Done;
use crate::connector::codec::Value;
use crate::connector::definition::{PeerScope, Policy};
use crate::connector::trouble::Trouble;

impl Session {
    /// Something came of an event.
    pub(super) fn finish(&mut self, done: Done) {
        let Done { seq, ingest_ns, outcome, entry, .. } = done;
        let ok = outcome.is_ok();
        self.desk.done(entry, &outcome);
        match outcome {
            Ok(answer) => self.deliver(answer, seq, ingest_ns),
            Err(trouble) => self.wrong(trouble, seq),
        }
        if self.desk.definition.acknowledges {
            self.send(&Value::Tree(json!({"seq": seq, "ok": ok})), ingest_ns, seq);
        }
    }

    fn deliver(&mut self, answer: Answer, seq: u64, ingest_ns: u64) {
        let Some(value) = answer.value else { return };
        if self.desk.has_outlets() {
            self.spread += 1;
            if let Err(trouble) = self.desk.spread(&value, ingest_ns) {
                self.report(&trouble, seq);
            }
        }
        if !self.desk.replies {
            return;
        }
        match answer.receiver {
            None => self.send(&value, ingest_ns, seq),
            Some(id) if id == self.present.id.to_string() => self.send(&value, ingest_ns, seq),
            Some(id) => self.send_to(&id, value, seq),
        }
    }

    /// Sends to another connection, if replies may name one. Nobody else gets it instead.
    fn send_to(&mut self, id: &str, value: Value, seq: u64) {
        let peers = &self.desk.peers;
        let sent = match (self.desk.definition.peer_scope, id.parse()) {
            (PeerScope::Own, _) => false,
            (PeerScope::Any, _) if id == "*" => {
                peers.send_to_all(&value);
                true
            }
            (PeerScope::Any, Ok(id)) => peers.send(id, value).is_ok(),
            (PeerScope::Any, Err(_)) => false,
        };
        if !sent {
            self.desk.counts.undelivered.add(1);
            self.report(&Trouble::undeliverable(id), seq);
        }
    }

    /// Frames a value for the peer.
    pub(super) fn send(&mut self, value: &Value, ingest_ns: u64, seq: u64) {
        let was_empty = self.outbox.is_empty();
        if let Err(trouble) = self.outbound.put(value, ingest_ns, &mut self.outbox) {
            self.report(&trouble, seq);
        }
        if was_empty {
            self.timing.note_written();
        }
    }

    /// An event went wrong.
    pub(super) fn wrong(&mut self, trouble: Trouble, seq: u64) {
        let policy = self.desk.definition.policies.of(trouble.kind);
        match policy {
            Policy::Drop => self.desk.count(&trouble),
            Policy::Close | Policy::Reply | Policy::Report => self.report(&trouble, seq),
        }
        if policy == Policy::Reply {
            let record = trouble.to_record(&self.desk.definition.name, self.present.id, seq);
            self.send(&Value::Tree(record), 0, seq);
        }
        if policy == Policy::Close || trouble.is_fatal {
            // What came before is answered; nothing that comes after is looked at.
            self.input = Input::Done;
            self.closing = Some(trouble.what);
        }
    }

    /// Tells of a trouble. Where troubles are written down, that is waited for as everything is that
    /// goes elsewhere: a peer that sends nonsense must not be faster than the disk.
    pub(super) fn report(&mut self, trouble: &Trouble, seq: u64) {
        self.desk.report(trouble, self.present.id, seq);
        self.spread += 1;
    }
}
