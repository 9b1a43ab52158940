//! What comes in on one connection: bytes become events.
//!
//! Bytes are fed as they were read; events are pulled, one at a time, by whoever has room for one.
//! What was not pulled yet stays in the stages, undecoded, so that a reader that stops reading
//! holds no more than its last read.

use bytes::Bytes;

use super::codec::{Codec, Value};
use super::definition::Definition;
use super::options::Invalid;
use super::stage::{FrameError, Piece, Preprocessor};
use super::trouble::Trouble;

/// One event.
#[derive(Clone, Debug)]
pub struct Event {
    /// What it says.
    pub value: Value,
    /// The frame it came in.
    pub frame: Bytes,
    /// Its number on its connection, from 0; frames that could not be followed are counted too.
    pub seq: u64,
    /// When it came into being, in ns since 1970.
    pub ingest_ns: u64,
}

/// The stages and the codec of what comes in.
#[derive(Debug)]
pub struct Inbound {
    stations: Vec<Station>,
    codec: Box<dyn Codec>,
    source: Option<Piece>,
    is_over: bool,
    frames: u64,
}

/// A stage, and whether it knows that no more will come.
#[derive(Debug)]
struct Station {
    stage: Box<dyn Preprocessor>,
    is_over: bool,
}

impl Inbound {
    /// As a definition says.
    ///
    /// # Errors
    /// When it names what does not exist.
    pub fn new(definition: &Definition) -> Result<Self, Invalid> {
        let stations = definition.preprocessors.iter().map(|named| {
            let stage = super::stage::preprocessor(&named.name, named.options.clone(), &definition.limits);
            stage.map(|stage| Station { stage, is_over: false })
        });
        let stations: Result<_, Invalid> = stations.collect();
        let stations = stations.map_err(|e| e.within("preprocessors"))?;
        let codec = super::codec::codec(&definition.codec.name, definition.codec.options.clone());
        let codec = codec.map_err(|e| e.within("codec"))?;
        Ok(Self { stations, codec, source: None, is_over: false, frames: 0 })
    }

    /// Takes what was read. Only called when [`next`](Self::next) has said `None`.
    pub fn feed(&mut self, bytes: Bytes) {
        self.source = Some(Piece { bytes, ingest_ns: None });
    }

    /// Says that no more will be read; what is left may be events yet.
    pub fn finish(&mut self) {
        self.is_over = true;
    }

    /// The next event; `None` when more must be read, or after [`finish`](Self::finish) when that
    /// was all. `now_ns` is the time, in ns since 1970.
    ///
    /// # Errors
    /// When a frame cannot be followed. The next may, unless the trouble is fatal.
    pub fn next(&mut self, now_ns: u64) -> Option<Result<Event, (Trouble, u64)>> {
        loop {
            let pulled = pull(&mut self.stations, &mut self.source, self.is_over)?;
            let seq = self.frames;
            self.frames += 1;
            let piece = match pulled {
                Ok(piece) => piece,
                Err(e) => return Some(Err((e.into(), seq))),
            };
            match self.codec.decode(&piece, now_ns) {
                Ok(Some(value)) => {
                    let ingest_ns = piece.ingest_ns.unwrap_or(now_ns);
                    return Some(Ok(Event { value, frame: piece.bytes, seq, ingest_ns }));
                }
                Ok(None) => {}
                Err(e) => return Some(Err((Trouble::from(e).with_sample(&piece.bytes), seq))),
            }
        }
    }

    /// An event that was written down earlier, from its frame.
    pub fn again(&mut self, frame: Bytes, seq: u64, ingest_ns: u64) -> Option<Event> {
        let piece = Piece { bytes: frame, ingest_ns: Some(ingest_ns) };
        let value = self.codec.decode(&piece, ingest_ns).ok()??;
        Some(Event { value, frame: piece.bytes, seq, ingest_ns })
    }

    /// Frames that came, whether they could be followed or not.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Is a frame begun and not whole?
    #[must_use]
    pub fn is_amid(&self) -> bool {
        self.stations.iter().any(|station| station.stage.is_amid())
    }

    /// What the bytes of a frame are.
    #[must_use]
    pub fn content_type(&self) -> &'static str {
        self.codec.content_type()
    }

    /// Does a function get the bytes that came?
    #[must_use]
    pub fn passes_bytes(&self) -> bool {
        self.codec.passes_bytes()
    }
}

/// The next piece from the far end of a chain, which is fed from the end before it.
fn pull(stations: &mut [Station], source: &mut Option<Piece>, is_over: bool) -> Option<Result<Piece, FrameError>> {
    let Some((last, before)) = stations.split_last_mut() else {
        return source.take().filter(|piece| !piece.bytes.is_empty()).map(Ok);
    };
    loop {
        if let Some(next) = last.stage.next() {
            return Some(next);
        }
        match pull(before, source, is_over) {
            Some(Ok(piece)) => last.stage.feed(piece),
            Some(Err(e)) => return Some(Err(e)),
            None if is_over && !last.is_over => {
                last.is_over = true;
                last.stage.finish();
            }
            None => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::connector::definition::testing::definition;

    fn inbound(preprocessors: serde_json::Value, codec: &str) -> Inbound {
        Inbound::new(&definition(json!({"codec": codec, "preprocessors": preprocessors}))).unwrap()
    }

    fn texts(inbound: &mut Inbound, reads: &[&[u8]]) -> Vec<String> {
        let mut found = Vec::new();
        let mut drain = |inbound: &mut Inbound| {
            while let Some(next) = inbound.next(7) {
                found.push(match next {
                    Ok(event) => String::from_utf8(event.value.to_bytes().to_vec()).unwrap(),
                    Err((trouble, seq)) => format!("{} {seq}", trouble.kind.as_str()),
                });
            }
        };
        for read in reads {
            inbound.feed(Bytes::copy_from_slice(read));
            drain(inbound);
        }
        inbound.finish();
        drain(inbound);
        found
    }

    #[test]
    fn one_frame_that_cannot_be_followed_harms_no_other() {
        let mut lines = inbound(json!(["separate"]), "json");
        assert_eq!(texts(&mut lines, &[b"{}\nnonsense\n[1", b"]\n2"]), ["{}", "decode 1", "[1]", "2"]);
        assert_eq!(lines.frames(), 4);
    }

    #[test]
    fn stages_stand_behind_each_other_and_end_in_their_order() {
        let mut both =
            inbound(json!([{"name": "separate", "config": {"separator": "|"}}, "base64", "separate"]), "string");
        // Three lines in two words of base 64, of which the second has no separator after it.
        assert_eq!(texts(&mut both, &[b"YQpiCmM=|", b"!|ZApl"]), ["a", "b", "frame 2", "cd", "e"]);
    }

    #[test]
    fn without_a_stage_a_read_is_a_frame() {
        assert_eq!(texts(&mut inbound(json!([]), "string"), &[b"a\nb", b"c"]), ["a\nb", "c"]);
    }

    #[test]
    fn a_frames_own_time_is_its_events() {
        let mut timed = inbound(json!(["ingest-ns"]), "string");
        timed.feed(Bytes::from_static(b"\0\0\0\0\0\0\0\x2ahi"));
        assert_eq!(timed.next(7).unwrap().unwrap().ingest_ns, 42);
    }
}
