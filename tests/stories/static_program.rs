//! The program that a release ships: alone, without any library, also where there is nothing else.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use hotfn_tests::client::{Connection, api, invoke, request, whole};
use hotfn_tests::images::Image;
use hotfn_tests::{answered, binaries, program, skipped};
use http::Method;

fn run(command: &mut Command) -> String {
    program::run(command, b"").well().text()
}

#[test]
fn it_asks_for_no_interpreter_and_no_library() {
    let hotfn = binaries::static_hotfn();
    let read = |what: &str| run(Command::new("readelf").arg(what).arg(&hotfn));
    let segments = read("--program-headers");
    assert!(segments.contains("LOAD") && !segments.contains("INTERP"), "{segments}");
    assert!(!read("--dynamic").contains("NEEDED"), "{}", read("--dynamic"));
    // The other one does, so that this is no question of how they are asked.
    let dynamic = run(Command::new("readelf").arg("--program-headers").arg(binaries::program("hotfn")));
    assert!(dynamic.contains("INTERP"), "{dynamic}");
    assert_eq!(run(Command::new(&hotfn).arg("--version")), "hotfn 0.1.0\n");
}

/// A container of the engine's, until this is dropped.
struct Container(String);

impl Container {
    fn log(&self) -> String {
        let log = program::run(Command::new("docker").args(["logs", &self.0]), b"");
        log.text() + &log.stderr
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ended = program::run(Command::new("docker").args(["rm", "--force", "--volumes", &self.0]), b"");
    }
}

/// Nothing is in its image but the program, a function and a config: no shell, no `/etc`, no certificates. It has no
/// network either, and is called at a unix socket in a folder that it shares with us.
#[tokio::test]
async fn it_serves_in_an_image_from_scratch() {
    if program::run(Command::new("docker").args(["version"]), b"").code != Some(0) {
        return skipped("no container engine answers; `cargo xtask test` starts one");
    }
    let folder = tempfile::tempdir().unwrap();
    let shared = folder.path().join("run");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, Permissions::from_mode(0o777)).unwrap();
    let config = folder.path().join("hotfn.toml");
    let text = "[node]\nlisten = \"unix:/run/hotfn/http.sock\"\nlisten_mode = \"0666\"\n\
        [[function]]\nname = \"echo\"\nid = \"echo\"\nimage = \"process:/echo\"\n";
    fs::write(&config, text).unwrap();
    let archive = folder.path().join("image.tar");
    let image = Image::from_scratch("node", &["/hotfn", "serve", "--config", "/hotfn.toml"])
        .and_at(&binaries::static_hotfn(), Path::new("/hotfn"))
        .and_at(&binaries::static_program("echo"), Path::new("/echo"))
        .and_at(&config, Path::new("/hotfn.toml"));
    let _name = image.archive(&archive);
    run(Command::new("docker").args(["load", "--quiet", "--input"]).arg(&archive));
    let mut start = Command::new("docker");
    start.args(["run", "--detach", "--network", "none", "--volume"]);
    start.arg(format!("{}:/run/hotfn", shared.display())).arg("hotfn-stories/node:latest");
    let container = Container(run(&mut start).trim().to_owned());

    let path = shared.join("http.sock");
    let opened = tokio::time::timeout(
        Duration::from_secs(30),
        answered("the node to listen", async || Connection::open_unix(&path).await.ok()),
    );
    let mut connection = opened.await.unwrap_or_else(|_| panic!("{}", container.log()));
    let mut ask = async |request| connection.call(request).await.unwrap_or_else(|e| panic!("{e}\n{}", container.log()));
    let health = ask(request(Method::GET, "/healthz", whole(""))).await.ok();
    assert_eq!(health.json()["status"], "ok");
    let apps = ask(api(Method::GET, "/v2/apps", None)).await.ok();
    assert_eq!(apps.json()["items"][0]["name"], "default");
    assert_eq!(ask(invoke("echo", whole("from nothing"))).await.ok().text(), "from nothing");

    // It is the container's first process, to which TERM means nothing unless it is told so.
    run(Command::new("docker").args(["stop", "--time", "30", &container.0]));
    let code = run(Command::new("docker").args(["inspect", "--format", "{{.State.ExitCode}}", &container.0]));
    assert_eq!(code.trim(), "0", "{}", container.log());
    assert!(!path.exists());
}
