//! Apps, functions and triggers of a node, by the names that people know them by; and calls, which have but ids.
//!
//! The API knows ids; a name is looked up first, as the Fn CLI does it. Objects stay the JSON that the node
//! told: one of a later version has members that we have never heard of, and whoever asks for JSON gets them.

use http::Method;
use serde_json::Value;

use super::{Error, Node};
use crate::percent;

/// Most objects of a page, as the API has it.
const PER_PAGE: usize = 100;
/// Most pages of a list: a node that always promises another one is not followed for ever.
const PAGES_MAX: usize = 100_000;

impl Node {
    /// All apps, by name.
    ///
    /// # Errors
    /// When the node does not answer, or refuses.
    pub async fn apps(&self) -> Result<Vec<Value>, Error> {
        self.list("/v2/apps?").await
    }

    /// The app called `name`.
    ///
    /// # Errors
    /// When there is none, or the node does not answer, or refuses.
    pub async fn app(&self, name: &str) -> Result<Value, Error> {
        let found = self.first(&format!("/v2/apps?name={}", percent::encode(name))).await?;
        found.ok_or_else(|| unknown("app", name, "hotfn apps list"))
    }

    /// All functions of the app with this id, by name.
    ///
    /// # Errors
    /// When the node does not answer, or refuses.
    pub async fn functions(&self, app_id: &str) -> Result<Vec<Value>, Error> {
        self.list(&format!("/v2/fns?app_id={}&", percent::encode(app_id))).await
    }

    /// The function of `app` called `name`.
    ///
    /// # Errors
    /// When there is none or no such app, or the node does not answer, or refuses.
    pub async fn function(&self, app: &str, name: &str) -> Result<Value, Error> {
        let owner = self.app(app).await?;
        let found = self.function_of(id(&owner), name).await?;
        found.ok_or_else(|| unknown("function", name, &format!("hotfn fns list {app}")))
    }

    /// The function called `name` of the app with this id, if there is one.
    ///
    /// # Errors
    /// When the node does not answer, or refuses.
    pub async fn function_of(&self, app_id: &str, name: &str) -> Result<Option<Value>, Error> {
        self.first(&format!("/v2/fns?app_id={}&name={}", percent::encode(app_id), percent::encode(name))).await
    }

    /// All triggers of the app with this id, or of its function `fn_id` only, by name.
    ///
    /// # Errors
    /// When the node does not answer, or refuses.
    pub async fn triggers(&self, app_id: &str, fn_id: Option<&str>) -> Result<Vec<Value>, Error> {
        let of = fn_id.map(|id| format!("fn_id={}&", percent::encode(id))).unwrap_or_default();
        self.list(&format!("/v2/triggers?app_id={}&{of}", percent::encode(app_id))).await
    }

    /// The trigger called `name` of the function `function` of `app`.
    ///
    /// # Errors
    /// When there is none or no such function, or the node does not answer, or refuses.
    pub async fn trigger(&self, app: &str, function: &str, name: &str) -> Result<Value, Error> {
        let owner = self.function(app, function).await?;
        let of = format!("app_id={}&fn_id={}", percent::encode(text(&owner, "app_id")), percent::encode(id(&owner)));
        let found = self.first(&format!("/v2/triggers?{of}&name={}", percent::encode(name))).await?;
        found.ok_or_else(|| unknown("trigger", name, &format!("hotfn triggers list {app} {function}")))
    }

    /// The calls of the function with this id, the newest first and `count_max` at most, of those that pass `filters`:
    /// names and values as the API has them.
    ///
    /// # Errors
    /// When the node does not answer, or refuses.
    pub async fn calls<'a>(
        &self,
        fn_id: &str,
        filters: impl Iterator<Item = (&'a str, &'a str)>,
        count_max: usize,
    ) -> Result<Vec<Value>, Error> {
        let filters: String = filters.map(|(name, value)| format!("{name}={}&", percent::encode(value))).collect();
        self.first_of(&format!("/v2/fns/{}/calls?{filters}", percent::encode(fn_id)), count_max).await
    }

    /// The call `call` of the function with this id.
    ///
    /// # Errors
    /// When there is none, or the node does not answer, or refuses.
    pub async fn call(&self, fn_id: &str, call: &str) -> Result<Value, Error> {
        let path = format!("/v2/fns/{}/calls/{}", percent::encode(fn_id), percent::encode(call));
        self.ask(Method::GET, &path, None).await
    }

    /// Has a dead call of the function with this id run again, and gives what is known of it then.
    ///
    /// # Errors
    /// When there is none, or it is not dead, or the node does not answer, or refuses.
    pub async fn retry_call(&self, fn_id: &str, call: &str) -> Result<Value, Error> {
        let path = format!("/v2/fns/{}/calls/{}/retry", percent::encode(fn_id), percent::encode(call));
        self.ask(Method::POST, &path, None).await
    }

    /// Makes the object that `body` says, one of `/v2/apps`, `/v2/fns` and `/v2/triggers`.
    ///
    /// # Errors
    /// When the node does not answer, or refuses.
    pub async fn create(&self, list: &str, body: &Value) -> Result<Value, Error> {
        self.ask(Method::POST, list, Some(body)).await
    }

    /// Changes what `body` says of the object `id` of that list.
    ///
    /// # Errors
    /// When the node does not answer, or refuses.
    pub async fn update(&self, list: &str, id: &str, body: &Value) -> Result<Value, Error> {
        self.ask(Method::PUT, &format!("{list}/{}", percent::encode(id)), Some(body)).await
    }

    /// Deletes the object `id` of that list.
    ///
    /// # Errors
    /// When the node does not answer, or refuses.
    pub async fn delete(&self, list: &str, id: &str) -> Result<(), Error> {
        self.ask(Method::DELETE, &format!("{list}/{}", percent::encode(id)), None).await.map(drop)
    }

    async fn first(&self, path: &str) -> Result<Option<Value>, Error> {
        Ok(items(self.ask(Method::GET, path, None).await?).into_iter().next())
    }

    /// Everything on all pages. `path` ends where a parameter of its query may follow.
    async fn list(&self, path: &str) -> Result<Vec<Value>, Error> {
        self.first_of(path, usize::MAX).await
    }

    /// The first `count_max` of that.
    async fn first_of(&self, path: &str, count_max: usize) -> Result<Vec<Value>, Error> {
        let mut all = Vec::new();
        let mut cursor = String::new();
        for _ in 0..PAGES_MAX {
            let per_page = (count_max - all.len()).min(PER_PAGE);
            if per_page == 0 {
                break;
            }
            let page = self.ask(Method::GET, &format!("{path}per_page={per_page}{cursor}"), None).await?;
            let next = page["next_cursor"].as_str().map(|next| format!("&cursor={}", percent::encode(next)));
            // A node may say more than it was asked for.
            all.extend(items(page).into_iter().take(per_page));
            match next {
                Some(next) => cursor = next,
                None => break,
            }
        }
        Ok(all)
    }
}

/// An object's id.
#[must_use]
pub fn id(object: &Value) -> &str {
    text(object, "id")
}

/// A member that is text, empty where there is none.
#[must_use]
pub fn text<'a>(object: &'a Value, member: &str) -> &'a str {
    object[member].as_str().unwrap_or_default()
}

fn items(mut page: Value) -> Vec<Value> {
    match page["items"].take() {
        Value::Array(items) => items,
        _ => Vec::new(),
    }
}

fn unknown(what: &'static str, name: &str, list: &str) -> Error {
    Error::Unknown { what, name: name.to_owned(), list: list.to_owned() }
}
