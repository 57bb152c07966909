//! Headers: the information that all results of a file share.

use std::path::Path;

use arc_framing::Content;

use super::compression::read_start;
use super::{DocumentFile, Documents, sibling_file};
use crate::error::{Error, Result};
use crate::extraction::HeaderLayout;

/// The longest header in bytes; it is read with every item.
pub(crate) const HEADER_BYTES: usize = 16 << 20;

impl DocumentFile {
    /// Returns the header of a file after its documents were found; `header_file` is the header
    /// file that the caller named.
    pub(super) fn header_of(
        &self,
        layout: &HeaderLayout,
        header_file: Option<&Path>,
    ) -> Result<Option<String>> {
        let (name, text) = match (layout, header_file) {
            (HeaderLayout::SiblingFile(_), Some(path)) => self.beside(Some(path))?,
            (_, Some(path)) => read_header(path)?,
            (HeaderLayout::None | HeaderLayout::Item, None) => return Ok(None),
            (HeaderLayout::EnclosingDocument, None) => {
                let mut frames = self.frames(0)?;
                while frames.next_frame()?.is_some() {}
                match frames.enclosing_document() {
                    Some(text) => (self.name.clone(), text.to_owned()),
                    None => return Err(self.no_header(&self.name, "is too long, or not UTF-8")),
                }
            }
            (HeaderLayout::Entry(names), None) => {
                let Documents::Archive(archive) = &self.documents else { return Ok(None) };
                let Some((entry, frame)) = archive.clone().named(names, HEADER_BYTES) else {
                    return Ok(None);
                };
                let name = format!("{entry} in {}", self.name);
                match (frame.problem, frame.content) {
                    (None, Content::Text(text)) => (name, text),
                    (problem, _) => {
                        let problem = problem.map_or_else(String::new, |found| found.to_string());
                        return Err(self.no_header(&name, &format!("cannot be read: {problem}")));
                    }
                }
            }
            (HeaderLayout::SiblingFile(_), None) if self.own_name().is_empty() => return Ok(None),
            (HeaderLayout::SiblingFile(patterns), None) => {
                let found = match &self.path {
                    Some(path) => sibling_file::find(path, patterns)?,
                    None => None,
                };
                self.beside(found.as_deref())?
            }
        };
        // The format interprets the header, but PostgreSQL cannot store a NUL.
        if text.contains('\0') {
            return Err(
                self.no_header(&name, "contains a NUL character, which is not allowed in JSON")
            );
        }
        Ok(Some(text))
    }

    /// Returns the header of a file with one in another file, and its name: an array of the file's own
    /// name and the content of the other file.
    fn beside(&self, other: Option<&Path>) -> Result<(String, String)> {
        let (name, content) = match other {
            Some(path) => read_header(path)?,
            None => (self.name().to_owned(), "null".to_owned()),
        };
        let own = serde_json::Value::from(self.own_name());
        Ok((name, format!("[{own},{content}]")))
    }

    pub(super) fn no_header(&self, name: &str, reason: &str) -> Error {
        Error::invalid(format!("the header of the results, {name}, {reason}"))
    }
}

/// Reads a header file: returns its name and its content.
fn read_header(path: &Path) -> Result<(String, String)> {
    let bytes = read_start(path, HEADER_BYTES + 1).map_err(|error| {
        Error::io(format!("could not read the header {}", path.display()), error)
    })?;
    if bytes.len() > HEADER_BYTES {
        return Err(Error::invalid(format!(
            "the header {} is longer than {HEADER_BYTES} bytes",
            path.display()
        )));
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| Error::invalid(format!("the header {} is not UTF-8 text", path.display())))?;
    Ok((path.display().to_string(), text))
}
