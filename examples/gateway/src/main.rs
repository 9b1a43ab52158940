//! An axum router as a function: behind an HTTP trigger it has methods, paths, status and headers.
//!
//! | request | answer |
//! |---|---|
//! | `GET /` | 200, what there is |
//! | `POST /books` with `{"title":"…"}` | 201, `Location`, two cookies |
//! | `GET /books/7?lang=de` | 200 for 1 to 9, else 404 |
//! | anything else | 404 |
//!
//! The router sees the path of the caller's whole URL, so the same routes are there once more
//! behind the place where a trigger `/gateway` of any app is: `/t/{app}/gateway`.

use std::process::ExitCode;

use axum::extract::{Path, Query};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

#[derive(Deserialize, Serialize)]
struct Title {
    title: String,
}

#[derive(Deserialize)]
struct Shelf {
    id: u64,
}

#[derive(Deserialize)]
struct Wish {
    #[serde(default)]
    lang: String,
}

/// The books are 1 to 9.
const BOOKS_MAX: u64 = 9;

async fn index(headers: HeaderMap) -> String {
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or("stranger");
    format!("books 1 to {BOOKS_MAX}, {agent}\n")
}

async fn add(Json(title): Json<Title>) -> impl IntoResponse {
    let cookies = AppendHeaders([(header::SET_COOKIE, "shelf=1"), (header::SET_COOKIE, "seen=yes")]);
    (StatusCode::CREATED, [(header::LOCATION, "/books/7")], cookies, Json(title))
}

async fn book(Path(Shelf { id }): Path<Shelf>, Query(wish): Query<Wish>) -> Result<String, StatusCode> {
    if (1..=BOOKS_MAX).contains(&id) { Ok(format!("book {id} {}\n", wish.lang)) } else { Err(StatusCode::NOT_FOUND) }
}

fn router() -> Router {
    let routes = || Router::new().route("/", get(index)).route("/books", post(add)).route("/books/{id}", get(book));
    routes().nest("/t/{app}/gateway", routes())
}

fn main() -> ExitCode {
    hotfn_fdk::main(hotfn_fdk::http(router()))
}

#[cfg(test)]
mod tests {
    use hotfn_fdk::testing::{Answer, Call};

    use super::*;

    async fn ask(method: &str, path: &str, body: &'static str) -> Answer {
        let call = Call::new().gateway(method, &format!("http://localhost{path}")).header("user-agent", "a test");
        call.header("content-type", "application/json").body(body).send(hotfn_fdk::http(router())).await
    }

    #[tokio::test]
    async fn status_and_headers_are_the_routers() {
        let answer = ask("GET", "/", "").await;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, "books 1 to 9, a test\n"));
        let answer = ask("POST", "/t/shop/gateway/books", r#"{"title":"Emma"}"#).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (201, Some("/books/7")));
        assert_eq!(answer.headers.get_all("set-cookie").iter().count(), 2);
        assert_eq!(ask("GET", "/books/7?lang=de", "").await.text(), "book 7 de\n");
        assert_eq!(ask("GET", "/books/10", "").await.status, 404);
        assert_eq!(ask("BREW", "/coffee", "").await.status, 404);
    }

    #[tokio::test]
    async fn a_plain_call_is_a_post_to_the_root() {
        let answer = Call::new().send(hotfn_fdk::http(router())).await;
        // Which no route takes: status 405, of which a plain caller sees only that it went well.
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (200, Some("GET,HEAD")));
    }
}
