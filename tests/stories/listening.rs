//! A node at a unix socket, for callers of this machine and for a proxy before it.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hotfn_tests::client::{Connection, api, invoke, whole};
use hotfn_tests::node::{Function, Home, Node};
use hotfn_tests::{answered, binaries, program, skipped, until};
use http::Method;
use rustix::process::Signal;
use tempfile::TempDir;

/// Where nobody else is, and where everybody may look.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    folder
}

/// Adds a line to the table `[node]` of its config.
fn set(home: &Home, line: &str) {
    let config = fs::read_to_string(home.config()).unwrap();
    fs::write(home.config(), config.replacen("[node]\n", &format!("[node]\n{line}\n"), 1)).unwrap();
}

async fn start(home: &Home, path: &Path) -> Node {
    home.start_at(&format!("127.0.0.1:0,unix:{}", path.display()), &[]).await
}

#[tokio::test]
async fn it_answers_at_a_path_as_at_an_address() {
    let folder = folder();
    let path = folder.path().join("http.sock");
    let home = Home::of(&[Function::new("echo", &binaries::image("echo"))]);
    let node = start(&home, &path).await;
    node.says(&format!("unix://{}", path.display())).await;
    let file = fs::metadata(&path).unwrap();
    assert!(file.file_type().is_socket() && file.mode() & 0o777 == 0o660, "{file:?}");
    assert_eq!(node.invoke("echo", "by address").await.ok().text(), "by address");
    let mut connection = Connection::open_unix(&path).await.unwrap();
    for _ in 0..2 {
        assert_eq!(connection.call(invoke("echo", whole("by path"))).await.unwrap().ok().text(), "by path");
    }
    // Whoever may open the file is of this machine, so no token is asked for.
    assert_eq!(connection.call(api(Method::GET, "/v2/apps", None)).await.unwrap().status, 200);

    let url = format!("unix:{}", path.display());
    let listed = tokio::task::spawn_blocking(move || {
        let mut hotfn = Command::new(binaries::program("hotfn"));
        program::run(hotfn.args(["fns", "list", "stories"]).env("FN_API_URL", url).env("HOME", "/nowhere"), b"")
    });
    let listed = listed.await.unwrap().well().text();
    assert!(listed.contains("echo"), "{listed}");

    // An open connection does not keep it, as at an address.
    node.drain().await;
    assert!(!path.exists());
    drop(connection);
    home.is_bare();
}

#[tokio::test]
async fn a_living_servers_path_is_refused_and_a_dead_ones_is_taken() {
    let folder = folder();
    let path = folder.path().join("http.sock");
    let home = Home::of(&[Function::new("echo", &binaries::image("echo"))]);
    let node = start(&home, &path).await;
    let listen = format!("unix:{}", path.display());
    let refused = program::hotfn(&["serve", "--db", "memory", "--listen", &listen]);
    let said = format!("cannot listen on {listen}; choose another address with --listen: ");
    let owner = format!("in use by process {}", node.pid());
    assert!(refused.code == Some(1) && refused.stderr.contains(&said), "{}", refused.stderr);
    assert!(refused.stderr.contains(&owner), "{}", refused.stderr);
    assert!(UnixStream::connect(&path).is_ok(), "whoever is refused takes nothing along");
    node.signal(Signal::KILL);
    node.end().await;
    assert!(path.exists());
    let node = start(&home, &path).await;
    let mut connection = Connection::open_unix(&path).await.unwrap();
    assert_eq!(connection.call(invoke("echo", whole("again"))).await.unwrap().ok().text(), "again");
    node.drain().await;

    fs::write(&path, "a file").unwrap();
    let refused = program::hotfn(&["serve", "--db", "memory", "--listen", &listen]);
    assert!(refused.code == Some(1) && refused.stderr.contains("is not a socket"), "{}", refused.stderr);
    assert_eq!(fs::read_to_string(&path).unwrap(), "a file");
}

#[test]
fn what_is_no_place_to_listen_at_is_told() {
    let check = |listen: &str, what: &str| {
        let ended = program::hotfn(&["serve", "--db", "memory", "--listen", listen]);
        assert!(ended.code == Some(2) && ended.stderr.contains(what), "{listen}: {ended:?}");
    };
    check("unix:http.sock", "write its whole path");
    check("unix:@hotfn", "has no permissions");
    check("unix:/run/", "write its whole path");
    check("localhost:8080", "such as 127.0.0.1:8080, nor unix:/PATH");
    check("127.0.0.1:1,127.0.0.1:1", "there twice");
    let ended = program::hotfn(&["serve", "--db", "memory", "--listen", "unix:/nowhere/http.sock"]);
    assert!(ended.code == Some(1) && ended.stderr.contains("\"/nowhere\""), "{ended:?}");
}

/// Who nginx's worker is, if root starts it.
const WORKER: &str = "www-data";

/// nginx, until it is dropped.
struct Nginx(Child);

impl Nginx {
    /// Passes what comes to `address` on to the socket at `path`.
    fn before(path: &Path, address: &str, folder: &Path) -> Self {
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|what| format!("{what}_temp_path {}/{what};", folder.display()))
            .join(" ");
        let config = format!(
            "daemon off; user {WORKER}; pid {folder}/nginx.pid; error_log stderr; events {{}}\n\
             http {{ access_log off; {temporary}\n\
               server {{ listen {address};\n\
                 location / {{ proxy_pass http://unix:{path}; proxy_http_version 1.1;\n\
                   proxy_set_header Host $http_host; proxy_set_header Connection \"\"; }} }} }}\n",
            folder = folder.display(),
            path = path.display(),
        );
        let file = folder.join("nginx.conf");
        fs::write(&file, config).unwrap();
        let mut nginx = Command::new("nginx");
        nginx.arg("-p").arg(folder).args(["-e", "stderr", "-c"]).arg(&file);
        Self(nginx.stdin(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Asked, so that it ends its workers.
        hotfn_tests::processes::signal(self.0.id(), Signal::TERM);
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn nginx_passes_calls_on_to_it() {
    if Command::new("nginx").arg("-v").output().is_err() {
        return skipped("there is no nginx; `cargo xtask test` installs it");
    }
    let folder = folder();
    let path = folder.path().join("http.sock");
    let echo = Function::new("echo", &binaries::image("echo"));
    let home = Home::of(&[echo]);
    if rustix::process::geteuid().is_root() {
        // Whose worker is then another user.
        set(&home, &format!("listen_group = \"{WORKER}\""));
    }
    let node = start(&home, &path).await;
    // Free a moment ago, and as good as certain to be free still.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let _nginx = Nginx::before(&path, &address.to_string(), folder.path());
    let bound = Duration::from_secs(30);
    until("nginx to listen", bound, || std::net::TcpStream::connect(address).ok()).await;
    let mut connection = Connection::open(address).await.unwrap();
    // Small enough to be sent in one go: nginx stops sending a body when its answer has begun, which this function
    // begins at once.
    let more = "x".repeat(16 << 10);
    for body in ["small", &*more] {
        let answer = connection.call(invoke("echo", whole(body.to_owned()))).await.unwrap().ok();
        assert_eq!(answer.text(), body);
        assert!(answer.header("server").starts_with("nginx"), "{:?}", answer.headers);
    }
    // Functions are to be called by the name that callers know.
    let functions = connection.call(api(Method::GET, "/v2/fns/echo", None)).await.unwrap().ok().json();
    let endpoint = &functions["annotations"]["fnproject.io/fn/invokeEndpoint"];
    assert_eq!(endpoint, "http://stories.example/invoke/echo");

    // What is behind it is replaced, and it does not notice.
    let new = home.start_in_place_of(&node).await;
    new.says("took over").await;
    node.end().await;
    answered("the successor's answer", async || {
        let answer = connection.call(invoke("echo", whole("after"))).await.ok()?;
        (answer.status == 200).then_some(())
    })
    .await;
    new.drain().await;
    let gone = Connection::open(address).await.unwrap().call(invoke("echo", whole("late"))).await.unwrap();
    assert_eq!(gone.status, 502, "nobody is behind it");
}

#[tokio::test]
async fn mode_and_group_are_the_configs() {
    let folder = folder();
    let path = folder.path().join("http.sock");
    let home = Home::of(&[]);
    let gid = rustix::process::getegid().as_raw();
    set(&home, &format!("listen = [\"127.0.0.1:0\", \"unix:{}\"]", path.display()));
    set(&home, &format!("listen_mode = \"0600\"\nlisten_group = \"{gid}\""));
    let mut command = Command::new(binaries::program("hotfn"));
    command.args(["serve", "--config"]).arg(home.config()).env("FN_DB_URL", "memory").env("TMPDIR", home.scratch());
    let node = Node::start(&mut command).await;
    let file = fs::metadata(&path).unwrap();
    assert_eq!((file.mode() & 0o777, file.gid()), (0o600, gid));
    node.drain().await;
}
