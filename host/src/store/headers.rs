//! Headers: the text that applies to all results of a file.

use uuid::Uuid;

use super::Store;
use crate::error::{Error, Result};

impl Store {
    /// Stores a header under its id; storing it again changes nothing.
    ///
    /// # Errors
    /// [`Error::Database`] or [`Error::Unavailable`].
    pub(crate) async fn keep_header(&self, header_id: Uuid, header: &str) -> Result<()> {
        let failed = |error| Error::postgres("keep the header", error);
        let client = self.client().await?;
        let insert = "INSERT INTO arc_recorder.document_headers (header_id, header)
             SELECT $1::uuid, $2::text ON CONFLICT (header_id) DO NOTHING";
        client.execute(insert, &[&header_id, &header]).await.map_err(failed)?;
        Ok(())
    }

    /// Returns a stored header.
    ///
    /// # Errors
    /// [`Error::NotFound`] if none has this id.
    pub async fn header(&self, header_id: Uuid) -> Result<String> {
        let failed = |error| Error::postgres("read the header", error);
        let client = self.client().await?;
        let select = "SELECT header FROM arc_recorder.document_headers WHERE header_id = $1";
        let row = client.query_opt(select, &[&header_id]).await.map_err(failed)?;
        row.map(|row| row.get(0))
            .ok_or_else(|| Error::not_found(format!("no header {header_id} is kept")))
    }
}
