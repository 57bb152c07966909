//! The root of the command line: what all commands have in common, and which commands there are.

use clap::{Parser, Subcommand};

use super::completions::Completions;
use super::component::Component;
use super::export::Export;
use super::formats::FormatsCommand;
use super::global::Global;
use super::history::{Reextract, RetryRejected};
use super::manual::Manual;
use super::prune::Prune;
use super::record::Record;
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
  arc-host status 0192f3c1-…                     where a simulation stands
  arc-host psql -- -c 'select * from arc_recorder.outcomes limit 5'

Exit codes: 0 all done, 1 something was not done, 2 some results were rejected, 130 stopped.";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Record files of results; each file is a simulation.
    ///
    /// A file holds one result, a JSON array, an object with "results", or one result a line; or it
    /// is a log of another evaluation tool whose format is known (`arc-host formats list`). The same
    /// file again stores nothing twice, and finishes what was broken off.
    Record(Record),
    /// Serve the recorder over HTTP.
    ///
    /// Every setting is an option here, a variable ARC_SERVE_NAME, and a line of the settings file,
    /// in this order. `arc-host serve --print-settings` writes such a file.
    Serve(Serve),
    /// Make, list and revoke the tokens with which the service is used.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Run a runner that is a WebAssembly component and records through the recorder interface.
    ///
    /// It has its arguments and the standard streams; no files, no network and no environment
    /// unless they are granted. Its exit code is this program's.
    Run(Run),
    /// List, add and remove result formats: components that read what other tools write.
    ///
    /// A format is chosen with --format, or by the file itself. Those that come with the program are
    /// always there; one that is added is checked, compiled in a process of its own, and held to fuel,
    /// memory and time whenever it runs.
    #[command(subcommand)]
    Formats(FormatsCommand),
    /// Show the verdict on each result of a file; no database is touched.
    Validate(Validate),
    /// List simulations, newest first.
    Simulations(Simulations),
    /// Show where a simulation stands.
    Status(Status),
    /// Show the outcomes of a simulation.
    Outcomes(Outcomes),
    /// Write outcomes for other programs: Parquet, CSV or JSON lines.
    ///
    /// Outcomes come in order of simulation, scenario, trial and attempt, as they were at one moment
    /// (a service is asked page after page instead). A file appears when it is whole.
    Export(Export),
    /// Show which results of a simulation were rejected, and why.
    Rejected(Rejected),
    /// Show a simulation by the hour: outcomes, score, duration, cost, errors.
    Performance(Performance),
    /// Show the latest failures of all simulations, newest first.
    Failures(Failures),
    /// Extract rejected results again, and record those that are accepted now.
    ///
    /// For results that were rejected because of a fault of the extractor or of a format. Those that are
    /// accepted become outcomes with the ids and times of receipt that they had. Safe to repeat and to
    /// interrupt.
    #[command(
        after_help = "Examples:\n  arc-host retry-rejected\n  arc-host retry-rejected --format inspect --simulation 0192f3c1-…"
    )]
    RetryRejected(RetryRejected),
    /// Show and deliver what a spool holds, and requeue or drop its dead letters.
    ///
    /// A spool keeps what the database did not take. What it refuses for good is a dead letter: it is
    /// kept, with the reason, until it is requeued or dropped. The spool of a running service is asked
    /// through the service (--server, with a token of the scope admin); one that no process has open
    /// is named by its folder (--spool-dir).
    #[command(subcommand)]
    Spool(SpoolCommand),
    /// Extract the fields of recorded outcomes again, with the extractor of today.
    ///
    /// Ids, times of receipt and documents never change; what the fields were is kept in
    /// arc_recorder.replaced_extractions. Each simulation is rewritten as a whole.
    Reextract(Reextract),
    /// Mark a running simulation as failed.
    Fail(End),
    /// Mark a running simulation as stopped on purpose.
    Cancel(End),
    /// Show whether the database works.
    Health,
    /// Bring the database's schema up to date. Other commands do this too, where they may.
    Migrate(Migrate),
    /// Remove simulations that are older than they are to be kept, with all that belongs to them.
    ///
    /// Whole simulations go, for good, in small steps beside which recording goes on; where outcomes
    /// lie in chunks (TimescaleDB), whole chunks. One that still runs and has had results since then
    /// stays. Safe to repeat and to break off.
    Prune(Prune),
    /// Open psql on the database, which stays up as long as psql runs.
    Psql(Psql),
    /// Write the extraction component (a .wasm file), or that of a format, for other hosts.
    Component(Component),
    /// Write a script that completes commands, options and values in a shell.
    Completions(Completions),
    /// Write the manual: a page for this program, and one for each of its commands.
    Man(Manual),
}

/// Any text as what a runner is given; see [`crate::fuzzing`].
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz_words(text: &str) {
    super::run::fuzz_words(text);
    if let Ok(arguments) = Arguments::try_parse_from(["arc-host"].into_iter().chain(text.lines())) {
        // What is shown of the arguments shows no secret.
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
