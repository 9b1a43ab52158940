//! A layer becomes a directory, whatever its maker had in mind.
//!
//! A layer is a tar archive, often compressed, from a stranger, unpacked with the node's rights. It
//! may name paths outside, go out through links, expand without end, bring devices. So nothing
//! here works with path names of the whole system: the [`tree`] holds a descriptor of the root, and
//! the kernel resolves every path beneath that (`openat2`). What counts is counted in a [`Budget`].
//!
//! | a layer's | becomes |
//! |---|---|
//! | absolute path | the same path in the root, as for Docker |
//! | path with `..` | a refusal of the whole layer |
//! | path through a link of the image's own | a path in the root, wherever the link points |
//! | hard link | one, to a file or a link that is in the root; else a refusal |
//! | device, fifo | nothing: a container's `/dev` is its runtime's affair |
//! | setuid and setgid bits, capabilities and all other extended attributes | nothing: containers gain no privileges |
//! | owner | kept where we may give files away, else all is ours |
//! | mode | kept; where we are not root, directories stay open to us |
//! | time | kept, of files and links |
//! | `.wh.NAME`, `.wh..wh..opq` | as the [`Style`] says |
//! | sparse file, unknown kind of member | a refusal: Docker makes none |
//!
//! It is done in three steps, a module each: bytes are decompressed and counted ([`decode`]), cut
//! into members ([`members`]), and put into the [`tree`].

mod budget;
mod decode;
mod error;
mod members;
mod tree;

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::Path;

pub(crate) use budget::Budget;
pub(crate) use error::UnpackError;
pub(crate) use tree::Ownership;

use crate::{Digest, Limits, Overlay};
use decode::Decoded;
use members::{Kind, Member, Members};
use tree::Tree;

/// What becomes of the marks by which a layer takes away what layers below it brought.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Style {
    /// The layer lies on others in the same directory: its marks are done, its files go in.
    Flat,
    /// The layer has a directory of its own: marks become those that overlayfs knows.
    Overlay(Overlay),
    /// The archive is no layer, and such names are names.
    Plain,
}

/// How an archive is to be unpacked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unpack<'a> {
    pub(crate) limits: &'a Limits,
    pub(crate) ownership: Ownership,
    pub(crate) style: Style,
}

impl Unpack<'_> {
    /// Unpacks `blob` into the directory `root`, spending `budget`, and answers with the digest of
    /// what `blob` decompresses to: the layer's diff id. The caller compares.
    ///
    /// What it leaves behind when it fails counts for nothing.
    pub(crate) fn run(self, blob: &Path, root: &Path, budget: &mut Budget) -> Result<Digest, UnpackError> {
        let root = open_root(root)?;
        if self.style == Style::Flat {
            // Marks speak of the layers below, wherever in the archive they stand: so they come first.
            self.pass(blob, &root, &mut budget.clone(), Pass::Hide)?;
        }
        self.pass(blob, &root, budget, Pass::Fill)
    }

    fn pass(self, blob: &Path, root: &OwnedFd, budget: &mut Budget, pass: Pass) -> Result<Digest, UnpackError> {
        let what = || format!("cannot read {}", blob.display());
        let file = File::open(blob).map_err(|e| UnpackError::os(what(), e))?;
        let length = file.metadata().map_err(|e| UnpackError::os(what(), e))?.len();
        let mut decoded = Decoded::new(file, budget.expansion(length, self.limits))?;
        let tree = Tree::new(root, self.style, self.ownership, self.limits);
        let done = self.fill(&mut decoded, tree, budget, pass);
        // Over a bound, all a reader can say is that it failed; why, it has noted.
        let exceeded = decoded.exceeded();
        budget.spend_bytes(decoded.count());
        match (exceeded, done) {
            (Some(bound), _) => Err(UnpackError::Bound(bound)),
            (None, Err(e)) => Err(e),
            (None, Ok(())) => Ok(decoded.digest()),
        }
    }

    fn fill(
        self,
        decoded: &mut Decoded,
        mut tree: Tree<'_>,
        budget: &mut Budget,
        pass: Pass,
    ) -> Result<(), UnpackError> {
        let mut archive = tar::Archive::new(&mut *decoded);
        let mut members = Members::new(&mut archive, self.limits)?;
        while let Some(mut member) = members.next(budget)? {
            let hides = self.style != Style::Plain && tree::hides(&member.path);
            match pass {
                Pass::Hide if hides => tree.hide(&member.path)?,
                Pass::Fill if hides && self.style == Style::Flat => {}
                Pass::Fill if hides => tree.hide(&member.path)?,
                Pass::Fill => self.put(&mut tree, &mut member)?,
                Pass::Hide => {}
            }
            // A path of a hundred names is one member and a hundred directories.
            budget.spend(0, tree.implied())?;
        }
        // The digest is of all bytes, also of those after the archive's end.
        io::copy(decoded, &mut io::sink()).map_err(UnpackError::Archive)?;
        Ok(())
    }

    fn put<R: Read>(self, tree: &mut Tree<'_>, member: &mut Member<'_, R>) -> Result<(), UnpackError> {
        match member.kind {
            Kind::Directory => tree.directory(&member.path, &member.attributes),
            Kind::File if member.size > self.limits.file_bytes_max => Err(UnpackError::Bound("file_bytes_max")),
            Kind::File => {
                let (path, size, attributes) = (&member.path, member.size, &member.attributes);
                tree.file(path, &mut member.body, size, attributes)
            }
            Kind::HardLink => tree.hard_link(&member.path, &member.link),
            Kind::Special => Ok(()),
            Kind::Symlink => tree.symlink(&member.path, &member.link, &member.attributes),
        }
    }
}

/// What of a layer is looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Pass {
    Fill,
    Hide,
}

fn open_root(root: &Path) -> Result<OwnedFd, UnpackError> {
    use rustix::fs::{Mode, OFlags, open};
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    open(root, flags, Mode::empty()).map_err(|e| UnpackError::os(format!("cannot open {}", root.display()), e))
}

#[cfg(test)]
mod tests;
