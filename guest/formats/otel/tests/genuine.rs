//! Traces that instrumentations wrote, compared with what the model server counted for them; see
//! `tests/genuine`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests fail by panicking"
)]

use std::path::{Path, PathBuf};

use arc_format_kit::usage::SCORER;
use arc_format_kit::{Format as _, Origin, Outcome, OutcomeStatus};
use arc_format_otel::OtelFormat;
use arc_format_testing::{accepted, frame};
use serde_json::Value;

/// Returns the log of an instrumentation, and its figures.
fn log(folder: &Path) -> (PathBuf, Value) {
    let expected = std::fs::read_to_string(folder.join("expected.jsonl")).unwrap();
    let expected: Value = serde_json::from_str(&expected).unwrap();
    (folder.join(expected["log"].as_str().unwrap()), expected)
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/fixtures/formats/otel/genuine")
}

/// Returns the results of a log, and who ran them by its header.
fn results(path: &Path) -> (Vec<Outcome>, Origin) {
    let name = path.file_name().unwrap().to_str().unwrap();
    let file = frame::<OtelFormat>(name, &std::fs::read(path).unwrap()).unwrap();
    let header = file.header.as_deref();
    let results = file.documents.iter().map(|item| accepted::<OtelFormat>(header, item));
    (results.collect(), OtelFormat::suite(header.unwrap()).unwrap().run.origin)
}

#[test]
fn the_figures_of_each_instrumentation_are_those_of_its_calls() {
    let mut count = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let (path, expected) = log(&entry.unwrap().path());
        let (results, origin) = results(&path);
        let what = path.display();
        let tokens: f64 = results.iter().map(|result| result.tokens_used).sum();
        assert_eq!(Some(tokens), expected["tokens"].as_f64(), "{what}");
        assert_eq!(Some(results.len() as u64), expected["results"].as_u64(), "{what}");
        let failed = results.iter().filter(|result| result.status == OutcomeStatus::Error).count();
        assert_eq!(Some(failed as u64), expected["failed"].as_u64(), "{what}");
        // Those without a prompt have no fixed id.
        let expected = expected["scenarios"].as_array().unwrap();
        let known: Vec<&str> = expected.iter().filter_map(Value::as_str).collect();
        let mut found: Vec<&str> = results.iter().map(|result| &*result.scenario.id).collect();
        found.retain(|id| known.contains(id));
        found.sort_unstable();
        assert_eq!(found, known, "{what}");
        assert!(origin.tool.is_some(), "{what}: {origin:?}");
        for result in &results {
            assert_eq!(result.error_message.is_some(), result.status == OutcomeStatus::Error);
            let counted = |usage: &arc_format_kit::usage::TokenUsage| {
                usage.prompt_tokens() + usage.completion_tokens() == usage.total_tokens
                    && usage.model.is_some()
            };
            assert!(result.usage.iter().all(counted), "{what}: {:?}", result.usage);
            let is_done = result.status == OutcomeStatus::Success;
            assert_eq!(
                is_done,
                result.usage.iter().any(|usage| usage.total_tokens > 0.0),
                "{what}"
            );
            assert!(!is_done || !result.origin.models.is_empty(), "{what}: {:?}", result.origin);
        }
        count += 1;
    }
    assert_eq!(count, 16);
}

#[test]
fn the_cases_of_an_evaluation_in_one_trace_have_their_own_scores_and_costs() {
    let (path, _) = log(&folder().join("otel-pydantic-evals"));
    let (results, _) = results(&path);
    for result in &results {
        assert_eq!(
            result.scenario.task_prompt.as_ref().unwrap().len(),
            "How warm is it in city 0?".len()
        );
        let scores: Vec<_> =
            result.scores.iter().map(|score| (&*score.name, score.value)).collect();
        assert_eq!(scores, [("Contains", Some(1.0)), ("LLMJudge", Some(1.0))]);
        let [agent, judge] = &result.usage[..] else { panic!("{:?}", result.usage) };
        assert_eq!((agent.role.as_deref(), judge.role.as_deref()), (None, Some(SCORER)));
        assert!(agent.cost_usd.unwrap() > 0.0 && agent.cost_usd == Some(result.cost_usd));
        assert_eq!((agent.total_tokens, judge.total_tokens > 0.0), (result.tokens_used, true));
        assert_eq!(result.origin.models, ["gpt-4o-mini-2024-07-18"]);
        assert_eq!(result.origin.dataset.as_deref(), Some("weather"));
        assert_eq!(result.origin.agent.as_deref(), Some("weather"));
    }
}
