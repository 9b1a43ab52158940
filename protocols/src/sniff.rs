//! Guesses what bytes are from how they begin.
//!
//! A function that says nothing of its answer's type is helped out, as a Go server helps its
//! handlers: the first [512](BYTES_LOOKED_AT) bytes are held against a list of signatures, that of the living standard
//! on MIME sniffing. The first that fits wins; what fits none is text, unless a byte in it never
//! occurs in text.
//!
//! There is no guess about JSON, about scripts or about styles: those have no signature, and to
//! take text for one of them would be to run what was not meant to run.

/// How many bytes are looked at.
pub const BYTES_LOOKED_AT: usize = 512;

/// The type of content that begins with `bytes`; always one that can be a header's value.
#[must_use]
pub fn content_type(bytes: &[u8]) -> &'static str {
    let bytes = &bytes[..bytes.len().min(BYTES_LOOKED_AT)];
    let text = bytes.trim_ascii_start();
    if is_html(text) {
        return "text/html; charset=utf-8";
    }
    if text.starts_with(b"<?xml") {
        return "text/xml; charset=utf-8";
    }
    if let Some((_, found)) = PREFIXES.iter().find(|(prefix, _)| bytes.starts_with(prefix)) {
        return found;
    }
    if let Some(found) = boxed(bytes) {
        return found;
    }
    if text.iter().any(|b| is_binary(*b)) { "application/octet-stream" } else { "text/plain; charset=utf-8" }
}

/// Signatures that are the very first bytes.
const PREFIXES: &[(&[u8], &str)] = &[
    (b"%PDF-", "application/pdf"),
    (b"%!PS-Adobe-", "application/postscript"),
    (b"\xfe\xff", "text/plain; charset=utf-16be"),
    (b"\xff\xfe", "text/plain; charset=utf-16le"),
    (b"\xef\xbb\xbf", "text/plain; charset=utf-8"),
    (b"\0\0\x01\0", "image/x-icon"),
    (b"\0\0\x02\0", "image/x-icon"),
    (b"BM", "image/bmp"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"ID3", "audio/mpeg"),
    (b"OggS\0", "application/ogg"),
    (b"MThd\0\0\0\x06", "audio/midi"),
    (b"\x1a\x45\xdf\xa3", "video/webm"),
    (b"\0\x01\0\0", "font/ttf"),
    (b"OTTO", "font/otf"),
    (b"ttcf", "font/collection"),
    (b"wOFF", "font/woff"),
    (b"wOF2", "font/woff2"),
    (b"\x1f\x8b\x08", "application/x-gzip"),
    (b"PK\x03\x04", "application/zip"),
    (b"Rar!\x1a\x07\0", "application/x-rar-compressed"),
    (b"Rar!\x1a\x07\x01\0", "application/x-rar-compressed"),
    (b"\0asm", "application/wasm"),
];

/// Containers that say what they hold a few bytes in.
fn boxed(bytes: &[u8]) -> Option<&'static str> {
    let (head, kind) = (bytes.first_chunk::<4>()?, bytes.get(8..)?);
    match head {
        b"FORM" if kind.starts_with(b"AIFF") => Some("audio/aiff"),
        b"RIFF" if kind.starts_with(b"AVI ") => Some("video/avi"),
        b"RIFF" if kind.starts_with(b"WAVE") => Some("audio/wave"),
        b"RIFF" if kind.starts_with(b"WEBPVP") => Some("image/webp"),
        _ if is_mp4(bytes, u32::from_be_bytes(*head)) => Some("video/mp4"),
        _ => None,
    }
}

/// An `ftyp` box of `length` bytes, all here, that names a brand beginning with `mp4`. The word
/// after the major brand is its version and no brand.
fn is_mp4(bytes: &[u8], length: u32) -> bool {
    let Some(ftyp) = usize::try_from(length).ok().and_then(|length| bytes.get(4..length)) else { return false };
    length.is_multiple_of(4)
        && ftyp.starts_with(b"ftyp")
        && ftyp[4..].chunks_exact(4).enumerate().any(|(at, brand)| at != 1 && brand.starts_with(b"mp4"))
}

/// How a page may begin. The tag must end there, with a space or with its bracket.
const TAGS: &[&[u8]] = &[
    b"<!DOCTYPE HTML",
    b"<HTML",
    b"<HEAD",
    b"<SCRIPT",
    b"<IFRAME",
    b"<H1",
    b"<DIV",
    b"<FONT",
    b"<TABLE",
    b"<A",
    b"<STYLE",
    b"<TITLE",
    b"<B",
    b"<BODY",
    b"<BR",
    b"<P",
    b"<!--",
];

fn is_html(text: &[u8]) -> bool {
    TAGS.iter().any(|tag| {
        text.split_at_checked(tag.len())
            .is_some_and(|(head, rest)| head.eq_ignore_ascii_case(tag) && matches!(rest.first(), Some(b' ' | b'>')))
    })
}

/// Control bytes that no text has. Tab, line ends, form feed and escape are not among them.
fn is_binary(byte: u8) -> bool {
    matches!(byte, 0..=8 | 0x0b | 0x0e..=0x1a | 0x1c..=0x1f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_cases() {
        let check = |bytes: &[u8], expected: &str| {
            assert_eq!(content_type(bytes), expected, "{}", bytes.escape_ascii());
        };
        check(b"", "text/plain; charset=utf-8");
        check(b"hi\n", "text/plain; charset=utf-8");
        check("schöne Grüße".as_bytes(), "text/plain; charset=utf-8");
        check(b"{\"a\":1}", "text/plain; charset=utf-8");
        check(b"\x1b[1mbold", "text/plain; charset=utf-8");
        check(b"\x01\x02\x03", "application/octet-stream");
        check(b"text, then \0", "application/octet-stream");

        check(b" \n<!doctype html>", "text/html; charset=utf-8");
        check(b"<HtMl lang=en>", "text/html; charset=utf-8");
        check(b"<a href=x>", "text/html; charset=utf-8");
        check(b"<!-- x", "text/html; charset=utf-8");
        check(b"<article>", "text/plain; charset=utf-8");
        check(b"<html", "text/plain; charset=utf-8");
        check(b"\t<?xml version=\"1.0\"?>", "text/xml; charset=utf-8");

        check(b"%PDF-1.7", "application/pdf");
        check(b"%!PS-Adobe-3.0", "application/postscript");
        check(b"\xfe\xff\0h", "text/plain; charset=utf-16be");
        check(b"\xff\xfeh\0", "text/plain; charset=utf-16le");
        check(b"\xef\xbb\xbf\x01", "text/plain; charset=utf-8");
        check(b"\x89PNG\r\n\x1a\n\0\0", "image/png");
        check(b"\xff\xd8\xff\xe0", "image/jpeg");
        check(b"GIF89a", "image/gif");
        check(b"BM\0\0", "image/bmp");
        check(b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp");
        check(b"RIFF\x10\0\0\0WAVEfmt ", "audio/wave");
        check(b"RIFF\x10\0\0\0????", "application/octet-stream");
        check(b"PK\x03\x04\x14", "application/zip");
        check(b"\x1f\x8b\x08\0", "application/x-gzip");
        check(b"\0asm\x01\0\0\0", "application/wasm");
        check(b"\0\0\0\x18ftypisom\0\0\0\0mp42isom", "video/mp4");
        check(b"\0\0\0\x14ftypisom\0\0\0\0qt  ", "application/octet-stream");
        check(b"\0\0\0\x0cftypmp42", "video/mp4");
        check(b"\0\0\0\x04", "application/octet-stream");
        check(b"\0\0\0\x02aaaaaaaaaaaa", "application/octet-stream");
    }

    #[test]
    fn only_the_beginning_counts() {
        let mut bytes = vec![b'a'; BYTES_LOOKED_AT];
        bytes.push(0);
        assert_eq!(content_type(&bytes), "text/plain; charset=utf-8");
        bytes[BYTES_LOOKED_AT - 1] = 0;
        assert_eq!(content_type(&bytes), "application/octet-stream");
    }
}
