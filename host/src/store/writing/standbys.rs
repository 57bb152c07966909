//! What was there already, and may not be on the standbys yet.
//!
//! A commit on a primary with synchronous standbys is answered when they have it. What it wrote can
//! be seen before that where the wait was broken off, by the end of its process or of the server. Whoever
//! finds it then has written nothing, and so waits for nothing, although a failover would still lose it.

use super::super::Store;
use crate::error::{Error, Result};

/// A commit with something to write, however little, is waited for, and what was written before it
/// is on the standbys by then. Without such standbys there is nothing to wait for.
const WRITE_SOMETHING: &str = "
    SELECT pg_catalog.pg_logical_emit_message(true, 'arc_recorder', '')
    WHERE pg_catalog.current_setting('synchronous_standby_names') <> ''";

impl Store {
    /// Waits until the synchronous standbys, where there are any, have all that can be seen now. To be
    /// called before something is acknowledged because it was there.
    ///
    /// # Errors
    /// [`Error::Unavailable`], after which it may be there or not.
    pub(in crate::store) async fn wait_for_standbys(&self) -> Result<()> {
        let client = self.client().await?;
        let waited = client.batch_execute(WRITE_SOMETHING).await;
        waited.map_err(|error| Error::of_place("wait for the standbys", error))
    }
}
