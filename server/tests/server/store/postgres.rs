//! A store in a Postgres database, on a server of the test's own.

use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hotfn_server::store::{App, Store, Url};
use tempfile::TempDir;

use super::contract;
use crate::certificates::Authority;
use crate::skipped;

#[tokio::test]
async fn a_store_in_postgres_keeps_the_contract() {
    let Some(server) = Server::start() else { return };
    contract::check(&server.database("contract")).await;
    contract::check_sharing(&server.database("sharing")).await;
    an_unfinished_write_is_undone(&server.database("unfinished")).await;
    a_lost_connection_is_made_again(&server).await;
}

#[tokio::test]
async fn a_connection_is_encrypted_as_its_url_says() {
    let Some(server) = Server::start_with_tls() else { return };
    let others = Authority::new(server.folder.path(), "others").roots;
    let ours = server.folder.path().join("ours.pem");
    let (ours, others) = (ours.display(), others.display());
    server.run("CREATE DATABASE encrypted", "postgres");
    server.run("CREATE DATABASE plain", "postgres");
    let port = server.port;
    // To the database `encrypted` nobody comes in the clear, and to `plain` nobody otherwise.
    let check = async |database: &str, host: &str, query: &str, expected: Result<(), &str>| {
        let url: Url = format!("postgres://hotfn@{host}:{port}/{database}{query}").parse().unwrap();
        let opened = Store::open(&url).await.map(drop).map_err(|e| format!("{:#}", anyhow::Error::from(e)));
        match (&opened, expected) {
            (Ok(()), Ok(())) => {}
            (Err(told), Err(expected)) => assert!(told.contains(expected), "{database} {query}: {told}"),
            _ => panic!("{database} {host} {query}: {opened:?}"),
        }
    };
    for query in ["", "?sslmode=prefer", "?sslmode=require", &format!("?sslmode=require&sslrootcert={ours}")] {
        check("encrypted", "127.0.0.1", query, Ok(())).await;
    }
    check("encrypted", "127.0.0.1", "?sslmode=disable", Err("no encryption")).await;
    check("plain", "127.0.0.1", "?sslmode=disable", Ok(())).await;
    check("plain", "127.0.0.1", "?sslmode=require", Err("no pg_hba.conf entry")).await;
    for mode in ["verify-ca", "verify-full"] {
        check("encrypted", "localhost", &format!("?sslmode={mode}&sslrootcert={ours}"), Ok(())).await;
        let stranger = format!("?sslmode={mode}&sslrootcert={others}");
        check("encrypted", "localhost", &stranger, Err("UnknownIssuer")).await;
    }
    // Its certificate has no address in it.
    check("encrypted", "127.0.0.1", &format!("?sslmode=verify-ca&sslrootcert={ours}"), Ok(())).await;
    let full = format!("?sslmode=verify-full&sslrootcert={ours}");
    check("encrypted", "127.0.0.1", &full, Err("not valid for name")).await;
    check("encrypted", "127.0.0.1", "?sslmode=verify-full", Err("UnknownIssuer")).await;
    check("encrypted", "127.0.0.1", "?sslmode=verify-ca", Err("needs sslrootcert")).await;
    check("encrypted", "127.0.0.1", "?sslmode=on", Err("is none of disable, prefer")).await;
    check("encrypted", "127.0.0.1", "?sslmode=require&sslrootcert=/none", Err("cannot read /none")).await;
}

async fn an_unfinished_write_is_undone(url: &Url) {
    let store = Store::open(url).await.unwrap();
    for n in 0..20 {
        let create = store.create_app(App { name: format!("a{n}"), ..App::default() });
        // Wherever it is dropped, the next one finds the connection fit for use.
        let _ = tokio::time::timeout(Duration::from_micros(200 * n), create).await;
    }
    store.create_app(App { name: "last".into(), ..App::default() }).await.unwrap();
}

async fn a_lost_connection_is_made_again(server: &Server) {
    let url = server.database("lost");
    let store = Store::open(&url).await.unwrap();
    let made = store.create_app(App { name: "a".into(), ..App::default() }).await.unwrap();
    server.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'lost'", "postgres");
    let _told = store.app(&made.id).await;
    assert_eq!(store.app(&made.id).await.unwrap(), made);
}

/// A server on a port of this machine. Dropping it ends it.
pub(super) struct Server {
    process: Option<Child>,
    programs: PathBuf,
    port: u16,
    settings: Vec<String>,
    folder: TempDir,
}

/// Who runs the server when we are root, since it refuses to.
const NOBODY: u32 = 65534;

impl Server {
    /// Starts one, or skips aloud.
    pub(super) fn start() -> Option<Self> {
        Self::start_as(|_| Vec::new())
    }

    /// The same with a certificate for `localhost`, from the authority in `ours.pem`. Its database
    /// `encrypted` is reached with TLS only, and `plain` without.
    fn start_with_tls() -> Option<Self> {
        Self::start_as(|folder| {
            let files = Authority::new(folder, "ours").certify(&["localhost"], "postgres");
            if is_root() {
                for path in [&files.certificate, &files.key] {
                    chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
                }
            }
            std::fs::set_permissions(&files.key, PermissionsExt::from_mode(0o600)).unwrap();
            let rules = "hostssl encrypted all all trust\nhostnossl plain all all trust\nhost postgres all all trust\n";
            std::fs::write(folder.join("hba"), rules).unwrap();
            let paths = [files.certificate, files.key, folder.join("hba")];
            let settings = ["ssl_cert_file", "ssl_key_file", "hba_file"].into_iter().zip(paths);
            let settings = settings.map(|(name, path)| format!("{name}={}", path.display()));
            settings.chain(["ssl=on".to_owned()]).collect()
        })
    }

    /// Starts one with the settings that are made in its folder, or skips aloud.
    fn start_as(settings: impl FnOnce(&Path) -> Vec<String>) -> Option<Self> {
        let Some(programs) = programs() else {
            skipped("there is no Postgres on this machine");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        if is_root() {
            std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
            chown(&data, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let made = as_nobody(Command::new(programs.join("initdb")))
            .args(["--auth=trust", "--username=hotfn", "--encoding=UTF8", "--no-sync", "--pgdata"])
            .arg(&data)
            .stdout(Stdio::null())
            .status();
        assert!(made.unwrap().success());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Self { process: None, programs, port, settings: settings(folder.path()), folder };
        server.resume();
        Some(server)
    }

    /// Starts it again where it was.
    pub(super) fn resume(&mut self) {
        let process = as_nobody(Command::new(self.programs.join("postgres")))
            .args(["-F", "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="])
            .args(["-p", &self.port.to_string(), "-D"])
            .arg(self.folder.path().join("data"))
            .args(self.settings.iter().flat_map(|setting| ["-c", setting]))
            .stderr(Stdio::null())
            .spawn();
        self.process = Some(process.unwrap());
        for _ in 0..1000 {
            if self.psql("SELECT 1", "postgres").success() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("Postgres did not start within 20 s");
    }

    /// Ends it, whoever is connected.
    pub(super) fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // INT does not wait for who is connected; KILL would leave its children.
            let _ = Command::new("kill").args(["-INT", &process.id().to_string()]).status();
            let _ = process.wait();
        }
    }

    /// A new database, which orders by the rules of a language where nobody says otherwise.
    pub(super) fn database(&self, name: &str) -> Url {
        self.run(
            &format!("CREATE DATABASE {name} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'"),
            "postgres",
        );
        self.url(name).parse().unwrap()
    }

    /// Where that is.
    pub(super) fn url(&self, name: &str) -> String {
        format!("postgres://hotfn@127.0.0.1:{}/{name}", self.port)
    }

    pub(super) fn run(&self, sql: &str, database: &str) {
        assert!(self.psql(sql, database).success(), "{sql}");
    }

    fn psql(&self, sql: &str, database: &str) -> std::process::ExitStatus {
        let port = self.port.to_string();
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-h", "127.0.0.1", "-p", &port, "-U", "hotfn", "-d", database, "-qc", sql]);
        psql.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Where Debian keeps the newest server's programs, or whoever has them on the path.
fn programs() -> Option<PathBuf> {
    let debian = std::fs::read_dir("/usr/lib/postgresql").ok().into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = debian.map(|entry| entry.path().join("bin")).collect();
    folders.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    folders.splice(0..0, std::env::split_paths(&path));
    folders.into_iter().rev().find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
}

fn as_nobody(mut command: Command) -> Command {
    // A folder it may read.
    command.current_dir("/");
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n")
}
