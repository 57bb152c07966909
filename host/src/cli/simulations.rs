//! The commands that read simulations.

use std::borrow::Cow;
use std::collections::BTreeSet;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::CommandStatus;
use super::connection;
use super::global::Global;
use super::labels::{self, LabelCommand};
use super::options::{self, OutcomeSelection, SimulationArgument};
use super::output::{self, BOLD, Output};
use crate::delivery::{DeliveryAnswer, ResultPlace, Source};
use crate::error::Result;
use crate::extraction::{Violation, violations_of_json};
use crate::paging::{PAGE_ROWS, Pages};
use crate::recorder::{duration_hours, time_since};
use crate::store::{
    Attachments, Failure, OriginFilter, OutcomeFilter, OutcomePage, RecordedOutcome,
    RejectedResult, SimulationFilter, SimulationStatus,
};
use crate::wire::SimulationSummary;

/// The number of listed simulations without a limit.
const LISTED_SIMULATIONS: u32 = 20;

/// The number of outcomes in a page if only a cursor is set.
const LISTED_OUTCOMES: u32 = 100;

/// The maximum number of rows in a table, whose column widths need all of them at once.
const TABLE_ROWS: usize = 1_000;

/// A column of a list.
struct Column<T> {
    name: &'static str,
    kind: ColumnKind,
    cell: fn(&T) -> String,
}

/// What a column has, and whether it is left out of a narrow list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ColumnKind {
    Text,
    Number,
    WideText,
    WideNumber,
}

impl ColumnKind {
    fn is_number(self) -> bool {
        matches!(self, ColumnKind::Number | ColumnKind::WideNumber)
    }

    fn is_shown(self) -> bool {
        output::is_wide() || matches!(self, ColumnKind::Text | ColumnKind::Number)
    }
}

const fn text<T>(name: &'static str, cell: fn(&T) -> String) -> Column<T> {
    Column { name, kind: ColumnKind::Text, cell }
}

const fn number<T>(name: &'static str, cell: fn(&T) -> String) -> Column<T> {
    Column { name, kind: ColumnKind::Number, cell }
}

impl<T> Column<T> {
    /// Leaves the column out of a narrow list.
    const fn wide(self) -> Self {
        let Column { name, kind, cell } = self;
        let kind = if matches!(kind, ColumnKind::Number) {
            ColumnKind::WideNumber
        } else {
            ColumnKind::WideText
        };
        Column { name, kind, cell }
    }

    fn has_text(&self, rows: &[T]) -> bool {
        rows.iter().any(|row| !(self.cell)(row).is_empty())
    }
}

/// Writes a list with those of the columns that its width has room for.
fn write_list<'c, T: 'c>(
    columns: impl Iterator<Item = &'c Column<T>>,
    rows: &[T],
    output: &mut Output,
) -> Result<()> {
    let columns: Vec<&Column<T>> = columns.filter(|column| column.kind.is_shown()).collect();
    let header: Vec<&str> = columns.iter().map(|column| column.name).collect();
    let numbers = columns.iter().filter(|column| column.kind.is_number());
    let numbers: Vec<&str> = numbers.map(|column| column.name).collect();
    let cells = |row: &T| columns.iter().map(|column| (column.cell)(row)).collect();
    output.list(&header, &numbers, rows.iter().map(cells))
}

/// The columns of the list of simulations.
const SIMULATIONS: [Column<SimulationSummary>; 9] = [
    text("id", |simulation| simulation.short_id.clone()),
    text("name", |simulation| simulation.simulation_name.clone().unwrap_or_default()),
    text("model", |simulation| short_models(&simulation.origin.models)),
    text("task", |simulation| simulation.origin.task.clone().unwrap_or_default()),
    text("status", |simulation| simulation.status.to_string()),
    number("score", |simulation| {
        let score = simulation.overall_score;
        output::scaled_or_raw(score.filter(|_| simulation.score_scale.is_some()), score)
    }),
    number("plan", |simulation| output::count(simulation.planned_scenarios)),
    number("cost", |simulation: &SimulationSummary| {
        let cost = simulation.total_cost_usd.filter(|cost| *cost > 0.0);
        cost.or(simulation.computed_cost_usd).map(output::dollars).unwrap_or_default()
    })
    .wide(),
    text("age", |simulation| output::age(simulation.started_at, Timestamp::now())),
];

/// The columns of the list of failures.
const FAILURES: [Column<Failure>; 8] = [
    text("age", |failure| output::age(failure.execution_time, Timestamp::now())),
    text("simulation", |failure| output::short_id(failure.simulation_id)),
    text("name", |failure: &Failure| failure.simulation_name.clone().unwrap_or_default()).wide(),
    text("model", |failure| short_models(failure.model.as_slice())),
    text("scenario", |failure| failure.scenario_id.clone()),
    text("failure of", |failure: &Failure| failure.failure_class.clone().unwrap_or_default())
        .wide(),
    text("category", |failure: &Failure| failure.error_category.clone().unwrap_or_default()).wide(),
    text("error", |failure| {
        let category = failure.error_category.as_deref().or(Some(failure.status.as_str()));
        reason(category, failure.error_code.as_deref(), failure.error_message.as_deref())
    }),
];

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Simulations {
    #[command(subcommand)]
    pub(super) command: Option<LabelCommand>,

    /// Only those with this status.
    #[arg(long, value_name = "STATUS", value_parser = simulation_status())]
    status: Option<SimulationStatus>,

    /// Only those whose name contains this text, in any case; if it has * or ?, those whose whole name
    /// matches it.
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,

    /// Only those of this project.
    #[arg(long, value_name = "NAME")]
    project: Option<String>,

    /// Only those with this tag.
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,

    /// Only those whose evaluation began then or later: 2026-03-01, a time (RFC 3339), or a duration
    /// before now, such as 7d.
    #[arg(long, value_name = "TIME", value_parser = parse_since)]
    since: Option<Timestamp>,

    /// Only those one of whose models contains this text, in any case, as --name.
    #[arg(long, value_name = "TEXT")]
    model: Option<String>,

    /// Only those whose provider contains this text, in any case, as --name.
    #[arg(long, value_name = "TEXT")]
    provider: Option<String>,

    /// Only those whose agent contains this text, in any case, as --name.
    #[arg(long, value_name = "TEXT")]
    agent: Option<String>,

    /// Only those whose task contains this text, in any case, as --name.
    #[arg(long, value_name = "TEXT")]
    task: Option<String>,

    /// Only those whose data set contains this text, in any case, as --name.
    #[arg(long, value_name = "TEXT")]
    dataset: Option<String>,

    /// Only those that this tool ran, in any case, as --name.
    #[arg(long, value_name = "TEXT")]
    tool: Option<String>,

    /// The maximum number of simulations; also shows the cursor of the next page. Default: 20.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: Option<u32>,

    /// Continue after the previous page, whose cursor this is.
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
}

/// Parses a time, or a duration before now.
fn parse_since(text: &str) -> std::result::Result<Timestamp, String> {
    time_since(text, Timestamp::now())
}

/// Returns the parser of a simulation's status.
fn simulation_status() -> impl TypedValueParser<Value = SimulationStatus> {
    PossibleValuesParser::new(SimulationStatus::ALL.map(SimulationStatus::as_str))
        .try_map(|name| name.parse::<SimulationStatus>())
}

pub(super) async fn run(
    global: &Global,
    mut arguments: Simulations,
    output: &mut Output,
) -> Result<CommandStatus> {
    match arguments.command.take() {
        Some(command) => labels::run(global, command, output).await,
        None => list(global, arguments, output).await,
    }
}

async fn list(
    global: &Global,
    arguments: Simulations,
    output: &mut Output,
) -> Result<CommandStatus> {
    let opened = connection::open_source(global).await?;
    let Simulations { status, name, project, tag, since, limit, cursor, .. } = arguments;
    let Simulations { model, provider, agent, task, dataset, tool, .. } = arguments;
    let origin = OriginFilter { model, provider, agent, task, dataset, tool };
    let filter = SimulationFilter { status, name, project, tag, since, origin };
    let paged = limit.is_some() || cursor.is_some();
    let limit = limit.unwrap_or(LISTED_SIMULATIONS);
    let cursor = cursor.as_deref();
    let page = opened.source().simulations(&filter, limit, cursor).await?;
    let simulations = &page.simulations;
    if output.json() {
        for simulation in simulations {
            output.value(&json!({
                "simulation_id": simulation.simulation_id,
                "short_id": simulation.short_id,
                "simulation_name": simulation.simulation_name,
                "project": simulation.project,
                "tags": simulation.tags,
                "status": simulation.status,
                "planned_scenarios": simulation.planned_scenarios,
                "trials": simulation.trials,
                "overall_score": simulation.overall_score,
                "score_metric": simulation.score_metric,
                "score_figure": simulation.score_figure,
                "score_scale": simulation.score_scale,
                "total_tokens": simulation.total_tokens,
                "total_cost_usd": simulation.total_cost_usd,
                "computed_cost_usd": simulation.computed_cost_usd,
                "models": simulation.origin.models,
                "provider": simulation.origin.provider,
                "agent": simulation.origin.agent,
                "agent_version": simulation.origin.agent_version,
                "task": simulation.origin.task,
                "task_version": simulation.origin.task_version,
                "dataset": simulation.origin.dataset,
                "dataset_version": simulation.origin.dataset_version,
                "tool": simulation.origin.tool,
                "tool_version": simulation.origin.tool_version,
                "created_at": simulation.created_at,
                "started_at": simulation.started_at,
                "completed_at": simulation.completed_at,
            }))?;
        }
        if paged {
            show_cursor(page.cursor.as_deref(), output)?;
        }
        return Ok(CommandStatus::Complete);
    }
    if simulations.is_empty() {
        let all = cursor.is_none() && filter == SimulationFilter::default();
        output::note(match all {
            true => "no simulations yet; record one with `arc-host record FILE`",
            false => "no such simulations",
        });
        return Ok(CommandStatus::Complete);
    }
    // A column in which no simulation has one is left out.
    let columns = SIMULATIONS.iter().filter(|column| column.has_text(simulations));
    write_list(columns, simulations, output)?;
    // A person sees the cursor in any case; a program that did not request a page gets only
    // simulations.
    show_cursor(page.cursor.as_deref(), output)?;
    Ok(CommandStatus::Complete)
}

/// Writes the cursor of the next page: as a last line of JSON, or as a note for people.
fn show_cursor(cursor: Option<&str>, output: &mut Output) -> Result<()> {
    match cursor {
        Some(cursor) if output.json() => output.value(&json!({"cursor": cursor})),
        Some(cursor) => {
            output::note(&format!("there are more: --cursor {cursor}"));
            Ok(())
        }
        None => Ok(()),
    }
}

#[derive(Debug, Args)]
pub(super) struct Outcomes {
    #[command(flatten)]
    simulation: SimulationArgument,

    #[command(flatten)]
    selection: OutcomeSelection,

    /// Write the documents instead, byte for byte as they were recorded, a newline after each.
    #[arg(long)]
    documents: bool,

    /// Show the whole message of each failure below the table, which has its first line.
    #[arg(long)]
    messages: bool,

    /// The maximum number of outcomes; also shows the cursor of the next page. Default: all
    /// outcomes.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    limit: Option<u32>,

    /// Continue after the previous page, whose cursor this is.
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
}

pub(super) async fn outcomes(
    global: &Global,
    arguments: Outcomes,
    output: &mut Output,
) -> Result<CommandStatus> {
    let opened = connection::open_source(global).await?;
    let source = opened.source();
    let simulation_id = arguments.simulation.resolve(source).await?;
    let filter = arguments.selection.into_filter();
    let attached = Attachments { documents: arguments.documents, trajectories: false };
    if arguments.limit.is_some() || arguments.cursor.is_some() {
        let limit = arguments.limit.unwrap_or(LISTED_OUTCOMES);
        let cursor = arguments.cursor.as_deref();
        let page = source.outcomes(simulation_id, &filter, limit, cursor, attached).await?;
        return show_page(page, attached, arguments.messages, output);
    }
    let mut shown: Vec<RecordedOutcome> = Vec::new();
    let mut total = 0_usize;
    let read = async |cursor: Option<String>| {
        let (filter, limit) = (&filter, attached.page_rows());
        source.outcomes(simulation_id, filter, limit, cursor.as_deref(), attached).await
    };
    let mut pages = Pages::from(None);
    while !output.closed()
        && let Some(page) = pages.next(read).await?
    {
        total += page.outcomes.len();
        for outcome in page.outcomes {
            if arguments.documents {
                output.bare_line(outcome.document.as_deref().unwrap_or_default())?;
            } else if output.json() {
                output.value(&outcome)?;
            } else if shown.len() < TABLE_ROWS {
                shown.push(outcome);
            }
        }
    }
    if arguments.documents || output.json() {
        return Ok(CommandStatus::Complete);
    }
    if total == 0 {
        output::note("no such outcomes");
        return Ok(CommandStatus::Complete);
    }
    table_of_outcomes(&shown, arguments.messages, output)?;
    let shown = shown.len();
    if total > shown {
        output::note(&format!(
            "the first {shown} of {total} outcomes; --json shows all of them, --limit a page"
        ));
    }
    Ok(CommandStatus::Complete)
}

/// Writes a page of outcomes, or of their documents.
fn show_page(
    page: OutcomePage,
    attached: Attachments,
    messages: bool,
    output: &mut Output,
) -> Result<CommandStatus> {
    if page.outcomes.is_empty() && !output.json() {
        output::note("no such outcomes");
    } else if attached.documents {
        for outcome in &page.outcomes {
            output.bare_line(outcome.document.as_deref().unwrap_or_default())?;
        }
        // Standard output has only documents.
        if let Some(cursor) = &page.cursor {
            output::note(&format!("there are more: --cursor {cursor}"));
        }
        return Ok(CommandStatus::Complete);
    } else if output.json() {
        for outcome in &page.outcomes {
            output.value(outcome)?;
        }
    } else {
        table_of_outcomes(&page.outcomes, messages, output)?;
    }
    show_cursor(page.cursor.as_deref(), output)?;
    Ok(CommandStatus::Complete)
}

/// Writes a table of outcomes. Columns in which all outcomes have the same are left out; with
/// `messages`, the whole message of each failure follows.
fn table_of_outcomes(
    outcomes: &[RecordedOutcome],
    messages: bool,
    output: &mut Output,
) -> Result<()> {
    let differs = |value: fn(&RecordedOutcome) -> Option<&str>| {
        let mut values = outcomes.iter().map(value);
        let first = values.next();
        values.any(|value| Some(value) != first)
    };
    let any = |condition: fn(&RecordedOutcome) -> bool| outcomes.iter().any(condition);
    let several_metrics = differs(|one| one.headline.as_deref());
    if let Some(headline) = outcomes.first().and_then(|one| one.headline.as_deref())
        && !several_metrics
    {
        output.line(&format!(" score: {}", output::printable(headline)))?;
    }
    let columns: [(bool, Column<RecordedOutcome>); 12] = [
        (true, text("scenario", |one| one.scenario_id.clone())),
        (any(|one| one.trial > 1), number("trial", |one| one.trial.to_string())),
        (any(|one| one.attempt > 1), number("attempt", |one| one.attempt.to_string())),
        (true, text("status", |one| one.status.to_string())),
        (true, number("score", |one| output::scaled_or_raw(one.reliability_score, one.score))),
        (several_metrics, text("metric", |one| one.headline.clone().unwrap_or_default())),
        (
            differs(|one| one.model.as_deref()),
            text("model", |one| one.model.clone().unwrap_or_default()),
        ),
        (true, number("time", |one| output::milliseconds(one.execution_time_ms))),
        (any(|one| one.tokens_used > 0), number("tokens", |one| output::count(one.tokens_used))),
        (
            any(|one| shown_cost(one) > 0.0),
            number("cost", |one| match shown_cost(one) {
                0.0 => "–".to_owned(),
                cost => output::dollars(cost),
            })
            .wide(),
        ),
        (
            any(|one| one.failure_class.is_some()),
            text("failure of", |one: &RecordedOutcome| {
                one.failure_class.as_deref().unwrap_or_default().to_owned()
            })
            .wide(),
        ),
        (
            any(|one| one.error_category.is_some()),
            text("error", |one| {
                let category = one.error_category.as_deref();
                reason(category, one.error_code.as_deref(), one.error_message.as_deref())
            }),
        ),
    ];
    let columns = columns.iter().filter_map(|(shown, column)| shown.then_some(column));
    write_list(columns, outcomes, output)?;
    for outcome in outcomes.iter().filter(|_| messages) {
        if let Some(message) = &outcome.error_message {
            let title = format!("{}, trial {}", outcome.scenario_id, outcome.trial);
            show_message(&title, message, output)?;
        }
    }
    Ok(())
}

/// Returns the whole message of a failure, of which a list has only the beginning.
async fn whole_message(source: &Source, failure: &Failure) -> Result<Option<String>> {
    let listed = failure.error_message.clone();
    if !listed.as_ref().is_some_and(|message| message.ends_with('…')) {
        return Ok(listed);
    }
    let scenario_id = Some(failure.scenario_id.clone());
    let filter = OutcomeFilter { scenario_id, status: Some(failure.status) };
    let attached = Attachments::default();
    let read = async |cursor: Option<String>| {
        let (id, cursor) = (failure.simulation_id, cursor.as_deref());
        source.outcomes(id, &filter, LISTED_OUTCOMES, cursor, attached).await
    };
    let mut pages = Pages::from(None);
    while let Some(page) = pages.next(read).await? {
        let mut outcomes = page.outcomes.into_iter();
        if let Some(found) = outcomes.find(|one| one.outcome_id == failure.outcome_id) {
            return Ok(found.error_message);
        }
    }
    Ok(listed)
}

/// Formats models without their providers, which `status` shows, unless several models are then the same.
fn short_models(models: &[String]) -> String {
    let short =
        models.iter().map(|model| model.rsplit_once('/').map_or(&**model, |(_, name)| name));
    let short: Vec<&str> = short.collect();
    match short.iter().collect::<BTreeSet<_>>().len() == models.len() {
        true => short.join(", "),
        false => models.join(", "),
    }
}

/// Returns the agent's cost: as the tool reports it, or else as computed.
fn shown_cost(outcome: &RecordedOutcome) -> f64 {
    match outcome.cost_usd {
        0.0 => outcome.computed_cost_usd.unwrap_or_default(),
        reported => reported,
    }
}

/// Returns why a run failed, on one line: the first line of its message, and before it the code, unless
/// the line begins with it. Without a message, the category.
fn reason(category: Option<&str>, code: Option<&str>, message: Option<&str>) -> String {
    let message = message_of(message.unwrap_or_default());
    let line = without_module(output::first_line(&message));
    let code = code.map(|code| code.rsplit_once('.').map_or(code, |(_, name)| name));
    match code {
        _ if line.is_empty() => code.or(category).unwrap_or_default().to_owned(),
        Some(code) if !line.contains(code) => format!("{code}: {line}"),
        _ => line.to_owned(),
    }
}

/// Returns the message of an error that is a JSON object or a traceback (its last line); any other text as
/// it is.
fn message_of(text: &str) -> Cow<'_, str> {
    #[derive(Deserialize)]
    struct Members {
        message: String,
    }
    if text.starts_with('{')
        && let Ok(Members { message }) = serde_json::from_str(text)
    {
        return message.into();
    }
    if output::first_line(text).starts_with("Traceback (most recent call last)") {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        return lines.next_back().unwrap_or_default().into();
    }
    text.into()
}

/// Returns a line that begins with the class of an exception without the modules before its name.
fn without_module(line: &str) -> &str {
    let Some((class, _)) = line.split_once(':') else { return line };
    let is_name = |part: &str| {
        !part.is_empty() && part.chars().all(|one| one.is_alphanumeric() || one == '_')
    };
    match class.rsplit_once('.') {
        Some((modules, name)) if is_name(name) && modules.split('.').all(is_name) => {
            line.get(modules.len() + 1..).unwrap_or(line)
        }
        _ => line,
    }
}

/// Writes a whole message under a title.
fn show_message(title: &str, message: &str, output: &mut Output) -> Result<()> {
    output.line(&format!("\n{BOLD}{}{BOLD:#}", output::printable(title)))?;
    message.lines().try_for_each(|line| output.line(&format!("  {}", output::printable(line))))
}

#[derive(Debug, Args)]
pub(super) struct Rejected {
    #[command(flatten)]
    simulation: SimulationArgument,

    /// Write the stored bytes of this rejected result instead.
    #[arg(long, value_name = "ID", value_parser = options::id)]
    document: Option<Uuid>,

    /// The maximum number of rejected results; also shows the cursor of the next page. Default: all
    /// of them.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    limit: Option<u32>,

    /// Continue after the previous page, whose cursor this is.
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
}

pub(super) async fn rejected(
    global: &Global,
    arguments: Rejected,
    output: &mut Output,
) -> Result<CommandStatus> {
    if let Some(id) = arguments.document {
        let database = connection::open_current(global).await?;
        let store = database.store();
        let simulation_id = arguments.simulation.resolve(&Source::Database(store.clone())).await?;
        store.simulation(simulation_id).await?;
        output.bytes(&store.rejected_document(simulation_id, id).await?)?;
        return Ok(CommandStatus::Complete);
    }
    let opened = connection::open_source(global).await?;
    let simulation_id = arguments.simulation.resolve(opened.source()).await?;
    let one_page = arguments.limit.is_some() || arguments.cursor.is_some();
    let limit = arguments.limit.unwrap_or(if one_page { LISTED_OUTCOMES } else { PAGE_ROWS });
    let read = async |cursor: Option<String>| {
        opened.source().rejected(simulation_id, limit, cursor.as_deref()).await
    };
    let (mut pages, mut next) = (Pages::from(arguments.cursor), None);
    let (mut table, mut total) = (Vec::new(), 0_usize);
    while !output.closed()
        && let Some(page) = pages.next(read).await?
    {
        for result in &page.rejected {
            if output.json() {
                output.value(result)?;
            } else if total < TABLE_ROWS {
                table.extend(reasons(result));
            }
            total += 1;
        }
        next = page.cursor;
        if one_page {
            break;
        }
    }
    if !output.json() && total == 0 {
        output::note("nothing was rejected");
    } else if !output.json() {
        let header = ["result", "place", "code", "path", "reason"];
        output.table(&header, &[], table)?;
        if total > TABLE_ROWS {
            output::note(&format!(
                "the first {TABLE_ROWS} of {total} rejected results; --json shows all of them, --limit \
                 a page"
            ));
        }
    }
    if one_page {
        show_cursor(next.as_deref(), output)?;
    }
    Ok(CommandStatus::Complete)
}

/// Returns a row for each reason of a rejected result.
fn reasons(result: &RejectedResult) -> Vec<Vec<String>> {
    let unsigned = |number: i64| u64::try_from(number).ok();
    let line = result.line.and_then(unsigned);
    let position = result.position.and_then(unsigned);
    let place = position.map(|position| ResultPlace { position, line }.to_string());
    let place = place.unwrap_or_default();
    violations_of_json(&result.violations)
        .into_iter()
        .map(|Violation { path, code, message }| {
            vec![result.outcome_id.to_string(), place.clone(), code, path, message]
        })
        .collect()
}

#[derive(Debug, Args)]
pub(super) struct Performance {
    #[command(flatten)]
    simulation: SimulationArgument,

    /// How far back, such as 90m, 24h, 7d or 2w.
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = duration_hours)]
    range: f64,
}

/// Shows the hourly figures of a simulation.
pub(super) async fn performance(
    global: &Global,
    arguments: Performance,
    output: &mut Output,
) -> Result<CommandStatus> {
    let opened = connection::open_source(global).await?;
    let simulation_id = arguments.simulation.resolve(opened.source()).await?;
    let performance = opened.source().performance(simulation_id, arguments.range).await?;
    if output.json() {
        output.value(&performance)?;
        return Ok(CommandStatus::Complete);
    }
    if performance.hourly_metrics.is_empty() {
        output::note("no run began in that time; --range looks further back");
        return Ok(CommandStatus::Complete);
    }
    let row = |hour: String, total, score, milliseconds: Option<f64>, cost, errors: Option<i64>| {
        let milliseconds = milliseconds.map(|mean| format!("{mean:.0}")).unwrap_or_default();
        let errors = errors.map(output::count).unwrap_or_default();
        vec![
            hour,
            output::count(total),
            output::score(score),
            milliseconds,
            output::dollars(cost),
            errors,
        ]
    };
    let hours = performance.hourly_metrics.iter().map(|hour| {
        let (mean, errors) = (Some(hour.avg_execution_time), Some(hour.error_count));
        let name = format!("{:.0}", hour.hour);
        row(name, hour.total_outcomes, hour.avg_reliability, mean, hour.total_cost, errors)
    });
    let all = &performance.summary;
    let sum =
        row("all".to_owned(), all.total_outcomes, all.avg_reliability, None, all.total_cost, None);
    let score = match &performance.headline {
        Some(metric) => format!("score ({})", output::printable(metric)),
        None => "score".to_owned(),
    };
    let header = ["hour", "outcomes", &score, "mean ms", "cost", "errors"];
    let numbers = ["outcomes", &score, "mean ms", "cost", "errors"];
    output.table(&header, &numbers, hours.chain([sum]))?;
    Ok(CommandStatus::Complete)
}

#[derive(Debug, Args)]
pub(super) struct Failures {
    /// The maximum number of failures.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,

    /// Show the whole message of each failure below the table, which has its first line.
    #[arg(long)]
    messages: bool,
}

/// Shows the latest failures of all simulations.
pub(super) async fn failures(
    global: &Global,
    arguments: Failures,
    output: &mut Output,
) -> Result<CommandStatus> {
    let opened = connection::open_source(global).await?;
    let failures = opened.source().failures(arguments.limit).await?;
    if output.json() {
        for failure in &failures {
            output.value(failure)?;
        }
        return Ok(CommandStatus::Complete);
    }
    if failures.is_empty() {
        output::note("no failures");
        return Ok(CommandStatus::Complete);
    }
    let columns = FAILURES.iter();
    let columns = columns.filter(|column| column.name != "model" || column.has_text(&failures));
    write_list(columns, &failures, output)?;
    for failure in failures.iter().filter(|_| arguments.messages) {
        if let Some(message) = &whole_message(opened.source(), failure).await? {
            let simulation = output::short_id(failure.simulation_id);
            show_message(&format!("{simulation}, {}", failure.scenario_id), message, output)?;
        }
    }
    Ok(CommandStatus::Complete)
}

#[derive(Debug, Args)]
pub(super) struct End {
    #[command(flatten)]
    simulation: SimulationArgument,

    /// The reason, stored with the simulation.
    #[arg(long, default_value = "")]
    reason: String,
}

/// Marks a simulation as failed or cancelled.
pub(super) async fn end(
    global: &Global,
    arguments: End,
    status: SimulationStatus,
    output: &mut Output,
) -> Result<CommandStatus> {
    let opened = connection::open_source(global).await?;
    let simulation_id = arguments.simulation.resolve(opened.source()).await?;
    let reason = arguments.reason.replace('\0', "\u{FFFD}");
    let spooled = match opened.source() {
        Source::Database(store) => {
            store.end_simulation(simulation_id, status, &reason).await?;
            false
        }
        Source::Service(client) => {
            client.end_simulation(simulation_id, status, &reason).await? == DeliveryAnswer::Spooled
        }
    };
    if spooled {
        // The service has no other details until its database is back.
        if output.json() {
            output.value(
                &json!({"simulation_id": simulation_id, "status": status, "spooled": true}),
            )?;
        } else {
            output.line(&format!(
                "{simulation_id} will be {} when the service's database is back",
                status
            ))?;
        }
        return Ok(CommandStatus::Complete);
    }
    let progress = opened.source().simulation_status(simulation_id).await?;
    if output.json() {
        output.value(&json!({
            "simulation_id": simulation_id,
            "status": progress.status,
            "completed_at": progress.completed_at,
        }))?;
    } else {
        output.line(&format!("{simulation_id} is {}", progress.status))?;
    }
    Ok(CommandStatus::Complete)
}
