//! What is promised about faults, against real processes: nothing that was acknowledged is lost or
//! altered, nothing is stored twice, and nothing is stuck in a spool when the fault is over.
//!
//! | module | what it shows |
//! |---|---|
//! | [`kills`] | the host, the database and both, ended with SIGKILL |
//! | [`clocks`] | two services whose clocks are minutes apart |
//! | [`commands`] | the command line killed and repeated, at once with another, on a file that changes |
//! | [`conditions`] | a database that is slow, full, read-only or has no connection left |
//! | [`failover`] | a primary that is killed, and its standby that takes its place |
//! | [`spool`] | a spool whose disk is full, whose file is damaged, whose simulation starts elsewhere |
//! | [`network`] | connections that stall, are cut and are forgotten: to the database, to the service |
//!
//! | part | what it does |
//! |---|---|
//! | `senders` | runners that send all the time, to a service and straight to the database |
//! | `ledger` | what was sent and what was acknowledged, and what the database has of it |
//! | `run` | a run: rounds, moments, the check, the line that sums it up |
//! | `proxy` | a network between two processes, to be slowed, stalled and cut |
//!
//! A moment is tied to progress, such as the hundredth acknowledgement from now, and drawn from a
//! seed that is shown. `ARC_TEST_FAULT_SEED` gives the same seed again, and
//! `ARC_TEST_FAULT_ROUNDS` the number of rounds of each test:
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
