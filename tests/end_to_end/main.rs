//! End-to-end tests: the real program, real PostgreSQL, real components.
//!
//! | module | what it shows |
//! |---|---|
//! | [`clocks`] | services whose clocks differ, and attempts that stay in order |
//! | [`command_line`] | answers, exit codes, help |
//! | [`component`] | the component alone: imports, verdicts, limits, the wasmtime command |
//! | [`connections`] | TLS in every mode, certificates, lists of hosts, libpq's variables, PgBouncer |
//! | [`containers`] | what a file of results may look like, and what becomes of a broken one |
//! | [`databases`] | layouts, migrations, retention; the recorder's tests on other servers |
//! | [`documentation`] | the README and the pages of `docs/`: commands, output, links, names |
//! | [`embedded`] | the private PostgreSQL: shared, killed, moved, refused |
//! | [`embedding`] | the component in Python, Node, a browser and C, and its core module |
//! | [`errors`] | what happened, why, and what to do about it, at each edge |
//! | [`exports`] | files for other programs: every format, whole or not there |
//! | [`formats`] | components that read what other tools write, hostile ones among them |
//! | [`faults`] | nothing lost and nothing twice, whatever is killed |
//! | [`late_results`] | figures that are frozen, and the results that come after |
//! | [`manual`] | the manual's pages, and completions of shells |
//! | [`packages`] | crates carry what their builds need, and nothing else |
//! | [`pages`] | lists a page at a time, and their cursors |
//! | [`plans`] | which indexes the important queries use |
//! | [`history`] | rejected results replayed, outcomes extracted again |
//! | [`python`] | the Python package: its own tests, against the wheel |
//! | [`queries`] | performance by the hour, the latest failures, how simulations end |
//! | [`recorder_api`] | the recorder as a Rust library |
//! | [`recording`] | files in, outcomes out: the fixtures, real results, duplicates, rejections |
//! | [`runners`] | runners that are components: what they record, what they are granted, how they end |
//! | [`schema`] | migrations, the databases that are refused, views, columns, spans |
//! | [`search_path`] | functions and operators of other roles, which no statement calls |
//! | [`service`] | the recorder over HTTP: calls, limits, tokens, the spool, its operation |
//! | [`simulations`] | which simulation takes a result: ids, plans, trials, attempts, figures |
//! | [`soak`] | everything at once while the database is restarted and the service is killed |
//! | [`state_machine`] | random steps, compared with a model after each |
//! | [`terminal`] | pipes that close, Ctrl-C, secrets, control characters |
//! | [`typescript`] | the TypeScript package: packed, installed, in Node and in a browser |
//! | [`watch`] | `status --watch` |

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    unreachable_pub,
    reason = "tests fail by panicking, and say on standard output what they skip"
)]

mod clocks;
mod command_line;
mod component;
mod connections;
mod containers;
mod databases;
mod documentation;
mod embedded;
mod embedding;
mod errors;
mod exports;
mod faults;
mod formats;
mod history;
mod late_results;
mod manual;
mod packages;
mod pages;
mod plans;
mod python;
mod queries;
mod recorder_api;
mod recording;
mod runners;
mod schema;
mod search_path;
mod service;
mod simulations;
mod soak;
mod state_machine;
mod support;
mod terminal;
mod typescript;
mod watch;
