//! What an agent does with a hot container, whatever its format.

use std::future::Future;
use std::io;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::{Call, Fault, ReplySink};

/// A container's end of one format: the agent's means to hand it calls.
///
/// The agent asks [`is_streamable`](Self::is_streamable) once, when it takes the format;
/// [`look`](Self::look) right before each call; then [`dispatch`](Self::dispatch). One call at a
/// time: two in flight need two ends.
pub trait ContainerIo: Send {
    /// Can one container serve many calls, one after another? If not it is cold: made for one call
    /// and gone with it.
    fn is_streamable(&self) -> bool;

    /// Is this end still clean? Looks without waiting for bytes that nobody asked for, in what was
    /// read before and in what the runtime has heard of since. It hears of all that had come when it last
    /// asked the kernel, as it does before it tells of a new request: only what a function writes
    /// in the moments between its answer and a call that was waiting for it can pass unseen, as
    /// can whatever it writes a moment after any look.
    ///
    /// `Retire` means that the next answer could not be trusted. Nothing of a call was sent yet, so
    /// the agent takes another container and the caller never knows.
    fn look(&mut self) -> Reuse;

    /// Hands over one call and puts the answer into `sink`. The call's body is taken out of it.
    ///
    /// `call.deadline` is set. Its passing, and the caller's leaving before the head is there, end
    /// this future by dropping it: the end is then not clean and the container retires, unless the
    /// format closes what it had open for this call alone.
    ///
    /// Either the sink got a head and was finished, and the verdict holds no fault; or the verdict
    /// says why not. After a head a fault can only cut the answer.
    fn dispatch(&mut self, call: &mut Call, sink: ReplySink) -> impl Future<Output = Verdict> + Send;
}

/// May the container be used again?
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Reuse {
    /// Yes.
    Keep,
    /// No: what it would answer next could belong to something else.
    Retire,
}

/// How a call ended: two outcomes, one for the caller and one for the container.
#[derive(Debug)]
pub struct Verdict {
    /// What the caller is told instead of, or in the middle of, an answer.
    pub fault: Option<Fault>,
    /// What becomes of the container.
    pub reuse: Reuse,
    /// It failed before the function had read anything of the call, whose body is back in it: another
    /// container may have it, as if this one had never been asked.
    pub unread: bool,
}

impl Verdict {
    /// The call was answered.
    #[must_use]
    pub fn answered(reuse: Reuse) -> Self {
        Self { fault: None, reuse, unread: false }
    }

    /// The call failed.
    #[must_use]
    pub fn failed(fault: impl Into<Fault>, reuse: Reuse) -> Self {
        Self { fault: Some(fault.into()), reuse, unread: false }
    }

    /// The function was gone before it had read anything of the call.
    #[must_use]
    pub fn unread(fault: impl Into<Fault>) -> Self {
        Self { unread: true, ..Self::failed(fault, Reuse::Retire) }
    }
}

/// The ends of a container, as a driver gives them.
#[derive(Debug)]
pub enum Ends {
    /// The function's standard input and output.
    Pipes {
        /// What we write the function reads.
        stdin: Box<dyn Stdin>,
        /// What the function writes we read. Its standard error is no business of a format.
        stdout: Box<dyn Stdout>,
        /// How the container ends. Only a cold format waits for it.
        exit: Exiting,
    },
    /// A socket that the function listens on.
    Socket(Box<dyn Dial>),
}

/// How a container ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exit {
    /// By itself, with this status.
    Code(i32),
    /// The kernel ended it, for want of memory.
    OutOfMemory,
    /// By this signal.
    Signal(i32),
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::OutOfMemory => f.write_str("out of memory"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// A future of how the container ends.
pub struct Exiting(pub std::pin::Pin<Box<dyn Future<Output = Exit> + Send>>);

impl std::fmt::Debug for Exiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Exiting")
    }
}

/// The writing end of a function's standard input. Dropping it is the end of file.
pub trait Stdin: AsyncWrite + Send + Unpin + std::fmt::Debug {}

/// The reading end of a function's standard output.
pub trait Stdout: AsyncRead + Send + Unpin + std::fmt::Debug {
    /// May there be something to read, or the end? False if it is known that nothing has come since the
    /// last read took all there was: an answer that a runtime has at hand, without a system call.
    ///
    /// What came after the runtime last asked the kernel is not known yet. Default: true, so that the
    /// kernel is asked.
    fn has_news(&self) -> bool {
        true
    }

    /// Reads what is there now, straight from the kernel, without waiting: `WouldBlock` if nothing
    /// is, 0 at the end of file.
    ///
    /// # Errors
    /// As `read(2)`.
    fn read_now(&mut self, buf: &mut [u8]) -> io::Result<usize>;
}

/// The place of a function's socket.
pub trait Dial: Send + std::fmt::Debug {
    /// Connects. A unix socket answers at once; a full backlog is waited out.
    fn dial(&self) -> Dialing<'_>;
}

/// A connection in the making: the places of sockets are an open set, held as objects.
pub type Dialing<'a> = std::pin::Pin<Box<dyn Future<Output = io::Result<Box<dyn Stream>>> + Send + 'a>>;

/// A connection to a function.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + std::fmt::Debug {
    /// As [`Stdout::has_news`].
    fn has_news(&self) -> bool {
        true
    }

    /// As [`Stdout::read_now`].
    ///
    /// # Errors
    /// As `read(2)`.
    fn read_now(&mut self, buf: &mut [u8]) -> io::Result<usize>;
}
