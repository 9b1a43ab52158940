//! Whom a request is for.

use std::collections::HashMap;
use std::sync::{RwLock, RwLockReadGuard};

use http::{Method, Uri};

use hotfn_protocols::FunctionId;

use crate::{api, percent};

use super::meter::{INVOKE, NOWHERE, TRIGGER};
use super::sources::Sources;

/// A place under `/t/` that calls a function.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Trigger {
    /// The app's name.
    pub app: String,
    /// The rest of the path, with its leading slash: this path and no other, or, where it ends with `/*`, every
    /// path that begins with what stands before the star.
    pub source: String,
}

/// The triggers of a front. What calls `/invoke/{id}` needs no table: the agent knows its functions.
#[derive(Debug, Default)]
pub struct Routes {
    triggers: RwLock<Triggers>,
}

#[derive(Debug, Default)]
struct Triggers {
    by_app: HashMap<String, Sources>,
    /// What each function has, so that changing one does not look at all.
    by_function: HashMap<FunctionId, Vec<Trigger>>,
}

/// The function that a connection called last. Those who keep a connection tend to call the same
/// one again, and a target that reads the same means the same.
#[derive(Debug, Default)]
pub(super) struct Last(Option<(String, FunctionId)>);

/// Where a request goes.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Route {
    /// Somewhere below `/v2/`.
    Api,
    Greeting,
    Health,
    Invoke(FunctionId),
    Metrics,
    Ready,
    /// To the same place without its trailing slash.
    Redirect(String),
    Trigger(FunctionId),
    Unknown,
    UnknownTrigger {
        app: String,
        source: String,
    },
    Version,
    WrongMethod {
        /// Those that would have been right.
        allow: &'static str,
    },
}

impl Route {
    /// The place at `path` as it is counted: the same for all that differ only in whom they are for.
    pub(super) fn place(&self, path: &str) -> &'static str {
        match self {
            Self::Api => api::template(path).unwrap_or(NOWHERE),
            Self::Greeting => "/",
            Self::Health => "/healthz",
            Self::Invoke(_) | Self::Redirect(_) => INVOKE,
            Self::Metrics => "/metrics",
            Self::Ready => "/readyz",
            Self::Trigger(_) | Self::UnknownTrigger { .. } => TRIGGER,
            Self::Unknown | Self::WrongMethod { .. } => NOWHERE,
            Self::Version => "/version",
        }
    }
}

impl Routes {
    /// Makes these the triggers of `function`, instead of those it had.
    pub fn put(&self, function: &FunctionId, triggers: impl IntoIterator<Item = Trigger>) {
        let triggers: Vec<Trigger> = triggers.into_iter().collect();
        let mut all = self.triggers.write().expect("no code panics while it holds this lock");
        for before in all.by_function.remove(function).unwrap_or_default() {
            all.forget(&before, function);
        }
        for Trigger { app, source } in triggers.iter().cloned() {
            all.by_app.entry(app).or_default().insert(&source, function.clone());
        }
        if !triggers.is_empty() {
            all.by_function.insert(function.clone(), triggers);
        }
    }

    pub(super) fn find(&self, method: &Method, uri: &Uri) -> Route {
        let path = uri.path();
        if let Some(id) = path.strip_prefix("/invoke/") {
            return invoke(method, uri, id);
        }
        if let Some(rest) = path.strip_prefix("/t/") {
            return self.trigger(method, rest);
        }
        if path.starts_with("/v2/") {
            return Route::Api;
        }
        let fixed = match path {
            "/" => Route::Greeting,
            "/healthz" => Route::Health,
            "/metrics" => Route::Metrics,
            "/readyz" => Route::Ready,
            "/version" => Route::Version,
            _ => return Route::Unknown,
        };
        if method == Method::GET { fixed } else { Route::WrongMethod { allow: "GET" } }
    }

    fn trigger(&self, method: &Method, rest: &str) -> Route {
        let (app, source) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, "/"),
        };
        if app.is_empty() {
            return Route::Unknown;
        }
        if !TRIGGER_METHODS.contains(method) {
            return Route::WrongMethod { allow: TRIGGER_ALLOW };
        }
        let (app, source) = (percent::decode(app), percent::decode(source));
        match self.read().by_app.get(&*app).and_then(|sources| sources.find(&source)) {
            Some(function) => Route::Trigger(function.clone()),
            None => Route::UnknownTrigger { app: app.into_owned(), source: source.into_owned() },
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Triggers> {
        self.triggers.read().expect("no code panics while it holds this lock")
    }
}

impl Triggers {
    /// Takes away a trigger of `function`, unless it is another's by now.
    fn forget(&mut self, Trigger { app, source }: &Trigger, function: &FunctionId) {
        if let Some(sources) = self.by_app.get_mut(app) {
            sources.forget(source, function);
            if sources.is_empty() {
                self.by_app.remove(app);
            }
        }
    }
}

impl Last {
    /// Notes what a plain call's target meant.
    pub(super) fn note(&mut self, target: &str, function: &FunctionId) {
        self.0 = Some((target.to_owned(), function.clone()));
    }

    /// Whom a request with this target calls, if that is known.
    pub(super) fn find(&self, method: &Method, target: &str) -> Option<&FunctionId> {
        let (last, function) = self.0.as_ref()?;
        (*method == Method::POST && last == target).then_some(function)
    }
}

const TRIGGER_METHODS: [Method; 8] = [
    Method::DELETE,
    Method::GET,
    Method::HEAD,
    Method::OPTIONS,
    Method::PATCH,
    Method::POST,
    Method::PUT,
    Method::TRACE,
];

const TRIGGER_ALLOW: &str = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT, TRACE";

fn invoke(method: &Method, uri: &Uri, id: &str) -> Route {
    let (id, trailing) = match id.strip_suffix('/') {
        Some(id) => (id, true),
        None => (id, false),
    };
    if id.is_empty() || id.contains('/') {
        return Route::Unknown;
    }
    if method != Method::POST {
        return Route::WrongMethod { allow: "POST" };
    }
    if trailing {
        let query = uri.query().map(|q| format!("?{q}")).unwrap_or_default();
        return Route::Redirect(format!("/invoke/{id}{query}"));
    }
    Route::Invoke(FunctionId::from(&*percent::decode(id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes() -> Routes {
        let trigger = |app: &str, source: &str| Trigger { app: app.into(), source: source.into() };
        let routes = Routes::default();
        routes.put(&"root".into(), [trigger("shop", "/")]);
        routes.put(&"deep".into(), [trigger("shop", "/a/b"), trigger("shop", "/a b"), trigger("café", "/")]);
        routes
    }

    fn check(method: Method, uri: &str, expected: Route) {
        assert_eq!(routes().find(&method, &uri.parse().unwrap()), expected, "{method} {uri}");
    }

    #[test]
    fn every_path_has_its_route() {
        let unknown =
            |app: &str, source: &str| Route::UnknownTrigger { app: app.to_owned(), source: source.to_owned() };
        check(Method::GET, "/", Route::Greeting);
        check(Method::GET, "/version", Route::Version);
        check(Method::GET, "/metrics", Route::Metrics);
        check(Method::GET, "/healthz", Route::Health);
        check(Method::GET, "/readyz", Route::Ready);
        check(Method::POST, "/invoke/f", Route::Invoke("f".into()));
        check(Method::POST, "/invoke/f?x=1", Route::Invoke("f".into()));
        check(Method::POST, "/invoke/app.f%20g", Route::Invoke("app.f g".into()));
        check(Method::POST, "/invoke/f/", Route::Redirect("/invoke/f".to_owned()));
        check(Method::POST, "/invoke/f/?x=1", Route::Redirect("/invoke/f?x=1".to_owned()));
        check(Method::GET, "/v2/apps", Route::Api);
        check(Method::GET, "/t/shop", Route::Trigger("root".into()));
        check(Method::GET, "/t/shop/", Route::Trigger("root".into()));
        check(Method::PUT, "/t/shop/a/b?q=1", Route::Trigger("deep".into()));
        check(Method::GET, "/t/shop/a%20b", Route::Trigger("deep".into()));
        check(Method::GET, "/t/caf%C3%A9", Route::Trigger("deep".into()));
        check(Method::GET, "/t/shop/a", unknown("shop", "/a"));
        check(Method::GET, "/t/shop/a/b/", unknown("shop", "/a/b/"));
        check(Method::GET, "/t/other/a", unknown("other", "/a"));
        check(Method::GET, "/t/shop/a%2", unknown("shop", "/a%2"));
        check(Method::GET, "/t/shop/%ff", unknown("shop", "/%ff"));
        for path in ["/nothing", "/invoke", "/invoke/", "/invoke/a/b", "/t", "/t/", "/t//x", "/version/"] {
            check(Method::GET, path, Route::Unknown);
        }
    }

    #[test]
    fn a_prefix_calls_for_everything_below_it() {
        let routes = Routes::default();
        let put = |function: &str, sources: &[&str]| {
            let trigger = |source: &&str| Trigger { app: "shop".into(), source: (*source).to_owned() };
            routes.put(&function.into(), sources.iter().map(trigger));
        };
        let check = |path: &str, expected: Option<&str>| {
            let found = match routes.find(&Method::GET, &format!("/t/shop{path}").parse().unwrap()) {
                Route::Trigger(function) => Some(function.as_str().to_owned()),
                _ => None,
            };
            assert_eq!(found.as_deref(), expected, "{path}");
        };
        put("api", &["/api/*"]);
        put("deep", &["/api/v1/*", "/caf\u{e9}/*"]);
        put("one", &["/api/v1/one", "/api/v1/"]);
        put("star", &["/a*", "/*/b"]);
        for (path, expected) in [
            ("/api/", Some("api")),
            ("/api/x", Some("api")),
            ("/api/x/y?q=/api/v1/z", Some("api")),
            ("/api/v1", Some("api")),
            ("/api/v1/", Some("one")),
            ("/api/v1/one", Some("one")),
            ("/api/v1/one/", Some("deep")),
            ("/api/v1/two", Some("deep")),
            // A client of Fn's that means the star itself.
            ("/api/*", Some("api")),
            ("/api%2Fx", Some("api")),
            ("/caf%C3%A9/x", Some("deep")),
            ("/a*", Some("star")),
            ("/*/b", Some("star")),
            ("/abc", None),
            ("/x/b", None),
            ("/api", None),
            ("/apix/", None),
            ("/", None),
            ("", None),
        ] {
            check(path, expected);
        }
        put("root", &["/*"]);
        for path in ["", "/", "/api", "/x/b"] {
            check(path, Some("root"));
        }
        put("deep", &[]);
        check("/api/v1/two", Some("api"));
        put("other", &["/api/*"]);
        put("api", &[]);
        check("/api/x", Some("other"));
        for function in ["one", "star", "root", "other"] {
            put(function, &[]);
        }
        assert!(routes.read().by_app.is_empty());
    }

    #[test]
    fn a_wrong_method_is_told_the_right_ones() {
        check(Method::POST, "/", Route::WrongMethod { allow: "GET" });
        check(Method::DELETE, "/version", Route::WrongMethod { allow: "GET" });
        check(Method::GET, "/invoke/f", Route::WrongMethod { allow: "POST" });
        check(Method::GET, "/invoke/f/", Route::WrongMethod { allow: "POST" });
        check(Method::CONNECT, "/t/shop", Route::WrongMethod { allow: TRIGGER_ALLOW });
        check(Method::from_bytes(b"BREW").unwrap(), "/t/shop", Route::WrongMethod { allow: TRIGGER_ALLOW });
        for method in TRIGGER_METHODS {
            assert!(TRIGGER_ALLOW.contains(method.as_str()));
            check(method, "/t/shop", Route::Trigger("root".into()));
        }
    }

    #[test]
    fn a_target_that_reads_the_same_is_known_to_who_posts() {
        let mut last = Last::default();
        assert_eq!(last.find(&Method::POST, "/invoke/f"), None);
        last.note("/invoke/f", &"f".into());
        assert_eq!(last.find(&Method::POST, "/invoke/f"), Some(&"f".into()));
        assert_eq!(last.find(&Method::POST, "/invoke/f?x=1"), None);
        assert_eq!(last.find(&Method::GET, "/invoke/f"), None);
    }

    #[test]
    fn putting_a_function_again_takes_its_old_triggers_away() {
        let routes = routes();
        routes.put(&"deep".into(), [Trigger { app: "shop".into(), source: "/new".into() }]);
        let find = |uri: &str| routes.find(&Method::GET, &uri.parse().unwrap());
        assert_eq!(find("/t/shop/new"), Route::Trigger("deep".into()));
        assert!(matches!(find("/t/shop/a/b"), Route::UnknownTrigger { .. }));
        assert_eq!(find("/t/shop"), Route::Trigger("root".into()));
    }

    #[test]
    fn a_trigger_that_moved_stays_with_its_new_function() {
        let routes = routes();
        let moved = Trigger { app: "shop".into(), source: "/".into() };
        routes.put(&"deep".into(), [moved]);
        routes.put(&"root".into(), []);
        assert_eq!(routes.find(&Method::GET, &"/t/shop".parse().unwrap()), Route::Trigger("deep".into()));
        routes.put(&"deep".into(), []);
        assert!(routes.read().by_app.is_empty() && routes.read().by_function.is_empty());
    }
}
