//! Postgres, for stores that several nodes share.
//!
//! One connection, made when it is needed and again when it was lost, and one that only
//! [listens](listener). `tls` says how they are encrypted.

mod listener;
mod tls;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, Statement};

use super::{Access, Failure};
use tls::Tls;

pub(in crate::store) use listener::Listener;

/// How long connecting may take, unless the URL says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What the server is told first. A statement that waits longer than this for its turn fails, and a
/// node that dies with a transaction open holds up the others no longer than this.
const SESSION: &str = "SET statement_timeout = '10s'; SET idle_in_transaction_session_timeout = '10s'";

/// The next number of the `revision`, and a word to those who listen when the write is done.
const NEXT: &str = "UPDATE revision SET n = n + 1; NOTIFY hotfn_written";
/// What hears that word.
const LISTEN: &str = "LISTEN hotfn_written";

/// A database, whether or not we are connected to it.
pub(in crate::store) struct Postgres {
    config: Config,
    tls: Tls,
    link: Arc<Mutex<Option<Link>>>,
}

/// A turn with the connection.
pub(in crate::store) struct Transaction {
    /// `None` when it is over.
    turn: Option<OwnedMutexGuard<Option<Link>>>,
}

/// A connection, and what was said over it already.
struct Link {
    client: Client,
    statements: HashMap<String, Statement>,
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
        config.application_name("hotfn");
        Ok(Self { config, tls, link: Arc::default() })
    }

    pub(super) async fn begin(&self, access: Access) -> Result<Transaction, Failure> {
        let mut held = self.link.clone().lock_owned().await;
        if held.as_ref().is_none_or(|link| link.client.is_closed()) {
            *held = Some(self.connect().await?);
        }
        let begun = Transaction { turn: Some(held) };
        let begin = match access {
            Access::Read => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            Access::Write => "BEGIN",
        };
        begun.batch(begin).await?;
        Ok(begun)
    }

    /// Hears of every write from now on.
    pub(super) fn listen(&self) -> Listener {
        Listener::start(self.config.clone(), self.tls.clone())
    }

    async fn connect(&self) -> Result<Link, Failure> {
        let (client, connection) = self.config.connect(self.tls.clone()).await.map_err(unusable)?;
        // Ends with the client.
        tokio::spawn(async move {
            if let Err(e) = connection.await {
                tracing::warn!(error = %e, "the connection to the store was lost");
            }
        });
        client.batch_execute(SESSION).await.map_err(unusable)?;
        Ok(Link { client, statements: HashMap::new() })
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
        let link = self.link_mut();
        let statement = link.statement(sql).await?;
        let rows = link.client.query(&statement, &params).await.map_err(failure)?;
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

    pub(super) async fn batch(&self, sql: &'static str) -> Result<(), Failure> {
        self.link().client.batch_execute(sql).await.map_err(failure)
    }

    pub(super) async fn next(&self) -> Result<(), Failure> {
        self.batch(NEXT).await
    }

    pub(super) async fn commit(mut self) -> Result<(), Failure> {
        self.batch("COMMIT").await?;
        self.turn = None;
        Ok(())
    }

    fn link(&self) -> &Link {
        self.turn.as_ref().and_then(|turn| turn.as_ref()).expect("a transaction has its turn until it is over")
    }

    fn link_mut(&mut self) -> &mut Link {
        self.turn.as_mut().and_then(|turn| turn.as_mut()).expect("a transaction has its turn until it is over")
    }
}

impl Drop for Transaction {
    /// The next one has its turn when the server has forgotten this one.
    fn drop(&mut self) {
        let Some(turn) = self.turn.take() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            let Some(link) = turn.as_ref() else { return };
            if let Err(e) = link.client.batch_execute("ROLLBACK").await {
                tracing::warn!(error = %e, "a transaction of the store did not end");
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
        f.debug_struct("Postgres").field("hosts", &self.config.get_hosts()).finish_non_exhaustive()
    }
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
