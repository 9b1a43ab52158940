//! A call as an agent sends it, and as it should not.

use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::function::orders::orders;

/// How long a call has, where its case is not about that.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of a chunk.
const CHUNK_BYTES: usize = 8 << 10;

/// One request. By default: `POST /call` with what an agent always sends, and no body.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    method: &'static str,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    framing: Framing,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Framing {
    Chunked,
    Fixed,
}

impl Request {
    pub(crate) fn new(method: &'static str, path: &str) -> Self {
        Self::plain(method, path, "localhost")
            .header("Accept-Encoding", "gzip")
            .header("Fn-Call-Id", CALL_ID)
            .header("Fn-Deadline", rfc3339(SystemTime::now() + TIMEOUT))
    }

    /// A request as a client of a server sends it.
    pub(crate) fn plain(method: &'static str, path: &str, host: &str) -> Self {
        let request =
            Self { method, path: path.to_owned(), headers: Vec::new(), body: Vec::new(), framing: Framing::Fixed };
        request.header("Host", host).header("User-Agent", "hotfn-conformance")
    }

    pub(crate) fn call() -> Self {
        Self::new("POST", "/call")
    }

    /// A call that asks for its body back.
    pub(crate) fn echo(body: impl Into<Vec<u8>>) -> Self {
        Self::call().header("Content-Type", "application/octet-stream").body(body)
    }

    /// A call with orders.
    pub(crate) fn orders(lines: &[&str]) -> Self {
        Self::call().header("Content-Type", "text/plain").body(orders(lines))
    }

    /// The same as a trigger sends it.
    pub(crate) fn gateway(self, method: &str, url: &str) -> Self {
        self.header("Fn-Intent", "httprequest").header("Fn-Http-Method", method).header("Fn-Http-Request-Url", url)
    }

    /// One more header.
    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Without a header.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(given, _)| !given.eq_ignore_ascii_case(name));
        self
    }

    /// With another value of a header.
    pub(crate) fn with(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.without(name).header(name, value)
    }

    /// With a body of known length.
    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// With its body in chunks.
    pub(crate) fn chunked(mut self) -> Self {
        self.framing = Framing::Chunked;
        self
    }

    pub(crate) fn head(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path).into_bytes();
        for (name, value) in &self.headers {
            head.extend_from_slice(name.as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value);
            head.extend_from_slice(b"\r\n");
        }
        let framing = match self.framing {
            Framing::Chunked => "Transfer-Encoding: chunked\r\n\r\n".to_owned(),
            Framing::Fixed => format!("Content-Length: {}\r\n\r\n", self.body.len()),
        };
        head.extend_from_slice(framing.as_bytes());
        head
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head();
        match self.framing {
            Framing::Fixed => bytes.extend_from_slice(&self.body),
            Framing::Chunked => {
                for chunk in self.body.chunks(CHUNK_BYTES) {
                    bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    bytes.extend_from_slice(chunk);
                    bytes.extend_from_slice(b"\r\n");
                }
                bytes.extend_from_slice(b"0\r\n\r\n");
            }
        }
        bytes
    }
}

/// The id of calls whose case does not care.
const CALL_ID: &str = "01CONFORMANCECALL000000000";

/// A moment as a deadline is written: whole seconds, in UTC.
pub(crate) fn rfc3339(moment: SystemTime) -> String {
    let moment = OffsetDateTime::from(moment);
    let moment = moment.replace_nanosecond(0).expect("0 is a nanosecond");
    moment.format(&Rfc3339).expect("the years of our clocks have four digits")
}
