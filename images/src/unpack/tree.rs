//! The directory that a layer becomes, reached by descriptors only.
//!
//! A path of an archive is first taken apart: `..` is refused, and what is left is names. The
//! directory that holds the last name is found by the kernel, beneath the root's descriptor:
//! without links as a rule, and where the archive brought a link on the way, with the root as the
//! top of the world for it. The last name itself is made new, never written through: what was there
//! is taken away first.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, Dir, FileType, Gid, Mode, OFlags, ResolveFlags, Stat, Timespec, Timestamps, Uid, chownat, fchmod, fchown,
    futimens, linkat, mkdirat, openat, openat2, statat, symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;

use super::members::Attributes;
use super::{Style, UnpackError};
use crate::{Limits, overlay};

/// Whose the files are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ownership {
    /// Whose the archive says: only root can give files away.
    Kept,
    /// Ours.
    Ours,
}

impl Ownership {
    /// What this process can do: root can give files away to everybody, unless it is root of a
    /// user namespace that knows but some.
    pub(crate) fn here() -> Self {
        let is_root = rustix::process::geteuid().is_root();
        let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        let mut words = map.split_whitespace();
        let knows_all = words.by_ref().take(3).eq(["0", "0", "4294967295"]) && words.next().is_none();
        if is_root && knows_all { Self::Kept } else { Self::Ours }
    }
}

/// A directory that is being filled.
pub(super) struct Tree<'a> {
    root: &'a OwnedFd,
    style: Style,
    ownership: Ownership,
    limits: &'a Limits,
    /// The directory that was asked for last, for what comes next is in it as a rule. Forgotten
    /// whenever something is taken away.
    last: Option<(Vec<u8>, OwnedFd)>,
    /// Directories that were made since this was last asked, though no member described them.
    implied: u64,
    buffer: Vec<u8>,
}

/// How much of a file is written at once.
const BUFFER_BYTES: usize = 64 << 10;
/// Longest name of a file that Linux takes.
const NAME_BYTES_MAX: usize = 255;
/// What an archive may say of a mode. The set-id bits are not among it: no container gains rights.
const MODE_BITS: u32 = 0o1777;
/// A directory that nobody described.
const MODE_UNSAID: Mode = Mode::from_raw_mode(0o755);
/// How often the kernel is asked again when something on the host was renamed while it looked.
const RESOLVE_ATTEMPTS: usize = 64;

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Notes of a file system long gone, of no use to anybody.
const AUFS: &[u8] = b".wh..wh.";

/// Does a member of this path take something away, rather than bring it?
pub(super) fn hides(path: &[u8]) -> bool {
    path.rsplit(|byte| *byte == b'/').find(|name| !name.is_empty()).is_some_and(|name| name.starts_with(WHITEOUT))
}

impl<'a> Tree<'a> {
    pub(super) fn new(root: &'a OwnedFd, style: Style, ownership: Ownership, limits: &'a Limits) -> Self {
        Self { root, style, ownership, limits, last: None, implied: 0, buffer: vec![0; BUFFER_BYTES] }
    }

    /// How many directories were made since the last time because something was to go into them.
    pub(super) fn implied(&mut self) -> u64 {
        std::mem::take(&mut self.implied)
    }

    /// A directory, new or as it is there.
    pub(super) fn directory(&mut self, path: &[u8], attributes: &Attributes) -> Result<(), UnpackError> {
        let names = self.names(path)?;
        let Some((name, parents)) = names.split_last() else {
            return self.describe(self.root.as_fd(), attributes, true);
        };
        let parent = self.parent(parents)?;
        let mut hidden = false;
        match mkdirat(&parent, *name, MODE_UNSAID) {
            Err(Errno::EXIST) => {
                let there = found(&parent, name)?;
                if there.as_ref().is_none_or(|there| !is_directory(there)) {
                    // The layer said before that what is below is gone; now it brings its own.
                    hidden = there.as_ref().is_some_and(|there| self.is_whiteout(there));
                    self.clear(&parent, name)?;
                    mkdirat(&parent, *name, MODE_UNSAID).map_err(os("make", path))?;
                }
            }
            other => other.map_err(os("make", path))?,
        }
        let made = open_directory(&parent, name).map_err(os("open", path))?;
        if let (true, Style::Overlay(overlay)) = (hidden, self.style) {
            overlay.make_opaque(&made).map_err(os("mark", path))?;
        }
        self.describe(made.as_fd(), attributes, true)
    }

    /// A file of `size` bytes.
    pub(super) fn file(
        &mut self,
        path: &[u8],
        body: &mut impl Read,
        size: u64,
        attributes: &Attributes,
    ) -> Result<(), UnpackError> {
        let (parent, name) = self.place(path)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = self.make(&parent, &name, path, || openat(&parent, &*name, flags, Mode::RUSR | Mode::WUSR))?;
        let mut file = File::from(made);
        self.copy(body, size, &mut file, path)?;
        self.describe(file.as_fd(), attributes, false)?;
        futimens(&file, &times(attributes)).map_err(os("date", path))
    }

    /// A symbolic link. Where it leads is the container's affair: nothing here follows it out.
    pub(super) fn symlink(&mut self, path: &[u8], target: &[u8], attributes: &Attributes) -> Result<(), UnpackError> {
        if target.is_empty() || target.contains(&0) {
            return Err(UnpackError::member(path, "is a link to nothing"));
        }
        let (parent, name) = self.place(path)?;
        self.make(&parent, &name, path, || symlinkat(target, &parent, &*name))?;
        if self.ownership == Ownership::Kept {
            let (uid, gid) = owner(attributes);
            chownat(&parent, &*name, uid, gid, AtFlags::SYMLINK_NOFOLLOW).map_err(os("give away", path))?;
        }
        utimensat(&parent, &*name, &times(attributes), AtFlags::SYMLINK_NOFOLLOW).map_err(os("date", path))
    }

    /// One more name for a file that is there.
    pub(super) fn hard_link(&mut self, path: &[u8], target: &[u8]) -> Result<(), UnpackError> {
        const NOTHING: &str = "is a hard link to what this layer does not have";
        let names = self.names(target)?;
        let (from_name, from_parents) = names.split_last().ok_or_else(|| UnpackError::member(path, NOTHING))?;
        let from = self.resolve(from_parents).map_err(|_| UnpackError::member(path, NOTHING))?;
        let there = found(&from, from_name)?.ok_or_else(|| UnpackError::member(path, NOTHING))?;
        if !matches!(FileType::from_raw_mode(there.st_mode), FileType::RegularFile | FileType::Symlink) {
            return Err(UnpackError::member(path, "is a hard link to something other than a file"));
        }
        let (parent, name) = self.place(path)?;
        if found(&parent, &name)?.is_some_and(|own| (own.st_dev, own.st_ino) == (there.st_dev, there.st_ino)) {
            return Ok(());
        }
        self.make(&parent, &name, path, || linkat(&from, *from_name, &parent, &*name, AtFlags::empty()))
    }

    /// Does what a mark says.
    pub(super) fn hide(&mut self, path: &[u8]) -> Result<(), UnpackError> {
        let names = self.names(path)?;
        let (mark, parents) = names.split_last().expect("a mark has a name, by which it was known");
        let hidden = match *mark {
            OPAQUE => None,
            mark if mark.starts_with(AUFS) => return Ok(()),
            mark => match &mark[WHITEOUT.len()..] {
                b"" | b"." | b".." => return Err(UnpackError::member(path, "takes away what has no name")),
                name => Some(name),
            },
        };
        match (self.style, hidden) {
            (Style::Overlay(overlay), None) => {
                let dir = self.parent(parents)?;
                overlay.make_opaque(&dir).map_err(os("mark", path))
            }
            (Style::Overlay(overlay), Some(name)) => {
                let dir = self.parent(parents)?;
                match overlay::whiteout(&dir, name) {
                    // What the layer itself brought stays, without what is below.
                    Err(Errno::EXIST) if found(&dir, name)?.is_some_and(|there| is_directory(&there)) => {
                        let own = open_directory(&dir, name).map_err(os("open", path))?;
                        overlay.make_opaque(&own).map_err(os("mark", path))
                    }
                    Err(Errno::EXIST) => Ok(()),
                    other => other.map_err(os("mark", path)),
                }
            }
            (Style::Flat | Style::Plain, hidden) => match (self.resolve(parents), hidden) {
                (Err(_), _) => Ok(()),
                (Ok(dir), Some(name)) => self.clear(&dir, name),
                (Ok(dir), None) => self.empty(&dir),
            },
        }
    }

    /// The names that a path consists of.
    fn names<'p>(&self, path: &'p [u8]) -> Result<Vec<&'p [u8]>, UnpackError> {
        let mut names = Vec::new();
        for name in path.split(|byte| *byte == b'/') {
            match name {
                b"" | b"." => {}
                b".." => return Err(UnpackError::member(path, "goes up with \"..\"")),
                _ if name.contains(&0) => return Err(UnpackError::member(path, "has a NUL in its path")),
                _ if name.len() > NAME_BYTES_MAX => {
                    return Err(UnpackError::member(path, "has a name longer than 255 bytes"));
                }
                _ => names.push(name),
            }
        }
        if names.len() > self.limits.depth_max { Err(UnpackError::Bound("depth_max")) } else { Ok(names) }
    }

    /// The directory that is to hold the last of a path's names, and that name.
    fn place(&mut self, path: &[u8]) -> Result<(OwnedFd, Vec<u8>), UnpackError> {
        let names = self.names(path)?;
        let (name, parents) = names.split_last().ok_or_else(|| UnpackError::member(path, "would replace the root"))?;
        Ok((self.parent(parents)?, name.to_vec()))
    }

    /// The directory of these names, made if it is not there.
    fn parent(&mut self, names: &[&[u8]]) -> Result<OwnedFd, UnpackError> {
        let path = names.join(&b'/');
        if let Some((_, dir)) = self.last.as_ref().filter(|(last, _)| *last == path) {
            return dir.try_clone().map_err(|e| UnpackError::os("cannot keep a directory open", e));
        }
        let dir = match self.resolve(names) {
            Err(Errno::NOENT | Errno::NOTDIR) => self.make_parents(names)?,
            other => other.map_err(|e| unreachable(&path, e))?,
        };
        let kept = dir.try_clone().map_err(|e| UnpackError::os("cannot keep a directory open", e))?;
        self.last = Some((path, kept));
        Ok(dir)
    }

    fn make_parents(&mut self, names: &[&[u8]]) -> Result<OwnedFd, UnpackError> {
        let mut dir = self.resolve(&[]).map_err(os("open", b"/"))?;
        for depth in 1..=names.len() {
            let path = names[..depth].join(&b'/');
            let name = names[depth - 1];
            dir = match self.resolve(&names[..depth]) {
                Err(Errno::NOENT) => self.make_parent(&dir, name).map_err(|e| unreachable(&path, e))?,
                Err(Errno::NOTDIR) if found(&dir, name)?.is_some_and(|there| self.is_whiteout(&there)) => {
                    self.clear(&dir, name)?;
                    let made = self.make_parent(&dir, name).map_err(|e| unreachable(&path, e))?;
                    if let Style::Overlay(overlay) = self.style {
                        overlay.make_opaque(&made).map_err(os("mark", &path))?;
                    }
                    made
                }
                other => other.map_err(|e| unreachable(&path, e))?,
            };
        }
        Ok(dir)
    }

    fn make_parent(&mut self, dir: &OwnedFd, name: &[u8]) -> Result<OwnedFd, Errno> {
        mkdirat(dir, name, MODE_UNSAID)?;
        self.implied += 1;
        let made = open_directory(dir, name)?;
        fchmod(&made, MODE_UNSAID)?;
        Ok(made)
    }

    /// The directory of these names, as the kernel finds it beneath the root.
    fn resolve(&self, names: &[&[u8]]) -> Result<OwnedFd, Errno> {
        let path = if names.is_empty() { b".".to_vec() } else { names.join(&b'/') };
        let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        match self.look(&path, beneath | ResolveFlags::NO_SYMLINKS) {
            Err(Errno::LOOP) => {
                let dir = self.look(&path, ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS)?;
                // Links could pile directory on directory beyond what paths may: it would never be
                // cleared again.
                if depth(&dir)? > depth(self.root)? + self.limits.depth_max { Err(Errno::NAMETOOLONG) } else { Ok(dir) }
            }
            other => other,
        }
    }

    fn look(&self, path: &[u8], how: ResolveFlags) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        for _ in 1..RESOLVE_ATTEMPTS {
            match openat2(self.root, path, flags, Mode::empty(), how) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                other => return other,
            }
        }
        openat2(self.root, path, flags, Mode::empty(), how)
    }

    /// Makes something where nothing may be yet; what is there goes.
    fn make<T>(
        &mut self,
        parent: &OwnedFd,
        name: &[u8],
        path: &[u8],
        mut make: impl FnMut() -> Result<T, Errno>,
    ) -> Result<T, UnpackError> {
        match make() {
            Err(Errno::EXIST) => {
                self.clear(parent, name)?;
                make().map_err(os("make", path))
            }
            other => other.map_err(os("make", path)),
        }
    }

    /// Takes away what has this name, if anything has.
    fn clear(&mut self, dir: &OwnedFd, name: &[u8]) -> Result<(), UnpackError> {
        self.last = None;
        remove(dir.as_fd(), name).map_err(os("take away", name))
    }

    fn empty(&mut self, dir: &OwnedFd) -> Result<(), UnpackError> {
        self.last = None;
        remove_all(dir.as_fd()).map_err(os("empty", b"a directory"))
    }

    fn copy(&mut self, body: &mut impl Read, size: u64, file: &mut File, path: &[u8]) -> Result<(), UnpackError> {
        let mut left = size;
        while left > 0 {
            let count = body.read(&mut self.buffer).map_err(UnpackError::Archive)?;
            if count == 0 {
                return Err(UnpackError::member(path, "ends before its size"));
            }
            file.write_all(&self.buffer[..count]).map_err(os("write", path))?;
            left = left.saturating_sub(count as u64);
        }
        Ok(())
    }

    /// Owner first: giving a file away would take bits off its mode.
    fn describe(&self, made: BorrowedFd<'_>, attributes: &Attributes, is_dir: bool) -> Result<(), UnpackError> {
        let mut mode = attributes.mode & MODE_BITS;
        match self.ownership {
            Ownership::Kept => {
                let (uid, gid) = owner(attributes);
                fchown(made, uid, gid).map_err(os("give away", b"a file"))?;
            }
            // Or we could neither fill nor clear it.
            Ownership::Ours if is_dir => mode |= 0o700,
            Ownership::Ours => mode |= 0o400,
        }
        fchmod(made, Mode::from_raw_mode(mode)).map_err(os("set the mode of", b"a file"))
    }

    fn is_whiteout(&self, there: &Stat) -> bool {
        // Devices of an archive are left out: this one is ours.
        matches!(self.style, Style::Overlay(_)) && FileType::from_raw_mode(there.st_mode) == FileType::CharacterDevice
    }
}

fn owner(attributes: &Attributes) -> (Option<Uid>, Option<Gid>) {
    (Some(Uid::from_raw(attributes.uid)), Some(Gid::from_raw(attributes.gid)))
}

fn times(attributes: &Attributes) -> Timestamps {
    let time = Timespec { tv_sec: attributes.mtime.try_into().unwrap_or(0), tv_nsec: 0 };
    Timestamps { last_access: time, last_modification: time }
}

fn found(dir: &OwnedFd, name: &[u8]) -> Result<Option<Stat>, UnpackError> {
    match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(there) => Ok(Some(there)),
        Err(Errno::NOENT) => Ok(None),
        Err(e) => Err(os("look at", name)(e)),
    }
}

fn is_directory(there: &Stat) -> bool {
    FileType::from_raw_mode(there.st_mode) == FileType::Directory
}

fn open_directory(dir: impl AsFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(dir, name, flags, Mode::empty())
}

/// How deep in the host's own tree a directory is.
fn depth(dir: &OwnedFd) -> Result<usize, Errno> {
    use std::os::fd::AsRawFd;
    let path = rustix::fs::readlink(format!("/proc/self/fd/{}", dir.as_raw_fd()), Vec::new())?;
    Ok(path.to_bytes().iter().filter(|byte| **byte == b'/').count())
}

/// Removes `name` with all that is in it. No deeper than the bound on depth, so it may recurse.
fn remove(dir: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
    match unlinkat(dir, name, AtFlags::empty()) {
        Err(Errno::ISDIR) => {
            remove_all(open_directory(dir, name)?.as_fd())?;
            unlinkat(dir, name, AtFlags::REMOVEDIR)
        }
        Err(Errno::NOENT) => Ok(()),
        other => other,
    }
}

fn remove_all(dir: BorrowedFd<'_>) -> Result<(), Errno> {
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            remove(dir, name)?;
        }
    }
    Ok(())
}

/// Why the directory that is to hold a member cannot be had.
fn unreachable(path: &[u8], e: Errno) -> UnpackError {
    match e {
        Errno::NOENT | Errno::EXIST => {
            UnpackError::member(path, "is a link to nothing, and something is to go into it")
        }
        Errno::LOOP => UnpackError::member(path, "is a link that leads nowhere"),
        Errno::NAMETOOLONG => UnpackError::Bound("depth_max"),
        Errno::NOTDIR => UnpackError::member(path, "is no directory, and something is to go into it"),
        e => os("open", path)(e),
    }
}

fn os<'p, E: Into<std::io::Error>>(verb: &'static str, path: &'p [u8]) -> impl FnOnce(E) -> UnpackError + use<'p, E> {
    move |e| UnpackError::os(format!("cannot {verb} {:?} of the image", String::from_utf8_lossy(path)), e)
}
