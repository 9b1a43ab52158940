//! SQLite, in a file or in memory.
//!
//! SQLite works in the thread that calls it and may wait for the disk there, so it has a thread of
//! its own that does one thing after another. The file is in WAL mode and synced at each commit:
//! what was answered is on the disk. Another process may use the same file; it is waited for, and
//! what it writes is heard of ([`watch`]).

mod watch;

use std::fmt;
use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, params_from_iter};
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};

use super::told::{Told, Topic};
use super::{Access, Failure};

use watch::Watching;

/// How long another process may hold the file before a statement fails.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// An open database. Dropping it waits until the file is closed.
pub(in crate::store) struct Sqlite {
    worker: Arc<Mutex<Worker>>,
    /// `None`: it is in memory.
    path: Option<PathBuf>,
    /// From when on somebody wants to be told.
    watching: OnceLock<Watching>,
}

/// A turn with the connection.
pub(in crate::store) struct Transaction {
    worker: OwnedMutexGuard<Worker>,
    is_over: bool,
}

/// The thread's end of our line. Who has it is alone with the connection, so at most two things
/// ever wait in the line: a statement, and the rollback that follows when nobody waits for it.
struct Worker {
    line: Option<mpsc::Sender<Work>>,
    thread: Option<JoinHandle<()>>,
}

type Work = Box<dyn FnOnce(&Connection) + Send>;

impl Sqlite {
    /// Opens the file at `path`, and makes it and its folder if they are not there; without a
    /// path, in memory.
    pub(super) async fn open(path: Option<PathBuf>) -> Result<Self, Failure> {
        let (line, work) = mpsc::channel::<Work>();
        let (opened, is_open) = oneshot::channel();
        let file = path.clone();
        let thread = thread::Builder::new().name("hotfn-store".to_owned()).spawn(move || {
            let connection = match connect(file) {
                Ok(connection) => connection,
                Err(e) => return drop(opened.send(Err(e))),
            };
            if opened.send(Ok(())).is_ok() {
                work.iter().for_each(|work| work(&connection));
            }
        });
        let worker = Worker { line: Some(line), thread: Some(thread.map_err(unusable)?) };
        is_open.await.map_err(unusable)??;
        Ok(Self { worker: Arc::new(Mutex::new(worker)), path, watching: OnceLock::new() })
    }

    /// Tells of what other processes write from now on.
    pub(super) fn told(&self, topic: Topic) -> Told {
        let Some(path) = &self.path else { return Told::alone() };
        let watching = self.watching.get_or_init(|| Watching::start(path, Arc::downgrade(&self.worker)));
        watching.teller.told(topic)
    }

    pub(super) async fn begin(&self, access: Access) -> Result<Transaction, Failure> {
        let worker = self.worker.clone().lock_owned().await;
        let begun = Transaction { worker, is_over: false };
        begun.batch(if access == Access::Write { "BEGIN IMMEDIATE" } else { "BEGIN" }).await?;
        Ok(begun)
    }
}

impl Transaction {
    pub(super) async fn query<const N: usize>(&self, sql: &str, params: &[&str]) -> Result<Vec<[String; N]>, Failure> {
        // `$1` would be a name to SQLite; `?1` is the first parameter.
        let sql = sql.replace('$', "?");
        let params: Vec<String> = params.iter().map(|&param| param.to_owned()).collect();
        self.run(move |connection| {
            let mut statement = connection.prepare(&sql)?;
            let mut rows = statement.query(params_from_iter(params))?;
            let mut read = Vec::new();
            while let Some(row) = rows.next()? {
                let mut columns = [const { String::new() }; N];
                for (n, column) in columns.iter_mut().enumerate() {
                    *column = row.get(n)?;
                }
                read.push(columns);
            }
            Ok(read)
        })
        .await
    }

    pub(super) async fn batch(&self, sql: &'static str) -> Result<(), Failure> {
        self.run(move |connection| connection.execute_batch(sql)).await
    }

    pub(super) async fn commit(mut self) -> Result<(), Failure> {
        self.batch("COMMIT").await?;
        self.is_over = true;
        Ok(())
    }

    /// Lets the thread do `work`, and waits for what comes of it.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        let (sender, receiver) = oneshot::channel();
        self.worker.send(Box::new(move |connection| {
            // Who does not wait for it any more drops the transaction as well.
            let _ = sender.send(work(connection));
        }));
        receiver.await.map_err(unusable)?.map_err(failure)
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if !self.is_over {
            self.worker.send(Box::new(|connection| {
                if !connection.is_autocommit()
                    && let Err(e) = connection.execute_batch("ROLLBACK")
                {
                    tracing::warn!(error = %e, "a transaction of the store did not end");
                }
            }));
        }
    }
}

impl Worker {
    /// If the thread is gone, so is the work, and who waits for it learns that.
    fn send(&self, work: Work) {
        if let Some(line) = &self.line {
            let _ = line.send(work);
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.line = None;
        if let Some(thread) = self.thread.take() {
            // One that panicked has said so already.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sqlite")
    }
}

fn connect(path: Option<PathBuf>) -> Result<Connection, Failure> {
    let connection = match path {
        None => Connection::open_in_memory(),
        Some(path) => {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).map_err(unusable)?;
            }
            // Functions have secrets in their config. What SQLite puts beside it has the same mode.
            File::options().append(true).create(true).mode(0o600).open(&path).map_err(unusable)?;
            Connection::open(path)
        }
    };
    let connection = connection.map_err(failure)?;
    let prepare = || {
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        // In memory there is no journal to choose, and the answer is not the word we gave.
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))
    };
    prepare().map_err(failure)?;
    Ok(connection)
}

fn failure(error: rusqlite::Error) -> Failure {
    match &error {
        rusqlite::Error::SqliteFailure(code, Some(message)) if code.code == ErrorCode::ConstraintViolation => {
            match message.strip_prefix("UNIQUE constraint failed: ") {
                Some(rule) => Failure::Taken { rule: rule.to_owned() },
                None => unusable(error),
            }
        }
        _ => unusable(error),
    }
}

fn unusable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Failure {
    Failure::Unusable(error.into())
}
