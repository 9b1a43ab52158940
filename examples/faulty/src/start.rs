//! What goes wrong before the first call: above all, the many ways to announce a socket.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs, io, thread};

use anyhow::{Context as _, bail};
use rustix::fs::{CWD, FileType, Mode};

use crate::raw::listener_path;
use crate::script::Step;
use crate::{deeds, script};

/// How it goes on.
pub(crate) enum Begun {
    /// Nothing listens yet.
    AsUsual,
    /// It does.
    Listening(UnixListener),
}

/// Begins as `FAULTY_START` says; see the table of [`crate`].
pub(crate) fn begin(told: &str) -> anyhow::Result<Begun> {
    let Some(step) = script::steps(told).next() else { return Ok(Begun::AsUsual) };
    match step.word {
        "flood" => deeds::flood(&mut io::stderr().lock(), step.number()?)?,
        "hang" => loop {
            thread::park();
        },
        "late" => thread::sleep(Duration::from_millis(step.number()?)),
        _ if deeds::done(step)? => {}
        _ => return Ok(Begun::Listening(announce(step)?)),
    }
    Ok(Begun::AsUsual)
}

/// As it should be: a hidden socket, open to all, and a relative link to it.
pub(crate) fn good() -> anyhow::Result<UnixListener> {
    let name = enter_directory()?;
    let listener = bind(HIDDEN, OPEN)?;
    symlink(HIDDEN, name)?;
    Ok(listener)
}

/// The socket behind the name.
const HIDDEN: &str = "hidden.sock";

/// Modes: for all, and for the owner alone.
const OPEN: u32 = 0o666;
const OWNERS: u32 = 0o600;

fn announce(step: Step<'_>) -> anyhow::Result<UnixListener> {
    let name = enter_directory()?;
    let here = env::current_dir()?;
    match step.word {
        "direct" => return bind(&name, OPEN),
        "no-chmod" => return bind(&name, OWNERS),
        "link-first" => {
            symlink(HIDDEN, &name)?;
            return bind(HIDDEN, OPEN);
        }
        "link-out" => {
            let target = env::var_os("FAULTY_TARGET").context("link-out wants FAULTY_TARGET, a socket's path")?;
            // Somebody else may listen there already: that is the point of the test.
            let listener = bind(HIDDEN, OPEN)?;
            symlink(target, &name)?;
            return Ok(listener);
        }
        "parent" => {
            let beside = format!("../beside-{}.sock", std::process::id());
            let listener = bind(&beside, OPEN)?;
            symlink(&beside, &name)?;
            return Ok(listener);
        }
        "subdir" => {
            fs::create_dir("sub")?;
            let listener = bind("sub/hidden.sock", OPEN)?;
            symlink("sub/hidden.sock", &name)?;
            return Ok(listener);
        }
        _ => {}
    }
    let listener = bind(HIDDEN, OPEN)?;
    match step.word {
        "chain" => {
            symlink(HIDDEN, "middle.sock")?;
            symlink("middle.sock", &name)?;
        }
        "chain-absolute" => {
            symlink(here.join(HIDDEN), "middle.sock")?;
            symlink("middle.sock", &name)?;
        }
        "dangling" => symlink("nothing.sock", &name)?,
        "deaf" => {
            symlink(HIDDEN, &name)?;
            drop(listener);
            loop {
                thread::park();
            }
        }
        "dir" => fs::create_dir(&name)?,
        "dot-link" => symlink(format!("./{HIDDEN}"), &name)?,
        "fifo" => rustix::fs::mknodat(CWD, &name, FileType::Fifo, Mode::from_raw_mode(OPEN), 0)?,
        "file" => fs::write(&name, "no socket")?,
        "good" => symlink(HIDDEN, &name)?,
        "hardlink" => fs::hard_link(HIDDEN, &name)?,
        "link-absolute" => symlink(here.join(HIDDEN), &name)?,
        "noise" => {
            for noise in ["a.sock", "lsnr.sock.tmp", ".hidden"] {
                fs::write(noise, "")?;
                fs::remove_file(noise)?;
            }
            symlink(HIDDEN, &name)?;
        }
        "rename" => fs::rename(HIDDEN, &name)?,
        "stubborn" => {
            ignore_sigterm()?;
            symlink(HIDDEN, &name)?;
        }
        word => bail!("{word:?} is no way to start"),
    }
    Ok(listener)
}

/// Makes the listener's directory the working directory: names in it are short, whatever its path.
fn enter_directory() -> anyhow::Result<PathBuf> {
    let path = listener_path();
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
        bail!("FN_LISTENER {path:?} names no socket");
    };
    env::set_current_dir(dir).with_context(|| format!("cannot enter {dir:?}"))?;
    Ok(name.into())
}

fn bind(name: impl AsRef<Path>, mode: u32) -> anyhow::Result<UnixListener> {
    let listener = UnixListener::bind(&name)?;
    fs::set_permissions(&name, fs::Permissions::from_mode(mode))?;
    Ok(listener)
}

/// A handler that is installed and never asked is as good as none at all.
fn ignore_sigterm() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _inside = runtime.enter();
    tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).map(drop)
}
