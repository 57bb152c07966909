//! `arc-host compare` and `gate`: which run is better, and how sure it is.

use clap::Args;

use super::CommandStatus;
use super::connection;
use super::global::Global;
use super::output::{self, Output};
use crate::analysis::{self, Decision, GateOptions, Metric, NotScoredPolicy, Options, Run};
use crate::error::{Error, Result};

/// The exit code of a gate that judged: the run is worse by more than the margin.
const REGRESSED: u8 = 1;

/// The exit code of a gate that could not judge.
const NOT_JUDGED: u8 = 2;

/// The status of a gate that could not judge, also of one with a wrong command line.
pub(super) const NOT_JUDGED_STATUS: CommandStatus = CommandStatus::Exit(NOT_JUDGED);

/// The exit code of a gate whose interval decides nothing.
const NOT_DECIDED: u8 = 3;

/// The options of a comparison.
#[derive(Debug, Args)]
pub(super) struct ComparisonOptions {
    /// The metric. Default: the score of the baseline.
    #[arg(long, value_name = "NAME")]
    metric: Option<String>,

    /// A field of the scenarios' definitions, such as repository: scenarios with the same value are a
    /// cluster, and count as less evidence than independent ones.
    #[arg(long, value_name = "FIELD")]
    cluster: Option<String>,

    /// How a result without a score counts: zero, exclude, or stop (there is no comparison then).
    #[arg(long, value_name = "POLICY", default_value = "exclude", value_parser = parse_policy)]
    policy: NotScoredPolicy,

    /// Write the report as Markdown, for a pull request.
    #[arg(long)]
    markdown: bool,
}

fn parse_policy(text: &str) -> std::result::Result<NotScoredPolicy, String> {
    [NotScoredPolicy::Zero, NotScoredPolicy::Exclude, NotScoredPolicy::Stop]
        .into_iter()
        .find(|policy| policy.as_str() == text)
        .ok_or_else(|| format!("invalid policy: {text:?} (expected zero, exclude or stop)"))
}

#[derive(Debug, Args)]
pub(super) struct Compare {
    /// The baseline: its id, a unique prefix of it of at least 4 characters, its name, or `latest`.
    #[arg(value_name = "BASELINE")]
    baseline: String,

    /// The runs that are compared with it.
    #[arg(value_name = "RUN", required = true)]
    candidates: Vec<String>,

    #[command(flatten)]
    options: ComparisonOptions,
}

#[derive(Debug, Args)]
pub(super) struct Gate {
    /// The run: its id, a unique prefix of it of at least 4 characters, its name, or `latest`.
    #[arg(value_name = "RUN")]
    run: String,

    /// The run that it is compared with.
    #[arg(long, value_name = "RUN")]
    baseline: String,

    /// By how much the run is allowed to be worse, in the unit of the metric: 0.02 is two points of a
    /// rate.
    #[arg(long, value_name = "MARGIN", default_value_t = 0.02)]
    margin: f64,

    /// The largest allowed share of trials that failed by infrastructure, such as 2%.
    #[arg(long, value_name = "SHARE", default_value = "2%", value_parser = parse_share)]
    max_infrastructure: f64,

    #[command(flatten)]
    options: ComparisonOptions,
}

fn parse_share(text: &str) -> std::result::Result<f64, String> {
    let (number, divisor) = match text.strip_suffix('%') {
        Some(number) => (number, 100.0),
        None => (text, 1.0),
    };
    let share = number.trim().parse::<f64>().ok().map(|number| number / divisor);
    share.filter(|share| (0.0..=1.0).contains(share)).ok_or_else(|| {
        format!("invalid share: {text:?} (expected a number from 0 to 1, or such as 2%)")
    })
}

impl ComparisonOptions {
    fn options(&self) -> Options {
        Options {
            not_scored_policy: self.policy,
            cluster_by: self.cluster.clone(),
            ..Options::default()
        }
    }

    /// Reads the runs, the first of which names the metric.
    async fn runs(&self, global: &Global, references: &[String]) -> Result<(Vec<Run>, Metric)> {
        let opened = connection::open_source(global).await?;
        let source = opened.source();
        let mut metric = self.metric.clone();
        let mut definition: Option<Metric> = None;
        let mut runs = Vec::with_capacity(references.len());
        for reference in references {
            let simulation_id = source.resolve_simulation(reference).await?;
            let (metric_name, cluster) = (metric.as_deref(), self.cluster.as_deref());
            let read = source.compared_run(simulation_id, metric_name, cluster).await?;
            // The score of the baseline is the metric of all.
            if metric.is_none() && !read.metric.name.is_empty() {
                metric = Some(read.metric.name.clone());
            }
            definition.get_or_insert(read.metric);
            runs.push(read.run);
        }
        definition
            .map(|definition| (runs, definition))
            .ok_or_else(|| Error::invalid("no run is named"))
    }

    fn show(&self, text: &str, markdown: &str, output: &mut Output) -> Result<()> {
        let report = if self.markdown { markdown } else { text };
        report.trim_end().lines().try_for_each(|line| match self.markdown {
            true => output.bare_line(line),
            false => output.line(&output::printable(line)),
        })
    }
}

pub(super) async fn compare(
    global: &Global,
    arguments: Compare,
    output: &mut Output,
) -> Result<CommandStatus> {
    let Compare { baseline, mut candidates, options } = arguments;
    candidates.insert(0, baseline);
    let (runs, metric) = options.runs(global, &candidates).await?;
    let Some((baseline, candidates)) = runs.split_first() else {
        return Err(Error::invalid("no run is named"));
    };
    let report = analysis::compare(baseline, candidates, &metric, &options.options())
        .map_err(|refusal| Error::invalid(refusal.to_string()))?;
    if output.json() {
        output.value(&report)?;
    } else {
        options.show(&report.to_text(), &report.to_markdown(), output)?;
    }
    Ok(CommandStatus::Complete)
}

/// An error is no regression, so that it has another exit code.
pub(super) async fn gate(
    global: &Global,
    arguments: Gate,
    output: &mut Output,
) -> Result<CommandStatus> {
    match judge(global, arguments, output).await {
        Err(error) => {
            output::show_error(&error);
            Ok(NOT_JUDGED_STATUS)
        }
        judged => judged,
    }
}

async fn judge(global: &Global, arguments: Gate, output: &mut Output) -> Result<CommandStatus> {
    let Gate { run, baseline, margin, max_infrastructure, options } = arguments;
    let (runs, metric) = options.runs(global, &[baseline, run]).await?;
    let [baseline, run] = runs.as_slice() else {
        return Err(Error::invalid("no run is named"));
    };
    let defaults = GateOptions::default();
    let comparison = Options { correction: defaults.comparison.correction, ..options.options() };
    let gate_options = GateOptions { margin, max_infrastructure, comparison, ..defaults };
    let report = analysis::gate(baseline, run, &metric, &gate_options)
        .map_err(|refusal| Error::invalid(refusal.to_string()))?;
    if output.json() {
        output.value(&report)?;
    } else {
        options.show(&report.to_text(), &report.to_markdown(), output)?;
    }
    Ok(match report.decision {
        Decision::Passed => CommandStatus::Complete,
        Decision::Regressed => CommandStatus::Exit(REGRESSED),
        Decision::NotDecided => CommandStatus::Exit(NOT_DECIDED),
    })
}
