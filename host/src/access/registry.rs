//! The tokens that a service knows.
//!
//! They are read from the database when the service asks for it, every few seconds, and looked up
//! in memory: no request waits for the database, and a revoked token stops working soon, in every
//! service. A copy of the hashes in a file serves a service that starts while the database is unavailable.

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

/// Who presents a token.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Bearer {
    /// The part of the token that is no secret.
    pub token_id: String,
    /// The token's name.
    pub name: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
}

/// Why somebody does not get in. No text shows a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// The text is no token, or none that works.
    #[error("the token is unknown or was revoked")]
    Unknown,
    /// The token does not allow this.
    #[error("the token {name:?} lacks the scope {needed} that this needs", needed = needed.word())]
    MissingScope {
        /// The token's name.
        name: String,
        /// What is needed.
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

/// A token that works.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
struct Known {
    token_sha256: Vec<u8>,
    bearer: Bearer,
}

/// The tokens that work, by id. Cheap to clone.
#[derive(Clone, Debug)]
pub struct TokenRegistry {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    store: Store,
    copy: Option<PathBuf>,
    /// Whether the copy has other tokens than those that are known.
    copy_is_stale: AtomicBool,
    known: watch::Sender<Arc<HashMap<String, Known>>>,
}

impl TokenRegistry {
    /// Knows the tokens of the copy, if there is one, until [`TokenRegistry::refresh`] reads those
    /// of the database. The copy holds hashes only.
    pub fn new(store: Store, copy: Option<PathBuf>) -> Self {
        let known = copy.as_deref().and_then(read_copy).unwrap_or_default();
        let known = watch::Sender::new(Arc::new(known));
        let copy_is_stale = AtomicBool::new(false);
        TokenRegistry { shared: Arc::new(Shared { store, copy, copy_is_stale, known }) }
    }

    fn known(&self) -> Arc<HashMap<String, Known>> {
        Arc::clone(&self.shared.known.borrow())
    }

    /// Reads the tokens anew. Those that are known stay where the database is unavailable.
    ///
    /// # Errors
    /// An error of the database; [`Error::Io`] where the copy cannot be written, which keeps no
    /// revocation from working, and is tried again the next time.
    pub async fn refresh(&self) -> Result<()> {
        let rows = self.shared.store.tokens().await?;
        let mut known = HashMap::new();
        for row in rows.into_iter().filter(|row| row.revoked_at.is_none()) {
            // A scope that only a newer program knows allows nothing here.
            let scopes = row.scopes.iter().filter_map(|word| word.parse().ok()).collect();
            let bearer = Bearer { token_id: row.token_id.clone(), name: row.name, scopes };
            known.insert(row.token_id, Known { token_sha256: row.token_sha256, bearer });
        }
        let known = Arc::new(known);
        if *self.known() != *known {
            self.shared.known.send_replace(Arc::clone(&known));
            self.shared.copy_is_stale.store(true, Ordering::Relaxed);
        }
        if let Some(path) = &self.shared.copy
            && self.shared.copy_is_stale.load(Ordering::Relaxed)
        {
            write_copy(path, &known)?;
            self.shared.copy_is_stale.store(false, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Who presents a token that allows what is needed, or, where nothing is, any token that works.
    /// Takes the same time for every secret.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn check(
        &self,
        presented: &str,
        needed: Option<Scope>,
    ) -> std::result::Result<Bearer, AccessError> {
        let token = Token::parse(presented).ok_or(AccessError::Unknown)?;
        let known = self.known();
        let known = known.get(token.id()).ok_or(AccessError::Unknown)?;
        if !token.has_sha256(&known.token_sha256) {
            return Err(AccessError::Unknown);
        }
        known.allows(needed)?;
        Ok(known.bearer.clone())
    }

    /// Follows a token that has been presented, for what goes on after its request was let in.
    pub fn follow(&self, token_id: &str, needed: Option<Scope>) -> TokenWatch {
        let known = self.shared.known.subscribe();
        TokenWatch { known, token_id: token_id.to_owned(), needed }
    }

    /// How many tokens work.
    pub fn count(&self) -> usize {
        self.known().len()
    }
}

impl Known {
    fn allows(&self, needed: Option<Scope>) -> std::result::Result<(), AccessError> {
        let bearer = &self.bearer;
        let allowed = |needed| bearer.scopes.iter().any(|scope| scope.allows(needed));
        match needed.filter(|needed| !allowed(*needed)) {
            None => Ok(()),
            Some(needed) => Err(AccessError::MissingScope { name: bearer.name.clone(), needed }),
        }
    }
}

/// Says when a token stops working.
#[derive(Clone, Debug)]
pub struct TokenWatch {
    known: watch::Receiver<Arc<HashMap<String, Known>>>,
    token_id: String,
    needed: Option<Scope>,
}

impl TokenWatch {
    /// Whether the token works still.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn check(&self) -> std::result::Result<(), AccessError> {
        let known = self.known.borrow();
        known.get(&self.token_id).ok_or(AccessError::Unknown)?.allows(self.needed)
    }

    /// Waits until the token does not work any more, and says why.
    pub async fn ended(&mut self) -> AccessError {
        loop {
            self.known.mark_unchanged();
            if let Err(error) = self.check() {
                return error;
            }
            if self.known.changed().await.is_err() {
                // Nobody reads the tokens any more; what works then works to the end.
                std::future::pending::<()>().await;
            }
        }
    }
}

/// The tokens of a copy; nothing where it is not there, or not what was written.
fn read_copy(path: &Path) -> Option<HashMap<String, Known>> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Writes the copy beside its place, readable by this user alone, and moves it there.
fn write_copy(path: &Path, known: &HashMap<String, Known>) -> Result<()> {
    let failed = |error| Error::io(format!("could not write {}", path.display()), error);
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    let text = serde_json::to_vec(known).map_err(|error| failed(error.into()))?;
    file.write_all(&text).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}
