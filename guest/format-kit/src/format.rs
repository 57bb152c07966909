//! The interface of a format: the layout of its files, and the extraction of its results.

use arc_framing::TreeNode;

use crate::answer::{Outcome, PlannedScenario, Scenario, SuiteSummary, Violation};
use crate::scenario;

/// The location of the items of a file; see `item-layout` in `wit/container.wit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Items {
    /// A stream of JSON documents.
    Documents,
    /// One JSON document per line.
    Lines,
    /// Values inside JSON documents, at this pointer, in which `*` matches every element.
    Elements(String),
    /// Values inside the JSON document at the first pointer; if it has none, the documents in the files
    /// that the second pattern matches, from the folder of the file.
    ElementsOrFiles(String, String),
    /// Entries of a zip archive whose names match this pattern.
    Entries(String),
}

/// The location of the header of a file; see `header-layout` in `wit/container.wit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Header {
    /// The file has no header.
    None,
    /// The JSON document around the items.
    EnclosingDocument,
    /// The first of these names that is an entry of the archive.
    Entry(Vec<String>),
    /// The JSON array of the items for which [`Format::classify`] returns [`Role::Header`].
    Item,
    /// The JSON array of the file's own name and the content of another file of the same folder, found
    /// by patterns of its name.
    SiblingFile(Vec<String>),
}

/// The layout of a file of results; see `container-layout` in `wit/container.wit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The location of the items.
    pub items: Items,
    /// The location of the header.
    pub header: Header,
    /// Whether the host calls [`Format::classify`] for every item.
    pub classify_items: bool,
}

/// The role of an item; see `item-role` in `wit/container.wit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// A result.
    Result,
    /// A part of the result that has this key.
    Part(String),
    /// A part of a result whose parts form the tree with this key.
    Node(String, TreeNode<String>),
    /// A part of the header of all other items.
    Header,
    /// Any other item.
    Other,
}

/// A result format. The functions are those of `wit/extraction.wit` and `wit/container.wit`. The
/// first argument is the header, or `None` if a result has none.
pub trait Format {
    /// The format's name, stored with every outcome: short, in lower case, such as `inspect`.
    const NAME: &'static str;
    /// Its version (semantic versioning), stored with every outcome.
    const VERSION: &'static str;
    /// The authors.
    const AUTHORS: &'static str;
    /// A description of the files that it reads, in a sentence.
    const DESCRIPTION: &'static str;

    /// Returns the layout of a file, or `None` if the file is not of this format. `head` is the
    /// file's first 4,096 bytes, or the whole file if it is shorter.
    fn detect(file_name: &str, head: &[u8]) -> Option<Layout>;

    /// Returns the role of an item. Called only if the layout requests it.
    fn classify(_item: &str) -> Role {
        Role::Result
    }

    /// Validates one result and extracts its fields.
    ///
    /// # Errors
    /// Every violation found.
    fn outcome(header: Option<&str>, item: &str) -> Result<Outcome, Vec<Violation>>;

    /// Reads only the scenario that a result belongs to. It also accepts a result that is rejected
    /// for other reasons.
    ///
    /// # Errors
    /// Every violation found in that part of the result.
    fn scenario(header: Option<&str>, item: &str) -> Result<PlannedScenario, Vec<Violation>>;

    /// Returns the figures that a header has for all results, if any.
    ///
    /// # Errors
    /// Every violation found.
    fn suite(_header: &str) -> Result<SuiteSummary, Vec<Violation>> {
        Ok(SuiteSummary::default())
    }

    /// Reads a list of scenarios. Simulations are started with the same kind of list for every
    /// result format.
    ///
    /// # Errors
    /// Every violation found. Two scenarios with the same id are a violation.
    fn scenarios(scenarios: &str) -> Result<Vec<Scenario>, Vec<Violation>> {
        scenario::extract_scenarios(scenarios)
    }
}
