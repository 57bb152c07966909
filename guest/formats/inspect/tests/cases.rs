//! Logs that came out wrong, and the genuine logs of `tests/fixtures/formats/inspect/genuine`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests fail by panicking"
)]

use arc_format_inspect::InspectFormat;
use arc_format_kit::usage::TokenUsage;
use arc_format_kit::{
    Aggregation, Format, Items, Origin, Outcome, OutcomeStatus, ReportedFigure, RunStatus, codes,
};
use arc_format_testing::{agrees, scores, skip};

mod archive;

use archive::{Log, NO_PYTHON, fixture};

/// Reads an archive; `None` if Python is missing.
fn archive(name: &str) -> Option<Log> {
    let log = Log::of_archive(&fixture(name));
    if log.is_none() {
        skip(name, NO_PYTHON);
    }
    log
}

fn case(name: &str) -> Option<Log> {
    archive(&format!("cases/{name}.eval"))
}

fn genuine(name: &str) -> Option<Log> {
    archive(&format!("genuine/{name}.eval"))
}

fn has_warning(outcome: &Outcome, code: &str) -> bool {
    outcome.warnings.iter().any(|warning| warning.code == code)
}

fn headlines(outcomes: &[Outcome]) -> Vec<Option<f64>> {
    outcomes.iter().map(Outcome::headline_value).collect()
}

#[test]
fn unscored_samples_are_kept_without_a_score() {
    let Some(log) = case("unscored") else { return };
    let outcomes = log.list();
    assert_eq!(headlines(&outcomes), [None, None]);
    for outcome in &outcomes {
        assert_eq!((outcome.headline.as_deref(), outcome.scores[0].value), (Some("uns"), None));
        assert!(outcome.scores[0].explanation.is_some());
        assert!(
            has_warning(outcome, codes::SCORE_MISSING) && has_warning(outcome, codes::NOT_FINITE)
        );
    }
    let run = log.suite().run;
    assert_eq!((run.figures[0].value, run.reported_results), (None, Some(2.0)));
}

#[test]
fn nan_in_metadata_is_a_warning() {
    let Some(log) = case("nan-in-metadata") else { return };
    let outcomes = log.list();
    assert_eq!(headlines(&outcomes), [Some(1.0), Some(1.0)]);
    assert!(outcomes.iter().all(|outcome| has_warning(outcome, codes::NOT_FINITE)));
    assert!(agrees(&log.suite().run, &outcomes) > 0);
}

#[test]
fn a_judges_scale_is_its_own() {
    let Some(log) = case("judge-1-to-10") else { return };
    let outcomes = log.list();
    assert_eq!(headlines(&outcomes), [Some(1.0), Some(3.0), Some(7.0), Some(10.0)]);
    assert!(outcomes.iter().all(|outcome| outcome.scores[0].highest.is_none()));
    let run = log.suite().run;
    assert_eq!(run.figures[0].value, Some(5.25));
    assert_eq!(agrees(&run, &outcomes), 1);
}

#[test]
fn an_edit_counts_and_an_invalidated_sample_does_not() {
    let Some(log) = case("invalidated-and-edited") else { return };
    let outcomes = log.list();
    assert_eq!(outcomes.len(), 9);
    let of = |place: &str| outcomes.iter().find(|it| it.place.as_deref() == Some(place)).unwrap();
    let mark = of("a/1").invalidation.as_ref().unwrap();
    assert_eq!(mark.author.as_deref(), Some("reviewer"));
    assert_eq!(mark.reason.as_deref(), Some("sandbox was broken"));
    assert_eq!(mark.at.as_deref(), Some("2026-11-29T15:09:58.183092Z"));
    assert_eq!(of("a/1").revised_at, mark.at);
    assert_eq!(outcomes.iter().filter(|outcome| outcome.invalidation.is_some()).count(), 1);
    let edited = of("c/1");
    assert_eq!((edited.headline_value(), edited.invalidation.as_ref()), (Some(1.0), None));
    assert!(edited.revised_at.as_deref().unwrap() >= "2026-11-29T15:09:58.183092Z");
    assert!(of("b/1").revised_at.as_deref().unwrap() < "2026-11-29T15:09:58.183092Z");
    let run = log.suite().run;
    assert_eq!(run.run_id.as_deref(), Some("hctp5qGHBhAP2wptYxg63d"));
    assert_eq!(run.figures[0].aggregation, Aggregation::NotComparable, "it counts a/1");
}

#[test]
fn a_killed_run_is_incomplete() {
    let Some(log) = case("killed-after-2-of-5") else { return };
    assert_eq!(log.list().len(), 2);
    let run = log.suite().run;
    assert_eq!((run.status, run.planned_results), (Some(RunStatus::Incomplete), Some(5.0)));
    assert!(run.status_reason.unwrap().contains("killed"));
}

#[test]
fn tokens_of_earlier_tries_are_spent_too() {
    let Some(log) = case("retried-sample") else { return };
    let outcome = &log.list()[0];
    assert_eq!((outcome.tokens_used, outcome.discarded_tokens), (360.0, 240.0));
    assert_eq!(log.suite().total_tokens_used, Some(360.0));
}

#[test]
fn a_chunked_log_has_its_samples() {
    let Some(log) = case("chunked-samples") else { return };
    let outcomes = log.list();
    assert_eq!(headlines(&outcomes), [Some(1.0), Some(1.0), Some(0.0)]);
    assert_eq!(agrees(&log.suite().run, &outcomes), 1);
    assert!(outcomes.iter().all(|outcome| {
        let [warning] = outcome.warnings.as_slice() else { return false };
        warning.message.contains("not read yet")
    }));
    // Read whole, the same samples have the same results.
    let (Some(chunked), Some(whole)) = (genuine("chunked"), genuine("scorers")) else { return };
    let [chunked, whole] = [chunked.list(), whole.list()].map(|outcomes| {
        let of = |it: Outcome| (it.place, it.key, it.tokens_used, it.execution_time, it.headline);
        outcomes.into_iter().map(of).collect::<Vec<_>>()
    });
    assert_eq!(chunked, whole);
}

#[test]
fn no_other_scorer_stands_for_the_first() {
    let log = Log::of_document(&fixture("cases/first-scorer-null.json"));
    let outcomes = log.list();
    let mut values = headlines(&outcomes);
    values.sort_by_key(|value| value.map(f64::to_bits));
    assert_eq!(values, [None, Some(0.0), Some(1.0)]);
    for outcome in &outcomes {
        assert_eq!(outcome.headline.as_deref(), Some("flat"));
        let names: Vec<&str> = outcome.scores.iter().map(|score| score.name.as_str()).collect();
        assert_eq!(names, ["flat", "two/a", "two/b"]);
    }
}

#[test]
fn a_log_saved_again_is_the_same_log() {
    let read = |name: &str| std::fs::read_to_string(fixture(name)).unwrap();
    let original = Log::of_text(&read("cases/first-scorer-null.json"));
    for name in ["cases/saved-with-bom.json", "cases/saved-with-sorted-keys.json"] {
        let saved = Log::of_text(&read(name));
        assert_eq!(headlines(&saved.list()), headlines(&original.list()), "{name}");
        assert_eq!(saved.suite(), original.suite(), "{name}");
    }
    // Each log of a document, indented by another program, with its lines ended as on Windows.
    for name in ["arithmetic.json", "limits.json", "old.json", "cases/saved-with-bom.json"] {
        let text = read(name);
        let text =
            text.trim_start_matches('\u{feff}').replace("-Infinity", "0").replace("Infinity", "0");
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let sorted = serde_json::to_string_pretty(&value).unwrap();
        for saved in [sorted.replace('\n', "\r\n"), format!("\u{feff}{sorted}"), value.to_string()]
        {
            let head = &saved.as_bytes()[..4096];
            let layout = InspectFormat::detect("saved.json", head).unwrap();
            assert_eq!(layout.items, Items::Elements("/samples/*".to_owned()), "{name}");
        }
    }
}

/// Every genuine log, and how many of its figures can be compared.
const GENUINE: [(&str, usize); 25] = [
    ("scorers", 5),
    ("chunked", 5),
    ("unscored", 2),
    ("epochs", 2),
    ("reducers", 1),
    ("only-max", 0),
    ("no-reducer", 1),
    ("unknown-labels", 3),
    ("nones", 2),
    ("other-metrics", 2),
    ("keys-in-a-list", 3),
    ("declared-headline", 3),
    ("same-scorer-twice", 2),
    ("errors", 1),
    ("scored-errors", 1),
    ("judge-raises", 2),
    ("failed", 0),
    ("failed-then-retried", 1),
    ("retried", 1),
    ("roles", 1),
    ("limited", 1),
    ("edited", 1),
    ("invalidated", 0),
    ("scored-again", 2),
    ("interrupted", 1),
];

#[test]
fn the_figures_of_genuine_logs_are_those_of_their_samples() {
    for (name, compared) in GENUINE {
        let Some(log) = genuine(name) else { return };
        let outcomes = log.list();
        let suite = log.suite();
        assert_eq!(suite.warnings, [], "{name}");
        assert_eq!(agrees(&suite.run, &outcomes), compared, "{name}");
        let headline = suite.run.metrics.iter().find(|metric| metric.headline);
        for outcome in outcomes.iter().filter(|outcome| outcome.headline.is_some()) {
            assert_eq!(outcome.headline.as_ref(), headline.map(|metric| &metric.name), "{name}");
        }
        let run_id = suite.run.run_id;
        assert!(run_id.is_some() && suite.run.created_at.is_some(), "{name}");
        for (item, outcome) in log.samples.iter().zip(&outcomes) {
            let planned =
                arc_format_kit::finite::scenario::<InspectFormat>(Some(&log.header), item);
            assert_eq!(planned.unwrap().run_id, run_id);
            assert!(outcome.key != outcome.place && outcome.revised_at.is_some(), "{name}");
        }
    }
}

#[test]
fn genuine_figures_that_are_no_means_are_not_compared() {
    let figures = |name: &str| Some(genuine(name)?.suite().run.figures);
    let Some(reducers) = figures("reducers") else { return };
    let named: Vec<&str> = reducers.iter().map(|figure| figure.figure.as_str()).collect();
    assert_eq!(named, ["accuracy", "accuracy/max", "accuracy/mode", "accuracy/pass_at_2"]);
    let comparable = |figure: &&ReportedFigure| figure.aggregation != Aggregation::NotComparable;
    assert_eq!(reducers.iter().filter(comparable).count(), 1);
    assert!(reducers.iter().all(|figure| figure.standard_error.is_some()));
    let unreduced = figures("no-reducer").unwrap();
    assert_eq!(unreduced[0].aggregation, Aggregation::Mean);
    let labels = figures("unknown-labels").unwrap();
    let custom = labels.iter().find(|figure| figure.metric == "custom").unwrap();
    assert_eq!(custom.aggregation, Aggregation::NotComparable);
}

#[test]
fn genuine_samples_have_their_values() {
    let Some(log) = genuine("unknown-labels") else { return };
    let outcomes = log.list();
    let of_a = [("letters", 1.0), ("list", 0.0), ("list/0", 1.0), ("list/1", 0.0), ("text", 0.25)];
    assert_eq!(scores(&outcomes[0]), of_a);
    let label = |index: usize, name: &str| {
        let score = outcomes[index].scores.iter().find(|score| score.name == name).unwrap();
        (score.value, score.label.clone())
    };
    assert_eq!(label(1, "letters"), (Some(0.0), Some("GOOD".to_owned())), "Inspect counts 0");
    assert_eq!(label(1, "custom"), (None, Some("BAD".to_owned())));
    assert_eq!(label(1, "kinds"), (None, Some("answer".to_owned())));

    let unscored = genuine("unscored").unwrap().list();
    let names: Vec<&str> = unscored[1].scores.iter().map(|score| score.name.as_str()).collect();
    assert_eq!(names, ["letters", "parts/x", "parts/y", "never"]);
    assert!(unscored[1].scores.iter().all(|score| score.value.is_none()));

    let none = genuine("keys-in-a-list").unwrap();
    assert!(none.list().iter().all(|outcome| outcome.headline.is_none()), "Inspect has none");
    let declared = genuine("declared-headline").unwrap().list();
    assert_eq!(headlines(&declared), [Some(3.0), Some(5.0)]);
}

#[test]
fn genuine_runs_ended_in_different_ways() {
    let run = |name: &str| Some(genuine(name)?.suite().run);
    let Some(killed) = run("killed") else { return };
    assert_eq!((killed.status, killed.planned_results), (Some(RunStatus::Incomplete), Some(8.0)));
    let failed = run("failed").unwrap();
    assert_eq!(failed.status, Some(RunStatus::Failed));
    assert!(failed.status_reason.unwrap().starts_with("ConnectionError("));
    let retried = run("failed-then-retried").unwrap();
    assert_eq!((retried.status, &retried.run_id), (Some(RunStatus::Completed), &failed.run_id));
    assert!(retried.created_at > failed.created_at || retried.started_at >= failed.started_at);
    let interrupted = run("interrupted").unwrap();
    assert_eq!(
        (interrupted.status, interrupted.planned_results),
        (Some(RunStatus::Cancelled), Some(3.0))
    );
    assert_eq!(run("limited").unwrap().planned_results, Some(2.0));
    assert_eq!(run("no-samples").unwrap().reported_results, None);

    let interrupted = genuine("interrupted").unwrap().list();
    assert_eq!(interrupted[2].status, OutcomeStatus::Cancelled);
    // A sample that was reused is the same execution, one that ran again is another.
    let keys = |name: &str| -> Vec<_> {
        genuine(name)
            .unwrap()
            .list()
            .into_iter()
            .map(|outcome| (outcome.place, outcome.key))
            .collect()
    };
    let (first, second) = (keys("failed"), keys("failed-then-retried"));
    assert_eq!(first[0], second[0]);
    assert!(first[1].0 == second[1].0 && first[1].1 != second[1].1);
}

#[test]
fn genuine_calls_have_their_roles() {
    let Some(log) = genuine("roles") else { return };
    let outcomes = log.list();
    let kinds = |it: &TokenUsage| {
        let input = [it.uncached_input_tokens, it.cache_read_tokens, it.cache_write_tokens];
        (input, [it.output_tokens, it.reasoning_tokens], it.total_tokens, it.discarded)
    };
    let role = |it: &TokenUsage| (it.role.clone(), it.model.clone(), it.cost_usd, kinds(it));
    let named = |role: Option<&str>, model: &str, cost, kinds| {
        (role.map(str::to_owned), Some(format!("mockllm/{model}")), Some(cost), kinds)
    };
    let critic = ([5.0, 0.0, 0.0], [1.0, 0.0], 6.0, false);
    let mut expected = vec![
        named(None, "agent", 0.00055, ([100.0, 300.0, 0.0], [12.0, 8.0], 420.0, false)),
        named(Some("user_simulator"), "user", 0.00009, ([30.0, 0.0, 0.0], [3.0, 0.0], 33.0, false)),
        named(Some("critic"), "critic", 0.00002, critic),
        named(Some("scorer"), "judge", 0.00017, ([50.0, 0.0, 0.0], [7.0, 0.0], 57.0, false)),
    ];
    assert_eq!(outcomes[0].usage.iter().map(role).collect::<Vec<_>>(), expected);
    let discarded = (critic.0, critic.1, critic.2, true);
    expected.push(named(Some("critic"), "critic", 0.00002, discarded));
    assert_eq!(outcomes[1].usage.iter().map(role).collect::<Vec<_>>(), expected);
    assert_eq!((outcomes[0].tokens_used, outcomes[1].tokens_used), (426.0, 432.0));
    assert_eq!(
        (outcomes[1].discarded_tokens, outcomes[1].origin.clone()),
        (6.0, Origin::default())
    );
    let origin = log.suite().run.origin;
    assert_eq!(origin.models, ["mockllm/agent"]);
    let text = |text: &str| Some(text.to_owned());
    assert_eq!((origin.provider, origin.agent), (text("mockllm"), text("conversing")));
    assert_eq!((origin.task, origin.task_version), (text("roles"), text("3")));
    assert_eq!((origin.dataset, origin.dataset_version), (text("questions"), None));
    assert_eq!((origin.tool, origin.tool_version), (text("inspect_ai"), text("0.3.285")));
}

#[test]
fn genuine_tries_are_only_partly_in_the_log() {
    let Some(log) = genuine("retried") else { return };
    let outcomes = log.list();
    let retried = outcomes.iter().find(|outcome| outcome.place.as_deref() == Some("b/1")).unwrap();
    // Two tries of two calls each were discarded, and the log has the last call of each.
    assert_eq!((retried.tokens_used, retried.discarded_tokens), (480.0, 240.0));
    assert_eq!(log.suite().total_tokens_used, Some(1200.0));
    assert_eq!(log.suite().run.total_tokens, None);
}
