//! What goes out on one connection: values become bytes.

use super::codec::{Codec, Value};
use super::definition::Definition;
use super::options::Invalid;
use super::outbox::Outbox;
use super::stage::{Passed, Postprocessor};
use super::trouble::Trouble;

/// The codec and the stages of what goes out.
#[derive(Debug)]
pub struct Outbound {
    codec: Box<dyn Codec>,
    stages: Vec<Box<dyn Postprocessor>>,
    /// The frame that is being made, kept for its memory.
    frame: Vec<u8>,
}

impl Outbound {
    /// As a definition says.
    ///
    /// # Errors
    /// When it names what does not exist.
    pub fn new(definition: &Definition) -> Result<Self, Invalid> {
        let codec = super::codec::codec(&definition.codec.name, definition.codec.options.clone());
        let codec = codec.map_err(|e| e.within("codec"))?;
        let stages = definition.postprocessors.iter();
        let stages = stages.map(|named| super::stage::postprocessor(&named.name, named.options.clone()));
        let stages: Result<_, Invalid> = stages.collect();
        Ok(Self { codec, stages: stages.map_err(|e| e.within("postprocessors"))?, frame: Vec::new() })
    }

    /// Puts what says `value` into `out`. A stage may keep it for later.
    ///
    /// # Errors
    /// When it cannot be said, or not be framed; then nothing is put.
    pub fn put(&mut self, value: &Value, ingest_ns: u64, out: &mut Outbox) -> Result<(), Trouble> {
        self.frame.clear();
        self.codec.encode(value, &mut self.frame)?;
        self.pass(0, ingest_ns, out)
    }

    /// Puts what the stages have kept into `out`: nothing comes after it.
    pub fn finish(&mut self, ingest_ns: u64, out: &mut Outbox) {
        for n in 0..self.stages.len() {
            self.frame.clear();
            if self.stages[n].finish(&mut self.frame) == Passed::On {
                // What was kept was a frame already, so that no later stage refuses it but for its
                // length; there is nobody left to be told.
                let _ = self.pass(n + 1, ingest_ns, out);
            }
        }
    }

    /// Has the frame pass the stages from `first` on.
    fn pass(&mut self, first: usize, ingest_ns: u64, out: &mut Outbox) -> Result<(), Trouble> {
        for stage in &mut self.stages[first..] {
            if stage.process(&mut self.frame, ingest_ns)? == Passed::Kept {
                return Ok(());
            }
        }
        out.push(&self.frame);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::connector::definition::testing::definition;

    fn sent(postprocessors: serde_json::Value, values: &[serde_json::Value]) -> Vec<u8> {
        let definition = definition(json!({"codec": "json", "postprocessors": postprocessors}));
        let (mut outbound, mut out) = (Outbound::new(&definition).unwrap(), Outbox::default());
        for value in values {
            outbound.put(&Value::Tree(value.clone()), 0, &mut out).unwrap();
        }
        outbound.finish(0, &mut out);
        out.bytes().to_vec()
    }

    #[test]
    fn stages_stand_behind_each_other() {
        assert_eq!(sent(json!(["separate"]), &[json!(1), json!([])]), b"1\n[]\n");
        assert_eq!(sent(json!(["base64", "separate"]), &[json!(1)]), b"MQ==\n");
    }

    #[test]
    fn what_was_kept_leaves_at_the_end_through_the_stages_behind() {
        assert_eq!(sent(json!(["separate", "collect", "textual-length-prefixed"]), &[json!(1), json!(2)]), b"4 1\n2\n");
    }
}
