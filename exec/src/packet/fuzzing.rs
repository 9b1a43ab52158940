//! What the fuzz targets in `fuzz/` throw bytes at, so that ordinary tests can throw the same.
//!
//! Each function takes any bytes and panics if one of our promises does not hold for them. Not part
//! of the crate's public face: behind the feature `fuzzing`.

use super::{Assembler, Invalid, Limits, Message, Request, Signal, Tell, frames, v1};

/// Takes any bytes.
pub type Target = fn(&[u8]);

/// The targets, each with the name of its corpus.
pub const TARGETS: [(&str, Target); 3] =
    [("exec_request", exec_request), ("exec_packets", exec_packets), ("exec_v1", exec_v1)];

/// A request's body: what is read is what would be written, and reads the same again in packets of
/// any size.
pub fn exec_request(bytes: &[u8]) {
    let limits = Limits::default();
    let Ok(request) = Request::decode(bytes, &limits) else { return };
    let body = request.encode();
    assert_eq!(Request::decode(&body, &limits).as_ref(), Ok(&request), "we read what we wrote");
    let packet_bytes_max = super::HEADER_BYTES + 1 + usize::from(bytes[0]);
    let mut assembler = Assembler::new(&limits);
    let mut whole = None;
    for packet in frames(&body, packet_bytes_max) {
        assert!(whole.is_none() && packet.len() <= packet_bytes_max);
        whole = assembler.push(&packet).expect("our own packets are well formed");
    }
    assert_eq!(whole.expect("it is whole").body, body);
}

/// Packets, each as long as the byte before it says: whatever comes is refused or understood.
pub fn exec_packets(bytes: &[u8]) {
    let mut assembler = Assembler::new(&Limits { strings_bytes_max: 1 << 10, ..Limits::default() });
    let mut rest = bytes;
    while let Some((length, tail)) = rest.split_first() {
        let (packet, tail) = tail.split_at(usize::from(*length).min(tail.len()));
        rest = tail;
        match assembler.push(packet) {
            Ok(Some(message)) => read(&message),
            Ok(None) => assert!(assembler.is_amid()),
            Err(Invalid::Malformed(_) | Invalid::TooLarge { .. }) => return,
        }
    }
}

/// The packets of version 1.
pub fn exec_v1(bytes: &[u8]) {
    let limits = Limits::default();
    if let Ok(request) = v1::Request::decode(bytes, &limits) {
        assert_eq!(v1::Request::decode(&request.encode(), &limits), Ok(request), "we read what we wrote");
    }
    if let Ok(opening) = v1::Opening::decode(bytes) {
        assert_eq!(opening.encode(), bytes);
    }
    if let Ok(end) = v1::End::decode(bytes) {
        assert_eq!(end.encode(), bytes);
    }
    if let Ok(signal) = Signal::decode_v1(bytes) {
        assert_eq!(signal.encode_v1(), bytes);
    }
    let _ = v1::Answer::decode(bytes);
}

fn read(message: &Message) {
    let _ = Signal::decode(message);
    if let Ok(tell) = Tell::decode(message) {
        let mut assembler = Assembler::new(&Limits::default());
        let again = assembler.push(&tell.encode()).expect("our own packets are well formed").expect("one is whole");
        assert_eq!(Tell::decode(&again), Ok(tell), "we read what we wrote");
    }
}
