//! Access to the service: tokens, their scopes, and the registry of valid tokens.
//!
//! | module | purpose |
//! |---|---|
//! | `token` | the text of a token, its hash, its scopes |
//! | `registry` | the valid tokens, reloaded while the service runs |

mod registry;
mod token;

pub use registry::{AccessError, Bearer, TokenRegistry, TokenWatch};
pub use token::{Scope, Token};
