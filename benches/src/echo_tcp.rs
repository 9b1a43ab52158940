//! The yardstick `direct`: what `examples/echo` answers, over TCP and without a front.
//!
//! Functions listen on unix sockets and load generators speak TCP, so the function itself cannot be
//! measured alone. This stands in for it: the same HTTP library, one thread, the body given back
//! with its content type. What the function's kit adds (reading the call's headers, a deadline, a
//! context) is not in it, so it is a little faster than the function alone would be; read ratios to
//! it as a floor, not as a rival.

use std::convert::Infallible;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

fn main() -> Result<()> {
    let address: SocketAddr = std::env::args()
        .nth(1)
        .context("where to listen is missing; try `echo-tcp 127.0.0.1:8081`")?
        .parse()
        .context("where to listen is an address and a port, such as 127.0.0.1:8081")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(address))
}

async fn serve(address: SocketAddr) -> Result<()> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    loop {
        let (stream, _) = listener.accept().await.context("cannot accept")?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            // A client that breaks off is no news to a yardstick.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service_fn(echo))
                .await;
        });
    }
}

async fn echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let content_type = request.headers().get(CONTENT_TYPE).cloned();
    // What was cut short on its way is given back as far as it came.
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let mut response = Response::new(Full::new(body));
    if let Some(content_type) = content_type {
        response.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    Ok(response)
}
