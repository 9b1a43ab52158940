//! A double of the agent: answers calls as a test says.

use std::future::Future;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use hotfn::Invoke;
use hotfn_protocols::{Body, BodyError, Call, Fault, Reply};
use hotfn_server::calls::{self, Calls, Retries, Rules};
use hotfn_server::front::listen::Server;
use hotfn_server::front::listener::Listener;
use hotfn_server::front::{Address, Config, Front, Permissions, Trigger};
use hotfn_server::store::Store;
use hotfn_server::threads::Threads;

struct Double<F>(F);

impl<F, A> Invoke for Double<F>
where
    F: Fn(Call) -> A + Send + Sync,
    A: Future<Output = Result<Reply, Fault>> + Send + 'static,
{
    fn invoke(&self, call: Call) -> Pin<Box<dyn Future<Output = Result<Reply, Fault>> + Send + '_>> {
        Box::pin((self.0)(call))
    }
}

/// A double alone.
pub(crate) fn invoke<F, A>(answer: F) -> impl Invoke
where
    F: Fn(Call) -> A + Send + Sync,
    A: Future<Output = Result<Reply, Fault>> + Send + 'static,
{
    Double(answer)
}

/// A front that is being served.
pub(crate) struct Running {
    pub(crate) addr: SocketAddr,
    pub(crate) front: Arc<Front>,
    pub(crate) server: Server,
}

/// Serves `answer` behind a front, with `/t/shop` and `/t/shop/a/b` as triggers of `f`.
pub(crate) async fn serve<F, A>(answer: F) -> Running
where
    F: Fn(Call) -> A + Send + Sync + 'static,
    A: Future<Output = Result<Reply, Fault>> + Send + 'static,
{
    serve_with(Config::default(), answer).await
}

pub(crate) async fn serve_with<F, A>(config: Config, answer: F) -> Running
where
    F: Fn(Call) -> A + Send + Sync + 'static,
    A: Future<Output = Result<Reply, Fault>> + Send + 'static,
{
    listening(Front::new(Arc::new(Double(answer)), config)).await
}

/// The same with detached calls of `f`, kept in `store`.
pub(crate) async fn serve_detached<F, A>(store: Arc<Store>, config: calls::Config, answer: F) -> (Running, Arc<Calls>)
where
    F: Fn(Call) -> A + Send + Sync + 'static,
    A: Future<Output = Result<Reply, Fault>> + Send + 'static,
{
    let invoke = Arc::new(Double(answer));
    let rules = Arc::new(Rules::new(config.retries));
    rules.put("f".into(), Retries::default());
    let (_, lines) = hotfn::log::pipe();
    let calls = Calls::start(store, invoke.clone(), rules, lines, config);
    (listening(Front::with_calls(invoke, calls.clone(), Config::default())).await, calls)
}

/// Serves `answer` behind a front at a unix socket.
pub(crate) async fn serve_at<F, A>(path: &Path, config: Config, answer: F) -> (Arc<Front>, Server)
where
    F: Fn(Call) -> A + Send + Sync + 'static,
    A: Future<Output = Result<Reply, Fault>> + Send + 'static,
{
    let front = Front::new(Arc::new(Double(answer)), config);
    let address = Address::Unix(path.to_owned());
    let listener = Listener::open(&address, Permissions::default()).await.unwrap();
    let threads = Arc::new(Threads::start(NonZeroUsize::MIN).unwrap());
    (front.clone(), Server::start(vec![listener], front, threads, None))
}

async fn listening(front: Arc<Front>) -> Running {
    let sources = ["/", "/a/b"].map(|source| Trigger { app: "shop".to_owned(), source: source.to_owned() });
    front.routes().put(&"f".into(), sources);
    let threads = Arc::new(Threads::start(NonZeroUsize::MIN).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let server = Server::start(vec![listener.try_into().unwrap()], front.clone(), threads, None);
    Running { addr, front, server }
}

/// The reply of a function that says `body`.
pub(crate) fn reply(body: impl Into<Body>) -> Reply {
    Reply { body: body.into(), ..Reply::default() }
}

/// A body that a test writes piece by piece; dropping the sender ends it.
pub(crate) fn piecewise() -> (mpsc::Sender<Result<&'static str, &'static str>>, Body) {
    let (sender, receiver) = mpsc::channel(1);
    let pieces = futures_util::stream::unfold(receiver, |mut receiver| async {
        let piece: Result<&'static str, &'static str> = receiver.recv().await?;
        let frame = piece.map(|text| Frame::data(Bytes::from(text))).map_err(|why| BodyError::Cut(why.into()));
        Some((frame, receiver))
    });
    (sender, Body::stream(StreamBody::new(Box::pin(pieces))))
}
