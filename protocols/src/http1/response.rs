//! An answer, read by an agent.

use bytes::{Bytes, BytesMut};
use http::{Method, StatusCode};

use super::body::BodyDecoder;
use super::head::{self, HeadScan, Room};
use super::{Event, Invalid, Length, Limits, Lines, framing};

/// The head of a final answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ResponseHead {
    /// 200 or above: interim answers are read over.
    pub status: StatusCode,
    /// The headers, as they came.
    pub lines: Lines,
    /// Where the body ends.
    pub length: Length,
    /// May another request follow on the same connection?
    pub keep_alive: bool,
}

/// Reads the one answer to one request from a buffer that others fill, and then those to the requests
/// after it, each announced with [`again`](Self::again). Interim answers (`100`, `103`) are read over, one at a
/// time: only the call's deadline bounds how many.
#[derive(Debug)]
pub struct ResponseDecoder {
    limits: Limits,
    to_head: bool,
    scan: HeadScan,
    body: Option<BodyDecoder>,
    /// Room for headers.
    spare: Lines,
}

impl ResponseDecoder {
    /// Waits for the answer to a request with this method: one to `HEAD` has no body.
    #[must_use]
    pub fn new(to: &Method, limits: Limits) -> Self {
        let (scan, spare) = (HeadScan::default(), Lines::default());
        Self { limits, to_head: to == Method::HEAD, scan, body: None, spare }
    }

    /// Waits for the answer to the next request on the same connection. The one before must have ended well.
    pub fn again(&mut self, to: &Method) {
        self.to_head = to == Method::HEAD;
        self.scan = HeadScan::default();
        self.body = None;
    }

    /// Takes lines that nobody needs any more: their memory serves the next head.
    pub fn recycle(&mut self, mut lines: Lines) {
        lines.clear();
        self.spare = lines;
    }

    /// The next event; `None` if it takes more bytes than `buf` holds. Not to be asked again after
    /// [`Event::End`].
    ///
    /// # Errors
    /// When the bytes are not an answer. The decoder is of no further use, nor is the stream.
    pub fn decode(&mut self, buf: &mut BytesMut) -> Result<Option<Event<ResponseHead>>, Invalid> {
        if let Some(body) = &mut self.body {
            return body.decode(buf, &self.limits);
        }
        loop {
            let Some(bytes) = self.scan.take(buf, &self.limits, trial)? else { return Ok(None) };
            let head = parse(bytes, &self.limits, self.to_head, &mut self.spare)?;
            if head.status == StatusCode::SWITCHING_PROTOCOLS {
                return Err(Invalid::Switched);
            }
            if !head.status.is_informational() {
                self.body = Some(BodyDecoder::new(head.length));
                return Ok(Some(Event::Head(head)));
            }
        }
    }

    /// The stream ended, and `decode` has nothing more of `buf`: is that the end of the answer?
    ///
    /// # Errors
    /// When it ended within the answer, or before it.
    pub fn end(&self, buf: &BytesMut) -> Result<(), Invalid> {
        match &self.body {
            Some(body) => body.end(),
            None => Err(HeadScan::end(buf, &self.limits, trial)),
        }
    }
}

fn trial<'b>(bytes: &'b [u8], room: Room<'_, 'b>) -> Result<(), httparse::Error> {
    let mut lines = httparse::Response::new(&mut []);
    httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut lines, bytes, room).map(drop)
}

fn parse(bytes: Bytes, limits: &Limits, to_head: bool, spare: &mut Lines) -> Result<ResponseHead, Invalid> {
    let found = head::with_room(limits, |room| {
        let mut found = httparse::Response::new(&mut []);
        let config = httparse::ParserConfig::default();
        let parsed = config.parse_response_with_uninit_headers(&mut found, &bytes, room);
        parsed.map_err(|e| head::refusal(e, limits))?;
        let status = found.code.and_then(|code| StatusCode::from_u16(code).ok());
        let status = status.ok_or_else(|| Invalid::Head(format!("status {:?}", found.code)))?;
        spare.fill(&bytes, found.headers)?;
        Ok((status, head::version(found.version)))
    });
    let (status, version) = found?;
    let lines = std::mem::take(spare).of(bytes);
    let length = framing::of_response(version, &lines, status, to_head)?;
    let keep_alive = framing::is_keep_alive(version, &lines) && length != Length::UntilClose;
    Ok(ResponseHead { status, lines, length, keep_alive })
}
