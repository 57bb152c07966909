//! The rules about the report of a run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests fail by panicking"
)]

use arc_format_inspect::InspectFormat;
use arc_format_kit::{Aggregation, Format, RunStatus, codes};
use serde_json::{Value, json};

#[test]
fn the_report_names_who_ran_what() {
    let origin = |eval: Value, plan: Value| {
        let header = json!({"eval": eval, "plan": plan}).to_string();
        InspectFormat::suite(&header).unwrap().run.origin
    };
    let step = |name: &str| json!({"solver": name});
    let plan = json!({"steps": [step("a"), step("inspect_ai/react"), step("b/end")], "finish": step("b/end")});
    let roles =
        json!({"critic": [{"model": "b/2"}], "grader": {"model": "c/3"}, "user": {"model": "d/4"}});
    let eval = json!({"task": "inspect_evals/gsm8k", "task_version": "1-A", "model": "a/1/x",
        "model_roles": roles, "dataset": {"location": "https://x/y.csv"}});
    let found = origin(eval, plan);
    assert_eq!((found.models, found.provider), (vec!["a/1/x".to_owned(), "b/2".to_owned()], None));
    assert_eq!(found.agent.as_deref(), Some("react"));
    assert_eq!(
        (found.task.as_deref(), found.task_version.as_deref()),
        (Some("inspect_evals/gsm8k"), Some("1-A"))
    );
    assert_eq!(found.dataset.as_deref(), Some("https://x/y.csv"));
    let eval =
        json!({"model": "none/none", "model_roles": roles, "solver": "mine", "task_version": 0});
    let found = origin(eval, json!(null));
    assert_eq!((found.models, found.provider.as_deref()), (vec!["b/2".to_owned()], Some("b")));
    assert_eq!((found.agent.as_deref(), found.task_version), (Some("mine"), None));
    assert_eq!(InspectFormat::suite("{}").unwrap().run.origin, arc_format_kit::Origin::default());
}

#[test]
fn the_report_has_every_figure() {
    let metric = |name: &str, value: f64| json!({"name": name, "value": value, "params": {}});
    let header = json!({"version": 2, "status": "success", "eval": {"task": "t", "task_id": "T",
        "created": "2025-09-23T08:00:00+00:00", "config": {"epochs": 2, "epochs_reducer": ["mean", "max"]},
        "dataset": {"samples": 9, "sample_ids": ["a", "b"]}},
        "results": {"total_samples": 4, "completed_samples": 4, "scores": [
        {"name": "includes", "scorer": "includes", "reducer": "mean", "metrics": {
            "stderr": metric("stderr", 0.1), "accuracy": metric("accuracy", 0.75), "std": metric("std", 3.0)}},
        {"name": "includes", "scorer": "includes", "reducer": "max", "metrics": {
            "accuracy": metric("accuracy", 1.0)}},
        {"name": "brevity", "scorer": "style", "reducer": "mean", "metrics": {"mean": {"name": "mean", "value": null}}},
        {"name": "words", "scorer": "style", "metrics": {"mean": metric("mean", 14.0), "bootstrap_stderr": metric("bootstrap_stderr", 2.0)}},
        {"name": "odd", "scorer": "odd"}, 5,
    ], "headline": {"scorer": "includes", "score": "includes", "metric": "accuracy", "reducer": "max"}},
        "stats": {"started_at": "2025-09-23T08:00:00Z", "completed_at": "2025-09-23T08:00:31Z",
        "model_usage": {"a": {"total_tokens": 10, "total_cost": 0.5}, "b": {"total_tokens": 5}}}});
    let suite = InspectFormat::suite(&header.to_string()).unwrap();
    let figures: Vec<_> = suite
        .run
        .figures
        .iter()
        .map(|it| {
            (&*it.metric, &*it.figure, it.value, it.standard_error, it.aggregation, it.headline)
        })
        .collect();
    let (own, none) = (Aggregation::ScenarioMean, Aggregation::NotComparable);
    assert_eq!(
        figures,
        [
            ("includes", "accuracy", Some(0.75), Some(0.1), own, false),
            ("includes", "std", Some(3.0), None, none, false),
            ("includes", "accuracy/max", Some(1.0), None, none, true),
            ("style/brevity", "mean", None, None, own, false),
            ("style/words", "mean", Some(14.0), Some(2.0), own, false),
        ]
    );
    let metrics: Vec<_> = suite.run.metrics.iter().map(|it| (&*it.name, it.headline)).collect();
    let names =
        [("includes", true), ("style/brevity", false), ("style/words", false), ("odd", false)];
    assert_eq!(metrics, names);
    let run = &suite.run;
    assert_eq!((run.run_id.as_deref(), run.status), (Some("T"), Some(RunStatus::Completed)));
    assert_eq!((run.planned_results, run.reported_results), (Some(4.0), Some(4.0)));
    assert_eq!(run.created_at.as_deref(), Some("2025-09-23T08:00:00.000000Z"));
    assert_eq!(run.completed_at.as_deref(), Some("2025-09-23T08:00:31.000000Z"));
    assert_eq!(run.revised_at, run.completed_at);
    assert_eq!((run.total_tokens, run.total_cost_usd), (None, None));
    assert_eq!((suite.total_tokens_used, suite.total_cost_usd), (Some(15.0), Some(0.5)));
    assert_eq!(suite.execution_time_ms, Some(31_000.0));
    assert_eq!((suite.average_reliability_score, suite.average_dimension_scores.len()), (None, 0));
    assert_eq!((suite.successful_runs, suite.average_execution_time_ms), (None, None));
    // Edits of tags and metadata are in the header.
    let mut edited = header.clone();
    let edit = |time: &str| json!({"edits": [], "provenance": {"timestamp": time, "author": "a"}});
    edited["log_updates"] =
        json!([edit("2025-09-25T01:00:00+02:00"), edit("2025-09-24T23:30:00Z"), 5]);
    let run = InspectFormat::suite(&edited.to_string()).unwrap().run;
    assert_eq!(run.revised_at.as_deref(), Some("2025-09-24T23:30:00.000000Z"));
    // Inspect's figures count invalidated samples.
    let mut invalidated = header;
    invalidated["invalidated"] = json!(true);
    let suite = InspectFormat::suite(&invalidated.to_string()).unwrap();
    assert!(suite.run.figures.iter().all(|figure| figure.aggregation == none));
}

#[test]
fn a_figure_is_compared_only_if_inspect_computes_it_like_that() {
    let of = |eval: Value, score: Value| {
        let header = json!({"eval": eval, "results": {"scores": [score]}}).to_string();
        InspectFormat::suite(&header).unwrap().run.figures[0].aggregation
    };
    let score = |reducer: Value, metric: Value| json!({"name": "x", "reducer": reducer, "scored_samples": 4, "metrics": {"accuracy": metric}});
    let own = json!({"name": "accuracy"});
    assert_eq!(of(json!({}), score(json!(null), own.clone())), Aggregation::ScenarioMean);
    assert_eq!(of(json!({}), score(json!("mean"), own.clone())), Aggregation::ScenarioMean);
    for reducer in ["max", "mode", "median", "pass_at_2", "at_least_1"] {
        assert_eq!(of(json!({}), score(json!(reducer), own.clone())), Aggregation::NotComparable);
    }
    let unreduced = json!({"config": {"epochs": 2, "epochs_reducer": []}});
    assert_eq!(of(unreduced, score(json!(null), own.clone())), Aggregation::Mean);
    let two = json!({"dataset": {"samples": 2}});
    assert_eq!(of(two, score(json!(null), own.clone())), Aggregation::Mean);
    for metric in [
        json!({"name": "accuracy", "params": {"to_float": "f"}}),
        json!({"name": "accuracy", "group": "grouped"}),
        json!({"name": "pkg/accuracy"}),
        json!({"name": "std"}),
        json!({}),
    ] {
        assert_eq!(of(json!({}), score(json!(null), metric)), Aggregation::NotComparable);
    }
    let task = json!({"scorers": [{"name": "x", "metrics": [{"name": "accuracy"}]}]});
    assert_eq!(of(task, score(json!(null), own)), Aggregation::NotComparable);
}

#[test]
fn the_status_says_how_the_run_ended() {
    let run = |header: Value| InspectFormat::suite(&header.to_string()).unwrap().run;
    for (status, expected) in [
        ("success", RunStatus::Completed),
        ("error", RunStatus::Failed),
        ("cancelled", RunStatus::Cancelled),
        ("started", RunStatus::Incomplete),
    ] {
        assert_eq!(run(json!({"status": status, "eval": {}})).status, Some(expected));
    }
    let failed = run(json!({"status": "error", "error": {"message": "ValueError('x')"}}));
    assert_eq!(failed.status_reason.as_deref(), Some("ValueError('x')"));
    // The start of a journal is all that a killed run leaves.
    let killed =
        run(json!({"version": 2, "eval": {"dataset": {"samples": 5}, "config": {"epochs": 3}}}));
    assert_eq!(killed.status, Some(RunStatus::Incomplete));
    assert!(killed.status_reason.unwrap().contains("killed"));
    assert_eq!((killed.planned_results, killed.reported_results), (Some(15.0), None));
    let limited = json!({"dataset": {"samples": 5, "sample_ids": [1, 2]}, "config": {"epochs": 2}});
    assert_eq!(run(json!({"eval": limited})).planned_results, Some(4.0));
    let odd = InspectFormat::suite(r#"{"status": "odd", "eval": {"created": "soon"}}"#).unwrap();
    let codes: Vec<_> = odd.warnings.iter().map(|warning| warning.code).collect();
    assert_eq!(codes, [codes::TIME_UNREADABLE, codes::UNKNOWN_STATUS]);
    // Samples with an error are in the log, but not completed.
    let results = |completed: u32, logged: bool| {
        let config = json!({"log_samples": logged});
        let results = json!({"total_samples": 5, "completed_samples": completed});
        run(json!({"eval": {"config": config}, "results": results})).reported_results
    };
    assert_eq!((results(5, true), results(4, true), results(5, false)), (Some(5.0), None, None));
}

#[test]
fn a_header_without_figures_is_a_suite_without_them() {
    for header in [
        json!({}),
        json!({"results": null, "stats": null}),
        json!({"results": [], "stats": 7}),
        json!({"results": {"scores": {}}, "stats": {"model_usage": null, "started_at": ""}}),
    ] {
        let suite = InspectFormat::suite(&header.to_string()).unwrap();
        assert_eq!(suite, arc_format_kit::SuiteSummary::default(), "{header}");
    }
    let header = r#"{"results": {"scores": [{"name": "a", "metrics": {"accuracy": {"value": NaN}}}]},
        "stats": {"model_usage": {"m": {"total_tokens": 3}}}}"#;
    let suite = InspectFormat::suite(header).unwrap();
    assert_eq!((suite.run.figures[0].value, suite.total_tokens_used), (None, Some(3.0)));
    assert!(InspectFormat::suite("[]").is_err());
    assert!(InspectFormat::suite("{").is_err());
}
