//! The score of a simulation by every way in: its range, its name, its direction.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Files, Program, Service, TestDatabase, fixture, record};

/// Returns a result with a score, and a score of a judge.
fn scored(scenario: &str, mut score: Value, judge: f64) -> Value {
    score["dimension_scores"] = json!({"judge": judge});
    json!({"scenario": {"id": scenario}, "trajectory": {"status": "success"}, "reliability_score": score})
}

/// Returns two results with these scores, and 1 and 5 of a judge.
fn two(first: Value, second: Value) -> Vec<Value> {
    vec![scored("a", first, 1.0), scored("b", second, 5.0)]
}

fn id(summary: &Value) -> &str {
    summary["simulation_id"].as_str().unwrap()
}

#[track_caller]
fn assert_score(found: &Value, overall: f64, scale: Option<f64>) {
    let score = found["overall_score"].as_f64().unwrap();
    assert!((score - overall).abs() < 1e-12, "{score} is not {overall}: {found}");
    assert_eq!(found["score_scale"].as_f64(), scale, "{found}");
}

/// Returns the path of an upload with these parameters.
fn upload(parameters: &[(&str, &str)]) -> String {
    let url = reqwest::Url::parse_with_params("http://x/v1/files", parameters).unwrap();
    format!("{}?{}", url.path(), url.query().unwrap())
}

const BINARY: [(&str, &str); 1] = [("content-type", "application/octet-stream")];

#[test]
fn the_range_is_the_results_own_then_the_declared_one_for_scores_and_for_the_suites_figure() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let mut number = 0;
    let mut recorded = |results: &[Value], suite: Option<f64>, options: &[&str]| {
        number += 1;
        let text = json!({"results": results, "average_reliability_score": suite}).to_string();
        let path = files.write(&format!("suite{number}.json"), text);
        record(&program, &path, options).ended(0).json()
    };
    let judge_range = ["--metric", "reliability_score:lowest=1,highest=10"];
    let plain = two(json!({"overall_score": 1}), json!({"overall_score": 10}));
    assert_score(&recorded(&plain, None, &judge_range), 0.5, Some(10.0));
    assert_score(&recorded(&plain, Some(1.0), &judge_range), 0.0, Some(10.0));
    assert_score(&recorded(&plain, Some(10.0), &judge_range), 1.0, Some(10.0));
    // A figure beyond the range is on another scale.
    assert_score(&recorded(&plain, Some(0.5), &judge_range), 0.5, None);

    // The results' own range counts more than a declared one.
    let own =
        two(json!({"overall_score": 80, "scale": 100}), json!({"overall_score": 40, "scale": 100}));
    assert_score(&recorded(&own, None, &["--score-scale", "1000"]), 0.6, Some(100.0));
    assert_score(&recorded(&own, Some(60.0), &["--score-scale", "1000"]), 0.6, Some(100.0));
    // The declared one is that of the other results; a figure of both is on no scale.
    let mixed = two(json!({"overall_score": 8, "scale": 10}), json!({"overall_score": 5}));
    assert_score(&recorded(&mixed, None, &["--score-scale", "20"]), 0.525, Some(20.0));
    let both = recorded(&mixed, Some(6.5), &["--score-scale", "20"]);
    assert_score(&both, 6.5, None);
    assert!(both["notes"].to_string().contains("the scale of the score is unknown"), "{both}");
    // The declared range of the metric counts more than that of the results' own score.
    let named = ["--score-scale", "20", "--metric", "reliability_score:lowest=1,highest=9"];
    assert_score(&recorded(&mixed, None, &named), 0.65, Some(10.0));
}

#[test]
fn a_declared_score_that_no_result_has_is_replaced_by_the_tools_own_until_it_is_withdrawn() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let results = two(json!({"overall_score": 0.8}), json!({"overall_score": 0.9}));
    let suite = json!({"results": results, "average_reliability_score": 0.85}).to_string();
    let path = files.write("suite.json", suite);
    let summary = record(&program, &path, &["--metric", "nope:headline=true"]).ended(0).json();
    assert_score(&summary, 0.85, Some(1.0));
    assert_eq!(summary["headline"]["metric"], "reliability_score", "{summary}");
    let note = summary["notes"].to_string();
    assert!(note.contains("nope") && note.contains("judge"), "it names what there is: {note}");
    let status = program.run(["status", id(&summary), "--json"]).ended(0).json();
    assert_score(&status, 0.85, Some(1.0));
    assert_eq!(status["warnings"][0]["code"], "headline_missing", "{status}");
    let shown = program.run(["status", id(&summary)]).ended(0);
    assert!(shown.stderr.contains("no result has the metric \"nope\""), "{}", shown.stderr);
    let outcomes = program.run(["outcomes", id(&summary), "--json"]).ended(0).json_lines();
    assert_eq!(outcomes[0]["headline"], "reliability_score");
    assert_eq!(outcomes[0]["reliability_score"], 0.8);

    // Another metric, and back.
    let declare = |metric: &str| {
        program.run(["metrics", id(&summary), "--metric", metric, "--json"]).ended(0);
        program.run(["status", id(&summary), "--json"]).ended(0).json()
    };
    let judged = declare("judge:lowest=1,highest=5,headline=true");
    assert_score(&judged, 0.5, Some(5.0));
    assert_eq!((&judged["headline"]["metric"], &judged["warnings"]), (&json!("judge"), &json!([])));
    let outcomes = program.run(["outcomes", id(&summary), "--json"]).ended(0).json_lines();
    let score = |one: &Value| {
        (one["headline"].clone(), one["score"].clone(), one["reliability_score"].clone())
    };
    assert_eq!(score(&outcomes[0]), (json!("judge"), json!(1.0), json!(0.0)));
    assert_eq!(score(&outcomes[1]), (json!("judge"), json!(5.0), json!(1.0)));
    let withdrawn = declare("judge:headline=false");
    assert_score(&withdrawn, 0.85, Some(1.0));
    assert_eq!(withdrawn["headline"]["metric"], "reliability_score");
    assert_eq!(database.count("SELECT count(headline) FROM arc_recorder.simulations"), 0);
    // It withdraws no other metric.
    declare("judge:headline=true");
    assert_score(&declare("nope:headline=false"), 0.5, Some(5.0));
}

#[test]
fn an_assumed_direction_is_visible() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let results = two(json!({"overall_score": 0.8}), json!({"overall_score": 0.9}));
    let path = files.write_lines("results.jsonl", &results);
    let summary = record(&program, &path, &[]).ended(0).json();
    let direction = |headline: &Value| {
        (headline["higher_is_better"].clone(), headline["higher_is_better_assumed"].clone())
    };
    assert_eq!(direction(&summary["headline"]), (json!(true), json!(true)), "{summary}");
    let status =
        |options: &[&str]| program.run([&["status", id(&summary)], options].concat()).ended(0);
    assert_eq!(
        status(&["--json"]).json()["higher_is_better_assumed"],
        json!(["reliability_score", "judge"])
    );
    assert!(status(&[]).stdout.contains("better      higher (assumed)"), "{}", status(&[]).stdout);

    let declared = [":higher_is_better=false", "judge:higher_is_better=true"];
    let metrics =
        program.run(["metrics", id(&summary), "--metric", declared[0], "--metric", declared[1]]);
    let shown = metrics.ended(0).stdout;
    assert!(shown.contains("lower is better") && shown.contains("higher is better"), "{shown}");
    let known = status(&["--json"]).json();
    assert_eq!(direction(&known["headline"]), (json!(false), json!(false)), "{known}");
    assert_eq!(known["higher_is_better_assumed"], json!([]));
    assert!(status(&[]).stdout.contains("better      lower"), "{}", status(&[]).stdout);
}

#[test]
fn every_score_is_shown_with_its_name_and_its_scale() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let path = fixture("formats/native/judge-1-to-5.jsonl");
    let unknown = record(&program, &path, &["--name", "unknown"]).ended(0).json();
    let scaled = ["--name", "scaled", "--metric", "reliability_score:lowest=1,highest=5"];
    let scaled = record(&program, &path, &scaled).ended(0).json();
    let log = record(&program, &fixture("formats/inspect/arithmetic.json"), &[]).ended(0).json();
    let score = |summary: &Value| {
        ["overall_score", "score_metric", "score_figure", "score_scale"]
            .map(|name| summary[name].clone())
    };
    let service = Service::start(&program, &files, &[]);
    let listed = program.run(["simulations", "--json"]).ended(0).json_lines();
    let sent = service.program().run(["simulations", "--json"]).ended(0).json_lines();
    let answered = service.get("/v1/simulations").has(200).json();
    for list in [&listed, &sent, answered["simulations"].as_array().unwrap()] {
        assert_eq!(list.len(), 3);
        assert_eq!(
            score(&list[0]),
            [json!(0.75), json!("includes"), json!("accuracy"), json!(1.0)]
        );
        assert_eq!(
            score(&list[1]),
            [json!(0.5), json!("reliability_score"), json!("mean"), json!(5.0)]
        );
        assert_eq!(
            score(&list[2]),
            [json!(3.0), json!("reliability_score"), json!("mean"), Value::Null]
        );
    }
    let shown = program.run(["simulations"]).ended(0).stdout;
    for text in ["0.750", "0.500", "3 (raw)"] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    for (summary, text) in [
        (&unknown, "score 3.000 (mean of reliability_score); scale unknown"),
        (&scaled, "score 3.000 (mean of reliability_score); highest 5, from 0 to 1: 0.500"),
        (&log, "(accuracy of includes)"),
    ] {
        let watched = program.run(["status", "--watch", id(summary)]).ended(0).stdout;
        assert!(watched.contains(text), "{text}: {watched}");
    }
    // The outcomes, with the raw score in any case.
    for (summary, first, scaled) in
        [(&unknown, "1 (raw)", Value::Null), (&scaled, "0.000", json!(0.0))]
    {
        let of = |ending: &str| format!("/v1/simulations/{}/outcomes{ending}", id(summary));
        let page = service.get(&of("?scenario_id=bad")).has(200).json();
        let direct =
            program.run(["outcomes", id(summary), "--scenario", "bad", "--json"]).ended(0).json();
        for outcome in [&page["outcomes"][0], &direct] {
            assert_eq!((&outcome["score"], &outcome["reliability_score"]), (&json!(1.0), &scaled));
        }
        let shown = program.run(["outcomes", id(summary), "--scenario", "bad"]).ended(0).stdout;
        assert!(shown.contains(first) && shown.contains("reliability_score"), "{shown}");
    }
    let performance = program.run(["performance", id(&scaled), "--json"]).ended(0).json();
    assert_eq!(performance["headline"], "reliability_score", "{performance}");
    let shown = program.run(["performance", id(&scaled)]).ended(0).stdout;
    assert!(shown.contains("score (reliability_score)"), "{shown}");
    let shown = program.run(["validate", path.to_str().unwrap()]).ended(0).stdout;
    assert!(shown.contains("score 4 (reliability_score)"), "{shown}");
}

#[test]
fn a_file_that_is_sent_takes_declarations() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let service = Service::start(&Program::on(&database), &files, &[]);
    let results = two(json!({"overall_score": 80}), json!({"overall_score": 90}));
    let path = files.write_lines("results.jsonl", &results);
    let body = std::fs::read(&path).unwrap();
    let send = |name: &str, parameters: &[(&str, &str)]| {
        let url = upload(&[&[("file_name", name)], parameters].concat());
        service.send(Method::POST, &url, &BINARY, body.clone())
    };
    assert_score(&send("a.jsonl", &[]).has(200).json(), 85.0, None);
    // The same file again declares it of the same simulation.
    assert_score(&send("a.jsonl", &[("score_scale", "100")]).has(200).json(), 0.85, Some(100.0));
    let judge = r#"[{"name": "judge", "lowest": 1, "highest": 5, "headline": true}]"#;
    let judged = send("b.jsonl", &[("metrics", judge)]).has(200).json();
    assert_score(&judged, 0.5, Some(5.0));
    assert_eq!(judged["headline"]["metric"], "judge", "{judged}");
    for (parameters, reason) in [
        (("metrics", "{"), "invalid metrics: "),
        (("metrics", r#"[{"name": "judge", "top": 1}]"#), "unknown field `top`"),
        (("score_scale", "0"), "invalid score_scale: 0"),
    ] {
        let refused = send("c.jsonl", &[parameters]).has(400).json();
        assert!(refused["detail"].to_string().contains(reason), "{refused}");
    }
    // The command's options, over HTTP.
    let options = ["--new", "--metric", "judge:lowest=1,highest=5,headline=true"];
    assert_score(&record(&service.program(), &path, &options).ended(0).json(), 0.5, Some(5.0));
    let options = ["--new", "--score-scale", "100"];
    assert_score(&record(&service.program(), &path, &options).ended(0).json(), 0.85, Some(100.0));
}

#[test]
fn scores_and_invalidations_are_described() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let service = Service::start(&program, &files, &[]);
    let path = fixture("formats/inspect/cases/invalidated-and-edited.eval");
    let summary = record(&program, &path, &[]).ended(0).json();
    let document = service.get("/openapi.json").has(200).json();
    let schemas = &document["components"]["schemas"];
    let outcome = schemas["RecordedOutcome"].to_string();
    assert!(outcome.contains(r##"{"$ref":"#/components/schemas/Score"}"##), "{outcome}");
    assert!(outcome.contains(r##"{"$ref":"#/components/schemas/Invalidation"}"##), "{outcome}");
    let described = |name: &str, value: &Value| {
        let members = schemas[name]["properties"].as_object().unwrap();
        value.as_object().unwrap().keys().all(|key| members.contains_key(key))
    };
    let outcomes = program.run(["outcomes", id(&summary), "--json"]).ended(0).json_lines();
    let scores: Vec<&Value> =
        outcomes.iter().flat_map(|one| one["scores"].as_array().unwrap()).collect();
    assert!(
        !scores.is_empty() && scores.iter().all(|score| described("Score", score)),
        "{scores:?}"
    );
    let marks: Vec<&Value> =
        outcomes.iter().map(|one| &one["invalidation"]).filter(|mark| mark.is_object()).collect();
    assert!(
        !marks.is_empty() && marks.iter().all(|mark| described("Invalidation", mark)),
        "{marks:?}"
    );
}
