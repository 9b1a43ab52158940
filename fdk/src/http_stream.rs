//! Calls over a unix socket: HTTP/1.1, many connections at once, each kept open for as long as the
//! platform likes.
//!
//! An idle connection is never closed from this side: a platform may freeze the process between
//! calls, and timers that ran out meanwhile would all fire at the thaw. A connection that breaks, or
//! that speaks nonsense, ends alone.
//!
//! A caller who leaves closes the connection. Whoever reads notices that, but a handler that ignores
//! its body keeps everybody from reading; so the socket is watched besides, for as long as a call
//! lasts. A caller who only finished sending has not left: the answer
//! still reaches it.

mod answer;
mod connection;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout_at};

use hotfn_socket::{Announced, Sign, Stream};

use self::connection::{Service, converse};
use crate::report::say;
use crate::settings::Settings;
use crate::shutdown::{Asked, Ending};
use crate::{Function, StartError};

/// Most connections at once; more wait in the socket's backlog. A platform needs one a call in
/// flight, and seldom allows a container more than a few hundred descriptors.
const CONNECTIONS_MAX: usize = 1024;

/// How long accepting rests after it failed, as it does while descriptors are short.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// Serves calls at `path` until asked to end.
pub(crate) async fn serve(
    function: Arc<Function>,
    settings: Arc<Settings>,
    path: &Path,
    mut asked: Asked,
) -> Result<(), StartError> {
    let (listener, sign) = listen(path)?;
    let service = Arc::new(Service::new(function, settings));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = asked.asked() => break,
            Some(_) = connections.join_next() => {}
            accepted = accept(&listener), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok(stream) => {
                    connections.spawn(converse(stream, service.clone()));
                }
                Err(e) => {
                    say(&format!("cannot accept a connection: {e}"));
                    sleep(ACCEPT_REST).await;
                }
            },
        }
    }

    let ending = Ending::begin(&service.settings);
    drop(sign);
    drop(listener);
    service.stop();
    let finished = async { while connections.join_next().await.is_some() {} };
    if timeout_at(ending.calls, finished).await.is_err() {
        say(&format!("{} calls were still at work when their time was up", connections.len()));
        connections.shutdown().await;
    }
    ending.run_hook(&service.function).await;
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
