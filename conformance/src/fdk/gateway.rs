//! Calls that are an HTTP caller's, wrapped: what the user sees of them, and what comes of the answer.

use crate::case::Entry;
use crate::check::{Run, holds};
use crate::function::orders::Told;
use crate::stage::Stage;
use crate::wire::{Answer, Request};

/// The caller's own request.
const METHOD: &str = "PUT";
const URL: &str = "http://shop.example:8080/t/shop/books/7?lang=de&x=a%20b";

pub(super) const CASES: &[Entry<Stage>] = &[
    Entry::must(
        25,
        "The user's status goes into a header",
        "On a gateway call the status is 200, and the user's own is in Fn-Http-Status.",
        |stage| {
            let answer = asked(stage, &["status 404"])?;
            let found = answer.all("fn-http-status");
            holds!(found == ["404"], "the user's status 404 was sent as Fn-Http-Status: {found:?}");
            Ok(())
        },
    ),
    Entry::must(
        26,
        "The user's headers are prefixed, once",
        "On a gateway call a header of the user's is sent as Fn-Http-H-<name>, and not without the prefix.",
        |stage| {
            let answer = asked(stage, &["header X-Own mine"])?;
            let found = answer.all("fn-http-h-x-own");
            holds!(found == ["mine"], "the user's header X-Own: mine was sent as Fn-Http-H-X-Own: {found:?}");
            let twice = answer.all("fn-http-h-fn-http-h-x-own");
            holds!(twice.is_empty(), "the user's header X-Own was prefixed twice");
            Ok(())
        },
    ),
    Entry::must(27, "The content type stays unprefixed", "On a gateway call Content-Type is sent as it is.", |stage| {
        let answer = asked(stage, &["type text/x-own"])?;
        let found = answer.header("content-type").unwrap_or("absent");
        holds!(found.starts_with("text/x-own"), "the user's content type text/x-own was sent as {found}");
        Ok(())
    }),
    Entry::must(
        28,
        "The caller's method and URL",
        "The user sees the method in Fn-Http-Method, and the URL with its query in Fn-Http-Request-Url.",
        |stage| {
            let told = asked(stage, &["report"])?.told()?;
            holds!(told.method.as_deref() == Some(METHOD), "the method {METHOD} is {:?} to the user", told.method);
            holds!(told.url.as_deref() == Some(URL), "the URL {URL} is {:?} to the user", told.url);
            Ok(())
        },
    ),
    Entry::must(
        29,
        "A prefix in lower case",
        "The prefix Fn-Http-H- is found in any case: names of headers have none.",
        |stage| {
            let told = told(stage, |asks| asks.header("fn-http-h-accept", "text/x-mine"))?;
            let found = told.header("accept");
            holds!(
                found == ["text/x-mine"],
                "fn-http-h-accept: text/x-mine is the header accept {found:?} to the user"
            );
            Ok(())
        },
    ),
    Entry::must(
        30,
        "Two values of a caller's header",
        "The user sees every value of a header that the caller sent twice.",
        |stage| {
            let told = told(stage, |asks| asks.header("Fn-Http-H-X-Twice", "1").header("Fn-Http-H-X-Twice", "2"))?;
            both(&told, "x-twice")
        },
    ),
    Entry::must(31, "Two values of a plain header", "The same on a plain call.", |stage| {
        let asks = Request::orders(&["report"]).header("X-Twice", "1").header("X-Twice", "2");
        both(&stage.start()?.call(&asks)?.told()?, "x-twice")
    }),
];

fn asked(stage: &Stage, orders: &[&str]) -> Run<Answer> {
    stage.start()?.call(&Request::orders(orders).gateway(METHOD, URL))?.is(200, "a gateway call")
}

fn told(stage: &Stage, more: impl FnOnce(Request) -> Request) -> Run<Told> {
    stage.start()?.call(&more(Request::orders(&["report"]).gateway(METHOD, URL)))?.told()
}

/// Joined by a comma they are two as well: that is what a repeated header means.
fn both(told: &Told, name: &str) -> Run {
    let found = told.header(name);
    let values: Vec<&str> = found.iter().flat_map(|value| value.split(',')).map(str::trim).collect();
    holds!(values == ["1", "2"], "the values 1 and 2 of {name} are {found:?} to the user");
    Ok(())
}
