//! Calls over a unix socket: HTTP/1.1, many connections at once, each kept open for as long as the
//! platform likes.
//!
//! An idle connection is never closed from this side: a platform may freeze the process between
//! calls, and timers that ran out meanwhile would all fire at the thaw. A connection that breaks, or
//! that speaks nonsense, ends alone.
//!
//! A caller who leaves closes the connection. Whoever serves HTTP notices that only while reading,
//! and a handler that ignores its body keeps everybody from reading; so the socket is watched
//! besides, for as long as a call lasts. A caller who only finished sending has not left: the answer
//! still reaches it.

mod answer;
mod rest;

use std::io;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout_at};

use hotfn_socket::{Announced, Sign, Stream};

use self::answer::answer;
use crate::report::say;
use crate::settings::Settings;
use crate::shutdown::{Asked, Ending};
use crate::{Function, StartError};

/// Most connections at once; more wait in the socket's backlog. A platform needs one a call in
/// flight, and seldom allows a container more than a few hundred descriptors.
const CONNECTIONS_MAX: usize = 1024;

/// How long accepting rests after it failed, as it does while descriptors are short.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// Most bytes of a request's head, and of what is read ahead. Platforms pass 64 KiB of headers.
const HEAD_BYTES_MAX: usize = 256 << 10;

/// Most headers of a request.
const HEADERS_MAX: usize = 256;

/// Serves calls at `path` until asked to end.
pub(crate) async fn serve(
    function: Arc<Function>,
    settings: Arc<Settings>,
    path: &Path,
    mut asked: Asked,
) -> Result<(), StartError> {
    let (listener, sign) = listen(path)?;
    let (stop, stopping) = watch::channel(());
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = asked.asked() => break,
            Some(_) = connections.join_next() => {}
            accepted = accept(&listener), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok(stream) => {
                    connections.spawn(converse(stream, function.clone(), settings.clone(), stopping.clone()));
                }
                Err(e) => {
                    say(&format!("cannot accept a connection: {e}"));
                    sleep(ACCEPT_REST).await;
                }
            },
        }
    }

    let ending = Ending::begin(&settings);
    drop(sign);
    drop(listener);
    stop.send_replace(());
    let finished = async { while connections.join_next().await.is_some() {} };
    if timeout_at(ending.calls, finished).await.is_err() {
        say(&format!("{} calls were still at work when their time was up", connections.len()));
        connections.shutdown().await;
    }
    ending.run_hook(&function).await;
    Ok(())
}

fn listen(path: &Path) -> Result<(UnixListener, Sign), StartError> {
    let failed = |source| StartError::Listen { path: path.to_owned(), source };
    let Announced { listener, sign } = hotfn_socket::announce(path).map_err(|e| failed(io::Error::other(e)))?;
    Ok((UnixListener::from_std(listener).map_err(failed)?, sign))
}

async fn accept(listener: &UnixListener) -> io::Result<Stream> {
    let (stream, _) = listener.accept().await?;
    Stream::new(stream.into_std()?)
}

/// Serves one connection to its end. Once `stopping` changes, it ends as soon as no call is in
/// flight on it.
async fn converse(stream: Stream, function: Arc<Function>, settings: Arc<Settings>, mut stopping: watch::Receiver<()>) {
    let watched = stream.watched();
    let used = Arc::new(AtomicBool::new(false));
    let service = service_fn({
        let used = used.clone();
        move |request| {
            used.store(true, Ordering::Relaxed);
            answer(request, watched.clone(), function.clone(), settings.clone())
        }
    });
    let connection = http1::Builder::new()
        .auto_date_header(false)
        .half_close(true)
        .header_read_timeout(None)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        // How it ended is nobody's business: whoever was at the other end knows.
        _ = &mut connection => return,
        _ = stopping.changed() => connection.as_mut().graceful_shutdown(),
    }
    // One look for a request that had already arrived. A connection without any never ends by
    // itself.
    if connection.as_mut().now_or_never().is_none() && used.load(Ordering::Relaxed) {
        let _ = connection.await;
    }
}
