//! Rows that already exist, but might not be on the synchronous standbys yet.
//!
//! A commit on a primary with synchronous standbys is acknowledged when they have its rows. If the wait is
//! cancelled by the end of the client's process or of the server, its rows become visible before that.
//! A client that finds such a row has nothing to write, and so waits for nothing, although a failover
//! would still lose the row.

use super::super::Store;
use crate::error::{Error, Result};

/// A transaction that writes a minimal record: its commit waits for the standbys, which then have all
/// earlier records, too. Without such standbys, there is nothing to wait for.
const WRITE_SOMETHING: &str = "
    SELECT pg_catalog.pg_logical_emit_message(true, 'arc_recorder', '')
    WHERE pg_catalog.current_setting('synchronous_standby_names') <> ''";

impl Store {
    /// Waits until the synchronous standbys, if any, have all visible rows. It must be called before a
    /// row is acknowledged because it already exists.
    ///
    /// # Errors
    /// [`Error::Unavailable`], after which the rows might be on the standbys or not.
    pub(in crate::store) async fn wait_for_standbys(&self) -> Result<()> {
        let client = self.client().await?;
        let waited = client.batch_execute(WRITE_SOMETHING).await;
        waited.map_err(|error| Error::postgres_without_values("wait for the standbys", error))
    }
}
