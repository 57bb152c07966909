//! Files of any format, ready to be recorded.

use std::path::Path;
use std::sync::Arc;

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
    /// The known formats if none of them detects the file, which is then read in the built-in one.
    pub unrecognised: Option<Vec<String>>,
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
        let guide = &built_in.identity().name;
        let (mut found, mut unrecognised) = (None, None);
        match named {
            Some(name) if name == guide => {}
            Some(name) => {
                let extractor = self.extractor(name)?;
                let layout = extractor.ask_layout(file.own_name(), &file.head()?)?;
                let layout = layout.ok_or_else(|| {
                    Error::invalid(format!("{} is not of the format {name}", file.name()))
                        .with_hint("omit --format to detect the format")
                })?;
                found = Some((extractor, layout));
            }
            None => {
                let head = file.head()?;
                if built_in.ask_layout(file.own_name(), &head)?.is_none() {
                    found = self.detect(file.own_name(), &head, report)?;
                    if found.is_none() {
                        let mut names = vec![guide.clone()];
                        names.extend(self.names()?);
                        unrecognised = Some(names);
                    }
                }
            }
        }
        let Some((extractor, layout)) = found else {
            if header_file.is_some() {
                return Err(Error::invalid(format!(
                    "{} is read in the format {guide}, which has no headers",
                    file.name()
                ))
                .with_hint("leave out --header, or name the format with --format"));
            }
            let extractor = built_in.clone();
            return Ok(OpenedFile { file, extractor, format: None, unrecognised });
        };
        let file = lay_out(file, &extractor, layout, header_file)?;
        let header = file.header().map(str::to_owned);
        let format = Arc::new(ResultFormat::new(extractor.identity().name.clone(), header));
        Ok(OpenedFile { file, extractor, format: Some(format), unrecognised })
    }
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
