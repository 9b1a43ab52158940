//! Comma-separated values, one record a frame, which is an array of texts.

use csv_core::{ReadRecordResult, Reader};
use serde_json::Value as Tree;

use super::{Codec, Undecodable, Unencodable, Value};
use crate::connector::stage::Piece;

/// Most fields of a record.
const FIELDS_MAX: usize = 65_536;

/// The codec `csv`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Csv;

impl Codec for Csv {
    fn decode(&mut self, piece: &Piece, _: u64) -> Result<Option<Value>, Undecodable> {
        let undecodable = |why: String| Undecodable { codec: "csv", why };
        let Some(fields) = record(&piece.bytes).map_err(undecodable)? else { return Ok(None) };
        Ok(Some(Value::Tree(Tree::Array(fields.into_iter().map(Tree::String).collect()))))
    }

    fn encode(&mut self, value: &Value, out: &mut Vec<u8>) -> Result<(), Unencodable> {
        let tree = value.to_tree();
        let fields =
            tree.as_array().ok_or_else(|| Unencodable { codec: "csv", why: "a record is an array".to_owned() })?;
        if let [Tree::String(alone)] = &fields[..]
            && alone.is_empty()
        {
            // Without quotes it would be no record at all.
            out.extend_from_slice(b"\"\"");
            return Ok(());
        }
        for (n, field) in fields.iter().enumerate() {
            if n > 0 {
                out.push(b',');
            }
            match field {
                Tree::String(text) => write(text, out),
                other => write(&other.to_string(), out),
            }
        }
        Ok(())
    }

    fn content_type(&self) -> &'static str {
        "text/csv"
    }
}

/// The first record; `None` if there is none.
fn record(text: &[u8]) -> Result<Option<Vec<String>>, String> {
    let mut reader = Reader::new();
    // Quotes only ever go, so a record is no longer than its text, and has no more ends than bytes.
    let mut bytes = vec![0; text.len() + 1];
    let mut ends = vec![0; (text.len() + 2).min(FIELDS_MAX)];
    let (mut read, mut written, mut fields) = (0, 0, 0);
    loop {
        // The end of input is what an empty input says.
        let (result, taken, out, ended) = reader.read_record(&text[read..], &mut bytes[written..], &mut ends[fields..]);
        (read, written, fields) = (read + taken, written + out, fields + ended);
        match result {
            ReadRecordResult::InputEmpty => {}
            ReadRecordResult::Record => break,
            ReadRecordResult::End => return Ok(None),
            ReadRecordResult::OutputFull => bytes.resize(bytes.len() * 2, 0),
            ReadRecordResult::OutputEndsFull => return Err(format!("a record has at most {FIELDS_MAX} fields")),
        }
    }
    let mut begin = 0;
    let mut texts = Vec::with_capacity(fields);
    for end in &ends[..fields] {
        let field = std::str::from_utf8(&bytes[begin..*end]).map_err(|e| e.to_string())?;
        texts.push(field.to_owned());
        begin = *end;
    }
    Ok(Some(texts))
}

fn write(field: &str, out: &mut Vec<u8>) {
    if !field.contains([',', '"', '\n', '\r']) {
        out.extend_from_slice(field.as_bytes());
        return;
    }
    out.push(b'"');
    out.extend_from_slice(field.replace('"', "\"\"").as_bytes());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::connector::codec::testing::{check, decode, encode};

    #[test]
    fn a_record_is_an_array_of_texts() {
        check("csv", "a,b,c", json!(["a", "b", "c"]));
        check("csv", "\"\"", json!([""]));
        check("csv", "a,\"b,\"\"c\"\"\",", json!(["a", "b,\"c\"", ""]));
        assert_eq!(decode("csv", "a,b\nc,d"), Ok(Some(json!(["a", "b"]))), "the first record only");
        assert_eq!(decode("csv", ""), Ok(None));
        assert_eq!(encode("csv", json!([1, true, "x\ny"])).as_deref(), Ok("1,true,\"x\ny\""));
        assert!(encode("csv", json!({})).is_err());
    }
}
