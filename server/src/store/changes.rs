//! What a node that serves the store has to hear of.
//!
//! Every write that changes how a function is served puts the write's number beside the function's
//! id, its deletion included. A node that has followed everything up to some number asks what came
//! after it. Since writers stand in a queue, numbers appear in their order: nothing with a lower
//! number can turn up later. A node that is too far behind, or ahead of a store that was put back
//! to an earlier state, is told everything instead.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use hotfn_protocols::FunctionId;

use super::database::Access;
use super::{App, Error, Failure, Function, Store, Transaction, Trigger, read_document, secrets, triggers};
use crate::access::Token;
use crate::config::Deployment;
use crate::front;

/// What changed since some write.
#[derive(Debug)]
pub struct Changes {
    /// The number of the last write that is in it.
    pub up_to: i64,
    /// These are all functions there are, not only those that changed.
    pub is_all: bool,
    /// Each function that is now served differently, once.
    pub changes: Vec<Change>,
    /// All tokens there are, if any was made or revoked.
    pub tokens: Option<Vec<Token>>,
}

/// How a function is to be served from now on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// Not any more.
    Gone(FunctionId),
    /// Like this.
    Served(Box<Deployment>),
}

/// For so many writes it is remembered that a function was deleted.
const REMEMBERED: i64 = 100_000;

/// And for so many more before it is looked for what to forget.
const FORGET_EVERY: i64 = 1_000;

impl Store {
    /// What changed after the write with the number `since`; 0 is before all writes.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn changes(&self, since: i64) -> Result<Changes, Error> {
        self.read().await?.changes(since).await
    }

    /// Forgets which functions were deleted long ago, if much was written since that was done last.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn forget_changes(&self) -> Result<(), Error> {
        let up_to = self.read().await?.revision().await?;
        if up_to - self.forgot_at.load(Ordering::Relaxed) < FORGET_EVERY {
            return Ok(());
        }
        let mut transaction = self.begin(Access::Write).await?;
        forget(&mut transaction).await?;
        transaction.commit().await?;
        self.forgot_at.store(up_to, Ordering::Relaxed);
        Ok(())
    }
}

impl Transaction {
    /// As [`Store::changes`], this transaction's own included.
    pub(super) async fn changes(&mut self, since: i64) -> Result<Changes, Error> {
        let up_to = self.revision().await?;
        if up_to == since {
            return Ok(Changes { up_to, is_all: false, changes: Vec::new(), tokens: None });
        }
        let is_near = (0..=REMEMBERED).contains(&(up_to - since));
        let since = if is_near { since } else { 0 };
        let is_all = since == 0;
        let since = since.to_string();
        let mut by_function: HashMap<String, Vec<front::Trigger>> = HashMap::new();
        for [doc, app_name] in self.query::<2>(&triggers_changed(), &[&since]).await? {
            let Trigger { fn_id, app_name: app, source, .. } = triggers::trigger([doc, app_name])?;
            by_function.entry(fn_id).or_default().push(front::Trigger { app, source });
        }
        let rows = self.query::<5>(&functions_changed(), &[&since]).await?;
        let changes = rows.iter().map(|[id, function, app, its, apps]| {
            if function.is_empty() {
                return Ok(Change::Gone(id.as_str().into()));
            }
            let (mut function, mut app): (Function, App) = (read_document(function)?, read_document(app)?);
            (function.secrets, app.secrets) = (secrets::values(its)?, secrets::values(apps)?);
            let triggers = by_function.remove(id).unwrap_or_default();
            let retries = function.knobs.retries;
            Ok(Change::Served(Box::new(Deployment { function: function.served(&app), triggers, retries })))
        });
        let changes = changes.collect::<Result<_, Error>>()?;
        let tokens = match is_all || self.tokens_changed(&since).await? {
            true => Some(self.tokens().await?),
            false => None,
        };
        Ok(Changes { up_to, is_all, changes, tokens })
    }

    /// The number of the last write; in a write of definitions its own.
    pub(super) async fn revision(&mut self) -> Result<i64, Failure> {
        let rows = self.query::<1>("SELECT CAST(n AS TEXT) FROM revision", &[]).await?;
        Ok(rows.iter().flatten().find_map(|n| n.parse().ok()).unwrap_or_default())
    }
}

/// Forgets which functions were deleted long ago.
pub(super) async fn forget(transaction: &mut Transaction) -> Result<(), Failure> {
    let sql = "DELETE FROM changes WHERE n < (SELECT n FROM revision) - CAST(CAST($1 AS TEXT) AS BIGINT) \
               AND NOT EXISTS (SELECT 1 FROM fns f WHERE f.id = changes.fn_id)";
    transaction.execute(sql, &[&REMEMBERED.to_string()]).await
}

/// Notes that the function `id` is served differently from this write on.
pub(super) async fn note(transaction: &mut Transaction, id: &str) -> Result<(), Failure> {
    let sql = "INSERT INTO changes (fn_id, n) VALUES ($1, (SELECT n FROM revision)) \
               ON CONFLICT (fn_id) DO UPDATE SET n = excluded.n";
    transaction.execute(sql, &[id]).await
}

/// Notes it for each function of the app `id`.
pub(super) async fn note_app(transaction: &mut Transaction, id: &str) -> Result<(), Failure> {
    let sql = "INSERT INTO changes (fn_id, n) SELECT f.id, (SELECT n FROM revision) FROM fns f WHERE f.app_id = $1 \
               ON CONFLICT (fn_id) DO UPDATE SET n = excluded.n";
    transaction.execute(sql, &[id]).await
}

/// The functions that changed, with their apps and the secrets of both; all empty where a function
/// is gone.
pub(super) fn functions_changed() -> String {
    format!(
        "SELECT c.fn_id, COALESCE(f.doc, ''), COALESCE(a.doc, ''), COALESCE(f.secrets, ''), COALESCE(a.secrets, '') \
         FROM changes c \
         LEFT JOIN fns f ON f.id = c.fn_id LEFT JOIN apps a ON a.id = f.app_id WHERE c.n > {SINCE}"
    )
}

/// The triggers of the functions that changed.
pub(super) fn triggers_changed() -> String {
    let select = triggers::SELECT;
    format!("{select} WHERE r.fn_id IN (SELECT c.fn_id FROM changes c WHERE c.n > {SINCE}) ORDER BY r.name, r.id")
}

/// The number of a write, which is text on its way in.
const SINCE: &str = "CAST(CAST($1 AS TEXT) AS BIGINT)";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Url;

    #[tokio::test]
    async fn who_was_deleted_long_ago_is_forgotten_while_the_store_is_open() {
        let store = Store::open(&Url::Memory).await.unwrap();
        let app = store.create_app(App { name: "a".into(), ..App::default() }).await.unwrap().id;
        let made = async |name: &str| {
            let function = Function { app_id: app.clone(), name: name.into(), ..Function::default() };
            store.create_function(function).await.unwrap().id
        };
        let (stays, goes) = (made("stays").await, made("goes").await);
        store.delete_function(&goes).await.unwrap();
        let write = async |writes: i64| {
            let mut transaction = store.begin(Access::Write).await.unwrap();
            let sql = "UPDATE revision SET n = n + CAST(CAST($1 AS TEXT) AS BIGINT)";
            transaction.execute(sql, &[&writes.to_string()]).await.unwrap();
            transaction.commit().await.unwrap();
            store.forget_changes().await.unwrap();
            let mut transaction = store.read().await.unwrap();
            let rows = transaction.query::<1>("SELECT fn_id FROM changes ORDER BY n", &[]).await.unwrap();
            rows.into_iter().flatten().collect::<Vec<_>>()
        };
        assert_eq!(write(REMEMBERED).await, [stays.as_str(), &goes], "a node may be so far behind");
        assert_eq!(write(FORGET_EVERY).await, [stays.as_str()]);
    }
}
