//! A function in a container that is somebody else's.
//!
//! An image `remote:SOCKET PROGRAM ARG…` names a program there, with words quoted as a shell quotes.
//! `hotfn exec-server` runs in that container and listens at `SOCKET`, and this is its client: it hands
//! over pipes for the function's streams, passes signals on, and hears how it ended. What the server's
//! rules let the program be and see is for them to say.
//!
//! What the two must share is a folder, with the socket in it. Formats with a socket of their own want
//! the iofs root shared too, at the same path on both sides.
//!
//! When the node dies, or is cut off, the server notices and ends the function, as it does with
//! every caller that is gone.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hotfn_exec::client::{Asked, Failure, Talk, Version};
use hotfn_exec::packet::{Class, How, PACKET_BYTES_MAX, Request, Signal as Passed, Streams, Tell};
use hotfn_exec::{GONE_PATIENCE, Signal};
use hotfn_protocols::{Ends, Exit, Exiting};
use hotfn_socket::AsyncPackets;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::process::image;
use super::{Container, Created, Doing, Driver, DriverError, LogLine, Spec, Stdio, View, lines, pipes};

/// What an image for this driver begins with.
pub const SCHEME: &str = "remote:";

/// How long a server may take to each step of a start. It begins what it is asked for at once, or says no.
const START_PATIENCE: Duration = Duration::from_secs(30);

/// Starts functions in containers where an exec server runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct RemoteDriver;

impl Driver for RemoteDriver {
    fn name(&self) -> &'static str {
        "remote"
    }

    /// As far as it is shared: see the module's doc.
    fn view(&self) -> View {
        View::Host
    }

    /// A program is there or not, which its start finds out.
    fn prepare<'a>(&'a self, _image: &'a str) -> Doing<'a, Result<(), DriverError>> {
        Box::pin(async { Ok(()) })
    }

    fn create(&self, spec: Spec) -> Doing<'_, Result<Box<dyn Created>, DriverError>> {
        let created = described(spec).map(|described| Box::new(described) as Box<dyn Created>);
        Box::pin(async { created })
    }

    /// What a dead node had asked for was ended when it was gone.
    fn sweep<'a>(&'a self, _node: &'a str) -> Doing<'a, Result<usize, DriverError>> {
        Box::pin(async { Ok(0) })
    }
}

/// What could be asked for.
#[derive(Debug)]
struct Described {
    socket: PathBuf,
    request: Request,
    image: String,
    pipes: bool,
}

fn described(spec: Spec) -> Result<Described, DriverError> {
    let refused = |why: &str| DriverError::Image { image: spec.image.clone(), why: why.to_owned() };
    let words = spec.image.strip_prefix(SCHEME).ok_or_else(|| refused("does not begin with remote:"))?;
    let mut words = image::words(words).map_err(refused)?.into_iter();
    let socket = words.next().ok_or_else(|| refused("names no socket"))?;
    let mut request = Request::new(words.next().ok_or_else(|| refused("names no program"))?);
    request.args = words.map(OsString::from).collect();
    request.env = spec.env.iter().map(|(name, value)| (name.into(), value.into())).collect();
    request.cwd = spec.dir.as_ref().map(|dir| std::path::absolute(dir).unwrap_or_else(|_| dir.clone()));
    request.streams = Streams::ALL;
    request.labels =
        [("function", &spec.function), ("container", &spec.id)].map(|(name, value)| (name.into(), value.into())).into();
    Ok(Described { socket: socket.into(), request, image: spec.image, pipes: spec.pipes })
}

impl Described {
    async fn ask(self, log: LogLine) -> Result<Remote, DriverError> {
        let unusable = |e| os("make pipes for a function", e);
        let (their_stdin, stdin) = std::io::pipe().map_err(unusable)?;
        let (stdout, their_stdout) = std::io::pipe().map_err(unusable)?;
        let (stderr, their_stderr) = std::io::pipe().map_err(unusable)?;
        let files: [OwnedFd; 3] = [their_stdin.into(), their_stdout.into(), their_stderr.into()];
        let Self { socket, request, image, pipes } = self;
        let asking = move || {
            let files: Vec<_> = files.iter().map(AsFd::as_fd).collect();
            Asked::start_within(&socket, Version::Two, &request, &files, START_PATIENCE)
        };
        let asked = tokio::task::spawn_blocking(asking).await.map_err(|e| unusable(io::Error::other(e)))?;
        let (packets, talk) = asked.map_err(|e| refused(&image, e))?.into_parts();
        let packets = Arc::new(AsyncPackets::new(packets).map_err(unusable)?);

        let ended = watch::Sender::new(None);
        let hearing = tokio::spawn(hear(packets.clone(), talk, ended.clone()));
        let remote = Remote { packets, ended, hearing, pipes: Mutex::new(None) };
        lines::follow(not_blocking(stderr.into())?, Stdio::Err, log.clone()).map_err(unusable)?;
        let stdout = not_blocking(stdout.into())?;
        if pipes {
            let ends = Ends::Pipes {
                stdin: pipes::writer(not_blocking(stdin.into())?).map_err(unusable)?,
                stdout: pipes::reader(stdout).map_err(unusable)?,
                exit: Exiting(remote.exit()),
            };
            *remote.pipes.lock().unwrap_or_else(PoisonError::into_inner) = Some(ends);
        } else {
            lines::follow(stdout, Stdio::Out, log).map_err(unusable)?;
        }
        Ok(remote)
    }
}

impl Created for Described {
    fn start(self: Box<Self>, log: LogLine) -> Doing<'static, Result<Box<dyn Container>, DriverError>> {
        Box::pin(async move { Ok(Box::new(self.ask(log).await?) as Box<dyn Container>) })
    }

    fn discard(self: Box<Self>) -> Doing<'static, ()> {
        Box::pin(async {})
    }
}

/// A function that runs elsewhere. Dropping it ends the conversation, and with it the function.
#[derive(Debug)]
struct Remote {
    packets: Arc<AsyncPackets>,
    ended: watch::Sender<Option<Exit>>,
    hearing: JoinHandle<()>,
    pipes: Mutex<Option<Ends>>,
}

/// Waits for the function's end. Without the server nobody knows how that was; it was not by itself.
async fn hear(packets: Arc<AsyncPackets>, mut talk: Talk, ended: watch::Sender<Option<Exit>>) {
    let mut room = vec![0; PACKET_BYTES_MAX];
    let exit = loop {
        let heard = match packets.recv(&mut room).await {
            Ok(received) if received.bytes > 0 => talk.read(&room[..received.bytes]).ok(),
            _ => None,
        };
        match heard {
            Some(Tell::Exited(end)) if end.how == How::Code => break Exit::Code(end.value),
            Some(Tell::Exited(end)) => break Exit::Signal(end.value),
            Some(_) => {}
            None => break Exit::Signal(Signal::KILL.as_raw()),
        }
    };
    ended.send_replace(Some(exit));
}

impl Remote {
    async fn signal(&self, signal: Signal) -> io::Result<()> {
        let passed = Passed { number: signal.as_raw(), only_it: false };
        self.packets.send(&passed.encode(), &[]).await
    }
}

impl Container for Remote {
    fn pipes(&self) -> Option<Ends> {
        self.pipes.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn exit(&self) -> Doing<'static, Exit> {
        let mut ended = self.ended.subscribe();
        Box::pin(async move {
            let exit = ended.wait_for(Option::is_some).await.map(|exit| *exit);
            exit.ok().flatten().unwrap_or(Exit::Signal(Signal::KILL.as_raw()))
        })
    }

    fn freeze(&self) -> Doing<'_, Result<(), DriverError>> {
        Box::pin(async { self.signal(Signal::STOP).await.map_err(|e| os("stop a function elsewhere", e)) })
    }

    fn thaw(&self) -> Doing<'_, Result<(), DriverError>> {
        Box::pin(async { self.signal(Signal::CONT).await.map_err(|e| os("let a function elsewhere go on", e)) })
    }

    fn end(&self, grace: Duration) -> Doing<'_, ()> {
        Box::pin(async move {
            for (signal, patience) in [(Signal::TERM, grace), (Signal::KILL, GONE_PATIENCE)] {
                let asked = async {
                    // If it cannot be told it is gone, or its server is, which ends it.
                    let _ = self.signal(signal).await;
                    let _ = self.signal(Signal::CONT).await;
                    self.exit().await;
                };
                // The telling too: a server that does not listen takes no more than its socket holds.
                if tokio::time::timeout(patience, asked).await.is_ok() {
                    return;
                }
            }
            tracing::warn!("a function elsewhere was killed and its server does not say that it ended");
        })
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.hearing.abort();
    }
}

fn not_blocking(file: OwnedFd) -> Result<OwnedFd, DriverError> {
    rustix::io::ioctl_fionbio(&file, true).map_err(|e| os("use the pipes of a function", e.into()))?;
    Ok(file)
}

/// Whose fault it is that a function did not start: the image's, or the server's.
fn refused(image: &str, failure: Failure) -> DriverError {
    match failure {
        Failure::Refused { class: Class::Directory | Class::NotExecutable | Class::NotFound, ref message } => {
            DriverError::Image { image: image.to_owned(), why: format!("does not start: {message}") }
        }
        other => DriverError::Engine { what: format!("image {image:?} cannot be started"), why: other.to_string() },
    }
}

fn os(what: &str, source: io::Error) -> DriverError {
    DriverError::Os { what: what.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use hotfn_exec::rules::Rules;
    use hotfn_exec::server::{Config, Server};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::container::Heard;

    fn spec(image: String) -> Spec {
        Spec {
            id: "01J".into(),
            node: String::new(),
            function: "f".into(),
            image,
            dir: None,
            env: vec![("GREETING".into(), "hi".into()), ("PATH".into(), "/usr/bin:/bin".into())],
            iofs: None,
            pipes: true,
            memory_mb: 1,
            cpu_milli: 0,
            connections_max: 0,
        }
    }

    async fn started(dir: &std::path::Path, program: &str) -> Result<Box<dyn Container>, DriverError> {
        let image = format!("remote:{} {program}", dir.join("s").display());
        let created = RemoteDriver.create(spec(image)).await?;
        created.start(Arc::new(|_, _: &[u8]| Heard::Kept)).await
    }

    fn serve(dir: &std::path::Path) -> Server {
        Server::start(Config::new(dir.join("s")), Rules::open_to(rustix::process::geteuid().as_raw())).unwrap()
    }

    #[tokio::test]
    async fn a_function_elsewhere_reads_prints_stops_goes_on_and_ends() {
        let dir = tempfile::tempdir().unwrap();
        let _server = serve(dir.path());
        let container = started(dir.path(), "sh -c 'echo $GREETING; exec cat'").await.unwrap();
        let Some(Ends::Pipes { mut stdin, mut stdout, .. }) = container.pipes() else { panic!("it has pipes") };
        let mut room = [0; 3];
        stdout.read_exact(&mut room).await.unwrap();
        assert_eq!(&room, b"hi\n");
        container.freeze().await.unwrap();
        container.thaw().await.unwrap();
        stdin.write_all(b"abc").await.unwrap();
        stdout.read_exact(&mut room).await.unwrap();
        assert_eq!(&room, b"abc");
        container.end(Duration::from_secs(20)).await;
        assert_eq!(container.exit().await, Exit::Signal(15));
    }

    /// A server that starts what it is asked for, and then hears nothing any more.
    fn serve_once(dir: &std::path::Path) -> tokio::task::JoinHandle<()> {
        let claim: hotfn_socket::Claim<hotfn_socket::PacketListener> =
            hotfn_socket::claim(&dir.join("s"), 0o600, hotfn_socket::Owner::default()).unwrap();
        let listener = hotfn_socket::AsyncPacketListener::new(claim.listener().try_clone().unwrap()).unwrap();
        tokio::spawn(async move {
            let caller = listener.accept().await.unwrap();
            caller.recv(&mut vec![0; PACKET_BYTES_MAX]).await.unwrap();
            caller.send(&Tell::Started { pid: 1, job: 1 }.encode(), &[]).await.unwrap();
            let _still_there = (claim, caller);
            std::future::pending().await
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_does_not_listen_is_not_talked_to_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let server = serve_once(dir.path());
        let container = started(dir.path(), "sh").await.unwrap();
        while tokio::time::timeout(Duration::from_secs(1), container.freeze()).await.is_ok() {}
        container.end(Duration::from_secs(1)).await;
        server.abort();
    }

    #[tokio::test]
    async fn what_does_not_start_is_the_images_fault_or_the_servers() {
        let dir = tempfile::tempdir().unwrap();
        let nobody = started(dir.path(), "true").await.unwrap_err();
        assert!(matches!(nobody, DriverError::Engine { .. }), "{nobody}");
        let _server = serve(dir.path());
        let missing = started(dir.path(), "no-such-program").await.unwrap_err();
        assert!(matches!(missing, DriverError::Image { .. }), "{missing}");
        let nameless = RemoteDriver.create(spec("remote:/s".into())).await.unwrap_err();
        assert!(nameless.to_string().contains("names no program"), "{nameless}");
    }
}
