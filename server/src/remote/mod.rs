//! A node elsewhere: what every subcommand that talks to a running node talks to.
//!
//! A [`Node`] is where its API is ([`Base`]) and the token that opens it, if it wants one. It is asked one thing
//! at a time, each on a connection of its own: a person's command asks a handful of things and is over, and a
//! connection that is kept would only be one more thing that can have gone away meanwhile.
//!
//! Read in this order:
//!
//! * [`context`]: which node is meant: flags, environment, and the files in which the Fn CLI notes its nodes.
//! * [`base`]: where a node answers.
//! * [`objects`]: apps, functions and triggers by their names, as people know them.
//! * [`exchange`](mod@exchange): one request and its answer, to whoever answers HTTP.
//!
//! What a node refuses is told in its own words, for they name what was wrong; what to try next is added here,
//! where only the client can know it.
//!
//! Absent on purpose: trying again. Whoever reads the error decides that, and a write that may have happened is
//! not made twice.

pub mod base;
pub mod context;
pub mod exchange;
pub mod objects;

use std::fmt;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use hotfn_protocols::{Body, BodyError};

use crate::tls::{Trust, TrustError};

pub use base::Base;
pub use exchange::exchange;

/// A node that serves somewhere, perhaps here.
#[derive(Clone, Debug)]
pub struct Node {
    base: Base,
    token: Option<Token>,
    trust: Trust,
}

/// What opens a node's API to whoever has it. Never shown.
#[derive(Clone, Eq, PartialEq)]
pub struct Token(HeaderValue);

/// A token no header can carry.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the token holds what no token has: use the printable ASCII that it was given as")]
pub struct MalformedToken;

/// Why a node did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection ended before an answer came.
    #[error("{base} closed the connection without an answer; does a node listen there?")]
    Closed {
        /// Where.
        base: Base,
        /// What became of the connection.
        source: hyper::Error,
    },
    /// The answer has no end, or too late a one.
    #[error("the answer of {base} broke off")]
    Cut {
        /// Whose.
        base: Base,
        /// How.
        source: BodyError,
    },
    /// Whoever answers there is not who they should be, or does not speak TLS.
    #[error(
        "{base} is not believed; if its certificate is of an authority of your own, name that one's file in \
         HOTFN_CA_FILE or --ca-file"
    )]
    Disbelieved {
        /// Where.
        base: Base,
        /// What is the matter.
        source: io::Error,
    },
    /// There was no answer in time.
    #[error("{base} did not answer within {ANSWER_PATIENCE:?}")]
    Late {
        /// Who did not.
        base: Base,
    },
    /// The node says no.
    #[error("{message}{}", advice(*.status, .message))]
    Refused {
        /// The answer's status.
        status: StatusCode,
        /// Its own words.
        message: String,
    },
    /// Somebody else answers there.
    #[error("{base} answered {status} in words that are not a node's; is it the right address?")]
    Strange {
        /// Where.
        base: Base,
        /// The answer's status.
        status: StatusCode,
    },
    /// Nobody can be believed.
    #[error("no node can be believed")]
    Trust {
        /// Why not.
        source: TrustError,
    },
    /// Nothing has this name.
    #[error("there is no {what} {name:?}; {list} shows those there are")]
    Unknown {
        /// An app, a function, a trigger.
        what: &'static str,
        /// The name.
        name: String,
        /// The command that lists them.
        list: String,
    },
    /// Nobody takes connections there.
    #[error("cannot connect to {base}; is a node listening there?")]
    Unreachable {
        /// Where.
        base: Base,
        /// The system's answer.
        source: io::Error,
    },
}

/// How long a node may take for an answer of its API. Far more than any takes: it waits for a store, not for a
/// function.
const ANSWER_PATIENCE: Duration = Duration::from_secs(60);

/// Most bytes of an answer of the API: a hundred objects with everything they may hold.
const ANSWER_BYTES_MAX: u64 = 128 << 20;

impl Node {
    /// The node at `base`.
    #[must_use]
    pub fn new(base: Base, token: Option<Token>) -> Self {
        Self { base, token, trust: Trust::default() }
    }

    /// Believes it as `trust` says, where it is talked to through TLS. Default: as this machine's roots say.
    #[must_use]
    pub fn trusting(self, trust: Trust) -> Self {
        Self { trust, ..self }
    }

    /// Where it answers.
    #[must_use]
    pub fn base(&self) -> &Base {
        &self.base
    }

    /// Sends a request, and gives the answer as it comes. `path` begins with a slash and may have a query.
    /// Cancel safe: dropping it closes the connection.
    ///
    /// # Errors
    /// When there is no answer. A refusal is one.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Body,
    ) -> Result<Response<Body>, Error> {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = self.base.target(path);
        *request.headers_mut() = headers;
        request.headers_mut().entry(USER_AGENT).or_insert(HeaderValue::from_static(OURSELVES));
        if let Some(Token(bearer)) = &self.token {
            request.headers_mut().entry(AUTHORIZATION).or_insert_with(|| bearer.clone());
        }
        exchange(&self.base, &self.trust, request).await
    }

    /// Asks the API, and gives the document it answers with, or `null` where there is none. Cancel safe; whether
    /// a write that is dropped was done is not known.
    ///
    /// # Errors
    /// When there is no answer within a minute, or the answer is a refusal.
    pub async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Error> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let answered = async {
            let (head, body) = self.send(method, path, headers, body).await?.into_parts();
            let cut = |source| Error::Cut { base: self.base.clone(), source };
            Ok((head.status, body.gather(ANSWER_BYTES_MAX).await.map_err(cut)?))
        };
        let late = |_| Error::Late { base: self.base.clone() };
        let (status, body) = tokio::time::timeout(ANSWER_PATIENCE, answered).await.map_err(late)??;
        self.read(status, &body)
    }

    fn read(&self, status: StatusCode, body: &Bytes) -> Result<Value, Error> {
        let strange = || Error::Strange { base: self.base.clone(), status };
        if !status.is_success() {
            let Told { message } = serde_json::from_slice(body).map_err(|_| strange())?;
            return Err(Error::Refused { status, message });
        }
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(body).map_err(|_| strange())
    }
}

/// Who asks.
const OURSELVES: &str = concat!("hotfn/", env!("CARGO_PKG_VERSION"));

/// A refusal's body.
#[derive(Deserialize)]
struct Told {
    message: String,
}

/// What a person may do about a refusal, where its words cannot know it.
fn advice(status: StatusCode, message: &str) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "; put a token of this node into HOTFN_TOKEN",
        StatusCode::NOT_FOUND if message.starts_with("Path not found") => {
            "; nodes of hotfn serve have an API, those of hotfn dev have none"
        }
        _ => "",
    }
}

impl Token {
    /// The token that reads `text`.
    ///
    /// # Errors
    /// When no header can carry it.
    pub fn new(text: &str) -> Result<Self, MalformedToken> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(MalformedToken);
        }
        let mut bearer = HeaderValue::try_from(format!("Bearer {text}")).map_err(|_| MalformedToken)?;
        bearer.set_sensitive(true);
        Ok(Self(bearer))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &'static str) -> Result<Value, String> {
        let node = Node::new("http://h:1".parse().unwrap(), None);
        let status = StatusCode::from_u16(status).unwrap();
        node.read(status, &Bytes::from_static(body.as_bytes())).map_err(|e| e.to_string())
    }

    #[test]
    fn an_answer_is_a_document_nothing_or_a_sentence() {
        assert_eq!(read(200, "{\"a\":1}"), Ok(serde_json::json!({"a": 1})));
        assert_eq!(read(204, ""), Ok(Value::Null));
        assert_eq!(read(409, "{\"message\":\"App exists\"}"), Err("App exists".to_owned()));
        let wanted = "Token missing; put a token of this node into HOTFN_TOKEN";
        assert_eq!(read(401, "{\"message\":\"Token missing\"}"), Err(wanted.to_owned()));
        assert!(read(404, "{\"message\":\"Path not found: GET /v2/apps\"}").unwrap_err().contains("hotfn serve"));
        let strange = "http://h:1 answered 200 OK in words that are not a node's; is it the right address?";
        assert_eq!(read(200, "<html>"), Err(strange.to_owned()));
        assert!(read(502, "bad gateway").unwrap_err().contains("502"));
    }

    #[test]
    fn a_token_is_never_shown() {
        let node = Node::new("http://h:1".parse().unwrap(), Some(Token::new("s3cret").unwrap()));
        assert!(!format!("{node:?}").contains("s3cret"));
        for malformed in ["", "a b", "a\nb", "é"] {
            assert_eq!(Token::new(malformed), Err(MalformedToken), "{malformed:?}");
        }
    }
}
