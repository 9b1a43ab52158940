//! A node under systemd itself, with the units that the package ships.
//!
//! systemd runs as the manager of a user, in namespaces of its own: it has a `/run`, a tree of control groups and
//! numbers of processes that nobody else sees, so it takes over nothing of this machine, and everything it started
//! ends with it.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use hotfn_tests::client::{Connection, held, invoke, whole};
use hotfn_tests::node::{Function, Home};
use hotfn_tests::{answered, binaries, skipped};

/// Enters a control group of its own, then the namespaces; there it makes what systemd looks for where it begins,
/// begins it, and does as it is told on its input, a line at a time.
const SCRIPT: &str = r#"
    for tree in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
        test -e $tree/cgroup.procs || continue
        mkdir $tree/$GROUP
        echo $$ > $tree/$GROUP/cgroup.procs
    done
    exec unshare --mount --cgroup --pid --fork --kill-child --mount-proc --propagation private sh -c '
        set -e
        mount -t tmpfs tmpfs /run
        mkdir -p /run/systemd/system $XDG_RUNTIME_DIR
        if test -e /sys/fs/cgroup/cgroup.procs; then
            mount -t cgroup2 cgroup2 /sys/fs/cgroup
        else
            mount -t tmpfs tmpfs /sys/fs/cgroup
            mkdir /sys/fs/cgroup/systemd /sys/fs/cgroup/unified
            mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
            mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified
        fi
        /lib/systemd/systemd --user --unit=sockets.target --log-target=console &
        set +e
        while read -r line; do
            eval "$line" </dev/null
            echo "== $?"
        done
    '
"#;

/// What the units order themselves by, and what is not theirs.
const TARGETS: [&str; 7] = ["basic", "default", "multi-user", "network-online", "shutdown", "sockets", "sysinit"];

struct Systemd {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    group: String,
    address: SocketAddr,
    path: PathBuf,
}

impl Systemd {
    /// With the units for a node of `home`.
    fn start(home: &Home, folder: &Path) -> Self {
        let (address, path) = (free_address(), folder.join("http.sock"));
        let units = folder.join("units");
        fs::create_dir(&units).unwrap();
        for target in TARGETS {
            fs::write(units.join(format!("{target}.target")), "[Unit]\nDefaultDependencies=no\n").unwrap();
        }
        let environment = folder.join("environment");
        let variables = format!("FN_DB_URL=memory\nTMPDIR={}\n", home.scratch().display());
        fs::write(&environment, variables).unwrap();
        let change = |text: String, from: &str, to: &str| {
            assert!(text.contains(from), "{from} is not in\n{text}");
            text.replace(from, to)
        };
        let unit = |name: &str, changes: &[(&str, &str)]| {
            let text = fs::read_to_string(binaries::root().join("packaging/systemd").join(name)).unwrap();
            let text = changes.iter().fold(text, |text, (from, to)| change(text, from, to));
            fs::write(units.join(name), text).unwrap();
        };
        let config = home.config().display().to_string();
        unit(
            "hotfn.service",
            &[
                ("/usr/bin/hotfn", &binaries::program("hotfn").display().to_string()),
                ("/etc/hotfn/hotfn.toml", &config),
                ("/etc/default/hotfn", &environment.display().to_string()),
                // What takes half a minute in earnest.
                ("WatchdogSec=30", "WatchdogSec=2\nRestartSec=100ms"),
            ],
        );
        let places = format!("ListenStream={address}\nListenStream={}", path.display());
        unit("hotfn.socket", &[("ListenStream=127.0.0.1:8080", &places)]);

        let group = format!("hotfn-story-{}", std::process::id());
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT]).env("GROUP", &group).env("SYSTEMD_UNIT_PATH", &units).env("HOME", folder);
        command.env("XDG_RUNTIME_DIR", "/run/user/0").env_remove("DBUS_SESSION_BUS_ADDRESS");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, input, output, group, address, path }
    }

    /// Runs `line` beside it. What it printed, and how it ended.
    fn run(&mut self, line: &str) -> (String, bool) {
        writeln!(self.input, "{line}").unwrap();
        let mut said = String::new();
        loop {
            let from = said.len();
            assert!(self.output.read_line(&mut said).unwrap() > 0, "systemd is gone: {said}");
            if let Some(code) = said[from..].strip_prefix("== ") {
                let is_well = code.trim() == "0";
                said.truncate(from);
                return (said, is_well);
            }
        }
    }

    fn systemctl(&mut self, what: &str) -> String {
        let (said, is_well) = self.run(&format!("timeout 60 systemctl --user {what} 2>&1"));
        assert!(is_well, "systemctl {what}: {said}");
        said
    }

    /// A property of the service.
    fn shows(&mut self, property: &str) -> String {
        self.systemctl(&format!("show --value --property={property} hotfn.service")).trim().to_owned()
    }

    async fn echo(&self, text: &'static str) -> Option<String> {
        let mut connection = Connection::open(self.address).await.ok()?;
        let answer = connection.call(invoke("echo", whole(text))).await.ok()?;
        (answer.status == 200).then(|| answer.text())
    }
}

impl Drop for Systemd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // A group can be removed when the last of its processes is gone, which the kernel sees to in its own time.
        let mut remove = Command::new("find");
        remove.args(["/sys/fs/cgroup", "-maxdepth", "2", "-name", &self.group]);
        let found = remove.output().map(|out| String::from_utf8_lossy(&out.stdout).into_owned()).unwrap_or_default();
        for tree in found.lines() {
            let _ = Command::new("timeout")
                .args(["10", "sh", "-c", "until find \"$0\" -depth -type d -exec rmdir {} + 2>/dev/null; do :; done"])
                .arg(tree)
                .status();
        }
    }
}

/// Free a moment ago, and as good as certain to be free still.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn systemd_starts_it_watches_it_replaces_it_and_stops_it() {
    if !rustix::process::geteuid().is_root() {
        return skipped("namespaces are root's to make");
    }
    if !Path::new("/lib/systemd/systemd").exists() {
        return skipped("there is no systemd; `cargo xtask test` installs it");
    }
    let home = Home::of(&[Function::new("echo", &binaries::image("echo"))]);
    let folder = tempfile::tempdir().unwrap();
    let mut systemd = Systemd::start(&home, folder.path());
    answered("systemd to be there", async || systemd.run("systemctl --user is-active sockets.target").1.then_some(()))
        .await;
    systemd.systemctl("start hotfn.socket");
    assert_eq!(systemd.shows("ActiveState"), "inactive", "nobody has called");

    // The first call starts it, and waits for it.
    assert_eq!(systemd.echo("first").await.as_deref(), Some("first"));
    answered("READY=1", async || (systemd.shows("ActiveState") == "active").then_some(())).await;
    let mut by_path = Connection::open_unix(&systemd.path).await.unwrap();
    assert_eq!(by_path.call(invoke("echo", whole("by path"))).await.unwrap().ok().text(), "by path");
    drop(by_path);
    let first = systemd.shows("MainPID");

    // It says that it lives, and when it does not, it is replaced.
    let pinged = systemd.shows("WatchdogTimestampMonotonic");
    answered("a ping", async || (systemd.shows("WatchdogTimestampMonotonic") != pinged).then_some(())).await;
    systemd.systemctl("kill --kill-whom=main --signal=STOP hotfn.service");
    answered("another after the watchdog", async || (systemd.shows("NRestarts") == "1").then_some(())).await;
    answered("it to be active", async || (systemd.shows("ActiveState") == "active").then_some(())).await;
    assert_eq!(systemd.echo("again").await.as_deref(), Some("again"));
    let second = systemd.shows("MainPID");
    assert_ne!(first, second);

    // A reload is a successor, which becomes the unit's own.
    systemd.systemctl("reload hotfn.service");
    answered("a successor", async || (systemd.shows("MainPID") != second).then_some(())).await;
    assert_eq!(systemd.echo("successor").await.as_deref(), Some("successor"));
    let pinged = systemd.shows("WatchdogTimestampMonotonic");
    answered("a ping of it", async || (systemd.shows("WatchdogTimestampMonotonic") != pinged).then_some(())).await;
    assert_eq!((systemd.shows("ActiveState").as_str(), systemd.shows("NRestarts").as_str()), ("active", "1"));

    // A config that cannot be followed is no reason to end.
    let config = fs::read_to_string(home.config()).unwrap();
    fs::write(home.config(), format!("{config}\nno_such_key = 1\n")).unwrap();
    assert!(!systemd.run("systemctl --user reload hotfn.service 2>&1").1);
    assert_eq!(systemd.echo("still").await.as_deref(), Some("still"));

    // The main process is told to end; another that still has calls to finish would be killed.
    let predecessor = format!("test ! -e /proc/{second}");
    answered("the predecessor to end", async || systemd.run(&predecessor).1.then_some(())).await;
    let (body, hold) = held("first", " and last");
    let mut connection = Connection::open(systemd.address).await.unwrap();
    let in_flight = tokio::spawn(async move { connection.call(invoke("echo", body)).await });
    // It comes later, so by its answer the other is under way.
    assert_eq!(systemd.echo("beside").await.as_deref(), Some("beside"));
    systemd.systemctl("stop --no-block hotfn.socket hotfn.service");
    answered("STOPPING=1", async || (systemd.shows("ActiveState") == "deactivating").then_some(())).await;
    hold.release();
    answered("it to stop", async || (systemd.shows("ActiveState") != "deactivating").then_some(())).await;
    assert_eq!((systemd.shows("ActiveState").as_str(), systemd.shows("Result").as_str()), ("inactive", "success"));
    assert_eq!(in_flight.await.unwrap().unwrap().ok().text(), "first and last", "a stop drains, a successor too");
    home.is_bare();
}
