//! The structure of `host/src`: which module may import which, where HTTP and SQL may be, and what its features bring.
//!
//! | module | what it does |
//! |---|---|
//! | [`floors`] | the floors of the modules, and what imports upwards |
//! | [`borders`] | the crates and the strings that belong to a few modules |
//! | [`features`] | the features of the crate, and how many crates each build has |
//! | [`sources`] | the files of `host/src`, and the paths that they name |
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
