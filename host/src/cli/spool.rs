//! `arc-host spool`: the entries that a process kept while the database was unavailable.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{ArgGroup, Args, Subcommand};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::CommandStatus;
use super::connection;
use super::global::Global;
use super::interrupt::stop_on_interrupt;
use super::output::{self, BAD, GOOD, Output};
use crate::client::ServiceClient;
use crate::database;
use crate::delivery::{Destination, SpoolReplaySummary, replay_spool};
use crate::error::{Error, Result};
use crate::paging::{PAGE_ROWS, Page, Pages};
use crate::spool::{self, DeadLetter, EntryFilter, Spool, SpoolSettings, SpooledCall};
use crate::wire::{
    DeadLetterSelection, SpoolDropped, SpoolEntry, SpoolEntryDocument, SpoolEntryKind,
    SpoolEntryState, SpoolRequeued,
};

/// The maximum number of refused entries in the JSON output; the spool has all of them.
const SHOWN_REFUSED: usize = 1_000;

/// How many of them are shown to a person.
const PRINTED_REFUSED: usize = 10;

#[derive(Debug, Subcommand)]
pub(super) enum SpoolCommand {
    /// List dead letters, oldest first: number, content, and why they were refused.
    List(SpoolList),
    /// Show one entry: its content, why it was refused, and its document.
    Show(SpoolShow),
    /// Deliver the entries of a spool to the database, or to the service of --server.
    ///
    /// For a folder that no process has open. An entry that the destination refuses becomes a dead
    /// letter. Safe to repeat and to interrupt.
    #[command(
        after_help = "Examples:\n  arc-host spool drain --spool-dir /volume/spool\n  arc-host spool drain --spool-dir /volume/spool --requeue --server https://arc.example"
    )]
    Drain(SpoolDrain),
    /// Put dead letters back into the queue, for example after their cause was fixed.
    ///
    /// They are queued behind all waiting entries, under new numbers. An entry that is refused
    /// again becomes a dead letter again. Those whose simulation was not known are retried
    /// automatically for a day.
    #[command(
        after_help = "Examples:\n  arc-host spool requeue 17 18\n  arc-host spool requeue --all --server http://127.0.0.1:7117"
    )]
    Requeue(DeadLetters),
    /// Remove dead letters permanently. Waiting entries are never dropped.
    ///
    /// Their results are then recorded nowhere. Each removed entry is printed with its reason.
    #[command(
        after_help = "Examples:\n  arc-host spool drop 17 18\n  arc-host spool drop --all --spool-dir /volume/spool"
    )]
    Drop(DeadLetters),
    /// Copy the readable entries of a damaged spool into a new one, and keep the damaged file
    /// beside it.
    ///
    /// For a folder that no process has open. Intact entries are kept, in their order; the readable
    /// part of a damaged one becomes a dead letter. If the lists of the entries are damaged too,
    /// entries that were delivered or dropped before can reappear: recording them again changes
    /// nothing.
    #[command(after_help = "Example:\n  arc-host spool repair --spool-dir /volume/spool")]
    Repair(SpoolLocation),
}

#[derive(Debug, Args)]
pub(super) struct SpoolLocation {
    /// The folder of a spool that no process has open. Default: the one in the user's data folder,
    /// unless --server names a service.
    #[arg(long, value_name = "DIR")]
    spool_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct SpoolDrain {
    /// The folder of the spool.
    #[arg(long, value_name = "DIR")]
    spool_dir: PathBuf,

    /// Requeue its dead letters first.
    #[arg(long)]
    requeue: bool,
}

#[derive(Debug, Args)]
pub(super) struct SpoolList {
    /// Also list waiting entries.
    #[arg(long)]
    waiting: bool,

    /// The maximum number of entries.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,

    /// Only entries with a greater number than this one.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    after: u64,

    #[command(flatten)]
    place: SpoolLocation,
}

#[derive(Debug, Args)]
pub(super) struct SpoolShow {
    /// The entry's number, as `arc-host spool list` shows it.
    #[arg(value_name = "NUMBER")]
    sequence: u64,

    #[command(flatten)]
    place: SpoolLocation,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).args(["sequences", "all"]))]
pub(super) struct DeadLetters {
    /// The numbers of dead letters, as `arc-host spool list` shows them.
    #[arg(value_name = "NUMBER")]
    sequences: Vec<u64>,

    /// All dead letters.
    #[arg(long)]
    all: bool,

    #[command(flatten)]
    place: SpoolLocation,
}

/// The summary, as `--json` prints it.
#[derive(Serialize)]
struct Summary {
    #[serde(flatten)]
    replayed: SpoolReplaySummary,
    /// The number of entries that still wait.
    remaining: u64,
    interrupted: bool,
    /// The entries that were refused permanently, now or before.
    refused: Vec<serde_json::Value>,
}

async fn drain(
    global: &Global,
    arguments: &SpoolDrain,
    output: &mut Output,
) -> Result<CommandStatus> {
    let folder = &arguments.spool_dir;
    check_folder(folder)?;
    let stop = Arc::new(AtomicBool::new(false));
    stop_on_interrupt(Arc::clone(&stop), Arc::new(AtomicBool::new(true)))?;
    let opened = connection::open_source(global).await?;
    let destination = connection::destination(global, opened.source()).await?;
    let spool = open_spool(folder)?;
    if arguments.requeue {
        spool.requeue_all().await?;
    }
    let bar = output::progress_counter("delivering");
    bar.set_length(spool.state().depth);
    let shown = bar.clone();
    let mut replayed = SpoolReplaySummary::default();
    let delivered = replay_spool(&destination, &spool, &stop, |total| {
        replayed = *total;
        shown.set_position(total.recorded + total.duplicate + total.rejected + total.dead_letters);
    })
    .await;
    bar.finish_and_clear();
    let refused = spool.dead_letters(SHOWN_REFUSED).await?;
    let remaining = spool.state().depth;
    let interrupted = remaining > 0 && stop.load(Ordering::Relaxed);
    if output.json() {
        let refused = refused.iter().map(described).collect();
        output.value(&Summary { replayed, remaining, interrupted, refused })?;
    } else {
        print(output, &replayed, remaining, &refused)?;
    }
    if let Destination::Database(recorder) = &destination {
        recorder.close().await;
    }
    spool.close().await;
    match delivered {
        Err(error) => {
            let text = format!(
                "{remaining} entries could not be delivered, and stay in the spool: {}",
                error.report()
            );
            output::show_error_with_hint(&text, error.hint().as_deref());
            Ok(CommandStatus::Incomplete)
        }
        Ok(_) if interrupted => {
            output::note("stopped; run the same command again to deliver the rest");
            Ok(CommandStatus::Interrupted)
        }
        Ok(_) if replayed.rejected > 0 || !refused.is_empty() => Ok(CommandStatus::Rejected),
        Ok(_) => Ok(CommandStatus::Complete),
    }
}

fn print(
    output: &mut Output,
    replayed: &SpoolReplaySummary,
    remaining: u64,
    refused: &[DeadLetter],
) -> Result<()> {
    let bad = |count: u64| {
        let style = if count > 0 { BAD } else { GOOD };
        format!("{style}{}{style:#}", output::count(count))
    };
    output.fields(&[
        ("recorded", output::count(replayed.recorded)),
        ("duplicate", output::count(replayed.duplicate)),
        ("rejected", bad(replayed.rejected)),
        ("refused", bad(replayed.dead_letters)),
        ("remaining", bad(remaining)),
    ])?;
    for dead_letter in refused.iter().take(PRINTED_REFUSED) {
        output.line(&format!(
            "  {BAD}refused{BAD:#} {}: {}",
            what(dead_letter).0,
            output::printable(&dead_letter.reason)
        ))?;
    }
    let more = refused.len().saturating_sub(PRINTED_REFUSED);
    if more > 0 {
        output.line(&format!("  … and {more} more: --json shows them"))?;
    }
    Ok(())
}

fn described(dead_letter: &DeadLetter) -> serde_json::Value {
    let (what, simulation_id) = what(dead_letter);
    json!({"what": what, "simulation_id": simulation_id, "reason": dead_letter.reason})
}

/// Returns the content of an entry, and the simulation that it belongs to.
fn what(dead_letter: &DeadLetter) -> (&'static str, Option<Uuid>) {
    let Some(entry) = &dead_letter.entry else { return ("an entry of a newer version", None) };
    match &entry.call {
        SpooledCall::Configuration { .. } => ("a configuration", None),
        SpooledCall::Start { start, .. } => ("a start", start.simulation_id),
        SpooledCall::Result { simulation_id, .. } => ("a result", Some(*simulation_id)),
        SpooledCall::Complete { simulation_id, .. } => ("a completion", Some(*simulation_id)),
        SpooledCall::End { simulation_id, .. } => ("an end", Some(*simulation_id)),
    }
}

/// How many bytes of entries are read at once.
const PAGE_BYTES: u64 = 64 << 20;

/// Entries, and the number after which the next page begins.
struct EntryPage {
    entries: Vec<SpoolEntry>,
    after: Option<u64>,
}

impl Page for EntryPage {
    type Cursor = u64;

    fn next_cursor(&self) -> Option<u64> {
        self.after
    }
}

/// The spool that a command uses.
enum SpoolAccess {
    /// The spool of a running service.
    Service(ServiceClient),
    /// A spool that no process has open.
    Folder(Spool),
}

/// `arc-host spool`.
pub(super) async fn run(
    global: &Global,
    command: SpoolCommand,
    output: &mut Output,
) -> Result<CommandStatus> {
    match command {
        SpoolCommand::List(arguments) => list(global, &arguments, output).await,
        SpoolCommand::Drain(arguments) => drain(global, &arguments, output).await,
        SpoolCommand::Show(arguments) => show(global, &arguments, output).await,
        SpoolCommand::Requeue(arguments) => requeue(global, arguments, output).await,
        SpoolCommand::Drop(arguments) => drop_letters(global, arguments, output).await,
        SpoolCommand::Repair(place) => repair(global, &place, output).await,
    }
}

fn check_folder(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "no spool in {} (pass the folder of that process with --spool-dir, or the service with \
         --server)",
        folder.display()
    )))
}

/// Opens a spool that no process has open. No entry is added to it here.
fn open_spool(folder: &Path) -> Result<Spool> {
    check_folder(folder)?;
    Spool::open(&SpoolSettings { folder: folder.to_owned(), limit_bytes: u64::MAX })
}

/// Returns the folder of the spool if no service is used.
fn folder_of(global: &Global, place: &SpoolLocation) -> Result<PathBuf> {
    match &place.spool_dir {
        Some(folder) => Ok(folder.clone()),
        None => database::spool_folder(global.data_dir.as_deref()),
    }
}

impl SpoolAccess {
    fn open(global: &Global, place: &SpoolLocation) -> Result<Self> {
        if place.spool_dir.is_none()
            && let Some(client) = connection::service(global)?
        {
            return Ok(SpoolAccess::Service(client));
        }
        open_spool(&folder_of(global, place)?).map(SpoolAccess::Folder)
    }

    /// Returns entries after a number, and the number after which the next page begins.
    async fn page(&self, waiting: bool, limit: u32, after: u64) -> Result<EntryPage> {
        match self {
            SpoolAccess::Service(client) => {
                let page = client.spool_entries(waiting, Some(limit), Some(after)).await?;
                Ok(EntryPage { entries: page.entries, after: page.after })
            }
            SpoolAccess::Folder(spool) => {
                let listed = EntryFilter { after, dead_letters: !waiting };
                let found = spool.list(listed, limit as usize, PAGE_BYTES).await?;
                let after = found.last().map(|last| last.sequence);
                Ok(EntryPage { entries: found.iter().map(SpoolEntry::from).collect(), after })
            }
        }
    }

    /// Returns at most `limit` entries after a number.
    async fn entries(&self, waiting: bool, limit: u32, after: u64) -> Result<Vec<SpoolEntry>> {
        let (mut all, mut pages) = (Vec::new(), Pages::from(Some(after)));
        while all.len() < limit as usize {
            let left = limit.saturating_sub(u32::try_from(all.len()).unwrap_or(u32::MAX));
            let read = async |after: Option<u64>| {
                self.page(waiting, left.min(PAGE_ROWS), after.unwrap_or(0)).await
            };
            let Some(page) = pages.next(read).await? else { break };
            all.extend(page.entries);
        }
        Ok(all)
    }

    async fn entry(&self, sequence: u64) -> Result<SpoolEntryDocument> {
        match self {
            SpoolAccess::Service(client) => client.spool_entry(sequence).await,
            SpoolAccess::Folder(spool) => match spool.entry(sequence).await? {
                Some((kept, bytes)) => Ok(SpoolEntryDocument::new(&kept, &bytes)),
                None => Err(Error::not_found(format!(
                    "the spool has no entry with the number {sequence}"
                ))),
            },
        }
    }

    async fn requeue(&self, choice: DeadLetterSelection) -> Result<SpoolRequeued> {
        match self {
            SpoolAccess::Service(client) => client.requeue_dead_letters(&choice).await,
            SpoolAccess::Folder(spool) => {
                let requeued = spool.requeue(sequences(choice)?).await?;
                let spool::RequeueCounts { entries, unreadable } = requeued;
                Ok(SpoolRequeued { entries, unreadable })
            }
        }
    }

    async fn drop_letters(&self, choice: DeadLetterSelection) -> Result<SpoolDropped> {
        match self {
            SpoolAccess::Service(client) => client.drop_dead_letters(&choice).await,
            SpoolAccess::Folder(spool) => {
                let entries = spool.drop_dead_letters(sequences(choice)?).await?;
                Ok(SpoolDropped { entries })
            }
        }
    }

    async fn close(self) {
        if let SpoolAccess::Folder(spool) = self {
            spool.close().await;
        }
    }
}

fn sequences(choice: DeadLetterSelection) -> Result<Option<Vec<u64>>> {
    choice.sequences().map_err(Error::invalid)
}

fn kind_name(kind: SpoolEntryKind) -> &'static str {
    match kind {
        SpoolEntryKind::Configuration => "configuration",
        SpoolEntryKind::Start => "start",
        SpoolEntryKind::Result => "result",
        SpoolEntryKind::Completion => "completion",
        SpoolEntryKind::End => "end",
        SpoolEntryKind::Unreadable => "unreadable",
        SpoolEntryKind::Other => "other",
    }
}

fn state_name(state: SpoolEntryState) -> &'static str {
    match state {
        SpoolEntryState::Waiting => "waiting",
        SpoolEntryState::DeadLetter => "dead letter",
        SpoolEntryState::Other => "other",
    }
}

fn id_or_none(id: Option<Uuid>) -> String {
    id.map_or_else(String::new, |id| id.to_string())
}

async fn list(
    global: &Global,
    arguments: &SpoolList,
    output: &mut Output,
) -> Result<CommandStatus> {
    let SpoolList { waiting, limit, after, place } = arguments;
    let place = SpoolAccess::open(global, place)?;
    let entries = place.entries(*waiting, *limit, *after).await?;
    place.close().await;
    if output.json() {
        entries.iter().try_for_each(|entry| output.value(entry))?;
        return Ok(CommandStatus::Complete);
    }
    if entries.is_empty() {
        output::note(if *waiting { "the spool is empty" } else { "no dead letters" });
        return Ok(CommandStatus::Complete);
    }
    let last = entries.last().map(|entry| entry.sequence);
    let full = entries.len() >= *limit as usize;
    let rows = entries.into_iter().map(|entry| {
        vec![
            entry.sequence.to_string(),
            state_name(entry.state).to_owned(),
            kind_name(entry.kind).to_owned(),
            id_or_none(entry.simulation_id),
            format!("{:.0}", entry.spooled_at),
            output::count(entry.bytes),
            entry.reason.unwrap_or_default(),
        ]
    });
    output.table(
        &["number", "state", "records", "simulation", "spooled", "bytes", "reason"],
        &["number", "bytes"],
        rows,
    )?;
    if let Some(last) = last.filter(|_| full) {
        output::note(&format!("there might be more: --after {last} shows the next ones"));
    }
    Ok(CommandStatus::Complete)
}

async fn show(
    global: &Global,
    arguments: &SpoolShow,
    output: &mut Output,
) -> Result<CommandStatus> {
    let place = SpoolAccess::open(global, &arguments.place)?;
    let shown = place.entry(arguments.sequence).await?;
    place.close().await;
    if output.json() {
        output.value(&shown)?;
        return Ok(CommandStatus::Complete);
    }
    let SpoolEntryDocument { entry, document, exact } = shown;
    let retried = entry.retry_until.map(|until| format!("automatically until {until:.0}"));
    let fields = [
        ("number", entry.sequence.to_string()),
        ("state", state_name(entry.state).to_owned()),
        ("records", kind_name(entry.kind).to_owned()),
        ("simulation", id_or_none(entry.simulation_id)),
        ("outcome", id_or_none(entry.outcome_id)),
        ("spooled", format!("{:.0}", entry.spooled_at)),
        ("bytes", output::count(entry.bytes)),
        ("reason", output::printable(entry.reason.as_deref().unwrap_or_default())),
        ("tried again", retried.unwrap_or_default()),
    ];
    let fields: Vec<_> = fields.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    output.fields(&fields)?;
    output.line("")?;
    output.bare_line(&document)?;
    if !exact {
        output::warn("the document is not UTF-8 text; invalid bytes are shown as U+FFFD");
    }
    Ok(CommandStatus::Complete)
}

async fn requeue(
    global: &Global,
    letters: DeadLetters,
    output: &mut Output,
) -> Result<CommandStatus> {
    let DeadLetters { sequences, all, place } = letters;
    let place = SpoolAccess::open(global, &place)?;
    let requeued = place.requeue(DeadLetterSelection { sequences, all }).await?;
    let running = matches!(place, SpoolAccess::Service(_));
    place.close().await;
    if output.json() {
        output.value(&requeued)?;
    } else {
        output.line(&format!("{} dead letters wait again", output::count(requeued.entries)))?;
    }
    if requeued.entries > 0 && !running {
        output::note(
            "the next process that opens the spool delivers them, and so does `arc-host spool drain`",
        );
    }
    if requeued.unreadable == 0 {
        return Ok(CommandStatus::Complete);
    }
    output::show_error_message(&format!(
        "{} cannot be read, and stay dead letters; `arc-host spool list` shows the reasons",
        output::count(requeued.unreadable)
    ));
    Ok(CommandStatus::Incomplete)
}

async fn drop_letters(
    global: &Global,
    letters: DeadLetters,
    output: &mut Output,
) -> Result<CommandStatus> {
    let DeadLetters { sequences, all, place } = letters;
    let place = SpoolAccess::open(global, &place)?;
    // Exactly the listed entries are dropped: one that is refused meanwhile stays.
    let found = match all {
        true => place.entries(false, u32::MAX, 0).await?,
        false => {
            let mut found = Vec::with_capacity(sequences.len());
            for sequence in sequences {
                found.push(place.entry(sequence).await?.entry);
            }
            found
        }
    };
    let sequences: Vec<u64> = found.iter().map(|entry| entry.sequence).collect();
    let dropped = match sequences.is_empty() {
        true => SpoolDropped::default(),
        false => place.drop_letters(DeadLetterSelection { sequences, all: false }).await?,
    };
    place.close().await;
    if output.json() {
        output.value(&json!({"entries": dropped.entries, "dropped": found}))?;
        return Ok(CommandStatus::Complete);
    }
    for entry in &found {
        output.line(&format!(
            "  {BAD}dropped{BAD:#} {} ({}): {}",
            entry.sequence,
            kind_name(entry.kind),
            output::printable(entry.reason.as_deref().unwrap_or_default())
        ))?;
    }
    output.line(&format!("{} dead letters were dropped", output::count(dropped.entries)))?;
    Ok(CommandStatus::Complete)
}

async fn repair(
    global: &Global,
    place: &SpoolLocation,
    output: &mut Output,
) -> Result<CommandStatus> {
    let folder = folder_of(global, place)?;
    check_folder(&folder)?;
    let repairing = tokio::task::spawn_blocking(move || spool::repair(&folder)).await;
    let report = repairing
        .map_err(|error| Error::invalid("the repair was aborted").with_source(error))??;
    if output.json() {
        output.value(&report)?;
    } else {
        let Some(damaged_file) = &report.damaged_file else {
            output.line(&format!(
                "{GOOD}nothing is damaged{GOOD:#}: {} entries can be read; the spool stays as it is",
                output::count(report.read)
            ))?;
            return Ok(CommandStatus::Complete);
        };
        output.fields(&[
            ("read", output::count(report.read)),
            ("damaged", output::count(report.damaged)),
            ("damaged file", damaged_file.display().to_string()),
        ])?;
    }
    if report.damaged > 0 {
        output::warn(
            "the readable parts of damaged entries are kept as dead letters: `arc-host spool list` and \
             `spool show` show them, `spool drop` removes them",
        );
    }
    if !report.lists_read {
        output::warn(
            "the list of the entries was damaged, too: some might be missing, and some that were \
             delivered before might reappear; recording these again changes nothing",
        );
    }
    Ok(if report.damaged > 0 { CommandStatus::Incomplete } else { CommandStatus::Complete })
}
