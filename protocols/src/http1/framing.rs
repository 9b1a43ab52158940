//! Where a message's body ends, and whether the connection outlives it.

use http::StatusCode;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};

use super::{Invalid, Lines};

/// Where a message's body ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Length {
    /// Piece by piece; each says how long it is.
    Chunked,
    /// After this many bytes.
    Exact(u64),
    /// With the stream. Only an answer can.
    UntilClose,
}

impl Length {
    /// The length in bytes, where the head told it.
    #[must_use]
    pub fn exact(self) -> Option<u64> {
        match self {
            Self::Exact(bytes) => Some(bytes),
            Self::Chunked | Self::UntilClose => None,
        }
    }
}

/// The minor version of HTTP/1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Version {
    Http10,
    Http11,
}

impl From<Version> for http::Version {
    fn from(version: Version) -> Self {
        match version {
            Version::Http10 => Self::HTTP_10,
            Version::Http11 => Self::HTTP_11,
        }
    }
}

/// RFC 9112, section 6.3, for a request: without a word about it there is no body.
pub(super) fn of_request(version: Version, lines: &Lines) -> Result<Length, Invalid> {
    Ok(announced(version, lines)?.unwrap_or(Length::Exact(0)))
}

/// The same for an answer: without a word about it, all until the end of the stream.
pub(super) fn of_response(
    version: Version,
    lines: &Lines,
    status: StatusCode,
    to_head: bool,
) -> Result<Length, Invalid> {
    // Nonsense is refused even where no body follows: the peer counts it differently than we do.
    let announced = announced(version, lines)?;
    if to_head || is_bodiless(status) {
        return Ok(Length::Exact(0));
    }
    Ok(announced.unwrap_or(Length::UntilClose))
}

/// Has an answer of this status no body, whatever its headers say?
pub(crate) fn is_bodiless(status: StatusCode) -> bool {
    status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// May another message follow on the same connection?
pub(super) fn is_keep_alive(version: Version, lines: &Lines) -> bool {
    let mut keep = version == Version::Http11;
    for token in lines.all(&CONNECTION).flat_map(|value| value.split(|b| *b == b',')) {
        let token = token.trim_ascii();
        if token.eq_ignore_ascii_case(b"close") {
            return false;
        }
        keep |= token.eq_ignore_ascii_case(b"keep-alive");
    }
    keep
}

fn announced(version: Version, lines: &Lines) -> Result<Option<Length>, Invalid> {
    let length = content_length(lines)?;
    let mut codings = lines.all(&TRANSFER_ENCODING);
    let Some(coding) = codings.next() else { return Ok(length.map(Length::Exact)) };
    if length.is_some() {
        return Err(Invalid::TwoLengths);
    }
    if version == Version::Http10 || codings.next().is_some() || !coding.eq_ignore_ascii_case(b"chunked") {
        return Err(Invalid::TransferEncoding);
    }
    Ok(Some(Length::Chunked))
}

/// The same number said twice is a number; two numbers are none.
fn content_length(lines: &Lines) -> Result<Option<u64>, Invalid> {
    let mut length = None;
    for value in lines.all(&CONTENT_LENGTH) {
        let refuse = || Invalid::ContentLength(String::from_utf8_lossy(value).into_owned());
        for number in value.split(|b| *b == b',') {
            let number = decimal(number.trim_ascii()).ok_or_else(refuse)?;
            if length.is_some_and(|length| length != number) {
                return Err(refuse());
            }
            length = Some(number);
        }
    }
    Ok(length)
}

/// Digits and nothing else: the standard library's parser would let a sign pass.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |sum, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}
