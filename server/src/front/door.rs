//! What a path takes of who asks for it, and whether who asks has it.

use http::header::AUTHORIZATION;
use http::{Method, Uri};

use hotfn_protocols::FunctionId;
use hotfn_protocols::http1::RequestHead;

use super::Front;
use super::origin::Origin;
use super::routes::Route;
use crate::access::{Caller, Denied, Need, Role};
use crate::api;

impl Front {
    /// May whoever sent `head` have what is at `route`? Known before anything of the body is read.
    pub(super) fn admit(
        &self,
        route: &Route,
        head: &RequestHead,
        uri: &Uri,
        from: &mut Origin,
    ) -> Result<Caller, Denied> {
        if !self.access.is_required() {
            return Ok(Caller::Anybody);
        }
        match route {
            Route::Invoke(function) => self.admit_call(function, head, from),
            Route::Trigger(function) if !self.access.is_open_to_triggers() => self.admit_call(function, head, from),
            route => {
                let need = need(route, &head.method, uri.path(), self.access.is_open_to_triggers());
                self.access.admit(head.lines.first(&AUTHORIZATION), need, &mut from.shown)
            }
        }
    }

    /// May whoever sent `head` call this function?
    pub(super) fn admit_call(
        &self,
        function: &FunctionId,
        head: &RequestHead,
        from: &mut Origin,
    ) -> Result<Caller, Denied> {
        if !self.access.is_required() {
            return Ok(Caller::Anybody);
        }
        let token = head.lines.first(&AUTHORIZATION);
        let caller = self.access.admit(token, Need::SomeApp(Role::Invoke), &mut from.shown)?;
        // Most tokens are for all apps, and whose a function is need not be looked up for them.
        if caller.is_of_some_apps()
            && let Some(app) = self.access.app(function)
        {
            caller.check(Need::App(Role::Invoke, &app))?;
        }
        Ok(caller)
    }
}

/// What a request takes. `triggers_open` says that triggers take nothing.
///
/// | what | takes |
/// |---|---|
/// | `/`, `/version`, `/healthz`, `/readyz` | nothing: probes ask for them |
/// | `/invoke/{id}`, `/t/{app}/…` | the role invoke, in the function's app |
/// | `/metrics` | the role invoke, of the whole node |
/// | `/v2/…` | what [`api::need`] says |
/// | what is not there | any token, so that nobody finds out for nothing what is |
fn need<'a>(route: &'a Route, method: &Method, path: &str, triggers_open: bool) -> Need<'a> {
    match route {
        Route::Api => api::need(method, path),
        Route::Greeting | Route::Health | Route::Ready | Route::Redirect(_) | Route::Version => Need::Nothing,
        // Whose it is, is looked at when it is found.
        Route::Invoke(_) => Need::SomeApp(Role::Invoke),
        Route::Metrics => Need::Node(Role::Invoke),
        Route::Trigger(_) | Route::UnknownTrigger { .. } if triggers_open => Need::Nothing,
        Route::Trigger(_) => Need::SomeApp(Role::Invoke),
        Route::UnknownTrigger { app, .. } => Need::App(Role::Invoke, app),
        Route::Unknown | Route::WrongMethod { .. } => Need::Token,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::routes::{Routes, Trigger};
    use super::*;

    /// What paths are made of, and what people try to make of them.
    const PARTS: &str = r"/ // /./ /../ %2f %2F %2e%2e \ ; v2 V2 %76%32 apps fns tokens openapi.yaml invoke f t
        shop none metrics version healthz readyz log-level ? %00 a";

    proptest! {
        /// However a path is spelled, only what is listed here is had without a token.
        #[test]
        fn no_spelling_of_a_path_takes_less(
            parts in proptest::collection::vec(any::<prop::sample::Index>(), 1..9), method in 0..6_usize,
        ) {
            let all: Vec<&str> = PARTS.split_whitespace().collect();
            let target: String = std::iter::once("/").chain(parts.iter().map(|part| *part.get(&all))).collect();
            let methods = [Method::GET, Method::HEAD, Method::OPTIONS, Method::POST, Method::PUT, Method::DELETE];
            let Ok(uri) = target.parse::<http::Uri>() else { return Ok(()) };
            let routes = Routes::default();
            routes.put(&"f".into(), [Trigger { app: "shop".into(), source: "/".into() }]);
            let route = routes.find(&methods[method], &uri);
            let is_redirect = matches!(route, Route::Redirect(_));
            if need(&route, &methods[method], uri.path(), false) == Need::Nothing && !is_redirect {
                let open = ["/", "/version", "/healthz", "/readyz", "/v2/openapi.yaml"];
                prop_assert!(open.contains(&uri.path()), "{}", target);
            }
            if is_redirect {
                prop_assert!(uri.path().starts_with("/invoke/") && uri.path().ends_with('/'), "{}", target);
            }
        }
    }

    fn check(method: &Method, target: &str, expected: Need<'_>, opened: Need<'_>) {
        let routes = Routes::default();
        routes.put(&"f".into(), [Trigger { app: "shop".into(), source: "/".into() }]);
        let uri: http::Uri = target.parse().unwrap();
        let route = routes.find(method, &uri);
        assert_eq!(need(&route, method, uri.path(), false), expected, "{method} {target}");
        assert_eq!(need(&route, method, uri.path(), true), opened, "{method} {target}, triggers open");
    }

    /// Every kind of path there is; those below `/v2/` have a table of their own.
    #[test]
    fn every_path_takes_what_it_should() {
        let same = |method: Method, target: &str, expected| check(&method, target, expected, expected);
        same(Method::GET, "/", Need::Nothing);
        same(Method::GET, "/version", Need::Nothing);
        same(Method::GET, "/healthz", Need::Nothing);
        same(Method::GET, "/readyz", Need::Nothing);
        same(Method::GET, "/metrics", Need::Node(Role::Invoke));
        same(Method::POST, "/invoke/f", Need::SomeApp(Role::Invoke));
        same(Method::POST, "/invoke/nobody", Need::SomeApp(Role::Invoke));
        same(Method::POST, "/invoke/f/", Need::Nothing);
        same(Method::GET, "/invoke/f", Need::Token);
        same(Method::GET, "/nowhere", Need::Token);
        same(Method::GET, "/v2/tokens", Need::Node(Role::Admin));
        same(Method::POST, "/run", Need::Token);
        check(&Method::GET, "/t/shop", Need::SomeApp(Role::Invoke), Need::Nothing);
        check(&Method::GET, "/t/shop/none", Need::App(Role::Invoke, "shop"), Need::Nothing);
        same(Method::CONNECT, "/t/shop", Need::Token);
    }
}
