//! The images of an engine: pulled, loaded, kept under a mark.

use std::process::Command;
use std::sync::Arc;

use hotfn::container::docker::{Docker, DockerDriver, Keep};
use hotfn::container::{Driver, DriverError, PullFailure};
use hotfn_images::{Reference, Store};
use hotfn_tests::program;
use hotfn_tests::registry::{Door, NAME, PASSWORD, Registry};
use hotfn_tests::skipped;
use serde_json::json;
use tokio::net::{TcpListener, UnixStream};

use super::{House, PATIENCE, answer, lifecycle};

async fn registry(door: Door) -> Option<Registry> {
    let registry = Registry::start(door).await;
    if registry.is_none() {
        skipped("there is no docker-registry");
    }
    registry
}

fn has(image: &str) -> bool {
    program::run(Command::new("docker").args(["image", "inspect", image]), b"").code == Some(0)
}

fn forget(image: &str) {
    let _ended = program::run(Command::new("docker").args(["rmi", image]), b"").well();
}

async fn driver(docker: Docker) -> DockerDriver {
    DockerDriver::connect(docker).await.unwrap()
}

/// Has the engine load the example, under the name that is given.
async fn load(house: &House, name: &str) -> String {
    house.driver.prepare(&house.image(name)).await.unwrap();
    format!("hotfn-stories/{name}:latest")
}

pub(super) async fn an_image_is_pulled_once_for_all_who_wait(house: &House) {
    let Some(registry) = registry(Door::Open).await else { return };
    let name = registry.name("echo:1");
    registry.push(&load(house, "echo").await, "echo:1");
    assert!(!has(&name));

    let driver = driver(Docker::default()).await;
    let waiting: Vec<_> = (0..5)
        .map(|_| {
            let (driver, name) = (driver.clone(), name.clone());
            tokio::spawn(async move { driver.prepare(&name).await })
        })
        .collect();
    // Who leaves does not break it for the others.
    waiting[0].abort();
    for waiting in waiting.into_iter().skip(1) {
        waiting.await.unwrap().unwrap();
    }
    assert!(has(&name));
    // Seen once it is not looked for again; made use of, it is found to be gone, and pulled anew.
    forget(&name);
    driver.prepare(&name).await.unwrap();
    assert!(!has(&name));
    let spec = hotfn::container::Spec { image: name.clone(), ..house.spec("").await };
    driver.create(spec).await.unwrap().discard().await;
    assert!(has(&name));
    forget(&name);
}

pub(super) async fn a_registrys_no_is_told_from_its_silence(house: &House) {
    let Some(guarded) = registry(Door::Guarded).await else { return };
    let name = guarded.name("echo:1");
    guarded.push(&load(house, "echo").await, "echo:1");
    let auths =
        |password: &str| json!({ guarded.name("").trim_end_matches('/'): { "username": NAME, "password": password } });
    let check = async |auth: String, image: &str, expected: PullFailure| {
        let docker = Docker { auth: Some(auth), ..Docker::default() };
        let refused = driver(docker).await.prepare(image).await.unwrap_err();
        assert!(matches!(&refused, DriverError::Pull { failure, .. } if *failure == expected), "{refused:?}");
        assert!(refused.to_string().contains("registry \"127.0.0.1:"), "{refused}");
    };
    check("{}".to_owned(), &name, PullFailure::Refused(401)).await;
    check(auths("wrong").to_string(), &name, PullFailure::Refused(401)).await;
    check(auths(PASSWORD).to_string(), &guarded.name("echo:2"), PullFailure::Refused(404)).await;
    check("{}".to_owned(), "127.0.0.1:1/echo:1", PullFailure::Broken).await;

    driver(Docker { auth: Some(auths(PASSWORD).to_string()), ..Docker::default() }).await.prepare(&name).await.unwrap();
    assert!(has(&name));
    forget(&name);
}

pub(super) async fn of_what_was_pulled_the_longest_unneeded_goes(house: &House) {
    let Some(registry) = registry(Door::Open).await else { return };
    let (one, two, three) = (registry.name("one:1"), registry.name("two:1"), registry.name("three:1"));
    for (of, name) in [("echo", "one:1"), ("faulty", "two:1"), ("echo", "three:1")] {
        registry.push(&load(house, of).await, name);
    }
    let keep = Keep { bytes_max: 1, exempt: vec![two.clone()] };
    let driver = driver(Docker { keep, ..Docker::default() }).await;
    for image in [&one, &two, &three] {
        driver.prepare(image).await.unwrap();
    }
    hotfn_tests::soon("the first to go", || (!has(&one)).then_some(())).await;
    assert!(has(&two) && has(&three), "one is exempt, one was needed last");
    assert!(has("hotfn-stories/echo:latest"), "this one we have not pulled");
    for image in [&two, &three] {
        forget(image);
    }
}

/// Where the engine of this machine is reached over TCP, for as long as this test runs.
async fn over_tcp() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut far = UnixStream::connect("/var/run/docker.sock").await?;
                tokio::io::copy_bidirectional(&mut near, &mut far).await
            });
        }
    });
    format!("tcp://{address}")
}

/// Its freezer is not ours to write to, wherever it really is.
pub(super) async fn an_engine_over_tcp_freezes_by_itself(house: &House) {
    let docker = Docker { host: Some(over_tcp().await), networks: vec!["none".to_owned()], ..Docker::default() };
    let house = House::of(house.kind, Arc::new(driver(docker).await));
    lifecycle::every_format_is_answered(&house).await;
    lifecycle::frozen_it_stands_still_and_thawed_it_goes_on(&house).await;
    lifecycle::a_frozen_one_hears_that_it_is_to_end(&house).await;
}

pub(super) async fn an_oci_layout_is_loaded(house: &House) {
    let store = Store::open(&house.path("store"), hotfn_images::store::Config::default()).unwrap();
    let archive = Reference::parse(&house.image("echo")).unwrap();
    let image = store.obtain(&archive, &()).await.unwrap();
    let layout = house.path("layout.tar");
    image.oci_archive(Some("story"), std::fs::File::create(&layout).unwrap()).unwrap();

    let docker = Docker { layouts: Some(store), networks: vec!["none".to_owned()], ..Docker::default() };
    let house = House::of("docker", Arc::new(driver(docker).await));
    let agent = house.agent();
    let mut function = hotfn::Function::new("f", format!("oci:{}:story", layout.display()));
    function.memory_mb = 64;
    agent.deploy(function);
    assert_eq!(answer(&agent, "f", "hello").await, "hello");
    agent.drain(PATIENCE).await;
}
