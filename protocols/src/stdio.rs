//! The shell around the two formats that talk in JSON documents over a container's pipes.
//!
//! A call is one write and one document back. What is hard about it is everything around that:
//!
//! * Pipes hold 64 KiB. A function may answer, or print, before it has read everything, so we read
//!   while we write.
//! * The stream has no boundaries of its own. Whatever a function prints that is no answer would be
//!   taken for the next call's, and one caller would read what was meant for another. So there is
//!   one reader for the container's life that keeps what came too early, [`Shell::look`] reads
//!   whatever the runtime has heard of right before each call, and a container that said a byte too
//!   many is not used again. Only white space may pass.
//! * An answer that comes before the call was wholly written is delivered, but the rest of the call
//!   is still on its way to be read as the next one: that container goes as well.
//!
//! Bodies do not stream here: the formats hold them whole, within
//! [`Limits::document_bytes_max`].

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::task::{Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use http::StatusCode;
use tokio::io::{AsyncWriteExt as _, ReadBuf};

use crate::document::{DocumentError, Documents};
use crate::{BodyError, Call, Fault, Head, Kind, Limits, ReplySink, Reuse, Stdin, Stdout, Verdict};

#[cfg(test)]
pub(crate) mod pipes;
#[cfg(test)]
mod tests;

/// How much is read at once. The room for it is on the stack and only while it is used: a container
/// that idles costs no buffer.
const READ_BYTES: usize = 16 << 10;

/// How often we read what is there without waiting: 1 MiB, all that a pipe can hold unless root made
/// it larger. Who has still more to say is writing just now.
const READS_NOW_MAX: usize = 64;

/// The longest reason that is told. A parser may quote a whole member of the answer in it.
const REASON_CHARS_MAX: usize = 200;

/// What a format says within its documents.
pub(crate) trait Dialect: fmt::Debug + Send {
    /// The format's name.
    const NAME: &'static str;

    /// What of the call its answer's reading depends on.
    type Asked: Send;

    /// The request, as one document and a newline.
    fn encode(call: &Call, body: &[u8]) -> Result<(Vec<u8>, Self::Asked), Fault>;

    /// The answer within one document.
    fn decode(asked: Self::Asked, document: Bytes, limits: &Limits) -> Result<(Head, Bytes), Fault>;
}

/// The agent's end of such a format.
#[derive(Debug)]
pub(crate) struct Shell<D> {
    stdin: Box<dyn Stdin>,
    stdout: Box<dyn Stdout>,
    documents: Documents,
    limits: Limits,
    dialect: PhantomData<fn() -> D>,
}

impl<D: Dialect> Shell<D> {
    pub(crate) fn new(stdin: Box<dyn Stdin>, stdout: Box<dyn Stdout>, limits: Limits) -> Self {
        Self { stdin, stdout, documents: Documents::new(limits.document_bytes_max), limits, dialect: PhantomData }
    }

    /// See [`ContainerIo::look`](crate::ContainerIo::look).
    pub(crate) fn look(&mut self) -> Reuse {
        for _ in 0..READS_NOW_MAX {
            if !self.documents.is_blank() {
                return Reuse::Retire;
            }
            if !self.stdout.has_news() {
                return Reuse::Keep;
            }
            match self.feed_now() {
                Ok(0) => return Reuse::Retire,
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Reuse::Keep,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Reuse::Retire,
            }
        }
        Reuse::Retire
    }

    /// See [`ContainerIo::dispatch`](crate::ContainerIo::dispatch).
    ///
    /// What fails before a byte was written leaves the container as it was. After that only a whole
    /// answer does.
    pub(crate) async fn dispatch(&mut self, call: &mut Call, mut sink: ReplySink) -> Verdict {
        let bytes_max = self.limits.document_bytes_max as u64;
        let body_bytes_max = self.limits.request_bytes_max.map_or(bytes_max, |max| max.min(bytes_max));
        let body = match std::mem::take(&mut call.body).gather(body_bytes_max).await {
            Ok(body) => body,
            Err(e) => return Verdict::failed(e.into_call_fault(), Reuse::Keep),
        };
        let (request, asked) = match D::encode(call, &body) {
            Ok(encoded) => encoded,
            Err(fault) => return Verdict::failed(fault, Reuse::Keep),
        };
        if request.len() as u64 > bytes_max {
            return Verdict::failed(BodyError::TooLarge { max: bytes_max }.into_call_fault(), Reuse::Keep);
        }
        drop(body);

        let (document, written) = self.exchange(&request, &sink).await;
        // An answer before its call was wholly written, or with something behind it.
        let clean = written && self.documents.is_blank();
        let answer = document.and_then(|document| {
            let (head, body) = D::decode(asked, document, &self.limits)?;
            self.capped(head, body)
        });
        match answer {
            Err(fault) => {
                // The answer was whole, only nothing a caller can use.
                let reuse = if fault.kind() == Kind::InvalidResponse && clean { Reuse::Keep } else { Reuse::Retire };
                Verdict::failed(fault, reuse)
            }
            Ok((head, body)) => {
                let reuse = if clean { Reuse::Keep } else { Reuse::Retire };
                sink.head(head, Some(body.len() as u64));
                match sink.send(body).await {
                    Ok(()) => {
                        sink.finish();
                        Verdict::answered(reuse)
                    }
                    Err(_) => Verdict::failed(Kind::CallerLeft, reuse),
                }
            }
        }
    }

    /// Writes the request and reads one document, at the same time. Also says whether all of the
    /// request was written.
    async fn exchange(&mut self, request: &[u8], sink: &ReplySink) -> (Result<Bytes, Fault>, bool) {
        let Self { stdin, stdout, documents, .. } = self;
        let mut written = false;
        let write = async {
            stdin.write_all(request).await?;
            stdin.flush().await?;
            sink.reached(Instant::now());
            written = true;
            Ok::<_, io::Error>(())
        };
        let read = async {
            loop {
                if let Some(document) = documents.next().map_err(document_fault::<D>)? {
                    return Ok(document);
                }
                match feed(documents, &mut **stdout).await {
                    Ok(0) => return Err(invalid_response(D::NAME, "function closed its output")),
                    Ok(_) => {}
                    Err(e) => return Err(invalid_response(D::NAME, "its output cannot be read").caused_by(e)),
                }
            }
        };
        let document = match alongside(write, read).await {
            Ok(document) => document,
            // It reads no more. What it said before that may still be the answer; more will not come.
            Err(e) => self
                .last_words()
                .unwrap_or_else(|| Err(invalid_response(D::NAME, "function closed its input").caused_by(e))),
        };
        (document, written)
    }

    /// The document that is there already, if one is.
    fn last_words(&mut self) -> Option<Result<Bytes, Fault>> {
        for _ in 0..READS_NOW_MAX {
            match self.documents.next() {
                Ok(None) => {}
                Ok(Some(document)) => return Some(Ok(document)),
                Err(e) => return Some(Err(document_fault::<D>(e))),
            }
            match self.feed_now() {
                Ok(0) => return None,
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
        None
    }

    /// Takes what is there now, straight from the kernel; says how much that was.
    fn feed_now(&mut self) -> io::Result<usize> {
        let mut room = [0; READ_BYTES];
        let n = self.stdout.read_now(&mut room)?;
        self.documents.feed(&room[..n]);
        Ok(n)
    }

    /// The answer, if it is within its bound and as its status allows.
    fn capped(&self, head: Head, body: Bytes) -> Result<(Head, Bytes), Fault> {
        if let Some(max) = self.limits.response_bytes_max
            && body.len() as u64 > max
        {
            let why = format!("it has {} bytes, {max} are allowed", body.len());
            return Err(Fault::new(Kind::ResponseTooLarge).because(why));
        }
        let bodiless = matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        Ok((head, if bodiless { Bytes::new() } else { body }))
    }
}

/// Waits for what the function says next and takes it; says how much that was. Cancel safe.
async fn feed(documents: &mut Documents, stdout: &mut (dyn Stdout + 'static)) -> io::Result<usize> {
    let mut stdout = Pin::new(stdout);
    poll_fn(move |cx| {
        let mut room = [MaybeUninit::uninit(); READ_BYTES];
        let mut read = ReadBuf::uninit(&mut room);
        ready!(stdout.as_mut().poll_read(cx, &mut read))?;
        documents.feed(read.filled());
        Poll::Ready(Ok(read.filled().len()))
    })
    .await
}

/// Runs `read` to its end, and `write` meanwhile. Ends early with `write`'s error.
///
/// `write` goes first each time. So when `read` is done with an answer that took all of the request
/// to make, `write` is done as well.
pub(crate) async fn alongside<T, E>(
    write: impl Future<Output = Result<(), E>>,
    read: impl Future<Output = T>,
) -> Result<T, E> {
    let (mut write, mut read) = (pin!(write), pin!(read));
    let mut written = false;
    poll_fn(move |cx| {
        if !written && let Poll::Ready(outcome) = write.as_mut().poll(cx) {
            outcome?;
            written = true;
        }
        read.as_mut().poll(cx).map(Ok)
    })
    .await
}

/// What is told of an answer that is none of `format`.
pub(crate) fn invalid_response(format: &str, why: impl fmt::Display) -> Fault {
    let reason = format!("invalid {format} response: {why}");
    Fault::new(Kind::InvalidFrame).because(shortened(&reason))
}

/// The beginning of `text`, if it is longer than anybody would read.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(REASON_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn document_fault<D: Dialect>(e: DocumentError) -> Fault {
    match e {
        DocumentError::TooLarge { max } => {
            Fault::new(Kind::ResponseTooLarge).because(format!("its document has more than {max} bytes"))
        }
        DocumentError::NotAnObject(_) | DocumentError::TooDeep => invalid_response(D::NAME, e),
    }
}
