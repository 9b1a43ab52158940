//! The functions of a config file, put into the store.
//!
//! Each `[[function]]` table makes or changes the app, the function and the triggers it names, and
//! nothing else: what the file does not name, or names no longer, stays as it is. A start with the
//! same file changes nothing.

use super::record::HTTP;
use super::secrets::{self, Table};
use super::{App, Error, Function, Store, Transaction, Trigger, triggers};
use crate::calls::Retries;
use crate::config::Deployment;
use crate::front;

impl Store {
    /// Makes the store serve `functions` as they are.
    ///
    /// # Errors
    /// When an id or a name belongs to another function already, or the store cannot be used. Then
    /// nothing of it was done.
    pub async fn give(&self, functions: &[Deployment]) -> Result<(), Refused> {
        if functions.is_empty() {
            return Ok(());
        }
        let mut transaction = self.write().await.map_err(Error::from)?;
        let mut changed = false;
        for deployment in functions {
            changed |= transaction.give(deployment).await.map_err(|e| match e {
                Error::Database(_) | Error::Document(_) => Refused::Store(e),
                other => Refused::Function { id: deployment.function.id.to_string(), source: other },
            })?;
        }
        if changed {
            transaction.commit().await.map_err(Error::from)?;
        }
        Ok(())
    }
}

/// Why the store does not serve what a config file says.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The store has something else in the function's place.
    #[error("function {id:?} of the config file is not the store's; rename it there or delete the other")]
    Function {
        /// Its id in the file.
        id: String,
        /// What is in its place.
        source: Error,
    },
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] Error),
}

impl Transaction {
    /// Answers whether anything changed.
    async fn give(&mut self, Deployment { function, triggers, retries }: &Deployment) -> Result<bool, Error> {
        let mut changed = self.give_function(function, *retries).await?;
        for trigger in triggers {
            changed |= self.give_trigger(function.id.as_str(), trigger).await?;
        }
        Ok(changed)
    }

    /// Answers whether anything changed.
    async fn give_function(&mut self, served: &hotfn::Function, retries: Retries) -> Result<bool, Error> {
        let (app, app_is_new) = match self.app_id(&served.app_name).await? {
            Some(id) => (id, false),
            None => (self.insert_app(App { name: served.app_name.clone(), ..App::default() }).await?.id, true),
        };
        let id = served.id.as_str();
        match self.function(id).await {
            Ok(before) => {
                if (&before.app_id, &before.name) != (&app, &served.name) {
                    return Err(Error::FunctionMoved { id: id.to_owned(), name: before.name });
                }
                let mut function = before.clone();
                function.follow(served, retries);
                // What the file says again is no change.
                let kept = self.secrets(Table::Functions, id).await?;
                if secrets::kept(&kept, &function.secrets)? == kept {
                    function.secrets.clone_from(&before.secrets);
                }
                if function == before {
                    return Ok(app_is_new);
                }
                self.replace_function(&mut function).await?;
            }
            Err(Error::FunctionUnknown { .. }) => {
                let name = served.name.clone();
                let mut function = Function { id: id.to_owned(), app_id: app, name, ..Function::default() };
                function.follow(served, retries);
                self.insert_function(function).await?;
            }
            Err(e) => return Err(e),
        }
        Ok(true)
    }

    /// Answers whether anything changed.
    async fn give_trigger(&mut self, function: &str, given: &front::Trigger) -> Result<bool, Error> {
        let app = self.function(function).await?.app_id;
        let sql = format!("{} WHERE r.app_id = $1 AND (r.fn_id = $2 OR r.source = $3)", triggers::SELECT);
        let rows = self.query::<2>(&sql, &[&app, function, &given.source]).await?;
        let near: Vec<Trigger> = rows.into_iter().map(triggers::trigger).collect::<Result<_, _>>()?;
        let is_taken = |name: &str| near.iter().any(|t| t.fn_id == function && t.name == name);
        let name = free_name(&given.source, is_taken);
        match near.iter().find(|t| t.source == given.source) {
            Some(there) if there.fn_id == function => return Ok(false),
            Some(there) => {
                let mut trigger = Trigger { fn_id: function.to_owned(), name, ..there.clone() };
                self.replace_trigger(there, &mut trigger).await?;
            }
            None => {
                let (fn_id, kind, source) = (function.to_owned(), HTTP.to_owned(), given.source.clone());
                self.insert_trigger(Trigger { name, app_id: app, fn_id, kind, source, ..Trigger::default() }).await?;
            }
        }
        Ok(true)
    }

    async fn app_id(&mut self, name: &str) -> Result<Option<String>, Error> {
        let rows = self.query::<1>("SELECT id FROM apps WHERE name = $1", &[name]).await?;
        Ok(rows.into_iter().flatten().next())
    }
}

/// A name for the trigger with this source, which nobody gives: `/deep/er` becomes `deep-er`.
pub(crate) fn free_name(source: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    let name: String = source.trim_end_matches('*').trim_matches('/').chars().take(NAME_CHARS_MAX).map(legal).collect();
    let name = if name.is_empty() { "root".to_owned() } else { name };
    let numbered = (2..).map(|n| format!("{name}-{n}"));
    std::iter::once(name.clone())
        .chain(numbered)
        .find(|name| !is_taken(name))
        .expect("there are more numbers than names")
}

/// Leaves room for a number behind it: a name has at most 255 bytes.
const NAME_CHARS_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_gives_its_trigger_a_name() {
        let check = |source: &str, expected: &str| {
            assert_eq!(free_name(source, |name| ["a-b", "a-b-2"].contains(&name)), expected, "{source}");
        };
        check("/", "root");
        check("/hello", "hello");
        check("/deep/er", "deep-er");
        check("/a/b", "a-b-3");
        check("/café", "caf-");
        check("/api/*", "api");
        check("/*", "root");
        assert_eq!(free_name(&"/x".repeat(300), |_| false).len(), NAME_CHARS_MAX);
    }
}
