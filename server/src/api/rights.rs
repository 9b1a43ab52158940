//! What of a token each endpoint takes, and what of an object its holder sees.
//!
//! Which role is known by method and path alone, before anything of the body is read. Which app a
//! request is about is known when the body or the store was; it is asked for tokens that are for
//! some apps only.

use http::Method;

use crate::access::{Caller, Need, Role};
use crate::store::{self, App, Function};

use super::page::Query;
use super::router::{self, Endpoint, Found};
use super::{Api, Problem, Request, input};

/// What a request below `/v2/` takes of who makes it.
///
/// | what | takes |
/// |---|---|
/// | `openapi.yaml` | nothing |
/// | reading apps, functions, triggers | the role invoke; `config` is told to the role deploy only |
/// | changing them, and what is kept of calls | the role deploy |
/// | connectors, the log's level, tokens | the role admin |
/// | what is not there | any token |
#[must_use]
pub fn need(method: &Method, path: &str) -> Need<'static> {
    match router::find(method, path) {
        Found::Endpoint(endpoint, _) => of(endpoint),
        Found::Nothing | Found::WrongMethod { .. } => Need::Token,
    }
}

fn of(endpoint: Endpoint) -> Need<'static> {
    match endpoint {
        Endpoint::Description => Need::Nothing,
        Endpoint::AppGet
        | Endpoint::AppList
        | Endpoint::FunctionGet
        | Endpoint::FunctionList
        | Endpoint::TriggerBySource
        | Endpoint::TriggerGet
        | Endpoint::TriggerList => Need::SomeApp(Role::Invoke),
        Endpoint::AppCreate
        | Endpoint::AppDelete
        | Endpoint::AppUpdate
        | Endpoint::CallGet
        | Endpoint::CallList
        | Endpoint::CallLog
        | Endpoint::CallRetry
        | Endpoint::FunctionCreate
        | Endpoint::FunctionDelete
        | Endpoint::FunctionLogs
        | Endpoint::FunctionUpdate
        | Endpoint::TriggerCreate
        | Endpoint::TriggerDelete
        | Endpoint::TriggerUpdate => Need::SomeApp(Role::Deploy),
        Endpoint::ConnectorCreate
        | Endpoint::ConnectorDelete
        | Endpoint::ConnectorGet
        | Endpoint::ConnectorList
        | Endpoint::ConnectorSend
        | Endpoint::LogLevelGet
        | Endpoint::LogLevelSet
        | Endpoint::TokenCreate
        | Endpoint::TokenDelete
        | Endpoint::TokenList => Need::Node(Role::Admin),
    }
}

impl Api {
    /// Refuses a request about an app that its caller's token is not for.
    ///
    /// What a request is about never comes to be of another app, so nothing can change between this
    /// look and what follows.
    pub(super) async fn check_app(
        &self,
        endpoint: Endpoint,
        captured: &[String],
        request: &Request<'_>,
    ) -> Result<(), Problem> {
        let Need::SomeApp(role) = of(endpoint) else { return Ok(()) };
        if !request.caller.is_of_some_apps() {
            return Ok(());
        }
        match self.app_of(endpoint, captured, request).await? {
            Some(app) => Ok(request.caller.check(Need::App(role, &app))?),
            // Whoever looks for it says that it is not there.
            None => Ok(()),
        }
    }

    /// The name of the app that a request is about; `None` if it names none that there is, or is a
    /// list of all, which leaves out what its reader may not see.
    async fn app_of(
        &self,
        endpoint: Endpoint,
        captured: &[String],
        request: &Request<'_>,
    ) -> Result<Option<String>, Problem> {
        let id = captured.first().map_or("", String::as_str);
        let app_id = match endpoint {
            Endpoint::AppList
            | Endpoint::ConnectorCreate
            | Endpoint::ConnectorDelete
            | Endpoint::ConnectorGet
            | Endpoint::ConnectorList
            | Endpoint::ConnectorSend
            | Endpoint::LogLevelGet
            | Endpoint::LogLevelSet
            | Endpoint::Description
            | Endpoint::TokenCreate
            | Endpoint::TokenDelete
            | Endpoint::TokenList => return Ok(None),
            Endpoint::AppCreate => return Ok(input::read::<input::App>(&request.body)?.name),
            Endpoint::TriggerDelete | Endpoint::TriggerGet | Endpoint::TriggerUpdate => {
                return Ok(there(self.store.trigger(id).await)?.map(|trigger| trigger.app_name));
            }
            Endpoint::AppDelete | Endpoint::AppGet | Endpoint::AppUpdate | Endpoint::TriggerBySource => {
                Some(id.to_owned())
            }
            Endpoint::FunctionCreate => input::read::<input::Function>(&request.body)?.app_id,
            Endpoint::TriggerCreate => input::read::<input::Trigger>(&request.body)?.app_id,
            Endpoint::FunctionList | Endpoint::TriggerList => {
                Query(request.query).first("app_id").map(|id| id.into_owned())
            }
            // What it wrote is this node's, and here as long as the node serves it.
            Endpoint::FunctionLogs => {
                return Ok(self.mirror.access().app(&id.into()).map(|app| app.as_ref().to_owned()));
            }
            Endpoint::CallGet
            | Endpoint::CallList
            | Endpoint::CallLog
            | Endpoint::CallRetry
            | Endpoint::FunctionDelete
            | Endpoint::FunctionGet
            | Endpoint::FunctionUpdate => there(self.store.function(id).await)?.map(|function| function.app_id),
        };
        match app_id {
            Some(id) => Ok(there(self.store.app(&id).await)?.map(|app| app.name)),
            None => Ok(None),
        }
    }
}

/// What was found, if anything was.
fn there<T>(found: Result<T, store::Error>) -> Result<Option<T>, store::Error> {
    use store::Error;
    match found {
        Ok(found) => Ok(Some(found)),
        Err(Error::AppUnknown { .. } | Error::FunctionUnknown { .. } | Error::TriggerUnknown { .. }) => Ok(None),
        Err(e) => Err(e),
    }
}

/// An app as `caller` may see it.
pub(super) fn app(mut app: App, caller: &Caller) -> App {
    if !sees_config(caller) {
        app.config.clear();
        app.secrets.clear();
    }
    app
}

/// A function as `caller` may see it.
pub(super) fn function(mut function: Function, caller: &Caller) -> Function {
    if !sees_config(caller) {
        function.config.clear();
        function.secrets.clear();
    }
    function
}

/// Who may only call functions need not know what they are told.
fn sees_config(caller: &Caller) -> bool {
    caller.may(Need::SomeApp(Role::Deploy))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every endpoint the router has, so that none is added without a thought.
    #[test]
    fn every_endpoint_takes_what_it_should() {
        const TABLE: &str = "
            GET    /v2/openapi.yaml                     -
            GET    /v2/apps                             invoke
            POST   /v2/apps                             deploy
            GET    /v2/apps/{app_id}                    invoke
            PUT    /v2/apps/{app_id}                    deploy
            DELETE /v2/apps/{app_id}                    deploy
            GET    /v2/connectors                       admin
            POST   /v2/connectors                       admin
            GET    /v2/connectors/{name}                admin
            DELETE /v2/connectors/{name}                admin
            POST   /v2/connectors/{name}/peers/{peer}   admin
            GET    /v2/fns                              invoke
            POST   /v2/fns                              deploy
            GET    /v2/fns/{fn_id}                      invoke
            PUT    /v2/fns/{fn_id}                      deploy
            DELETE /v2/fns/{fn_id}                      deploy
            GET    /v2/fns/{fn_id}/calls                deploy
            GET    /v2/fns/{fn_id}/calls/{call_id}      deploy
            GET    /v2/fns/{fn_id}/calls/{call_id}/log  deploy
            POST   /v2/fns/{fn_id}/calls/{call_id}/retry deploy
            GET    /v2/fns/{fn_id}/logs                 deploy
            GET    /v2/log-level                        admin
            PUT    /v2/log-level                        admin
            GET    /v2/tokens                           admin
            POST   /v2/tokens                           admin
            DELETE /v2/tokens/{token_id}                admin
            GET    /v2/triggers                         invoke
            POST   /v2/triggers                         deploy
            GET    /v2/triggers/{trigger_id}            invoke
            PUT    /v2/triggers/{trigger_id}            deploy
            DELETE /v2/triggers/{trigger_id}            deploy
            GET    /v2/runner/apps/{app_id}/triggerBySource/{trigger_type}/{+source} invoke
        ";
        let word = |need: Need<'_>| match need {
            Need::Nothing => "-".to_owned(),
            Need::SomeApp(role) | Need::Node(role) => role.to_string(),
            other => panic!("no endpoint takes {other:?}"),
        };
        let taken: Vec<String> = router::ENDPOINTS
            .iter()
            .map(|(method, path, endpoint)| {
                // By its path as well, which is how the front asks.
                assert_eq!(need(method, path), of(*endpoint), "{method} {path}");
                format!("{method} {path} {}", word(of(*endpoint)))
            })
            .collect();
        let squeezed = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let expected: Vec<String> = TABLE.lines().map(squeezed).filter(|line| !line.is_empty()).collect();
        assert_eq!(taken, expected);
        assert_eq!(need(&Method::GET, "/v2/nothing"), Need::Token);
        assert_eq!(need(&Method::PATCH, "/v2/apps"), Need::Token);
    }
}
