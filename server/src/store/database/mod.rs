//! Two databases that understand the same statements.
//!
//! A [`Database`] gives transactions, one at a time, and a [`Transaction`] takes statements and
//! gives rows. Everything is text on the way in and out, so that no value needs a type that two
//! databases would have to agree on. Parameters are written `$1`, `$2` and so on.
//!
//! There is one connection and a queue before it. What a store is asked for comes from people and
//! their tools, a few times a second, and from the journal of detached calls, many calls at a time;
//! a call that is waited for never comes here. A write of definitions takes the next number of the
//! `revision` first, which holds that row until the commit: all writers of a database stand in one
//! queue, whichever node they are on. So nothing changes between what a transaction reads and what
//! it writes, and the numbers are in the order of the commits.
//!
//! A transaction that is dropped, because a statement failed or because nobody waits for it any
//! more, leaves nothing behind.

mod migrations;
#[cfg(feature = "postgres")]
mod postgres;
mod sqlite;
mod told;

pub use told::{Told, Topic};

use super::Url;
#[cfg(feature = "postgres")]
use postgres::Postgres;
use sqlite::Sqlite;

/// A database that is there to be written to.
#[derive(Debug)]
pub(super) enum Database {
    #[cfg(feature = "postgres")]
    Postgres(Box<Postgres>),
    Sqlite(Sqlite),
}

/// Statements that happen together or not at all.
pub(super) enum Transaction {
    #[cfg(feature = "postgres")]
    Postgres(postgres::Transaction),
    Sqlite(sqlite::Transaction),
}

/// What a transaction is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Access {
    /// To see one state of everything.
    Read,
    Write,
}

/// Why a statement was not followed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It would break a rule of the schema that two records cannot have the same of something.
    #[error("it is taken already: {rule}")]
    Taken {
        /// What the database calls the rule. The table's and the column's name are in it.
        rule: String,
    },
    /// The database cannot be used, or not with this statement.
    #[error("the database does not answer as it should")]
    Unusable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database was made by a later version of this program.
    #[error("the database has version {found} and this hotfn knows {known} at most; use a later hotfn")]
    Newer {
        /// The version it has.
        found: usize,
        /// The last version there was when we were built.
        known: usize,
    },
    /// This program was built without what it takes.
    #[error("this hotfn was built without Postgres; build it with the feature postgres")]
    NoPostgres,
}

impl Database {
    /// Opens the database at `url`, and brings its schema up to date.
    pub(super) async fn open(url: &Url) -> Result<Self, Failure> {
        let database = match url {
            Url::Memory => Self::Sqlite(Sqlite::open(None).await?),
            #[cfg(feature = "postgres")]
            Url::Postgres(url) => Self::Postgres(Box::new(Postgres::open(url)?)),
            #[cfg(not(feature = "postgres"))]
            Url::Postgres(_) => return Err(Failure::NoPostgres),
            Url::Sqlite(path) => Self::Sqlite(Sqlite::open(Some(path.clone())).await?),
        };
        migrations::run(&database).await?;
        Ok(database)
    }

    /// Tells of what others write from now on. To be called within a runtime.
    pub(super) fn told(&self, topic: Topic) -> Told {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(postgres) => postgres.told(topic),
            Self::Sqlite(sqlite) => sqlite.told(topic),
        }
    }

    /// Waits for its turn, then begins.
    pub(super) async fn begin(&self, access: Access) -> Result<Transaction, Failure> {
        Ok(match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(postgres) => Transaction::Postgres(postgres.begin(access).await?),
            Self::Sqlite(sqlite) => Transaction::Sqlite(sqlite.begin(access).await?),
        })
    }
}

impl Transaction {
    /// The rows that `sql` gives, each of `N` columns.
    pub(super) async fn query<const N: usize>(
        &mut self,
        sql: &str,
        params: &[&str],
    ) -> Result<Vec<[String; N]>, Failure> {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(transaction) => transaction.query(sql, params).await,
            Self::Sqlite(transaction) => transaction.query(sql, params).await,
        }
    }

    /// Follows `sql`, which gives no rows.
    pub(super) async fn execute(&mut self, sql: &str, params: &[&str]) -> Result<(), Failure> {
        self.query::<0>(sql, params).await.map(drop)
    }

    /// Takes the next number of the `revision`, and with it this writer's turn; those who listen are told at the
    /// commit.
    pub(super) async fn next(&mut self) -> Result<(), Failure> {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(transaction) => transaction.next().await,
            Self::Sqlite(transaction) => transaction.batch("UPDATE revision SET n = n + 1").await,
        }
    }

    /// Has other nodes told at the commit that there are calls for them to take, where the database tells.
    pub(super) async fn offer(&mut self) -> Result<(), Failure> {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(transaction) => transaction.offer().await,
            // The kernel tells of every commit.
            Self::Sqlite(_) => Ok(()),
        }
    }

    /// Follows many statements without parameters.
    async fn batch(&mut self, sql: &'static str) -> Result<(), Failure> {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(transaction) => transaction.batch(sql).await,
            Self::Sqlite(transaction) => transaction.batch(sql).await,
        }
    }

    /// What a `SELECT` ends with whose rows are to be this transaction's alone: what another holds
    /// is left to it. Where writers take turns anyway, nothing.
    pub(super) fn skip_locked(&self) -> &'static str {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => "FOR UPDATE SKIP LOCKED",
            Self::Sqlite(_) => "",
        }
    }

    /// Makes it happen.
    pub(super) async fn commit(self) -> Result<(), Failure> {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(transaction) => transaction.commit().await,
            Self::Sqlite(transaction) => transaction.commit().await,
        }
    }
}
