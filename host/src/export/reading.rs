//! Outcomes from where they are: a database sends rows, a service pages.

use tokio::sync::mpsc;
use uuid::Uuid;

use super::Received;
use crate::client::ServiceClient;
use crate::delivery::Source;
use crate::error::Result;
use crate::json_text::JsonText;
use crate::store::{Attached, ExportSelection, OutcomeRecord, OutcomeRows, RecordedOutcome, Store};

/// How many outcomes of a service are on a page.
const PAGE_OUTCOMES: u32 = 1_000;

/// How many simulations of a service are on a page.
const PAGE_SIMULATIONS: u32 = 1_000;

/// Some outcomes of one simulation.
pub(super) enum Chunk {
    /// As the database sent them.
    Rows(OutcomeRows),
    /// As a service did.
    Page(Uuid, Vec<RecordedOutcome>),
}

/// Reads the selected outcomes and hands them over. It ends early where nobody takes them.
///
/// # Errors
/// As [`Store::export`]; of a service, as [`ServiceClient::outcomes`].
pub(super) async fn read(
    source: &Source,
    selection: &ExportSelection,
    chunks: &mpsc::Sender<Received>,
) -> Result<()> {
    match source {
        Source::Database(store) => read_database(store, selection, chunks).await,
        Source::Service(client) => read_service(client, selection, chunks).await,
    }
}

async fn read_database(
    store: &Store,
    selection: &ExportSelection,
    chunks: &mpsc::Sender<Received>,
) -> Result<()> {
    let (sender, mut receiver) = mpsc::channel(1);
    let pass_on = async {
        while let Some(rows) = receiver.recv().await {
            if chunks.send(Received::Chunk(Chunk::Rows(rows))).await.is_err() {
                break;
            }
        }
        // Whoever waits for a place learns that there will be none.
        drop(receiver);
    };
    let read = async {
        let read = store.export(selection, &sender).await;
        drop(sender);
        read
    };
    let (read, ()) = tokio::join!(read, pass_on);
    read
}

async fn read_service(
    client: &ServiceClient,
    selection: &ExportSelection,
    chunks: &mpsc::Sender<Received>,
) -> Result<()> {
    let simulations = match selection.simulations.as_slice() {
        [] => all_simulations(client).await?,
        named => {
            for id in named {
                client.simulation_status(*id).await?;
            }
            named.to_vec()
        }
    };
    let attached = Attached { documents: selection.documents, trajectories: false };
    for simulation_id in simulations {
        let mut cursor: Option<String> = None;
        loop {
            let page = client
                .outcomes(
                    simulation_id,
                    &selection.filter,
                    PAGE_OUTCOMES,
                    cursor.as_deref(),
                    attached,
                )
                .await?;
            let chunk = Chunk::Page(simulation_id, page.outcomes);
            if chunks.send(Received::Chunk(chunk)).await.is_err() {
                return Ok(());
            }
            cursor = page.cursor;
            if cursor.is_none() {
                break;
            }
        }
    }
    Ok(())
}

/// The ids of all simulations, the oldest first.
async fn all_simulations(client: &ServiceClient) -> Result<Vec<Uuid>> {
    let (mut ids, mut cursor): (Vec<Uuid>, Option<String>) = (Vec::new(), None);
    loop {
        let page = client.simulations(None, PAGE_SIMULATIONS, cursor.as_deref()).await?;
        ids.extend(page.simulations.iter().map(|simulation| simulation.simulation_id));
        cursor = page.cursor;
        if cursor.is_none() {
            ids.reverse();
            return Ok(ids);
        }
    }
}

impl Chunk {
    /// Hands over the outcomes one by one.
    pub(super) fn each(&self, mut take: impl FnMut(&OutcomeRecord) -> Result<()>) -> Result<()> {
        match self {
            Chunk::Rows(rows) => rows.records().try_for_each(|record| take(&record?)),
            Chunk::Page(simulation_id, outcomes) => outcomes
                .iter()
                .try_for_each(|outcome| each_of_page(*simulation_id, outcome, &mut take)),
        }
    }
}

fn each_of_page(
    simulation_id: Uuid,
    outcome: &RecordedOutcome,
    take: &mut impl FnMut(&OutcomeRecord) -> Result<()>,
) -> Result<()> {
    take(&OutcomeRecord {
        simulation_id,
        outcome_id: outcome.outcome_id,
        scenario_id: &outcome.scenario_id,
        scenario_name: outcome.scenario_name.as_deref(),
        trial: outcome.trial,
        attempt: outcome.attempt,
        execution_time: outcome.execution_time,
        received_at: outcome.received_at,
        status: outcome.status.as_str(),
        reliability_score: outcome.reliability_score,
        execution_time_ms: outcome.execution_time_ms,
        tokens_used: outcome.tokens_used,
        cost_usd: outcome.cost_usd,
        error_code: outcome.error_code.as_deref(),
        error_category: outcome.error_category.as_deref(),
        error_message: outcome.error_message.as_deref(),
        modal_call_id: outcome.modal_call_id.as_deref(),
        sandbox_id: outcome.sandbox_id.as_deref(),
        metrics: outcome.metrics.as_str(),
        warnings: outcome.warnings.as_ref().map(JsonText::as_str),
        extractor: &outcome.extractor,
        document: outcome.document.as_deref(),
    })
}
