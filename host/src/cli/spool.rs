//! `arc-host replay --spool`: what a process has kept while the database was away.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::Done;
use super::arguments::Global;
use super::connection;
use super::interrupt::stop_on_interrupt;
use super::output::{self, BAD, GOOD, Output};
use crate::delivery::{Destination, ReplayedSpool, replay_spool};
use crate::error::{Error, Result};
use crate::spool::{Aside, Spool, SpoolSettings, SpooledCall};
use crate::wire::SpoolRetried;

/// How many refused entries are shown; all are in the spool.
const SHOWN_REFUSED: usize = 1_000;

/// How many of them are shown to a person.
const PRINTED_REFUSED: usize = 10;

/// The summary, as `--json` prints it.
#[derive(Serialize)]
struct Summary {
    #[serde(flatten)]
    replayed: ReplayedSpool,
    /// What still waits.
    left: u64,
    interrupted: bool,
    /// What was refused for good, now or before.
    refused: Vec<serde_json::Value>,
}

pub(super) async fn replay(
    global: &Global,
    folder: &Path,
    refused_too: bool,
    output: &mut Output,
) -> Result<Done> {
    if !folder.is_dir() {
        return Err(Error::Invalid(format!(
            "there is no spool in {}; name the folder that the process was given",
            folder.display()
        )));
    }
    let stop = Arc::new(AtomicBool::new(false));
    stop_on_interrupt(Arc::clone(&stop), Arc::new(AtomicBool::new(true)))?;
    let opened = connection::open_source(global).await?;
    let destination = connection::destination(global, opened.source()).await?;
    // Nothing is added to it here.
    let settings = SpoolSettings { folder: folder.to_owned(), limit_bytes: u64::MAX };
    let spool = Spool::open(&settings)?;
    if refused_too {
        spool.take_back().await?;
    }
    let bar = output::progress_counter("delivering");
    bar.set_length(spool.state().depth);
    let shown = bar.clone();
    let mut replayed = ReplayedSpool::default();
    let delivered = replay_spool(&destination, &spool, &stop, |total| {
        replayed = *total;
        shown.set_position(total.recorded + total.duplicate + total.rejected + total.aside);
    })
    .await;
    bar.finish_and_clear();
    let refused = spool.aside(SHOWN_REFUSED).await?;
    let left = spool.state().depth;
    let interrupted = left > 0 && stop.load(Ordering::Relaxed);
    if output.json() {
        let refused = refused.iter().map(described).collect();
        output.value(&Summary { replayed, left, interrupted, refused })?;
    } else {
        print(output, &replayed, left, &refused)?;
    }
    if let Destination::Database(recorder) = &destination {
        recorder.close().await;
    }
    spool.close().await;
    match delivered {
        Err(error) => {
            output::complain(&format!(
                "{left} entries could not be delivered, and stay in the spool: {error}"
            ));
            Ok(Done::Not)
        }
        Ok(_) if interrupted => {
            output::note("stopped; run the same command again to deliver the rest");
            Ok(Done::Interrupted)
        }
        Ok(_) if replayed.rejected > 0 || !refused.is_empty() => Ok(Done::Rejected),
        Ok(_) => Ok(Done::All),
    }
}

/// `arc-host replay --refused` without a folder: a running service has its spool for itself.
pub(super) async fn retry(global: &Global, output: &mut Output) -> Result<Done> {
    let Some(client) = connection::service(global)? else {
        return Err(Error::Invalid(
            "--refused needs the folder of a spool (--spool), or a service that has one (--server)"
                .to_owned(),
        ));
    };
    let entries = client.retry_spool().await?;
    if output.json() {
        output.value(&SpoolRetried { entries })?;
    } else {
        output.line(&format!("{} refused entries are tried again", output::count(entries)))?;
    }
    Ok(Done::All)
}

fn print(
    output: &mut Output,
    replayed: &ReplayedSpool,
    left: u64,
    refused: &[Aside],
) -> Result<()> {
    let bad = |count: u64| {
        let style = if count > 0 { BAD } else { GOOD };
        format!("{style}{}{style:#}", output::count(count))
    };
    output.fields(&[
        ("recorded", output::count(replayed.recorded)),
        ("duplicate", output::count(replayed.duplicate)),
        ("rejected", bad(replayed.rejected)),
        ("refused", bad(replayed.aside)),
        ("left", bad(left)),
    ])?;
    for aside in refused.iter().take(PRINTED_REFUSED) {
        output.line(&format!(
            "  {BAD}refused{BAD:#} {}: {}",
            what(aside).0,
            output::printable(&aside.reason)
        ))?;
    }
    let more = refused.len().saturating_sub(PRINTED_REFUSED);
    if more > 0 {
        output.line(&format!("  … and {more} more: --json shows them"))?;
    }
    Ok(())
}

fn described(aside: &Aside) -> serde_json::Value {
    let (what, simulation_id) = what(aside);
    json!({"what": what, "simulation_id": simulation_id, "reason": aside.reason})
}

/// What an entry was to record, and of which simulation.
fn what(aside: &Aside) -> (&'static str, Option<Uuid>) {
    let Some(entry) = &aside.entry else { return ("an entry of a newer version", None) };
    match &entry.call {
        SpooledCall::Configuration { .. } => ("a configuration", None),
        SpooledCall::Start(start) => ("a start", start.simulation_id),
        SpooledCall::Result { simulation_id, .. } => ("a result", Some(*simulation_id)),
        SpooledCall::Complete { simulation_id, .. } => ("a completion", Some(*simulation_id)),
        SpooledCall::End { simulation_id, .. } => ("an end", Some(*simulation_id)),
    }
}
