//! The text of a token, its hash, and its scopes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::error::{Error, Result};
use crate::identity::hexadecimal;

/// The prefix of tokens, by which scanners of repositories can find them.
const PREFIX: &str = "arc_";

/// The number of random bytes of a token's id.
const ID_BYTES: usize = 8;

/// The number of random bytes of the secret.
const SECRET_BYTES: usize = 32;

/// What a token is allowed to do.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Queries: status, outcomes, health, metrics.
    Read,
    /// Everything that records results.
    Record,
    /// Everything.
    Admin,
}

impl Scope {
    /// Returns the scope's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::Record => "record",
            Scope::Admin => "admin",
        }
    }

    /// Returns whether this scope includes the required one.
    pub fn allows(self, needed: Scope) -> bool {
        self == needed || self == Scope::Admin
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(name: &str) -> std::result::Result<Self, String> {
        [Scope::Read, Scope::Record, Scope::Admin]
            .into_iter()
            .find(|scope| scope.as_str() == name)
            .ok_or_else(|| format!("invalid scope: {name:?} (expected read, record or admin)"))
    }
}

/// A token: `arc_`, its id, and its secret. It is shown once, when it is created.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    text: String,
}

impl Token {
    /// Creates a token from the system's random numbers.
    ///
    /// # Errors
    /// [`Error::Configuration`] if the system provides none.
    pub fn make() -> Result<Self> {
        let (mut id, mut secret) = ([0; ID_BYTES], [0; SECRET_BYTES]);
        getrandom::fill(&mut id).and_then(|()| getrandom::fill(&mut secret)).map_err(|error| {
            Error::configuration("the system provides no random bytes").with_source(error)
        })?;
        Ok(Token { text: format!("{PREFIX}{}_{}", hexadecimal(&id), hexadecimal(&secret)) })
    }

    /// Parses a token; returns `None` if the text is not a token.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let digits = |part: &str, bytes: usize| {
            part.len() == bytes * 2
                && part.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
        };
        (digits(id, ID_BYTES) && digits(secret, SECRET_BYTES))
            .then(|| Token { text: text.to_owned() })
    }

    /// Returns the part that is not secret.
    pub fn id(&self) -> &str {
        let start = PREFIX.len();
        self.text.get(start..start + ID_BYTES * 2).unwrap_or_default()
    }

    /// Returns the full text with the secret, for the user of the token.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// Returns the hash that is stored. The secret has 256 random bits, so it cannot be
    /// guessed, and a slow hash would only slow down requests.
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(&self.text).into()
    }

    /// Returns whether it has this hash, in constant time.
    pub fn has_sha256(&self, hash: &[u8]) -> bool {
        self.sha256().ct_eq(hash).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "Token({PREFIX}{}_…)", self.id())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_made_and_never_shown() {
        let token = Token::make().unwrap();
        let read = Token::parse(token.reveal()).unwrap();
        assert_eq!(read, token);
        assert!(read.has_sha256(&token.sha256()));
        assert!(!read.has_sha256(&Token::make().unwrap().sha256()));
        assert!(!read.has_sha256(&[]));
        let shown = format!("{token:?}");
        let (_, secret) = token.reveal().rsplit_once('_').unwrap();
        assert!(shown.contains(token.id()) && !shown.contains(secret), "{shown}");
    }

    #[test]
    fn admin_includes_all_scopes_and_the_others_only_themselves() {
        for (scope, read, record, admin) in [
            (Scope::Read, true, false, false),
            (Scope::Record, false, true, false),
            (Scope::Admin, true, true, true),
        ] {
            let allowed = [Scope::Read, Scope::Record, Scope::Admin].map(|it| scope.allows(it));
            assert_eq!(allowed, [read, record, admin], "{scope:?}");
            assert_eq!(scope.as_str().parse(), Ok(scope));
        }
        assert!("write".parse::<Scope>().unwrap_err().contains("write"));
    }

    proptest! {
        #[test]
        fn only_tokens_are_read(text in "(arc_)?[0-9a-fA-F_é]{0,90}") {
            if let Some(token) = Token::parse(&text) {
                prop_assert_eq!(token.reveal(), &text);
                prop_assert_eq!(token.id().len(), 16);
            }
        }
    }
}
