//! Promptfoo's results as a format: the file of `promptfoo eval -o results.json`, and `.jsonl`
//! output with one result per line.
//!
//! | field of the outcome | member of the result |
//! |---|---|
//! | `scenario.id` | see below |
//! | `scenario.name` | `testCase.description` |
//! | `scenario.task_prompt` | `prompt.raw`: the prompt with its variables filled in |
//! | `scenario.definition` | `testCase` |
//! | `status` | `failureReason`: 2 is an error, or a timeout if `error` is one of promptfoo's own two sentences for that; 0 and 1 (an assertion failed) are a success. If it is absent (before version 3 of the file): an error if there is a `response.error`, or an `error` without a `gradingResult` |
//! | score `pass` | `success`, 1 or 0: the headline |
//! | score `score` | `score`: the weighted mean of the assertions' scores, which can be any number |
//! | score of a named metric | `namedScores`: the weighted mean of the assertions with this `metric`; with the prefix `namedScores/` if it is called `pass` or `score` |
//! | explanations | `gradingResult.reason`; of a named metric the `reason` of its assertion in `gradingResult.componentResults`, if it has only one |
//! | `execution_time` | `results.timestamp` of the header: the start of the whole evaluation, because a result has no time of its own |
//! | `execution_time_ms` | `latencyMs` |
//! | `origin` | the provider, if the evaluation has several, and of a line without header: see below |
//! | `usage` | the provider's: `tokenUsage`, else `response.tokenUsage`, with `cost`, else `response.cost`; and the scorer's: `gradingResult.tokensUsed`, else `tokenUsage.assertions`. `cached` (also an answer of promptfoo's own cache) and `completionDetails.cacheReadInputTokens` are read from a cache |
//! | `error_message` | `error`, else `response.error`, if the run failed; the reason of a failed assertion stays in the document |
//! | `trajectory` | `response` |
//! | `dimensions` | `namedScores` |
//! | `key` | `id`, else the place |
//! | `place` | `testIdx` and `promptIdx`: `3/0` |
//! | `run_id` of the plan | `evalId` of the result, else of the header |
//!
//! **Scenario ids.** A result is one cell of promptfoo's table: a test, a prompt and a provider.
//! Its scenario is `TEST#FINGERPRINT/PROMPT/PROVIDER`: the test's description (or `test`), a
//! fingerprint of its variables and assertions, the prompt's label, and the provider's label or id.
//! So an id does not depend on the order of tests in a configuration. If the header has two prompts
//! with the same label and provider, `@` and `promptIdx` follow.
//!
//! **Trials.** With `--repeat`, promptfoo runs every test several times and assigns each run a
//! `testIdx` of its own, but does not record which run it was. So a result has a place and no trial:
//! the places of a scenario are its trials. A result without these indices (version 2 of the file) has
//! the warning `trial_unknown`.
//!
//! **The headline is `pass`**, because promptfoo's own figure of an evaluation is the pass rate: the
//! command line's summary, the HTML report and the exit code (`PROMPTFOO_PASS_RATE_THRESHOLD`) use it,
//! and none of them uses `score` as a figure of the evaluation. Errors count as not passed.
//!
//! **Who answered.** A provider `PROVIDER:MODEL` or `PROVIDER:INTERFACE:MODEL` (`openai:chat:gpt-4o`) is
//! a model and its provider. A provider that is a program or an address (`file://`, `python:`, `https:`,
//! `echo`) is the agent, and so is a label. An evaluation has the models of all its prompts, and provider
//! and agent if all have the same; `config.description` is the task. Who graded is not in the file.
//!
//! **Figures.** `stats.tokenUsage` counts the assertions apart, so the tokens of an evaluation are its
//! `total` and that of its `assertions`. `stats.successes` is the sum of `pass`, and `metrics.score` of the prompts the sum of
//! `score`. `metrics.namedScores` are sums of values times weights, so they are compared only if the
//! header's tests show that all weights are 1; metrics derived by `derivedMetrics` are never compared.
//!
//! **The end of a run.** From 0.121 on, promptfoo writes `stats.durationMs` at the end of an
//! evaluation, so one without it is incomplete. Neither older files nor `.jsonl` output have
//! anything that distinguishes an evaluation that was killed.
//!
//! Tested with 0.121.20 (version 3 of the file). Version 2, as written by 0.91 and earlier, is read
//! according to the declarations of its types.

mod header;
mod provider;
mod report;
mod result;
mod scenario;
mod score;
mod usage;
mod weights;

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
        report::suite(header)
    }
}

arc_format_kit::export_format!(PromptfooFormat);
