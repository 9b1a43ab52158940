//! What a connection brings: events are pulled as long as there is room for them.

use super::{Input, SPREAD_MAX, Session, now_ns};
use crate::connector::callee::Answer;
use crate::connector::calls::Done;
use crate::connector::inbound::Event;
use crate::connector::trouble::Trouble;

impl Session {
    /// Pulls events as long as there is room for them.
    pub(super) fn pump(&mut self) {
        let now_ns = now_ns();
        self.pump_feed(now_ns);
        while self.has_room() && matches!(self.input, Input::Fed | Input::Over) {
            match self.inbound.next(now_ns) {
                None => {
                    let is_last = self.input == Input::Over || self.timing.is_draining();
                    self.input = if is_last { Input::Done } else { Input::Hungry };
                }
                Some(Ok(event)) => self.begin(event),
                Some(Err((trouble, seq))) => self.wrong_in_turn(trouble, seq),
            }
        }
        let frames = self.inbound.frames();
        self.desk.counts.frames_in.add(frames - self.tally.frames_in);
        self.tally.frames_in = frames;
        self.timing.note_frame(self.inbound.is_amid(), frames);
    }

    /// Sends events of the file.
    fn pump_feed(&mut self, now_ns: u64) {
        while self.has_room_to_write()
            && let Some(next) = self.feed.as_mut().and_then(|feed| feed.next(now_ns))
        {
            match next {
                Ok(event) => self.send(&event.value, event.ingest_ns, event.seq),
                Err((trouble, seq)) => self.report(&trouble, seq),
            }
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.calls.len() < self.desk.in_flight() && self.has_room_to_write() && self.spread < SPREAD_MAX
    }

    pub(super) fn has_room_to_write(&self) -> bool {
        let bounds = &self.desk.definition.bounds;
        self.outbox.frames() < bounds.write_frames_max && self.outbox.bytes().len() < bounds.write_bytes_max
    }

    /// Has an event answered.
    fn begin(&mut self, event: Event) {
        let (seq, ingest_ns) = (event.seq, event.ingest_ns);
        if self.desk.passes_through() {
            let answer = Answer { value: Some(event.value), receiver: None };
            return self.finish(Done { peer: self.present.id, seq, ingest_ns, outcome: Ok(answer), entry: None });
        }
        let (desk, origin) = (self.desk.clone(), self.origin.clone());
        self.calls.push(Box::pin(async move {
            let (outcome, entry) = desk.answer(event, &origin).await;
            Done { peer: origin.peer, seq, ingest_ns, outcome, entry }
        }));
    }

    /// A frame could not be followed: that is told in its turn.
    fn wrong_in_turn(&mut self, trouble: Trouble, seq: u64) {
        if self.calls.is_empty() {
            return self.wrong(trouble, seq);
        }
        let done = Done { peer: self.present.id, seq, ingest_ns: 0, outcome: Err(trouble), entry: None };
        self.calls.push(Box::pin(std::future::ready(done)));
    }
}
