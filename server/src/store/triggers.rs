//! Triggers.

use super::record::{new_id, now};
use super::{Error, Failure, Listing, Page, Store, Transaction, Trigger, changes, document, read_document};

/// Triggers with the names of their apps.
pub(super) const SELECT: &str = "SELECT r.doc, a.name FROM triggers r JOIN apps a ON a.id = r.app_id";

impl Store {
    /// Keeps a new trigger, under an id of its own.
    ///
    /// # Errors
    /// When there is no such app or no such function in it, another trigger has the name or the
    /// source, or there are too many.
    pub async fn create_trigger(&self, trigger: Trigger) -> Result<Trigger, Error> {
        let mut transaction = self.write().await?;
        let trigger = transaction.insert_trigger(trigger).await?;
        transaction.check_triggers().await?;
        transaction.commit().await?;
        Ok(trigger)
    }

    /// The trigger `id`.
    ///
    /// # Errors
    /// When there is none.
    pub async fn trigger(&self, id: &str) -> Result<Trigger, Error> {
        self.read().await?.trigger(id).await
    }

    /// The trigger of the app `app` that has this source.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn trigger_by_source(&self, app: &str, kind: &str, source: &str) -> Result<Option<Trigger>, Error> {
        let mut transaction = self.read().await?;
        let sql = format!("{SELECT} WHERE r.app_id = $1 AND r.type = $2 AND r.source = $3");
        let rows = transaction.query::<2>(&sql, &[app, kind, source]).await?;
        rows.into_iter().next().map(trigger).transpose()
    }

    /// Triggers of the app `app`; of the function `function` only, and with the name `name` only,
    /// if these are given.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn triggers(
        &self,
        app: &str,
        function: Option<&str>,
        name: Option<&str>,
        page: &Page,
    ) -> Result<Vec<Trigger>, Error> {
        let mut transaction = self.read().await?;
        let listing = Listing::new(SELECT, page).only("app_id", Some(app)).only("fn_id", function).only("name", name);
        let rows = listing.rows::<2>(&mut transaction, page).await?;
        rows.into_iter().map(trigger).collect()
    }

    /// Makes `change` to the trigger `id`. Nobody else changes it meanwhile; what `change` refuses
    /// leaves everything as it was. Its app stays.
    ///
    /// # Errors
    /// When there is none, another has the new name or source, the new function is of another app,
    /// or `change` says so.
    pub async fn update_trigger<E: From<Error>>(
        &self,
        id: &str,
        change: impl FnOnce(&mut Trigger) -> Result<(), E>,
    ) -> Result<Trigger, E> {
        let mut transaction = self.write().await.map_err(Error::from)?;
        let before = transaction.trigger(id).await?;
        let mut trigger = before.clone();
        change(&mut trigger)?;
        if trigger == before {
            return Ok(trigger);
        }
        transaction.replace_trigger(&before, &mut trigger).await?;
        transaction.commit().await.map_err(Error::from)?;
        Ok(trigger)
    }

    /// Forgets the trigger `id`.
    ///
    /// # Errors
    /// When there is none.
    pub async fn delete_trigger(&self, id: &str) -> Result<(), Error> {
        let mut transaction = self.write().await?;
        let deleted = transaction.query::<1>("DELETE FROM triggers WHERE id = $1 RETURNING fn_id", &[id]).await?;
        let [function] = deleted.first().ok_or_else(|| Error::TriggerUnknown { id: id.to_owned() })?;
        changes::note(&mut transaction, function).await?;
        Ok(transaction.commit().await?)
    }
}

impl Transaction {
    pub(super) async fn insert_trigger(&mut self, mut trigger: Trigger) -> Result<Trigger, Error> {
        trigger.app_name = self.app(&trigger.app_id).await?.name;
        self.check_owner(&trigger).await?;
        trigger.id = new_id();
        trigger.created_at = now();
        trigger.updated_at.clone_from(&trigger.created_at);
        let Trigger { id, app_id, fn_id, name, kind, source, .. } = &trigger;
        let sql =
            "INSERT INTO triggers (id, app_id, fn_id, name, type, source, doc) VALUES ($1, $2, $3, $4, $5, $6, $7)";
        self.execute(sql, &[id, app_id, fn_id, name, kind, source, &document(&trigger)])
            .await
            .map_err(|e| taken(e, &trigger))?;
        changes::note(self, fn_id).await?;
        Ok(trigger)
    }

    pub(super) async fn replace_trigger(&mut self, before: &Trigger, trigger: &mut Trigger) -> Result<(), Error> {
        if trigger.fn_id != before.fn_id {
            self.check_owner(trigger).await?;
        }
        trigger.updated_at = now();
        let Trigger { id, fn_id, name, source, .. } = &*trigger;
        let sql = "UPDATE triggers SET fn_id = $2, name = $3, source = $4, doc = $5 WHERE id = $1";
        self.execute(sql, &[id, fn_id, name, source, &document(trigger)]).await.map_err(|e| taken(e, trigger))?;
        changes::note(self, &before.fn_id).await?;
        Ok(changes::note(self, fn_id).await?)
    }

    async fn trigger(&mut self, id: &str) -> Result<Trigger, Error> {
        let rows = self.query::<2>(&format!("{SELECT} WHERE r.id = $1"), &[id]).await?;
        let row = rows.into_iter().next().ok_or_else(|| Error::TriggerUnknown { id: id.to_owned() })?;
        trigger(row)
    }

    /// Is its function there, and of its app?
    async fn check_owner(&mut self, trigger: &Trigger) -> Result<(), Error> {
        let function = self.function(&trigger.fn_id).await?;
        if function.app_id == trigger.app_id {
            return Ok(());
        }
        Err(Error::FunctionElsewhere { function: function.id, app: trigger.app_id.clone() })
    }
}

pub(super) fn trigger([doc, app_name]: [String; 2]) -> Result<Trigger, Error> {
    Ok(Trigger { app_name, ..read_document(&doc)? })
}

/// Two rules bind a trigger.
fn taken(failure: Failure, trigger: &Trigger) -> Error {
    failure.taken(|rule| match rule.contains("source") {
        true => Error::SourceTaken { source_path: trigger.source.clone() },
        false => Error::TriggerExists { name: trigger.name.clone() },
    })
}
