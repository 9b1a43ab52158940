//! How many apps, functions and triggers there may be.
//!
//! Every node has what it serves in its memory, and lists are read a page at a time, so that nothing else
//! would say stop to a client that makes and never deletes. The numbers are far beyond what anybody was
//! seen to need. They are looked at behind what adds something, in its own transaction: writers stand in
//! one queue, so nobody else adds meanwhile, and what was added beyond them is taken back.

use super::{Error, Transaction};

/// Most apps of a store.
const APPS_MAX: u64 = 10_000;
/// Most functions, of all apps.
const FUNCTIONS_MAX: u64 = 100_000;
/// Most triggers, of all functions.
const TRIGGERS_MAX: u64 = 100_000;

impl Transaction {
    /// Refuses what was added if there are more apps now than there may be.
    pub(super) async fn check_apps(&mut self) -> Result<(), Error> {
        self.check("apps", APPS_MAX, Error::TooManyApps { max: APPS_MAX }).await
    }

    /// The same of functions.
    pub(super) async fn check_functions(&mut self) -> Result<(), Error> {
        self.check("fns", FUNCTIONS_MAX, Error::TooManyFunctions { max: FUNCTIONS_MAX }).await
    }

    /// The same of triggers.
    pub(super) async fn check_triggers(&mut self) -> Result<(), Error> {
        self.check("triggers", TRIGGERS_MAX, Error::TooManyTriggers { max: TRIGGERS_MAX }).await
    }

    async fn check(&mut self, table: &str, max: u64, too_many: Error) -> Result<(), Error> {
        let rows = self.query::<1>(&format!("SELECT CAST(COUNT(*) AS TEXT) FROM {table}"), &[]).await?;
        let count: u64 = rows.iter().flatten().find_map(|count| count.parse().ok()).unwrap_or_default();
        if count <= max { Ok(()) } else { Err(too_many) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Deployment;
    use crate::store::database::Access;
    use crate::store::record::HTTP;
    use crate::store::{App, Function, Given, Store, Trigger, Url};

    /// Adds so many rows, which `row` says from the number `n`.
    async fn add(store: &Store, rows: u64, into: &str, row: &str) {
        let mut transaction = store.begin(Access::Write).await.unwrap();
        let numbers = format!("WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {rows})");
        transaction.execute(&format!("INSERT INTO {into} {numbers} SELECT {row} FROM c"), &[]).await.unwrap();
        transaction.commit().await.unwrap();
    }

    #[tokio::test]
    async fn nobody_makes_more_apps_than_there_may_be() {
        let store = Store::open(&Url::Memory).await.unwrap();
        add(&store, APPS_MAX - 1, "apps (id, name, doc)", "'a' || n, 'a' || n, '{}'").await;
        let app = |name: &str| App { name: name.into(), ..App::default() };
        let last = store.create_app(app("last")).await.unwrap();
        let refused = store.create_app(app("more")).await.unwrap_err();
        assert_eq!(refused.to_string(), "too many apps: there are 10000, which is the most; delete one first");
        let function = hotfn::Function { app_name: "more".into(), ..hotfn::Function::new("f", "process:x") };
        let deployment = Deployment { function, triggers: Vec::new(), retries: Default::default() };
        let refused = store.give(&Given::new(vec![deployment])).await.unwrap_err();
        assert!(refused.to_string().starts_with("too many apps"), "{refused}");
        store.delete_app(&last.id).await.unwrap();
        store.create_app(app("more")).await.unwrap();
    }

    #[tokio::test]
    async fn nobody_makes_more_functions_or_triggers_than_there_may_be() {
        let store = Store::open(&Url::Memory).await.unwrap();
        let app_id = store.create_app(App { name: "a".into(), ..App::default() }).await.unwrap().id;
        let function = || Function { app_id: app_id.clone(), name: "f".into(), ..Function::default() };
        let fn_id = store.create_function(function()).await.unwrap().id;
        let row = format!("'f' || n, '{app_id}', 'f' || n, '{{}}'");
        add(&store, FUNCTIONS_MAX - 1, "fns (id, app_id, name, doc)", &row).await;
        let refused = store.create_function(Function { name: "more".into(), ..function() }).await.unwrap_err();
        assert!(matches!(refused, Error::TooManyFunctions { max: FUNCTIONS_MAX }), "{refused}");

        let row = format!("'t' || n, '{app_id}', '{fn_id}', 't' || n, '{HTTP}', '/' || n, '{{}}'");
        add(&store, TRIGGERS_MAX, "triggers (id, app_id, fn_id, name, type, source, doc)", &row).await;
        let (name, kind, source) = ("more".to_owned(), HTTP.to_owned(), "/more".to_owned());
        let trigger = Trigger { name, app_id, fn_id, kind, source, ..Trigger::default() };
        let refused = store.create_trigger(trigger).await.unwrap_err();
        assert!(matches!(refused, Error::TooManyTriggers { max: TRIGGERS_MAX }), "{refused}");
    }
}
