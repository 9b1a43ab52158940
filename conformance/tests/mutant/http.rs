//! Requests, as simply as they can be read.

use std::io::{self, BufRead, Write};

use crate::breaks;

/// A whole request. Names are in lower case, but where that is the rule that is broken.
#[derive(Debug, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    pub(crate) chunked: bool,
}

/// Most bytes of a head when that is the rule that is broken.
const SMALL_HEAD_BYTES: usize = 16 << 10;

/// The next one; `None` if the connection ends before it.
pub(crate) fn read(reader: &mut impl BufRead, writer: &mut impl Write) -> io::Result<Option<Request>> {
    let Some(mut request) = head(reader)? else { return Ok(None) };
    if request.header("expect").is_some() {
        let told: &[u8] = if breaks("no-expect") {
            b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n"
        } else {
            b"HTTP/1.1 100 Continue\r\n\r\n"
        };
        writer.write_all(told)?;
    }
    if breaks("leaves-unread") && request.header("conformance-unread").is_some() {
        return Ok(Some(request));
    }
    request.chunked = request.header("transfer-encoding").is_some();
    if request.chunked {
        while let size @ 1.. = chunk_size(reader)? {
            let at = request.body.len();
            request.body.resize(at + size, 0);
            reader.read_exact(&mut request.body[at..])?;
            line(reader)?;
        }
        line(reader)?;
    } else if let Some(length) = request.header("content-length").and_then(|length| length.parse().ok()) {
        request.body.resize(length, 0);
        reader.read_exact(&mut request.body)?;
    }
    Ok(Some(request))
}

fn head(reader: &mut impl BufRead) -> io::Result<Option<Request>> {
    if reader.fill_buf()?.is_empty() {
        return Ok(None);
    }
    let first = String::from_utf8_lossy(&line(reader)?).into_owned();
    let mut words = first.split(' ').map(str::to_owned);
    let (Some(method), Some(path), Some("HTTP/1.1")) = (words.next(), words.next(), words.next().as_deref()) else {
        return Err(io::Error::other(first));
    };
    let mut request = Request { method, path, ..Request::default() };
    let mut bytes = 0;
    loop {
        let line = line(reader)?;
        bytes += line.len();
        if line.is_empty() {
            return Ok(Some(request));
        }
        if breaks("small-head") && bytes > SMALL_HEAD_BYTES {
            return Err(io::Error::other("head is too large"));
        }
        if breaks("dies-of-latin") && !line.is_ascii() {
            crate::die();
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return Err(io::Error::other("no colon")) };
        let name = String::from_utf8_lossy(&line[..colon]).into_owned();
        let name = if breaks("cased-prefix") { name } else { name.to_ascii_lowercase() };
        request.headers.push((name, line[colon + 1..].trim_ascii().to_vec()));
    }
}

fn chunk_size(reader: &mut impl BufRead) -> io::Result<usize> {
    let line = String::from_utf8_lossy(&line(reader)?).into_owned();
    usize::from_str_radix(line.trim(), 16).map_err(io::Error::other)
}

/// The next line without its end. A connection that ends within it is an error.
fn line(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line)?;
    if line.pop() != Some(b'\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    line.pop_if(|last| *last == b'\r');
    Ok(line)
}

impl Request {
    /// The first value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let named = self.headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name));
        named.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    }
}
