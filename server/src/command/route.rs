//! What a request is about.

use http::Method;

use super::refusal::{Reason, Refusal};

/// What a request is about.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Route<'a> {
    /// A job, to be looked up.
    Find(&'a str),
    Greeting,
    Health,
    Metrics,
    Ready,
    Run,
    Shell,
    /// A job, to be ended.
    Stop(&'a str),
}

/// The query says nothing.
pub(super) fn find<'a>(method: &Method, target: &'a str) -> Result<Route<'a>, Refusal> {
    let path = target.split('?').next().unwrap_or_default();
    let reads = *method == Method::GET || *method == Method::HEAD;
    let (route, allow) = match path {
        "/" => (reads.then_some(Route::Greeting), "GET, HEAD"),
        "/healthz" => (reads.then_some(Route::Health), "GET, HEAD"),
        "/metrics" => (reads.then_some(Route::Metrics), "GET, HEAD"),
        "/readyz" => (reads.then_some(Route::Ready), "GET, HEAD"),
        "/run" => ((*method == Method::POST).then_some(Route::Run), "POST"),
        "/shell" => ((*method == Method::POST).then_some(Route::Shell), "POST"),
        path => {
            let id = path.strip_prefix("/shell/").filter(|id| !id.is_empty() && !id.contains('/'));
            let id = id.ok_or_else(|| Refusal::new(Reason::NotFound, "no such path"))?;
            let stops = *method == Method::DELETE;
            (if stops { Some(Route::Stop(id)) } else { reads.then_some(Route::Find(id)) }, "GET, HEAD, DELETE")
        }
    };
    let wrong = || Refusal { allow: Some(allow), ..Refusal::new(Reason::MethodNotAllowed, "method not allowed") };
    route.ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: Method, target: &str, expected: Result<Route<'_>, Reason>) {
        assert_eq!(find(&method, target).map_err(|refusal| refusal.reason), expected, "{method} {target}");
    }

    #[test]
    fn every_path_has_its_route() {
        check(Method::GET, "/", Ok(Route::Greeting));
        check(Method::HEAD, "/?x", Ok(Route::Greeting));
        check(Method::GET, "/healthz", Ok(Route::Health));
        check(Method::GET, "/metrics", Ok(Route::Metrics));
        check(Method::GET, "/readyz", Ok(Route::Ready));
        check(Method::POST, "/shell", Ok(Route::Shell));
        check(Method::POST, "/shell?a=/run", Ok(Route::Shell));
        check(Method::POST, "/run", Ok(Route::Run));
        check(Method::GET, "/shell/42", Ok(Route::Find("42")));
        check(Method::DELETE, "/shell/42", Ok(Route::Stop("42")));
        for path in ["", "/shell/", "/shell/1/2", "//shell", "/Shell", "/run/1", "http://h/shell"] {
            check(Method::POST, path, Err(Reason::NotFound));
        }
        for (method, path) in [(Method::POST, "/"), (Method::GET, "/shell"), (Method::PUT, "/shell/42")] {
            check(method, path, Err(Reason::MethodNotAllowed));
        }
        assert_eq!(find(&Method::GET, "/run").unwrap_err().allow, Some("POST"));
    }
}
