//! End-to-end tests: the real program, real PostgreSQL, real components.
//!
//! | module | subject |
//! |---|---|
//! | [`clocks`] | services whose clocks differ, and the order of attempts |
//! | [`command_line`] | answers, exit codes, help |
//! | [`component`] | the component on its own: imports, verdicts, limits, the wasmtime command |
//! | [`connections`] | TLS in every mode, certificates, lists of hosts, libpq's variables, PgBouncer |
//! | [`containers`] | the forms of a file of results, and the handling of broken files |
//! | [`databases`] | layouts, migrations, retention; the recorder's tests on other servers |
//! | [`documentation`] | the README and the pages of `docs/`: commands, output, links, names |
//! | [`embedded`] | the private PostgreSQL: shared, killed, moved, refused |
//! | [`embedding`] | the component in Python, Node, a browser and C, and its core module |
//! | [`errors`] | errors with their sources and hints, at each edge |
//! | [`exports`] | files for other programs: every format, complete or not written at all |
//! | [`formats`] | components that read the files of other tools, including hostile ones |
//! | [`faults`] | no result is lost or stored twice when processes are killed |
//! | [`late_results`] | figures that are frozen, and results that arrive later |
//! | [`manual`] | the manual's pages, and completions of shells |
//! | [`origin`] | who ran what, tokens by role and model, prices |
//! | [`packages`] | crates contain the files that their builds need, and nothing else |
//! | [`pages`] | paged lists and their cursors |
//! | [`plans`] | which indexes the important queries use |
//! | [`growing_plans`] | plans whose scenarios are not run equally often, and that grow with every log |
//! | [`history`] | rejected results replayed, outcomes extracted again |
//! | [`python`] | the Python package: its own tests, against the wheel |
//! | [`queries`] | performance by the hour, the latest failures, how simulations end |
//! | [`recorder_api`] | the recorder as a Rust library |
//! | [`recording`] | files in, outcomes out: the fixtures, real results, duplicates, rejections |
//! | [`references`] | simulations by a prefix of the id, by name, and as the latest |
//! | [`removal`] | simulations that are renamed, tagged and removed |
//! | [`runners`] | runners that are components: recording, grants, exit |
//! | [`schema`] | migrations, the databases that are refused, views, columns, spans |
//! | [`search_path`] | functions and operators of other roles, which no statement calls |
//! | [`service`] | the recorder over HTTP: calls, limits, tokens, the spool, operation |
//! | [`simulations`] | how results are assigned to simulations: ids, plans, trials, attempts, figures |
//! | [`soak`] | all calls at once while the database is restarted and the service is killed |
//! | [`state_machine`] | random steps, compared with a model after each |
//! | [`terminal`] | pipes that close, Ctrl-C, secrets, control characters |
//! | [`typescript`] | the TypeScript package: packed, installed, in every runtime, in bundles |
//! | [`watch`] | `status --watch` |

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    unreachable_pub,
    reason = "tests fail by panicking, and print to standard output what they skip"
)]

mod clocks;
mod command_line;
mod comparison;
mod component;
mod connections;
mod containers;
mod databases;
mod documentation;
mod embedded;
mod embedding;
mod errors;
mod exports;
mod failure_classes;
mod faults;
mod formats;
mod growing_plans;
mod history;
mod import_arc;
mod late_results;
mod manual;
mod origin;
mod packages;
mod pages;
mod plans;
mod python;
mod queries;
mod recorder_api;
mod recording;
mod references;
mod removal;
mod review;
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
