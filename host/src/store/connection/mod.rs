//! Connections: from a URL, a key=value string and the libpq variables to a pool of sessions.
//!
//! | module | what it holds |
//! |---|---|
//! | [`parse`] | URLs and key=value strings as named parameters |
//! | [`settings`] | parameters, variables and libpq's defaults as [`ConnectionSettings`] |
//! | [`passfile`] | passwords from `~/.pgpass` |
//! | [`tls`] | rustls for every `sslmode`, client certificates, channel binding |
//! | [`certificate`] | the few fields of a certificate that rustls does not give |
//! | [`connect`] | one connection: hosts in turn, with and without TLS, roles, poolers |
//! | [`pool`] | the pool |
//! | [`session`] | statements, named or not, on a connection or in a transaction |

mod certificate;
mod connect;
#[cfg(any(test, fuzzing))]
mod fuzzing;
mod parse;
mod passfile;
mod pool;
mod session;
mod settings;
mod tls;

pub(super) use connect::Connector;
#[cfg(any(test, fuzzing))]
pub(crate) use fuzzing::connections as fuzz_connections;
pub(super) use pool::{Manager, Pool};
pub(super) use session::{GenericClient, Session, Transaction};
pub(super) use settings::CONNECT_TIMEOUT;
pub use settings::ConnectionSettings;
