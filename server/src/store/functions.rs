//! Functions.

use super::record::{new_id, now};
use super::secrets::{self, Table};
use super::{Error, Function, Listing, Page, Store, Transaction, changes, document, read_document};

impl Store {
    /// Keeps a new function, under an id of its own, with its app's shape.
    ///
    /// # Errors
    /// When there is no such app, another function of it has the name, or there are too many.
    pub async fn create_function(&self, mut function: Function) -> Result<Function, Error> {
        let mut transaction = self.write().await?;
        function.shape = transaction.app(&function.app_id).await?.shape;
        function.id = new_id();
        let function = transaction.insert_function(function).await?;
        transaction.check_functions().await?;
        transaction.commit().await?;
        Ok(function)
    }

    /// The function `id`.
    ///
    /// # Errors
    /// When there is none.
    pub async fn function(&self, id: &str) -> Result<Function, Error> {
        self.read().await?.function(id).await
    }

    /// Functions of the app `app`, or the one of them that is called `name`.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn functions(&self, app: &str, name: Option<&str>, page: &Page) -> Result<Vec<Function>, Error> {
        let mut transaction = self.read().await?;
        let listing = Listing::new("SELECT r.doc FROM fns r", page).only("app_id", Some(app)).only("name", name);
        let rows = listing.rows::<1>(&mut transaction, page).await?;
        rows.iter().map(|[doc]| read_document(doc)).collect()
    }

    /// Makes `change` to the function `id`. Nobody else changes it meanwhile; what `change` refuses
    /// leaves everything as it was. Its name and its app stay.
    ///
    /// # Errors
    /// When there is none, or `change` says so.
    pub async fn update_function<E: From<Error>>(
        &self,
        id: &str,
        change: impl FnOnce(&mut Function) -> Result<(), E>,
    ) -> Result<Function, E> {
        let mut transaction = self.write().await.map_err(Error::from)?;
        let before = transaction.function(id).await?;
        let mut function = before.clone();
        change(&mut function)?;
        if function == before {
            return Ok(function);
        }
        transaction.replace_function(&mut function).await?;
        transaction.commit().await.map_err(Error::from)?;
        Ok(function)
    }

    /// Forgets the function `id` and its triggers.
    ///
    /// # Errors
    /// When there is none.
    pub async fn delete_function(&self, id: &str) -> Result<(), Error> {
        let mut transaction = self.write().await?;
        let deleted = transaction.query::<1>("DELETE FROM fns WHERE id = $1 RETURNING id", &[id]).await?;
        if deleted.is_empty() {
            return Err(Error::FunctionUnknown { id: id.to_owned() });
        }
        changes::note(&mut transaction, id).await?;
        Ok(transaction.commit().await?)
    }
}

impl Transaction {
    pub(super) async fn insert_function(&mut self, mut function: Function) -> Result<Function, Error> {
        function.created_at = now();
        function.updated_at.clone_from(&function.created_at);
        let Function { id, app_id, name, .. } = &function;
        let secrets = secrets::kept(&secrets::none(), &function.secrets)?;
        let sql = "INSERT INTO fns (id, app_id, name, doc, secrets) VALUES ($1, $2, $3, $4, $5)";
        self.execute(sql, &[id, app_id, name, &document(&function), &secrets])
            .await
            .map_err(|e| e.taken(|_| Error::FunctionExists { name: name.clone() }))?;
        changes::note(self, id).await?;
        Ok(function)
    }

    pub(super) async fn replace_function(&mut self, function: &mut Function) -> Result<(), Error> {
        function.updated_at = now();
        let secrets = self.secrets(Table::Functions, &function.id).await?;
        let secrets = secrets::kept(&secrets, &function.secrets)?;
        let sql = "UPDATE fns SET doc = $2, secrets = $3 WHERE id = $1";
        self.execute(sql, &[&function.id, &document(function), &secrets]).await?;
        Ok(changes::note(self, &function.id).await?)
    }

    pub(super) async fn function(&mut self, id: &str) -> Result<Function, Error> {
        let rows = self.query::<1>("SELECT doc FROM fns WHERE id = $1", &[id]).await?;
        let [doc] = rows.first().ok_or_else(|| Error::FunctionUnknown { id: id.to_owned() })?;
        read_document(doc)
    }
}
