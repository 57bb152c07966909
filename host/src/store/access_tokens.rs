//! The tokens with which the service is used. Only their hashes are stored, not their secrets.

use jiff::Timestamp;
use tokio_postgres::error::SqlState;

use super::Store;
use super::statement::Statement;
use crate::error::{Error, Result};

/// A token as the database stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRow {
    /// The part of the token that is not secret.
    pub token_id: String,
    /// A display name.
    pub name: String,
    /// The names of its scopes.
    pub scopes: Vec<String>,
    /// The only project that it can read and record; `None`: all of them.
    pub project: Option<String>,
    /// The SHA-256 of the token's text.
    pub token_sha256: Vec<u8>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl Store {
    /// Stores a new token.
    ///
    /// # Errors
    /// [`Error::Conflict`] if a valid token has this name.
    pub async fn insert_token(
        &self,
        token_id: &str,
        name: &str,
        scopes: &[&str],
        project: Option<&str>,
        token_sha256: &[u8],
    ) -> Result<()> {
        let client = self.client().await?;
        let insert = "INSERT INTO arc_recorder.access_tokens (token_id, name, scopes, project,
                 token_sha256)
             VALUES ($1, $2, $3, $4, $5)";
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
            [&token_id, &name, &scopes, &project, &token_sha256];
        let inserted = client.execute(insert, &values).await;
        match inserted {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {
                Err(Error::conflict(format!("a token with the name {name:?} already exists"))
                    .with_hint(format!(
                        "choose another name, or revoke it: arc-host token revoke {name}"
                    )))
            }
            Err(error) => Err(Error::postgres("keep the token", error)),
        }
    }

    /// Returns all tokens, the oldest first, including revoked ones.
    ///
    /// # Errors
    /// [`Error::Database`] or [`Error::Unavailable`].
    pub async fn tokens(&self) -> Result<Vec<TokenRow>> {
        let select = Statement::new(
            "SELECT token_id, name, scopes, token_sha256, created_at, revoked_at, project
             FROM arc_recorder.access_tokens ORDER BY created_at, token_id",
        );
        let rows = self.rows(&select, "read the tokens").await?;
        let token = |row: &tokio_postgres::Row| TokenRow {
            token_id: row.get(0),
            name: row.get(1),
            scopes: row.get(2),
            token_sha256: row.get(3),
            created_at: row.get(4),
            revoked_at: row.get(5),
            project: row.get(6),
        };
        Ok(rows.iter().map(token).collect())
    }

    /// Revokes the token with this id or name, and returns its id. A repetition changes nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`] if no token has this id or name.
    pub async fn revoke_token(&self, id_or_name: &str) -> Result<String> {
        let update = Statement::new(
            "WITH moment AS MATERIALIZED (SELECT pg_catalog.clock_timestamp() AS now)
             UPDATE arc_recorder.access_tokens SET revoked_at = coalesce(revoked_at, moment.now)
             FROM moment
             WHERE token_id = $1 OR (name = $1 AND revoked_at IS NULL) RETURNING token_id",
        )
        .with(id_or_name.to_owned());
        let rows = self.rows(&update, "revoke the token").await?;
        rows.first().map(|row| row.get(0)).ok_or_else(|| {
            Error::not_found(format!("no token that works has the id or name {id_or_name:?}"))
                .with_hint("list them with `arc-host token list`")
        })
    }
}
