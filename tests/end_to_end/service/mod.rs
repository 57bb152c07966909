//! The service over real sockets.
//!
//! | module | subject |
//! |---|---|
//! | [`recording`] | the calls over HTTP/1.1 and HTTP/2: single, batches, streams, compressed, repeated |
//! | [`streams`] | streams: their limits, their ends, and fairness to other requests |
//! | [`failures`] | results that the database refuses, and the caller's error |
//! | [`database_faults`] | a database that cannot be used as it is, and a statement that it rejects |
//! | [`limits`] | each limit, exceeded |
//! | [`beside`] | fields beside results are applied, or the request is refused |
//! | [`protocol`] | limits of TLS and HTTP/2 |
//! | [`access`] | tokens and their scopes, revoked while it runs; TLS |
//! | [`spool`] | the database unavailable, back, unavailable; the service killed; the spool full |
//! | [`operation`] | shutdown, readiness, events, logs, metrics, settings, the OpenAPI document |
//! | [`delivery`] | a spool in a client's process |
//! | [`commands`] | the command line over the service |
//! | [`worst_requests`] | the worst request of each path: memory, liveness, pages, answers |
//! | [`formats`] | results of other formats: items, whole files, the spool |

mod access;
mod beside;
mod commands;
mod database_faults;
mod delivery;
mod failures;
mod formats;
mod limits;
mod operation;
mod projects;
mod protocol;
mod recording;
mod spool;
mod streams;
mod worst_requests;
