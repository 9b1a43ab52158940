//! A server to ask, clients that ask it, and a terminal to ask from.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hotfn_exec::rules::{self, As, Commands, Pattern, Rule, Rules, What, Who};
use hotfn_exec::server::{self, Server};
use rustix::process::{Pid, Signal};
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;
use tempfile::TempDir;

/// Far more than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// How long a job of the helper's may take to finish when it is told to end.
pub(crate) const DRAIN: Duration = Duration::from_secs(2);

/// Waits until `look` sees something.
pub(crate) fn soon<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A server in a process of its own.
pub(crate) struct Served {
    pub(crate) dir: TempDir,
    process: Child,
}

impl Served {
    /// By one of the rule sets below.
    pub(crate) fn by(rules: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        // Others than root are to reach the socket.
        fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let process = serve(&dir.path().join("s"), rules, &dir.path().join("log"));
        let served = Self { dir, process };
        served.wait_until_there();
        served
    }

    fn wait_until_there(&self) {
        soon("the server", || hotfn_socket::connect_packets(&self.socket()).ok());
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("s")
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// A client that will ask it for `words`.
    pub(crate) fn client<S: AsRef<OsStr>>(&self, words: &[S]) -> Command {
        let mut client = Command::new(client());
        client.env("HOTFN_EXEC", self.socket()).args(words);
        client
    }

    /// Runs such a client to its end.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, words: &[S]) -> Output {
        self.client(words).stdin(Stdio::null()).output().unwrap()
    }

    /// A path in the server's own folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn end(&mut self, signal: Signal) -> Option<i32> {
        rustix::process::kill_process(self.pid(), signal).unwrap();
        self.process.wait().unwrap().code()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The small client.
pub(crate) fn client() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_hotfn-exec"))
}

/// Starts a server's process; it may or may not come to listen.
pub(crate) fn serve(socket: &Path, rules: &str, log: &Path) -> Child {
    // A folder beside the socket comes first in its search path.
    let path = std::env::join_paths([socket.with_file_name("bin"), "/usr/bin".into(), "/bin".into()]).unwrap();
    Command::new(std::env::current_exe().unwrap())
        .env("PATH", path)
        .args(["--exact", "harness::not_a_test_but_the_server", "--nocapture"])
        .env("HOTFN_EXEC_TEST_SOCKET", socket)
        .env("HOTFN_EXEC_TEST_RULES", rules)
        .env_remove("HOTFN_EXEC")
        .stdout(Stdio::null())
        .stdin(Stdio::null())
        .stderr(fs::File::create(log).unwrap())
        .spawn()
        .unwrap()
}

#[test]
fn not_a_test_but_the_server() {
    let Some(socket) = std::env::var_os("HOTFN_EXEC_TEST_SOCKET") else { return };
    let name = std::env::var("HOTFN_EXEC_TEST_RULES").unwrap();
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let terminate = || tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
        let (mut first, mut second) = (terminate(), terminate());
        let config = server::Config { mode: 0o666, ..server::Config::new(PathBuf::from(socket)) };
        let server = Server::start(config, rule_set(&name)).unwrap_or_else(|e| panic!("cannot serve: {e}"));
        tokio::select! {
            _ = first.recv() => { let _same = second.recv().await; }
            () = server.asked_to_stop() => {}
        }
        server.drain(DRAIN, async { _ = second.recv().await }).await;
    });
}

fn rule_set(name: &str) -> Rules {
    let open = Rules::open_to(rustix::process::geteuid().as_raw());
    let anyone = Rule { who: vec![Who::Anyone], ..open.rules[0].clone() };
    let clean = Rule { env: rules::Environment::default(), run_as: As::Server, ..anyone.clone() };
    let rules = match name {
        "open" => return open,
        "nobody" => vec![Rule { who: vec![Who::Uid(12_345)], ..clean }],
        "clean" => {
            let pass = ["LC_*", "TERM", "*"].map(Pattern::text).into();
            vec![Rule { env: rules::Environment { pass, ..Default::default() }, ..clean }]
        }
        "table" => vec![Rule {
            what: vec![What::Command("say".into()), What::Path(Pattern::path("/usr/bin/*"))],
            cwd: vec![Pattern::path("/tmp/**")],
            ..clean
        }],
        "anyone" => vec![anyone],
        "brief" => vec![Rule { timeout: Some(Duration::from_millis(300)), ..clean }],
        "keeping" => vec![Rule { orphans: true, ..clean }],
        other => panic!("there is no rule set {other:?}"),
    };
    let say = rules::Command {
        args: vec!["said".into()],
        deny_args: vec![Pattern::text("--loud*")],
        ..rules::Command::new("/bin/echo")
    };
    Rules { rules, commands: Commands::from_iter([("say".to_owned(), say)]) }
}

/// Does this process still run?
pub(crate) fn runs(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// What a file says, once it says a line.
pub(crate) fn line_of(file: &Path) -> String {
    soon(&format!("{}", file.display()), || {
        fs::read_to_string(file).ok().filter(|text| text.ends_with('\n')).map(|text| text.trim().to_owned())
    })
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Says that this machine cannot tell; where everything is meant to be there, that fails.
pub(crate) fn skipped(why: &str) {
    assert!(std::env::var_os("HOTFN_NO_SKIP").is_none_or(|value| value != "1"), "nothing may be skipped, but {why}");
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}

/// A terminal with a person before it.
pub(crate) struct Terminal {
    pub(crate) ours: OwnedFd,
    shown: Arc<Mutex<String>>,
    read: usize,
    pub(crate) child: Child,
}

impl Terminal {
    /// Runs `program` in a session of its own on a new terminal.
    pub(crate) fn running(mut program: Command, rows: u16, columns: u16) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let ours = rustix::pty::openpt(flags).unwrap();
        rustix::pty::unlockpt(&ours).unwrap();
        let theirs = rustix::pty::ioctl_tiocgptpeer(&ours, flags).unwrap();
        rustix::termios::tcsetwinsize(&ours, window(rows, columns)).unwrap();
        let stream = || Stdio::from(theirs.try_clone().unwrap());
        let child = program.stdin(stream()).stdout(stream()).stderr(stream()).spawn().unwrap();
        let shown = Arc::new(Mutex::new(String::new()));
        let (mut from, to) = (fs::File::from(ours.try_clone().unwrap()), shown.clone());
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(read @ 1..) = from.read(&mut piece) {
                to.lock().unwrap().push_str(&String::from_utf8_lossy(&piece[..read]));
            }
        });
        Self { ours, shown, read: 0, child }
    }

    /// An interactive shell on it, with `HOTFN_EXEC` and the client as `$X`.
    pub(crate) fn shell(served: &Served) -> Self {
        let mut shell = Command::new("setsid");
        shell.args(["--ctty", "--wait", "bash", "--norc", "--noprofile", "-i"]);
        shell.env("HOTFN_EXEC", served.socket()).env("X", client()).env("PS1", "ready> ").env("TERM", "dumb");
        shell.env_remove("PROMPT_COMMAND");
        let mut terminal = Self::running(shell, 24, 80);
        terminal.sees("ready> ");
        terminal
    }

    pub(crate) fn types(&self, text: &str) {
        rustix::io::write(&self.ours, text.as_bytes()).unwrap();
    }

    /// Waits until `text` is shown, after what was waited for before.
    pub(crate) fn sees(&mut self, text: &str) -> String {
        let from = self.read;
        let shown = self.shown.clone();
        let began = Instant::now();
        loop {
            let all = shown.lock().unwrap().clone();
            if let Some(at) = all[from..].find(text) {
                self.read = from + at + text.len();
                return all[from..self.read].to_owned();
            }
            assert!(began.elapsed() < PATIENCE, "waited in vain for {text:?}; the terminal shows:\n{all}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub(crate) fn resizes(&self, rows: u16, columns: u16) {
        rustix::termios::tcsetwinsize(&self.ours, window(rows, columns)).unwrap();
    }

    /// Is it one that shows what is typed, line by line, as a shell leaves it?
    pub(crate) fn is_cooked(&self) -> bool {
        let modes = rustix::termios::tcgetattr(&self.ours).unwrap().local_modes;
        use rustix::termios::LocalModes;
        modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn window(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}
