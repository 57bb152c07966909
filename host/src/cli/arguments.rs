//! Every command, argument and setting: name, type, default and a sentence.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use uuid::Uuid;

use super::program::Program;
use super::serve::Serve;
use crate::access::Scope;
use crate::recorder::duration_hours;
use crate::store::SimulationStatus;

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
  arc-host extract results.jsonl                 verdicts only, no database
  arc-host run runner.wasm -- --trials 3         a runner that is a component
  arc-host status 0192f3c1-…                     where a simulation stands
  arc-host psql -- -c 'select * from arc_recorder.outcomes limit 5'

Exit codes: 0 all done, 1 something was not done, 2 some results were rejected, 130 stopped.";

/// Settings that every command understands.
#[derive(Debug, Args)]
pub(super) struct Global {
    /// The database: postgresql://user@host/name, with libpq's parameters and variables.
    /// Default: ARC_DATABASE_URL, then TIMESCALE_SERVICE_URL, then the embedded database.
    #[arg(long, global = true, value_name = "URL", help_heading = "Settings")]
    pub(super) database_url: Option<String>,

    /// A service to use instead of a database, such as https://arc.example.
    #[arg(
        long,
        global = true,
        env = "ARC_SERVER",
        value_name = "URL",
        conflicts_with = "database_url",
        help_heading = "Settings"
    )]
    pub(super) server: Option<String>,

    /// The token for the service. In the variable it is in no list of processes.
    #[arg(
        long,
        global = true,
        env = "ARC_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN",
        help_heading = "Settings"
    )]
    pub(super) token: Option<String>,

    /// The folder of the embedded database.
    #[arg(
        long,
        global = true,
        env = "ARC_DATA_DIR",
        value_name = "DIR",
        help_heading = "Settings"
    )]
    pub(super) data_dir: Option<PathBuf>,

    /// The folder of PostgreSQL's own programs (initdb, postgres) for the embedded database.
    #[arg(
        long,
        global = true,
        env = "ARC_POSTGRES_BIN",
        value_name = "DIR",
        help_heading = "Settings"
    )]
    pub(super) postgres_bin: Option<PathBuf>,

    /// The folder that keeps compiled components between runs.
    #[arg(
        long,
        global = true,
        env = "ARC_CACHE_DIR",
        value_name = "DIR",
        help_heading = "Settings"
    )]
    pub(super) cache_dir: Option<PathBuf>,

    /// Write JSON for programs instead of text for people.
    #[arg(long, global = true, help_heading = "Settings")]
    pub(super) json: bool,

    /// The program that this command line runs in.
    #[arg(skip)]
    pub(super) program: Program,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Record files of results; each file is a simulation.
    ///
    /// A file holds one result, a JSON array, an object with "results", or one result a line. The
    /// same file again stores nothing twice, and finishes what was broken off.
    Record(Record),
    /// Serve the recorder over HTTP.
    ///
    /// Every setting is an option here, a variable ARC_SERVE_NAME, and a line of the settings file,
    /// in this order. `arc-host serve --print-config` writes such a file.
    Serve(Serve),
    /// Make, list and revoke the tokens with which the service is used.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Run a runner that is a WebAssembly component and records through the recorder interface.
    ///
    /// It has its arguments and the standard streams, no files and no network. Its exit code is
    /// this program's.
    Run(Run),
    /// Show the verdict on each result of a file; no database is touched.
    Extract(Extract),
    /// List simulations, newest first.
    Simulations(Simulations),
    /// Show where a simulation stands.
    Status(Status),
    /// Show the outcomes of a simulation.
    Outcomes(Outcomes),
    /// Show which results of a simulation were rejected, and why.
    Rejected(Rejected),
    /// Show a simulation by the hour: outcomes, score, duration, cost, errors.
    Performance(Performance),
    /// Show the latest failures of all simulations, newest first.
    Failures(Failures),
    /// Record what was rejected or spooled.
    ///
    /// With --rejected, rejected results are extracted again, after the extractor was mended; those
    /// that are accepted now become outcomes, with the ids and times of receipt that they had. With
    /// --spool, what a process has kept while the database was away is delivered. Safe to repeat
    /// and to break off.
    Replay(Replay),
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
    Migrate,
    /// Open psql on the database, which stays up as long as psql runs.
    Psql(Psql),
    /// Write the extraction component (a .wasm file) for other hosts.
    Component(Component),
}

#[derive(Debug, Args)]
pub(super) struct Record {
    /// Files of results; - is standard input.
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,

    /// The simulation's name. Default: the file's name.
    #[arg(long)]
    pub(super) name: Option<String>,

    /// A file with the agent's configuration (JSON or other text), kept with the simulation.
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    /// The simulation's id. One that exists takes the results; its plan stays as it is.
    #[arg(long, value_name = "ID", conflicts_with = "new")]
    pub(super) simulation: Option<Uuid>,

    /// Make a new simulation, even of a file that was recorded before.
    #[arg(long)]
    pub(super) new: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Make a token, and print it this once.
    New(NewToken),
    /// List the tokens, without their secrets.
    List,
    /// Let a token work no more.
    Revoke(RevokeToken),
}

#[derive(Debug, Args)]
pub(super) struct NewToken {
    /// What it allows: read (questions), record, or admin (all of it). More than one may be given.
    #[arg(long, required = true, value_name = "SCOPE")]
    pub(super) scope: Vec<Scope>,

    /// A name for people, such as ci.
    #[arg(long)]
    pub(super) name: String,
}

#[derive(Debug, Args)]
pub(super) struct RevokeToken {
    /// The token's id or name, as `arc-host token list` shows them.
    #[arg(value_name = "TOKEN")]
    pub(super) token: String,
}

#[derive(Debug, Args)]
pub(super) struct Run {
    /// The component's file (.wasm), of the world arc:recording/runner.
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,

    /// How much memory it may use, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 1_024,
        value_parser = clap::value_parser!(u32).range(1..=4_096))]
    pub(super) memory: u32,

    /// Arguments for the runner.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
    pub(super) arguments: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Extract {
    /// A file of results; - is standard input.
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Simulations {
    /// Only those with this status.
    #[arg(long, value_name = "STATUS")]
    pub(super) status: Option<StatusWord>,

    /// How many at most, and say where the next page begins. Default: 20.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) limit: Option<u32>,

    /// Go on where the page before ended.
    #[arg(long, value_name = "CURSOR")]
    pub(super) cursor: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum StatusWord {
    Running,
    Completed,
    Failed,
    Cancelled,
}

impl From<StatusWord> for SimulationStatus {
    fn from(word: StatusWord) -> Self {
        match word {
            StatusWord::Running => SimulationStatus::Running,
            StatusWord::Completed => SimulationStatus::Completed,
            StatusWord::Failed => SimulationStatus::Failed,
            StatusWord::Cancelled => SimulationStatus::Cancelled,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct Status {
    /// The simulation's id.
    #[arg(value_name = "ID")]
    pub(super) simulation: Uuid,

    /// Show every change until the simulation ends: exit code 0 where it was completed, 1 where it
    /// failed or was cancelled.
    #[arg(long)]
    pub(super) watch: bool,
}

#[derive(Debug, Args)]
pub(super) struct Outcomes {
    /// The simulation's id.
    #[arg(value_name = "ID")]
    pub(super) simulation: Uuid,

    /// Only those with this status.
    #[arg(long, value_name = "STATUS", value_parser = ["success", "error", "timeout", "cancelled"])]
    pub(super) status: Option<String>,

    /// Only those of this scenario.
    #[arg(long, value_name = "SCENARIO")]
    pub(super) scenario: Option<String>,

    /// Write the documents instead, byte for byte as they were recorded, a newline after each.
    #[arg(long)]
    pub(super) documents: bool,

    /// A page of at most so many, and where the next one begins. Default: all of them.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(super) limit: Option<u32>,

    /// Go on where the page before ended.
    #[arg(long, value_name = "CURSOR")]
    pub(super) cursor: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Rejected {
    /// The simulation's id.
    #[arg(value_name = "ID")]
    pub(super) simulation: Uuid,

    /// Write the kept bytes of this rejected result instead.
    #[arg(long, value_name = "ID")]
    pub(super) document: Option<Uuid>,
}

#[derive(Debug, Args)]
pub(super) struct Performance {
    /// The simulation's id.
    #[arg(value_name = "ID")]
    pub(super) simulation: Uuid,

    /// How far back, such as 90m, 24h, 7d or 2w.
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = duration_hours)]
    pub(super) range: f64,
}

#[derive(Debug, Args)]
pub(super) struct Failures {
    /// How many at most.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) limit: u32,
}

#[derive(Debug, Args)]
pub(super) struct Replay {
    /// Replay the rejected results of the database.
    #[arg(long, required_unless_present = "spool", conflicts_with = "spool")]
    pub(super) rejected: bool,

    /// Deliver what this folder of a spool holds, to the database or to --server.
    #[arg(long, value_name = "DIR")]
    pub(super) spool: Option<PathBuf>,

    /// With --spool: also what was refused for good before.
    #[arg(long, requires = "spool")]
    pub(super) refused: bool,

    /// With --rejected: only those of this simulation.
    #[arg(long, value_name = "ID", conflicts_with = "spool")]
    pub(super) simulation: Option<Uuid>,
}

#[derive(Debug, Args)]
pub(super) struct Reextract {
    /// Only the outcomes of this simulation.
    #[arg(long, value_name = "ID")]
    pub(super) simulation: Option<Uuid>,

    /// Show every field that would change, with its old and its new value; write nothing.
    #[arg(long)]
    pub(super) dry_run: bool,

    /// Also outcomes that the extractor of today has extracted.
    #[arg(long)]
    pub(super) all: bool,
}

#[derive(Debug, Args)]
pub(super) struct End {
    /// The simulation's id.
    #[arg(value_name = "ID")]
    pub(super) simulation: Uuid,

    /// Why; kept with the simulation.
    #[arg(long, default_value = "")]
    pub(super) reason: String,
}

#[derive(Debug, Args)]
pub(super) struct Psql {
    /// Arguments for psql.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
    pub(super) arguments: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(super) struct Component {
    /// Write the core module that is inside of it, for hosts that load no components. Its functions
    /// take and give strings as the Canonical ABI has them.
    #[arg(long)]
    pub(super) core: bool,

    /// Where to write it; - is standard output. Default: arc-extractor.wasm, and
    /// arc-extractor.core.wasm with --core.
    #[arg(long, short, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_definition_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
