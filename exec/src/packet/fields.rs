//! Fields: tag, length, value.

use super::Invalid;

/// Bytes before a field's value.
pub(super) const HEAD_BYTES: usize = 6;
/// A reader that does not know a tag with this bit must not go on.
const ESSENTIAL: u16 = 0x8000;

/// Writes fields, one after another.
#[derive(Debug, Default)]
pub(super) struct Writer {
    pub(super) bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn put(&mut self, tag: u16, value: &[u8]) {
        self.parts(tag, &[value]);
    }

    /// One field whose value is in parts.
    pub(super) fn parts(&mut self, tag: u16, parts: &[&[u8]]) {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let length = u32::try_from(length).expect("no field is 4 GiB long: a request is far smaller");
        self.bytes.extend_from_slice(&tag.to_le_bytes());
        self.bytes.extend_from_slice(&length.to_le_bytes());
        parts.iter().for_each(|part| self.bytes.extend_from_slice(part));
    }
}

/// The fields of a body, in order.
pub(super) struct Fields<'b> {
    rest: &'b [u8],
}

impl<'b> Fields<'b> {
    pub(super) fn of(body: &'b [u8]) -> Self {
        Self { rest: body }
    }
}

impl<'b> Iterator for Fields<'b> {
    type Item = Result<(u16, &'b [u8]), Invalid>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let split = self.rest.split_first_chunk::<HEAD_BYTES>().and_then(|(head, rest)| {
            let [t0, t1, l0, l1, l2, l3] = *head;
            let length = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).ok()?;
            Some((u16::from_le_bytes([t0, t1]), rest.split_at_checked(length)?))
        });
        let Some((tag, (value, rest))) = split else {
            self.rest = &[];
            return Some(Err(Invalid::Malformed("a field is longer than what is left of its message")));
        };
        self.rest = rest;
        Some(Ok((tag, value)))
    }
}

/// What to do with a field that nobody here knows.
pub(super) fn unknown(tag: u16) -> Result<(), Invalid> {
    if tag & ESSENTIAL == 0 { Ok(()) } else { Err(Invalid::Malformed("it has a field that must be known and is not")) }
}

/// Numbers, least significant byte first; each takes exactly what it is long.
pub(super) struct Numbers<'v>(pub(super) &'v [u8]);

impl Numbers<'_> {
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Invalid> {
        let (head, rest) = self.0.split_first_chunk().ok_or(Invalid::Malformed("a number is cut short"))?;
        self.0 = rest;
        Ok(*head)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Invalid> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Invalid> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Invalid> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn i32(&mut self) -> Result<i32, Invalid> {
        self.array().map(i32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Invalid> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn end(&self) -> Result<(), Invalid> {
        if self.0.is_empty() { Ok(()) } else { Err(Invalid::Malformed("a field is longer than its kind")) }
    }
}
