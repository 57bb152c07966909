//! What a format says: how its results stand in files, and what each of them means.

use crate::answer::{Outcome, PlannedScenario, Scenario, SuiteSummary, Violation};
use crate::scenario;

/// Where the items of a file are; see `item-layout` in `wit/container.wit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Items {
    /// JSON documents as a stream has them.
    Documents,
    /// One JSON document a line.
    Lines,
    /// Values inside JSON documents, at this pointer, in which `*` stands for every element.
    Elements(String),
    /// Entries of a zip archive whose names match this pattern.
    Entries(String),
}

/// Where the header of a file is; see `header-layout` in `wit/container.wit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Header {
    /// There is none.
    None,
    /// The JSON document around the items.
    EnclosingDocument,
    /// The first of these names that is an entry of the archive.
    Entry(Vec<String>),
    /// The first item that [`Format::classify`] calls the header.
    Item,
    /// Another file of the same folder, by patterns of its name.
    SiblingFile(Vec<String>),
}

/// How the results stand in a file; see `container-layout` in `wit/container.wit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Where the items are.
    pub items: Items,
    /// Where the header is.
    pub header: Header,
    /// Whether [`Format::classify`] is asked of every item.
    pub classify_items: bool,
}

/// What an item is; see `item-role` in `wit/container.wit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// A result.
    Result,
    /// A part of the result that has this key.
    Part(String),
    /// The header of all others.
    Header,
    /// None of these.
    Other,
}

/// A result format. The functions are those of `wit/extraction.wit` and `wit/container.wit`; where
/// there is a header, it comes first, and `None` stands for a result that comes without one.
pub trait Format {
    /// The format's name, kept with every outcome: short, in lower case, such as `inspect`.
    const NAME: &'static str;
    /// Its version (semantic versioning), kept with every outcome.
    const VERSION: &'static str;
    /// Who wrote it.
    const AUTHORS: &'static str;
    /// What it reads, in a sentence.
    const DESCRIPTION: &'static str;

    /// How the results stand in a file, or nothing where the file is not of this format. `head` has
    /// the file's first 4,096 bytes, or all it has.
    fn detect(file_name: &str, head: &[u8]) -> Option<Layout>;

    /// What an item is; asked only where the layout says so.
    fn classify(_item: &str) -> Role {
        Role::Result
    }

    /// Validates one result and extracts its fields.
    ///
    /// # Errors
    /// Every violation found.
    fn outcome(header: Option<&str>, item: &str) -> Result<Outcome, Vec<Violation>>;

    /// Reads only which scenario a result belongs to, also of one that is refused for other
    /// reasons.
    ///
    /// # Errors
    /// Every violation found in that part of the result.
    fn scenario(header: Option<&str>, item: &str) -> Result<PlannedScenario, Vec<Violation>>;

    /// The figures that a header gives for all results, or none.
    ///
    /// # Errors
    /// Every violation found.
    fn suite(_header: &str) -> Result<SuiteSummary, Vec<Violation>> {
        Ok(SuiteSummary::default())
    }

    /// Reads a list of scenarios. Simulations are started with the same lists whatever the format
    /// of their results is.
    ///
    /// # Errors
    /// Every violation found; two scenarios with one id are one.
    fn scenarios(scenarios: &str) -> Result<Vec<Scenario>, Vec<Violation>> {
        scenario::extract_scenarios(scenarios)
    }
}
