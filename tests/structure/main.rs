//! The structure of `host/src`: the imports between modules, the modules of HTTP and SQL, and the features.
//!
//! | module | subject |
//! |---|---|
//! | [`floors`] | the floors of the modules, and imports against their order |
//! | [`borders`] | crates and SQL strings that only some modules are allowed to contain |
//! | [`features`] | the features of the crate, and the number of its dependencies |
//! | [`sources`] | the files of `host/src`, and the paths in them |
//! | [`tokens`] | Rust's tokens, without comments |

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod borders;
mod features;
mod floors;
mod sources;
mod tokens;
