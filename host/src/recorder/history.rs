//! Shared by replay and re-extraction: headers, and the trial that an outcome's id proves.

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
    formats: HashMap<Uuid, Arc<ResultFormat>>,
}

impl<'s> Headers<'s> {
    /// Makes an empty cache for results of the extractor with this name.
    pub(super) fn new(store: &'s Store, extractor: &'s str) -> Self {
        Headers { store, extractor, formats: HashMap::new() }
    }

    /// Returns the format of a result, with the header of this id; `None` without an id.
    pub(super) async fn format(
        &mut self,
        header_id: Option<Uuid>,
    ) -> Result<Option<Arc<ResultFormat>>> {
        let Some(header_id) = header_id else { return Ok(None) };
        if let Some(cached) = self.formats.get(&header_id) {
            return Ok(Some(Arc::clone(cached)));
        }
        let header = self.store.header(header_id).await?;
        let format = Arc::new(ResultFormat::new(self.extractor, Some(header)));
        if self.formats.len() >= CACHED_HEADERS {
            self.formats.clear();
        }
        self.formats.insert(header_id, Arc::clone(&format));
        Ok(Some(format))
    }
}

/// How many headers are cached: a simulation has one or a few.
const CACHED_HEADERS: usize = 64;

/// Returns the trial that the caller passed with a document, if any: the one from which its id is
/// derived. `None` if the id can be derived with neither, so that it is not the id of these bytes.
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
