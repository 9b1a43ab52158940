//! A function that a test plays itself, at the other ends of two real pipes.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::unix::pipe;

use crate::document::Documents;
use crate::{Call, ContainerIo, Ends, Exit, Exiting, Head, Stdin, Stdout, Verdict, reply_pipe};

/// How long a test may take. Nothing waits for this long unless something is broken.
const PATIENCE: Duration = Duration::from_secs(30);

/// The function's side.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) input: pipe::Receiver,
    pub(crate) output: pipe::Sender,
    documents: Documents,
}

/// A container's ends, and the function in it. It ends as `exit` says, whenever that is asked.
pub(crate) fn container(exit: Exit) -> (Ends, Function) {
    let (input, stdin) = io::pipe().unwrap();
    let (stdout, output) = io::pipe().unwrap();
    let stdout = OwnedFd::from(stdout);
    let ours = Output { now: stdout.try_clone().unwrap().into(), pipe: pipe::Receiver::from_owned_fd(stdout).unwrap() };
    let ends = Ends::Pipes {
        stdin: Box::new(Input(pipe::Sender::from_owned_fd(stdin.into()).unwrap())),
        stdout: Box::new(ours),
        exit: Exiting(Box::pin(async move { exit })),
    };
    let input = pipe::Receiver::from_owned_fd(input.into()).unwrap();
    let output = pipe::Sender::from_owned_fd(output.into()).unwrap();
    (ends, Function { input, output, documents: Documents::new(usize::MAX) })
}

impl Function {
    /// Reads one document.
    pub(crate) async fn document(&mut self) -> Bytes {
        let mut buffer = vec![0; 1 << 16];
        loop {
            if let Some(document) = self.documents.next().unwrap() {
                return document;
            }
            let n = self.input.read(&mut buffer).await.unwrap();
            assert_ne!(n, 0, "input ended before its document");
            self.documents.feed(&buffer[..n]);
        }
    }

    /// Reads to the end of its input.
    pub(crate) async fn all(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        self.input.read_to_end(&mut all).await.unwrap();
        all
    }

    pub(crate) async fn print(&mut self, bytes: impl AsRef<[u8]>) {
        self.output.write_all(bytes.as_ref()).await.unwrap();
    }
}

/// One call, while `function` does its part. What the caller saw is `None` without a head, and its
/// body an error where it was cut.
pub(crate) async fn dispatch(
    io: &mut impl ContainerIo,
    mut call: Call,
    function: impl Future<Output = ()>,
) -> (Verdict, Option<(Head, Result<Bytes, String>)>) {
    let (sink, mut source) = reply_pipe();
    let caller = async {
        std::future::poll_fn(|cx| source.poll_head(cx)).await;
        let reply = source.into_reply()?;
        Some((reply.head, reply.body.gather(u64::MAX).await.map_err(|e| e.to_string())))
    };
    let all = async { tokio::join!(io.dispatch(&mut call, sink), caller, function) };
    let (verdict, seen, ()) = tokio::time::timeout(PATIENCE, all).await.expect("it hangs");
    (verdict, seen)
}

#[derive(Debug)]
struct Input(pipe::Sender);

impl Stdin for Input {}

impl AsyncWrite for Input {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[derive(Debug)]
struct Output {
    pipe: pipe::Receiver,
    /// The same pipe, so as much without waiting, past tokio's idea of what is ready.
    now: File,
}

impl Stdout for Output {
    fn read_now(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.now.read(bytes)
    }
}

impl AsyncRead for Output {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_read(cx, buf)
    }
}
