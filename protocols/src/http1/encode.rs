//! From a message to bytes, appended to a buffer.
//!
//! Heads are written line by line, straight from where the caller's headers are: no map is built
//! on the way. Names are written the way Fn writes them, each word with a capital: no function
//! should care, and some do.

use std::fmt::Write as _;

use bytes::{BufMut as _, BytesMut};
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::Length;

/// What follows a chunk's data.
pub const CHUNK_END: &[u8] = b"\r\n";

/// What follows the last chunk: the body is whole.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Appends a whole request head. What `headers` say about the body's length is left out in favour
/// of `length`; `target` is written as [`url`] writes it.
pub fn request_head(out: &mut BytesMut, method: &Method, target: &str, headers: &HeaderMap, length: Length) {
    request_line(out, method, target);
    for (name, value) in headers.iter().filter(|(name, _)| !is_length(name)) {
        header(out, name, value);
    }
    // A request cannot last until the stream ends: it would never be answered.
    self::length(out, if length == Length::UntilClose { Length::Chunked } else { length });
    head_end(out);
}

/// Appends a whole answer head. What `headers` say about the body's length is left out in favour
/// of `length`.
pub fn response_head(out: &mut BytesMut, status: StatusCode, headers: &HeaderMap, length: Length) {
    status_line(out, status);
    for (name, value) in headers.iter().filter(|(name, _)| !is_length(name)) {
        header(out, name, value);
    }
    // An answer that has no body by its status must not announce one.
    if !super::framing::is_bodiless(status) {
        self::length(out, length);
    }
    head_end(out);
}

/// Appends `POST /call HTTP/1.1`.
pub fn request_line(out: &mut BytesMut, method: &Method, target: &str) {
    out.extend_from_slice(method.as_str().as_bytes());
    out.put_u8(b' ');
    url(out, target);
    out.extend_from_slice(b" HTTP/1.1\r\n");
}

/// Appends `HTTP/1.1 200 OK`.
pub fn status_line(out: &mut BytesMut, status: StatusCode) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.put_u8(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Appends a header, its name with capitals: `Content-Type: text/plain`.
pub fn header(out: &mut BytesMut, name: &HeaderName, value: &HeaderValue) {
    field(out, "", name.as_str().as_bytes(), value.as_bytes());
}

/// Appends a header as it came, with `prefix` before its name, as it is. The name is written with
/// capitals.
pub fn field(out: &mut BytesMut, prefix: &str, name: &[u8], value: &[u8]) {
    out.reserve(prefix.len() + name.len() + value.len() + 4);
    out.extend_from_slice(prefix.as_bytes());
    let start = out.len();
    out.extend_from_slice(name);
    let mut word_begins = true;
    for byte in &mut out[start..] {
        *byte = if word_begins { byte.to_ascii_uppercase() } else { byte.to_ascii_lowercase() };
        word_begins = *byte == b'-';
    }
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Appends a header, its name as it is. Both must be fit for a header.
pub fn line(out: &mut BytesMut, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
    let (name, value) = (name.as_ref(), value.as_ref());
    debug_assert!(!value.iter().any(|byte| matches!(byte, b'\r' | b'\n')), "a value of ours keeps to its line");
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Appends the header that says where the body ends; none if that is where the stream does.
pub fn length(out: &mut BytesMut, length: Length) {
    match length {
        Length::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        Length::Exact(bytes) => {
            out.extend_from_slice(b"Content-Length: ");
            number(out, bytes);
            out.extend_from_slice(b"\r\n");
        }
        Length::UntilClose => {}
    }
}

/// Appends the blank line after a head.
pub fn head_end(out: &mut BytesMut) {
    out.extend_from_slice(b"\r\n");
}

/// Appends the line before a chunk of so many bytes, which are not 0: that would be the last one.
pub fn chunk_start(out: &mut BytesMut, bytes: usize) {
    debug_assert!(bytes > 0, "an empty chunk ends the body");
    write!(out, "{bytes:x}\r\n").expect("a buffer grows");
}

/// Appends a whole chunk, or nothing if `data` is empty.
pub fn chunk(out: &mut BytesMut, data: &[u8]) {
    if !data.is_empty() {
        chunk_start(out, data.len());
        out.extend_from_slice(data);
        out.extend_from_slice(CHUNK_END);
    }
}

/// Appends a URL, or a part of one, so that it stays one word on its line: what is not a visible
/// ASCII character is escaped.
pub fn url(out: &mut BytesMut, url: &str) {
    for byte in url.bytes() {
        if byte.is_ascii_graphic() {
            out.put_u8(byte);
        } else {
            write!(out, "%{byte:02X}").expect("a buffer grows");
        }
    }
}

/// Appends decimal digits. Every message has such a number, and the formatter of the standard library
/// is made for more.
fn number(out: &mut BytesMut, mut number: u64) {
    let mut digits = [0; u64::MAX.ilog10() as usize + 1];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

fn is_length(name: &HeaderName) -> bool {
    name == CONTENT_LENGTH || name == TRANSFER_ENCODING
}
