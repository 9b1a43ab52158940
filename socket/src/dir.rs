//! A directory that somebody else writes to, and the socket in it.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

/// Links from the name to the socket, at most.
pub const LINKS_MAX: usize = 8;

/// A directory, held open: it stays this one whatever becomes of its path.
#[derive(Debug)]
pub struct Dir {
    fd: OwnedFd,
}

/// A socket that was found in a [`Dir`]: this very file, not whatever has its name later.
#[derive(Debug)]
pub struct Socket {
    file: OwnedFd,
}

/// Why a name in a [`Dir`] is not a socket we would connect to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LookError {
    /// A link whose target is not there.
    #[error("{name} links to {target}, which is not there", name = Shown(.name), target = Shown(.target))]
    Dangling {
        /// The link.
        name: OsString,
        /// Where it points.
        target: OsString,
    },
    /// Something else than a socket.
    #[error("{name} is {kind}, not a socket", name = Shown(.name))]
    Kind {
        /// What it is called.
        name: OsString,
        /// What it is.
        kind: &'static str,
    },
    /// A link whose target is more than a name beside it.
    #[error("{name} links to {target}, outside its directory", name = Shown(.name), target = Shown(.target))]
    Leaves {
        /// The link.
        name: OsString,
        /// Where it points.
        target: OsString,
    },
    /// A chain of links longer than [`LINKS_MAX`], or a circle.
    #[error("{name} is more than {LINKS_MAX} links away from a socket", name = Shown(.name))]
    Links {
        /// The first link.
        name: OsString,
    },
    /// The operating system refused.
    #[error("cannot look at {name}", name = Shown(.name))]
    Os {
        /// What was looked at.
        name: OsString,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
}

impl Dir {
    /// Opens the directory at `path`.
    ///
    /// # Errors
    /// As `open(2)`.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { fd: rustix::fs::open(path, flags, Mode::empty())? })
    }

    /// Finds the socket called `name`; `None` if nothing has that name.
    ///
    /// Each step opens one plain name of this directory and follows nothing: a link is read, and
    /// its target must again, once `.` and `..` are worked out of it, be a plain name of this
    /// directory. There is no path for the kernel to resolve, and so none that could lead out of
    /// here, by whatever sequence of renames while we look.
    ///
    /// # Errors
    /// When what has the name is not a socket, or not one in this directory.
    pub fn look(&self, name: &OsStr) -> Result<Option<Socket>, LookError> {
        let mut at = name.to_owned();
        let mut from = None;
        for _ in 0..=LINKS_MAX {
            let file = match self.open_name(&at) {
                Ok(file) => file,
                Err(Errno::NOENT) => match from {
                    None => return Ok(None),
                    Some(from) => return Err(LookError::Dangling { name: from, target: at }),
                },
                Err(e) => return Err(LookError::Os { name: at, source: e.into() }),
            };
            match kind(&file) {
                Ok(FileType::Socket) => return Ok(Some(Socket { file })),
                Ok(FileType::Symlink) => {
                    let target = beside(&file, &at)?;
                    from = Some(std::mem::replace(&mut at, target));
                }
                Ok(kind) => return Err(LookError::Kind { name: at, kind: word(kind) }),
                Err(e) => return Err(LookError::Os { name: at, source: e.into() }),
            }
        }
        Err(LookError::Links { name: name.to_owned() })
    }

    /// Opens one name, following nothing, without reading, writing or waiting: that is safe with a
    /// pipe or a device too.
    fn open_name(&self, name: &OsStr) -> Result<OwnedFd, Errno> {
        if plain(name) != Some(name) {
            return Err(Errno::INVAL);
        }
        rustix::fs::openat(&self.fd, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
    }
}

impl From<OwnedFd> for Dir {
    fn from(fd: OwnedFd) -> Self {
        Self { fd }
    }
}

impl From<OwnedFd> for Socket {
    /// A socket's file, opened with `O_PATH`.
    fn from(file: OwnedFd) -> Self {
        Self { file }
    }
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Where the link at `name` points, if that is a name beside it.
fn beside(link: &OwnedFd, name: &OsStr) -> Result<OsString, LookError> {
    let target = rustix::fs::readlinkat(link, "", Vec::new())
        .map_err(|e| LookError::Os { name: name.to_owned(), source: e.into() })?;
    let target = OsString::from_vec(target.into_bytes());
    match plain(&target) {
        Some(plain) => Ok(plain.to_owned()),
        None => Err(LookError::Leaves { name: name.to_owned(), target }),
    }
}

/// The one name that `path` comes down to, once `.` and `..` are worked out of its text: `x` for
/// `x`, `./x` and `y/../x`; nothing for `/x`, `y/x`, `../x` and `.`.
fn plain(path: &OsStr) -> Option<&OsStr> {
    let mut names = Vec::new();
    for part in Path::new(path).components() {
        match part {
            Component::CurDir => {}
            Component::Normal(name) => names.push(name),
            Component::ParentDir => drop(names.pop()?),
            Component::Prefix(_) | Component::RootDir => return None,
        }
    }
    match names[..] {
        [name] => Some(name),
        _ => None,
    }
}

fn kind(file: &OwnedFd) -> Result<FileType, Errno> {
    rustix::fs::statat(file, "", AtFlags::EMPTY_PATH).map(|stat| FileType::from_raw_mode(stat.st_mode))
}

fn word(kind: FileType) -> &'static str {
    match kind {
        FileType::BlockDevice | FileType::CharacterDevice => "a device",
        FileType::Directory => "a directory",
        FileType::Fifo => "a pipe",
        FileType::RegularFile => "a regular file",
        _ => "a file of an unknown kind",
    }
}

/// A name that a stranger chose, fit for a log: printable and short.
struct Shown<'a>(&'a OsStr);

impl Shown<'_> {
    /// Bytes of a name that are shown.
    const BYTES_MAX: usize = 200;
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0.as_bytes();
        write!(f, "{}", bytes[..bytes.len().min(Self::BYTES_MAX)].escape_ascii())?;
        if bytes.len() > Self::BYTES_MAX { f.write_str("…") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    /// What `look` says of `name` in a directory that `make` filled.
    fn check(make: impl FnOnce(&Path), expected: &str) {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("dir");
        fs::create_dir(&dir).unwrap();
        make(&dir);
        let said = match Dir::open(&dir).unwrap().look("name".as_ref()) {
            Ok(Some(_)) => "socket".to_owned(),
            Ok(None) => "nothing".to_owned(),
            Err(e) => e.to_string(),
        };
        assert_eq!(said, expected);
    }

    fn bind(path: &Path) {
        // The file stays when the listener goes.
        drop(UnixListener::bind(path).unwrap());
    }

    #[test]
    fn a_socket_is_found_under_its_name_and_through_links_to_names_beside_it() {
        check(|_| {}, "nothing");
        check(|dir| bind(&dir.join("name")), "socket");
        for target in ["s", "./s", ".//s", "x/../s"] {
            check(
                |dir| {
                    bind(&dir.join("s"));
                    symlink(target, dir.join("name")).unwrap();
                },
                "socket",
            );
        }
    }

    #[test]
    fn a_link_that_leaves_is_refused_at_whatever_hop() {
        check(|dir| symlink("../s", dir.join("name")).unwrap(), "name links to ../s, outside its directory");
        check(|dir| symlink("sub/s", dir.join("name")).unwrap(), "name links to sub/s, outside its directory");
        check(|dir| symlink("/run/s", dir.join("name")).unwrap(), "name links to /run/s, outside its directory");
        check(|dir| symlink("..", dir.join("name")).unwrap(), "name links to .., outside its directory");
        check(
            |dir| {
                symlink("hop", dir.join("name")).unwrap();
                symlink("/run/s", dir.join("hop")).unwrap();
            },
            "hop links to /run/s, outside its directory",
        );
    }

    #[test]
    fn what_is_no_socket_is_named_for_what_it_is() {
        check(|dir| fs::write(dir.join("name"), "").unwrap(), "name is a regular file, not a socket");
        check(|dir| fs::create_dir(dir.join("name")).unwrap(), "name is a directory, not a socket");
        check(|dir| symlink("gone", dir.join("name")).unwrap(), "name links to gone, which is not there");
        check(|dir| symlink("name", dir.join("name")).unwrap(), "name is more than 8 links away from a socket");
    }

    #[test]
    fn a_hostile_name_is_shown_short_and_printable() {
        let name = format!("/{}\n\u{1b}[31m", "x".repeat(500));
        check(
            |dir| symlink(&name, dir.join("name")).unwrap(),
            &format!("name links to /{}…, outside its directory", "x".repeat(199)),
        );
        check(
            |dir| symlink("/\u{1b}[31m", dir.join("name")).unwrap(),
            r"name links to /\x1b[31m, outside its directory",
        );
    }

    #[test]
    fn a_path_is_not_a_name() {
        let dir = tempfile::tempdir().unwrap();
        for bad in ["", ".", "..", "/etc", "a/b", "./a"] {
            let e = Dir::open(dir.path()).unwrap().look(bad.as_ref()).unwrap_err();
            assert!(matches!(e, LookError::Os { .. }), "{bad}: {e}");
        }
    }
}
