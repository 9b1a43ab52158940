//! Takes standard input and output away from the rest of the process.
//!
//! Afterwards descriptor 0 reads nothing and descriptor 1 is standard error, so that a `println!`,
//! or a library written in C, goes to the log and cannot break an answer.
//!
//! Pipes are opened anew through `/proc/self/fd`: whether reads and writes wait is a property of
//! the *open* pipe, shared with whoever else holds it, and standard error may well be the same one.
//! Where that is refused, and for files and terminals, a helper thread does the waiting.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::unix::pipe;

/// The two ends, ours alone.
pub(super) struct Ends {
    pub(super) calls: Calls,
    pub(super) answers: Answers,
}

/// Where calls come from.
pub(super) type Calls = Box<dyn AsyncRead + Send + Unpin>;

/// Where answers go.
pub(super) type Answers = Box<dyn AsyncWrite + Send + Unpin>;

pub(super) fn take() -> io::Result<Ends> {
    let stdin = ours(rustix::stdio::stdin(), "/proc/self/fd/0", OFlags::RDONLY)?;
    let stdout = ours(rustix::stdio::stdout(), "/proc/self/fd/1", OFlags::WRONLY)?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
    Ok(Ends {
        calls: match stdin {
            Ours::Pipe(fd) => Box::new(pipe::Receiver::from_owned_fd(fd)?),
            Ours::Other(fd) => Box::new(tokio::fs::File::from_std(fd.into())),
        },
        answers: match stdout {
            Ours::Pipe(fd) => Box::new(pipe::Sender::from_owned_fd(fd)?),
            Ours::Other(fd) => Box::new(tokio::fs::File::from_std(fd.into())),
        },
    })
}

enum Ours {
    /// A pipe that nobody else has open.
    Pipe(OwnedFd),
    /// A copy of the descriptor.
    Other(OwnedFd),
}

/// The first descriptor that is not a standard one.
const FIRST_FREE: i32 = 3;

fn ours(fd: BorrowedFd<'_>, path: &str, direction: OFlags) -> io::Result<Ours> {
    if FileType::from_raw_mode(rustix::fs::fstat(fd)?.st_mode) == FileType::Fifo {
        let flags = direction | OFlags::NONBLOCK | OFlags::CLOEXEC;
        if let Ok(fd) = rustix::fs::open(path, flags, Mode::empty()) {
            return Ok(Ours::Pipe(fd));
        }
    }
    Ok(Ours::Other(rustix::io::fcntl_dupfd_cloexec(fd.as_fd(), FIRST_FREE)?))
}
