//! The schema, step by step.
//!
//! Each step is a file below `migrations/`, one for each database, and is done once: a table says
//! which were. There is no way back. A step that was released is never edited; what has to change
//! is changed by the next one.

use super::{Access, Database, Failure, Transaction};

/// The steps in their order. Their versions count from 1.
struct Step {
    #[cfg(feature = "postgres")]
    postgres: &'static str,
    sqlite: &'static str,
}

const STEPS: &[Step] = &[
    Step {
        #[cfg(feature = "postgres")]
        postgres: include_str!("../migrations/postgres/0001_definitions.sql"),
        sqlite: include_str!("../migrations/sqlite/0001_definitions.sql"),
    },
    Step {
        #[cfg(feature = "postgres")]
        postgres: include_str!("../migrations/postgres/0002_access.sql"),
        sqlite: include_str!("../migrations/sqlite/0002_access.sql"),
    },
    Step {
        #[cfg(feature = "postgres")]
        postgres: include_str!("../migrations/postgres/0003_calls.sql"),
        sqlite: include_str!("../migrations/sqlite/0003_calls.sql"),
    },
];

/// Does the steps that were not done yet.
pub(super) async fn run(database: &Database) -> Result<(), Failure> {
    let mut transaction = database.begin(Access::Write).await?;
    #[cfg(feature = "postgres")]
    if matches!(transaction, Transaction::Postgres(_)) {
        // Nodes that start together would make the tables together. Held until the commit.
        transaction.query::<1>("SELECT CAST(pg_advisory_xact_lock(20181123) AS TEXT)", &[]).await?;
    }
    transaction.batch("CREATE TABLE IF NOT EXISTS migrations (version BIGINT NOT NULL PRIMARY KEY)").await?;
    let done = transaction.query::<1>("SELECT CAST(COUNT(*) AS TEXT) FROM migrations", &[]).await?;
    let done: usize = done.iter().flatten().find_map(|count| count.parse().ok()).unwrap_or_default();
    if done > STEPS.len() {
        return Err(Failure::Newer { found: done, known: STEPS.len() });
    }
    if done == STEPS.len() {
        return Ok(());
    }
    for (n, step) in STEPS.iter().enumerate().skip(done) {
        let version = n + 1;
        transaction.batch(step.of(&transaction)).await?;
        let noted = "INSERT INTO migrations (version) VALUES (CAST(CAST($1 AS TEXT) AS BIGINT))";
        transaction.execute(noted, &[&version.to_string()]).await?;
    }
    transaction.commit().await
}

impl Step {
    fn of(&self, transaction: &Transaction) -> &'static str {
        match transaction {
            #[cfg(feature = "postgres")]
            Transaction::Postgres(_) => self.postgres,
            Transaction::Sqlite(_) => self.sqlite,
        }
    }
}
