//! A function to test against: scripted, on the far end of real sockets, because half of what is
//! tested is what the kernel says when that end goes away.
//!
//! Each connection has its script, run on a thread of its own, which ends the connection when it
//! returns. Nothing here waits for longer than [`PATIENCE`].

use std::collections::VecDeque;
use std::io::{self, IoSlice, Read as _, Write as _};
use std::os::unix::net::UnixStream as Blocking;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Frame;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;

use super::{Event, Limits, RequestDecoder, RequestHead};
use crate::{BodyError, Call, ContainerIo, Dial, Dialing, Gathered, Head, Stdin, Stdout, Stream, Verdict, reply_pipe};

/// How long a test waits for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// What a function does on one connection.
pub(crate) type Script = Box<dyn FnOnce(Peer) + Send>;

/// The function's end of a connection.
pub(crate) struct Peer {
    reader: Blocking,
    writer: Blocking,
    buf: BytesMut,
}

/// A request as the function read it.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) body: Vec<u8>,
    /// The bytes themselves.
    pub(crate) wire: Vec<u8>,
}

impl Peer {
    fn new(reader: Blocking, writer: Blocking) -> Self {
        reader.set_read_timeout(Some(PATIENCE)).unwrap();
        writer.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { reader, writer, buf: BytesMut::new() }
    }

    /// The next request, whole; `None` if the agent closed the connection instead.
    pub(crate) fn request(&mut self) -> Option<Request> {
        let mut wire = vec![];
        let mut body = vec![];
        let ended = self.events(&mut wire, |event| {
            if let Event::Data(piece) = event {
                body.extend_from_slice(&piece);
            }
        });
        ended.then_some(Request { body, wire })
    }

    /// Answers each request with what it carries, as it comes.
    pub(crate) fn echo(&mut self) {
        let mut writer = self.writer.try_clone().unwrap();
        while self.events(&mut vec![], |event| {
            let mut out = BytesMut::new();
            match event {
                Event::Head(_) => out.extend_from_slice(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
                Event::Data(piece) => super::encode::chunk(&mut out, &piece),
                Event::End => out.extend_from_slice(super::encode::LAST_CHUNK),
            }
            writer.write_all(&out).unwrap();
        }) {}
    }

    /// Waits until something has come, and reads none of it.
    pub(crate) fn wait(&mut self) {
        let reader = self.reader.try_clone().unwrap();
        reader.set_nonblocking(true).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let reader = UnixStream::from_std(reader).unwrap();
            tokio::time::timeout(PATIENCE, reader.readable()).await.expect("something comes").unwrap();
        });
    }

    /// What has come so far, some of it at least.
    pub(crate) fn some(&mut self) {
        let read = self.reader.read(&mut [0; 64 << 10]).unwrap();
        assert!(read > 0, "the agent writes");
    }

    /// Only the next byte.
    pub(crate) fn byte(&mut self) {
        self.reader.read_exact(&mut [0]).unwrap();
    }

    pub(crate) fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.writer.write_all(bytes.as_ref()).unwrap();
    }

    /// Writes for as long as anybody reads.
    pub(crate) fn write_forever(&mut self, bytes: &[u8]) -> io::Error {
        loop {
            if let Err(e) = self.writer.write_all(bytes) {
                return e;
            }
        }
    }

    /// Waits until the agent closes the connection, and wants nothing before that.
    pub(crate) fn closed(&mut self) {
        let mut rest = vec![];
        match self.reader.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(e) => assert_eq!(e.kind(), io::ErrorKind::ConnectionReset),
        }
    }

    /// Reads up to the end of a request; false if the connection ended first.
    fn events(&mut self, wire: &mut Vec<u8>, mut on: impl FnMut(Event<RequestHead>)) -> bool {
        let mut decoder = RequestDecoder::new(Limits::default());
        wire.extend_from_slice(&self.buf);
        loop {
            while let Some(event) = decoder.decode(&mut self.buf).expect("the agent writes requests") {
                let is_end = event == Event::End;
                on(event);
                if is_end {
                    wire.truncate(wire.len() - self.buf.len());
                    return true;
                }
            }
            let mut piece = [0; 64 << 10];
            match self.reader.read(&mut piece) {
                Ok(0) => return false,
                Ok(read) => {
                    self.buf.extend_from_slice(&piece[..read]);
                    wire.extend_from_slice(&piece[..read]);
                }
                Err(e) if e.kind() == io::ErrorKind::ConnectionReset => return false,
                Err(e) => panic!("no request within {PATIENCE:?}: {e}"),
            }
        }
    }
}

/// A function with a script for each connection. Further ones are refused.
#[derive(Clone)]
pub(crate) struct Function(Arc<Shared>);

struct Shared {
    scripts: Mutex<VecDeque<Script>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    dials: AtomicUsize,
    writes: Arc<AtomicUsize>,
}

impl Function {
    pub(crate) fn new(scripts: impl IntoIterator<Item = Script>) -> Self {
        Self(Arc::new(Shared {
            scripts: Mutex::new(scripts.into_iter().collect()),
            threads: Mutex::default(),
            dials: AtomicUsize::new(0),
            writes: Arc::default(),
        }))
    }

    /// Its standard input and output: one connection, as it were.
    pub(crate) fn pipes(&self) -> (Box<dyn Stdin>, Box<dyn Stdout>) {
        let (ours_in, theirs_in) = Blocking::pair().unwrap();
        let (ours_out, theirs_out) = Blocking::pair().unwrap();
        self.start(Peer::new(theirs_in, theirs_out));
        (Box::new(self.end(ours_in)), Box::new(self.end(ours_out)))
    }

    /// How often the agent connected.
    pub(crate) fn dials(&self) -> usize {
        self.0.dials.load(Ordering::Relaxed)
    }

    /// How often the agent wrote.
    pub(crate) fn writes(&self) -> usize {
        self.0.writes.load(Ordering::Relaxed)
    }

    /// Further connections are refused, whatever the scripts say.
    pub(crate) fn stop_listening(&self) {
        self.0.scripts.lock().unwrap().clear();
    }

    /// Waits for the scripts to end, and checks that none of them failed.
    pub(crate) fn finish(self) {
        assert!(self.0.scripts.lock().unwrap().is_empty(), "each script had its connection");
        for thread in self.0.threads.lock().unwrap().drain(..) {
            thread.join().expect("the script went as it was written");
        }
    }

    fn start(&self, peer: Peer) -> bool {
        let Some(script) = self.0.scripts.lock().unwrap().pop_front() else { return false };
        self.0.threads.lock().unwrap().push(std::thread::spawn(|| script(peer)));
        true
    }

    fn end(&self, ours: Blocking) -> End {
        ours.set_nonblocking(true).unwrap();
        let kernel = ours.try_clone().unwrap();
        End { io: UnixStream::from_std(ours).unwrap(), kernel, writes: self.0.writes.clone() }
    }
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Function")
    }
}

impl Dial for Function {
    fn dial(&self) -> Dialing<'_> {
        Box::pin(async {
            self.0.dials.fetch_add(1, Ordering::Relaxed);
            let (ours, theirs) = Blocking::pair()?;
            if !self.start(Peer::new(theirs.try_clone()?, theirs)) {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            Ok(Box::new(self.end(ours)) as Box<dyn Stream>)
        })
    }
}

/// The agent's end.
#[derive(Debug)]
struct End {
    io: UnixStream,
    kernel: Blocking,
    writes: Arc<AtomicUsize>,
}

impl End {
    fn count(&self, written: &Poll<io::Result<usize>>) {
        if written.is_ready() {
            self.writes.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl AsyncRead for End {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for End {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.count(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.count(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl Stream for End {
    fn read_now(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.kernel.read(buf)
    }
}

impl Stdin for End {}

impl Stdout for End {
    fn read_now(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.kernel.read(buf)
    }
}

/// A call's body that comes piece by piece, each only when it was waited for.
pub(crate) struct Slow {
    pieces: Box<dyn Iterator<Item = Result<Bytes, BodyError>> + Send>,
    is_due: bool,
    /// Does it stop, after its last piece, without an end?
    pub(crate) hangs: bool,
}

impl Slow {
    pub(crate) fn new<I>(pieces: I) -> Self
    where
        I: IntoIterator<Item = Result<Bytes, BodyError>>,
        I::IntoIter: Send + 'static,
    {
        Self { pieces: Box::new(pieces.into_iter()), is_due: false, hangs: false }
    }

    pub(crate) fn of(pieces: &'static [&'static str]) -> Self {
        Self::new(pieces.iter().map(|piece| Ok(Bytes::from_static(piece.as_bytes()))))
    }
}

impl http_body::Body for Slow {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.is_due = !self.is_due;
        if self.is_due {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        match self.pieces.next() {
            Some(piece) => Poll::Ready(Some(piece.map(Frame::data))),
            None if self.hangs => Poll::Pending,
            None => Poll::Ready(None),
        }
    }
}

/// What the caller got: nothing, or a head and a body that may be cut.
pub(crate) type Got = Option<(Head, Result<Bytes, BodyError>)>;

/// Makes one call and takes all of its answer.
pub(crate) async fn dispatch(io: &mut impl ContainerIo, mut call: Call) -> (Got, Verdict) {
    let (sink, mut source) = reply_pipe();
    let taking = async {
        std::future::poll_fn(|cx| source.poll_head(cx)).await;
        let Gathered { head, body, .. } = source.into_reply()?;
        Some((head, body.gather(u64::MAX).await))
    };
    let both = async { tokio::join!(taking, io.dispatch(&mut call, sink)) };
    tokio::time::timeout(PATIENCE, both).await.expect("a call ends")
}

/// Makes a call, and drops it as soon as it has reached the function.
pub(crate) async fn abandon(io: &mut impl ContainerIo, mut call: Call) {
    let (sink, source) = reply_pipe();
    let mut call = std::pin::pin!(io.dispatch(&mut call, sink));
    let reached = std::future::poll_fn(|cx| {
        assert!(call.as_mut().poll(cx).is_pending(), "nobody answers");
        if source.reached().is_some() { Poll::Ready(()) } else { Poll::Pending }
    });
    tokio::time::timeout(PATIENCE, reached).await.expect("a call reaches the function");
}
