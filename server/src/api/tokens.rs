//! Tokens: made, looked at and revoked.

use std::collections::BTreeSet;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::access::{Role, Token, token};

use super::{Answer, Api, Problem, input, rules};

/// What is told of a token.
#[derive(Serialize)]
struct Told<'a> {
    id: &'a str,
    name: &'a str,
    role: Role,
    /// Empty for the whole node.
    apps: &'a BTreeSet<String>,
    created_at: &'a str,
    /// Once, when it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct New {
    name: Option<String>,
    role: Option<String>,
    apps: Option<BTreeSet<String>>,
}

impl Api {
    pub(super) async fn create_token(&self, body: &[u8]) -> Result<Answer, Problem> {
        let New { name, role, apps } = input::read(body)?;
        let name = rules::required("name", name)?;
        let role = rules::required("role", role)?;
        let role = rules::check("role", role.parse::<Role>().map_err(|e| e.to_string()))?;
        let apps = apps.unwrap_or_default();
        rules::check("token", Token::check(&name, role, &apps).map_err(|unfit| unfit.to_string()))?;
        let (token, text) = self.store.create_token(name, role, apps).await?;
        tracing::info!(token = token.id, name = token.name, %role, "a token was made");
        Ok(Answer::json(&told(&token, Some(&text))))
    }

    pub(super) async fn delete_token(&self, id: &str) -> Result<Answer, Problem> {
        self.store.delete_token(id).await?;
        tracing::info!(token = id, "a token was revoked");
        Ok(Answer::empty(StatusCode::NO_CONTENT))
    }

    pub(super) async fn list_tokens(&self) -> Result<Answer, Problem> {
        let tokens = self.store.tokens().await?;
        let items: Vec<_> = tokens.iter().map(|token| told(token, None)).collect();
        Ok(Answer::json(&json!({ "items": items })))
    }
}

fn told<'a>(token: &'a Token, text: Option<&'a token::Text>) -> Told<'a> {
    let Token { id, name, role, apps, created_at, .. } = token;
    Told { id, name, role: *role, apps, created_at, token: text.map(token::Text::reveal) }
}
