//! A double of a driver: containers that are tasks of the test, serving `http-stream` from a real
//! socket in their iofs directory, and that note what is done to them.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, server};
use hyper_util::rt::TokioIo;
use tokio::net::UnixListener;
use tokio::sync::watch;

use hotfn_protocols::{Ends, Exit};

use crate::container::{Container, Created, Doing, Driver, DriverError, LogLine, Spec, Stdio, View};
use crate::iofs::LISTENER;

/// What a scripted container does, by the name in its image: `echo`, `hang`, `sleep`, `exit`,
/// `mute`, `broken`; `far` is an image that never comes, `stuck` one that never starts;
/// `fickle` ends as soon as it is thawed.
#[derive(Debug, Default)]
pub(crate) struct Scripted {
    /// Every container ever made, in order.
    pub(crate) started: Mutex<Vec<Arc<Life>>>,
}

/// One container's life, as the test sees it.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) spec: Spec,
    /// Was it ever started?
    pub(crate) started: AtomicBool,
    pub(crate) frozen: AtomicBool,
    pub(crate) in_flight: AtomicU32,
    pub(crate) served: AtomicU32,
    /// The most calls that were ever in flight at once.
    pub(crate) crowd: AtomicU32,
    /// A call was served while it was frozen.
    pub(crate) served_frozen: AtomicBool,
    exit: watch::Sender<Option<Exit>>,
}

impl Scripted {
    pub(crate) fn lives(&self) -> Vec<Arc<Life>> {
        self.started.lock().unwrap().clone()
    }
}

impl Life {
    pub(crate) fn is_over(&self) -> bool {
        self.exit.borrow().is_some()
    }

    /// Is it made, and nobody has started or removed it?
    pub(crate) fn waits_to_be_started(&self) -> bool {
        !self.started.load(Ordering::Relaxed) && !self.is_over()
    }

    /// Ends by itself, if it has not ended yet.
    pub(crate) fn die(&self, exit: Exit) {
        self.exit.send_if_modified(|ended| ended.replace(ended.unwrap_or(exit)).is_none());
    }

    async fn over(&self) -> Exit {
        self.exit.subscribe().wait_for(Option::is_some).await.unwrap().unwrap()
    }
}

impl Driver for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn view(&self) -> View {
        View::Host
    }

    fn prepare<'a>(&'a self, image: &'a str) -> Doing<'a, Result<(), DriverError>> {
        Box::pin(async move { if image == "far" { std::future::pending().await } else { Ok(()) } })
    }

    fn create(&self, spec: Spec) -> Doing<'_, Result<Box<dyn Created>, DriverError>> {
        let life = Arc::new(Life {
            spec,
            started: AtomicBool::new(false),
            frozen: AtomicBool::new(false),
            in_flight: AtomicU32::new(0),
            served: AtomicU32::new(0),
            crowd: AtomicU32::new(0),
            served_frozen: AtomicBool::new(false),
            exit: watch::Sender::new(None),
        });
        self.started.lock().unwrap().push(life.clone());
        Box::pin(async { Ok(Box::new(Script(life)) as Box<dyn Created>) })
    }

    fn sweep<'a>(&'a self, _node: &'a str) -> Doing<'a, Result<usize, DriverError>> {
        Box::pin(async { Ok(0) })
    }
}

/// A container that was not started yet.
#[derive(Debug)]
struct Script(Arc<Life>);

impl Created for Script {
    fn start(self: Box<Self>, log: LogLine) -> Doing<'static, Result<Box<dyn Container>, DriverError>> {
        let life = self.0.clone();
        life.started.store(true, Ordering::Relaxed);
        let directory = life.spec.iofs.clone().unwrap();
        match life.spec.image.as_str() {
            "missing" => {
                life.die(Exit::Code(127));
                let (image, why) = (life.spec.image.clone(), "is not there".to_owned());
                return Box::pin(async { Err(DriverError::Image { image, why }) });
            }
            "exit" => {
                log(Stdio::Err, b"no reason to live");
                life.die(Exit::Code(3));
            }
            "mute" => {}
            "stuck" => {
                // Whoever gives it up leaves nothing to be ended.
                life.die(Exit::Code(0));
                return Box::pin(std::future::pending());
            }
            "broken" => std::fs::write(directory.join(LISTENER), "not a socket").unwrap(),
            _ => serve(&life, &directory),
        }
        Box::pin(async { Ok(Box::new(Hosted(life)) as Box<dyn Container>) })
    }

    fn discard(self: Box<Self>) -> Doing<'static, ()> {
        Box::pin(async {})
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        if !self.0.started.load(Ordering::Relaxed) {
            self.0.die(Exit::Code(0));
        }
    }
}

fn serve(life: &Arc<Life>, directory: &Path) {
    let listener = UnixListener::bind(directory.join(LISTENER)).unwrap();
    let life = life.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = tokio::select! {
                accepted = listener.accept() => accepted.unwrap(),
                _ = life.over() => return,
            };
            let life = life.clone();
            tokio::spawn(async move {
                let service = service_fn(|request| answer(&life, request));
                let connection = server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::select! {
                    _ = connection => {}
                    _ = life.over() => {}
                }
            });
        }
    });
}

async fn answer(life: &Arc<Life>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Hangup> {
    let _present = Present::new(life);
    let id = request.headers()["fn-call-id"].clone();
    let body = request.into_body().collect().await.map(|b| b.to_bytes()).unwrap_or_default();
    match (life.spec.image.as_str(), &body[..]) {
        ("hang", _) | (_, b"hang") => std::future::pending().await,
        (_, b"die") => {
            life.die(Exit::Signal(9));
            std::future::pending().await
        }
        (_, b"drop") => return Err(Hangup),
        ("sleep", _) => tokio::time::sleep(Duration::from_millis(20)).await,
        _ => tokio::task::yield_now().await,
    }
    life.served.fetch_add(1, Ordering::Relaxed);
    let status = if &body[..] == b"404" { 404 } else { 200 };
    Ok(Response::builder().status(status).header("x-seen-id", id).body(Full::new(body)).unwrap())
}

/// The connection ends without an answer.
#[derive(Debug)]
struct Hangup;

impl std::fmt::Display for Hangup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("hung up")
    }
}

impl std::error::Error for Hangup {}

struct Present<'a>(&'a Life);

impl<'a> Present<'a> {
    fn new(life: &'a Life) -> Self {
        let now = life.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        life.crowd.fetch_max(now, Ordering::SeqCst);
        if life.frozen.load(Ordering::SeqCst) {
            life.served_frozen.store(true, Ordering::SeqCst);
        }
        Self(life)
    }
}

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
        if self.0.frozen.load(Ordering::SeqCst) {
            self.0.served_frozen.store(true, Ordering::SeqCst);
        }
    }
}

#[derive(Debug)]
struct Hosted(Arc<Life>);

impl Container for Hosted {
    fn pipes(&self) -> Option<Ends> {
        None
    }

    fn exit(&self) -> Doing<'static, Exit> {
        let life = self.0.clone();
        Box::pin(async move { life.over().await })
    }

    fn freeze(&self) -> Doing<'_, Result<(), DriverError>> {
        Box::pin(async {
            tokio::task::yield_now().await;
            self.0.frozen.store(true, Ordering::SeqCst);
            Ok(())
        })
    }

    fn thaw(&self) -> Doing<'_, Result<(), DriverError>> {
        Box::pin(async {
            tokio::task::yield_now().await;
            self.0.frozen.store(false, Ordering::SeqCst);
            if self.0.spec.image == "fickle" {
                self.0.die(Exit::Code(0));
            }
            Ok(())
        })
    }

    fn end(&self, _: Duration) -> Doing<'_, ()> {
        self.0.die(Exit::Signal(15));
        Box::pin(std::future::ready(()))
    }
}
