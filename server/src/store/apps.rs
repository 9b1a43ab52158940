//! Apps.

use super::record::{new_id, now};
use super::secrets::{self, Table};
use super::{App, Error, Listing, Page, Store, Transaction, changes, document, read_document};

impl Store {
    /// Keeps a new app, under an id of its own.
    ///
    /// # Errors
    /// When another has its name, or there are too many.
    pub async fn create_app(&self, mut app: App) -> Result<App, Error> {
        let mut transaction = self.write().await?;
        app.id = new_id();
        let app = transaction.insert_app(app).await?;
        transaction.check_apps().await?;
        transaction.commit().await?;
        Ok(app)
    }

    /// The app `id`.
    ///
    /// # Errors
    /// When there is none.
    pub async fn app(&self, id: &str) -> Result<App, Error> {
        self.read().await?.app(id).await
    }

    /// Apps, or those that are called one of `names`.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn apps(&self, names: Option<&[&str]>, page: &Page) -> Result<Vec<App>, Error> {
        let mut transaction = self.read().await?;
        let listing = Listing::new("SELECT r.doc FROM apps r", page).among("name", names);
        let rows = listing.rows::<1>(&mut transaction, page).await?;
        rows.iter().map(|[doc]| read_document(doc)).collect()
    }

    /// Makes `change` to the app `id`. Nobody else changes it meanwhile; what `change` refuses
    /// leaves everything as it was. Its name stays.
    ///
    /// # Errors
    /// When there is none, or `change` says so.
    pub async fn update_app<E: From<Error>>(
        &self,
        id: &str,
        change: impl FnOnce(&mut App) -> Result<(), E>,
    ) -> Result<App, E> {
        let mut transaction = self.write().await.map_err(Error::from)?;
        let before = transaction.app(id).await?;
        let mut app = before.clone();
        change(&mut app)?;
        if app == before {
            return Ok(app);
        }
        app.updated_at = now();
        let written = async {
            let secrets = transaction.secrets(Table::Apps, id).await?;
            let secrets = secrets::kept(&secrets, &app.secrets)?;
            let sql = "UPDATE apps SET doc = $2, secrets = $3 WHERE id = $1";
            transaction.execute(sql, &[id, &document(&app), &secrets]).await?;
            if (&app.config, &app.secrets) != (&before.config, &before.secrets) {
                changes::note_app(&mut transaction, id).await?;
            }
            Ok::<_, Error>(transaction.commit().await?)
        };
        written.await?;
        Ok(app)
    }

    /// Forgets the app `id`, with its functions and triggers.
    ///
    /// # Errors
    /// When there is none.
    pub async fn delete_app(&self, id: &str) -> Result<(), Error> {
        let mut transaction = self.write().await?;
        changes::note_app(&mut transaction, id).await?;
        let deleted = transaction.query::<1>("DELETE FROM apps WHERE id = $1 RETURNING id", &[id]).await?;
        if deleted.is_empty() {
            return Err(Error::AppUnknown { id: id.to_owned() });
        }
        Ok(transaction.commit().await?)
    }
}

impl Transaction {
    pub(super) async fn insert_app(&mut self, mut app: App) -> Result<App, Error> {
        app.created_at = now();
        app.updated_at.clone_from(&app.created_at);
        let secrets = secrets::kept(&secrets::none(), &app.secrets)?;
        let sql = "INSERT INTO apps (id, name, doc, secrets) VALUES ($1, $2, $3, $4)";
        self.execute(sql, &[&app.id, &app.name, &document(&app), &secrets])
            .await
            .map_err(|e| e.taken(|_| Error::AppExists { name: app.name.clone() }))?;
        Ok(app)
    }

    pub(super) async fn app(&mut self, id: &str) -> Result<App, Error> {
        let rows = self.query::<1>("SELECT doc FROM apps WHERE id = $1", &[id]).await?;
        let [doc] = rows.first().ok_or_else(|| Error::AppUnknown { id: id.to_owned() })?;
        read_document(doc)
    }
}
