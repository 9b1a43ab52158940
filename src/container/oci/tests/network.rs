//! What a function reaches.

use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use super::*;

#[tokio::test]
async fn with_plug_ins_it_has_an_address_and_gives_it_back() {
    if !is_possible() {
        return;
    }
    let cni = Cni::default();
    if !cni.plugins.iter().any(|dir| dir.join("bridge").exists()) {
        assert!(std::env::var_os("HOTFN_SKIP_NOTHING").is_none(), "no CNI plug-ins");
        return eprintln!("SKIPPED: needs CNI plug-ins");
    }
    let dir = tempfile::tempdir().unwrap();
    let conflist = dir.path().join("test.conflist");
    let name = format!("hotfn-test-{}", std::process::id());
    let list = format!(
        r#"{{"cniVersion":"0.4.0","name":"{name}","plugins":[{{"type":"loopback"}},{{"type":"bridge","bridge":"hotfntest0",
            "isGateway":true,"ipam":{{"type":"host-local","dataDir":"{data}","ranges":[[{{"subnet":"10.98.7.0/24"}}]]}}}}]}}"#,
        data = dir.path().display()
    );
    fs::write(&conflist, list).unwrap();
    let leases = || {
        let files = fs::read_dir(dir.path().join(&name)).into_iter().flatten().flatten();
        files.filter(|file| file.file_name().to_string_lossy().starts_with("10.")).count()
    };
    let network = Network::Cni(Cni { conflist: Some(conflist), ..cni });
    let world = World::with(Config { network, ..Config::default() }).await;
    let script = "exec 3<>/dev/tcp/10.98.7.1/$PORT; echo hello >&3; sleep 1000";

    // The bridge has its address once the first container is there.
    let first = world.start(world.spec("first"), "sleep 1000").await;
    let listener = TcpListener::bind("10.98.7.1:0").await.unwrap();
    let mut spec = world.spec("second");
    spec.env.push(("PORT".to_owned(), listener.local_addr().unwrap().port().to_string()));
    let second = world.start(spec, &format!("exec bash -c '{script}'")).await;
    let (mut stream, from) = tokio::time::timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
    assert!(from.ip().to_string().starts_with("10.98.7."), "{from}");
    let mut hello = [0; 6];
    stream.read_exact(&mut hello).await.unwrap();
    assert_eq!(&hello, b"hello\n");
    assert_eq!(leases(), 2);

    first.running.end(Duration::ZERO).await;
    second.running.end(Duration::ZERO).await;
    assert_eq!(leases(), 0);
    assert_eq!(world.left(), Vec::<String>::new());
    let _ = std::process::Command::new("ip").args(["link", "delete", "hotfntest0"]).status();
}

#[tokio::test]
async fn the_hosts_network_is_the_hosts() {
    if !is_possible() {
        return;
    }
    let world = World::with(Config { network: Network::Host, ..Config::default() }).await;
    let (_, lines) = world.output("readlink /proc/self/ns/net").await;
    assert_eq!(lines, [fs::read_link("/proc/self/ns/net").unwrap().to_str().unwrap()]);
}
