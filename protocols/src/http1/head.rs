//! From bytes to the lines of a head.
//!
//! The end of a head is looked for first, each byte once, and only a whole head is parsed: a peer
//! that sends one byte at a time costs no more than one that sends all at once. What can never
//! become a head is noticed earlier all the same, by a trial whenever the bytes have doubled, so
//! that a function which prints into its answer need not wait for its deadline to be told.

use std::mem::MaybeUninit;

use bytes::{Buf as _, Bytes, BytesMut};
use httparse::Header;

use super::framing::Version;
use super::{Invalid, Limits, Part};

/// How many headers find room on the stack. More are read just as well, from the heap.
const HEADERS_USUAL: usize = 48;

/// Room that the parser fills with headers.
pub(super) type Room<'h, 'b> = &'h mut [MaybeUninit<Header<'b>>];

/// Parses what may be the beginning of a head, for the error alone.
pub(super) type Trial = for<'h, 'b> fn(&'b [u8], Room<'h, 'b>) -> Result<(), httparse::Error>;

/// Looks for the end of a head.
#[derive(Clone, Debug, Default)]
pub(super) struct HeadScan {
    /// Bytes that are known not to hold the end.
    seen: usize,
    /// Bytes there were at the last trial.
    tried: usize,
}

impl HeadScan {
    /// Splits a whole head off `buf`; `None` if it is not whole yet. Line breaks before it are
    /// passed over, as RFC 9112 wants it.
    ///
    /// An error of `trial` is returned.
    pub(super) fn take(&mut self, buf: &mut BytesMut, limits: &Limits, trial: Trial) -> Result<Option<Bytes>, Invalid> {
        if self.seen == 0 {
            let breaks = buf.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
            buf.advance(breaks);
        }
        if buf.is_empty() {
            return Ok(None);
        }
        let max = limits.head_bytes_max;
        if let Some(end) = end_of_head(buf, self.seen)
            && end <= max
        {
            *self = Self::default();
            return Ok(Some(buf.split_to(end).freeze()));
        }
        // An end may lie across what is here and what comes.
        self.seen = buf.len().saturating_sub(2);
        let too_large = buf.len() >= max;
        if too_large || buf.len() >= 2 * self.tried {
            self.tried = buf.len();
            try_start(&buf[..buf.len().min(max)], limits, trial)?;
        }
        if too_large { Err(Invalid::HeadTooLarge { max }) } else { Ok(None) }
    }

    /// Why the stream's end within a head is wrong: `buf` was none to begin with, or is cut.
    pub(super) fn end(buf: &[u8], limits: &Limits, trial: Trial) -> Invalid {
        try_start(buf, limits, trial).err().unwrap_or(Invalid::Cut(Part::Head))
    }
}

fn try_start(start: &[u8], limits: &Limits, trial: Trial) -> Result<(), Invalid> {
    with_room(limits, |room| trial(start, room).map_err(|e| refusal(e, limits)))
}

/// Calls `parse` with room for the usual number of headers, and again with room for all that are
/// allowed if that was too little.
pub(super) fn with_room<'b, T>(
    limits: &Limits,
    mut parse: impl FnMut(Room<'_, 'b>) -> Result<T, Invalid>,
) -> Result<T, Invalid> {
    let mut usual = [const { MaybeUninit::uninit() }; HEADERS_USUAL];
    let room = &mut usual[..limits.headers_max.min(HEADERS_USUAL)];
    match parse(room) {
        Err(Invalid::TooManyHeaders { .. }) if limits.headers_max > HEADERS_USUAL => {
            let mut all: Vec<MaybeUninit<Header<'b>>> = Vec::new();
            all.resize_with(limits.headers_max, MaybeUninit::uninit);
            parse(&mut all)
        }
        other => other,
    }
}

/// What the parser's refusal is in our words.
pub(super) fn refusal(why: httparse::Error, limits: &Limits) -> Invalid {
    match why {
        httparse::Error::TooManyHeaders => Invalid::TooManyHeaders { max: limits.headers_max },
        httparse::Error::Version => Invalid::Version,
        other => Invalid::Head(other.to_string()),
    }
}

/// The parser's minor version as ours.
pub(super) fn version(minor: Option<u8>) -> Version {
    if minor == Some(0) { Version::Http10 } else { Version::Http11 }
}

/// Where the blank line after a head ends, looked for from `from` on.
fn end_of_head(buf: &[u8], from: usize) -> Option<usize> {
    memchr::memchr_iter(b'\n', &buf[from..]).find_map(|at| match &buf[from + at + 1..] {
        [b'\n', ..] => Some(from + at + 2),
        [b'\r', b'\n', ..] => Some(from + at + 3),
        _ => None,
    })
}
