//! A request, read by a function.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use http::{Method, Version};

use super::body::BodyDecoder;
use super::head::{self, HeadScan, Room};
use super::{Event, Invalid, Length, Limits, Lines, framing, lines};
use crate::Text;

/// The head of a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RequestHead {
    /// `POST` in `POST /call HTTP/1.1`.
    pub method: Method,
    /// HTTP/1.0 or HTTP/1.1.
    pub version: Version,
    /// Where the body ends.
    pub length: Length,
    /// May another request follow on the same connection?
    pub keep_alive: bool,
    /// The headers, as they came.
    pub lines: Lines,
    /// Where the target is in what was read.
    target: Range<usize>,
}

/// Reads requests, one after another, from a buffer that others fill.
///
/// ```
/// use bytes::BytesMut;
/// use hotfn_protocols::http1::{Event, Limits, RequestDecoder};
///
/// let mut requests = RequestDecoder::new(Limits::default());
/// let mut buf = BytesMut::from("POST /call HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi");
/// let Some(Event::Head(head)) = requests.decode(&mut buf)? else { panic!("it is all there") };
/// assert_eq!(head.target(), "/call");
/// assert_eq!(requests.decode(&mut buf)?, Some(Event::Data("hi".into())));
/// assert_eq!(requests.decode(&mut buf)?, Some(Event::End));
/// # Ok::<(), hotfn_protocols::http1::Invalid>(())
/// ```
#[derive(Debug)]
pub struct RequestDecoder {
    limits: Limits,
    scan: HeadScan,
    body: Option<BodyDecoder>,
    /// Room for headers.
    spare: Lines,
}

impl RequestDecoder {
    /// Waits for a first request.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, scan: HeadScan::default(), body: None, spare: Lines::default() }
    }

    /// Takes lines that nobody needs any more: their memory serves the next head.
    pub fn recycle(&mut self, mut lines: Lines) {
        lines.clear();
        self.spare = lines;
    }

    /// The next event; `None` if it takes more bytes than `buf` holds. After [`Event::End`] the
    /// next request's head follows.
    ///
    /// # Errors
    /// When the bytes are not a request. The decoder is of no further use.
    pub fn decode(&mut self, buf: &mut BytesMut) -> Result<Option<Event<RequestHead>>, Invalid> {
        if let Some(body) = &mut self.body {
            let event = body.decode(buf, &self.limits)?;
            if matches!(event, Some(Event::End)) {
                self.body = None;
            }
            return Ok(event);
        }
        let Some(bytes) = self.scan.take(buf, &self.limits, trial)? else { return Ok(None) };
        let head = parse(bytes, &self.limits, &mut self.spare)?;
        self.body = Some(BodyDecoder::new(head.length));
        Ok(Some(Event::Head(head)))
    }

    /// A body's decoder, to try what comes of the bytes that are here.
    pub(super) fn trial(&self) -> Self {
        Self { scan: self.scan.clone(), body: self.body.clone(), ..Self::new(self.limits.clone()) }
    }

    /// What was tried is done.
    pub(super) fn follow(&mut self, trial: Self) {
        (self.scan, self.body) = (trial.scan, trial.body);
    }

    /// The stream ended, and `decode` has nothing more of `buf`. Between two requests that is as it should
    /// be.
    ///
    /// # Errors
    /// When it ended within a request.
    pub fn end(&self, buf: &BytesMut) -> Result<(), Invalid> {
        match &self.body {
            Some(body) => body.end(),
            None if buf.is_empty() => Ok(()),
            None => Err(HeadScan::end(buf, &self.limits, trial)),
        }
    }
}

impl RequestHead {
    /// RFC 9112, section 3.2: a request of HTTP/1.1 names one host, of HTTP/1.0 one at most. For whoever is
    /// called by the world; a function knows whose it is.
    ///
    /// # Errors
    /// [`Invalid::Hosts`]. Two who read different ones of two would not agree on whom the request is for.
    pub fn check_host(&self) -> Result<(), Invalid> {
        match self.lines.hosts() {
            1 => Ok(()),
            0 if self.version == http::Version::HTTP_10 => Ok(()),
            hosts => Err(Invalid::Hosts(hosts)),
        }
    }

    /// `/call` in `POST /call HTTP/1.1`, as it came.
    #[must_use]
    pub fn target(&self) -> &str {
        self.lines.text(self.target.clone())
    }

    /// The same, sharing the memory it came in.
    #[must_use]
    pub fn shared_target(&self) -> Text {
        self.lines.shared_text(self.target.clone())
    }
}

fn trial<'b>(bytes: &'b [u8], room: Room<'_, 'b>) -> Result<(), httparse::Error> {
    httparse::Request::new(&mut []).parse_with_uninit_headers(bytes, room).map(drop)
}

fn parse(bytes: Bytes, limits: &Limits, spare: &mut Lines) -> Result<RequestHead, Invalid> {
    let found = head::with_room(limits, |room| {
        let mut found = httparse::Request::new(&mut []);
        found.parse_with_uninit_headers(&bytes, room).map_err(|e| head::refusal(e, limits))?;
        let (Some(method), Some(target)) = (found.method, found.path) else {
            return Err(Invalid::Head("incomplete request line".to_owned()));
        };
        let method = method.parse().map_err(|_| Invalid::Head(format!("method {method:?}")))?;
        spare.fill(&bytes, found.headers)?;
        Ok((method, head::version(found.version), lines::place(&bytes, target.as_bytes())))
    });
    let (method, version, target) = found?;
    let lines = std::mem::take(spare).of(bytes);
    let length = framing::of_request(version, &lines)?;
    let keep_alive = framing::is_keep_alive(version, &lines);
    Ok(RequestHead { method, version: version.into(), length, keep_alive, lines, target })
}
