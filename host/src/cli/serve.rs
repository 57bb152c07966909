//! `arc-host serve`: runs the recorder as a service.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::json;

use super::CommandStatus;
use super::connection;
use super::global::Global;
use super::interrupt::{Hangups, Interrupts, exit_after};
use super::output::Output;
use crate::Recorder;
use crate::access::TokenRegistry;
use crate::database::{self, Database};
use crate::error::Result;
use crate::service::settings::{FILE_VARIABLE, SETTINGS, is_list, unknown_variables};
use crate::service::{Reloader, Service, ServiceSettings, raise_open_files, start_log};
use crate::spool::{Spool, SpoolSettings};
use crate::store::SchemaState;

/// The arguments of `serve`: each setting of the service is an option.
#[derive(Clone, Debug, Default)]
pub(super) struct Serve {
    settings_file: Option<PathBuf>,
    print_settings: bool,
    /// The values on the command line, by the setting's name.
    given: Vec<(String, String)>,
}

/// The time after its own limit that a shutdown can take before the process exits. The service
/// enforces the limit itself, and should be the first to do so.
const SHUTDOWN_MARGIN: Duration = Duration::from_secs(1);

const FILE: &str = "settings";
const PRINT: &str = "print-settings";

impl clap::FromArgMatches for Serve {
    fn from_arg_matches(matches: &ArgMatches) -> std::result::Result<Self, clap::Error> {
        let given = SETTINGS.iter().filter_map(|setting| {
            let values: Vec<&str> =
                matches.get_many::<String>(setting.name)?.map(String::as_str).collect();
            Some((setting.name.to_owned(), values.join(",")))
        });
        Ok(Serve {
            settings_file: matches.get_one::<PathBuf>(FILE).cloned(),
            print_settings: matches.get_flag(PRINT),
            given: given.collect(),
        })
    }

    fn update_from_arg_matches(
        &mut self,
        matches: &ArgMatches,
    ) -> std::result::Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl clap::Args for Serve {
    fn augment_args(command: Command) -> Command {
        let file = Arg::new(FILE)
            .long(FILE)
            .value_name("FILE")
            .env(FILE_VARIABLE)
            .value_parser(clap::value_parser!(PathBuf))
            .help("A settings file (TOML), as --print-settings writes it");
        let print = Arg::new(PRINT)
            .long(PRINT)
            .action(ArgAction::SetTrue)
            .help("Print the current settings with their descriptions, and exit");
        let defaults = ServiceSettings::default().values_by_name();
        let settings = SETTINGS.iter().map(|setting| {
            let default = defaults.iter().find(|(name, _)| *name == setting.name);
            let default = default.and_then(|(_, value)| value.clone());
            let help = match default {
                Some(value) => format!("{} [default: {value}]", setting.help),
                None => setting.help.to_owned(),
            };
            let arg = Arg::new(setting.name)
                // The names are never freed, like those of all options.
                .long(&*setting.name.replace('_', "-").leak())
                .value_name(setting.value_name)
                .help(help)
                .help_heading("Settings of the service");
            match setting.name {
                // A switch needs no value.
                _ if setting.value_name == "BOOL" => {
                    arg.num_args(0..=1).require_equals(true).default_missing_value("true")
                }
                // Each repetition of the option adds a value.
                "allow_hosts" => arg.action(ArgAction::Append).visible_alias("allow-host"),
                name if is_list(name) => arg.action(ArgAction::Append),
                _ => arg,
            }
        });
        command.arg(file).arg(print).args(settings)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

pub(super) async fn run(
    global: &Global,
    arguments: Serve,
    output: &mut Output,
) -> Result<CommandStatus> {
    let mut settings = ServiceSettings::read(arguments.settings_file.as_deref(), &arguments.given)?;
    if arguments.print_settings {
        output.bare_line(&settings.to_toml())?;
        return Ok(CommandStatus::Complete);
    }
    let log = start_log(&settings)?;
    let as_read = settings.clone();
    raise_open_files();
    for name in unknown_variables() {
        tracing::warn!(
            name,
            "this variable is no setting of the service; --print-settings shows all"
        );
    }
    // Before anything starts that requires an orderly shutdown.
    let mut interrupts = Interrupts::listen()?;
    let mut hangups = Hangups::listen()?;
    let extractor = connection::extractor(global)?;
    let database = connection::open_with(global, settings.max_database_connections).await?;
    let recorder = Recorder::when_reachable(extractor, database.store().clone());
    let recorder = recorder.with_formats(connection::formats(global)?);
    let folder = spool_folder(global, &settings)?;
    let spool = match (&folder, settings.spool) {
        (Some(folder), true) => Some(Spool::open(&SpoolSettings {
            folder: folder.clone(),
            limit_bytes: settings.max_spool_mib << 20,
        })?),
        _ => None,
    };
    settings.spool_dir.clone_from(&folder);
    let tokens = settings.ask_for_tokens().then(|| {
        let copy = folder.map(|folder| folder.join("tokens.json"));
        TokenRegistry::new(database.store().clone(), copy)
    });
    if let Some(tokens) = &tokens {
        match tokens.refresh().await {
            Ok(()) if tokens.count() == 0 => warn_without_tokens(),
            Ok(()) => {}
            // The tables are made after this.
            Err(_) if is_empty(&database).await => warn_without_tokens(),
            Err(error) => tracing::warn!(
                error = error.report(),
                hint = error.hint().as_deref(),
                "could not read the tokens; those of the last run count until they can be read"
            ),
        }
    }
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        database = database.describe(),
        spool = spool
            .as_ref()
            .and(settings.spool_dir.as_ref())
            .map(|folder| folder.display().to_string()),
        tokens = tokens.as_ref().map(TokenRegistry::count),
        "starting"
    );
    let limit = Duration::from_secs(settings.shutdown_timeout_seconds);
    let service = Service::bind(settings, recorder, spool, tokens).await?;
    let scheme = if service.has_tls() { "https" } else { "http" };
    let urls: Vec<String> =
        service.addresses().iter().map(|address| format!("{scheme}://{address}")).collect();
    if output.json() {
        output.value(&json!({"listening": urls, "database": database.describe()}))?;
    } else {
        output.line(&format!("listening on {}", urls.join(", ")))?;
    }
    let mut reloader = service.reloader(as_read, log);
    tokio::spawn(async move {
        while hangups.recv().await {
            let read = ServiceSettings::read(arguments.settings_file.as_deref(), &arguments.given);
            read_again(&mut reloader, read);
        }
    });
    let stop = async move {
        interrupts.recv().await;
        tracing::info!("stopping after the requests in progress; Ctrl-C again ends at once");
        exit_after(limit + SHUTDOWN_MARGIN, CommandStatus::Incomplete);
        tokio::spawn(interrupts.exit_at_next());
    };
    service.serve(stop).await;
    Ok(CommandStatus::Complete)
}

/// Whether the database has no tables yet.
async fn is_empty(database: &Database) -> bool {
    matches!(database.store().check_schema().await, Ok(SchemaState::Absent))
}

fn warn_without_tokens() {
    tracing::warn!(
        "there is no token yet, so every request is refused; make one: arc-host token create \
         --scope record --name NAME"
    );
}

/// Applies settings that were read again while the service runs; those that cannot be applied are logged.
fn read_again(reloader: &mut Reloader, settings: Result<ServiceSettings>) {
    match settings.and_then(|settings| reloader.apply(&settings)) {
        Ok(others) => {
            tracing::info!("read the settings and the certificate again");
            if !others.is_empty() {
                tracing::warn!(settings = others.join(", "), "these settings need a restart");
            }
        }
        Err(error) => tracing::error!(
            error = error.report(),
            hint = error.hint().as_deref(),
            "could not read the settings again; those of before stay in use"
        ),
    }
}

/// Returns the folder of the spool, if it can exist.
fn spool_folder(global: &Global, settings: &ServiceSettings) -> Result<Option<PathBuf>> {
    if let Some(folder) = &settings.spool_dir {
        return Ok(Some(folder.clone()));
    }
    if !settings.spool {
        return Ok(None);
    }
    database::spool_folder(global.data_dir.as_deref()).map(Some)
}
