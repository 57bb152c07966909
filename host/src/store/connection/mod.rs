//! Connections: from a URL, a keyword/value string and the libpq variables to a pool of sessions.
//!
//! | module | contents |
//! |---|---|
//! | [`parse`] | URLs and keyword/value strings as named parameters |
//! | [`resolve`] | parameters, variables, files and libpq's defaults as settings |
//! | [`targets`] | the servers of a list |
//! | [`passfile`] | passwords from `~/.pgpass` |
//! | [`settings`] | [`ConnectionSettings`]: the result of all of these |
//! | [`environment`] | the same as variables for other programs |
//! | [`tls`] | rustls for every `sslmode`, client certificates, channel binding |
//! | [`certificate`] | the few fields of a certificate that rustls does not expose |
//! | [`connect`] | one connection: hosts in turn, with and without TLS, roles, poolers |
//! | [`connect_failure`] | reasons for a failed connection |
//! | [`pool`] | the pool |
//! | [`session`] | statements, named or not, on a connection or in a transaction |
//! | [`watch`] | connections on which no answer can arrive any more |

mod certificate;
mod connect;
mod connect_failure;
mod environment;
#[cfg(any(test, fuzzing))]
mod fuzzing;
mod parse;
mod passfile;
mod pool;
mod resolve;
mod session;
mod settings;
mod targets;
mod tls;
mod watch;

pub(super) use connect::{Connector, is_pglite};
#[cfg(any(test, fuzzing))]
pub(crate) use fuzzing::connections as fuzz_connections;
pub(super) use pool::{Manager, Pool};
pub(super) use session::{GenericClient, PreparedStatement, Session, Transaction};
pub(super) use settings::CONNECT_TIMEOUT;
pub use settings::ConnectionSettings;
