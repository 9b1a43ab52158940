//! The ways to announce a socket, right and wrong.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use std::{env, fs, io, thread};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::net::listen;

/// The socket behind the name.
const HIDDEN: &str = "hidden.sock";
const OPEN: u32 = 0o666;

/// How late a slow one is, and how late one that serves a single connection accepts the next.
pub(super) const LATE: Duration = Duration::from_millis(400);

/// Does it serve one connection after another?
pub(super) fn is_single() -> bool {
    way() == "single"
}

fn way() -> String {
    env::var("WITNESS_START").unwrap_or_default()
}

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
    let way = way();
    match way.as_str() {
        "exit-0" => return Ok(None),
        "exit-1" => return Err(io::Error::other("told to end")),
        "until" => wait_until()?,
        "slow" => thread::sleep(LATE),
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
        "" | "link" | "slow" | "until" => symlink(HIDDEN, name)?,
        "single" => {
            // The backlog may be made smaller as long as nobody knows of the socket.
            listen(&listener, 1)?;
            symlink(HIDDEN, name)?;
        }
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

/// Who is there before the moment in `WITNESS_UNTIL`, in milliseconds of our era, waits for it and fails.
fn wait_until() -> io::Result<()> {
    let until = env::var("WITNESS_UNTIL").ok().and_then(|until| until.parse().ok()).unwrap_or(0);
    let until = SystemTime::UNIX_EPOCH + Duration::from_millis(until);
    match until.duration_since(SystemTime::now()) {
        Ok(left) => {
            thread::sleep(left);
            Err(io::Error::other("told to fail until now"))
        }
        Err(_) => Ok(()),
    }
}

fn bind(name: &Path) -> io::Result<UnixListener> {
    let listener = UnixListener::bind(name)?;
    fs::set_permissions(name, fs::Permissions::from_mode(OPEN))?;
    Ok(listener)
}
