//! Promptfoo's results as a format: the file of `promptfoo eval -o results.json`, and `.jsonl`
//! output with one result per line.
//!
//! | field of the outcome | member of the result |
//! |---|---|
//! | `scenario.id` | see below |
//! | `scenario.name` | `testCase.description` |
//! | `scenario.task_prompt` | `prompt.raw`: the prompt with its variables filled in |
//! | `scenario.definition` | `testCase` |
//! | `trial` | from `testIdx` and the header, see below |
//! | `status` | `failureReason`: 2 is an error, or a timeout if `error` is one of promptfoo's own two sentences for that; 0 and 1 (an assertion failed) are a success. If it is absent (before version 3 of the file): an error if there is a `response.error`, or an `error` without a `gradingResult` |
//! | `reliability_score` | `score`; if that is not from 0 to 1 (an assertion can return any number), 1 or 0 for `success` |
//! | `dimension_scores` | `namedScores`: the `metric` of an assertion; those not from 0 to 1 are left out with a warning |
//! | `execution_time` | `results.timestamp` of the header: the start of the whole evaluation, because a result has no time of its own |
//! | `execution_time_ms` | `latencyMs` |
//! | tokens | `tokenUsage` (`total`, `prompt`, `completion`), else `response.tokenUsage`; tokens of graders are not included |
//! | `cost_usd` | `cost`, else `response.cost` |
//! | `error_message` | `error`, else `response.error`, if the run failed; the reason of a failed assertion stays in the document |
//! | `trajectory` | `response` |
//! | `dimensions` | `namedScores` |
//!
//! **Scenario ids.** A result is one cell of promptfoo's table: a test, a prompt and a provider.
//! Its scenario is `TEST#FINGERPRINT/PROMPT/PROVIDER`: the test's description (or `test`), a
//! fingerprint of its variables and assertions, the prompt's label, and the provider's label or id.
//! So an id does not depend on the order of tests in a configuration. If the header has two prompts
//! with the same label and provider, `@` and `promptIdx` follow.
//!
//! **Trials.** With `--repeat`, promptfoo runs every test several times and assigns each run a
//! `testIdx` of its own, but does not record which run it was. If the header's `config.tests` are
//! written out and account for all results, the trial is computed from `testIdx`. If it is unknown
//! (tests of another file with repeats, `.jsonl` output, results sent without the file), `~` and
//! `testIdx` end the id, so that no run is mistaken for a further attempt of another, and there is
//! the warning `trial_unknown`.
//!
//! Tested with 0.121.20 (version 3 of the file). Version 2, as written by 0.91 and earlier, is read
//! according to the declarations of its types; its results have no `testIdx`, so their trials are
//! unknown.

mod header;
mod result;
mod scenario;

use arc_format_kit::outline::Outline;
use arc_format_kit::{
    Format, Header, Items, Layout, Outcome, PlannedScenario, SuiteSummary, Violation,
};

/// Warning: it is unknown which trial of its scenario a result is.
pub const TRIAL_UNKNOWN: &str = "trial_unknown";

/// Promptfoo's results.
#[derive(Debug)]
pub struct PromptfooFormat;

impl Format for PromptfooFormat {
    const NAME: &'static str = "promptfoo";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const AUTHORS: &'static str = "Arc Recorder";
    const DESCRIPTION: &'static str =
        "Results of promptfoo: the JSON file of `promptfoo eval -o`, or one result a line";

    fn detect(_file_name: &str, head: &[u8]) -> Option<Layout> {
        let outline = Outline::of(head);
        let elements = |pointer: &str| Layout {
            items: Items::Elements(pointer.to_owned()),
            header: Header::EnclosingDocument,
            classify_items: false,
        };
        if outline.has_all(&["/evalId", "/results/version", "/results/timestamp"]) {
            return Some(elements("/results/results/*"));
        }
        // Only the summary, as the library `promptfoo` returns it to a program.
        let summary = ["/prompts/*/raw", "/results/*/namedScores", "/results/*/gradingResult"];
        if outline.has_all(&["/version", "/timestamp"]) && summary.iter().any(|it| outline.has(it))
        {
            return Some(elements("/results/*"));
        }
        let row = outline.has_all(&["/gradingResult", "/namedScores"])
            || outline.has_all(&["/failureReason", "/namedScores"])
            || outline.has_all(&["/gradingResult/pass", "/gradingResult/score"]);
        row.then_some(Layout { items: Items::Lines, header: Header::None, classify_items: false })
    }

    fn outcome(header: Option<&str>, item: &str) -> Result<Outcome, Vec<Violation>> {
        result::outcome(header, item)
    }

    fn scenario(header: Option<&str>, item: &str) -> Result<PlannedScenario, Vec<Violation>> {
        scenario::planned(header, item)
    }

    fn suite(header: &str) -> Result<SuiteSummary, Vec<Violation>> {
        header::suite(header)
    }
}

arc_format_kit::export_format!(PromptfooFormat);
