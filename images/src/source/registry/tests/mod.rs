//! Pulls from a real registry, over a network of our own.

mod host;
mod proxy;

use std::fs;
use std::sync::Mutex;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{is_this_host, jitter, wait};
use crate::document::{DOCKER_INDEX, Descriptor, INDEX, Platform};
use crate::store::{Config, Credentials};
use crate::testing::{Archive, Made};
use crate::{Blame, Digest, Image, ImageError, Phase, Progress, Reference, Snapshot, Store};
use host::{Host, PASSWORD, USER};
use proxy::Proxy;

/// What a large layer has: more than sockets and buffers hold on the way.
const LARGE_BYTES: usize = 4 << 20;
/// How long something may take that is sure to happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A registry, the network before it, and a directory of ours.
struct Place {
    host: Host,
    proxy: Proxy,
    dir: TempDir,
}

impl Place {
    async fn new() -> Option<Self> {
        Self::before(Host::open()?).await
    }

    async fn before(host: Host) -> Option<Self> {
        let proxy = Proxy::before(&host.address).await;
        Some(Self { host, proxy, dir: tempfile::tempdir().unwrap() })
    }

    /// A store in our directory, as any process would open it.
    fn store(&self, set: impl FnOnce(&mut Config)) -> Store {
        let mut config = Config { credentials: Credentials::None, ..Config::default() };
        set(&mut config);
        Store::open(&self.dir.path().join("store"), config).unwrap()
    }

    /// An image as we name it, over the network.
    fn image(&self, name: &str) -> Reference {
        Reference::parse(&format!("{}/{name}", self.proxy.address)).unwrap()
    }

    fn cut(&self, times: usize, after: usize) {
        self.proxy.weather.cut_after.store(after, SeqCst);
        self.proxy.weather.cuts.store(times, SeqCst);
    }

    fn refuse(&self, times: usize, status: &str) {
        *self.proxy.weather.refusal.lock().unwrap() = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\n{{}}");
        self.proxy.weather.refusals.store(times, SeqCst);
    }
}

/// Bytes that no compression makes smaller, and others for each `seed`.
fn noise(seed: u8) -> Vec<u8> {
    (0..LARGE_BYTES / 32)
        .flat_map(|n| Digest::of(&[&[seed][..], &n.to_le_bytes()].concat()).hex().into_bytes()[..32].to_vec())
        .collect()
}

fn large() -> Made {
    Made::new(vec![Archive::new().file("large", noise(1))])
}

async fn func(image: &Image) -> String {
    fs::read_to_string(image.flat().await.unwrap().join("func")).unwrap()
}

/// Remembers all it was told.
#[derive(Debug, Default)]
struct Told(Mutex<Vec<Snapshot>>);

impl Progress for Told {
    fn at(&self, _image: &Reference, snapshot: Snapshot) {
        self.0.lock().unwrap().push(snapshot);
    }
}

#[tokio::test]
async fn an_image_is_pulled_once_and_then_here() {
    let Some(place) = Place::new().await else { return };
    let layers = vec![Archive::new().file("large", noise(2)), Archive::new().file("func", "hello")];
    let made = Made::new(layers);
    place.host.push("ada/hello:1", &made).await;
    let (store, told) = (place.store(|_| {}), Told::default());
    let image = store.obtain(&place.image("ada/hello:1"), &told).await.unwrap();
    assert_eq!((image.digest(), func(&image).await.as_str()), (made.manifest.digest, "hello"));
    let last = *told.0.lock().unwrap().last().unwrap();
    assert_eq!((last.phase, last.layers, last.layers_done), (Phase::Done, 2, 2));
    assert!(last.bytes == last.bytes_total && last.bytes > LARGE_BYTES as u64 / 2, "{last:?}");
    let asked = place.proxy.asked("");
    store.obtain(&place.image("ada/hello:1"), &()).await.unwrap();
    place.store(|_| {}).obtain(&place.image("ada/hello:1"), &()).await.unwrap();
    assert_eq!(place.proxy.asked(""), asked);
    // By its digest it is another name, and needs none of its blobs again.
    let pinned = format!("ada/hello@{}", image.digest());
    assert_eq!(store.obtain(&place.image(&pinned), &()).await.unwrap().digest(), image.digest());
    assert_eq!(place.proxy.asked("/blobs/"), 3);
}

#[tokio::test]
async fn a_registry_wants_to_know_who_we_are() {
    let Some(host) = Host::guarded() else { return };
    let place = Place::before(host).await.unwrap();
    place.host.push("hello:1", &Made::new(vec![Archive::new().file("func", "guarded")])).await;
    let config = |text: String| {
        let path = place.dir.path().join(format!("{}.json", Digest::of(text.as_bytes()).hex()));
        fs::write(&path, text.replace("REGISTRY", &place.proxy.address)).unwrap();
        Credentials::File(path)
    };
    let login = |password: &str| {
        config(format!(r#"{{"auths":{{"REGISTRY":{{"username":"{USER}","password":"{password}"}}}}}}"#))
    };
    for credentials in [Credentials::None, login("wrong"), config(r#"{"auths":{"elsewhere":{}}}"#.to_owned())] {
        let store = place.store(|config| config.credentials = credentials.clone());
        let error = store.obtain(&place.image("hello:1"), &()).await.unwrap_err();
        assert!(matches!(error, ImageError::Refused { status: 401, .. }), "{credentials:?}: {error}");
        assert!(error.to_string().contains(&place.proxy.address) && !error.retry_helps());
    }
    let store = place.store(|config| config.credentials = login(PASSWORD));
    assert_eq!(func(&store.obtain(&place.image("hello:1"), &()).await.unwrap()).await, "guarded");
}

#[tokio::test]
async fn an_image_that_is_not_there_is_asked_for_once() {
    let Some(place) = Place::new().await else { return };
    place.host.push("hello:1", &Made::new(vec![])).await;
    let store = place.store(|_| {});
    for name in ["hello:2", "nobody/knows:1"] {
        let error = store.obtain(&place.image(name), &()).await.unwrap_err();
        assert!(matches!(error, ImageError::Refused { status: 404, .. }), "{error}");
        assert_eq!(error.blame(), Blame::Image);
    }
    assert_eq!(place.proxy.asked("/manifests/"), 2);
}

#[tokio::test]
async fn other_bytes_than_promised_are_the_registrys_fault() {
    let Some(place) = Place::new().await else { return };
    let made = Made::new(vec![Archive::new().file("func", "whole")]);
    place.host.push("hello:1", &made).await;
    let mut bytes = made.blobs[&made.layer()].clone();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(place.host.blob(made.layer()), bytes).unwrap();
    let store = place.store(|config| config.attempts_max = 2);
    let error = store.obtain(&place.image("hello:1"), &()).await.unwrap_err();
    assert!(error.to_string().contains("is not what came"), "{error}");
    assert!(error.to_string().contains("tried 2 times"), "{error}");
    assert_eq!(error.blame(), Blame::Registry);
    assert!(store.find(&place.image("hello:1")).await.unwrap().is_none());
}

#[tokio::test]
async fn all_who_wait_share_one_pull() {
    let Some(place) = Place::new().await else { return };
    let made = large();
    place.host.push("hello:1", &made).await;
    let store = place.store(|_| {});
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let (store, image) = (store.clone(), place.image("hello:1"));
            tokio::spawn(async move { store.obtain(&image, &()).await.unwrap().digest() })
        })
        .collect();
    for one in waiting {
        assert_eq!(one.await.unwrap(), made.manifest.digest);
    }
    assert_eq!((place.proxy.asked("/manifests/"), place.proxy.asked("/blobs/")), (1, 2));
}

#[tokio::test]
async fn two_processes_fetch_a_blob_once() {
    let Some(place) = Place::new().await else { return };
    let made = large();
    place.host.push("hello:1", &made).await;
    let image = place.image("hello:1");
    let (one, other) = (place.store(|_| {}), place.store(|_| {}));
    let (one, other) = tokio::join!(one.obtain(&image, &()), other.obtain(&image, &()));
    assert_eq!(one.unwrap().digest(), other.unwrap().digest());
    assert_eq!(place.proxy.asked("/blobs/"), 2);
}

#[tokio::test]
async fn a_pull_that_is_cut_goes_on_where_it_was() {
    let Some(place) = Place::new().await else { return };
    let made = large();
    place.host.push("hello:1", &made).await;
    place.cut(4, 1 << 20);
    // Bytes come between the cuts, so there are more of them than tries.
    let store = place.store(|config| config.attempts_max = 2);
    let image = store.obtain(&place.image("hello:1"), &()).await.unwrap();
    assert_eq!(image.digest(), made.manifest.digest);
    assert!(place.proxy.asked("bytes=") >= 4);
    assert!(place.proxy.asked("bytes=0-") <= 3, "it began anew");
}

#[tokio::test]
async fn what_was_fetched_serves_the_next_try() {
    let Some(place) = Place::new().await else { return };
    let made = large();
    place.host.push("hello:1", &made).await;
    place.cut(2, 1 << 20);
    let error = place.store(|config| config.attempts_max = 1).obtain(&place.image("hello:1"), &()).await.unwrap_err();
    assert!(matches!(&error, ImageError::Broken { .. }) && error.retry_helps(), "{error}");
    place.cut(0, 0);
    let before = place.proxy.weather.blob_bytes.load(SeqCst);
    // As another process would.
    place.store(|_| {}).obtain(&place.image("hello:1"), &()).await.unwrap();
    let fetched = place.proxy.weather.blob_bytes.load(SeqCst) - before;
    let whole = made.blobs[&made.layer()].len();
    assert!(fetched < whole - (1 << 19), "{fetched} of {whole} bytes were fetched again");
}

#[tokio::test]
async fn a_pull_goes_on_when_nobody_waits_any_more() {
    let Some(place) = Place::new().await else { return };
    place.host.push("hello:1", &large()).await;
    let (store, image) = (place.store(|_| {}), place.image("hello:1"));
    // Asked for, and left before it can be here.
    let leaving = futures_util::FutureExt::now_or_never(store.obtain(&image, &()));
    assert!(leaving.is_none());
    let leaving = tokio::time::timeout(Duration::from_millis(20), store.obtain(&image, &())).await;
    let began = Instant::now();
    while store.find(&image).await.unwrap().is_none() {
        assert!(began.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(leaving);
    assert_eq!(place.proxy.asked("/manifests/"), 1);
}

#[tokio::test]
async fn a_registry_that_says_nothing_costs_the_pull_its_time() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let config =
        Config { credentials: Credentials::None, pull_timeout: Duration::from_millis(200), ..Config::default() };
    let store = Store::open(dir.path(), config).unwrap();
    let image = Reference::parse(&format!("{}/hello:1", silent.local_addr().unwrap())).unwrap();
    let error = store.obtain(&image, &()).await.unwrap_err();
    assert!(matches!(error, ImageError::TimedOut { .. }), "{error}");
}

#[tokio::test]
async fn a_registry_that_is_not_there_is_tried_as_often_as_it_may_be() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let config = Config { credentials: Credentials::None, attempts_max: 2, ..Config::default() };
    let image = Reference::parse(&format!("{gone}/hello:1")).unwrap();
    let error = Store::open(dir.path(), config).unwrap().obtain(&image, &()).await.unwrap_err();
    assert!(matches!(error, ImageError::Broken { .. }), "{error}");
    let words = error.to_string();
    assert!(words.contains("tried 2 times") && words.to_lowercase().contains("refused"), "{words}");
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_nothing_else() {
    let Some(place) = Place::new().await else { return };
    place.host.push("hello:1", &Made::new(vec![Archive::new().file("func", "")])).await;
    let check = async |refusals, status: &str, expected: Option<u16>, asked| {
        let before = place.proxy.asked("/manifests/");
        place.refuse(refusals, status);
        let dir = tempfile::tempdir().unwrap();
        let config = Config { credentials: Credentials::None, attempts_max: 3, ..Config::default() };
        let outcome = Store::open(dir.path(), config).unwrap().obtain(&place.image("hello:1"), &()).await;
        match outcome {
            Ok(_) => assert_eq!(expected, None, "{status}"),
            Err(ImageError::Refused { status: said, .. }) => assert_eq!(expected, Some(said), "{status}"),
            Err(other) => panic!("{status}: {other}"),
        }
        place.refuse(0, "");
        assert_eq!(place.proxy.asked("/manifests/") - before, asked, "{status}");
    };
    check(2, "503 Service Unavailable", None, 3).await;
    check(2, "429 Too Many Requests", None, 3).await;
    check(100, "500 Internal Server Error", Some(500), 3).await;
    check(100, "403 Forbidden", Some(403), 1).await;
}

#[tokio::test]
async fn of_an_index_the_image_for_this_host_is_pulled() {
    let Some(place) = Place::new().await else { return };
    let ours = Made::new(vec![Archive::new().file("func", "ours")]);
    place.host.push("hello:ours", &ours).await;
    let on = |architecture: &str, made: &Made| Descriptor {
        platform: Some(Platform { os: "linux".to_owned(), architecture: architecture.to_owned() }),
        ..made.manifest.clone()
    };
    let here = Platform::here().architecture;
    for (name, kind, manifests) in [
        ("hello:many", INDEX, vec![on("s390x", &ours), on(&here, &ours)]),
        ("hello:docker", DOCKER_INDEX, vec![on(&here, &ours)]),
        ("hello:other", INDEX, vec![on("s390x", &ours)]),
    ] {
        let index = serde_json::json!({ "schemaVersion": 2, "mediaType": kind, "manifests": manifests });
        place.host.push_document(name, index.to_string().as_bytes(), kind).await;
    }
    let store = place.store(|_| {});
    for name in ["hello:many", "hello:docker"] {
        assert_eq!(func(&store.obtain(&place.image(name), &()).await.unwrap()).await, "ours");
    }
    let error = store.obtain(&place.image("hello:other"), &()).await.unwrap_err();
    assert!(matches!(&error, ImageError::Invalid { why, .. } if why.contains("linux/s390x")), "{error}");
}

#[test]
fn only_what_does_not_leave_the_machine_goes_without_tls() {
    let check = |registry: &str, expected| assert_eq!(is_this_host(registry), expected, "{registry}");
    check("localhost", true);
    check("localhost:5000", true);
    check("127.8.9.1:5000", true);
    check("[::1]:5000", true);
    check("docker.io", false);
    check("localhost.example.com", false);
    check("127.0.0.1.example.com", false);
    check("10.0.0.1:5000", false);
}

#[test]
fn waits_double_up_to_a_bound() {
    let waits = [1, 2, 3, 20, u32::MAX].map(|made| wait(made, 1.0).as_millis());
    assert_eq!(waits, [250, 500, 1000, 10_000, 10_000]);
    assert_eq!(wait(1, 0.0).as_millis(), 125);
    assert!((0.0..=1.0).contains(&jitter()));
}
