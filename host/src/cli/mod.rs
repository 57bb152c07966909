//! The command line: its definition, and one module for each group of commands.

mod annotate;
mod arguments;
mod compare;
mod completions;
mod component;
mod connection;
mod export;
mod formats;
mod global;
mod help;
mod history;
mod import_arc;
mod interrupt;
mod labels;
mod manual;
mod metrics;
mod options;
mod output;
mod prices;
mod program;
mod prune;
mod record;
mod revisions;
mod run;
mod schema;
mod serve;
mod simulations;
mod spool;
mod status;
mod token;
mod validate;
mod visible_secrets;

use std::ffi::OsString;

use clap::FromArgMatches as _;

use crate::embedded;
use crate::error::{Error, Result};
use crate::store::{AnnotationKind, SimulationStatus};
#[cfg(any(test, fuzzing))]
pub(crate) use arguments::fuzz_words;
use arguments::{Arguments, Command};
use output::Output;
pub use program::Program;

/// The result of a command, which determines the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum CommandStatus {
    /// Everything was done.
    Complete,
    /// Some results were rejected.
    Rejected,
    /// Something was not done.
    Incomplete,
    /// It was stopped with Ctrl-C.
    Interrupted,
    /// A program that was run ended with this code.
    Exit(u8),
}

impl CommandStatus {
    fn exit_code(self) -> u8 {
        match self {
            CommandStatus::Complete => 0,
            CommandStatus::Incomplete => 1,
            CommandStatus::Rejected => 2,
            // 128 + SIGINT, as in shells.
            CommandStatus::Interrupted => 130,
            CommandStatus::Exit(code) => code,
        }
    }
}

/// Runs the command line with these arguments, the first of which is the program's own name, and
/// returns the exit code. It uses the process as its own: the runtime, signals and standard streams.
///
/// Not generic, so that every command is compiled with this crate, and not once more with each
/// program that calls it.
pub fn main(program: Program, arguments: Vec<OsString>) -> u8 {
    // The supervisor of the embedded database is this program too: single-threaded, no runtime.
    if arguments.get(1).is_some_and(|first| first == program::SUPERVISE) {
        return match embedded::supervise(arguments.into_iter().skip(2)) {
            Ok(()) => CommandStatus::Complete.exit_code(),
            Err(error) => fail(&Error::from(error)),
        };
    }
    if arguments.get(1).is_some_and(|first| first == program::COMPILE) {
        return match formats::compile(arguments.into_iter().skip(2)) {
            Ok(()) => CommandStatus::Complete.exit_code(),
            Err(error) => fail(&error),
        };
    }
    let command = help::command();
    let is_command = |name: &&OsString| command.find_subcommand(name).is_some();
    let is_gate = arguments.iter().skip(1).find(is_command).is_some_and(|name| name == "gate");
    let parsed = command.try_get_matches_from(arguments).and_then(|matches| {
        let arguments = Arguments::from_arg_matches(&matches)?;
        visible_secrets::warn(&matches);
        Ok(arguments)
    });
    let arguments = match parsed {
        Ok(mut arguments) => {
            arguments.global.program = program;
            arguments
        }
        Err(error) => {
            // If the streams are closed, the error cannot be reported.
            let _ = error.print();
            // Requested help is a success. After an invalid command line, nothing was done; clap's
            // own code for it, 2, means here that results were rejected.
            return match (error.use_stderr(), is_gate) {
                (true, true) => compare::NOT_JUDGED_STATUS,
                (true, false) => CommandStatus::Incomplete,
                (false, _) => CommandStatus::Complete,
            }
            .exit_code();
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(&Error::io("could not start the runtime", error)),
    };
    let done = runtime.block_on(run(arguments));
    // Some threads cannot be stopped, for example one that reads from a pipe without a writer, or
    // one on which a component computes. They are abandoned: acknowledged results are committed.
    runtime.shutdown_background();
    match done {
        Ok(done) => done.exit_code(),
        Err(error) => fail(&error),
    }
}

fn fail(error: &Error) -> u8 {
    output::show_error(error);
    CommandStatus::Incomplete.exit_code()
}

async fn run(arguments: Arguments) -> Result<CommandStatus> {
    let Arguments { global, command } = arguments;
    let mut output = Output::new(global.json);
    match command {
        Command::Record(arguments) => record::run(&global, arguments, &mut output).await,
        Command::Serve(arguments) => serve::run(&global, arguments, &mut output).await,
        Command::Prices(command) => prices::run(&global, command, &mut output).await,
        Command::Token(command) => token::run(&global, command, &mut output).await,
        Command::Run(arguments) => run::run(&global, arguments).await,
        Command::Formats(command) => formats::run(&global, command, &mut output),
        Command::Validate(arguments) => validate::run(&global, arguments, &mut output).await,
        Command::Simulations(arguments) => simulations::run(&global, arguments, &mut output).await,
        Command::Status(arguments) => status::run(&global, arguments, &mut output).await,
        Command::Metrics(arguments) => metrics::run(&global, arguments, &mut output).await,
        Command::Revisions(arguments) => revisions::run(&global, arguments, &mut output).await,
        Command::Annotate(arguments) => annotate::annotate(&global, arguments, &mut output).await,
        Command::Invalidate(arguments) => {
            annotate::invalidate(&global, arguments, AnnotationKind::Invalidate, &mut output).await
        }
        Command::Restore(arguments) => {
            annotate::invalidate(&global, arguments, AnnotationKind::Restore, &mut output).await
        }
        Command::Annotations(arguments) => {
            annotate::annotations(&global, arguments, &mut output).await
        }
        Command::Compare(arguments) => compare::compare(&global, arguments, &mut output).await,
        Command::Gate(arguments) => compare::gate(&global, arguments, &mut output).await,
        Command::Missing(arguments) => annotate::missing(&global, arguments, &mut output).await,
        Command::Outcomes(arguments) => {
            simulations::outcomes(&global, arguments, &mut output).await
        }
        Command::Export(arguments) => export::run(&global, arguments, &mut output).await,
        Command::Rejected(arguments) => {
            simulations::rejected(&global, arguments, &mut output).await
        }
        Command::Performance(arguments) => {
            simulations::performance(&global, arguments, &mut output).await
        }
        Command::Failures(arguments) => {
            simulations::failures(&global, arguments, &mut output).await
        }
        Command::RetryRejected(arguments) => {
            history::retry_rejected(&global, arguments, &mut output).await
        }
        Command::Spool(command) => spool::run(&global, command, &mut output).await,
        Command::Reextract(arguments) => history::reextract(&global, arguments, &mut output).await,
        Command::Fail(arguments) => {
            simulations::end(&global, arguments, SimulationStatus::Failed, &mut output).await
        }
        Command::Cancel(arguments) => {
            simulations::end(&global, arguments, SimulationStatus::Cancelled, &mut output).await
        }
        Command::Health => schema::health(&global, &mut output).await,
        Command::Migrate(arguments) => schema::migrate(&global, arguments, &mut output).await,
        Command::ImportArc(arguments) => import_arc::run(&global, arguments, &mut output).await,
        Command::Prune(arguments) => prune::run(&global, arguments, &mut output).await,
        Command::Psql(arguments) => schema::psql(&global, arguments).await,
        Command::Component(arguments) => component::run(&global, arguments, &mut output),
        Command::Completions(arguments) => {
            completions::run(&arguments, &mut help::command(), &mut output)
        }
        Command::Man(arguments) => {
            manual::run(&arguments, &help::command_of_the_manual(), &mut output)
        }
    }
}
