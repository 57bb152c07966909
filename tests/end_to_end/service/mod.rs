//! The service over real sockets.
//!
//! | module | what it shows |
//! |---|---|
//! | [`recording`] | the calls over HTTP/1.1 and HTTP/2: single, batches, streams, compressed, repeated |
//! | [`limits`] | each limit, broken |
//! | [`access`] | tokens and their scopes, revoked while it runs; TLS |
//! | [`spool`] | the database away, back, away; the service killed; the spool full |
//! | [`operation`] | its end, its readiness, events, logs, metrics, settings, the OpenAPI document |
//! | [`delivery`] | a spool in a client's process |
//! | [`commands`] | the command line over the service |

mod access;
mod commands;
mod delivery;
mod limits;
mod operation;
mod recording;
mod spool;
