//! Postgres, for stores that several nodes share.
//!
//! One connection, made when it is needed and again when it was lost, and one that only
//! [listens](listener). `tls` says how they are encrypted.
//!
//! A server that is gone may not say so: its machine lost the network, or it hangs. Whoever waited for
//! it would hold the connection, and everybody would wait behind him. So an answer that does not come
//! within [`ANSWER_TIMEOUT`] is the end of the connection.

mod listener;
mod tls;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, Statement};
use tokio_util::task::AbortOnDropHandle;

use super::told::{Told, Topic};
use super::{Access, Failure};
use listener::Listener;
use tls::Tls;

/// How long connecting may take, unless the URL says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// After so long a silence it is made sure that a connection is still one, unless the URL says otherwise: what listens
/// may be silent for days, and what stands between forgets it.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);

/// How long the server may take to answer at all: longer than it lets a statement take, and than
/// connecting may.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// What the server is told first. A statement that waits longer than this for its turn fails, and a
/// node that dies with a transaction open holds up the others no longer than this.
const SESSION: &str = "SET statement_timeout = '10s'; SET idle_in_transaction_session_timeout = '10s'";

/// The next number of the `revision`, and a word to those who listen when the write is done.
const NEXT: &str = "UPDATE revision SET n = n + 1; NOTIFY hotfn_written";
/// A word to those who listen that there are calls that any node may take.
const OFFER: &str = "NOTIFY hotfn_offered";

/// A database, whether or not we are connected to it.
pub(in crate::store) struct Postgres {
    door: Door,
    /// From when on somebody wants to be told.
    listener: OnceLock<Listener>,
}

/// How to come to a database, and the one connection that statements take turns with.
#[derive(Clone)]
struct Door {
    config: Config,
    tls: Tls,
    link: Arc<Mutex<Option<Link>>>,
    answer_timeout: Duration,
}

/// A turn with the connection.
pub(in crate::store) struct Transaction {
    /// `None` when it is over.
    turn: Option<OwnedMutexGuard<Option<Link>>>,
    answer_timeout: Duration,
}

/// A connection, and what was said over it already.
struct Link {
    client: Client,
    statements: HashMap<String, Statement>,
    _carried: AbortOnDropHandle<()>,
}

impl Postgres {
    /// Reads `url`, and connects to nobody yet.
    pub(super) fn open(url: &str) -> Result<Self, Failure> {
        let (wish, url) = tls::read(url).map_err(|e| Failure::Unusable(e.into()))?;
        let tls = Tls::new(&wish.trust).map_err(|e| Failure::Unusable(e.into()))?;
        let mut config: Config = url.parse().map_err(unusable)?;
        config.ssl_mode(wish.mode);
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if config.get_keepalives_idle() == Config::new().get_keepalives_idle() {
            config.keepalives_idle(KEEPALIVE_IDLE);
        }
        config.application_name("hotfn");
        let door = Door { config, tls, link: Arc::default(), answer_timeout: ANSWER_TIMEOUT };
        Ok(Self { door, listener: OnceLock::new() })
    }

    pub(super) async fn begin(&self, access: Access) -> Result<Transaction, Failure> {
        self.door.begin(access).await
    }

    /// Tells of every write from now on.
    pub(super) fn told(&self, topic: Topic) -> Told {
        self.listener.get_or_init(|| Listener::start(self.door.clone())).told(topic)
    }
}

impl Door {
    async fn begin(&self, access: Access) -> Result<Transaction, Failure> {
        let mut held = self.link.clone().lock_owned().await;
        if held.as_ref().is_none_or(|link| link.client.is_closed()) {
            let connected = timeout(self.answer_timeout, self.connect()).await;
            *held = Some(connected.map_err(|_| silent(self.answer_timeout))??);
        }
        let mut begun = Transaction { turn: Some(held), answer_timeout: self.answer_timeout };
        let begin = match access {
            Access::Read => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            Access::Write => "BEGIN",
        };
        begun.batch(begin).await?;
        Ok(begun)
    }

    async fn connect(&self) -> Result<Link, Failure> {
        let (client, connection) = self.config.connect(self.tls.clone()).await.map_err(unusable)?;
        let carried = AbortOnDropHandle::new(tokio::spawn(async move {
            if let Err(e) = connection.await {
                tracing::warn!(error = %e, "the connection to the store was lost");
            }
        }));
        client.batch_execute(SESSION).await.map_err(unusable)?;
        Ok(Link { client, statements: HashMap::new(), _carried: carried })
    }
}

impl Transaction {
    pub(super) async fn query<const N: usize>(
        &mut self,
        sql: &str,
        params: &[&str],
    ) -> Result<Vec<[String; N]>, Failure> {
        // It can hold no NUL, and so nothing in it can be equal to what has one.
        let params: Vec<String> = params.iter().map(|param| param.replace('\0', "\u{fffd}")).collect();
        let params: Vec<&(dyn ToSql + Sync)> = params.iter().map(|param| param as _).collect();
        let rows = self.answered(async |link| {
            let statement = link.statement(sql).await?;
            link.client.query(&statement, &params).await.map_err(failure)
        });
        let rows = rows.await?;
        rows.iter()
            .map(|row| {
                let mut columns = [const { String::new() }; N];
                for (n, column) in columns.iter_mut().enumerate() {
                    *column = row.try_get(n).map_err(unusable)?;
                }
                Ok(columns)
            })
            .collect()
    }

    pub(super) async fn batch(&mut self, sql: &'static str) -> Result<(), Failure> {
        self.answered(async |link| link.client.batch_execute(sql).await.map_err(failure)).await
    }

    pub(super) async fn next(&mut self) -> Result<(), Failure> {
        self.batch(NEXT).await
    }

    pub(super) async fn offer(&mut self) -> Result<(), Failure> {
        self.batch(OFFER).await
    }

    pub(super) async fn commit(mut self) -> Result<(), Failure> {
        self.batch("COMMIT").await?;
        self.turn = None;
        Ok(())
    }

    /// What the server says to what `ask` asks. If that does not come, the connection is of no further use.
    async fn answered<T>(&mut self, ask: impl AsyncFnOnce(&mut Link) -> Result<T, Failure>) -> Result<T, Failure> {
        let turn = self.turn.as_mut().expect("a transaction has its turn until it is over");
        let link = turn.as_mut().ok_or_else(|| silent(self.answer_timeout))?;
        if let Ok(answer) = timeout(self.answer_timeout, ask(link)).await {
            return answer;
        }
        **turn = None;
        Err(silent(self.answer_timeout))
    }
}

impl Drop for Transaction {
    /// The next one has its turn when the server has forgotten this one.
    fn drop(&mut self) {
        let Some(mut turn) = self.turn.take() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            // There is nobody to say it to the server; that the connection ends says it as well.
            *turn = None;
            return;
        };
        let answer_timeout = self.answer_timeout;
        runtime.spawn(async move {
            let Some(link) = turn.as_ref() else { return };
            let ended = timeout(answer_timeout, link.client.batch_execute("ROLLBACK")).await;
            if let Err(e) = ended.map_err(|_| silent(answer_timeout)).and_then(|ended| ended.map_err(unusable)) {
                tracing::warn!("a transaction of the store did not end: {:#}", anyhow::Error::from(e));
                *turn = None;
            }
        });
    }
}

impl Link {
    /// `sql`, prepared. There are few different ones, so none is ever forgotten.
    async fn statement(&mut self, sql: &str) -> Result<Statement, Failure> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql).await.map_err(failure)?;
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").field("hosts", &self.door.config.get_hosts()).finish_non_exhaustive()
    }
}

fn silent(patience: Duration) -> Failure {
    Failure::Unusable(format!("it said nothing for {patience:?}").into())
}

fn failure(error: tokio_postgres::Error) -> Failure {
    match error.as_db_error() {
        Some(told) if *told.code() == SqlState::UNIQUE_VIOLATION => {
            Failure::Taken { rule: told.constraint().unwrap_or_default().to_owned() }
        }
        _ => unusable(error),
    }
}

fn unusable(error: tokio_postgres::Error) -> Failure {
    Failure::Unusable(error.into())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// Says so little as a client takes for a server that is fine: who it is may come in, and that a
    /// statement was followed.
    async fn say_fine(stream: &mut TcpStream, statements: usize) {
        const READY: &[u8] = b"Z\0\0\0\x05I";
        let mut heard = [0; 1024];
        let _ = stream.read(&mut heard).await;
        stream.write_all(b"R\0\0\0\x08\0\0\0\0").await.unwrap();
        stream.write_all(READY).await.unwrap();
        for _ in 0..statements {
            let _ = stream.read(&mut heard).await;
            stream.write_all(b"C\0\0\0\x08SET\0").await.unwrap();
            stream.write_all(READY).await.unwrap();
        }
    }

    /// Whether it hangs when it is connected to, within a transaction or at its end: who waits is told,
    /// and the next one has another connection.
    #[tokio::test]
    async fn a_server_that_hangs_holds_nobody_up_for_ever() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("postgres://u@127.0.0.1:{}/db?sslmode=disable", listener.local_addr().unwrap().port());
        let postgres = Door { answer_timeout: Duration::from_millis(200), ..Postgres::open(&url).unwrap().door };
        let server = tokio::spawn(async move {
            let mut hanging = Vec::new();
            // Connected to; told how a session is to be; begun; written to.
            for statements in [None, Some(0), Some(1), Some(2), Some(3)] {
                let (mut stream, _) = listener.accept().await.unwrap();
                if let Some(statements) = statements {
                    say_fine(&mut stream, statements).await;
                }
                hanging.push(stream);
            }
            hanging
        });
        let patience = Duration::from_secs(10);
        for _ in 0..3 {
            let begun = timeout(patience, postgres.begin(Access::Write)).await.expect("it is given up");
            let told = format!("{:#}", anyhow::Error::from(begun.map(drop).unwrap_err()));
            assert!(told.contains("it said nothing for 200ms"), "{told}");
        }
        let mut begun = timeout(patience, postgres.begin(Access::Write)).await.unwrap().unwrap();
        assert!(timeout(patience, begun.batch("UPDATE revision")).await.unwrap().is_err());
        assert!(timeout(patience, begun.batch("UPDATE revision")).await.unwrap().is_err(), "nor is it asked again");
        drop(begun);
        let mut begun = timeout(patience, postgres.begin(Access::Write)).await.unwrap().unwrap();
        timeout(patience, begun.batch("UPDATE revision")).await.unwrap().unwrap();
        drop(begun);
        // What was begun there did not end: the connection is given up when the server says nothing to that.
        let next = async { while postgres.link.lock().await.is_some() {} };
        timeout(patience, next).await.expect("another connection is for the next one");
        drop(server.await.unwrap());
    }
}
