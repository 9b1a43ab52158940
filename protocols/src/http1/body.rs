//! From bytes to a message's body.

use bytes::{Buf as _, BytesMut};

use super::{Event, Invalid, Length, Limits, Part};

/// Hands out a body piece by piece.
#[derive(Clone, Debug)]
pub(super) enum BodyDecoder {
    /// Within a chunked body.
    Chunked(Chunk),
    /// So many bytes are still to come.
    Exact(u64),
    /// All that comes.
    UntilClose,
}

/// Where in a chunked body the next byte stands.
#[derive(Clone, Debug)]
pub(super) enum Chunk {
    /// In a chunk's data, with so many bytes to come.
    Data(u64),
    /// In the line break behind a chunk's data.
    DataEnd,
    /// In the line that says how long the next chunk is.
    Size,
    /// In the lines after the last chunk, of which so many bytes were read over.
    Trailers(usize),
}

impl BodyDecoder {
    pub(super) fn new(length: Length) -> Self {
        match length {
            Length::Chunked => Self::Chunked(Chunk::Size),
            Length::Exact(bytes) => Self::Exact(bytes),
            Length::UntilClose => Self::UntilClose,
        }
    }

    /// The next event; `None` if it takes more bytes. Not to be asked again after the end.
    pub(super) fn decode<H>(&mut self, buf: &mut BytesMut, limits: &Limits) -> Result<Option<Event<H>>, Invalid> {
        match self {
            Self::Chunked(chunk) => chunk.decode(buf, limits),
            Self::Exact(0) => Ok(Some(Event::End)),
            Self::Exact(left) => Ok(data(left, buf)),
            Self::UntilClose if buf.is_empty() => Ok(None),
            Self::UntilClose => Ok(Some(Event::Data(buf.split().freeze()))),
        }
    }

    /// What the end of the stream means here, when `decode` has nothing more.
    pub(super) fn end(&self) -> Result<(), Invalid> {
        match self {
            Self::UntilClose | Self::Exact(0) => Ok(()),
            Self::Chunked(_) | Self::Exact(_) => Err(Invalid::Cut(Part::Body)),
        }
    }
}

impl Chunk {
    fn decode<H>(&mut self, buf: &mut BytesMut, limits: &Limits) -> Result<Option<Event<H>>, Invalid> {
        loop {
            match self {
                Self::Size => match chunk_size(buf, limits.chunk_line_bytes_max)? {
                    None => return Ok(None),
                    Some(0) => *self = Self::Trailers(0),
                    Some(size) => *self = Self::Data(size),
                },
                Self::Data(0) => *self = Self::DataEnd,
                Self::Data(left) => return Ok(data(left, buf)),
                Self::DataEnd => match &buf[..] {
                    [b'\r', b'\n', ..] => {
                        buf.advance(2);
                        *self = Self::Size;
                    }
                    [] | [b'\r'] => return Ok(None),
                    _ => return Err(Invalid::ChunkEnd),
                },
                Self::Trailers(read) => match trailer(buf, read, limits.trailer_bytes_max)? {
                    None => return Ok(None),
                    Some(Trailer::Dropped) => {}
                    Some(Trailer::End) => return Ok(Some(Event::End)),
                },
            }
        }
    }
}

/// As much of the next `left` bytes as is there.
fn data<H>(left: &mut u64, buf: &mut BytesMut) -> Option<Event<H>> {
    if buf.is_empty() {
        return None;
    }
    let here = usize::try_from(*left).map_or(buf.len(), |left| left.min(buf.len()));
    *left -= here as u64;
    Some(Event::Data(buf.split_to(here).freeze()))
}

/// Reads the line before a chunk: hexadecimal digits, perhaps spaces, perhaps an extension. Its
/// line break is a whole one: where one reader would take a bare line feed for the end and another
/// would not, a chunk could hide.
fn chunk_size(buf: &mut BytesMut, max: usize) -> Result<Option<u64>, Invalid> {
    let Some(end) = memchr::memchr(b'\n', &buf[..buf.len().min(max)]) else {
        // The digits that are here already can be wrong.
        if !buf.is_empty() && !buf[0].is_ascii_hexdigit() {
            return Err(Invalid::ChunkSize);
        }
        return if buf.len() >= max { Err(Invalid::ChunkLineTooLong { max }) } else { Ok(None) };
    };
    let size = hexadecimal(&buf[..end]).ok_or(Invalid::ChunkSize)?;
    buf.advance(end + 1);
    Ok(Some(size))
}

fn hexadecimal(line: &[u8]) -> Option<u64> {
    let line = line.strip_suffix(b"\r")?;
    let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let (digits, rest) = line.split_at(digits);
    let rest = rest.trim_ascii_start();
    let is_plain = rest.is_empty() || rest[0] == b';' && !rest.contains(&b'\r');
    if digits.is_empty() || !is_plain {
        return None;
    }
    digits.iter().try_fold(0u64, |sum, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        sum.checked_mul(16)?.checked_add(u64::from(digit))
    })
}

enum Trailer {
    Dropped,
    End,
}

/// Drops one line after the last chunk; `read` counts all of them.
fn trailer(buf: &mut BytesMut, read: &mut usize, max: usize) -> Result<Option<Trailer>, Invalid> {
    let line = memchr::memchr(b'\n', buf).map(|end| end + 1);
    if *read + line.unwrap_or(buf.len()) > max {
        return Err(Invalid::TrailersTooLarge { max });
    }
    let Some(line) = line else { return Ok(None) };
    let found = match &buf[..line] {
        b"\r\n" => Trailer::End,
        [.., b'\r', b'\n'] => Trailer::Dropped,
        _ => return Err(Invalid::ChunkEnd),
    };
    buf.advance(line);
    *read += line;
    Ok(Some(found))
}
