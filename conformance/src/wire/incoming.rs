//! Requests, as they come to whoever serves.

use std::io::{self, Read};

use bytes::{Buf as _, BytesMut};

use hotfn_protocols::http1::{Event, Limits, RequestDecoder};

/// Bytes read at a time.
const PIECE_BYTES: usize = 16 << 10;

/// The next request: its head as it came, and its body. `None` if the connection ends before it. What was
/// read beyond it stays in `kept`.
pub(crate) fn incoming(stream: &mut impl Read, kept: &mut BytesMut) -> io::Result<Option<(Vec<u8>, Vec<u8>)>> {
    let mut decoder = RequestDecoder::new(Limits::default());
    let (mut head, mut body, mut in_head) = (Vec::new(), Vec::new(), true);
    loop {
        let before = kept.clone();
        match decoder.decode(kept).map_err(io::Error::other)? {
            Some(Event::Head(_)) => {
                in_head = false;
                head = before[..before.remaining() - kept.remaining()].to_vec();
            }
            Some(Event::Data(data)) => body.extend_from_slice(&data),
            Some(Event::End) => return Ok(Some((head, body))),
            None => {
                let mut piece = [0; PIECE_BYTES];
                match stream.read(&mut piece)? {
                    0 if in_head && kept.is_empty() => return Ok(None),
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    read => kept.extend_from_slice(&piece[..read]),
                }
            }
        }
    }
}
