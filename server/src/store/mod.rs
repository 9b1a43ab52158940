//! What a server is to serve, kept: apps, their functions, and the triggers that call them.
//!
//! Read in this order:
//!
//! * [`Url`]: where a store is kept: in memory, in a file of SQLite's, in a Postgres database.
//! * [`record`]: what is kept of each thing.
//! * `apps`, `functions`, `triggers`, `tokens`: making, reading, listing, changing and deleting them.
//! * [`calls`]: those to be run, and those that were, for a while.
//! * `changes`: what a node that serves the store has to hear of.
//! * `secrets`: values that have a column of their own.
//! * `given`: the functions of a config file, put into the store.
//! * `numbers`: how many of them there may be.
//! * [`Counts`]: how often it was used.
//! * `database`: one connection, two databases, the same statements.
//!
//! A record is a JSON document with a few columns beside it: those it is found, ordered or
//! constrained by. So a new member of a function needs no migration, and a rule such as "no two
//! apps have one name" is the database's to keep: two who make the same app at once cannot both
//! succeed, on whichever nodes they are.
//!
//! What a record may say is not known here: that is the API's.

mod apps;
pub mod calls;
mod changes;
mod counts;
mod database;
mod functions;
mod given;
mod numbers;
pub mod record;
mod secrets;
mod tokens;
mod triggers;
mod url;

use std::sync::atomic::AtomicI64;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::calls::record::Status;

pub use changes::{Change, Changes};
pub use counts::Counts;
pub use database::{Failure, Told, Topic};
pub(crate) use given::free_name;
pub use given::{Given, Refused};
pub use record::{App, Function, Trigger};
pub use url::{UnknownUrl, Url};

use database::{Access, Database, Transaction};

/// Apps, functions, triggers and tokens, kept in a database.
#[derive(Debug)]
pub struct Store {
    database: Database,
    counts: Counts,
    /// The number of the write after which deleted functions were forgotten last.
    forgot_at: AtomicI64,
}

/// Why the store did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each variant is its sentence")]
pub enum Error {
    #[error("app already exists: another has the name {name:?}")]
    AppExists { name: String },
    #[error("app not found: none has the id {id:?}")]
    AppUnknown { id: String },
    #[error("call is not dead: {id:?} is {status}, and only what is dead can be sent again")]
    CallNotDead { id: String, status: Status },
    #[error("call not found: none has the id {id:?}")]
    CallUnknown { id: String },
    #[error("function belongs to another app: {function:?} is not of the app {app:?}")]
    FunctionElsewhere { function: String, app: String },
    #[error("function already exists: another of the app has the name {name:?}")]
    FunctionExists { name: String },
    #[error("function {id:?} is already called {name:?}, or is of another app")]
    FunctionMoved { id: String, name: String },
    #[error("function not found: none has the id {id:?}")]
    FunctionUnknown { id: String },
    #[error("trigger source already in use: another trigger of the app has the source {source_path:?}")]
    SourceTaken { source_path: String },
    #[error("token not found: none has the id {id:?}")]
    TokenUnknown { id: String },
    #[error("too many apps: there are {max}, which is the most; delete one first")]
    TooManyApps { max: u64 },
    #[error("too many functions: there are {max}, which is the most; delete one first")]
    TooManyFunctions { max: u64 },
    #[error("too many tokens: there are {max}, which is the most; revoke one first")]
    TooManyTokens { max: usize },
    #[error("too many triggers: there are {max}, which is the most; delete one first")]
    TooManyTriggers { max: u64 },
    #[error("trigger already exists: another of the function has the name {name:?}")]
    TriggerExists { name: String },
    #[error("trigger not found: none has the id {id:?}")]
    TriggerUnknown { id: String },
    /// The database failed; not for callers to read.
    #[error("the store cannot be used")]
    Database(#[from] Failure),
    /// Something in the database was not written by us.
    #[error("the store holds a document that cannot be read")]
    Document(#[from] serde_json::Error),
}

/// A part of a list, which is ordered by name and then by id, both bytewise.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Page {
    /// Begin behind the one with this name.
    pub after_name: String,
    /// And, of several with that name, behind the one with this id.
    pub after_id: String,
    /// Most of them.
    pub count_max: usize,
}

impl Store {
    /// Opens the store at `url`; makes it if it is not there, and brings it up to date if it is
    /// older than we are.
    ///
    /// # Errors
    /// When the database cannot be used, or is newer than we are.
    pub async fn open(url: &Url) -> Result<Self, Failure> {
        let database = Database::open(url).await?;
        let mut transaction = database.begin(Access::Write).await?;
        changes::forget(&mut transaction).await?;
        let forgot_at = transaction.revision().await?.into();
        transaction.commit().await?;
        Ok(Self { database, counts: Counts::default(), forgot_at })
    }

    /// How often it was used.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    async fn begin(&self, access: Access) -> Result<Transaction, Failure> {
        match access {
            Access::Read => self.counts.read(),
            Access::Write => self.counts.wrote(),
        }
        self.database.begin(access).await
    }

    /// Tells of what others write from now on. To be called within a runtime.
    #[must_use]
    pub fn told(&self, topic: Topic) -> Told {
        self.database.told(topic)
    }

    async fn read(&self) -> Result<Transaction, Failure> {
        self.begin(Access::Read).await
    }

    /// Begins a write of definitions: from here to its end nobody else writes any.
    async fn write(&self) -> Result<Transaction, Failure> {
        let mut transaction = self.begin(Access::Write).await?;
        transaction.next().await?;
        Ok(transaction)
    }
}

/// A query for one page of a list, as it is put together.
struct Listing<'a> {
    sql: String,
    params: Vec<&'a str>,
}

impl<'a> Listing<'a> {
    /// `select` gives rows of a table that is called `r` in it.
    fn new(select: &str, page: &'a Page) -> Self {
        let sql = format!("{select} WHERE (r.name, r.id) > ($1, $2)");
        Self { sql, params: vec![&page.after_name, &page.after_id] }
    }

    /// Only those whose `column` is `value`, if one is given.
    fn only(mut self, column: &str, value: Option<&'a str>) -> Self {
        if let Some(value) = value {
            self.params.push(value);
            self.sql.push_str(&format!(" AND r.{column} = ${}", self.params.len()));
        }
        self
    }

    /// Only those whose `column` is one of `values`, if some are given. How many they are is rounded up, so
    /// that there are few different queries.
    fn among(mut self, column: &str, values: Option<&[&'a str]>) -> Self {
        let Some(values) = values else { return self };
        let Some(last) = values.last() else {
            self.sql.push_str(" AND 1 = 0");
            return self;
        };
        let first = self.params.len() + 1;
        let repeated = std::iter::repeat(*last);
        self.params.extend(values.iter().copied().chain(repeated).take(values.len().next_power_of_two()));
        let places: Vec<String> = (first..=self.params.len()).map(|n| format!("${n}")).collect();
        self.sql.push_str(&format!(" AND r.{column} IN ({})", places.join(", ")));
        self
    }

    async fn rows<const N: usize>(
        self,
        transaction: &mut Transaction,
        page: &Page,
    ) -> Result<Vec<[String; N]>, Failure> {
        transaction.query(&self.ordered(page), &self.params).await
    }

    fn ordered(&self, page: &Page) -> String {
        format!("{} ORDER BY r.name, r.id LIMIT {}", self.sql, page.count_max)
    }
}

fn document<T: Serialize>(record: &T) -> String {
    serde_json::to_string(record).expect("a record has text for keys and no number that JSON lacks")
}

fn read_document<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    Ok(serde_json::from_str(text)?)
}

impl Failure {
    /// If a rule was in the way, what `named` makes of the rule's name.
    fn taken(self, named: impl FnOnce(&str) -> Error) -> Error {
        match self {
            Self::Taken { rule } => named(&rule),
            other => other.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A list of ten thousand is as quick as one of ten as long as this holds.
    #[test]
    fn nothing_is_looked_for_from_the_beginning() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("migrations/sqlite/0001_definitions.sql")).unwrap();
        connection.execute_batch(include_str!("migrations/sqlite/0002_access.sql")).unwrap();
        connection.execute_batch(include_str!("migrations/sqlite/0003_calls.sql")).unwrap();
        let plan = |sql: &str| -> Vec<String> {
            let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", sql.replace('$', "?"))).unwrap();
            let params = vec![""; statement.parameter_count()];
            let steps = statement.query_map(rusqlite::params_from_iter(params), |row| row.get("detail")).unwrap();
            steps.map(Result::unwrap).collect()
        };
        let page = Page { count_max: 30, ..Page::default() };
        let apps = || Listing::new("SELECT r.doc FROM apps r", &page);
        let functions = || Listing::new("SELECT r.doc FROM fns r", &page).only("app_id", Some("a"));
        let triggers = || Listing::new(triggers::SELECT, &page).only("app_id", Some("a"));
        for listing in [
            apps(),
            apps().among("name", Some(&["n"])),
            apps().among("name", Some(&["n", "m", "o"])),
            functions(),
            functions().only("name", Some("n")),
            triggers(),
            triggers().only("fn_id", Some("f")),
            triggers().only("fn_id", Some("f")).only("name", Some("n")),
        ] {
            let (sql, plan) = (listing.ordered(&page), plan(&listing.ordered(&page)));
            assert!(plan.iter().all(|step| step.starts_with("SEARCH")), "{sql}: {plan:?}");
        }
        for sql in [changes::functions_changed(), changes::triggers_changed()] {
            let plan = plan(&sql);
            assert!(plan.iter().all(|step| !step.starts_with("SCAN")), "{sql}: {plan:?}");
        }
        let some = calls::Wanted { count_max: 30, ..calls::Wanted::default() };
        let of_a_status = calls::Wanted { status: Some(Status::Dead), ..some.clone() };
        for sql in [
            calls::statements::list_calls(&some),
            calls::statements::list_calls(&of_a_status),
            calls::statements::first_due_call(),
            calls::statements::due_calls(),
            calls::statements::renew_calls(4),
            calls::statements::oldest_kept(),
            calls::statements::forget_calls(),
        ] {
            let plan = plan(&sql);
            assert!(plan.iter().all(|step| !step.starts_with("SCAN")), "{sql}: {plan:?}");
            assert!(plan.iter().all(|step| !step.contains("TEMP B-TREE")), "{sql}: {plan:?}");
        }
    }
}
