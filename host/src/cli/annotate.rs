//! `arc-host annotate`, `invalidate`, `restore`, `annotations` and `missing`: annotations of results
//! by people and rules, and the trials that have no valid outcome.

use std::path::PathBuf;

use clap::Args;
use serde_json::Value;
use uuid::Uuid;

use super::CommandStatus;
use super::connection;
use super::global::Global;
use super::options::SimulationArgument;
use super::output::{self, Output};
use crate::delivery::{Destination, FailureRules, Source};
use crate::error::{Error, Result};
use crate::store::{Annotation, AnnotationKind, AnnotationState, NewAnnotation};

/// The results that a command annotates.
#[derive(Debug, Args)]
pub(super) struct ResultOptions {
    /// The outcome with this id. Can be repeated.
    #[arg(long = "outcome", value_name = "ID")]
    outcomes: Vec<Uuid>,

    /// The result with this key of its tool. Can be repeated.
    #[arg(long = "key", value_name = "KEY")]
    keys: Vec<String>,

    /// The results of this scenario that count. Can be repeated.
    #[arg(long = "scenario", value_name = "ID")]
    scenarios: Vec<String>,

    /// Only this trial of the scenarios.
    #[arg(long, value_name = "N", requires = "scenarios", value_parser = clap::value_parser!(i32).range(1..))]
    trial: Option<i32>,
}

/// The reason and the author.
#[derive(Debug, Args)]
pub(super) struct AuthorOptions {
    /// Why.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,

    /// The author. Default: the user of this machine, or at a service the token.
    #[arg(long, value_name = "NAME")]
    author: Option<String>,
}

impl AuthorOptions {
    /// Returns the author: at a service the token is one already.
    fn author(&self, destination: &Destination) -> Option<String> {
        let user = || match destination {
            Destination::Database(_) => std::env::var("USER").ok().filter(|user| !user.is_empty()),
            Destination::Service(_) => None,
        };
        self.author.clone().or_else(user)
    }
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(
    ["note", "tag", "score", "failure_class", "undo", "rules"]
))]
pub(super) struct Annotate {
    #[command(flatten)]
    simulation: SimulationArgument,

    #[command(flatten)]
    results: ResultOptions,

    /// Add a note.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,

    /// Add a tag.
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,

    /// Change a score to this value, as the tool writes it.
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
    score: Option<f64>,

    /// The metric of the score. Default: the result's own score.
    #[arg(long, value_name = "NAME", requires = "score")]
    metric: Option<String>,

    /// Set whose failure it is: infrastructure, agent, scorer, harness or undecided.
    #[arg(long, value_name = "CLASS")]
    failure_class: Option<String>,

    /// Undo an annotation. Can be repeated.
    #[arg(long, value_name = "ANNOTATION", conflicts_with_all = ["outcomes", "keys", "scenarios"])]
    undo: Vec<Uuid>,

    /// Set the failure class of each outcome by the first rule in this JSON file that matches it.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["outcomes", "keys", "scenarios", "reason", "author"])]
    rules: Option<PathBuf>,

    #[command(flatten)]
    author: AuthorOptions,
}

#[derive(Debug, Args)]
pub(super) struct Invalidate {
    #[command(flatten)]
    simulation: SimulationArgument,

    #[command(flatten)]
    results: ResultOptions,

    #[command(flatten)]
    author: AuthorOptions,
}

#[derive(Debug, Args)]
pub(super) struct Annotations {
    #[command(flatten)]
    simulation: SimulationArgument,

    /// Only those of this outcome's result, in all its revisions.
    #[arg(long, value_name = "ID")]
    outcome: Option<Uuid>,
}

#[derive(Debug, Args)]
pub(super) struct Missing {
    #[command(flatten)]
    simulation: SimulationArgument,

    /// Write only the ids of the scenarios, each once.
    #[arg(long)]
    ids: bool,
}

impl ResultOptions {
    /// Returns an annotation of each result.
    fn annotations(&self, annotation: &NewAnnotation) -> Result<Vec<NewAnnotation>> {
        let outcomes = self
            .outcomes
            .iter()
            .map(|id| NewAnnotation { outcome_id: Some(*id), ..annotation.clone() });
        let keys = self
            .keys
            .iter()
            .map(|key| NewAnnotation { result_key: Some(key.clone()), ..annotation.clone() });
        let scenarios = self.scenarios.iter().map(|scenario| NewAnnotation {
            scenario_id: Some(scenario.clone()),
            trial: self.trial,
            ..annotation.clone()
        });
        let all: Vec<NewAnnotation> = outcomes.chain(keys).chain(scenarios).collect();
        if all.is_empty() {
            return Err(Error::invalid("no result is named")
                .with_hint("name results by --outcome ID, --key KEY or --scenario ID"));
        }
        Ok(all)
    }
}

impl Annotate {
    /// Returns the kind and the value of the annotation.
    fn annotation(&self) -> NewAnnotation {
        let text = |text: &String| Value::String(text.clone());
        let (kind, value) = match (&self.note, &self.tag, &self.score, &self.failure_class) {
            (Some(note), _, _, _) => (AnnotationKind::Note, text(note)),
            (None, Some(tag), _, _) => (AnnotationKind::Tag, text(tag)),
            (None, None, Some(score), _) => (AnnotationKind::Score, Value::from(*score)),
            (None, None, None, class) => {
                (AnnotationKind::FailureClass, class.as_ref().map_or(Value::Null, text))
            }
        };
        NewAnnotation {
            value: Some(value),
            metric: self.metric.clone(),
            ..NewAnnotation::new(kind)
        }
    }
}

pub(super) async fn annotate(
    global: &Global,
    arguments: Annotate,
    output: &mut Output,
) -> Result<CommandStatus> {
    let rules = arguments.rules.as_deref().map(FailureRules::read).transpose()?;
    let opened = connection::open_source(global).await?;
    let source = opened.source();
    let simulation_id = arguments.simulation.resolve(source).await?;
    let destination = connection::destination(global, source).await?;
    if let Some(rules) = rules {
        let made = rules.annotate(source, &destination, simulation_id).await?;
        return show_made(&made, output);
    }
    let annotations = match arguments.undo.as_slice() {
        [] => arguments.results.annotations(&arguments.annotation())?,
        undone => undone
            .iter()
            .map(|id| NewAnnotation {
                undoes: Some(*id),
                ..NewAnnotation::new(AnnotationKind::Undo)
            })
            .collect(),
    };
    make(&destination, simulation_id, annotations, &arguments.author, output).await
}

pub(super) async fn invalidate(
    global: &Global,
    arguments: Invalidate,
    kind: AnnotationKind,
    output: &mut Output,
) -> Result<CommandStatus> {
    let annotations = arguments.results.annotations(&NewAnnotation::new(kind))?;
    let opened = connection::open_source(global).await?;
    let simulation_id = arguments.simulation.resolve(opened.source()).await?;
    let destination = connection::destination(global, opened.source()).await?;
    make(&destination, simulation_id, annotations, &arguments.author, output).await
}

async fn make(
    destination: &Destination,
    simulation_id: Uuid,
    mut annotations: Vec<NewAnnotation>,
    options: &AuthorOptions,
    output: &mut Output,
) -> Result<CommandStatus> {
    let author = options.author(destination);
    for annotation in &mut annotations {
        annotation.reason.clone_from(&options.reason);
        annotation.author.clone_from(&author);
    }
    show_made(&destination.annotate(simulation_id, &annotations).await?, output)
}

fn show_made(made: &[Annotation], output: &mut Output) -> Result<CommandStatus> {
    if !output.json() && made.is_empty() {
        output::note("no annotation was needed");
        return Ok(CommandStatus::Complete);
    }
    show(made, output)
}

pub(super) async fn annotations(
    global: &Global,
    arguments: Annotations,
    output: &mut Output,
) -> Result<CommandStatus> {
    let opened = connection::open_source(global).await?;
    let simulation_id = arguments.simulation.resolve(opened.source()).await?;
    let all = opened.source().annotations(simulation_id, arguments.outcome).await?;
    if !output.json() && all.is_empty() {
        output::note("no result has an annotation");
        return Ok(CommandStatus::Complete);
    }
    show(&all, output)
}

fn show(annotations: &[Annotation], output: &mut Output) -> Result<CommandStatus> {
    if output.json() {
        annotations.iter().try_for_each(|one| output.value(one))?;
        return Ok(CommandStatus::Complete);
    }
    let rows = annotations.iter().map(|one| {
        vec![
            one.scenario_id.clone(),
            one.kind.to_string(),
            change(one),
            one.author.clone(),
            one.reason.clone().unwrap_or_default(),
            state(one.state).to_owned(),
            format!("{:.0}", one.annotated_at),
            one.annotation_id.map(|id| id.to_string()).unwrap_or_default(),
        ]
    });
    let header = ["scenario", "kind", "value", "author", "reason", "", "made", "annotation"];
    output.table(&header, &[], rows)?;
    Ok(CommandStatus::Complete)
}

/// Formats the value before and after.
fn change(annotation: &Annotation) -> String {
    let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let new = annotation.new_value.as_ref().map(shown).unwrap_or_default();
    let new = match &annotation.metric {
        Some(metric) => format!("{metric} {new}"),
        None => new,
    };
    match (&annotation.old_value, annotation.kind) {
        (Some(old), AnnotationKind::Score | AnnotationKind::FailureClass) => {
            format!("{new}, was {}", shown(old))
        }
        _ => new,
    }
}

fn state(state: AnnotationState) -> &'static str {
    match state {
        AnnotationState::Valid => "",
        AnnotationState::Replaced => "replaced",
        AnnotationState::Undone => "undone",
        AnnotationState::Superseded => "superseded",
    }
}

pub(super) async fn missing(
    global: &Global,
    arguments: Missing,
    output: &mut Output,
) -> Result<CommandStatus> {
    let opened = connection::open_source(global).await?;
    let source: &Source = opened.source();
    let simulation_id = arguments.simulation.resolve(source).await?;
    let missing = source.missing_trials(simulation_id).await?;
    if arguments.ids {
        let mut ids: Vec<&str> = missing.iter().map(|one| one.scenario_id.as_str()).collect();
        ids.dedup();
        for id in ids {
            match output.json() {
                true => output.value(&id)?,
                false => output.line(id)?,
            }
        }
        return Ok(CommandStatus::Complete);
    }
    if output.json() {
        missing.iter().try_for_each(|one| output.value(one))?;
        return Ok(CommandStatus::Complete);
    }
    if missing.is_empty() {
        output::note("every planned trial has a valid outcome");
        return Ok(CommandStatus::Complete);
    }
    let rows = missing.iter().map(|one| {
        vec![
            one.scenario_id.clone(),
            one.trial.to_string(),
            one.reason.as_str().replace('_', " "),
            one.outcome_id.map(|id| id.to_string()).unwrap_or_default(),
        ]
    });
    output.table(&["scenario", "trial", "reason", "outcome"], &["trial"], rows)?;
    Ok(CommandStatus::Complete)
}
