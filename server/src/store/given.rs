//! The functions of a config file, put into the store.
//!
//! Each `[[function]]` table makes or changes the app, the function and the triggers it names, and
//! nothing else: what the file does not name, or names no longer, stays as it is. A start with the
//! same file changes nothing.
//!
//! A node that starts serves them as they would be ([`Store::foresee`]), and puts them in
//! ([`Store::give`]) when nothing of its start can fail any more: what others serve that have the same
//! store, its predecessor first of all, is not to change for a node that never was.

use std::collections::HashMap;

use super::record::{HTTP, new_id};
use super::secrets::{self, Table};
use super::{App, Change, Error, Function, Store, Transaction, Trigger, triggers};
use crate::calls::Retries;
use crate::config::Deployment;
use crate::front;

/// The functions of a config file, as they are put into a store.
#[derive(Debug, Default)]
pub struct Given {
    functions: Vec<Deployment>,
    /// The ids of their apps, by name, should they be made: functions are told them, so those that are served
    /// before are to have the same.
    apps: HashMap<String, String>,
}

impl Given {
    /// These functions.
    #[must_use]
    pub fn new(functions: Vec<Deployment>) -> Self {
        let apps = functions.iter().map(|deployment| (deployment.function.app_name.clone(), new_id())).collect();
        Self { functions, apps }
    }
}

impl Store {
    /// How functions would be served if `given` were [given](Self::give) now: each that would change. Nothing is
    /// written.
    ///
    /// # Errors
    /// As `give`.
    pub async fn foresee(&self, given: &Given) -> Result<Vec<Change>, Refused> {
        if given.functions.is_empty() {
            return Ok(Vec::new());
        }
        let mut transaction = self.write().await.map_err(Error::from)?;
        transaction.give_all(given).await?;
        let before = transaction.revision().await.map_err(Error::from)? - 1;
        Ok(transaction.changes(before).await?.changes)
    }

    /// Makes the store serve them as they are.
    ///
    /// # Errors
    /// When an id or a name belongs to another function already, there would be too many, or the store cannot be
    /// used. Then nothing of it was done.
    pub async fn give(&self, given: &Given) -> Result<(), Refused> {
        if given.functions.is_empty() {
            return Ok(());
        }
        let mut transaction = self.write().await.map_err(Error::from)?;
        if transaction.give_all(given).await? {
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
    /// The store cannot be used, or is full.
    #[error(transparent)]
    Store(#[from] Error),
}

impl Transaction {
    /// Answers whether anything changed.
    async fn give_all(&mut self, given: &Given) -> Result<bool, Refused> {
        let mut changed = false;
        for deployment in &given.functions {
            changed |= self.give(deployment, &given.apps).await.map_err(|e| match e {
                Error::Database(_) | Error::Document(_) => Refused::Store(e),
                other => Refused::Function { id: deployment.function.id.to_string(), source: other },
            })?;
        }
        if changed {
            self.check_apps().await?;
            self.check_functions().await?;
            self.check_triggers().await?;
        }
        Ok(changed)
    }

    /// Answers whether anything changed.
    async fn give(&mut self, deployment: &Deployment, apps: &HashMap<String, String>) -> Result<bool, Error> {
        let Deployment { function, triggers, retries } = deployment;
        let (app, app_is_new) = self.give_app(&function.app_name, apps).await?;
        let mut changed = self.give_function(function, app, *retries).await? || app_is_new;
        for trigger in triggers {
            changed |= self.give_trigger(function.id.as_str(), trigger).await?;
        }
        Ok(changed)
    }

    /// The id of the app with this name, and whether it is new.
    async fn give_app(&mut self, name: &str, ids: &HashMap<String, String>) -> Result<(String, bool), Error> {
        let rows = self.query::<1>("SELECT id FROM apps WHERE name = $1", &[name]).await?;
        if let Some(id) = rows.into_iter().flatten().next() {
            return Ok((id, false));
        }
        let id = ids.get(name).expect("each app has an id since its functions were named").clone();
        self.insert_app(App { id: id.clone(), name: name.to_owned(), ..App::default() }).await?;
        Ok((id, true))
    }

    /// Answers whether anything changed.
    async fn give_function(&mut self, served: &hotfn::Function, app: String, retries: Retries) -> Result<bool, Error> {
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
                    return Ok(false);
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
