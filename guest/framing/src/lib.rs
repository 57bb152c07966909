//! Finds the start and end of the JSON documents in a stream, without parsing them.
//!
//! Only strings, brackets and separators are examined: the meaning of a document, and whether its
//! numbers and escapes are valid, is left to the parser. One state machine serves both a stream of
//! any size in bounded memory ([`Framer`]) and a text in memory without copies ([`split()`]), so
//! that both return the same result, regardless of how the stream is divided into chunks.
//!
//! | module | contents |
//! |---|---|
//! | `container` | the container type of a stream, and the limits |
//! | `frame` | a document that was found, and its problem |
//! | `error` | streams that are rejected as a whole, by their first bytes |
//! | `framer` | the streaming interface, which copies documents |
//! | `split` | the in-memory interface, which returns positions |
//! | `elements` | values inside documents, by their path |
//! | `envelope` | the members around `"results"` |
//! | `tree` | documents whose parts form a tree |
//! | `scanner` | the state machine of both interfaces; its documentation has the rules of each container |
//! | `lexer`, `nesting`, `carry_buffer` | strings and structural characters; depth; bytes copied across chunks |
//!
//! ```
//! use arc_framing::{Container, Framer, Limits};
//!
//! let mut framer = Framer::new(Container::Auto, Limits::default());
//! for chunk in [r#"{"suite": "nightly", "resu"#, r#"lts": [{"a": 1}, {"b"#, r#"": 2}]}"#] {
//!     framer.push(chunk.as_bytes())?;
//! }
//! framer.finish()?;
//!
//! assert_eq!(framer.next_frame().unwrap().text(), Some(r#"{"a": 1}"#));
//! assert_eq!(framer.next_frame().unwrap().text(), Some(r#"{"b": 2}"#));
//! assert_eq!(framer.next_frame(), None);
//! assert_eq!(framer.envelope().unwrap().text(), r#"{"suite": "nightly"}"#);
//! # Ok::<(), arc_framing::FramingError>(())
//! ```

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

mod carry_buffer;
mod container;
mod elements;
mod envelope;
mod error;
mod frame;
mod framer;
mod lexer;
mod nesting;
mod scanner;
mod split;
mod tree;

pub use container::{Container, Limits};
pub use elements::{ElementPattern, PatternError};
pub use envelope::{ENVELOPE_LIMIT_BYTES, Envelope, EnvelopeProblem};
pub use error::FramingError;
pub use frame::{Content, Frame, HEAD_BYTES, Problem, Unclosed};
pub use framer::Framer;
pub use split::{Span, Split, split};
pub use tree::{NodeKind, TreeNode, tree_documents};
