//! What replaying and extracting again share: headers, and ids that prove the trial.

use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;

use super::ResultFormat;
use crate::error::Result;
use crate::identity;
use crate::store::Store;

/// The headers of results that are extracted again, each read once.
pub(super) struct Headers<'s> {
    store: &'s Store,
    extractor: &'s str,
    known: HashMap<Uuid, Arc<ResultFormat>>,
}

impl<'s> Headers<'s> {
    /// Those of results of the extractor with this name.
    pub(super) fn new(store: &'s Store, extractor: &'s str) -> Self {
        Headers { store, extractor, known: HashMap::new() }
    }

    /// The format of a result, with the header that has this id; nothing where it has none.
    pub(super) async fn format(
        &mut self,
        header_id: Option<Uuid>,
    ) -> Result<Option<Arc<ResultFormat>>> {
        let Some(header_id) = header_id else { return Ok(None) };
        if let Some(known) = self.known.get(&header_id) {
            return Ok(Some(Arc::clone(known)));
        }
        let header = self.store.header(header_id).await?;
        let format = Arc::new(ResultFormat::new(self.extractor, Some(header)));
        if self.known.len() >= KEPT_HEADERS {
            self.known.clear();
        }
        self.known.insert(header_id, Arc::clone(&format));
        Ok(Some(format))
    }
}

/// How many headers are kept in memory: a simulation has one or a few.
const KEPT_HEADERS: usize = 64;

/// The trial that the caller passed with a document, if any: the one that makes its id, of which
/// it is a part. Nothing where neither does, so that the id is not that of these bytes.
pub(super) fn passed_trial(
    simulation_id: Uuid,
    outcome_id: Uuid,
    trial: Option<i32>,
    document: &[u8],
) -> Option<Option<u32>> {
    let stored = trial.and_then(|trial| u32::try_from(trial).ok());
    [None, stored]
        .into_iter()
        .find(|passed| identity::outcome_id(simulation_id, *passed, document) == outcome_id)
}
