//! One record of a journal, as bytes.

use bytes::{Buf as _, BufMut as _, Bytes};

/// What a journal says of one event.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Record {
    /// It is done with.
    Done { id: u64 },
    /// It came.
    Written { id: u64, peer: u64, seq: u64, ingest_ns: u64, frame: Bytes },
}

/// Length and sum.
const HEAD_BYTES: usize = 8;

const DONE: u8 = 1;
const WRITTEN: u8 = 2;

impl Record {
    pub(super) fn written(id: u64, peer: u64, seq: u64, ingest_ns: u64, frame: Bytes) -> Self {
        Self::Written { id, peer, seq, ingest_ns, frame }
    }

    pub(super) fn id(&self) -> u64 {
        match self {
            Self::Done { id } | Self::Written { id, .. } => *id,
        }
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let head = out.len();
        out.put_bytes(0, HEAD_BYTES);
        match self {
            Self::Done { id } => {
                out.put_u8(DONE);
                out.put_u64(*id);
            }
            Self::Written { id, peer, seq, ingest_ns, frame } => {
                out.put_u8(WRITTEN);
                for number in [id, peer, seq, ingest_ns] {
                    out.put_u64(*number);
                }
                out.put_slice(frame);
            }
        }
        let body = head + HEAD_BYTES;
        let length = u32::try_from(out.len() - body).expect("a frame is bounded far below 4 GiB");
        let sum = crc32fast::hash(&out[body..]);
        out[head..head + 4].copy_from_slice(&length.to_be_bytes());
        out[head + 4..body].copy_from_slice(&sum.to_be_bytes());
    }

    /// The record at the beginning of `bytes`, and its length; `None` if it is not whole.
    pub(super) fn decode(bytes: &[u8]) -> Option<(Self, usize)> {
        let mut head = bytes;
        let length = head.try_get_u32().ok()? as usize;
        let sum = head.try_get_u32().ok()?;
        let mut body = head.get(..length).filter(|body| crc32fast::hash(body) == sum)?;
        let record = match body.try_get_u8().ok()? {
            DONE => Self::Done { id: body.try_get_u64().ok()? },
            WRITTEN => {
                let mut number = || body.try_get_u64().ok();
                let (id, peer, seq, ingest_ns) = (number()?, number()?, number()?, number()?);
                Self::Written { id, peer, seq, ingest_ns, frame: Bytes::copy_from_slice(body) }
            }
            _ => return None,
        };
        Some((record, HEAD_BYTES + length))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_written_is_read(id: u64, peer: u64, seq: u64, ingest_ns: u64, frame: Vec<u8>) {
            let record = Record::written(id, peer, seq, ingest_ns, frame.into());
            let mut bytes = Vec::new();
            record.encode(&mut bytes);
            Record::Done { id }.encode(&mut bytes);
            let (read, length) = Record::decode(&bytes).unwrap();
            prop_assert_eq!(read, record);
            prop_assert_eq!(Record::decode(&bytes[length..]), Some((Record::Done { id }, bytes.len() - length)));
            prop_assert_eq!(Record::decode(&bytes[..length - 1]), None);
        }

        #[test]
        fn anything_else_is_no_record(bytes: Vec<u8>) {
            // A sum of 32 bits matches by chance once in four billion times.
            prop_assert_eq!(Record::decode(&bytes), None);
        }
    }
}
