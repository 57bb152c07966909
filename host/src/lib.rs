//! Arc Recorder's host: records the results of AI-agent evaluations in PostgreSQL, exactly once.
//!
//! Data flows one way:
//!
//! ```text
//! runner ──JSON──▶ recorder ──▶ extraction (component, sandboxed, pure) ──▶ typed fields + spans
//!                      └──────▶ store (pooled PostgreSQL) ◀── fields + the document, untouched
//! ```
//!
//! | module | purpose |
//! |---|---|
//! | [`recorder`] | receives results, extracts and stores them; a verdict for each |
//! | [`extraction`] | the wasmtime engine and the sandboxed component that interprets a result |
//! | [`runners`] | runners that are components themselves: the `recorder` interface, and a host that runs them |
//! | [`store`] | everything that is SQL |
//! | [`delivery`] | calls that record: to a destination, or to the spool while the destination is unavailable |
//! | [`spool`] | a durable store of calls that could not be recorded yet |
//! | [`service`] | the same calls over HTTP |
//! | [`client`] | the client of the service |
//! | [`access`] | the tokens with which the service is used |
//! | [`export`] | outcomes as files and tables for other programs: Parquet, CSV, JSON lines, Arrow |
//! | [`wire`] | the bodies of requests and answers over HTTP |
//! | [`database`] | from settings to an open database: the configured one, or the embedded one |
//! | [`embedded`] | a private PostgreSQL if no database is configured |
//! | [`documents`] | files of results as streams of framed documents |
//! | [`formats`] | which component reads the results of which evaluation tool |
//! | [`identity`] | ids that are derived from content |
//! | [`cli`] | the command line |
//! | [`Error`] | the errors, and whether a retry can succeed |
//!
//! Features; without any of them there are the recorder, the store, extraction, documents and formats:
//!
//! | feature | adds |
//! |---|---|
//! | `default` | `allocator` and `cli`, and so all of them: the program `arc-host` |
//! | `allocator` | mimalloc as the allocator of the program; the library has none |
//! | `cli` | [`cli`], with everything that a command needs: all features but `allocator` |
//! | `client` | [`client`], [`wire`], [`spool`] and [`delivery`]: recording over HTTP, and storing calls that cannot be recorded yet |
//! | `embedded` | [`embedded`] and [`database`]: a private PostgreSQL |
//! | `export` | [`export`]: Parquet, CSV, JSON lines, Arrow; with `client` |
//! | `runners` | [`runners`]: runners that are components; with `wasi` |
//! | `service` | [`service`] and [`access`]: recording over HTTP, the server's side; with `client` |
//! | `wasi` | formats whose components import WASI |
//!
//! Recording from Rust:
//!
//! ```no_run
//! use arc_host::extraction::{ExtractionSettings, Extractor};
//! use arc_host::recorder::{SimulationStart, Submission};
//! use arc_host::store::{ConnectionSettings, Store};
//! use arc_host::Recorder;
//!
//! # async fn record() -> arc_host::Result<()> {
//! let settings = ConnectionSettings::from_url("postgresql://arc@db.example/arc")?;
//! let store = Store::with_settings(&settings, 8)?;
//! store.migrate().await?;
//! let recorder = Recorder::new(Extractor::built_in(&ExtractionSettings::default())?, store).await?;
//!
//! let started = recorder
//!     .start_simulation(SimulationStart {
//!         config_version_id: recorder.create_configuration("agent", r#"{"model": "m-1"}"#, None).await?,
//!         scenarios: r#"[{"id": "greet", "task_prompt": "Say hello."}]"#.to_owned(),
//!         ..SimulationStart::default()
//!     })
//!     .await?;
//! let result = r#"{"scenario": {"id": "greet"}, "trajectory": {"status": "success"}, "reliability_score": 1}"#;
//! let outcome_id = recorder.record_outcome(started.simulation_id, Submission::new(result)).await?;
//! let completed = recorder.complete_simulation(started.simulation_id, None).await?;
//! recorder.close().await;
//! # let _ = (outcome_id, completed);
//! # Ok(())
//! # }
//! ```

#![recursion_limit = "256"]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "tests fail by panicking"
    )
)]
#![cfg_attr(
    not(feature = "cli"),
    allow(dead_code, unused_imports, reason = "parts of it are used only by modules of a feature")
)]

#[cfg(feature = "service")]
pub mod access;
pub mod analysis;
mod backoff;
mod bindings;
mod blocking;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "client")]
pub mod client;
mod component_cache;
#[cfg(feature = "embedded")]
pub mod database;
#[cfg(feature = "client")]
pub mod delivery;
pub mod documents;
#[cfg(feature = "embedded")]
pub mod embedded;
mod error;
#[cfg(feature = "export")]
pub mod export;
pub mod extraction;
pub mod formats;
#[cfg(all(any(test, fuzzing), feature = "cli"))]
pub mod fuzzing;
pub mod identity;
mod json_text;
#[doc(hidden)]
pub mod lock;
mod paging;
mod reason;
pub mod recorder;
#[cfg(feature = "runners")]
pub mod runners;
#[cfg(feature = "service")]
pub mod service;
#[cfg(feature = "client")]
pub mod spool;
pub mod store;
#[cfg(any(feature = "client", feature = "embedded"))]
mod tls;
#[cfg(feature = "client")]
pub mod wire;

pub use error::{Error, ErrorDetail, ErrorKind, Result};
pub use json_text::{JsonStr, JsonText};
pub use recorder::Recorder;
