//! The parts of a report for people, before they are written as text or Markdown.

use super::comparison::{ComparisonReport, RunComparison, ScenarioDifference};
use super::difference::Difference;
use super::figures::{Estimate, RunFigures};
use super::gate::GateReport;
use super::metric::Metric;
use super::number_text::{NumberStyle, count, p_value, whole};
use super::verdict::Answer;

/// How many scenarios a list has.
const LISTED_SCENARIOS: usize = 10;

/// How many ids a line names.
const NAMED_IDS: usize = 5;

/// The name of the column of ids.
const IDS: &str = "ids";

/// A part of a report.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Block {
    Heading(String),
    Paragraph(String),
    Table(Table),
}

/// A table.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Table {
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Vec<String>>,
}

/// A column of a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Column {
    pub(super) name: String,
    /// Whether it has names, which can be shortened, and not numbers.
    pub(super) is_text: bool,
}

/// Returns the parts of a comparison.
pub(super) fn comparison_blocks(report: &ComparisonReport) -> Vec<Block> {
    let mut blocks = Vec::new();
    for candidate in &report.candidates {
        blocks.push(Block::Paragraph(candidate.verdict.text.clone()));
        blocks.extend(size_note(report, candidate).map(Block::Paragraph));
    }
    blocks.extend(details(report));
    blocks
}

/// Returns the parts of a gate's report.
pub(super) fn gate_blocks(gate: &GateReport) -> Vec<Block> {
    let mut blocks = vec![Block::Paragraph(gate.text.clone())];
    if gate.is_widened {
        blocks.push(Block::Paragraph(
            "Too few scenarios differ to estimate how much a run that is worse by the margin would \
             vary. The interval is as long as such a run requires."
                .to_owned(),
        ));
    }
    if gate.gates > 1 {
        blocks.push(Block::Paragraph(format!(
            "{} gates were looked at; that one regressed is corrected for it by Holm's method.",
            gate.gates
        )));
    }
    blocks.extend(details(&gate.report));
    blocks
}

fn details(report: &ComparisonReport) -> Vec<Block> {
    let mut blocks = vec![
        Block::Heading(format!("Score: {}", metric_text(&report.metric))),
        Block::Table(score_table(report)),
    ];
    blocks.extend(report.candidates.iter().flat_map(|one| candidate_blocks(report, one)));
    blocks.push(Block::Heading("Method".to_owned()));
    blocks.extend(notes(report).into_iter().map(Block::Paragraph));
    blocks
}

fn metric_text(metric: &Metric) -> String {
    let direction = if metric.higher_is_better { "higher" } else { "lower" };
    format!("{} ({direction} is better)", metric.name)
}

/// Returns the smallest difference that runs of this size can show, unless the verdict names it.
fn size_note(report: &ComparisonReport, candidate: &RunComparison) -> Option<String> {
    let is_decided = matches!(candidate.verdict.answer, Answer::Better | Answer::Worse);
    let smallest = candidate.power.filter(|_| is_decided)?.smallest_difference?;
    let size = NumberStyle::of(&report.metric).size(smallest, None);
    Some(format!("Runs of this size can show a difference of {size} or more."))
}

/// The figures of all runs, a line each.
fn score_table(report: &ComparisonReport) -> Table {
    let style = NumberStyle::of(&report.metric);
    Table {
        columns: columns(&[
            "run",
            "score",
            "95 % interval",
            "scenarios",
            "trials",
            "pass^k",
            "flaky",
        ]),
        rows: report.runs().map(|figures| figures_row(figures, &style)).collect(),
    }
}

fn figures_row(figures: &RunFigures, style: &NumberStyle) -> Vec<String> {
    let estimate = figures.score.as_ref();
    let interval = estimate.and_then(|estimate| estimate.interval);
    let score = estimate.map(|estimate| style.value(estimate.value, interval.as_ref()));
    let bounds = interval.map(|interval| {
        let mark = if interval.is_approximate { "~" } else { "" };
        format!("{mark}{}", style.bounds(&interval))
    });
    let last = figures.pass_rates.as_ref().and_then(|rates| rates.last());
    let repeated = last.filter(|rate| rate.k > 1);
    let pass_hat = repeated.map(|rate| format!("{:.1} % (k={})", rate.pass_hat_k * 100.0, rate.k));
    let flaky = repeated.zip(figures.flakiness.as_ref());
    let interim = if figures.is_interim { " (interim)" } else { "" };
    vec![
        format!("{}{interim}", figures.run),
        score.unwrap_or_else(absent),
        bounds.unwrap_or_else(absent),
        whole(figures.score.as_ref().map_or(0, |score| score.scenarios) as u64),
        whole(figures.trials.scored as u64),
        pass_hat.unwrap_or_else(absent),
        flaky.map_or_else(absent, |(_, flaky)| whole(flaky.flaky_scenarios.len() as u64)),
    ]
}

fn candidate_blocks(report: &ComparisonReport, candidate: &RunComparison) -> Vec<Block> {
    let baseline = &report.baseline.run;
    let name = &candidate.candidate.run;
    let style = NumberStyle::of(&report.metric);
    let mut blocks = vec![
        Block::Heading(format!("Scenarios of {name} and {baseline}")),
        Block::Table(denominator_table(report, candidate)),
    ];
    let mut list = |noun: &str, listed: &[ScenarioDifference]| {
        if !listed.is_empty() {
            blocks.push(Block::Heading(format!("{} {noun}", count(listed.len(), "scenario"))));
            blocks.push(Block::Table(scenario_table(listed, baseline, name, &style)));
            blocks.extend(rest(listed.len(), LISTED_SCENARIOS, "scenario").map(Block::Paragraph));
        }
    };
    list("worse, the worst first", &candidate.worse);
    list("better, the best first", &candidate.better);
    if !candidate.by_tag.is_empty() {
        blocks.push(Block::Heading("By tag".to_owned()));
        blocks.push(Block::Table(tag_table(candidate, &style)));
    }
    let resources = resource_table(candidate, baseline);
    if !resources.rows.is_empty() {
        blocks.push(Block::Heading("Cost, tokens and time of a trial".to_owned()));
        blocks.push(Block::Table(resources));
    }
    blocks
}

fn denominator_table(report: &ComparisonReport, candidate: &RunComparison) -> Table {
    let groups = &candidate.denominators;
    let baseline = &report.baseline.run;
    let named: [(String, &[String]); 8] = [
        (format!("only in {baseline}"), &groups.only_in_baseline),
        (format!("only in {}", candidate.candidate.run), &groups.only_in_candidate),
        ("content changed".to_owned(), &groups.changed),
        ("not scored".to_owned(), &groups.not_scored),
        ("invalidated".to_owned(), &groups.invalidated),
        ("infrastructure".to_owned(), &groups.infrastructure),
        ("missing".to_owned(), &groups.missing),
        ("duplicate ids".to_owned(), &groups.duplicate_ids),
    ];
    let row = |(group, ids): (String, &[String])| vec![group, whole(ids.len() as u64), names(ids)];
    let compared = vec!["compared".to_owned(), whole(groups.in_both as u64), String::new()];
    Table {
        columns: columns(&["group", "scenarios", IDS]),
        rows: std::iter::once(compared).chain(named.map(row)).collect(),
    }
}

/// Lists the first ids.
fn names(ids: &[String]) -> String {
    let first: Vec<&str> = ids.iter().take(NAMED_IDS).map(String::as_str).collect();
    let more = if ids.len() > NAMED_IDS { ", …" } else { "" };
    format!("{}{more}", first.join(", "))
}

fn scenario_table(
    listed: &[ScenarioDifference],
    baseline: &str,
    candidate: &str,
    style: &NumberStyle,
) -> Table {
    let row = |one: &ScenarioDifference| {
        let trials = match one.baseline_trials == one.candidate_trials {
            true => one.baseline_trials.to_string(),
            false => format!("{}/{}", one.baseline_trials, one.candidate_trials),
        };
        vec![
            one.id.clone(),
            style.value(one.baseline, None),
            style.value(one.candidate, None),
            style.signed(one.difference, None),
            trials,
        ]
    };
    Table {
        columns: columns(&["scenario", baseline, candidate, "difference", "trials"]),
        rows: listed.iter().take(LISTED_SCENARIOS).map(row).collect(),
    }
}

fn tag_table(candidate: &RunComparison, style: &NumberStyle) -> Table {
    let rows = candidate.by_tag.iter().map(|tag| {
        let adjusted = tag.difference.test.map(|test| p_value(test.adjusted_p_value));
        let mut row = vec![tag.tag.clone(), whole(tag.difference.scenarios as u64)];
        row.extend(difference_cells(&tag.difference, style));
        row.push(adjusted.unwrap_or_else(absent));
        row
    });
    Table {
        columns: columns(&["tag", "scenarios", "difference", "95 % interval", "adjusted p"]),
        rows: rows.collect(),
    }
}

fn resource_table(candidate: &RunComparison, baseline: &str) -> Table {
    let all = [
        ("cost (USD)", &candidate.cost_usd),
        ("tokens", &candidate.tokens),
        ("seconds", &candidate.duration_seconds),
    ];
    let style = NumberStyle::with_unit("");
    let row = |(name, difference): (&str, &Option<Difference>)| {
        let difference = difference.as_ref()?;
        let interval = difference.interval;
        let value = |value| style.value(value, interval.as_ref());
        let mut row =
            vec![name.to_owned(), value(difference.baseline), value(difference.candidate)];
        row.extend(difference_cells(difference, &style));
        row.push(whole(difference.scenarios as u64));
        Some(row)
    };
    Table {
        columns: columns(&[
            "",
            baseline,
            &candidate.candidate.run,
            "difference",
            "95 % interval",
            "scenarios",
        ]),
        rows: all.into_iter().filter_map(row).collect(),
    }
}

/// The difference and its interval.
fn difference_cells(difference: &Difference, style: &NumberStyle) -> [String; 2] {
    let interval = difference.interval.as_ref();
    let bounds = interval.map(|interval| {
        let mark = if interval.is_approximate { "~" } else { "" };
        match difference.is_exact {
            true => "exact".to_owned(),
            false => format!("{mark}{}", style.bounds(interval)),
        }
    });
    [style.signed(difference.difference, interval), bounds.unwrap_or_else(absent)]
}

/// What the reader has to know about how the figures are computed.
fn notes(report: &ComparisonReport) -> Vec<String> {
    let mut notes = vec![policy_note(report)];
    notes.extend(report.runs().filter_map(trial_note));
    notes.extend(report.cluster_by.as_ref().map(|field| {
        format!("Scenarios of the same {field} are not independent, which the intervals allow for.")
    }));
    if report.compared_candidates > 1 || report.compared_tags > 1 {
        notes.push(format!(
            "{} and {} were compared. Their p-values are corrected for it by the method of {}.",
            count(report.compared_candidates, "candidate"),
            count(report.compared_tags, "tag"),
            report.correction.name()
        ));
    }
    notes.extend(report.candidates.iter().flat_map(|one| candidate_notes(report, one)));
    if report.has_approximate_interval() {
        notes.push(
            "~ marks an approximate interval: there are too few scenarios, too few of them differ, or \
             the values are skewed, so that it can contain the true value in fewer than 95 % of runs."
                .to_owned(),
        );
    }
    if report.uses_random_numbers() {
        notes.push(format!("The seed of the random numbers is {}.", report.seed));
    }
    notes
}

fn policy_note(report: &ComparisonReport) -> String {
    let policy = report.not_scored_policy.as_str();
    let effect = match report.baseline.not_scored_value {
        Some(value) => format!("counts as {value}"),
        None => "does not count".to_owned(),
    };
    format!(
        "A trial that ran and has no score {effect} (policy {policy}). Invalidated results and failures \
         of infrastructure do not count."
    )
}

/// Counts the trials of a run that have no score.
fn trial_note(run: &RunFigures) -> Option<String> {
    let trials = &run.trials;
    let counts = [
        (trials.not_scored, "without a score"),
        (trials.infrastructure, "failed by infrastructure"),
        (trials.invalidated, "invalidated"),
        (trials.missing, "missing"),
    ];
    let named = counts.into_iter().filter(|(count, _)| *count > 0);
    let named: Vec<String> =
        named.map(|(count, what)| format!("{} {what}", whole(count as u64))).collect();
    let planned = count(trials.planned, "planned trial");
    (!named.is_empty()).then(|| format!("{}: of {planned}, {}.", run.run, named.join(", ")))
}

fn candidate_notes(report: &ComparisonReport, candidate: &RunComparison) -> Vec<String> {
    let (name, baseline) = (&candidate.candidate.run, &report.baseline.run);
    let mut notes = Vec::new();
    if candidate.extractors.is_same == Some(false) {
        notes.push(format!(
            "Different versions of the extractor made the results of {baseline} ({}) and {name} ({}). \
             Run `arc-host reextract` first to compare like with like.",
            candidate.extractors.baseline.join(", "),
            candidate.extractors.candidate.join(", ")
        ));
    }
    let unverified = candidate.denominators.content_not_verified;
    if unverified > 0 {
        notes.push(format!(
            "{} of {name} and {baseline} were paired by id only, because their content was not recorded.",
            count(unverified, "scenario")
        ));
    }
    if candidate.is_interim() {
        notes.push(format!(
            "The intervals of {name} and {baseline} are interim, because a run is still running."
        ));
    }
    let bootstrap = candidate.difference.as_ref().and_then(|difference| difference.bootstrap);
    if let Some(bootstrap) = bootstrap {
        let style = NumberStyle::of(&report.metric);
        let [low, high] = [bootstrap.low, bootstrap.high].map(|bound| {
            let interval = candidate.difference.as_ref().and_then(|one| one.interval);
            style.number(bound, interval.as_ref())
        });
        notes.push(format!(
            "The bootstrap's 95 % interval of the difference of {name} and {baseline} is {low} to {high} \
             ({} resamples).",
            whole(bootstrap.resamples as u64)
        ));
    }
    notes
}

impl ComparisonReport {
    /// Returns the figures of the baseline and of the candidates.
    fn runs(&self) -> impl Iterator<Item = &RunFigures> {
        let candidates = self.candidates.iter().map(|candidate| &candidate.candidate);
        std::iter::once(&self.baseline).chain(candidates)
    }

    fn differences(&self) -> impl Iterator<Item = &Difference> {
        self.candidates.iter().flat_map(|one| {
            let resources = [&one.difference, &one.cost_usd, &one.tokens, &one.duration_seconds];
            let tags = one.by_tag.iter().map(|tag| &tag.difference);
            resources.into_iter().flatten().chain(tags)
        })
    }

    fn has_approximate_interval(&self) -> bool {
        let scores = self.runs().filter_map(|run| run.score.and_then(|score| score.interval));
        let differences = self.differences().filter(|difference| !difference.is_exact);
        let mut all = scores.chain(differences.filter_map(|difference| difference.interval));
        all.any(|interval| interval.is_approximate)
    }

    fn uses_random_numbers(&self) -> bool {
        self.differences().any(|difference| {
            difference.bootstrap.is_some()
                || difference.test.is_some_and(|test| test.seed.is_some())
        })
    }
}

impl Estimate {
    /// Writes the mean of a metric with half of the width of its interval, such as "83.3 % ± 2.1".
    pub fn to_text(&self, metric: &Metric) -> String {
        let style = NumberStyle::of(metric);
        let value = style.value(self.value, self.interval.as_ref());
        let half = self.interval.map(|interval| {
            let mark = if interval.is_interim { " (interim)" } else { "" };
            format!(" ± {}{mark}", style.number(interval.half_width(), Some(&interval)))
        });
        value + &half.unwrap_or_default()
    }
}

fn rest(all: usize, listed: usize, thing: &str) -> Option<String> {
    (all > listed).then(|| format!("And {} more.", count(all - listed, thing)))
}

/// Returns the columns of a table: the first one and `ids` have names, the others numbers.
fn columns(names: &[&str]) -> Vec<Column> {
    let column = |(index, name): (usize, &&str)| Column {
        name: (*name).to_owned(),
        is_text: index == 0 || *name == IDS,
    };
    names.iter().enumerate().map(column).collect()
}

fn absent() -> String {
    "-".to_owned()
}
