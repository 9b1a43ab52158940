//! Sending one outcome, once.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, Method, Request, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use hotfn::Invoke;
use hotfn_protocols::{Call, FunctionId, Retry};

use super::super::gate::{NONCE, SIGNATURE, TIMESTAMP};
use super::super::signature::{Algorithm, Secret, Statement};
use super::super::{answer, hex};
use super::retry::Tried;
use super::spool::Delivery;
use super::target::Url;
use crate::tls::Connector;

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long all of it may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read, and dropped.
const ANSWER_BYTES_MAX: usize = 64 << 10;

const JOB: HeaderName = HeaderName::from_static("x-hotfn-job");
const EXIT_CODE: HeaderName = HeaderName::from_static("x-hotfn-exit-code");

/// Calls a function.
pub(super) async fn call(invoke: &Arc<dyn Invoke>, function: FunctionId, delivery: &Delivery) -> Tried {
    let mut call = Call::new(function, delivery.body.clone());
    let job = delivery.job.parse().expect("a job's name is a header's value");
    call.headers.insert(header::CONTENT_TYPE, http::HeaderValue::from_static(answer::JSON));
    call.headers.insert(JOB, job);
    call.headers.insert(EXIT_CODE, delivery.exit_code.into());
    match timeout(TIMEOUT, invoke.invoke(call)).await {
        Err(_) => Tried::Failed(format!("no answer within {TIMEOUT:?}")),
        Ok(Ok(reply)) => Tried::Answered(reply.head.status.as_u16()),
        Ok(Err(fault)) if fault.retry() == Retry::Never => Tried::Answered(400),
        Ok(Err(fault)) => Tried::Failed(fault.to_string()),
    }
}

/// Sends it to a URL, signed at the time `unix_s`; over TLS, if there is somebody for it.
pub(super) async fn post(
    url: &Url,
    tls: Option<&Connector>,
    delivery: &Delivery,
    secret: Option<&Secret>,
    unix_s: u64,
) -> Tried {
    let sent = async { exchange(url, tls, request(url, delivery, secret, unix_s)?).await };
    match timeout(TIMEOUT, sent).await {
        Ok(Ok(status)) => Tried::Answered(status),
        Ok(Err(e)) => Tried::Failed(format!("{e:#}")),
        Err(_) => Tried::Failed(format!("no answer within {TIMEOUT:?}")),
    }
}

async fn exchange(url: &Url, tls: Option<&Connector>, request: Request<Full<Bytes>>) -> anyhow::Result<u16> {
    let connect = TcpStream::connect((url.host.as_str(), url.port));
    let stream = match timeout(CONNECT_TIMEOUT, connect).await {
        Ok(stream) => stream?,
        Err(_) => anyhow::bail!("no connection within {CONNECT_TIMEOUT:?}"),
    };
    match tls {
        Some(tls) => ask(tls.connect(&url.host, stream).await?, request).await,
        None => ask(stream, request).await,
    }
}

async fn ask<S>(stream: S, request: Request<Full<Bytes>>) -> anyhow::Result<u16>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        // How the rest goes changes nothing: it was answered.
        let _ = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        Ok(status)
    };
    let connection = async {
        if let Err(e) = connection.await {
            tracing::debug!("connection of a callback ended: {e}");
        }
        std::future::pending().await
    };
    tokio::select! {
        outcome = exchange => outcome,
        never = connection => never,
    }
}

fn request(
    url: &Url,
    delivery: &Delivery,
    secret: Option<&Secret>,
    unix_s: u64,
) -> anyhow::Result<Request<Full<Bytes>>> {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(&url.path)
        .header(header::HOST, url.authority())
        .header(header::CONTENT_TYPE, "application/json")
        .header(JOB, &delivery.job)
        .header(EXIT_CODE, delivery.exit_code);
    if let Some(authorization) = &url.authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    if let Some(secret) = secret {
        let (nonce, timestamp) = (nonce(), unix_s.to_string());
        let body = delivery.body.as_bytes();
        let statement = Statement { method: "POST", path: &url.path, nonce: &nonce, timestamp: &timestamp, body };
        let signature = secret.sign(Algorithm::Sha1, &statement);
        request = request.header(NONCE, nonce).header(TIMESTAMP, timestamp).header(SIGNATURE, signature);
    }
    Ok(request.body(Full::from(delivery.body.clone()))?)
}

/// 32 hex digits that nobody had before.
pub(crate) fn nonce() -> String {
    hex::lower(&random::<16>())
}

/// Bytes of the kernel's generator.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let mut filled = 0;
    while filled < N {
        match rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty()) {
            Ok(more) => filled += more,
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => unreachable!("the kernel has always random bytes: {e}"),
        }
    }
    bytes
}
