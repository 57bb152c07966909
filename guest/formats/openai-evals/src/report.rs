//! What a log reports about a run: its spec and its final report.

use arc_format_kit::finite::with_null_for_nan;
use arc_format_kit::json::{Place, Reader, Value};
use arc_format_kit::time::in_utc;
use arc_format_kit::{
    Aggregation, MetricDefinition, MissingPolicy, ReportedFigure, RunReport, RunStatus,
    SuiteSummary, Violation,
};

use crate::scores::ACCURACY;

/// The figures of a report that are the mean of a metric, with the class of the eval that computes
/// them so.
const MEANS: [(&str, &str); 3] = [
    ("f1_score", "fuzzy_match:FuzzyMatch"),
    ("score", "classify:ModelBasedClassify"),
    ("metascore", "classify:ModelBasedClassify"),
];

/// Evals whose accuracy is not the mean of a metric of this name.
const OTHER_ACCURACIES: [&str; 2] = ["elsuite.self_prompting", "elsuite.bugged_tools"];

/// The standard error of the accuracy from samples of half of the matches: in most evals with the
/// name on the left.
const STANDARD_ERRORS: [&str; 2] = ["boostrap_std", "bootstrap_std"];

/// The tokens of all calls, which are added to the report.
const USAGE: &str = "usage_";

/// See [`arc_format_kit::Format::suite`]. The header is the line of the spec, the line of the final
/// report, or an array of both.
pub(crate) fn summary(header: &str) -> Result<SuiteSummary, Vec<Violation>> {
    let header = with_null_for_nan(header);
    let (mut reader, root) = Reader::new(&header)?;
    let lines = if root.is_array() {
        reader.root_elements(root)
    } else {
        reader.root(root, []).map(|[]| vec![root])
    };
    let answer = lines.map(|lines| {
        let member = |name| lines.iter().find_map(|line| line.member(name));
        let spec = member("spec").filter(|spec| spec.is_object());
        let figures = member("final_report").filter(|report| report.is_object());
        let run = spec.and_then(|spec| spec.member("run_id")).or_else(|| member("run_id"));
        let created_at = spec.and_then(|spec| time(spec.member("created_at")?));
        // A lone spec is the header also of a log that has a final report.
        let status = match (figures, root.is_array()) {
            (Some(_), _) => Some(RunStatus::Completed),
            (None, true) => Some(RunStatus::Incomplete),
            (None, false) => None,
        };
        let mut report = RunReport {
            run_id: run.and_then(text).filter(|run| !run.is_empty()),
            status,
            status_reason: (status == Some(RunStatus::Incomplete))
                .then(|| "the log has no final report".to_owned()),
            created_at: created_at.clone(),
            started_at: created_at,
            ..RunReport::default()
        };
        if let Some(figures) = figures {
            let class = spec.and_then(|spec| {
                spec.member("run_config")?.member("eval_spec")?.member("cls").and_then(text)
            });
            read_figures(&mut reader, &mut report, figures, &class.unwrap_or_default());
        }
        SuiteSummary { run: report, ..SuiteSummary::default() }
    });
    reader.finish_suite(answer)
}

/// Reads a final report.
fn read_figures<'a>(
    reader: &mut Reader<'a>,
    report: &mut RunReport,
    figures: Value<'a>,
    class: &str,
) {
    let members = figures.members().unwrap_or_default();
    let find = |name: &str| members.iter().find(|(known, _)| known.text == name);
    let tokens = find("usage_total_tokens").map(|(_, tokens)| *tokens);
    report.total_tokens = reader.decoration(|reader| {
        reader.tokens(tokens, Place { object: "/final_report", member: "usage_total_tokens" })
    });
    let standard_error = STANDARD_ERRORS.iter().find_map(|name| number(find(name)?.1));
    for (name, value) in &members {
        let name = &*name.text;
        let is_figure = value.is_number() || value.json() == "null";
        let known = report.figures.iter().any(|figure| figure.figure == name);
        if name.is_empty() || !is_figure || known || name.starts_with(USAGE) {
            continue;
        }
        let has_accuracy = find(ACCURACY).is_some();
        if STANDARD_ERRORS.contains(&name) && has_accuracy {
            continue;
        }
        let is_accuracy = name == ACCURACY;
        let is_mean = if is_accuracy {
            !OTHER_ACCURACIES.iter().any(|other| class.contains(other))
        } else {
            MEANS.iter().any(|(mean, eval)| *mean == name && class.ends_with(eval))
        };
        report.figures.push(ReportedFigure {
            metric: name.to_owned(),
            figure: name.to_owned(),
            value: number(*value),
            standard_error: standard_error.filter(|_| is_accuracy),
            aggregation: if is_mean { Aggregation::Mean } else { Aggregation::NotComparable },
            // Only events with the metric are counted.
            missing: MissingPolicy::Exclude,
            tolerance: None,
            headline: is_accuracy,
        });
        if is_accuracy {
            report.metrics.push(MetricDefinition {
                name: name.to_owned(),
                headline: true,
                ..MetricDefinition::default()
            });
        }
    }
}

/// Reads a time; without an offset it is in UTC, as the spec's.
fn time(value: Value) -> Option<String> {
    let text = value.decode()?.text;
    in_utc(&text).or_else(|| in_utc(&format!("{text}Z")))
}

fn text(value: Value) -> Option<String> {
    value.decode().map(|text| text.text.into_owned())
}

/// Reads a finite number.
fn number(value: Value) -> Option<f64> {
    // Adding 0 turns -0 into 0.
    value.number().filter(|number| number.is_finite()).map(|number| number + 0.0)
}
