//! The format of results, with the header of their file.

use uuid::Uuid;

use crate::identity;

/// The format of results other than the built-in one, with the header of their file.
#[derive(Debug, PartialEq, Eq)]
pub struct ResultFormat {
    name: String,
    header: Option<String>,
    header_id: Option<Uuid>,
}

impl ResultFormat {
    /// Returns the format with this name and the header of the results' file.
    pub fn new(name: impl Into<String>, header: Option<String>) -> Self {
        let header_id = header.as_deref().map(identity::header_id);
        ResultFormat { name: name.into(), header, header_id }
    }

    /// Returns the format's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the header as JSON text.
    pub fn header(&self) -> Option<&str> {
        self.header.as_deref()
    }

    /// Returns the id of the stored header.
    pub fn header_id(&self) -> Option<Uuid> {
        self.header_id
    }
}
