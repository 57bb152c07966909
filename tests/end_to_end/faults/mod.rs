//! The guarantees under faults, tested with real processes: no acknowledged result is lost or altered,
//! none is stored twice, and none is stuck in a spool when the fault is over.
//!
//! | module | subject |
//! |---|---|
//! | [`kills`] | the host, the database and both, killed with SIGKILL |
//! | [`clocks`] | two services whose clocks are minutes apart |
//! | [`commands`] | the command line killed and repeated, concurrent with another, on a file that changes |
//! | [`conditions`] | a database that is slow, full, read-only or has no connection left |
//! | [`failover`] | a primary that is killed and replaced by its standby |
//! | [`spool`] | a spool whose disk is full or whose file is damaged, or without its simulation's start |
//! | [`network`] | connections that stall, are cut and are forgotten: to the database, to the service |
//!
//! | helper | contents |
//! |---|---|
//! | `senders` | runners that send continuously, to a service and directly to the database |
//! | `ledger` | the results sent and acknowledged, compared with the database |
//! | `run` | a run: rounds, moments, the final check, and the summary line |
//! | `proxy` | a network between two processes that can be slowed, stalled and cut |
//!
//! A moment is defined by progress, such as the hundredth acknowledgement from now, and drawn from a
//! seed that is printed. `ARC_TEST_FAULT_SEED` sets the seed, and `ARC_TEST_FAULT_ROUNDS` the number of
//! rounds of each test:
//!
//!     ARC_TEST_FAULT_ROUNDS=50 cargo test --release --test end_to_end faults::

mod clocks;
mod commands;
mod conditions;
mod failover;
mod kills;
mod ledger;
mod network;
mod proxy;
mod run;
mod senders;
mod spool;
