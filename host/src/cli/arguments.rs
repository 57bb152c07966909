//! The root of the command line: the options of all commands, and the list of commands.

use clap::{Parser, Subcommand};

use super::annotate::{Annotate, Annotations, Invalidate, Missing};
use super::compare::{Compare, Gate};
use super::completions::Completions;
use super::component::Component;
use super::export::Export;
use super::formats::FormatsCommand;
use super::global::Global;
use super::history::{Reextract, RetryRejected};
use super::import_arc::ImportArc;
use super::manual::Manual;
use super::metrics::Metrics;
use super::prices::PricesCommand;
use super::prune::Prune;
use super::record::Record;
use super::revisions::Revisions;
use super::run::Run;
use super::schema::{Migrate, Psql};
use super::serve::Serve;
use super::simulations::{End, Failures, Outcomes, Performance, Rejected, Simulations};
use super::spool::SpoolCommand;
use super::status::Status;
use super::token::TokenCommand;
use super::validate::Validate;

/// Records the results of AI-agent evaluations in PostgreSQL, exactly once.
///
/// Without a database URL, a private PostgreSQL is started from the programs that are installed
/// on this machine, and stopped when the last arc-host ends.
#[derive(Debug, Parser)]
#[command(name = "arc-host", version, propagate_version = true, after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  arc-host record results.jsonl                  record a file into the embedded database
  generate | arc-host record --name nightly -    record standard input
  arc-host record --json results.jsonl | jq .overall_score
  arc-host record logs/2026-03-01_task.eval      a log of Inspect AI
  arc-host validate results.jsonl                verdicts only, no database
  arc-host export --output outcomes.parquet      all outcomes, for pandas, polars, DuckDB
  arc-host run runner.wasm -- --trials 3         a runner that is a component
  arc-host status 0192f3c1-…                     the progress of a simulation
  arc-host psql -- -c 'select * from arc_recorder.outcomes limit 5'

Exit codes: 0 success, 1 something was not done, 2 some results were rejected, 130 interrupted.";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Record result files and folders; each run or file becomes a simulation.
    ///
    /// A file holds one result, a JSON array, an object with "results", or one result per line; or
    /// it is a log of another evaluation tool whose format is known (`arc-host formats list`).
    /// Recording the same file again stores no result twice, and completes an interrupted
    /// recording.
    Record(Record),
    /// Serve the recorder over HTTP.
    ///
    /// Every setting is an option here, a variable ARC_SERVE_NAME, and a line of the settings file,
    /// in this order. `arc-host serve --print-settings` writes such a file.
    Serve(Serve),
    /// Create, list and revoke the tokens of the service's clients.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Run a runner: a WebAssembly component that records through the recorder interface.
    ///
    /// It gets its arguments and the standard streams, but no files, network or environment
    /// variables unless they are granted. Its exit code becomes this program's; an exit with another code
    /// than 0 and 1 needs `exit-with-code` of wasi:cli.
    Run(Run),
    /// List, add and remove result formats: components that read the files of other tools.
    ///
    /// A format is selected with --format, or detected from the file. The formats that come with
    /// the program are always available; an added one is checked, compiled in a separate process,
    /// and run with limits on fuel, memory and time.
    #[command(subcommand)]
    Formats(FormatsCommand),
    /// Show the verdict on each result of a file, without a database.
    Validate(Validate),
    /// List simulations, newest first; rename, tag and remove them.
    Simulations(Simulations),
    /// Show the progress of a simulation.
    Status(Status),
    /// Show or declare the metrics of a simulation.
    ///
    /// A score is shown as a number from 0 to 1 only if its scale is known: from the tool, from the
    /// results, or declared here.
    #[command(
        after_help = "Examples:\n  arc-host metrics 0192f3c1-…\n  arc-host metrics 0192f3c1-… --score-scale 10\n  arc-host metrics 0192f3c1-… --metric judge:lowest=1,highest=5,headline=true"
    )]
    Metrics(Metrics),
    /// Show or select which revisions of results count.
    Revisions(Revisions),
    /// Compare runs with a baseline: which is better, and how sure it is.
    ///
    /// Scenarios are paired by id and content, and each counts once, however many trials it has. The
    /// definitions are in docs/statistics.md.
    Compare(Compare),
    /// Decide whether a run is no worse than a baseline by more than a margin.
    ///
    /// The exit code is 0 if it passed, 1 if it regressed, 3 if the results do not decide it, and 2 if anything
    /// kept it from judging.
    Gate(Gate),
    /// Annotate results: notes, tags, other scores, failure classes.
    ///
    /// Nothing is overwritten: of the annotations about the same, the newest that is not undone counts.
    /// An annotation of a result that has a key belongs to all its revisions; a changed score belongs to
    /// the revision that counts now.
    Annotate(Annotate),
    /// Mark results as ones that do not count.
    Invalidate(Invalidate),
    /// Make invalidated results count again, also those that their tool has invalidated.
    Restore(Invalidate),
    /// Show the annotations of a simulation's results.
    Annotations(Annotations),
    /// List the trials that have no valid outcome: recording them completes the run.
    ///
    /// These are planned trials without a result, and those whose latest outcome was invalidated or is a
    /// failure of infrastructure.
    Missing(Missing),
    /// Show the outcomes of a simulation.
    Outcomes(Outcomes),
    /// Export outcomes to other programs: Parquet, CSV or JSON lines.
    ///
    /// The outcomes are a snapshot, in order of simulation, scenario, trial and attempt (those of a
    /// service are read page by page, without a snapshot). A file appears when it is complete.
    Export(Export),
    /// Show which results of a simulation were rejected, and why.
    Rejected(Rejected),
    /// Show a simulation by the hour: outcomes, score, duration, cost, errors.
    Performance(Performance),
    /// Show the latest failures of all simulations, newest first.
    Failures(Failures),
    /// Extract rejected results again, and record those that are accepted now.
    ///
    /// For results that were rejected because of a bug in the extractor or in a format. Those that
    /// are now accepted become outcomes with their original ids and times of receipt. Safe to
    /// repeat and to interrupt.
    #[command(
        after_help = "Examples:\n  arc-host retry-rejected\n  arc-host retry-rejected --format inspect --simulation 0192f3c1-…"
    )]
    RetryRejected(RetryRejected),
    /// Show and deliver the entries of a spool, and requeue or drop its dead letters.
    ///
    /// A spool keeps the entries that the database did not accept. An entry that is refused
    /// permanently becomes a dead letter: it is kept, with the reason, until it is requeued or
    /// dropped. The spool of a running service is reached through the service (--server, with a
    /// token of the scope admin); one that no process has open is named by its folder
    /// (--spool-dir).
    #[command(subcommand)]
    Spool(SpoolCommand),
    /// Extract the fields of recorded outcomes again, with the current extractor.
    ///
    /// Ids, times of receipt and documents never change; the previous fields are kept in
    /// arc_recorder.replaced_extractions. Each simulation is rewritten as a whole.
    Reextract(Reextract),
    /// Mark a running simulation as failed.
    Fail(End),
    /// Mark a running simulation as stopped on purpose.
    Cancel(End),
    /// Show whether the database works.
    Health,
    /// Bring the database's schema up to date. Other commands also do this if they are allowed to.
    Migrate(Migrate),
    /// Load, list and show the prices of models, by which costs are computed.
    ///
    /// A cost that a tool reports stays as it is; the one that is computed from tokens and prices is
    /// beside it, with the date of the prices.
    #[command(subcommand)]
    Prices(PricesCommand),
    /// Remove simulations that are older than a retention period, with all their data.
    ///
    /// Whole simulations are removed permanently, in small steps, so that recording can continue;
    /// if outcomes are stored in chunks (TimescaleDB), whole chunks are dropped. A simulation that
    /// is still running and has received results within the period is kept. Safe to repeat and to
    /// interrupt.
    Prune(Prune),
    /// Import the simulations of the earlier Python system from its database.
    ///
    /// Its tables in the schema public are only read. Simulations keep their ids, with their plans,
    /// configurations and outcomes; importing again records new outcomes. A score, cost or duration of
    /// 0 is computed from the outcomes, because the earlier system wrote 0 for what a suite did not
    /// have.
    #[command(
        after_help = "Examples:\n  ARC_IMPORT_FROM=postgresql://user:password@host/arc arc-host import-arc --dry-run\n  arc-host import-arc --from postgresql://user@host/arc\n  arc-host import-arc --from postgresql://user@host/arc --json | jq .earlier_overall_score"
    )]
    ImportArc(ImportArc),
    /// Open psql on the database, which keeps running as long as psql runs.
    Psql(Psql),
    /// Write the extraction component (a .wasm file), or that of a format, for other hosts.
    Component(Component),
    /// Write a script that completes commands, options and values in a shell.
    Completions(Completions),
    /// Write the manual: a page for this program, and one for each of its commands.
    Man(Manual),
}

/// Parses any text as a command line, and as the options of a runner; see [`crate::fuzzing`].
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz_words(text: &str) {
    super::run::fuzz_words(text);
    if let Ok(arguments) = Arguments::try_parse_from(["arc-host"].into_iter().chain(text.lines())) {
        // The debug output of the arguments contains no secret.
        assert!(!format!("{arguments:?}").is_empty());
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_definition_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
