//! The ways to announce a socket, right and wrong.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::{env, fs, io, thread};

use rustix::fs::{CWD, FileType, Mode, mknodat};

/// The socket behind the name.
const HIDDEN: &str = "hidden.sock";
const OPEN: u32 = 0o666;

/// Announces as `WITNESS_START` says; `None` if the process is to end well at once.
pub(super) fn listener() -> io::Result<Option<UnixListener>> {
    let listener = env::var("FN_LISTENER").unwrap_or_default();
    let path = PathBuf::from(listener.strip_prefix("unix:").unwrap_or(&listener));
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::other(format!("FN_LISTENER {listener:?} names no socket")));
    };
    // Names within it are short, whatever its own path.
    env::set_current_dir(dir)?;
    let (here, name) = (env::current_dir()?, Path::new(name));
    let way = env::var("WITNESS_START").unwrap_or_default();
    match way.as_str() {
        "exit-0" => return Ok(None),
        "exit-1" => return Err(io::Error::other("told to end")),
        "direct" => return bind(name).map(Some),
        "never" => loop {
            thread::park();
        },
        "subdir" => {
            fs::create_dir("sub")?;
            let listener = bind(Path::new("sub/hidden.sock"))?;
            symlink("sub/hidden.sock", name)?;
            return Ok(Some(listener));
        }
        "parent" => {
            // Right but for the way: it leads out of the folder and back.
            let listener = bind(Path::new(HIDDEN))?;
            let target = Path::new("..").join(here.file_name().unwrap_or_default()).join(HIDDEN);
            symlink(target, name)?;
            return Ok(Some(listener));
        }
        _ => {}
    }
    let listener = bind(Path::new(HIDDEN))?;
    match way.as_str() {
        "" | "link" => symlink(HIDDEN, name)?,
        "absolute" => symlink(here.join(HIDDEN), name)?,
        "chain-absolute" => {
            symlink(here.join(HIDDEN), "middle.sock")?;
            symlink("middle.sock", name)?;
        }
        "dangling" => symlink("nothing.sock", name)?,
        "dir" => fs::create_dir(name)?,
        "dot" => symlink(format!("./{HIDDEN}"), name)?,
        "fifo" => mknodat(CWD, name, FileType::Fifo, Mode::from_raw_mode(OPEN), 0)?,
        "file" => fs::write(name, "no socket")?,
        "hard" => fs::hard_link(HIDDEN, name)?,
        "noise" => {
            for noise in ["a.sock", "lsnr.sock.tmp", ".hidden"] {
                fs::write(noise, "")?;
            }
            symlink(HIDDEN, name)?;
        }
        "rename" => fs::rename(HIDDEN, name)?,
        other => return Err(io::Error::other(format!("WITNESS_START {other:?} is no way to start"))),
    }
    Ok(Some(listener))
}

fn bind(name: &Path) -> io::Result<UnixListener> {
    let listener = UnixListener::bind(name)?;
    fs::set_permissions(name, fs::Permissions::from_mode(OPEN))?;
    Ok(listener)
}
