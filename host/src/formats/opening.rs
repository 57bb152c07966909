//! Files of any format, ready to be recorded.

use std::path::Path;
use std::sync::Arc;

use super::resemblance::resemblance;
use super::{Formats, ResultFormat};
use crate::documents::DocumentFile;
use crate::error::{Error, Result};
use crate::extraction::{Extractor, FileLayout, ItemRole};

/// A file with the extractor and the header of its results.
#[derive(Clone, Debug)]
pub struct OpenedFile {
    /// The file, with its format's layout applied.
    pub file: DocumentFile,
    /// The extractor of its format.
    pub extractor: Extractor,
    /// The format's name and the file's header; `None` for the built-in format.
    pub format: Option<Arc<ResultFormat>>,
    /// Present if no format detects the file, which is then read in the built-in one.
    pub unrecognised: Option<Unrecognised>,
}

/// The data for the error about a file that no format detects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unrecognised {
    /// The names of the known formats.
    pub known: Vec<String>,
    /// What the file could be.
    pub resemblance: Option<&'static str>,
}

/// The format that recognises a file.
#[derive(Clone, Debug)]
pub(super) enum Recognised {
    BuiltIn,
    Other(Extractor, FileLayout),
}

impl Formats {
    /// Opens a file in the named format, else in the one that detects it, else in the built-in one. A
    /// separate header file can be named, too. The call blocks, because it might read the whole file.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the format does not exist; [`Error::Invalid`] if the file is not of the
    /// named format, or several formats accept it.
    pub fn open(
        &self,
        built_in: &Extractor,
        file: DocumentFile,
        named: Option<&str>,
        header_file: Option<&Path>,
        report: impl FnMut(&str),
    ) -> Result<OpenedFile> {
        let head = file.head()?;
        let (name, guide) = (file.own_name(), &built_in.identity().name);
        let recognised = self.recognise(built_in, name, &head, named, report)?;
        match (recognised, named) {
            (Some(recognised), _) => open_recognised(built_in, file, recognised, header_file),
            (None, Some(named)) if named != guide => {
                Err(Error::invalid(format!("{} is not of the format {named}", file.name()))
                    .with_hint("omit --format to detect the format"))
            }
            (None, named) => {
                let unrecognised = match named {
                    Some(_) => None,
                    None => Some(Unrecognised {
                        known: self.known(built_in),
                        resemblance: resemblance(name, &head),
                    }),
                };
                let opened = open_recognised(built_in, file, Recognised::BuiltIn, header_file)?;
                Ok(OpenedFile { unrecognised, ..opened })
            }
        }
    }

    /// Returns the format that recognises a file by its own name and its beginning: the named one, or
    /// any.
    ///
    /// # Errors
    /// As [`Formats::open`].
    pub(super) fn recognise(
        &self,
        built_in: &Extractor,
        file_name: &str,
        head: &[u8],
        named: Option<&str>,
        report: impl FnMut(&str),
    ) -> Result<Option<Recognised>> {
        let is_built_in = |name: &str| name == built_in.identity().name;
        if named.is_none_or(is_built_in) && built_in.ask_layout(file_name, head)?.is_some() {
            return Ok(Some(Recognised::BuiltIn));
        }
        let found = match named {
            Some(name) if is_built_in(name) => None,
            Some(name) => {
                let extractor = self.extractor(name)?;
                extractor.ask_layout(file_name, head)?.map(|layout| (extractor, layout))
            }
            None => self.detect(file_name, head, report)?,
        };
        Ok(found.map(|(extractor, layout)| Recognised::Other(extractor, layout)))
    }
}

/// Opens a file in the format that recognises it.
///
/// # Errors
/// [`Error::Invalid`] if it does not have the layout of the format.
pub(super) fn open_recognised(
    built_in: &Extractor,
    file: DocumentFile,
    recognised: Recognised,
    header_file: Option<&Path>,
) -> Result<OpenedFile> {
    let (extractor, layout) = match recognised {
        Recognised::Other(extractor, layout) => (extractor, layout),
        Recognised::BuiltIn if header_file.is_some() => {
            return Err(Error::invalid(format!(
                "{} is read in the format {}, which has no headers",
                file.name(),
                built_in.identity().name
            ))
            .with_hint("leave out --header, or name the format with --format"));
        }
        Recognised::BuiltIn => {
            let extractor = built_in.clone();
            return Ok(OpenedFile { file, extractor, format: None, unrecognised: None });
        }
    };
    let file = lay_out(file, &extractor, layout, header_file)?;
    let header = file.header().map(str::to_owned);
    let format = Arc::new(ResultFormat::new(extractor.identity().name.clone(), header));
    Ok(OpenedFile { file, extractor, format: Some(format), unrecognised: None })
}

fn lay_out(
    file: DocumentFile,
    extractor: &Extractor,
    layout: FileLayout,
    header_file: Option<&Path>,
) -> Result<DocumentFile> {
    if layout.plain() && header_file.is_none() {
        return file.laid_out(layout, None, 0, |_| ItemRole::Result);
    }
    let document_bytes = extractor.limits().document_bytes;
    let mut session = extractor.session_now();
    // An item that cannot be classified is refused when it is extracted.
    file.laid_out(layout, header_file, document_bytes, |item| {
        session.classify(item).unwrap_or(ItemRole::Result)
    })
}
