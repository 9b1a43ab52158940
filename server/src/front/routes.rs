//! Whom a request is for.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{RwLock, RwLockReadGuard};

use http::{Method, Uri};

use hotfn_protocols::FunctionId;

/// A place under `/t/` that calls a function.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Trigger {
    /// The app's name.
    pub app: String,
    /// The rest of the path, with its leading slash. Matched exactly.
    pub source: String,
}

/// The triggers of a front. What calls `/invoke/{id}` needs no table: the agent knows its functions.
#[derive(Debug, Default)]
pub struct Routes {
    /// By app, then by source, so that a request's path is looked up as it came, without a copy.
    by_app: RwLock<HashMap<String, HashMap<String, FunctionId>>>,
}

/// The function that a connection called last. Those who keep a connection tend to call the same
/// one again, and a target that reads the same means the same.
#[derive(Debug, Default)]
pub(super) struct Last(Option<(String, FunctionId)>);

/// Where a request goes.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Route {
    Greeting,
    Invoke(FunctionId),
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

impl Routes {
    /// Makes these the triggers of `function`, instead of those it had.
    pub fn put(&self, function: &FunctionId, triggers: impl IntoIterator<Item = Trigger>) {
        let mut by_app = self.by_app.write().expect("no code panics while it holds this lock");
        for sources in by_app.values_mut() {
            sources.retain(|_, owner| owner != function);
        }
        for Trigger { app, source } in triggers {
            by_app.entry(app).or_default().insert(source, function.clone());
        }
        by_app.retain(|_, sources| !sources.is_empty());
    }

    pub(super) fn find(&self, method: &Method, uri: &Uri) -> Route {
        let path = uri.path();
        if let Some(id) = path.strip_prefix("/invoke/") {
            return invoke(method, uri, id);
        }
        if let Some(rest) = path.strip_prefix("/t/") {
            return self.trigger(method, rest);
        }
        let fixed = match path {
            "/" => Route::Greeting,
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
        let (app, source) = (decode(app), decode(source));
        match self.read().get(&*app).and_then(|sources| sources.get(&*source)) {
            Some(function) => Route::Trigger(function.clone()),
            None => Route::UnknownTrigger { app: app.into_owned(), source: source.into_owned() },
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<String, HashMap<String, FunctionId>>> {
        self.by_app.read().expect("no code panics while it holds this lock")
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
    Route::Invoke(FunctionId::from(&*decode(id)))
}

/// Undoes percent-encoding. What is not well-formed stays as it came: it will match nothing.
fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        match (byte, after) {
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high << 4 | low);
                    rest = after;
                }
                _ => return Cow::Borrowed(text),
            },
            (b'%', _) => return Cow::Borrowed(text),
            _ => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).map_or(Cow::Borrowed(text), Cow::Owned)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|d| u8::try_from(d).ok())
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
        check(Method::POST, "/invoke/f", Route::Invoke("f".into()));
        check(Method::POST, "/invoke/f?x=1", Route::Invoke("f".into()));
        check(Method::POST, "/invoke/app.f%20g", Route::Invoke("app.f g".into()));
        check(Method::POST, "/invoke/f/", Route::Redirect("/invoke/f".to_owned()));
        check(Method::POST, "/invoke/f/?x=1", Route::Redirect("/invoke/f?x=1".to_owned()));
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
}
