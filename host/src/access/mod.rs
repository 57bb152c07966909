//! Access to the service: tokens, what they allow, and which of them a service knows.
//!
//! | module | what it is about |
//! |---|---|
//! | `token` | the text of a token, its hash, its scopes |
//! | `registry` | the tokens that a service knows, read anew while it runs |

mod registry;
mod token;

pub use registry::{AccessError, Bearer, TokenRegistry, TokenWatch};
pub use token::{Scope, Token};
