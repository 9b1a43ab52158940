//! Triggers.

use http::StatusCode;

use crate::config::function as limit;
use crate::store::Trigger;
use crate::store::record::HTTP;

use super::page::{Items, Query};
use super::{Answer, Api, Problem, annotations, input, rules};

impl Api {
    pub(super) async fn create_trigger(&self, body: &[u8], base: &str) -> Result<Answer, Problem> {
        let given: input::Trigger = input::read(body)?;
        rules::no_id(given.id.as_deref())?;
        input::no_time("created_at", given.created_at.as_deref())?;
        input::no_time("updated_at", given.updated_at.as_deref())?;
        let trigger = Trigger {
            name: rules::required("name", given.name)?,
            app_id: rules::required("app_id", given.app_id)?,
            fn_id: rules::required("fn_id", given.fn_id)?,
            kind: rules::required("type", given.kind)?,
            source: rules::required("source", given.source)?,
            annotations: annotations::given(given.annotations)?,
            ..Trigger::default()
        };
        rules::check("name", limit::app(&trigger.name))?;
        rules::check("source", limit::source(&trigger.source))?;
        if trigger.kind != HTTP {
            return Err(Problem::invalid(format!("Invalid type: {:?} is not {HTTP:?}", trigger.kind)));
        }
        let trigger = self.store.create_trigger(trigger).await?;
        Ok(Answer::json(&annotations::with_http_endpoint(trigger, base)))
    }

    pub(super) async fn trigger(&self, id: &str, base: &str) -> Result<Answer, Problem> {
        let trigger = self.store.trigger(id).await?;
        Ok(Answer::json(&annotations::with_http_endpoint(trigger, base)))
    }

    /// For Fn's own load balancers, which put a slash before the source's.
    pub(super) async fn trigger_by_source(&self, app: &str, kind: &str, source: &str) -> Result<Answer, Problem> {
        let source = if source.starts_with('/') { source.to_owned() } else { format!("/{source}") };
        match self.store.trigger_by_source(app, kind, &source).await? {
            Some(trigger) => Ok(Answer::json(&trigger)),
            None => {
                let message = format!("Trigger not found: app {app:?} has no {kind} trigger with source {source:?}");
                Err(Problem::new(StatusCode::NOT_FOUND, message))
            }
        }
    }

    pub(super) async fn triggers(&self, query: Query<'_>, base: &str) -> Result<Answer, Problem> {
        let app = rules::required("app_id", query.first("app_id").map(Into::into))?;
        let page = query.page()?;
        let (function, name) = (query.first("fn_id"), query.first("name"));
        let triggers = self.store.triggers(&app, function.as_deref(), name.as_deref(), &page).await?;
        let told = triggers.into_iter().map(|trigger| annotations::with_http_endpoint(trigger, base));
        Ok(Answer::json(&Items::new(told.collect(), &page)))
    }

    /// As in Fn, the answer does not say where the trigger is called.
    pub(super) async fn update_trigger(&self, id: &str, body: &[u8]) -> Result<Answer, Problem> {
        let given: input::Trigger = input::read(body)?;
        rules::same_id(id, given.id.as_deref())?;
        let trigger = self.store.update_trigger(id, |trigger| change(trigger, given)).await?;
        Ok(Answer::json(&trigger))
    }

    pub(super) async fn delete_trigger(&self, id: &str) -> Result<Answer, Problem> {
        self.store.delete_trigger(id).await?;
        Ok(Answer::empty(StatusCode::NO_CONTENT))
    }
}

fn change(trigger: &mut Trigger, given: input::Trigger) -> Result<(), Problem> {
    if let Some(app) = input::some(given.app_id).filter(|app| *app != trigger.app_id) {
        return Err(Problem::invalid(format!(
            "App of a trigger may not change: {:?} cannot become {app:?}; create another trigger",
            trigger.app_id
        )));
    }
    if let Some(name) = input::some(given.name) {
        rules::check("name", limit::app(&name))?;
        trigger.name = name;
    }
    if let Some(source) = input::some(given.source) {
        rules::check("source", limit::source(&source))?;
        trigger.source = source;
    }
    if let Some(function) = input::some(given.fn_id) {
        trigger.fn_id = function;
    }
    annotations::merge(&mut trigger.annotations, given.annotations)
}
