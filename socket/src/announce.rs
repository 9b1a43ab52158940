//! How a function says that it is there.
//!
//! Whoever waits for a function watches for a *name*, not for somebody who accepts: the moment the
//! name appears, a connection may come. So the socket is bound under another name beside it, made
//! open to all and set listening; only then does the name appear, as a link of one relative hop,
//! which means the same on both sides of a bind mount.

use std::ffi::OsString;
use std::os::unix::net::UnixListener;
use std::path::Path;

use rustix::fs::{FileType, Mode};

use crate::address::Owner;
use crate::file::{File, Spot};
use crate::{SocketError, address};

/// What the hidden socket's name begins with; the rest is the name that is announced. The word is
/// the one that other function kits use.
const HIDDEN_PREFIX: &str = "phony";

/// The agent may run as another user than the function.
const MODE: Mode = Mode::from_raw_mode(0o666);

/// A socket that others know of.
#[derive(Debug)]
pub struct Announced {
    /// It listens already and does not block, as tokio wants it.
    pub listener: UnixListener,
    /// Its names. Keep them as long as calls are welcome.
    pub sign: Sign,
}

/// The names under which a socket was announced. Dropping it removes them, where they are still
/// the ones that were made.
#[derive(Debug)]
pub struct Sign {
    link: (Spot, File),
    hidden: (Spot, File),
}

/// Listens on a hidden socket in the directory of `path`, mode 0666, and then makes `path` a link
/// to it.
///
/// Sockets and links that stand in the way are what an earlier process of this function left: they
/// are removed. Anything else is not, and is an error. The path may be of any length; its last part
/// may have up to 77 bytes.
///
/// # Errors
/// When the directory is not there or not writable, or when a file that is neither socket nor link
/// has one of the two names.
pub fn announce(path: &Path) -> Result<Announced, SocketError> {
    let link = Spot::of(path)?;
    let mut name = OsString::from(HIDDEN_PREFIX);
    name.push(&link.name);
    let hidden = link.beside(name)?;

    clear(&link)?;
    clear(&hidden)?;
    let (listener, hidden_file) = address::listen(&hidden, MODE, Owner::default())?;
    match point(&link, &hidden) {
        Ok(link_file) => {
            Ok(Announced { listener, sign: Sign { link: (link, link_file), hidden: (hidden, hidden_file) } })
        }
        Err(e) => {
            hidden.remove_if(hidden_file);
            Err(e)
        }
    }
}

impl Drop for Sign {
    fn drop(&mut self) {
        for (spot, file) in [&self.link, &self.hidden] {
            spot.remove_if(*file);
        }
    }
}

fn clear(spot: &Spot) -> Result<(), SocketError> {
    match spot.file()?.map(|file| file.kind) {
        None => Ok(()),
        Some(FileType::Socket | FileType::Symlink) => spot.remove(),
        Some(_) => Err(SocketError::NotASocket { path: spot.path.clone() }),
    }
}

fn point(link: &Spot, hidden: &Spot) -> Result<File, SocketError> {
    rustix::fs::symlinkat(&hidden.name, &link.dir, &link.name).map_err(|e| link.failed("link", e))?;
    link.file()?.ok_or_else(|| link.failed("find, just linked,", rustix::io::Errno::NOENT))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{Read, Write};
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn the_name_is_a_relative_link_to_an_open_socket_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lsnr.sock");
        let announced = announce(&path).unwrap();

        assert_eq!(fs::read_link(&path).unwrap(), Path::new("phonylsnr.sock"));
        let hidden = fs::symlink_metadata(dir.path().join("phonylsnr.sock")).unwrap();
        assert!(hidden.file_type().is_socket());
        assert_eq!(hidden.permissions().mode() & 0o777, 0o666);

        UnixStream::connect(&path).unwrap().write_all(b"hi").unwrap();
        let mut text = String::new();
        announced.listener.accept().unwrap().0.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hi");
    }

    #[test]
    fn both_names_go_with_the_sign() {
        let dir = tempfile::tempdir().unwrap();
        let announced = announce(&dir.path().join("lsnr.sock")).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
        drop(announced.sign);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_an_earlier_process_left_is_replaced_and_survives_the_earlier_sign() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lsnr.sock");
        let earlier = announce(&path).unwrap();
        let later = announce(&path).unwrap();
        drop(earlier);
        UnixStream::connect(&path).unwrap();
        drop(later);
        assert!(fs::symlink_metadata(&path).is_err());
    }

    #[test]
    fn a_file_that_is_no_socket_is_never_removed() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["lsnr.sock", "phonylsnr.sock"] {
            let file = dir.path().join(name);
            fs::write(&file, "mine").unwrap();
            let e = announce(&dir.path().join("lsnr.sock")).unwrap_err();
            assert!(e.to_string().contains(name) && e.to_string().contains("not a socket"), "{e}");
            assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
            fs::remove_file(&file).unwrap();
        }
    }

    #[test]
    fn a_path_far_longer_than_an_address_is_announced_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("d".repeat(120)).join("e".repeat(120));
        fs::create_dir_all(&deep).unwrap();
        let announced = announce(&deep.join("lsnr.sock")).unwrap();
        let socket = crate::Dir::open(&deep).unwrap().look("lsnr.sock".as_ref()).unwrap().unwrap();
        assert!(socket.connect_now().is_ok());
        drop(announced);
        assert_eq!(fs::read_dir(&deep).unwrap().count(), 0);
    }

    #[test]
    fn a_directory_that_is_not_there_is_named() {
        let e = announce(Path::new("/nowhere/at/all/lsnr.sock")).unwrap_err();
        assert!(e.to_string().contains("\"/nowhere/at/all\""), "{e}");
    }
}
