//! Review: annotations of people and rules, in every figure, list and way in; and the trials that have no
//! valid outcome.

use std::collections::{BTreeMap, BTreeSet};

use arc_host::client::{ClientSettings, ServiceClient};
use arc_host::store::{
    AnnotationKind, AnnotationState, Attachments, MissingReason, NewAnnotation, OutcomeFilter,
    ReviewFigures,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::support::{Files, Program, Service, TestDatabase, record, result};

const SAMPLES: usize = 4;

/// A step of a review.
#[derive(Clone, Debug)]
enum Step {
    /// The tool writes another revision of a sample, with this score in quarters, or invalidates it.
    Revision { sample: usize, score: u8, invalidated: bool },
    /// A person annotates a sample.
    Annotation { sample: usize, kind: AnnotationKind, value: u8 },
    /// A person undoes one of the annotations.
    Undo(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    let kinds = prop::sample::select(vec![
        AnnotationKind::Note,
        AnnotationKind::Tag,
        AnnotationKind::Invalidate,
        AnnotationKind::Restore,
        AnnotationKind::Score,
        AnnotationKind::FailureClass,
    ]);
    prop_oneof![
        2 => (0..SAMPLES, 0_u8..=4, prop::bool::weighted(0.3))
            .prop_map(|(sample, score, invalidated)| Step::Revision { sample, score, invalidated }),
        4 => (0..SAMPLES, kinds, 0_u8..=4)
            .prop_map(|(sample, kind, value)| Step::Annotation { sample, kind, value }),
        1 => any::<prop::sample::Index>().prop_map(Step::Undo),
    ]
}

#[derive(Clone, Copy, Debug)]
struct Revision {
    number: usize,
    score: u8,
    invalidated: bool,
}

#[derive(Clone, Debug)]
struct Made {
    id: Uuid,
    sample: usize,
    /// The revision for which it was made.
    revision: usize,
    kind: AnnotationKind,
    value: u8,
    is_undone: bool,
}

/// The expected state: the current revision of each sample, and all annotations in order.
#[derive(Clone, Debug, Default)]
struct Model {
    samples: BTreeMap<usize, Revision>,
    made: Vec<Made>,
}

/// The expected state of one sample.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Expected {
    score: u8,
    is_invalidated: bool,
    is_infrastructure: bool,
}

impl Model {
    fn newest(&self, sample: usize, kinds: &[AnnotationKind]) -> Option<&Made> {
        let of_sample = |one: &&Made| one.sample == sample && kinds.contains(&one.kind);
        self.made.iter().rev().filter(|one| !one.is_undone).find(of_sample)
    }

    fn newest_score(&self, sample: usize, revision: usize) -> Option<&Made> {
        self.made.iter().rev().find(|one| {
            let of_revision = (one.sample, one.revision) == (sample, revision);
            !one.is_undone && of_revision && one.kind == AnnotationKind::Score
        })
    }

    fn expected(&self, sample: usize) -> Expected {
        let revision = self.samples[&sample];
        let validity = self.newest(sample, &[AnnotationKind::Invalidate, AnnotationKind::Restore]);
        let class = self.newest(sample, &[AnnotationKind::FailureClass]);
        Expected {
            score: self
                .newest_score(sample, revision.number)
                .map_or(revision.score, |one| one.value),
            is_invalidated: validity
                .map_or(revision.invalidated, |one| one.kind == AnnotationKind::Invalidate),
            is_infrastructure: class.is_some_and(|one| one.value >= 2),
        }
    }

    fn score(&self) -> Option<f64> {
        let counts = |one: &Expected| !one.is_invalidated && !one.is_infrastructure;
        let all: Vec<Expected> =
            self.samples.keys().map(|sample| self.expected(*sample)).filter(counts).collect();
        let sum: f64 = all.iter().map(|one| f64::from(one.score) / 4.0).sum();
        (!all.is_empty()).then(|| sum / all.len() as f64)
    }

    fn review(&self) -> ReviewFigures {
        let mut review = ReviewFigures::default();
        for (&sample, revision) in &self.samples {
            match self.newest(sample, &[AnnotationKind::Invalidate, AnnotationKind::Restore]) {
                Some(one) if one.kind == AnnotationKind::Invalidate => review.invalidated += 1,
                Some(_) => review.restored += 1,
                None => {}
            }
            let has = |kinds| i64::from(self.newest(sample, kinds).is_some());
            review.changed_classes += has(&[AnnotationKind::FailureClass]);
            review.noted += has(&[AnnotationKind::Note, AnnotationKind::Tag]);
            for number in 0..=revision.number {
                let changed = i64::from(self.newest_score(sample, number).is_some());
                match number == revision.number {
                    true => review.changed_scores += changed,
                    false => review.superseded_scores += changed,
                }
            }
        }
        review
    }

    /// Which annotations count.
    fn states(&self) -> BTreeMap<Uuid, AnnotationState> {
        let state = |one: &Made| {
            if one.is_undone {
                return AnnotationState::Undone;
            }
            let newest = match one.kind {
                AnnotationKind::Note | AnnotationKind::Tag => return AnnotationState::Valid,
                AnnotationKind::Score => self.newest_score(one.sample, one.revision),
                AnnotationKind::FailureClass => {
                    self.newest(one.sample, &[AnnotationKind::FailureClass])
                }
                _ => {
                    let kinds = [AnnotationKind::Invalidate, AnnotationKind::Restore];
                    self.newest(one.sample, &kinds)
                }
            };
            match newest.is_some_and(|newest| newest.id == one.id) {
                false => AnnotationState::Replaced,
                true if one.kind == AnnotationKind::Score
                    && one.revision != self.samples[&one.sample].number =>
                {
                    AnnotationState::Superseded
                }
                true => AnnotationState::Valid,
            }
        };
        self.made.iter().map(|one| (one.id, state(one))).collect()
    }
}

fn time(step: usize, second: usize) -> String {
    format!("2026-11-01T10:{step:02}:{second:02}+00:00")
}

/// A log of the run with these revisions.
fn log(run: Uuid, step: usize, samples: &BTreeMap<usize, Revision>) -> String {
    let entry = |(sample, revision): (&usize, &Revision)| {
        let edits = (0..revision.number).map(|number| {
            json!({"value": 0.0, "provenance": {
                "timestamp": time(number + 1, 10), "author": "tester", "metadata": {}}})
        });
        let mut entry = json!({
            "id": format!("s{sample}"), "epoch": 1, "uuid": format!("execution-{sample}"),
            "input": "q", "target": "a", "started_at": time(0, 0), "completed_at": time(0, 1),
            "scores": {"judge": {"value": f64::from(revision.score) / 4.0,
                "history": edits.collect::<Vec<_>>()}},
        });
        if revision.invalidated {
            entry["invalidation"] = json!({"author": "tester", "reason": "wrong", "timestamp": time(revision.number, 10)});
        }
        entry
    };
    json!({
        "version": 2, "status": "success", "results": null,
        "eval": {
            "task_id": run.to_string(), "run_id": "run", "eval_id": "eval", "created": time(step, 20),
            "task": "reviewed", "dataset": {"samples": SAMPLES}, "model": "mockllm/model",
            "config": {"epochs": 1},
            "scorers": [{"name": "judge", "options": {}, "metadata": {},
                "metrics": [{"name": "inspect_ai/mean", "options": {}}]}],
        },
        "samples": samples.iter().map(entry).collect::<Vec<_>>(),
    })
    .to_string()
}

const CLASSES: [&str; 5] =
    ["agent", "scorer", "infrastructure", "infrastructure", "infrastructure"];

#[test]
fn results_revisions_and_annotations_are_as_in_the_model() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let service = Service::start(&Program::on(&database), &files, &["--log-level", "warn"]);
    let settings = ClientSettings { url: service.url().to_owned(), token: None, compress: None };
    let client = ServiceClient::new(&settings).unwrap();
    let runtime = Runtime::new().unwrap();
    let upload = |log: &str| {
        let kind = [("content-type", "application/octet-stream")];
        let url = "/v1/files?file_name=log.json";
        service.send(Method::POST, url, &kind, log.as_bytes().to_vec()).has(200).json()
    };
    let strategy = prop::collection::vec(step(), 1..14);
    let config = Config { cases: 32, failure_persistence: None, ..Config::default() };
    let checked = |model: &Model, id: Uuid| {
        let status = runtime.block_on(client.simulation_status(id)).unwrap();
        prop_assert_eq!(status.review, model.review());
        match (status.overall_score, model.score()) {
            (Some(found), Some(expected)) => prop_assert!((found - expected).abs() < 1e-12),
            (found, expected) => prop_assert_eq!(found, expected),
        }
        let all: Vec<Expected> = model.samples.keys().map(|one| model.expected(*one)).collect();
        let count = |is: fn(&Expected) -> bool| all.iter().filter(|one| is(one)).count() as i64;
        prop_assert_eq!(status.invalidated_outcomes, count(|one| one.is_invalidated));
        let infrastructure = count(|one| one.is_infrastructure && !one.is_invalidated);
        prop_assert_eq!(status.infrastructure_outcomes, infrastructure);

        // Each outcome, as it is read.
        let filter = OutcomeFilter::default();
        let page = client.outcomes(id, &filter, 100, None, Attachments::default());
        let outcomes = runtime.block_on(page).unwrap().outcomes;
        let found = outcomes.iter().map(|one| Expected {
            score: (one.reliability_score.unwrap() * 4.0) as u8,
            is_invalidated: one.invalidation.is_some(),
            is_infrastructure: one.failure_class.as_deref() == Some("infrastructure"),
        });
        prop_assert_eq!(found.collect::<Vec<_>>(), all.clone());
        for one in &outcomes {
            let scores: Value = serde_json::from_str(one.scores.as_str()).unwrap();
            prop_assert_eq!(scores[0]["value"].as_f64(), one.reliability_score);
        }

        let missing = runtime.block_on(client.missing_trials(id)).unwrap();
        let recorded = missing.iter().filter(|one| one.reason != MissingReason::NeverRecorded);
        let found: Vec<(String, MissingReason)> =
            recorded.map(|one| (one.scenario_id.clone(), one.reason)).collect();
        let expected = model.samples.keys().zip(&all).filter_map(|(sample, one)| {
            let reason = match (one.is_invalidated, one.is_infrastructure) {
                (true, _) => MissingReason::Invalidated,
                (false, true) => MissingReason::Infrastructure,
                (false, false) => return None,
            };
            Some((format!("reviewed/s{sample}"), reason))
        });
        prop_assert_eq!(found, expected.collect::<Vec<_>>());

        let annotations = runtime.block_on(client.annotations(id, None)).unwrap();
        let states: BTreeMap<Uuid, AnnotationState> = annotations
            .iter()
            .filter(|one| one.kind != AnnotationKind::Undo)
            .filter_map(|one| Some((one.annotation_id?, one.state)))
            .collect();
        prop_assert_eq!(states, model.states());
        Ok(())
    };
    TestRunner::new(config)
        .run(&strategy, |steps| {
            let run = Uuid::now_v7();
            let first = Revision { number: 0, score: 2, invalidated: false };
            let mut model = Model {
                samples: (0..SAMPLES).map(|sample| (sample, first)).collect(),
                made: Vec::new(),
            };
            let report = upload(&log(run, 0, &model.samples));
            let id: Uuid = report["simulation_id"].as_str().unwrap().parse().unwrap();
            for (number, step) in steps.iter().enumerate() {
                match *step {
                    Step::Revision { sample, score, invalidated } => {
                        let revision = model.samples.get_mut(&sample).unwrap();
                        *revision = Revision { number: revision.number + 1, score, invalidated };
                        upload(&log(run, number + 1, &model.samples));
                    }
                    Step::Annotation { sample, kind, value } => {
                        let new = NewAnnotation {
                            result_key: Some(format!("execution-{sample}")),
                            value: match kind {
                                AnnotationKind::Score => Some(json!(f64::from(value) / 4.0)),
                                AnnotationKind::FailureClass => {
                                    Some(json!(CLASSES[usize::from(value)]))
                                }
                                AnnotationKind::Note | AnnotationKind::Tag => Some(json!("text")),
                                _ => None,
                            },
                            ..NewAnnotation::new(kind)
                        };
                        let made = runtime.block_on(client.annotate(id, &[new])).unwrap();
                        model.made.push(Made {
                            id: made[0].annotation_id.unwrap(),
                            sample,
                            revision: model.samples[&sample].number,
                            kind,
                            value,
                            is_undone: false,
                        });
                    }
                    Step::Undo(_) if model.made.is_empty() => {}
                    Step::Undo(index) => {
                        let undone = index.index(model.made.len());
                        let undone = &mut model.made[undone];
                        undone.is_undone = true;
                        let undo = NewAnnotation {
                            undoes: Some(undone.id),
                            ..NewAnnotation::new(AnnotationKind::Undo)
                        };
                        runtime.block_on(client.annotate(id, &[undo])).unwrap();
                    }
                }
            }
            checked(&model, id)
        })
        .unwrap();
}

/// Returns the members of each line that a command writes as JSON.
fn lines(program: &Program, arguments: &[&str]) -> Vec<Value> {
    let mut all = arguments.to_vec();
    all.push("--json");
    program.run(all).ended(0).json_lines()
}

#[test]
fn a_person_reviews_a_run_with_commands() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let direct = Program::on(&database);
    let service = Service::start(&direct, &files, &[]);
    for (name, program) in [("direct", &direct), ("service", &service.program())] {
        let results = ["a", "b", "c", "d"].map(|scenario| result(scenario, "success", 0.5));
        let file = files.write_lines(&format!("{name}.jsonl"), &results);
        let report = record(program, &file, &[]).ended(0).json();
        let id = report["simulation_id"].as_str().unwrap();
        let status = || program.run(["status", id, "--json"]).ended(0).json();

        let why = ["--reason", "wrong image", "--author", "ann"];
        let invalidate =
            [&["invalidate", id, "--scenario", "a", "--scenario", "b"][..], &why].concat();
        let made = lines(program, &invalidate);
        assert_eq!(made.len(), 2);
        assert_eq!(
            (&made[0]["author"], &made[0]["reason"]),
            (&json!("ann"), &json!("wrong image"))
        );
        assert_eq!(status()["invalidated_outcomes"], 2);
        let missing = program.run(["missing", id, "--ids"]).ended(0).stdout;
        assert_eq!(missing, "a\nb\n");
        lines(program, &["restore", id, "--scenario", "b"]);
        assert_eq!(status()["invalidated_outcomes"], 1);

        let changed = lines(program, &["annotate", id, "--scenario", "c", "--score", "1"]);
        assert_eq!(
            (&changed[0]["old_value"], &changed[0]["new_value"]),
            (&json!(0.5), &json!(1.0))
        );
        // (0.5 + 1 + 0.5) / 3
        assert!((status()["overall_score"].as_f64().unwrap() - 2.0 / 3.0).abs() < 1e-12);
        lines(program, &["annotate", id, "--scenario", "d", "--failure-class", "infrastructure"]);
        assert_eq!(status()["overall_score"], json!(0.75));
        let text = program.run(["status", id]).ended(0).stdout;
        let review = "1 invalidated, 1 restored, 1 scores changed, 1 failure classes changed";
        assert!(text.contains(review), "{text}");

        // A list of simulations has the same score, and a table of outcomes has the annotations.
        let listed = lines(program, &["simulations"]);
        let listed = listed.iter().find(|one| one["simulation_id"] == id).unwrap();
        assert_eq!(listed["overall_score"], json!(0.75));
        let outcomes = lines(program, &["export", id, "--format", "jsonl"]);
        let of =
            |scenario: &str| outcomes.iter().find(|one| one["scenario_id"] == scenario).unwrap();
        assert_eq!(of("a")["invalidation"]["author"], "ann");
        assert_eq!(of("b")["annotations"][0]["kind"], "restore");
        assert_eq!((&of("c")["score"], &of("c")["reliability_score"]), (&json!(1.0), &json!(1.0)));
        assert_eq!(of("d")["failure_class"], "infrastructure");

        // Undone, it is as before.
        let changed = changed[0]["annotation_id"].as_str().unwrap();
        lines(program, &["annotate", id, "--undo", changed]);
        assert_eq!(status()["overall_score"], json!(0.5));
        let states = lines(program, &["annotations", id]);
        let undone = states.iter().find(|one| one["annotation_id"] == changed).unwrap();
        assert_eq!(undone["state"], "undone");

        let refused = |arguments: &[&str], error: &str| {
            let all = [&["annotate", id], arguments].concat();
            let refused = program.run(all);
            assert!(matches!(refused.code, Some(1 | 2)), "{refused:?}");
            assert!(refused.stderr.contains(error), "{}", refused.stderr);
        };
        refused(&["--scenario", "z", "--note", "x"], r#"no result of scenario "z" that counts"#);
        refused(&["--note", "x"], "no result is named");
        refused(&["--scenario", "a", "--failure-class", "weather"], r#"not "weather""#);
        refused(&["--scenario", "a", "--score", "1", "--metric", "other"], r#"no score "other""#);
        refused(&["--undo", &Uuid::nil().to_string()], "has no annotation");
        refused(&["--scenario", "a"], "required arguments");
    }
    let kept = "SELECT count(*) FROM arc_recorder.annotations WHERE kind = 'invalidate'";
    assert_eq!(database.count(kept), 4, "nothing is overwritten");
}

#[test]
fn an_annotation_is_made_once_and_its_author_is_the_token() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let token = |scope: &str| {
        let create = ["token", "create", "--json", "--name", scope, "--scope", scope];
        program.run(create).ended(0).json()["token"].as_str().unwrap().to_owned()
    };
    let (reader, recorder) = (token("read"), token("record"));
    let mut service = Service::start(&program, &files, &["--require-tokens"]);
    service.send_header("authorization", &format!("Bearer {recorder}"));
    let id = service.start_simulation(&["a"]);
    let path = format!("/v1/simulations/{id}");
    service.post(&format!("{path}/outcomes"), &result("a", "success", 1.0)).has(200);
    let annotations = format!("{path}/annotations");
    let annotation = Uuid::now_v7();
    let note = json!({"annotations": [
        {"kind": "note", "scenario_id": "a", "value": "odd", "annotation_id": annotation},
        {"kind": "tag", "scenario_id": "a", "trial": 1, "value": "flaky", "author": "ann"},
    ]});
    let made = service.post(&annotations, &note).has(200).json();
    assert_eq!(made["annotations"][0]["author"], "record");
    assert_eq!(made["annotations"][1]["author"], "record/ann");
    let again = json!({"annotations": [note["annotations"][0].clone()]});
    assert_eq!(
        service.post(&annotations, &again).has(200).json()["annotations"][0],
        made["annotations"][0]
    );
    assert_eq!(database.count("SELECT count(*) FROM arc_recorder.annotations"), 2);

    // All or none.
    let mut half = again.clone();
    half["annotations"][0]["annotation_id"] = json!(Uuid::now_v7());
    half["annotations"]
        .as_array_mut()
        .unwrap()
        .push(json!({"kind": "restore", "scenario_id": "b"}));
    service.post(&annotations, &half).has_problem(404, "not_found");
    for (wrong, reason) in [
        (json!({"kind": "note", "value": "x"}), "not by 0"),
        (json!({"kind": "note", "value": "x", "scenario_id": "a", "result_key": "k"}), "not by 2"),
        (json!({"kind": "note", "value": 1, "scenario_id": "a"}), "not 1"),
        (json!({"kind": "score", "value": "1", "scenario_id": "a"}), "a number"),
        (json!({"kind": "undo", "scenario_id": "a"}), "undoes"),
        (json!({"kind": "invalidate", "scenario_id": "a", "value": "x"}), "no value"),
        (json!({"kind": "tag", "value": "x", "scenario_id": "a", "trial": 0}), "counted from 1"),
    ] {
        let body = json!({"annotations": [wrong]});
        let problem = service.post(&annotations, &body).has_problem(400, "invalid_request");
        assert!(problem["detail"].as_str().unwrap().contains(reason), "{problem}");
    }
    assert_eq!(database.count("SELECT count(*) FROM arc_recorder.annotations"), 2);

    service.send_header("authorization", &format!("Bearer {reader}"));
    service.post(&annotations, &note).has(403);
    assert_eq!(
        service.get(&annotations).has(200).json()["annotations"].as_array().unwrap().len(),
        2
    );
    assert_eq!(service.get(&format!("{path}/missing")).has(200).json()["missing"], json!([]));
}

#[test]
fn rules_of_an_operator_are_undone_like_others_and_do_not_come_back() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    // 396 successes with a score of 0, because the tests could not be mounted.
    let zero = |number: u32| {
        json!({
            "scenario": {"id": format!("case-{number}")},
            "trajectory": {"status": "success", "execution_time_seconds": 0.1},
            "reliability_score": 0.0,
        })
    };
    let mut results: Vec<Value> = (0..396).map(zero).collect();
    results.push(result("solved", "success", 1.0));
    let file = files.write_lines("mounts.jsonl", &results);
    let report = record(&program, &file, &[]).ended(0).json();
    let id = report["simulation_id"].as_str().unwrap();
    let rules = json!({"rules": [
        {"name": "never-mounted", "class": "infrastructure", "status": "success", "score": 0, "tokens": 0},
        {"name": "other", "class": "agent", "message": "never seen"},
    ]});
    let rules = files.write("rules.json", rules.to_string());
    let annotate = ["annotate", id, "--rules", rules.to_str().unwrap()];
    let made = lines(&program, &annotate);
    assert_eq!(made.len(), 396);
    assert!(made.iter().all(|one| one["author"] == "rule:never-mounted"));
    let status = || program.run(["status", id, "--json"]).ended(0).json();
    let before = status();
    assert_eq!(before["infrastructure_outcomes"], 396);
    assert_eq!(before["overall_score"], json!(1.0), "the one that ran");
    assert_eq!(before["by_failure_class"], json!({"infrastructure": 396}));
    assert_eq!(lines(&program, &["missing", id]).len(), 396);
    let outcomes = lines(&program, &["outcomes", id, "--limit", "1"]);
    assert_eq!(outcomes[0]["failure_rule"], "rule:never-mounted");

    lines(&program, &["annotate", id, "--undo", made[0]["annotation_id"].as_str().unwrap()]);
    assert_eq!(status()["infrastructure_outcomes"], 395);
    assert!(lines(&program, &annotate).is_empty());
    assert_eq!(status()["infrastructure_outcomes"], 395);

    let broken = files.write("broken.json", r#"{"rules": [{"name": "a", "class": "agent"}]}"#);
    let refused = program.run(["annotate", id, "--rules", broken.to_str().unwrap()]).ended(1);
    assert!(refused.stderr.contains("has no condition"), "{}", refused.stderr);
}

#[test]
fn trials_without_a_valid_outcome_are_missing_until_they_are_recorded() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let service = Service::start(&program, &files, &[]);
    let start = json!({"trials": 2, "scenarios": [{"id": "b"}, {"id": "a"}, {"id": "c"}]});
    let started = service.post("/v1/simulations", &start).has(200).json();
    let id = started["simulation_id"].as_str().unwrap();
    let path = format!("/v1/simulations/{id}");
    let missing = || -> Vec<(String, i64, String)> {
        let missing = service.get(&format!("{path}/missing")).has(200).json();
        let text = |one: &Value, name: &str| one[name].as_str().unwrap().to_owned();
        let all = missing["missing"].as_array().unwrap().iter();
        all.map(|one| {
            (text(one, "scenario_id"), one["trial"].as_i64().unwrap(), text(one, "reason"))
        })
        .collect()
    };
    let never =
        |scenario: &str, trial: i64| (scenario.to_owned(), trial, "never_recorded".to_owned());
    let planned =
        [("b", 1), ("b", 2), ("a", 1), ("a", 2), ("c", 1), ("c", 2)].map(|(s, t)| never(s, t));
    assert_eq!(missing(), planned);

    let send = |result: &Value, trial: i64| {
        service.post(&format!("{path}/outcomes?trial={trial}"), result).has(200);
    };
    send(&result("b", "success", 1.0), 1);
    send(&result("b", "success", 1.0), 2);
    let mut broken = result("a", "error", 0.0);
    broken["trajectory"]["error"] =
        json!("docker.errors.DockerException: Cannot connect to the Docker daemon");
    send(&broken, 2);
    send(&result("c", "success", 1.0), 1);
    let infrastructure = ("a".to_owned(), 2, "infrastructure".to_owned());
    assert_eq!(missing(), [never("a", 1), infrastructure, never("c", 2)]);

    send(&result("a", "success", 0.5), 1);
    send(&result("a", "success", 0.5), 2);
    send(&result("c", "success", 0.5), 2);
    assert_eq!(missing(), []);
    let ids = program.run(["missing", id]).ended(0);
    assert!(ids.stderr.contains("every planned trial has a valid outcome"), "{}", ids.stderr);
    let scenarios: BTreeSet<String> = missing().into_iter().map(|one| one.0).collect();
    assert!(scenarios.is_empty());
}
