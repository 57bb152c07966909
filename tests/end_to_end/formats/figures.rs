//! The figures of genuine logs of other tools, by every way in: each is the tool's own, or named as ours.

use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};

use super::run;
use crate::support::{Files, Program, Service, TestDatabase, fixture, record};

/// The right figures of a log.
struct Case {
    file: &'static str,
    /// The exit code of `arc-host record`.
    code: i32,
    results: i64,
    status: &'static str,
    metric: &'static str,
    /// The name of the figure; `mean` for one of ours.
    figure: &'static str,
    value: Option<f64>,
    /// Whether the score is from 0 to 1.
    scaled: bool,
    tokens: i64,
    scenarios: i64,
    /// Whether the recorded figures are those in the log; `None` if it has none.
    agrees: Option<bool>,
}

const fn case(file: &'static str, results: i64, metric: &'static str, value: f64) -> Case {
    Case {
        file,
        code: 0,
        results,
        status: "completed",
        metric,
        figure: "mean",
        value: Some(value),
        scaled: true,
        tokens: 0,
        scenarios: results,
        agrees: Some(true),
    }
}

const CASES: [Case; 20] = [
    Case { value: None, tokens: 70, ..case("inspect/cases/unscored.eval", 2, "uns", 0.0) },
    Case {
        figure: "accuracy",
        tokens: 70,
        ..case("inspect/cases/nan-in-metadata.eval", 2, "match", 1.0)
    },
    Case {
        scaled: false,
        tokens: 480,
        ..case("inspect/cases/judge-1-to-10.eval", 4, "judge1to10", 5.25)
    },
    // The edit counts, and the invalidated sample does not.
    Case {
        tokens: 1_080,
        ..case("inspect/cases/invalidated-and-edited.eval", 9, "byid", 3.5 / 9.0)
    },
    Case {
        status: "incomplete",
        tokens: 240,
        scenarios: 5,
        agrees: None,
        ..case("inspect/cases/killed-after-2-of-5.eval", 2, "includes", 1.0)
    },
    Case {
        figure: "accuracy",
        tokens: 360,
        ..case("inspect/cases/retried-sample.eval", 1, "byid", 1.0)
    },
    Case {
        figure: "accuracy",
        tokens: 360,
        ..case("inspect/cases/chunked-samples.eval", 3, "byid", 2.0 / 3.0)
    },
    // Made by hand: three of the seven samples, with the header of all.
    Case {
        code: 2,
        tokens: 360,
        scenarios: 7,
        agrees: Some(false),
        ..case("inspect/cases/first-scorer-null.json", 3, "flat", 0.5)
    },
    Case {
        code: 2,
        tokens: 360,
        scenarios: 7,
        agrees: Some(false),
        ..case("inspect/cases/saved-with-bom.json", 3, "flat", 0.5)
    },
    Case {
        code: 2,
        tokens: 360,
        scenarios: 7,
        agrees: Some(false),
        ..case("inspect/cases/saved-with-sorted-keys.json", 3, "flat", 0.5)
    },
    Case {
        tokens: 6_300,
        ..case("harbor/three-trials-each/job-with-trials.json", 6, "reward", 0.5)
    },
    // One of the four trials has no reward of this name, and Harbor's mean is over the others.
    Case {
        figure: "reward",
        scaled: false,
        tokens: 4_200,
        ..case("harbor/rewards-beyond-1/job-with-trials.json", 4, "reward", 0.675)
    },
    Case { tokens: 129, ..case("promptfoo/tests-in-a-file.json", 3, "pass", 2.0 / 3.0) },
    Case {
        figure: "accuracy",
        tokens: 45,
        ..case("openai-evals/genuine/includes.jsonl", 4, "correct", 0.5)
    },
    // An eval of one's own: its figure is kept and not compared.
    Case { tokens: 45, ..case("openai-evals/genuine/two-matches.jsonl", 4, "correct", 0.375) },
    Case {
        status: "incomplete",
        tokens: 45,
        agrees: None,
        ..case("openai-evals/genuine/killed.jsonl", 4, "correct", 0.25)
    },
    Case { agrees: None, scaled: false, ..case("otel/likert.json", 4, "Relevance", 3.25) },
    Case { agrees: None, ..case("otel/repeats.json", 3, "correct", 2.0 / 3.0) },
    Case {
        agrees: None,
        scaled: false,
        ..case("native/judge-1-to-5.jsonl", 4, "reliability_score", 3.0)
    },
    Case { agrees: None, ..case("native/times.jsonl", 4, "reliability_score", 0.5) },
];

/// Checks the report about a recorded file, or the status of its simulation.
#[track_caller]
fn check(case: &Case, way: &str, found: &Value) {
    let what = format!("{} by {way}: {found}", case.file);
    let headline = &found["headline"];
    assert_eq!(found["status"], case.status, "{what}");
    assert_eq!(headline["metric"], case.metric, "{what}");
    assert_eq!(headline["figure"], case.figure, "{what}");
    match case.value {
        Some(value) => {
            assert!((headline["value"].as_f64().unwrap() - value).abs() < 1e-9, "{what}");
        }
        None => assert_eq!(headline["value"], Value::Null, "{what}"),
    }
    assert_eq!(found["score_scale"].is_number(), case.scaled && case.value.is_some(), "{what}");
    assert_eq!(found["total_tokens"], case.tokens, "{what}");
    assert_eq!(found["total_scenarios"], case.scenarios, "{what}");
    let agrees = found["reconciliation"].get("agrees").and_then(Value::as_bool);
    assert_eq!(agrees, case.agrees, "{what}");
}

#[test]
fn the_figures_of_logs_are_right_by_every_way_in() {
    let (direct, served, files) = (TestDatabase::new(), TestDatabase::new(), Files::new());
    let program = Program::on(&direct);
    let service = Service::start(&Program::on(&served), &files, &[]);
    for case in &CASES {
        let path = fixture("formats").join(case.file);
        let summary = record(&program, &path, &["--new"]).ended(case.code).json();
        assert_eq!(summary["stored"], case.results, "{}: {summary}", case.file);
        check(case, "command", &summary);
        let id = summary["simulation_id"].as_str().unwrap();
        check(case, "status", &program.run(["status", id, "--json"]).ended(0).json());
        let sent = record(&service.program(), &path, &["--new"]).ended(case.code).json();
        assert_eq!(sent["stored"], case.results, "{}: {sent}", case.file);
        check(case, "client of a service", &sent);
        // The whole file as the body of a request. Some of the logs have the same id of the run.
        let (another, files) = (TestDatabase::new(), Files::new());
        let service = Service::start(&Program::on(&another), &files, &[]);
        let name = path.file_name().unwrap().to_str().unwrap();
        let url = format!("/v1/files?file_name={name}");
        let body = std::fs::read(&path).unwrap();
        let kind = [("content-type", "application/octet-stream")];
        let uploaded = service.send(Method::POST, &url, &kind, body).has(200).json();
        assert_eq!(uploaded["stored"], case.results, "{}: {uploaded}", case.file);
        let id = uploaded["simulation_id"].as_str().unwrap();
        let status = service.get(&format!("/v1/simulations/{id}")).has(200).json();
        check(case, "an upload", &status);
    }
}

#[test]
fn the_filters_of_a_task_are_metrics_and_not_averaged() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let folder = fixture("formats/lm-eval/two-filters");
    let samples = of_folder(&folder, "samples_");
    let summary = run(&program, &files, &["--json", "record", &samples]).ended(0).json();
    assert_eq!((&summary["stored"], &summary["total_scenarios"]), (&10.into(), &10.into()));
    let id = summary["simulation_id"].as_str().unwrap();
    let metrics = program.run(["metrics", id, "--json"]).ended(0).json_lines();
    let mut means: Vec<(String, f64)> = metrics
        .iter()
        .map(|metric| {
            let figures = &metric["figures"];
            (figures["name"].as_str().unwrap().to_owned(), figures["mean"].as_f64().unwrap())
        })
        .collect();
    means.sort_by(|one, other| one.1.total_cmp(&other.1));
    assert_eq!(means.len(), 2, "{means:?}");
    assert!((means[0].1 - 0.2).abs() < 1e-9 && means[0].0.contains("strict"), "{means:?}");
    assert!((means[1].1 - 0.6).abs() < 1e-9 && means[1].0.contains("flexible"), "{means:?}");
}

#[test]
fn each_label_counts_under_its_own_name() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let summary = record(&program, &fixture("formats/otel/labels.json"), &[]).ended(0).json();
    // None of the four is the result's own score.
    assert_eq!(summary["overall_score"], Value::Null, "{summary}");
    assert_eq!(summary["warnings"]["score_missing"], 1, "{summary}");
    let id = summary["simulation_id"].as_str().unwrap();
    let metrics = program.run(["metrics", id, "--json"]).ended(0).json_lines();
    let means: Vec<_> = metrics
        .iter()
        .map(|one| (one["figures"]["name"].clone(), one["figures"]["mean"].as_f64().unwrap()))
        .collect();
    // pass, not_relevant, correct, PASS
    let expected = [("a", 1.0), ("b", 0.0), ("c", 1.0), ("d", 1.0)];
    assert_eq!(means, expected.map(|(name, mean)| (Value::from(name), mean)));
}

/// Returns a trace of a case with these evaluations.
fn trace(number: usize, scores: &[(&str, f64)]) -> String {
    let evaluations: Vec<Value> = scores
        .iter()
        .map(|(name, value)| {
            json!({"name": "gen_ai.evaluation.result", "timeUnixNano": "1788000000000000100",
                "attributes": [
                    {"key": "gen_ai.evaluation.name", "value": {"stringValue": name}},
                    {"key": "gen_ai.evaluation.score.value", "value": {"doubleValue": value}}]})
        })
        .collect();
    json!({"resourceSpans": [{"scopeSpans": [{"spans": [{
        "traceId": format!("{number:032x}"), "spanId": format!("{number:016x}"),
        "name": "invoke_agent", "kind": 3, "startTimeUnixNano": "1788000000000000000",
        "endTimeUnixNano": "1788000000000000009",
        "attributes": [
            {"key": "gen_ai.operation.name", "value": {"stringValue": "invoke_agent"}},
            {"key": "test.case.name", "value": {"stringValue": format!("case {number}")}}],
        "events": evaluations}]}]}]})
    .to_string()
}

#[test]
fn results_with_other_scores_of_their_own_count_under_the_chosen_metric() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let traces = [
        trace(1, &[("Relevance", 1.0)]),
        trace(2, &[("Relevance", 1.0)]),
        trace(3, &[("Relevance", 0.0), ("score", 1.0)]),
    ];
    let file = files.write("traces.jsonl", traces.join("\n"));
    let summary = record(&program, &file, &[]).ended(0).json();
    let headline = &summary["headline"];
    assert_eq!(headline["metric"], "Relevance", "{summary}");
    assert_eq!((&headline["scored"], &headline["unscored"]), (&3.into(), &0.into()), "{summary}");
    let mean = headline["value"].as_f64().unwrap();
    assert!((mean - 2.0 / 3.0).abs() < 1e-9, "{summary}");
    assert_eq!(summary["overall_score"].as_f64(), Some(mean), "{summary}");
}

#[test]
fn figures_that_are_not_on_the_scale_of_the_scores_stay_as_they_are() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    // Harbor's sum of a reward.
    let sum = record(&program, &fixture("formats/harbor/genuine/sum.json"), &[]).ended(0).json();
    assert_eq!((&sum["overall_score"], &sum["score_scale"]), (&2.0.into(), &Value::Null), "{sum}");
    // The suite's own average is that of its own score, and not of another metric.
    let results = [
        json!({"scenario": {"id": "a"}, "trajectory": {"status": "success"},
            "reliability_score": {"overall_score": 0.8, "dimension_scores": {"judge": 1}}}),
        json!({"scenario": {"id": "b"}, "trajectory": {"status": "success"},
            "reliability_score": {"overall_score": 0.9, "dimension_scores": {"judge": 5}}}),
    ];
    let suite = json!({"results": results, "average_reliability_score": 0.85}).to_string();
    let suite = files.write("suite.json", suite);
    let judge = ["--metric", "judge:lowest=1,highest=5,headline=true"];
    let judged = record(&program, &suite, &judge).ended(0).json();
    assert_eq!(judged["overall_score"], 0.5, "{judged}");
    assert_eq!(judged["headline"]["value"], 3.0, "{judged}");
    // The scale of the results' own score is not that of another metric.
    let other = ["--new", "--score-scale", "100", "--metric", "judge:headline=true"];
    let other = record(&program, &suite, &other).ended(0).json();
    assert_eq!((&other["overall_score"], &other["score_scale"]), (&3.0.into(), &Value::Null));
    // Extreme values do not make a simulation unreadable.
    let odd = json!({"scenario": {"id": "a"}, "trajectory": {"status": "success"},
        "reliability_score": {"overall_score": 1e-300, "scale": 1e300}});
    let odd = record(&program, &files.write("odd.json", odd.to_string()), &[]).ended(0).json();
    assert_eq!(odd["overall_score"], 0.0, "{odd}");
}

#[test]
fn a_copy_of_a_log_without_an_end_does_not_replace_the_end() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let text = std::fs::read_to_string(fixture("formats/inspect/arithmetic.json")).unwrap();
    let whole = record(&program, &files.write("log.json", &text), &[]).ended(0).json();
    assert_eq!(whole["status"], "completed");
    let started = text.replacen("\"status\": \"success\"", "\"status\": \"started\"", 1);
    assert_ne!(started, text);
    let path = files.write("log.json", started);
    let again = record(&program, &path, &[]);
    let again: Value = serde_json::from_str(again.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(again["simulation_id"], whole["simulation_id"]);
    assert_eq!(again["status"], "completed", "{again}");
    assert_eq!(again["headline"]["value"], whole["headline"]["value"]);
}

#[test]
fn trials_have_the_same_numbers_everywhere() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let path = fixture("formats/harbor/three-trials-each/job-with-trials.json");
    record(&program, &path, &[]).ended(0);
    // Another attempt at the first of the trials: the same name, another id.
    let rows = database.query(
        "SELECT simulation_id::text, place FROM arc_recorder.outcomes ORDER BY received_at, outcome_id LIMIT 1",
    );
    let (id, place): (String, String) = (rows[0].get(0), rows[0].get(1));
    database.execute(&format!(
        "INSERT INTO arc_recorder.outcomes
         SELECT (jsonb_populate_record(outcome, jsonb_build_object(
             'outcome_id', gen_random_uuid(), 'result_key', 'another',
             'received_at', clock_timestamp(), 'execution_time', clock_timestamp()))).*
         FROM arc_recorder.outcomes AS outcome WHERE place = '{place}'"
    ));
    let outcomes = program.run(["outcomes", &id, "--json"]).ended(0).json_lines();
    let mut listed: Vec<(String, i64)> = outcomes
        .iter()
        .filter(|outcome| outcome["place"] == *place)
        .map(|outcome| {
            (outcome["outcome_id"].as_str().unwrap().to_owned(), outcome["trial"].as_i64().unwrap())
        })
        .collect();
    assert_eq!(listed.len(), 2);
    assert_eq!(listed[0].1, listed[1].1, "two attempts at one trial");
    let rows = database.query(&format!(
        "SELECT outcome_id::text, trial::bigint FROM arc_recorder.simulations_scenarios
         WHERE simulation_id = '{id}' AND outcome_id IS NOT NULL"
    ));
    assert_eq!(rows.len(), 6);
    listed.retain(|(outcome_id, _)| rows.iter().any(|row| row.get::<_, String>(0) == *outcome_id));
    let [(outcome_id, trial)] = listed.as_slice() else { panic!("{listed:?}") };
    let viewed = rows.iter().find(|row| row.get::<_, String>(0) == *outcome_id).unwrap();
    assert_eq!(viewed.get::<_, i64>(1), *trial);
}

/// Returns the path of the file in a folder whose name begins in this way.
fn of_folder(folder: &Path, start: &str) -> String {
    let found = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let begins =
        |path: &std::path::PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(start);
    found.into_iter().find(begins).unwrap().to_str().unwrap().to_owned()
}

#[test]
fn trials_in_files_of_their_own_are_one_simulation_in_any_order() {
    let folder = fixture("formats/harbor/three-trials-each");
    let mut trials: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .map(|path| path.join("result.json"))
        .collect();
    trials.sort();
    let orders = [trials.clone(), trials.iter().rev().cloned().collect()];
    for order in orders {
        let database = TestDatabase::new();
        let program = Program::on(&database);
        let mut ids = Vec::new();
        for path in &order {
            let summary = record(&program, path, &[]).ended(0).json();
            ids.push(summary["simulation_id"].as_str().unwrap().to_owned());
        }
        ids.dedup();
        let [id] = ids.as_slice() else { panic!("{ids:?}") };
        let status = program.run(["status", id, "--json"]).ended(0).json();
        assert_eq!(status["headline"]["value"], 0.5, "{status}");
        assert_eq!(status["completed_scenarios"], 6, "{status}");
        // The file of the job contains the same trials: nothing is counted twice.
        let job = record(&program, &folder.join("job-with-trials.json"), &[]).ended(0).json();
        assert_eq!(job["simulation_id"].as_str(), Some(id.as_str()), "{job}");
        assert_eq!(job["headline"]["value"], 0.5, "{job}");
        assert_eq!(job["completed_scenarios"], 6, "{job}");
    }
}

#[test]
fn the_log_of_a_killed_run_is_shown_with_its_progress() {
    let database = TestDatabase::new();
    let log = fixture("formats/inspect/cases/killed-after-2-of-5.eval");
    let shown = Program::on(&database).run(["record".as_ref(), log.as_os_str()]).ended(0).stdout;
    for part in ["(incomplete)", "40.0% (2 of 5 scenarios)", "the log has no end"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}
