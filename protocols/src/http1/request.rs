//! A request, read by a function.

use std::fmt;
use std::ops::Deref;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Version};

use super::body::BodyDecoder;
use super::head::{self, HeadScan, Room};
use super::{Event, Invalid, Length, Limits, framing};

/// The head of a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RequestHead {
    /// `POST` in `POST /call HTTP/1.1`.
    pub method: Method,
    /// `/call` in `POST /call HTTP/1.1`, as it came.
    pub target: Target,
    /// HTTP/1.0 or HTTP/1.1.
    pub version: Version,
    /// The headers, repeated ones repeated, values as slices of what was read.
    pub headers: HeaderMap,
    /// Where the body ends.
    pub length: Length,
    /// May another request follow on the same connection?
    pub keep_alive: bool,
}

/// What a request is about: text, and a slice of what was read.
#[derive(Clone, Eq, PartialEq)]
pub struct Target(Bytes);

/// Reads requests, one after another, from a buffer that others fill.
///
/// ```
/// use bytes::BytesMut;
/// use hotfn_protocols::http1::{Event, Limits, RequestDecoder};
///
/// let mut requests = RequestDecoder::new(Limits::default());
/// let mut buf = BytesMut::from("POST /call HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi");
/// let Some(Event::Head(head)) = requests.decode(&mut buf)? else { panic!("it is all there") };
/// assert_eq!(head.target, "/call");
/// assert_eq!(requests.decode(&mut buf)?, Some(Event::Data("hi".into())));
/// assert_eq!(requests.decode(&mut buf)?, Some(Event::End));
/// # Ok::<(), hotfn_protocols::http1::Invalid>(())
/// ```
#[derive(Clone, Debug)]
pub struct RequestDecoder {
    limits: Limits,
    scan: HeadScan,
    body: Option<BodyDecoder>,
    /// An empty map with room for headers.
    spare: HeaderMap,
}

impl RequestDecoder {
    /// Waits for a first request.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, scan: HeadScan::default(), body: None, spare: HeaderMap::new() }
    }

    /// Takes headers that nobody needs any more: their map's memory serves the next head.
    pub fn recycle(&mut self, mut headers: HeaderMap) {
        headers.clear();
        self.spare = headers;
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
        let head = parse(&bytes, &self.limits, &mut self.spare)?;
        self.body = Some(BodyDecoder::new(head.length));
        Ok(Some(Event::Head(head)))
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

impl Target {
    /// The bytes: a slice of what was read.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl Deref for Target {
    type Target = str;

    fn deref(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a target is made of text")
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl PartialEq<&str> for Target {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}

fn trial<'b>(bytes: &'b [u8], room: Room<'_, 'b>) -> Result<(), httparse::Error> {
    httparse::Request::new(&mut []).parse_with_uninit_headers(bytes, room).map(drop)
}

fn parse(bytes: &Bytes, limits: &Limits, spare: &mut HeaderMap) -> Result<RequestHead, Invalid> {
    head::with_room(limits, |room| {
        let mut lines = httparse::Request::new(&mut []);
        lines.parse_with_uninit_headers(bytes, room).map_err(|e| head::refusal(e, limits))?;
        let (Some(method), Some(target)) = (lines.method, lines.path) else {
            return Err(Invalid::Head("incomplete request line".to_owned()));
        };
        let method = method.parse().map_err(|_| Invalid::Head(format!("method {method:?}")))?;
        head::headers_into(spare, bytes, lines.headers)?;
        let headers = std::mem::take(spare);
        let target = Target(bytes.slice_ref(target.as_bytes()));
        let version = head::version(lines.version);
        let length = framing::of_request(version, &headers)?;
        let keep_alive = framing::is_keep_alive(version, &headers);
        Ok(RequestHead { method, target, version: version.into(), headers, length, keep_alive })
    })
}
