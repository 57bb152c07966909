//! The databases that the recorder runs on: schema creation and changes, retention, and the recorder's own tests
//! on other versions and servers.
//!
//! | variable | value |
//! |---|---|
//! | `ARC_TEST_POSTGRES_BINS` | folders of `initdb` and `postgres` of other versions, separated by colons |
//! | `ARC_TEST_PGLITE` | a folder with the `node_modules` of the npm build of PGlite with TimescaleDB |
//! | `ARC_TEST_TIMESCALE_URL`, `ARC_TEST_CITUS_URL` | servers in which the tests can create databases |

mod migrating;
pub(crate) mod pglite;
mod retention;
mod suites;
