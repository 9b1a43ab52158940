//! Services of HTTP requests as functions: an axum `Router`, a `tower` stack.
//!
//! On a gateway call the service sees the caller's own method, URL and headers, and its status and
//! headers are the caller's answer. A plain call arrives as `POST /` with the call's headers. Either
//! way the [`Context`] is among the request's extensions.

use std::future::poll_fn;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::{Request, Response, Uri};
use tower_service::Service;

use hotfn_protocols::Body;

use crate::function::{Work, Working};
use crate::{BoxError, Context, Function, IntoReply};

/// Makes a function of a service of HTTP requests.
///
/// ```no_run
/// use axum::{Router, routing::get};
/// use std::process::ExitCode;
///
/// fn main() -> ExitCode {
///     let router = Router::new().route("/", get(async || "hello"));
///     hotfn_fdk::main(hotfn_fdk::http(router))
/// }
/// ```
pub fn http<S, B>(service: S) -> Function
where
    S: Service<Request<Body>, Response = Response<B>, Future: Send, Error: Into<BoxError>> + Clone + Send + 'static,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    // A service is for one caller at a time; each call takes a copy, and many are not `Sync`.
    Function::new(Served(Mutex::new(service)))
}

struct Served<S>(Mutex<S>);

impl<S, B> Work for Served<S>
where
    S: Service<Request<Body>, Response = Response<B>, Future: Send, Error: Into<BoxError>> + Clone + Send,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    fn work(&self, ctx: Context, body: Body) -> Working<'_> {
        Box::pin(async move {
            let mut service = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let request = request(ctx, body)?;
            poll_fn(|cx| service.poll_ready(cx)).await.map_err(Into::into)?;
            service.call(request).await.map_err(Into::into)?.into_reply()
        })
    }
}

fn request(ctx: Context, body: Body) -> Result<Request<Body>, BoxError> {
    let mut request = Request::new(body);
    *request.uri_mut() = match ctx.url() {
        "" => Uri::from_static("/"),
        url => url.parse().map_err(|e: http::uri::InvalidUri| format!("the call's URL {url:?} cannot be read: {e}"))?,
    };
    *request.method_mut() = ctx.method().clone();
    *request.headers_mut() = ctx.headers().clone();
    request.extensions_mut().insert(ctx);
    Ok(request)
}
