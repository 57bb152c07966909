//! The results of terminal-bench and of Harbor, its successor, as a format.
//!
//! | file | its results |
//! |---|---|
//! | terminal-bench's `results.json` of a run | `/results/*`; the same trials are in `*/*/results.json` below its folder |
//! | terminal-bench's `results.json` of one trial | the document |
//! | Harbor's `result.json` of a job | `/trial_results/*`, or, in recent versions, each trial in its own `*/result.json` below its folder. A job that is passed as a result is refused with [`TRIALS_IN_OTHER_FILES`] |
//! | Harbor's `result.json` of one trial | the document |
//!
//! Fields of a result of **terminal-bench**:
//!
//! | field of the outcome | member of the result |
//! |---|---|
//! | `scenario.id`, `scenario.name` | `task_id` |
//! | `scenario.task_prompt` | `instruction` |
//! | `trial` | N of `trial_name`, which is `TASK.N-of-M.RUN` |
//! | `key` | `id` of the trial, the same in its own file and in that of the run |
//! | `place` | none, or `trial_name` if it has no number |
//! | `run_id` | `id` of the run's file, which a resumed run replaces. A trial's own file does not contain it |
//! | `status` | `failure_mode`: `unset` and `none` are a success, `agent_timeout` and `test_timeout` a timeout, any other an error. An exceeded length (`context_length_exceeded`, `output_length_exceeded`) stopped the agent before its end, so it is an error |
//! | score `is_resolved`, the headline | `is_resolved`: 1 or 0. If it is null, the tests were inconclusive; the benchmark counts that as not resolved, so the score is 0 |
//! | score `tests_passed` | the share of `parser_results` that are `passed` |
//! | `dimensions` | `parser_results` |
//! | `execution_time` | `agent_started_at`, else `trial_started_at` |
//! | `execution_time_ms` | from there to `agent_ended_at`, or `trial_ended_at` |
//! | `revised_at` | `trial_ended_at` |
//! | `usage` | `total_input_tokens`, `total_output_tokens`; agent, model and data set are only in `run_metadata.json` beside the file |
//! | `error_message`, `error_code` | `failure_mode` |
//!
//! Fields of a result of **Harbor**:
//!
//! | field of the outcome | member of the result |
//! |---|---|
//! | `scenario.id` | `source/task_name`, or `task_name` |
//! | `scenario.name` | `task_name` |
//! | `scenario.definition` | `task_id` |
//! | `trial` | none: Harbor does not number the trials of a task |
//! | `place` | `trial_name`, which distinguishes them. A retried trial (`--max-retries`) has the same name and another `id`; one that a resumed job runs again has another name |
//! | `key` | `id` |
//! | `run_id` | `config.job_id`, which is the `id` of the job; else that `id` |
//! | `status` | `exception_info`, else the first of `step_results/*/exception_info`: none is a success; a time limit of Harbor's own (`AgentTimeoutError`, `AgentSetupTimeoutError`, `EnvironmentStartTimeoutError`, `VerifierTimeoutError`) a timeout; `CancelledError` and `KeyboardInterrupt` a cancellation; any other an error |
//! | scores, `dimensions` | `verifier_result.rewards`, unchanged, each under its name. They have no value if `reward_valid` is false: Harbor leaves that trial out of its metrics |
//! | headline | `reward`, if the trial has one, or its only reward. A trial without any reward has `reward` without a value |
//! | `execution_time` | `agent_execution.started_at`, else `started_at` |
//! | `execution_time_ms` | from there to the `finished_at` of the same object |
//! | `revised_at` | `finished_at` |
//! | `origin` | `agent_info`: agent, version, model and provider; `source` is the data set |
//! | `usage` | `agent_result`, else the sum of `step_results/*/agent_result`: each model of `model_usage`, and the rest as the trial's model. Input includes cached tokens, by Harbor's definition. What retried trials used is not in the files |
//! | `event_count` | `agent_result.metadata.n_episodes`, if the agent reports it |
//! | `error_message` | `exception_type: exception_message` |
//! | `trajectory` | `agent_result`, else `step_results` |
//! | `detailed_trajectory` | `agent_result.rollout_details` |
//!
//! What each tool reports about a run is described in `job.rs`.
//!
//! **The end of a run.** A job of Harbor without `finished_at` is incomplete, or cancelled if a trial
//! was. terminal-bench writes its `results.json` anew after each trial, without anything that
//! distinguishes a run that was killed: only `run_metadata.json` beside it has the end.
//!
//! The fixtures were made with the models of terminal-bench 0.2.18 and Harbor 0.26.0.

mod bench;
mod job;
mod origin;
mod time;
mod trial;

use arc_format_kit::json::{Place, Reader, Value};
use arc_format_kit::outline::Outline;
use arc_format_kit::{
    Format, Header, Items, Layout, Outcome, PlannedScenario, SuiteSummary, Violation,
};

/// The violation of a job that is passed as a result: its trials are results, in files of their own.
pub const TRIALS_IN_OTHER_FILES: &str = "trials_in_other_files";

/// Results of terminal-bench and Harbor.
#[derive(Debug)]
pub struct HarborFormat;

impl Format for HarborFormat {
    const NAME: &'static str = "harbor";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const AUTHORS: &'static str = "Arc Recorder";
    const DESCRIPTION: &'static str =
        "Results of terminal-bench (results.json) and of Harbor (result.json of a job or a trial)";

    fn detect(_file_name: &str, head: &[u8]) -> Option<Layout> {
        let outline = Outline::of(head);
        let run = |elements: &str, files: &str| Layout {
            items: Items::ElementsOrFiles(elements.to_owned(), files.to_owned()),
            header: Header::EnclosingDocument,
            classify_items: false,
        };
        if outline.has_all(&["/results/*/trial_name", "/results/*/task_id"]) {
            return Some(run("/results/*", "*/*/results.json"));
        }
        if outline.has_all(&["/n_total_trials", "/stats", "/started_at"]) {
            return Some(run("/trial_results/*", "*/result.json"));
        }
        let bench = outline.has_all(&["/trial_name", "/task_id", "/instruction"]);
        let trial = outline.has_all(&["/task_name", "/trial_name", "/trial_uri"]);
        (bench || trial).then_some(Layout {
            items: Items::Documents,
            header: Header::None,
            classify_items: false,
        })
    }

    fn outcome(header: Option<&str>, item: &str) -> Result<Outcome, Vec<Violation>> {
        let (mut reader, root) = Reader::new(item)?;
        let answer = Members::read(&mut reader, root).and_then(|members| {
            if members.of_job() {
                refuse_job(&mut reader)
            } else if members.of_harbor() {
                trial::outcome(&mut reader, &members)
            } else {
                bench::outcome(&mut reader, &members)
            }
        });
        let answer = answer.map(|outcome| Outcome {
            origin: outcome.origin.without(&origin::of_header(header)),
            ..outcome
        });
        reader.finish_outcome(answer)
    }

    fn scenario(header: Option<&str>, item: &str) -> Result<PlannedScenario, Vec<Violation>> {
        let (mut reader, root) = Reader::new(item)?;
        let answer = Members::read(&mut reader, root).and_then(|members| {
            if members.of_job() {
                return refuse_job(&mut reader);
            }
            let planned = if members.of_harbor() {
                trial::planned(&mut reader, &members)?
            } else {
                bench::planned(&mut reader, &members)?
            };
            let run_id = planned.run_id.or_else(|| header.and_then(job::run_id));
            Some(PlannedScenario { run_id, ..planned })
        });
        reader.finish(answer)
    }

    fn suite(header: &str) -> Result<SuiteSummary, Vec<Violation>> {
        job::suite(header)
    }
}

/// The relevant members of a result, of either tool.
const NAMES: [&str; 26] = [
    "agent_ended_at",
    "agent_execution",
    "agent_info",
    "agent_result",
    "agent_started_at",
    "config",
    "exception_info",
    "failure_mode",
    "finished_at",
    "id",
    "instruction",
    "is_resolved",
    "n_total_trials",
    "parser_results",
    "reward_valid",
    "source",
    "started_at",
    "step_results",
    "task_id",
    "task_name",
    "total_input_tokens",
    "total_output_tokens",
    "trial_ended_at",
    "trial_name",
    "trial_started_at",
    "verifier_result",
];

/// The values of these members in a result.
struct Members<'a>([Option<Value<'a>>; 26]);

impl<'a> Members<'a> {
    /// Reads the members. This pass checks the result's syntax.
    fn read(reader: &mut Reader<'a>, root: Value<'a>) -> Option<Self> {
        reader.root(root, NAMES).map(Members)
    }

    fn get(&self, name: &str) -> Option<Value<'a>> {
        let at = NAMES.iter().position(|other| *other == name)?;
        self.0.get(at).copied().flatten()
    }

    fn all<const N: usize>(&self, names: [&str; N]) -> [Option<Value<'a>>; N] {
        names.map(|name| self.get(name))
    }

    /// Whether Harbor wrote the result: its tasks have names, those of terminal-bench only ids.
    fn of_harbor(&self) -> bool {
        self.get("task_name").is_some()
    }

    /// Whether it is no result but the job that Harbor wrote.
    fn of_job(&self) -> bool {
        self.get("n_total_trials").is_some() && !self.of_harbor() && self.get("task_id").is_none()
    }
}

fn refuse_job<T>(reader: &mut Reader) -> Option<T> {
    let message = "this is a job without trials: each has its own result.json, in a folder beside the \
                   job's file; record the folder of the job";
    reader.violation(String::new(), TRIALS_IN_OTHER_FILES, message.to_owned());
    None
}

/// Returns a key, place or run id within its limit; `None` if it is empty.
fn identity(text: String) -> Option<String> {
    (!text.trim().is_empty()).then(|| arc_format_kit::scenario::bounded_id(text))
}

/// Reads a text that must be present and not blank.
fn required_text<'a>(
    reader: &mut Reader<'a>,
    value: Option<Value<'a>>,
    place: Place,
) -> Option<String> {
    if value.is_none() {
        reader.violation(
            place.pointer(),
            arc_format_kit::codes::MISSING_SCENARIO,
            format!("the result has no {}, so it is unknown which task was run", place.member),
        );
        return None;
    }
    arc_format_kit::scenario::checked_id(reader, value, place)
}

arc_format_kit::export_format!(HarborFormat);
