//! An engine: where it is, what it is, and how it is spoken to.
//!
//! Its interface is described by `bollard`; the connections are ours, and kept between requests: a
//! start is three requests, and two of them would otherwise begin with a connection. One request is
//! made without `bollard` too, the one that [takes a connection over](Engine::attach): what comes then
//! is taken apart as it comes, and never held whole.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bollard::errors::Error;
use bollard::{BollardRequest, ClientVersion};
use bytes::Bytes;
use http::header::{CONNECTION, HOST, UPGRADE};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use serde::Deserialize;

use super::tally::{self, Tally};
use super::wire::{Address, Dialler, Wire};
use crate::container::DriverError;

/// What the environment calls the engine's address.
pub const ENV_HOST: &str = "DOCKER_HOST";

/// How long an engine may take to begin its answer, whatever it is asked.
const REQUEST_PATIENCE: Duration = Duration::from_secs(120);
/// How long one that is asked for the first time may take.
const GREETING_PATIENCE: Duration = Duration::from_secs(10);
/// Connections that are kept for the next request,
const IDLE_CONNECTIONS_MAX: usize = 16;
/// and for how long.
const IDLE_CONNECTION_PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of the answer that says what an engine is.
const VERSION_BYTES_MAX: usize = 256 << 10;

/// The interface we know of. A newer engine speaks it too; an older one's is used instead.
const API_KNOWN: Api = Api { major: 1, minor: 47 };
/// The oldest Docker that Fn takes (17.10), and we.
const API_MIN: Api = Api { major: 1, minor: 33 };
/// The oldest that we try things with (20.10).
const API_TRIED: Api = Api { major: 1, minor: 41 };

/// The path that a container's streams are asked for at, as it is counted.
const ATTACH: &str = "containers/id/attach";

/// A version of the interface.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Api {
    major: usize,
    minor: usize,
}

impl Api {
    fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.')?;
        Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? })
    }
}

impl std::fmt::Display for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// An engine that answers.
#[derive(Debug)]
pub(super) struct Engine {
    /// The words it understands.
    pub(super) api: bollard::Docker,
    address: Address,
    version: Api,
    /// Are files it hands to a container to be labelled for that?
    pub(super) selinux: bool,
    pub(super) tally: Arc<Tally>,
    /// A number of its own.
    pub(super) instance: u64,
}

impl Engine {
    /// Finds out what is at `host`, or where engines usually are.
    pub(super) async fn connect(host: Option<&str>) -> Result<Self, DriverError> {
        let address = match host {
            Some(host) => parse(host)?,
            None => usual()?,
        };
        let failed = |why: String| DriverError::Engine { what: format!("container engine at {address}"), why };
        // For the system's own answer, which a client buries.
        address.dial().await.map_err(|e| failed(advice(&e)))?;

        let mut builder = Client::builder(TokioExecutor::new());
        builder
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .pool_idle_timeout(IDLE_CONNECTION_PATIENCE);
        let about = tokio::time::timeout(GREETING_PATIENCE, About::ask(&builder, &address)).await;
        let about = about.unwrap_or_else(|_| Err(format!("it said nothing within {GREETING_PATIENCE:?}")));
        let about = about.map_err(failed)?;
        let version = about.api().map_err(failed)?;

        let client = Arc::new(builder.build(Dialler(address.clone())));
        let tally = Arc::new(Tally::default());
        let counts = tally.clone();
        let transport = move |request: BollardRequest| {
            let (client, tally) = (client.clone(), counts.clone());
            async move {
                let asked = tally.ask(request.method(), request.uri().path());
                let answer = client.request(versioned(request, version)).await;
                asked.ended(answer.as_ref().ok().map(http::Response::status));
                answer.map_err(Error::from)
            }
        };
        let words = ClientVersion { major_version: version.major, minor_version: version.minor };
        let patience = REQUEST_PATIENCE.as_secs();
        let api = bollard::Docker::connect_with_custom_transport(transport, Some("http://engine"), patience, &words);
        let api = api.map_err(|e| failed(why(&e)))?;

        let info = api.info().await.map_err(|e| failed(why(&e)))?;
        if info.os_type.as_deref().is_some_and(|os| os != "linux") {
            return Err(failed(format!("its containers are not Linux but {}", info.os_type.unwrap_or_default())));
        }
        let selinux = info.security_options.unwrap_or_default().iter().any(|option| option.contains("name=selinux"));
        tracing::info!(
            %address, engine = about.name(), version = about.version, api = %version,
            cgroup_version = info.cgroup_version.map(|v| v.to_string()), "container engine answers"
        );
        if about.is_docker() && version < API_TRIED {
            tracing::warn!(version = about.version, "Docker before 20.10 is not tried with this program");
        }
        let instance = tally::number(&info.id.unwrap_or_default());
        Ok(Self { api, address, version, selinux, tally, instance })
    }

    /// Can a process of its containers be one of ours to look at? Not over TCP, where it may be
    /// anybody's.
    pub(super) fn is_here(&self) -> bool {
        matches!(self.address, Address::Unix(_))
    }

    /// Takes over a connection for the streams of container `id`: what comes is in
    /// [frames](super::frames::Frames), what is written is its standard input.
    pub(super) async fn attach(&self, id: &str, stdin: Stdin) -> Result<(Wire, Bytes), String> {
        let asked = self.tally.ask(&Method::POST, ATTACH);
        let stdin = u8::from(stdin == Stdin::Open);
        let path = format!("/v{}/containers/{id}/attach?stream=1&stdout=1&stderr=1&stdin={stdin}", self.version);
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(HOST, "engine")
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, "tcp")
            .body(Empty::<Bytes>::new())
            .map_err(|e| e.to_string())?;
        let taken = async {
            let wire = self.address.dial().await.map_err(|e| e.to_string())?;
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(wire)).await.map_err(|e| e.to_string())?;
            let connection = tokio::spawn(connection.with_upgrades());
            let response = sender.send_request(request).await.map_err(|e| e.to_string());
            asked.ended(response.as_ref().ok().map(http::Response::status));
            let response = response?;
            // A Docker that does not know of upgrades says 200, and takes it over all the same.
            if response.status() != StatusCode::SWITCHING_PROTOCOLS {
                connection.abort();
                return Err(format!("it answered {} when asked for the container's streams", response.status()));
            }
            let upgraded = hyper::upgrade::on(response).await.map_err(|e| e.to_string())?;
            let parts = upgraded.downcast::<TokioIo<Wire>>().map_err(|_| "the connection is not ours".to_owned())?;
            Ok((parts.io.into_inner(), parts.read_buf))
        };
        let late = || Err(format!("it did not answer within {REQUEST_PATIENCE:?}"));
        tokio::time::timeout(REQUEST_PATIENCE, taken).await.unwrap_or_else(|_| late())
    }
}

/// What becomes of a container's standard input.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stdin {
    /// It has none.
    Closed,
    /// We write it.
    Open,
}

/// What an engine says of itself.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct About {
    version: String,
    api_version: String,
    #[serde(rename = "MinAPIVersion", default)]
    min_api_version: String,
    #[serde(default)]
    components: Vec<Component>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Component {
    name: String,
}

impl About {
    async fn ask(builder: &hyper_util::client::legacy::Builder, address: &Address) -> Result<Self, String> {
        let client = builder.build::<_, Empty<Bytes>>(Dialler(address.clone()));
        let no_engine = |what: String| format!("what listens there is no container engine: {what}");
        let uri = http::Uri::from_static("http://engine/version");
        let response = client.get(uri).await.map_err(|e| no_engine(chain(&e)))?;
        if !response.status().is_success() {
            return Err(no_engine(format!("it answered {}", response.status())));
        }
        let body = Limited::new(response.into_body(), VERSION_BYTES_MAX).collect().await;
        let body = body.map_err(|e| no_engine(e.to_string()))?.to_bytes();
        serde_json::from_slice(&body).map_err(|e| no_engine(format!("it does not say what it is: {e}")))
    }

    fn name(&self) -> &str {
        self.components.first().map_or("Engine", |component| &component.name)
    }

    fn is_docker(&self) -> bool {
        !self.name().contains("Podman")
    }

    /// The interface to speak.
    fn api(&self) -> Result<Api, String> {
        let theirs = Api::parse(&self.api_version);
        let theirs = theirs.ok_or_else(|| format!("its interface has no version but {:?}", self.api_version))?;
        let oldest = Api::parse(&self.min_api_version).unwrap_or(API_MIN);
        if theirs < API_MIN {
            return Err(format!(
                "it is version {} with interface {theirs}; interface {API_MIN} (Docker 17.10) or newer is needed",
                self.version
            ));
        }
        Ok(theirs.min(API_KNOWN.max(oldest)))
    }
}

/// The request to one version of the interface, which the path is to begin with: `bollard` leaves that
/// away, and means the engine's newest.
fn versioned(mut request: BollardRequest, version: Api) -> BollardRequest {
    let mut parts = request.uri().clone().into_parts();
    let path = parts.path_and_query.as_ref().map_or("/", |path| path.as_str());
    parts.path_and_query = format!("/v{version}{path}").parse().ok();
    if let Ok(uri) = http::Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    request
}

fn parse(host: &str) -> Result<Address, DriverError> {
    host.parse().map_err(|why| DriverError::Engine {
        what: format!("container engine at {host:?}"),
        why: format!("this {why}"),
    })
}

/// Where `DOCKER_HOST` says, else the first socket there is of the usual ones.
fn usual() -> Result<Address, DriverError> {
    if let Some(host) = std::env::var(ENV_HOST).ok().filter(|host| !host.is_empty()) {
        return parse(&host);
    }
    let places = places(std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).as_deref());
    let found = places.iter().find(|path| path.exists()).unwrap_or(&places[0]);
    Ok(Address::Unix(found.clone()))
}

fn places(runtime_dir: Option<&Path>) -> Vec<PathBuf> {
    let rootless = runtime_dir.into_iter().flat_map(|dir| [dir.join("docker.sock"), dir.join("podman/podman.sock")]);
    std::iter::once("/var/run/docker.sock".into()).chain(rootless).chain(["/run/podman/podman.sock".into()]).collect()
}

/// Why there is no connection, and what may help.
fn advice(e: &std::io::Error) -> String {
    let help = match e.kind() {
        std::io::ErrorKind::NotFound => "is one installed, and started? another address is said with DOCKER_HOST",
        std::io::ErrorKind::PermissionDenied => "this user has to be in the group of the socket, usually docker",
        std::io::ErrorKind::ConnectionRefused => "nobody listens there; is it started?",
        _ => "it cannot be reached",
    };
    format!("{e}; {help}")
}

/// What an engine answered, or why it did not.
pub(super) fn why(e: &Error) -> String {
    match e {
        Error::DockerResponseServerError { status_code, message } => format!("{} ({status_code})", message.trim()),
        Error::DockerStreamError { error } => error.clone(),
        Error::RequestTimeoutError => format!("it did not answer within {REQUEST_PATIENCE:?}"),
        Error::HyperLegacyError { err } => chain(err),
        other => chain(other),
    }
}

/// The status an engine answered with, if it did.
pub(super) fn status(e: &Error) -> Option<u16> {
    match e {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

fn chain(e: &dyn std::error::Error) -> String {
    let mut text = e.to_string();
    let mut cause = e.source();
    while let Some(e) = cause {
        text = format!("{text}: {e}");
        cause = e.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(api: &str, min: &str) -> About {
        let component = Component { name: "Engine".to_owned() };
        About {
            version: "1".to_owned(),
            api_version: api.to_owned(),
            min_api_version: min.to_owned(),
            components: vec![component],
        }
    }

    #[test]
    fn the_interface_is_the_newest_that_both_know() {
        let check = |api: &str, min: &str, expected: &str| match about(api, min).api() {
            Ok(api) => assert_eq!(api.to_string(), expected),
            Err(why) => assert!(why.contains(expected), "{why}"),
        };
        check("1.41", "1.12", "1.41");
        check("1.53", "1.24", "1.47");
        check("1.60", "1.50", "1.50");
        check("1.33", "", "1.33");
        check("1.32", "1.12", "(Docker 17.10) or newer is needed");
        check("new", "", "no version");
    }

    #[test]
    fn the_system_wide_socket_comes_before_rootless_ones() {
        let places = places(Some(Path::new("/run/user/7")));
        let places: Vec<_> = places.iter().map(|path| path.to_str().unwrap()).collect();
        let rootless = ["/run/user/7/docker.sock", "/run/user/7/podman/podman.sock"];
        assert_eq!(places, ["/var/run/docker.sock", rootless[0], rootless[1], "/run/podman/podman.sock"]);
    }

    #[tokio::test]
    async fn what_is_no_engine_is_told_in_a_sentence() {
        let dir = tempfile::tempdir().unwrap();
        let check = async |host: String, expected: &str| {
            let e = Engine::connect(Some(&host)).await.unwrap_err().to_string();
            assert!(e.contains(expected), "{e}");
        };
        check(format!("unix://{}/none.sock", dir.path().display()), "is one installed, and started?").await;
        let path = dir.path().join("dead.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        check(path.display().to_string(), "nobody listens there").await;
        check("ssh://host".to_owned(), "neither unix:///PATH nor tcp://HOST:PORT").await;

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serve = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 1024]).await;
                let answer = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
                let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await;
            }
        });
        check(format!("tcp://{address}"), "no container engine: it answered 404").await;
        serve.abort();
    }
}
