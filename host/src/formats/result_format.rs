//! The format of results, with the header of their file.

use uuid::Uuid;

use crate::identity;

/// The format of results that is not the built-in one, and what is said once for all of them.
#[derive(Debug, PartialEq, Eq)]
pub struct ResultFormat {
    name: String,
    header: Option<String>,
    header_id: Option<Uuid>,
}

impl ResultFormat {
    /// Results of the format with this name, with the header of their file.
    pub fn new(name: impl Into<String>, header: Option<String>) -> Self {
        let header_id = header.as_deref().map(identity::header_id);
        ResultFormat { name: name.into(), header, header_id }
    }

    /// The format's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The header: JSON text.
    pub fn header(&self) -> Option<&str> {
        self.header.as_deref()
    }

    /// The id under which the header is kept.
    pub fn header_id(&self) -> Option<Uuid> {
        self.header_id
    }
}
