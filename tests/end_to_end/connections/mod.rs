//! Connections: TLS in every `sslmode`, certificates, lists of hosts, libpq's variables, poolers.

mod encryption;
mod pooler;
mod server;
mod settings;
