//! Reads outcomes from their source: a database sends rows, a service pages.

use tokio::sync::mpsc;
use uuid::Uuid;

use super::Message;
use crate::client::ServiceClient;
use crate::delivery::Source;
use crate::error::Result;
use crate::paging::{PAGE_ROWS, Pages};
use crate::store::{
    Attachments, ExportSelection, OutcomeRecord, OutcomeRows, RecordedOutcome, SimulationFilter,
    Store,
};

/// Some outcomes of one simulation.
pub(super) enum Chunk {
    /// Rows of the database.
    Rows(OutcomeRows),
    /// A page of a service.
    Page(Uuid, Vec<RecordedOutcome>),
}

/// Reads the selected outcomes and sends them. Ends early if the receiver is closed.
///
/// # Errors
/// As [`Store::export`]; of a service, as [`ServiceClient::outcomes`].
pub(super) async fn read(
    source: &Source,
    selection: &ExportSelection,
    chunks: &mpsc::Sender<Message>,
) -> Result<()> {
    match source {
        Source::Database(store) => read_database(store, selection, chunks).await,
        Source::Service(client) => read_service(client, selection, chunks).await,
    }
}

async fn read_database(
    store: &Store,
    selection: &ExportSelection,
    chunks: &mpsc::Sender<Message>,
) -> Result<()> {
    let (sender, mut receiver) = mpsc::channel(1);
    let pass_on = async {
        while let Some(rows) = receiver.recv().await {
            if chunks.send(Message::Chunk(Chunk::Rows(rows))).await.is_err() {
                break;
            }
        }
        // A sender that waits for capacity fails now, instead of waiting forever.
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
    chunks: &mpsc::Sender<Message>,
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
    let attached = Attachments { documents: selection.documents, trajectories: false };
    for simulation_id in simulations {
        let read = async |cursor: Option<String>| {
            let (filter, limit) = (&selection.filter, attached.page_rows());
            client.outcomes(simulation_id, filter, limit, cursor.as_deref(), attached).await
        };
        let mut pages = Pages::from(None);
        while let Some(page) = pages.next(read).await? {
            let chunk = Chunk::Page(simulation_id, page.outcomes);
            if chunks.send(Message::Chunk(chunk)).await.is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Returns the ids of all simulations, the oldest first.
async fn all_simulations(client: &ServiceClient) -> Result<Vec<Uuid>> {
    let all = SimulationFilter::default();
    let read =
        async |cursor: Option<String>| client.simulations(&all, PAGE_ROWS, cursor.as_deref()).await;
    let (mut ids, mut pages) = (Vec::new(), Pages::from(None));
    while let Some(page) = pages.next(read).await? {
        ids.extend(page.simulations.iter().map(|simulation| simulation.simulation_id));
    }
    ids.reverse();
    Ok(ids)
}

impl Chunk {
    /// Passes the outcomes to `take` one by one.
    pub(super) fn each(&self, mut take: impl FnMut(&OutcomeRecord) -> Result<()>) -> Result<()> {
        match self {
            Chunk::Rows(rows) => rows.records().try_for_each(|record| take(&record?)),
            Chunk::Page(simulation_id, outcomes) => outcomes
                .iter()
                .try_for_each(|outcome| take(&OutcomeRecord::of_page(*simulation_id, outcome))),
        }
    }
}
