//! The commands that inspect and change the database itself.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::CommandStatus;
use super::connection;
use super::global::Global;
use super::output::{self, BAD, GOOD, Output};
use crate::client::ServiceClient;
use crate::error::{Error, Result};
use crate::store::{self, Layout, Policy};

pub(super) async fn health(global: &Global, output: &mut Output) -> Result<CommandStatus> {
    if let Some(client) = connection::service(global)? {
        return service_health(&client, output).await;
    }
    let database = connection::open(global).await?;
    let health = database.store().health().await;
    let done =
        if health.status == "ok" { CommandStatus::Complete } else { CommandStatus::Incomplete };
    if output.json() {
        let mut value = serde_json::to_value(&health).unwrap_or_default();
        if let Value::Object(members) = &mut value {
            members.insert("database".to_owned(), Value::from(database.describe()));
        }
        output.value(&value)?;
        return Ok(done);
    }
    let style = if done == CommandStatus::Complete { GOOD } else { BAD };
    output.line(&format!("{style}{}{style:#}", health.status))?;
    let unknown = || "unknown".to_owned();
    let without_version = || match health.error {
        None => "not there yet".to_owned(),
        Some(_) => unknown(),
    };
    let extensions: Vec<String> =
        health.extensions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    output.fields(&[
        ("database", database.describe()),
        (
            "server",
            health
                .server_version
                .clone()
                .map_or_else(unknown, |version| format!("PostgreSQL {version}")),
        ),
        ("extensions", extensions.join(", ")),
        (
            "schema",
            health
                .schema_version
                .map_or_else(without_version, |version| format!("version {version}")),
        ),
        ("layout", health.layout.map_or_else(String::new, |layout| layout.to_string())),
        ("hypertables", health.hypertables.join(", ")),
        ("policies", policies(&health.policies)),
        ("clock", clock(health.clock_skew_ms)),
        ("answered in", format!("{:.1} ms", health.response_time_ms)),
    ])?;
    if let Some(error) = &health.error {
        output::show_error_message(error);
    }
    Ok(done)
}

/// Formats the offset of this host's or a service's clock from the database's.
fn clock(skew_ms: Option<f64>) -> String {
    match skew_ms {
        None => String::new(),
        Some(skew) if skew >= 0.0 => format!("{skew:.1} ms ahead of the database's"),
        Some(skew) => format!("{:.1} ms behind the database's", -skew),
    }
}

/// Formats the policies, and whether they run.
fn policies(policies: &[Policy]) -> String {
    let shown = policies.iter().map(|policy| {
        let state = match (&policy.last_run_status, policy.healthy) {
            (None, true) => "has not run yet".to_owned(),
            (Some(_), true) => "runs".to_owned(),
            (Some(status), false) if status != "Success" => format!("does not run: {status}"),
            _ => "does not run: the server has no background workers for it".to_owned(),
        };
        format!("{} of {} ({state})", policy.name, policy.table)
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// Shows the health of a service, with its database and its spool.
async fn service_health(client: &ServiceClient, output: &mut Output) -> Result<CommandStatus> {
    let health = client.health().await?;
    let done = if health.database.status == "ok" {
        CommandStatus::Complete
    } else {
        CommandStatus::Incomplete
    };
    if output.json() {
        output.value(&health)?;
        return Ok(done);
    }
    let style = if done == CommandStatus::Complete { GOOD } else { BAD };
    output.line(&format!("{style}{}{style:#}", health.database.status))?;
    let mut fields = vec![
        ("service", format!("{}, version {}", client.describe(), health.service_version)),
        ("server", health.database.server_version.unwrap_or_else(|| "unknown".to_owned())),
        ("clock", clock(health.database.clock_skew_ms)),
    ];
    if let Some(spool) = &health.spool {
        let dead_letters = match spool.dead_letters {
            0 => String::new(),
            dead_letters => format!(", {} refused by the database", output::count(dead_letters)),
        };
        let text = format!(
            "{} waiting, {} of {} bytes{dead_letters}",
            output::count(spool.depth),
            output::count(spool.bytes),
            output::count(spool.limit_bytes)
        );
        fields.push(("spool", text));
    }
    output.fields(&fields)?;
    if let Some(error) = &health.database.error {
        output::show_error_message(error);
    }
    Ok(done)
}

#[derive(Debug, Args)]
pub(super) struct Migrate {
    /// The layout of the tables: plain, timescale (needs that extension), or citus (experimental).
    /// Default: the current layout; for a new database, the one that its server supports.
    #[arg(long, value_name = "LAYOUT")]
    to: Option<LayoutName>,

    /// Write the SQL of the migration, for example for an administrator, and change nothing.
    /// Without a database URL it is the SQL for an empty database.
    #[arg(long)]
    print: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LayoutName {
    Plain,
    Timescale,
    Citus,
}

impl From<LayoutName> for Layout {
    fn from(name: LayoutName) -> Self {
        match name {
            LayoutName::Plain => Layout::Plain,
            LayoutName::Timescale => Layout::Timescale,
            LayoutName::Citus => Layout::Citus,
        }
    }
}

pub(super) async fn migrate(
    global: &Global,
    arguments: Migrate,
    output: &mut Output,
) -> Result<CommandStatus> {
    let wanted = arguments.to.map(Layout::from);
    if arguments.print {
        // The embedded database needs no administrator to run the SQL.
        let script = if connection::names_database(global) {
            connection::open(global).await?.store().migration_script(wanted).await?
        } else {
            store::migration_script_for_empty(wanted.unwrap_or(Layout::Plain))
        };
        output.bare_line(script.trim_end())?;
        return Ok(CommandStatus::Complete);
    }
    let database = connection::open(global).await?;
    let migrated = match wanted {
        Some(layout) => database.store().migrate_to(layout).await?,
        None => database.store().migrate().await?,
    };
    if output.json() {
        output.value(&json!({
            "applied": migrated.applied,
            "schema_version": migrated.version,
            "layout": migrated.layout,
            "notes": migrated.notes,
        }))?;
        return Ok(CommandStatus::Complete);
    }
    for name in &migrated.applied {
        output.line(&format!("{GOOD}applied{GOOD:#} {name}"))?;
    }
    output.line(&format!(
        "the schema is at version {}, its layout is {}",
        migrated.version, migrated.layout
    ))?;
    for note in &migrated.notes {
        output::note(note);
    }
    Ok(CommandStatus::Complete)
}

#[derive(Debug, Args)]
pub(super) struct Psql {
    /// Arguments for psql.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
    arguments: Vec<OsString>,
}

/// Runs psql with the database's address in its environment, which other users cannot read.
pub(super) async fn psql(global: &Global, arguments: Psql) -> Result<CommandStatus> {
    let database = connection::open_current(global).await?;
    let beside = database.programs().map(|folder| folder.join("psql")).filter(|path| path.exists());
    let program = beside.unwrap_or_else(|| PathBuf::from("psql"));
    // psql handles Ctrl-C itself, and this program waits for it.
    tokio::spawn(async { while tokio::signal::ctrl_c().await.is_ok() {} });
    let mut command = tokio::process::Command::new(&program);
    for (name, value) in database.environment() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let mut child = command
        .args(arguments.arguments)
        .stdin(Stdio::inherit())
        .spawn()
        .map_err(|error| Error::io(format!("could not start {}", program.display()), error))?;
    let status = child
        .wait()
        .await
        .map_err(|error| Error::io(format!("could not wait for {}", program.display()), error))?;
    // A psql that was ended by a signal has no exit code.
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(CommandStatus::Incomplete, CommandStatus::Exit))
}
