//! Apps.

use http::StatusCode;

use crate::access::Caller;
use crate::config::function as limit;
use crate::store::App;

use super::page::{Items, Query};
use super::{Answer, Api, Problem, annotations, input, rights, rules};

impl Api {
    pub(super) async fn create_app(&self, body: &[u8]) -> Result<Answer, Problem> {
        let given: input::App = input::read(body)?;
        rules::no_id(given.id.as_deref())?;
        let name = rules::required("name", given.name)?;
        rules::check("name", limit::app(&name))?;
        let mut app = App {
            name,
            config: rules::variables(given.config)?,
            annotations: annotations::given(given.annotations)?,
            syslog_url: input::some(given.syslog_url).unwrap_or_default(),
            shape: given.shape.unwrap_or_default(),
            ..App::default()
        };
        rules::merge_secrets(&mut app.secrets, given.secrets)?;
        if !app.syslog_url.is_empty() {
            rules::check("syslog_url", rules::syslog_url(&app.syslog_url))?;
        }
        rules::check("shape", rules::shape(&app.shape))?;
        Ok(Answer::json(&self.store.create_app(app).await?))
    }

    pub(super) async fn app(&self, id: &str, caller: &Caller) -> Result<Answer, Problem> {
        Ok(Answer::json(&rights::app(self.store.app(id).await?, caller)))
    }

    pub(super) async fn apps(&self, query: Query<'_>, caller: &Caller) -> Result<Answer, Problem> {
        let (page, name) = (query.page()?, query.first("name"));
        // Others are not left out afterwards: the cursor would tell where they are, and what they are called.
        let theirs = caller.apps().map(|apps| apps.iter().map(String::as_str).collect::<Vec<_>>());
        let names = match (name.as_deref(), theirs) {
            (None, theirs) => theirs,
            (Some(name), None) => Some(vec![name]),
            (Some(name), Some(theirs)) => Some(theirs.into_iter().filter(|their| *their == name).collect()),
        };
        let apps = self.store.apps(names.as_deref(), &page).await?;
        Ok(Answer::json(&Items::new(apps, &page).map(|app| rights::app(app, caller))))
    }

    pub(super) async fn update_app(&self, id: &str, body: &[u8]) -> Result<Answer, Problem> {
        let given: input::App = input::read(body)?;
        rules::same_id(id, given.id.as_deref())?;
        let app = self.store.update_app(id, |app| change(app, given)).await?;
        Ok(Answer::json(&app))
    }

    pub(super) async fn delete_app(&self, id: &str) -> Result<Answer, Problem> {
        self.store.delete_app(id).await?;
        Ok(Answer::empty(StatusCode::NO_CONTENT))
    }
}

fn change(app: &mut App, given: input::App) -> Result<(), Problem> {
    if let Some(name) = input::some(given.name).filter(|name| *name != app.name) {
        return Err(Problem::conflict(format!(
            "App name may not change: {:?} cannot become {name:?}; create another app",
            app.name
        )));
    }
    rules::merge_variables(&mut app.config, given.config)?;
    rules::merge_secrets(&mut app.secrets, given.secrets)?;
    annotations::merge(&mut app.annotations, given.annotations)?;
    if let Some(url) = given.syslog_url {
        if !url.is_empty() {
            rules::check("syslog_url", rules::syslog_url(&url))?;
        }
        app.syslog_url = url;
    }
    Ok(())
}
