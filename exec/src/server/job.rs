//! From a permit to a job: its files, its terminal, its place.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{Gid, Mode, OFlags, Uid};
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;
use sha2::{Digest, Sha256};

use super::Config;
use super::wire::Ask;
use crate::packet::{Size, v1};
use crate::rules::{Denied, Permit, Rule, User};
use crate::{Ids, Job, Leads, Leftovers, Signal, SpawnError, Stdio, sys};

/// A job, and the caller's end of its terminal if it has one.
pub(super) struct Ready {
    pub(super) job: Job,
    pub(super) terminal: Option<OwnedFd>,
}

/// Makes a job of what was permitted. Opens the program where it was looked at; that may block.
pub(super) fn ready(permit: &Permit, rule: &Rule, ask: Ask, config: &Config) -> Result<Ready, Denied> {
    let mut job = Job::new(&permit.program);
    job.arg0 = Some(permit.arg0.clone());
    job.args.clone_from(&permit.args);
    job.env.clone_from(&permit.env);
    job.cwd.clone_from(&permit.cwd);
    job.rlimits.clone_from(&config.rlimits);
    job.no_new_privs = !rule.setuid_programs;
    job.leftovers = Leftovers::Leave;
    job.ids = permit.user.as_ref().map(|user| Ids { uid: user.uid, gid: user.gid, groups: user.groups.clone() });
    if permit.is_checked {
        let file = checked(permit).map_err(|source| SpawnError::os(&job, "open it", source))?;
        job.file = Some(Arc::new(file.ok_or_else(|| Denied::because("the file is not the one the command names"))?));
    }
    let Ask { request, files, startup } = ask;
    // Whichever group or terminal it asked for: it leads a group of its own, by which it can be ended,
    // and has no terminal of ours.
    let v1::Startup { setsid, ignore_hangup, death_signal, .. } = startup;
    job.leads = if setsid { Leads::Session } else { Leads::Group };
    if ignore_hangup {
        job.ignored.push(Signal::HUP);
    }
    job.death_signal = sys::signal(death_signal).unwrap_or(job.death_signal);
    let mut terminal = None;
    let mut theirs = Stdio::Null;
    if let Some(size) = request.terminal {
        let (ours, slave) =
            pair(size, permit.user.as_ref()).map_err(|source| SpawnError::os(&job, "make its terminal", source))?;
        terminal = Some(ours);
        theirs = Stdio::Given(Arc::new(slave));
        job.leads = Leads::Terminal;
    }
    let mut files = files.into_iter();
    let mut stream = |rides_along| match rides_along {
        true => files.next().map_or(Stdio::Null, |file| Stdio::Given(Arc::new(file))),
        false => theirs.clone(),
    };
    job.stdin = stream(request.streams.stdin);
    job.stdout = stream(request.streams.stdout);
    job.stderr = stream(request.streams.stderr);
    Ok(Ready { job, terminal })
}

/// The file that was looked at, opened; `None` if it is not what it must be.
fn checked(permit: &Permit) -> io::Result<Option<OwnedFd>> {
    let Some(wanted) = permit.sha256 else {
        return Ok(Some(rustix::fs::open(&permit.program, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?));
    };
    let mut file = File::open(&permit.program)?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; 64 << 10];
    loop {
        match file.read(&mut piece)? {
            0 => break,
            read => hash.update(&piece[..read]),
        }
    }
    Ok((hash.finalize()[..] == wanted).then(|| file.into()))
}

/// A terminal of this size: the end for whoever shows it, and the program's. Made here, so that it has
/// a name where the program lives.
fn pair(size: Size, user: Option<&User>) -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let ours = rustix::pty::openpt(flags)?;
    rustix::pty::unlockpt(&ours)?;
    let theirs = rustix::pty::ioctl_tiocgptpeer(&ours, flags)?;
    if let Some(user) = user {
        rustix::fs::fchown(&theirs, Some(Uid::from_raw(user.uid)), Some(Gid::from_raw(user.gid)))?;
    }
    rustix::termios::tcsetwinsize(ours.as_fd(), Winsize::from(size))?;
    Ok((ours, theirs))
}

impl From<Size> for Winsize {
    fn from(size: Size) -> Self {
        Self { ws_row: size.rows, ws_col: size.columns, ws_xpixel: size.x_pixels, ws_ypixel: size.y_pixels }
    }
}
