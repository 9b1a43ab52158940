//! An archive's members, each with its whole name.
//!
//! A member's header has 100 bytes for a name; longer ones, and times and owners that do not fit,
//! come in members of their own before it. The crate `tar` would put those together for us, and
//! would read a name of any length into memory to do so. So it gives us raw members, and the
//! putting together is done here, with bounds.

use std::io::{self, Read};

use tar::{Archive, EntryType, PaxExtensions};

use super::{Budget, UnpackError};
use crate::Limits;

/// Most bytes of extensions that one member may have: names, and extended attributes that we skip.
const EXTENSION_BYTES_MAX: u64 = 1 << 20;

/// The members of an archive.
pub(super) struct Members<'a, R: Read> {
    entries: tar::Entries<'a, R>,
    limits: &'a Limits,
}

/// One member.
pub(super) struct Member<'a, R: Read> {
    pub(super) path: Vec<u8>,
    pub(super) kind: Kind,
    pub(super) link: Vec<u8>,
    pub(super) size: u64,
    pub(super) attributes: Attributes,
    pub(super) body: tar::Entry<'a, R>,
}

/// What a member is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Directory,
    File,
    HardLink,
    /// A device or a fifo.
    Special,
    Symlink,
}

/// What a member says of itself besides its name and its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attributes {
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// In seconds since 1970.
    pub(super) mtime: u64,
}

/// What the members before one said of it.
#[derive(Default)]
struct Extensions {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u64>,
    gid: Option<u64>,
    mtime: Option<u64>,
}

impl<'a, R: Read> Members<'a, R> {
    pub(super) fn new(archive: &'a mut Archive<R>, limits: &'a Limits) -> Result<Self, UnpackError> {
        Ok(Self { entries: archive.entries().map_err(UnpackError::Archive)?.raw(true), limits })
    }

    /// The next member, paid for.
    pub(super) fn next(&mut self, budget: &mut Budget) -> Result<Option<Member<'a, R>>, UnpackError> {
        let mut extensions = Extensions::default();
        loop {
            let Some(entry) = self.entries.next() else { return Ok(None) };
            let mut entry = entry.map_err(UnpackError::Archive)?;
            budget.spend_entry()?;
            match entry.header().entry_type() {
                EntryType::GNULongName => extensions.path = Some(self.name(&mut entry)?),
                EntryType::GNULongLink => extensions.link = Some(self.name(&mut entry)?),
                EntryType::XHeader => extensions.read(&bounded(&mut entry, EXTENSION_BYTES_MAX, "an extension")?)?,
                // Of the whole archive: a comment, as a rule.
                EntryType::XGlobalHeader => {}
                _ => return self.member(entry, extensions).map(Some),
            }
        }
    }

    fn name(&self, entry: &mut tar::Entry<'_, R>) -> Result<Vec<u8>, UnpackError> {
        let mut name = bounded(entry, self.limits.path_bytes_max as u64 + 1, "path_bytes_max")?;
        // It ends with a NUL, which is no part of it.
        name.truncate(name.iter().position(|byte| *byte == 0).unwrap_or(name.len()));
        Ok(name)
    }

    fn member(&self, body: tar::Entry<'a, R>, extensions: Extensions) -> Result<Member<'a, R>, UnpackError> {
        let header = body.header();
        let path = extensions.path.unwrap_or_else(|| header.path_bytes().into_owned());
        let link = extensions.link.or_else(|| header.link_name_bytes().map(Into::into)).unwrap_or_default();
        if path.len() > self.limits.path_bytes_max || link.len() > self.limits.path_bytes_max {
            return Err(UnpackError::Bound("path_bytes_max"));
        }
        let kind = match header.entry_type() {
            // An old archive marks a directory by a slash alone.
            EntryType::Regular if path.ends_with(b"/") => Kind::Directory,
            EntryType::Regular | EntryType::Continuous => Kind::File,
            EntryType::Directory => Kind::Directory,
            EntryType::Link => Kind::HardLink,
            EntryType::Symlink => Kind::Symlink,
            EntryType::Block | EntryType::Char | EntryType::Fifo => Kind::Special,
            EntryType::GNUSparse => return Err(UnpackError::member(&path, "is a sparse file")),
            _ => return Err(UnpackError::member(&path, "is of a kind that nobody knows")),
        };
        let size = header.entry_size().map_err(UnpackError::Archive)?;
        if extensions.size.is_some_and(|other| other != size) {
            return Err(UnpackError::member(&path, "is larger than 8 GB, for which a header has no room"));
        }
        let id = |extension: Option<u64>, header: io::Result<u64>, field: &[u8]| {
            let is_blank = field.iter().all(|byte| matches!(byte, 0 | b' '));
            let header = if is_blank { Ok(0) } else { header };
            let id = extension.map_or(header, Ok).map_err(UnpackError::Archive)?;
            u32::try_from(id).map_err(|_| UnpackError::member(&path, "has an owner that no system knows"))
        };
        let attributes = Attributes {
            mode: header.mode().map_err(UnpackError::Archive)?,
            uid: id(extensions.uid, header.uid(), &header.as_old().uid)?,
            gid: id(extensions.gid, header.gid(), &header.as_old().gid)?,
            mtime: extensions.mtime.map_or_else(|| header.mtime(), Ok).map_err(UnpackError::Archive)?,
        };
        Ok(Member { path, kind, link, size, attributes, body })
    }
}

impl Extensions {
    /// Takes over what a list of `length key=value` lines says.
    fn read(&mut self, list: &[u8]) -> Result<(), UnpackError> {
        for line in PaxExtensions::new(list) {
            let line = line.map_err(UnpackError::Archive)?;
            let (key, value) = (line.key_bytes(), line.value_bytes());
            match key {
                b"path" => self.path = Some(value.to_vec()),
                b"linkpath" => self.link = Some(value.to_vec()),
                b"size" => self.size = Some(number(key, value)?),
                b"uid" => self.uid = Some(number(key, value)?),
                b"gid" => self.gid = Some(number(key, value)?),
                // Before 1970 is no time that anybody needs of a file.
                b"mtime" => self.mtime = Some(number(key, value).unwrap_or(0)),
                _ if key.starts_with(b"GNU.sparse.") => return Err(UnpackError::member(key, "is of a sparse file")),
                _ => {}
            }
        }
        Ok(())
    }
}

/// A number in decimal digits, of which a fraction is left out.
fn number(key: &[u8], value: &[u8]) -> Result<u64, UnpackError> {
    let whole = value.split(|byte| *byte == b'.').next().unwrap_or_default();
    let number = std::str::from_utf8(whole).ok().and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| UnpackError::member(key, "is an extension and no number"))
}

fn bounded(entry: &mut impl Read, most: u64, bound: &'static str) -> Result<Vec<u8>, UnpackError> {
    let mut bytes = Vec::new();
    entry.take(most + 1).read_to_end(&mut bytes).map_err(UnpackError::Archive)?;
    if bytes.len() as u64 > most { Err(UnpackError::Bound(bound)) } else { Ok(bytes) }
}
