//! Which endpoint a request is for.

use http::Method;

use crate::percent;

/// What can be asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Endpoint {
    AppCreate,
    AppDelete,
    AppGet,
    AppList,
    AppUpdate,
    CallGet,
    CallList,
    CallLog,
    /// A dead one is to be run again.
    CallRetry,
    ConnectorCreate,
    ConnectorDelete,
    ConnectorGet,
    ConnectorList,
    /// Something for one of its connections.
    ConnectorSend,
    /// `openapi.yaml`.
    Description,
    FunctionCreate,
    FunctionDelete,
    FunctionGet,
    FunctionList,
    /// Its last lines, and those that come.
    FunctionLogs,
    FunctionUpdate,
    LogLevelGet,
    LogLevelSet,
    TokenCreate,
    TokenDelete,
    TokenList,
    TriggerBySource,
    TriggerCreate,
    TriggerDelete,
    TriggerGet,
    TriggerList,
    TriggerUpdate,
}

/// Where a method and a path lead.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Found {
    /// To an endpoint, with what stands in the place of the path's variables.
    Endpoint(Endpoint, Vec<String>),
    Nothing,
    WrongMethod {
        /// Those that would have been right.
        allow: String,
    },
}

/// Every endpoint with its method and path. A variable stands for a part between slashes; one that
/// begins with `+` for everything that is left.
pub(super) const ENDPOINTS: &[(Method, &str, Endpoint)] = &[
    (Method::GET, "/v2/openapi.yaml", Endpoint::Description),
    (Method::GET, "/v2/apps", Endpoint::AppList),
    (Method::POST, "/v2/apps", Endpoint::AppCreate),
    (Method::GET, "/v2/apps/{app_id}", Endpoint::AppGet),
    (Method::PUT, "/v2/apps/{app_id}", Endpoint::AppUpdate),
    (Method::DELETE, "/v2/apps/{app_id}", Endpoint::AppDelete),
    (Method::GET, "/v2/connectors", Endpoint::ConnectorList),
    (Method::POST, "/v2/connectors", Endpoint::ConnectorCreate),
    (Method::GET, "/v2/connectors/{name}", Endpoint::ConnectorGet),
    (Method::DELETE, "/v2/connectors/{name}", Endpoint::ConnectorDelete),
    (Method::POST, "/v2/connectors/{name}/peers/{peer}", Endpoint::ConnectorSend),
    (Method::GET, "/v2/fns", Endpoint::FunctionList),
    (Method::POST, "/v2/fns", Endpoint::FunctionCreate),
    (Method::GET, "/v2/fns/{fn_id}", Endpoint::FunctionGet),
    (Method::PUT, "/v2/fns/{fn_id}", Endpoint::FunctionUpdate),
    (Method::DELETE, "/v2/fns/{fn_id}", Endpoint::FunctionDelete),
    (Method::GET, "/v2/fns/{fn_id}/calls", Endpoint::CallList),
    (Method::GET, "/v2/fns/{fn_id}/calls/{call_id}", Endpoint::CallGet),
    (Method::GET, "/v2/fns/{fn_id}/calls/{call_id}/log", Endpoint::CallLog),
    (Method::POST, "/v2/fns/{fn_id}/calls/{call_id}/retry", Endpoint::CallRetry),
    (Method::GET, "/v2/fns/{fn_id}/logs", Endpoint::FunctionLogs),
    (Method::GET, "/v2/log-level", Endpoint::LogLevelGet),
    (Method::PUT, "/v2/log-level", Endpoint::LogLevelSet),
    (Method::GET, "/v2/tokens", Endpoint::TokenList),
    (Method::POST, "/v2/tokens", Endpoint::TokenCreate),
    (Method::DELETE, "/v2/tokens/{token_id}", Endpoint::TokenDelete),
    (Method::GET, "/v2/triggers", Endpoint::TriggerList),
    (Method::POST, "/v2/triggers", Endpoint::TriggerCreate),
    (Method::GET, "/v2/triggers/{trigger_id}", Endpoint::TriggerGet),
    (Method::PUT, "/v2/triggers/{trigger_id}", Endpoint::TriggerUpdate),
    (Method::DELETE, "/v2/triggers/{trigger_id}", Endpoint::TriggerDelete),
    (Method::GET, "/v2/runner/apps/{app_id}/triggerBySource/{trigger_type}/{+source}", Endpoint::TriggerBySource),
];

/// Where `method` and `path` lead.
pub(super) fn find(method: &Method, path: &str) -> Found {
    let mut allow = Vec::new();
    for (allowed, template, endpoint) in ENDPOINTS {
        if let Some(captured) = capture(template, path) {
            if allowed == method {
                return Found::Endpoint(*endpoint, captured);
            }
            allow.push(allowed.as_str());
        }
    }
    if allow.is_empty() { Found::Nothing } else { Found::WrongMethod { allow: allow.join(", ") } }
}

/// The path of the endpoint that `path` leads to, by whatever method, with its variables as they are
/// called.
pub(crate) fn template(path: &str) -> Option<&'static str> {
    ENDPOINTS.iter().map(|(_, template, _)| *template).find(|template| capture(template, path).is_some())
}

/// What of `path` stands in the place of the variables of `template`, if it is such a path.
fn capture(template: &str, path: &str) -> Option<Vec<String>> {
    let mut captured = Vec::new();
    let mut rest = path;
    for part in template.split('/').skip(1) {
        rest = rest.strip_prefix('/')?;
        let (given, behind) = match part.starts_with("{+") {
            true => (rest, ""),
            false => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        };
        match part.starts_with('{') {
            true if given.is_empty() => return None,
            true => captured.push(percent::decode(given).into_owned()),
            false if given != part => return None,
            false => {}
        }
        rest = behind;
    }
    rest.is_empty().then_some(captured)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn check(method: &Method, path: &str, expected: Found) {
        assert_eq!(find(method, path), expected, "{method} {path}");
    }

    #[test]
    fn every_endpoint_is_found() {
        let endpoint = |endpoint, captured: &[&str]| {
            Found::Endpoint(endpoint, captured.iter().map(|&part| part.to_owned()).collect())
        };
        check(&Method::GET, "/v2/apps", endpoint(Endpoint::AppList, &[]));
        check(&Method::PUT, "/v2/fns/a%20b", endpoint(Endpoint::FunctionUpdate, &["a b"]));
        check(&Method::GET, "/v2/fns/f/calls/c/log", endpoint(Endpoint::CallLog, &["f", "c"]));
        let by_source = "/v2/runner/apps/A/triggerBySource/http//deep/er";
        check(&Method::GET, by_source, endpoint(Endpoint::TriggerBySource, &["A", "http", "/deep/er"]));
        for nothing in ["/v2", "/v2/", "/v2/apps/", "/v2/apps/a/b", "/v2/calls", "/v2/fns/f/calls/c/log/", "/v3/apps"] {
            check(&Method::GET, nothing, Found::Nothing);
        }
    }

    #[test]
    fn a_wrong_method_is_told_the_right_ones() {
        check(&Method::PATCH, "/v2/apps/a", Found::WrongMethod { allow: "GET, PUT, DELETE".to_owned() });
        check(&Method::HEAD, "/v2/fns", Found::WrongMethod { allow: "GET, POST".to_owned() });
    }

    #[test]
    fn the_description_has_the_same_endpoints() {
        #[derive(serde::Deserialize)]
        struct Description {
            paths: BTreeMap<String, BTreeMap<String, serde_json::Value>>,
        }
        let description: Description = saphyr::from_str(super::super::DESCRIPTION).unwrap();
        let verbs = |path: BTreeMap<String, serde_json::Value>| path.into_keys().filter(|verb| verb != "parameters");
        let described: BTreeSet<(String, String)> = description
            .paths
            .into_iter()
            .flat_map(|(path, verb)| verbs(verb).map(move |verb| (verb.to_uppercase(), path.clone())))
            .filter(|(_, path)| path.starts_with("/v2/"))
            .collect();
        let routed = ENDPOINTS.iter().map(|(method, path, _)| (method.to_string(), path.replace("{+", "{")));
        assert_eq!(described, routed.collect());
    }
}
