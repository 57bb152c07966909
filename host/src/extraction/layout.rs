//! The layout of results in a file, as described by a component, after validation.

use arc_framing::{ElementPattern, NodeKind};

use crate::bindings::exports::arc::recording::container;
pub use crate::bindings::exports::arc::recording::container::ItemRole;
use crate::error::{Error, Result};

/// The number of bytes of a file that a component sees to recognise it, as defined in
/// `wit/container.wit`.
pub const HEAD_BYTES: usize = 4_096;

/// The maximum number of names or patterns of a layout, and the maximum length of each.
const MOST_NAMES: usize = 16;
const NAME_BYTES: usize = 256;

/// The location of the items in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemLayout {
    /// JSON documents in a stream.
    Documents,
    /// One JSON document on each line.
    Lines,
    /// Values inside JSON documents.
    Elements(ElementPattern),
    /// Values inside the JSON document; if it has none, the documents in the files below its folder
    /// whose paths match this pattern.
    ElementsOrFiles(ElementPattern, String),
    /// Entries of a zip archive whose names match this pattern.
    Entries(String),
}

/// The location of the header in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderLayout {
    /// There is no header.
    None,
    /// The JSON document around the items.
    EnclosingDocument,
    /// The first of these names that is an entry of the archive.
    Entry(Vec<String>),
    /// The first item with the role of the header.
    Item,
    /// Another file of the folder, found by patterns of its name.
    SiblingFile(Vec<String>),
}

/// The layout of the results in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileLayout {
    /// The location of the items.
    pub items: ItemLayout,
    /// The location of the header.
    pub header: HeaderLayout,
    /// Whether the component describes each item.
    pub classify_items: bool,
}

impl FileLayout {
    /// Whether it is a stream of results with no header.
    pub fn plain(&self) -> bool {
        matches!(self.items, ItemLayout::Documents | ItemLayout::Lines)
            && self.header == HeaderLayout::None
            && !self.classify_items
    }
}

impl TryFrom<container::ContainerLayout> for FileLayout {
    type Error = Error;

    fn try_from(layout: container::ContainerLayout) -> Result<Self> {
        let items = match layout.items {
            container::ItemLayout::Documents => ItemLayout::Documents,
            container::ItemLayout::Lines => ItemLayout::Lines,
            container::ItemLayout::Elements(pointer) => ItemLayout::Elements(elements(&pointer)?),
            container::ItemLayout::ElementsOrFiles(layout) => {
                ItemLayout::ElementsOrFiles(elements(&layout.elements)?, path_below(layout.files)?)
            }
            container::ItemLayout::Entries(pattern) => ItemLayout::Entries(name(pattern)?),
        };
        let header = match layout.header {
            container::HeaderLayout::None => HeaderLayout::None,
            container::HeaderLayout::EnclosingDocument => HeaderLayout::EnclosingDocument,
            container::HeaderLayout::Entry(entries) => HeaderLayout::Entry(names(entries)?),
            container::HeaderLayout::Item => HeaderLayout::Item,
            container::HeaderLayout::SiblingFile(patterns) => {
                HeaderLayout::SiblingFile(names(patterns)?)
            }
        };
        let fits = match (&items, &header) {
            (_, HeaderLayout::EnclosingDocument) => {
                matches!(items, ItemLayout::Elements(_) | ItemLayout::ElementsOrFiles(..))
            }
            (_, HeaderLayout::Entry(_)) => matches!(items, ItemLayout::Entries(_)),
            (_, HeaderLayout::Item) => layout.classify_items,
            (_, HeaderLayout::None | HeaderLayout::SiblingFile(_)) => true,
        };
        if !fits {
            return Err(Error::component(
                "the component describes a file with its header in an impossible place; this is a \
                 bug in the component",
            ));
        }
        Ok(FileLayout { items, header, classify_items: layout.classify_items })
    }
}

fn elements(pointer: &str) -> Result<ElementPattern> {
    ElementPattern::new(pointer)
        .map_err(|error| Error::component(format!("{error}; this is a bug in the component")))
}

/// Checks that a pattern matches only paths below a folder.
fn path_below(pattern: String) -> Result<String> {
    let pattern = name(pattern)?;
    let is_below = |segment: &str| !["", ".", ".."].contains(&segment) && !segment.contains("**");
    match pattern.split('/').all(is_below) {
        true => Ok(pattern),
        false => Err(Error::component(format!(
            "the component names files by {pattern:?}, which is no path below a folder; this is a bug \
             in the component"
        ))),
    }
}

impl From<container::NodeKind> for NodeKind {
    fn from(kind: container::NodeKind) -> Self {
        match kind {
            container::NodeKind::Root => NodeKind::Root,
            container::NodeKind::Part => NodeKind::Part,
            container::NodeKind::Connector => NodeKind::Connector,
        }
    }
}

fn names(all: Vec<String>) -> Result<Vec<String>> {
    if all.len() > MOST_NAMES {
        return Err(Error::component(format!(
            "the component names {} files for a header, more than {MOST_NAMES}; this is a bug in \
             the component",
            all.len()
        )));
    }
    all.into_iter().map(name).collect()
}

fn name(one: String) -> Result<String> {
    if one.is_empty() || one.len() > NAME_BYTES {
        return Err(Error::component(format!(
            "the component names a file with {} bytes, which must be from 1 to {NAME_BYTES}; this is \
             a bug in the component",
            one.len()
        )));
    }
    Ok(one)
}

/// Whether a name matches a pattern, in which `*` matches any characters but `/`, and `**` any
/// characters at all. The time is proportional to the product of both lengths.
pub(crate) fn matches_pattern(pattern: &str, name: &str) -> bool {
    enum Step {
        Byte(u8),
        Any,
        AnyWithinFolder,
    }
    let mut steps = Vec::with_capacity(pattern.len());
    for byte in pattern.bytes() {
        match (byte, steps.last()) {
            (b'*', Some(Step::AnyWithinFolder)) => {
                steps.pop();
                steps.push(Step::Any);
            }
            (b'*', _) => steps.push(Step::AnyWithinFolder),
            (byte, _) => steps.push(Step::Byte(byte)),
        }
    }
    // The number of steps that can be behind the current one; a star can also match nothing.
    let mut behind = vec![false; steps.len() + 1];
    let begin = |behind: &mut Vec<bool>| {
        for (number, step) in steps.iter().enumerate() {
            if !matches!(step, Step::Byte(_)) && behind.get(number) == Some(&true) {
                behind.iter_mut().skip(number + 1).take(1).for_each(|next| *next = true);
            }
        }
    };
    behind.iter_mut().take(1).for_each(|first| *first = true);
    begin(&mut behind);
    for byte in name.bytes() {
        let mut next = vec![false; behind.len()];
        for (number, step) in
            steps.iter().enumerate().filter(|(number, _)| behind.get(*number) == Some(&true))
        {
            let reached = match step {
                Step::Byte(wanted) => (*wanted == byte).then_some(number + 1),
                Step::Any => Some(number),
                Step::AnyWithinFolder => (byte != b'/').then_some(number),
            };
            if let Some(place) = reached.and_then(|reached| next.get_mut(reached)) {
                *place = true;
            }
        }
        behind = next;
        begin(&mut behind);
    }
    behind.last() == Some(&true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_matches_any_characters_within_a_folder() {
        for (pattern, name) in [
            ("samples/*.json", "samples/1_epoch_1.json"),
            ("samples/*.json", "samples/.json"),
            ("*", "a"),
            ("a", "a"),
            ("a*b*c", "aXbXbXc"),
            ("results_*.json", "results_2024-01-01T00-00-00.1.json"),
            ("samples/**_epoch_*.json", "samples/ask/tool_epoch_1.json"),
            ("samples/**_epoch_*.json", "samples/1_epoch_1.json"),
            ("**", "a/b/c"),
            ("é*", "é"),
        ] {
            assert!(matches_pattern(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("samples/*.json", "samples/a/b.json"),
            ("samples/*.json", "xsamples/a.json"),
            ("samples/*.json", "samples/a.jsonl"),
            ("a", "ab"),
            ("a*a", "a"),
            ("*", "a/b"),
            ("a*b*c", "a/bc"),
            ("samples/**_epoch_*.json", "samples/a_epoch_1/b.json"),
            ("", "a"),
        ] {
            assert!(!matches_pattern(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn a_layout_that_contradicts_itself_is_refused() {
        let layout = |items, header, classify_items| {
            FileLayout::try_from(container::ContainerLayout { items, header, classify_items })
        };
        use container::{HeaderLayout as Header, ItemLayout as Items};
        assert!(layout(Items::Lines, Header::Item, true).is_ok());
        assert!(layout(Items::Elements("/a/*".into()), Header::EnclosingDocument, false).is_ok());
        let files = |files: &str| {
            let elements = "/a/*".to_owned();
            Items::ElementsOrFiles(container::ElementsOrFiles { elements, files: files.to_owned() })
        };
        assert!(layout(files("*/a.json"), Header::EnclosingDocument, false).is_ok());
        for (items, header) in [
            (Items::Lines, Header::EnclosingDocument),
            (Items::Lines, Header::Entry(vec!["a".into()])),
            (Items::Lines, Header::Item),
            (Items::Elements("a".into()), Header::None),
            (files("../a.json"), Header::None),
            (files("/a.json"), Header::None),
            (files("**/a.json"), Header::None),
            (Items::Entries(String::new()), Header::None),
            (Items::Entries("a".repeat(300)), Header::None),
            (Items::Lines, Header::SiblingFile(vec!["a".into(); 20])),
        ] {
            assert!(layout(items, header, false).is_err());
        }
    }
}
