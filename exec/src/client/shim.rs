//! Taking another program's place.
//!
//! A link to this program, called `git` and found in the search path, runs `git` on the other side,
//! in the same directory, with the words it was given. Which side that is, the environment says, or
//! a file beside the link.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::options::{Cwd, Options};
use crate::rules::{DEPTH, Pattern};

/// The environment variable that names the socket.
pub const SOCKET: &str = "HOTFN_EXEC";

/// The file beside a link whose first line names the socket, where the environment does not.
pub const CONFIG: &str = "hotfn-exec.conf";

/// The environment variable that names further variables to offer to the other side: patterns with
/// commas between them.
const OFFERED: &str = "HOTFN_EXEC_ENV";

/// The environment variable that names programs which get our terminal as it is, and none of their own:
/// patterns with commas between them.
const NO_TERMINAL: &str = "HOTFN_EXEC_NO_TTY";

/// How often a call may come through a shim. One that finds itself on the other side, too, would go
/// round forever.
pub const SHIM_DEPTH_MAX: u32 = 4;

/// This program, called by another's name.
#[derive(Debug)]
pub(super) struct Shim {
    name: OsString,
    socket: PathBuf,
}

/// Is this program called by another's name, and is it known where that one is?
pub(super) fn called_as(argv0: &OsStr) -> Option<Shim> {
    let name = Path::new(argv0).file_name()?.to_owned();
    if name.as_bytes().starts_with(b"hotfn") {
        return None;
    }
    let beside = || {
        let line = std::fs::read_to_string(place(argv0)?.with_file_name(CONFIG)).ok()?;
        line.lines().next().map(|line| OsString::from(line.trim()))
    };
    let socket = std::env::var_os(SOCKET).filter(|socket| !socket.is_empty()).or_else(beside)?;
    Some(Shim { name, socket: socket.into() })
}

/// Where the link is that we were called by.
fn place(argv0: &OsStr) -> Option<PathBuf> {
    if argv0.as_bytes().contains(&b'/') {
        return Some(argv0.into());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(argv0)).find(|file| file.is_file())
}

impl Shim {
    /// What is then asked for.
    pub(super) fn options(self, args: Vec<OsString>) -> Options {
        let mut options = Options::new(self.socket);
        options.command = std::iter::once(self.name).chain(args).collect();
        options.cwd = std::env::current_dir().map_or(Cwd::Theirs, Cwd::Must);
        options.offers_usual = true;
        let offered = std::env::var(OFFERED).unwrap_or_default();
        options.offered = offered.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        options.is_shim = true;
        options
    }
}

/// Is it one of those that get no terminal of their own, unless the command line says so?
pub(super) fn wants_no_terminal(program: &OsStr) -> bool {
    is_listed(program, &std::env::var(NO_TERMINAL).unwrap_or_default())
}

/// By its own name, wherever it is.
fn is_listed(program: &OsStr, list: &str) -> bool {
    let name = Path::new(program).file_name().unwrap_or(program);
    list.split(',').filter(|word| !word.is_empty()).any(|word| Pattern::text(word).fits(name.as_bytes()))
}

/// How often this call has come through a socket so far.
pub(super) fn depth() -> u32 {
    std::env::var(DEPTH).ok().and_then(|depth| depth.parse().ok()).unwrap_or(0)
}

/// Makes links to this program in `dir`, one for each name.
pub(super) fn install(dir: &Path, names: &[OsString]) -> io::Result<()> {
    let program = std::env::current_exe()?;
    std::fs::create_dir_all(dir)?;
    for name in names {
        let link = dir.join(name);
        if std::fs::read_link(&link).is_ok_and(|target| target == program) {
            continue;
        }
        std::os::unix::fs::symlink(&program, &link)
            .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", link.display())))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_without_a_terminal_are_listed_by_name() {
        let listed = |program: &str| is_listed(OsStr::new(program), "git,,pg_*");
        assert!(listed("git") && listed("/usr/bin/git") && listed("pg_dump"));
        assert!(!listed("gitk") && !listed("sh") && !listed(""));
        assert!(!is_listed(OsStr::new("git"), ""));
    }
}
