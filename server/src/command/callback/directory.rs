//! The functions of a node, by the names that people know them by.

use std::future::Future;
use std::pin::Pin;

use hotfn_protocols::FunctionId;

use crate::store::{Error, Page, Store};

/// Finds functions by app and name.
pub trait Directory: Send + Sync {
    /// The function that is called `name` in the app called `app`, if there is one.
    fn find<'a>(
        &'a self,
        app: &'a str,
        name: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Option<FunctionId>, Error>> + Send + 'a>>;
}

impl Directory for Store {
    fn find<'a>(
        &'a self,
        app: &'a str,
        name: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Option<FunctionId>, Error>> + Send + 'a>> {
        Box::pin(async move {
            let one = Page { count_max: 1, ..Page::default() };
            let Some(app) = self.apps(Some(&[app]), &one).await?.into_iter().next() else { return Ok(None) };
            let functions = self.functions(&app.id, Some(name), &one).await?;
            Ok(functions.into_iter().next().map(|function| FunctionId::from(&*function.id)))
        })
    }
}
