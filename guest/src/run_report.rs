//! What a tool reports about a run, as the member `run_report` of a suite's summary.
//!
//! Its members have the names of `run-report` in `wit/types.wit`, in snake case. The host writes it
//! from the header of another format's file; a runner can write it too.

use arc_format_kit::json::{Place, Reader, Value};
use arc_format_kit::time::in_utc;
use arc_format_kit::{
    Aggregation, MetricDefinition, MetricKind, MissingPolicy, Origin, ReportedFigure, RunReport,
    RunStatus, codes,
};

/// Reads a report; its problems are violations.
pub(crate) fn read<'a>(
    reader: &mut Reader<'a>,
    value: Option<Value<'a>>,
    place: Place,
) -> RunReport {
    let object = place.pointer();
    let at = |member| Place { object: &object, member };
    let [run_id, status, status_reason, created_at, revised_at, started_at, completed_at] = reader
        .object(
            value,
            place,
            [
                "run_id",
                "status",
                "status_reason",
                "created_at",
                "revised_at",
                "started_at",
                "completed_at",
            ],
        );
    let [origin, planned, reported, tokens, cost, metrics, figures] = reader.object(
        value.filter(|value| value.is_object()),
        place,
        [
            "origin",
            "planned_results",
            "reported_results",
            "total_tokens",
            "total_cost_usd",
            "metrics",
            "figures",
        ],
    );
    RunReport {
        run_id: reader.text(run_id, at("run_id")),
        status: choice(reader, status, at("status"), |name| {
            Some(match name {
                "completed" => RunStatus::Completed,
                "failed" => RunStatus::Failed,
                "cancelled" => RunStatus::Cancelled,
                "incomplete" => RunStatus::Incomplete,
                _ => return None,
            })
        }),
        status_reason: reader.text(status_reason, at("status_reason")),
        created_at: time(reader, created_at, at("created_at")),
        revised_at: time(reader, revised_at, at("revised_at")),
        started_at: time(reader, started_at, at("started_at")),
        completed_at: time(reader, completed_at, at("completed_at")),
        origin: read_origin(reader, origin, at("origin")),
        planned_results: reader.tokens(planned, at("planned_results")),
        reported_results: reader.tokens(reported, at("reported_results")),
        total_tokens: reader.tokens(tokens, at("total_tokens")),
        total_cost_usd: reader.amount(cost, at("total_cost_usd")),
        metrics: elements(reader, metrics, at("metrics"), metric_definition),
        figures: elements(reader, figures, at("figures"), reported_figure),
    }
}

/// Reads who ran what.
fn read_origin<'a>(reader: &mut Reader<'a>, value: Option<Value<'a>>, place: Place) -> Origin {
    let object = place.pointer();
    let names = [
        "provider",
        "agent",
        "agent_version",
        "task",
        "task_version",
        "dataset",
        "dataset_version",
        "tool",
        "tool_version",
        "models",
    ];
    let [texts @ .., models] = reader.object(value, place, names);
    let [
        provider,
        agent,
        agent_version,
        task,
        task_version,
        dataset,
        dataset_version,
        tool,
        tool_version,
    ] = std::array::from_fn(|index| {
        let (value, member) = (*texts.get(index)?, *names.get(index)?);
        reader.text(value, Place { object: &object, member })
    });
    let at = Place { object: &object, member: "models" };
    let text = |reader: &mut Reader<'a>, model, place: Place| reader.text(Some(model), place);
    Origin {
        models: elements(reader, models, at, text),
        provider,
        agent,
        agent_version,
        task,
        task_version,
        dataset,
        dataset_version,
        tool,
        tool_version,
    }
}

/// Reads each element of an array.
fn elements<'a, T>(
    reader: &mut Reader<'a>,
    value: Option<Value<'a>>,
    place: Place,
    read: impl Fn(&mut Reader<'a>, Value<'a>, Place) -> Option<T>,
) -> Vec<T> {
    let Some(value) = value else { return Vec::new() };
    let Some(elements) = value.elements() else {
        reader.wrong_type(place, value, "an array");
        return Vec::new();
    };
    let object = place.pointer();
    let read_element = |(index, element): (usize, Value<'a>)| {
        read(reader, element, Place { object: &object, member: &index.to_string() })
    };
    elements.into_iter().enumerate().filter_map(read_element).collect()
}

/// Reads the definition of a metric.
fn metric_definition<'a>(
    reader: &mut Reader<'a>,
    value: Value<'a>,
    place: Place,
) -> Option<MetricDefinition> {
    let object = place.pointer();
    let at = |member| Place { object: &object, member };
    let names = [
        "name",
        "unit",
        "lowest",
        "highest",
        "higher_is_better",
        "kind",
        "pass_threshold",
        "headline",
    ];
    let [name, unit, lowest, highest, better, kind, threshold, headline] =
        reader.object(Some(value), place, names);
    let definition = MetricDefinition {
        name: name_of(reader, name, at("name"))?,
        unit: reader.text(unit, at("unit")),
        lowest: reader.number(lowest, at("lowest")),
        highest: reader.number(highest, at("highest")),
        higher_is_better: boolean(reader, better, at("higher_is_better")),
        kind: choice(reader, kind, at("kind"), |name| {
            Some(match name {
                "binary" => MetricKind::Binary,
                "fraction" => MetricKind::Fraction,
                "number" => MetricKind::Number,
                "label" => MetricKind::Label,
                _ => return None,
            })
        }),
        pass_threshold: reader.number(threshold, at("pass_threshold")),
        headline: boolean(reader, headline, at("headline")).unwrap_or_default(),
    };
    // An absent bound is unknown: a log-likelihood has only a highest value, 0.
    if let (Some(lowest), Some(highest)) = (definition.lowest, definition.highest)
        && lowest >= highest
    {
        reader.violation(
            at("highest").pointer(),
            codes::OUT_OF_RANGE,
            format!("the highest value of {} must be above the lowest", definition.name),
        );
    }
    Some(definition)
}

/// Reads a figure of the run.
fn reported_figure<'a>(
    reader: &mut Reader<'a>,
    value: Value<'a>,
    place: Place,
) -> Option<ReportedFigure> {
    let object = place.pointer();
    let at = |member| Place { object: &object, member };
    let names = [
        "metric",
        "figure",
        "value",
        "standard_error",
        "aggregation",
        "missing",
        "tolerance",
        "headline",
    ];
    let [metric, figure, value, error, aggregation, missing, tolerance, headline] =
        reader.object(Some(value), place, names);
    Some(ReportedFigure {
        metric: name_of(reader, metric, at("metric"))?,
        figure: name_of(reader, figure, at("figure"))?,
        value: reader.number(value, at("value")),
        standard_error: reader.number(error, at("standard_error")),
        aggregation: choice(reader, aggregation, at("aggregation"), |name| {
            Some(match name {
                "mean" => Aggregation::Mean,
                "scenario_mean" => Aggregation::ScenarioMean,
                "sum" => Aggregation::Sum,
                "not_comparable" => Aggregation::NotComparable,
                _ => return None,
            })
        })
        .unwrap_or(Aggregation::NotComparable),
        missing: choice(reader, missing, at("missing"), |name| {
            Some(match name {
                "exclude" => MissingPolicy::Exclude,
                "zero" => MissingPolicy::Zero,
                _ => return None,
            })
        })
        .unwrap_or(MissingPolicy::Exclude),
        tolerance: reader.amount(tolerance, at("tolerance")),
        headline: boolean(reader, headline, at("headline")).unwrap_or_default(),
    })
}

/// Reads a name, which must not be empty.
fn name_of<'a>(reader: &mut Reader<'a>, value: Option<Value<'a>>, place: Place) -> Option<String> {
    let name = reader.text(value, place).filter(|name| !name.is_empty());
    if name.is_none() {
        reader.violation(place.pointer(), codes::EMPTY_ID, "a name is required".to_owned());
    }
    name
}

/// Reads `true` or `false`.
fn boolean<'a>(reader: &mut Reader<'a>, value: Option<Value<'a>>, place: Place) -> Option<bool> {
    let value = value?;
    match value.json() {
        "true" => Some(true),
        "false" => Some(false),
        _ => {
            reader.wrong_type(place, value, "true or false");
            None
        }
    }
}

/// Reads one of some names.
fn choice<'a, T>(
    reader: &mut Reader<'a>,
    value: Option<Value<'a>>,
    place: Place,
    known: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    let name = reader.text(value, place)?;
    let found = known(&name);
    if found.is_none() {
        let name: String = name.chars().take(40).collect();
        reader.violation(
            place.pointer(),
            codes::OUT_OF_RANGE,
            format!("{name:?} is not a known value"),
        );
    }
    found
}

/// Reads an RFC 3339 time.
fn time<'a>(reader: &mut Reader<'a>, value: Option<Value<'a>>, place: Place) -> Option<String> {
    let text = reader.text(value, place)?;
    let time = in_utc(&text);
    if time.is_none() {
        let text: String = text.chars().take(40).collect();
        reader.violation(
            place.pointer(),
            codes::TIME_UNREADABLE,
            format!("expected an RFC 3339 time with an offset, found {text:?}"),
        );
    }
    time
}
