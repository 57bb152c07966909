//! Every command, argument and setting: name, type, default and a sentence.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use uuid::Uuid;

use super::completions::Completions;
use super::global::Global;
use super::manual::Manual;
use super::serve::Serve;
use crate::access::Scope;
use crate::export::Format;
use crate::recorder::duration_hours;
use crate::store::{Layout, SimulationStatus};

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

    #[command(flatten)]
    pub(super) format: FormatOptions,

    /// The simulation's id. One that exists takes the results; its plan stays as it is.
    #[arg(long, value_name = "ID", value_parser = id, conflicts_with = "new")]
    pub(super) simulation: Option<Uuid>,

    /// Make a new simulation, even of a file that was recorded before.
    #[arg(long)]
    pub(super) new: bool,
}

/// In which format a file is read.
#[derive(Debug, Args)]
pub(super) struct FormatOptions {
    /// The format of the results, as `arc-host formats list` names it; arc-guide is the built-in one.
    /// Default: the format that recognises the file.
    #[arg(long, value_name = "NAME")]
    pub(super) format: Option<String>,

    /// The file that holds what is said once for all results, where the format keeps it apart.
    /// Default: the one beside the results that the format's names fit.
    #[arg(long, value_name = "FILE")]
    pub(super) header: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(super) enum FormatsCommand {
    /// List all formats: name, version, authors, and what each reads.
    List,
    /// Add a component of the world arc:recording/extractor under the name that it says.
    Add(AddFormat),
    /// Remove a format that was added.
    Remove(RemoveFormat),
}

#[derive(Debug, Args)]
pub(super) struct AddFormat {
    /// The component's file (.wasm).
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,

    /// Give the component WASI, where it imports it: one without files, network, variables and input,
    /// whose clocks stand still and whose random bytes never change.
    #[arg(long)]
    pub(super) grant_wasi: bool,
}

#[derive(Debug, Args)]
pub(super) struct RemoveFormat {
    /// The format's name.
    #[arg(value_name = "NAME")]
    pub(super) name: String,
}

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Make a token, and print it this once.
    Create(CreateToken),
    /// List the tokens, without their secrets.
    List,
    /// Let a token work no more.
    Revoke(RevokeToken),
}

#[derive(Debug, Args)]
pub(super) struct CreateToken {
    /// What it allows: read (questions), record, or admin (all of it). More than one may be given. A
    /// scope holds for all simulations: each token that records can also complete, fail and cancel
    /// those that others have started.
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

    /// A folder that it may read, and under which path it sees it. Default: the same path.
    #[arg(long = "dir", value_name = "HOST[::GUEST]", value_parser = folder)]
    pub(super) folders: Vec<(PathBuf, String)>,

    /// A folder in which it may also write.
    #[arg(long = "dir-rw", value_name = "HOST[::GUEST]", value_parser = folder)]
    pub(super) writable_folders: Vec<(PathBuf, String)>,

    /// Let it use the network as this program may: connect, listen, look up names.
    #[arg(long)]
    pub(super) allow_net: bool,

    /// An environment variable for it; without a value, with the one that it has here.
    #[arg(long = "env", value_name = "NAME[=VALUE]", value_parser = variable)]
    pub(super) variables: Vec<(String, String)>,

    /// Arguments for the runner.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
    pub(super) arguments: Vec<String>,
}

/// The id of a simulation or a result.
fn id(text: &str) -> Result<Uuid, String> {
    Uuid::try_parse(text).map_err(|_| {
        "an id is a UUID of 36 characters, as `arc-host simulations` lists them".to_owned()
    })
}

/// A folder as the runner is to see it.
fn folder(text: &str) -> Result<(PathBuf, String), String> {
    let (host, guest) = text.split_once("::").unwrap_or((text, text));
    if host.is_empty() || guest.is_empty() {
        return Err("give the folder's path, or its path and the runner's path: data::/data".into());
    }
    Ok((host.into(), guest.to_owned()))
}

/// A variable and its value, which this process may have.
fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Ok(value.to_owned())),
        None => (text, std::env::var(text)),
    };
    match value {
        _ if name.is_empty() => Err("a variable has a name".to_owned()),
        Ok(value) => Ok((name.to_owned(), value)),
        Err(error) => Err(format!("{error}; give it a value: {name}=VALUE")),
    }
}

/// Any text as what a runner is given; see [`crate::fuzzing`].
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz_words(text: &str) {
    if let Ok((host, guest)) = folder(text) {
        assert!(!host.as_os_str().is_empty() && !guest.is_empty(), "{text}");
        assert!(text.starts_with(&*host.to_string_lossy()) && text.ends_with(&guest), "{text}");
    }
    if let Ok((name, value)) = variable(text) {
        assert!(!name.is_empty(), "{text}");
        assert!(!text.contains('=') || format!("{name}={value}") == text, "{text}");
    }
    if let Ok(arguments) = Arguments::try_parse_from(["arc-host"].into_iter().chain(text.lines())) {
        // What is shown of the arguments shows no secret.
        assert!(!format!("{arguments:?}").is_empty());
    }
}

#[derive(Debug, Args)]
pub(super) struct Validate {
    /// A file of results; - is standard input.
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,

    #[command(flatten)]
    pub(super) format: FormatOptions,
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
    #[arg(value_name = "ID", value_parser = id)]
    pub(super) simulation: Uuid,

    /// Show every change until the simulation ends: exit code 0 where it was completed, 1 where it
    /// failed or was cancelled.
    #[arg(long)]
    pub(super) watch: bool,
}

#[derive(Debug, Args)]
pub(super) struct Outcomes {
    /// The simulation's id.
    #[arg(value_name = "ID", value_parser = id)]
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FormatWord {
    /// Apache Parquet: typed columns, compressed with zstd.
    Parquet,
    /// Comma-separated values as RFC 4180 has them, with the names of the columns first.
    Csv,
    /// An object of JSON a line.
    Jsonl,
}

impl From<FormatWord> for Format {
    fn from(word: FormatWord) -> Self {
        match word {
            FormatWord::Parquet => Format::Parquet,
            FormatWord::Csv => Format::Csv,
            FormatWord::Jsonl => Format::Jsonl,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct Export {
    /// The simulations' ids. Default: all simulations, the oldest first.
    #[arg(value_name = "ID", value_parser = id)]
    pub(super) simulations: Vec<Uuid>,

    /// The format. Default: the one that FILE's name ends with.
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(super) format: Option<FormatWord>,

    /// Where to write it; - is standard output.
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    pub(super) output: PathBuf,

    /// Only those with this status.
    #[arg(long, value_name = "STATUS", value_parser = ["success", "error", "timeout", "cancelled"])]
    pub(super) status: Option<String>,

    /// Only those of this scenario.
    #[arg(long, value_name = "SCENARIO")]
    pub(super) scenario: Option<String>,

    /// With the documents, byte for byte as they were recorded, as a last column of text.
    #[arg(long)]
    pub(super) documents: bool,
}

#[derive(Debug, Args)]
pub(super) struct Rejected {
    /// The simulation's id.
    #[arg(value_name = "ID", value_parser = id)]
    pub(super) simulation: Uuid,

    /// Write the kept bytes of this rejected result instead.
    #[arg(long, value_name = "ID", value_parser = id)]
    pub(super) document: Option<Uuid>,

    /// A page of at most so many, and where the next one begins. Default: all of them.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(super) limit: Option<u32>,

    /// Go on where the page before ended.
    #[arg(long, value_name = "CURSOR")]
    pub(super) cursor: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Performance {
    /// The simulation's id.
    #[arg(value_name = "ID", value_parser = id)]
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
pub(super) struct RetryRejected {
    /// Only the results of this format. Default: all formats.
    #[arg(long, value_name = "NAME")]
    pub(super) format: Option<String>,

    /// Only the results of this simulation.
    #[arg(long, value_name = "ID", value_parser = id)]
    pub(super) simulation: Option<Uuid>,
}

#[derive(Debug, Subcommand)]
pub(super) enum SpoolCommand {
    /// List dead letters, oldest first: number, what they record, why they were refused.
    List(SpoolList),
    /// Show one entry: what it records, why it was refused, and its document.
    Show(SpoolShow),
    /// Deliver what a spool holds to the database, or to the service of --server.
    ///
    /// For a folder that no process has open. What the destination refuses becomes a dead letter. Safe
    /// to repeat and to interrupt.
    #[command(
        after_help = "Examples:\n  arc-host spool drain --spool-dir /volume/spool\n  arc-host spool drain --spool-dir /volume/spool --requeue --server https://arc.example"
    )]
    Drain(SpoolDrain),
    /// Put dead letters back into the queue, for example after the reason was mended.
    ///
    /// They go behind all that waits, under new numbers. What is refused again is a dead letter again.
    /// Those whose simulation was not known are tried again by themselves for a day.
    #[command(
        after_help = "Examples:\n  arc-host spool requeue 17 18\n  arc-host spool requeue --all --server http://127.0.0.1:7117"
    )]
    Requeue(DeadLetters),
    /// Remove dead letters for good. What waits is never dropped.
    ///
    /// Their results are then recorded nowhere. Each one that goes is printed with its reason.
    #[command(
        after_help = "Examples:\n  arc-host spool drop 17 18\n  arc-host spool drop --all --spool-dir /volume/spool"
    )]
    Drop(DeadLetters),
    /// Read what can be read of a damaged spool into a new one, and keep the damaged file beside it.
    ///
    /// For a folder that no process has open. Entries that are as they were written are kept, in their
    /// order; of a damaged one, what is left of it becomes a dead letter. If the lists of the entries
    /// are damaged too, entries that were delivered or dropped before may come back: to record them
    /// again changes nothing.
    #[command(after_help = "Example:\n  arc-host spool repair --spool-dir /volume/spool")]
    Repair(SpoolPlace),
}

#[derive(Debug, Args)]
pub(super) struct SpoolPlace {
    /// The folder of a spool that no process has open. Default: the one in the user's data folder,
    /// unless --server names a service.
    #[arg(long, value_name = "DIR")]
    pub(super) spool_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct SpoolDrain {
    /// The folder of the spool.
    #[arg(long, value_name = "DIR")]
    pub(super) spool_dir: PathBuf,

    /// Requeue its dead letters first.
    #[arg(long)]
    pub(super) requeue: bool,
}

#[derive(Debug, Args)]
pub(super) struct SpoolList {
    /// Also what waits.
    #[arg(long)]
    pub(super) waiting: bool,

    /// How many at most.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) limit: u32,

    /// Only entries with a greater number than this one.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(super) after: u64,

    #[command(flatten)]
    pub(super) place: SpoolPlace,
}

#[derive(Debug, Args)]
pub(super) struct SpoolShow {
    /// The entry's number, as `arc-host spool list` shows it.
    #[arg(value_name = "NUMBER")]
    pub(super) sequence: u64,

    #[command(flatten)]
    pub(super) place: SpoolPlace,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).args(["sequences", "all"]))]
pub(super) struct DeadLetters {
    /// The numbers of dead letters, as `arc-host spool list` shows them.
    #[arg(value_name = "NUMBER")]
    pub(super) sequences: Vec<u64>,

    /// All dead letters.
    #[arg(long)]
    pub(super) all: bool,

    #[command(flatten)]
    pub(super) place: SpoolPlace,
}

#[derive(Debug, Args)]
pub(super) struct Reextract {
    /// Only the outcomes of this format. Default: all formats.
    #[arg(long, value_name = "NAME")]
    pub(super) format: Option<String>,

    /// Only the outcomes of this simulation.
    #[arg(long, value_name = "ID", value_parser = id)]
    pub(super) simulation: Option<Uuid>,

    /// Show every field that would change, with its old and its new value; write nothing.
    #[arg(long)]
    pub(super) dry_run: bool,

    /// Also outcomes that the extractor of today has extracted.
    #[arg(long)]
    pub(super) all: bool,
}

#[derive(Debug, Args)]
pub(super) struct Migrate {
    /// Lay the tables out so: plain, timescale (needs that extension), or citus (which is experimental).
    /// A new database gets what its server offers; one that has a layout keeps it.
    #[arg(long, value_name = "LAYOUT")]
    pub(super) to: Option<LayoutWord>,

    /// Write the SQL that would be run, for somebody who may run it, and change nothing. Without a
    /// database URL it is the SQL for an empty database.
    #[arg(long)]
    pub(super) print: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum LayoutWord {
    Plain,
    Timescale,
    Citus,
}

impl From<LayoutWord> for Layout {
    fn from(word: LayoutWord) -> Self {
        match word {
            LayoutWord::Plain => Layout::Plain,
            LayoutWord::Timescale => Layout::Timescale,
            LayoutWord::Citus => Layout::Citus,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct Prune {
    /// How long simulations are kept, counted from their start: 180d, 26w.
    #[arg(long, value_name = "DURATION", value_parser = duration_hours)]
    pub(super) older_than: f64,

    /// Show what would be removed; remove nothing.
    #[arg(long)]
    pub(super) dry_run: bool,
}

#[derive(Debug, Args)]
pub(super) struct End {
    /// The simulation's id.
    #[arg(value_name = "ID", value_parser = id)]
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
    /// The component of this format, as `arc-host formats list` names it.
    /// Default: arc-guide, the built-in one.
    #[arg(long, value_name = "NAME")]
    pub(super) format: Option<String>,

    /// Write the core module that is inside of it, for hosts that load no components. Its functions
    /// take and give strings as the Canonical ABI has them.
    #[arg(long)]
    pub(super) core: bool,

    /// Where to write it; - is standard output. Default: arc-extractor.wasm, or
    /// arc-format-NAME.wasm; with --core they end with .core.wasm.
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

    #[test]
    fn folders_and_variables_of_runners() {
        assert_eq!(super::folder("data").unwrap(), ("data".into(), "data".to_owned()));
        assert_eq!(super::folder("a:b::/c::d").unwrap(), ("a:b".into(), "/c::d".to_owned()));
        assert!(super::folder("::/data").is_err() && super::folder("data::").is_err());
        assert_eq!(super::variable("A=b=c").unwrap(), ("A".to_owned(), "b=c".to_owned()));
        assert_eq!(super::variable("A=").unwrap(), ("A".to_owned(), String::new()));
        assert!(super::variable("=b").is_err());
        let unset = super::variable("ARC_NO_SUCH_VARIABLE").unwrap_err();
        assert!(unset.contains("ARC_NO_SUCH_VARIABLE=VALUE"), "{unset}");
    }
}
