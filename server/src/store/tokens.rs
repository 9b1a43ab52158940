//! Tokens: what is kept of them, which is not enough to use one.

use std::collections::BTreeSet;
use std::io;

use crate::access::token::Text;
use crate::access::{Role, Token};

use super::record::now;
use super::{Error, Failure, Store, Transaction, document, read_document};

/// Most tokens of a store: all of them are in each node's memory.
const TOKENS_MAX: usize = 1000;

impl Store {
    /// Makes a token, and keeps what is kept of it.
    ///
    /// # Errors
    /// When there are too many already, or the store cannot be used.
    pub async fn create_token(&self, name: String, role: Role, apps: BTreeSet<String>) -> Result<(Token, Text), Error> {
        let (token, text) = Token::make(name, role, apps, now()).map_err(unusable)?;
        let mut transaction = self.write().await?;
        if transaction.tokens().await?.len() >= TOKENS_MAX {
            return Err(Error::TooManyTokens { max: TOKENS_MAX });
        }
        let sql = "INSERT INTO tokens (id, doc) VALUES ($1, $2)";
        transaction.execute(sql, &[&token.id, &document(&token)]).await?;
        transaction.note_tokens().await?;
        transaction.commit().await?;
        Ok((token, text))
    }

    /// All tokens, the oldest first.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn tokens(&self) -> Result<Vec<Token>, Error> {
        self.read().await?.tokens().await
    }

    /// Revokes the token `id`.
    ///
    /// # Errors
    /// When there is none.
    pub async fn delete_token(&self, id: &str) -> Result<(), Error> {
        let mut transaction = self.write().await?;
        let deleted = transaction.query::<1>("DELETE FROM tokens WHERE id = $1 RETURNING id", &[id]).await?;
        if deleted.is_empty() {
            return Err(Error::TokenUnknown { id: id.to_owned() });
        }
        transaction.note_tokens().await?;
        Ok(transaction.commit().await?)
    }
}

impl Transaction {
    pub(super) async fn tokens(&mut self) -> Result<Vec<Token>, Error> {
        let rows = self.query::<1>("SELECT doc FROM tokens ORDER BY id", &[]).await?;
        rows.iter().map(|[doc]| read_document(doc)).collect()
    }

    /// Did tokens change after the write with the number `since`?
    pub(super) async fn tokens_changed(&mut self, since: &str) -> Result<bool, Failure> {
        let sql = "SELECT CAST(n AS TEXT) FROM tokens_changed WHERE n > CAST(CAST($1 AS TEXT) AS BIGINT)";
        Ok(!self.query::<1>(sql, &[since]).await?.is_empty())
    }

    async fn note_tokens(&mut self) -> Result<(), Failure> {
        self.execute("UPDATE tokens_changed SET n = (SELECT n FROM revision)", &[]).await
    }
}

fn unusable(error: io::Error) -> Failure {
    Failure::Unusable(error.into())
}
