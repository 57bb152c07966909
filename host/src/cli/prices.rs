//! `arc-host prices`: the table of prices by which costs are computed.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::civil::Date;
use jiff::{Timestamp, tz::TimeZone};
use serde_json::json;

use super::CommandStatus;
use super::connection;
use super::global::Global;
use super::output::{self, Output};
use crate::error::{Error, Result};
use crate::store::PriceTable;

/// The maximum size of a table in bytes; LiteLLM's has about 1.5 MB.
const TABLE_BYTES: u64 = 64 << 20;

/// The number of tokens for which people compare prices.
const MILLION: f64 = 1e6;

#[derive(Debug, Subcommand)]
pub(super) enum PricesCommand {
    /// Load a table of prices; it is valid for results that are recorded from then on.
    ///
    /// The table is a JSON object of models in the form of LiteLLM's, which is in the package litellm:
    /// model_prices_and_context_window_backup.json. Costs that were computed with an earlier table
    /// stay, with its date; `arc-host reextract --all` computes them again.
    Load(LoadPrices),
    /// List the tables that were loaded, the valid one first.
    List,
    /// Show the prices of models, in US dollars for a million tokens.
    Show(ShowPrices),
}

#[derive(Debug, Args)]
pub(super) struct LoadPrices {
    /// The table: a JSON object of models, each with input_cost_per_token, output_cost_per_token and
    /// the prices of other kinds of tokens.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The date of the prices. Default: today.
    #[arg(long, value_name = "DATE")]
    dated: Option<Date>,
}

#[derive(Debug, Args)]
pub(super) struct ShowPrices {
    /// Models, as evaluation tools name them, such as openai/gpt-4o.
    #[arg(value_name = "MODEL", required = true)]
    models: Vec<String>,
}

pub(super) async fn run(
    global: &Global,
    command: PricesCommand,
    output: &mut Output,
) -> Result<CommandStatus> {
    match command {
        PricesCommand::Load(arguments) => load(global, arguments, output).await,
        PricesCommand::List => list(global, output).await,
        PricesCommand::Show(arguments) => show(global, arguments, output).await,
    }
}

async fn load(
    global: &Global,
    arguments: LoadPrices,
    output: &mut Output,
) -> Result<CommandStatus> {
    let LoadPrices { file, dated } = arguments;
    let shown = file.display();
    let failed = |error| Error::io(format!("could not read {shown}"), error);
    let metadata = std::fs::metadata(&file).map_err(failed)?;
    if metadata.len() > TABLE_BYTES {
        return Err(Error::invalid(format!(
            "{shown} has {} bytes, more than the {TABLE_BYTES} of a table of prices",
            metadata.len()
        )));
    }
    let text = std::fs::read_to_string(&file).map_err(failed)?;
    let today = || Timestamp::now().to_zoned(TimeZone::UTC).date();
    let dated = dated.unwrap_or_else(today);
    let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy();
    let table = PriceTable::parse(&name, dated, &text)?;
    let database = connection::open_current(global).await?;
    database.store().load_prices(&table).await?;
    if output.json() {
        output.value(&json!({
            "price_table_id": table.price_table_id, "name": table.name, "dated": table.dated,
            "models": table.len(),
        }))?;
    } else {
        let models = output::count(table.len());
        output.line(&format!("{models} models, dated {}", table.dated))?;
    }
    Ok(CommandStatus::Complete)
}

async fn list(global: &Global, output: &mut Output) -> Result<CommandStatus> {
    let database = connection::open_current(global).await?;
    let tables = database.store().price_tables().await?;
    if output.json() {
        tables.iter().try_for_each(|table| output.value(table))?;
        return Ok(CommandStatus::Complete);
    }
    if tables.is_empty() {
        output::note("no prices; arc-host prices load FILE loads a table");
        return Ok(CommandStatus::Complete);
    }
    let rows = tables.into_iter().map(|table| {
        let loaded = format!("{:.0}", table.loaded_at);
        vec![table.dated.to_string(), output::count(table.models), loaded, table.name]
    });
    output.table(&["dated", "models", "loaded", "name"], &["models"], rows)?;
    Ok(CommandStatus::Complete)
}

async fn show(
    global: &Global,
    arguments: ShowPrices,
    output: &mut Output,
) -> Result<CommandStatus> {
    let database = connection::open_current(global).await?;
    let Some(table) = database.store().prices().await? else {
        return Err(Error::not_found("no prices are loaded")
            .with_hint("load a table with `arc-host prices load FILE`"));
    };
    let mut rows = Vec::new();
    let mut status = CommandStatus::Complete;
    for model in &arguments.models {
        let Some((name, prices)) = table.model(model) else {
            output::warn(&format!("{} of {} has no price of {model}", table.name, table.dated));
            status = CommandStatus::Incomplete;
            continue;
        };
        if output.json() {
            output.value(&json!({
                "model": model, "found": name, "prices": prices, "dated": table.dated,
            }))?;
            continue;
        }
        let price = |price: Option<f64>| {
            price.map_or_else(|| "–".to_owned(), |price| format!("${:.4}", price * MILLION))
        };
        rows.push(vec![
            model.clone(),
            price(prices.input),
            price(prices.cache_read.or(prices.input)),
            price(prices.cache_write.or(prices.input)),
            price(prices.output),
            price(prices.reasoning.or(prices.output)),
        ]);
    }
    if !rows.is_empty() {
        let header = ["model", "input", "cache read", "cache write", "output", "reasoning"];
        output.table(
            &header,
            &["input", "cache read", "cache write", "output", "reasoning"],
            rows,
        )?;
        output::note(&format!("US dollars for a million tokens, dated {}", table.dated));
    }
    Ok(status)
}
