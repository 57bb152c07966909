//! The registry of valid tokens.
//!
//! The service reads them from the database every few seconds and looks them up in memory, so no request
//! waits for the database, and a revoked token soon stops working in every service. A file with a copy of
//! the hashes is used by a service that starts while the database is unavailable.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::token::{Scope, Token};
use crate::error::{Error, Result};
use crate::store::Store;

/// The owner of a token.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Bearer {
    /// The part of the token that is not secret.
    pub token_id: String,
    /// The token's name.
    pub name: String,
    /// The scopes of the token.
    pub scopes: Vec<Scope>,
    /// The only project that it can read and record; `None`: all of them.
    #[serde(default)]
    pub project: Option<String>,
}

/// Why access is refused. No message contains a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// The text is not a token, or the token is not valid.
    #[error("the token is unknown or was revoked")]
    Unknown,
    /// The token lacks the required scope.
    #[error("the token {name:?} lacks the required scope {needed}", needed = needed.as_str())]
    MissingScope {
        /// The token's name.
        name: String,
        /// The required scope.
        needed: Scope,
    },
}

impl AccessError {
    /// Returns what the client can do, if the text does not show it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            AccessError::Unknown => Some("ask for another one (arc-host token create)"),
            AccessError::MissingScope { .. } => None,
        }
    }
}

/// A valid token.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
struct ValidToken {
    token_sha256: Vec<u8>,
    bearer: Bearer,
}

/// The valid tokens, by id. Cheap to clone.
#[derive(Clone, Debug)]
pub struct TokenRegistry {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    store: Store,
    copy: Option<PathBuf>,
    /// Whether the copy differs from the tokens in memory.
    copy_is_stale: AtomicBool,
    tokens: watch::Sender<Arc<HashMap<String, ValidToken>>>,
}

impl TokenRegistry {
    /// Creates a registry with the tokens of the copy, if it exists, until [`TokenRegistry::refresh`]
    /// reads those of the database. The copy contains hashes only.
    pub fn new(store: Store, copy: Option<PathBuf>) -> Self {
        let tokens = copy.as_deref().and_then(read_copy).unwrap_or_default();
        let tokens = watch::Sender::new(Arc::new(tokens));
        let copy_is_stale = AtomicBool::new(false);
        TokenRegistry { shared: Arc::new(Shared { store, copy, copy_is_stale, tokens }) }
    }

    fn tokens(&self) -> Arc<HashMap<String, ValidToken>> {
        Arc::clone(&self.shared.tokens.borrow())
    }

    /// Reads the tokens again. If the database is unavailable, the current ones are kept.
    ///
    /// # Errors
    /// An error of the database; [`Error::Io`] if the copy cannot be written, which does not affect
    /// revocations, and is retried the next time.
    pub async fn refresh(&self) -> Result<()> {
        let rows = self.shared.store.tokens().await?;
        let mut tokens = HashMap::new();
        for row in rows.into_iter().filter(|row| row.revoked_at.is_none()) {
            // An unknown scope, from a newer program, allows nothing here.
            let scopes = row.scopes.iter().filter_map(|name| name.parse().ok()).collect();
            let (name, project) = (row.name, row.project);
            let bearer = Bearer { token_id: row.token_id.clone(), name, scopes, project };
            tokens.insert(row.token_id, ValidToken { token_sha256: row.token_sha256, bearer });
        }
        let tokens = Arc::new(tokens);
        if *self.tokens() != *tokens {
            self.shared.tokens.send_replace(Arc::clone(&tokens));
            self.shared.copy_is_stale.store(true, Ordering::Relaxed);
        }
        if let Some(path) = &self.shared.copy
            && self.shared.copy_is_stale.load(Ordering::Relaxed)
        {
            write_copy(path, &tokens)?;
            self.shared.copy_is_stale.store(false, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Returns the owner of a token with the required scope, or of any valid token if no scope is
    /// required. Takes the same time for every secret.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn check(
        &self,
        presented: &str,
        needed: Option<Scope>,
    ) -> std::result::Result<Bearer, AccessError> {
        let token = Token::parse(presented).ok_or(AccessError::Unknown)?;
        let tokens = self.tokens();
        let valid = tokens.get(token.id()).ok_or(AccessError::Unknown)?;
        if !token.has_sha256(&valid.token_sha256) {
            return Err(AccessError::Unknown);
        }
        valid.allows(needed)?;
        Ok(valid.bearer.clone())
    }

    /// Watches a token, for work that continues after its request was authorized.
    pub fn follow(&self, token_id: &str, needed: Option<Scope>) -> TokenWatch {
        let tokens = self.shared.tokens.subscribe();
        TokenWatch { tokens, token_id: token_id.to_owned(), needed }
    }

    /// Returns the number of valid tokens.
    pub fn count(&self) -> usize {
        self.tokens().len()
    }
}

impl ValidToken {
    fn allows(&self, needed: Option<Scope>) -> std::result::Result<(), AccessError> {
        let bearer = &self.bearer;
        let allowed = |needed| bearer.scopes.iter().any(|scope| scope.allows(needed));
        match needed.filter(|needed| !allowed(*needed)) {
            None => Ok(()),
            Some(needed) => Err(AccessError::MissingScope { name: bearer.name.clone(), needed }),
        }
    }
}

/// Watches whether a token is still valid.
#[derive(Clone, Debug)]
pub struct TokenWatch {
    tokens: watch::Receiver<Arc<HashMap<String, ValidToken>>>,
    token_id: String,
    needed: Option<Scope>,
}

impl TokenWatch {
    /// Checks that the token is still valid.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn check(&self) -> std::result::Result<(), AccessError> {
        let tokens = self.tokens.borrow();
        tokens.get(&self.token_id).ok_or(AccessError::Unknown)?.allows(self.needed)
    }

    /// Waits until the token is no longer valid, and returns the reason.
    pub async fn ended(&mut self) -> AccessError {
        loop {
            self.tokens.mark_unchanged();
            if let Err(error) = self.check() {
                return error;
            }
            if self.tokens.changed().await.is_err() {
                // The tokens are no longer reloaded, so the token remains valid.
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Returns the tokens of a copy, or `None` if it does not exist or is not valid.
fn read_copy(path: &Path) -> Option<HashMap<String, ValidToken>> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Writes the copy atomically, readable by this user only.
fn write_copy(path: &Path, tokens: &HashMap<String, ValidToken>) -> Result<()> {
    let failed = |error| Error::io(format!("could not write {}", path.display()), error);
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    let text = serde_json::to_vec(tokens).map_err(|error| failed(error.into()))?;
    file.write_all(&text).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}
