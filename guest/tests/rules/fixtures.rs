//! The fixture files, with the expected verdict of every result.

use super::*;

/// Other members can have numbers that no float holds.
#[derive(serde::Deserialize)]
struct Written {
    reliability_score: Value,
}

#[test]
fn every_result_is_accepted() {
    let bytes = fixture("results.jsonl");
    let documents = lines(&bytes);
    assert_eq!(documents.len(), 240);
    let mut statuses = BTreeSet::new();
    let mut categories = BTreeSet::new();
    let mut found_warnings = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for line in documents {
        let document = std::str::from_utf8(line).unwrap();
        let outcome = accepted(document);
        as_json::check(document);
        for span in [
            outcome.scenario.definition,
            outcome.trajectory,
            outcome.detailed_trajectory,
            outcome.dimensions,
        ] {
            if let Some(part) = slice(document, span) {
                assert!(part.starts_with('{') && part.ends_with('}'), "{part}");
            }
        }
        for number in [
            outcome.execution_time_ms,
            outcome.tokens_used,
            outcome.prompt_tokens,
            outcome.completion_tokens,
            outcome.cost_usd,
        ] {
            assert!(number.is_finite() && number.is_sign_positive());
        }
        for score in &outcome.scores {
            let value = score.value.unwrap();
            assert!(value >= 0.0 && score.highest.is_none_or(|highest| value <= highest));
            // The number is unchanged.
            let written: Written = serde_json::from_str(document).unwrap();
            let written = &written.reliability_score;
            let written = match score.name.as_str() {
                "reliability_score" if written.is_number() => written,
                "reliability_score" => &written["overall_score"],
                // A dimension without a name has one as a score.
                "dimension_scores/" => &written["dimension_scores"][""],
                dimension => &written["dimension_scores"][dimension],
            };
            assert_eq!(written.as_f64(), Some(value), "{document}");
        }
        assert!((1..=512).contains(&outcome.scenario.id.len()));
        let success = outcome.status == OutcomeStatus::Success;
        assert!(!(success && outcome.error_category.is_some()));
        statuses.insert(format!("{:?}", outcome.status));
        categories.extend(outcome.error_category.map(|category| format!("{category:?}")));
        found_warnings.extend(outcome.warnings.iter().map(|warning| warning.code));
        ids.insert(outcome.scenario.id);
    }
    // The file is worth its size only if it has results of every kind.
    assert_eq!(statuses.len(), 4, "{statuses:?}");
    assert_eq!(categories.len(), 9, "{categories:?}");
    assert_eq!(found_warnings.len(), 6, "{found_warnings:?}");
    assert!((225..240).contains(&ids.len()), "{}", ids.len());
}

#[test]
fn the_members_of_the_array_and_the_envelope_are_accepted() {
    let array: Vec<Box<serde_json::value::RawValue>> =
        serde_json::from_slice(&fixture("results.json")).unwrap();
    assert_eq!(array.len(), 12);
    #[derive(serde::Deserialize)]
    struct Envelope {
        results: Vec<Box<serde_json::value::RawValue>>,
    }
    let text = String::from_utf8(fixture("envelope.json")).unwrap();
    let envelope: Envelope = serde_json::from_str(&text).unwrap();
    assert_eq!(envelope.results.len(), 12);
    for document in array.iter().chain(&envelope.results) {
        accepted(document.get());
        as_json::check(document.get());
    }

    let suite = extract_suite(&text).unwrap();
    let outcomes: Vec<_> = envelope.results.iter().map(|each| accepted(each.get())).collect();
    let successes = outcomes.iter().filter(|each| each.status == OutcomeStatus::Success).count();
    assert_eq!(suite.successful_runs, Some(successes as f64));
    let cost: f64 = outcomes.iter().map(|each| each.cost_usd).sum();
    assert!((suite.total_cost_usd.unwrap() - cost).abs() < 1e-6);
    assert_eq!(suite.average_dimension_scores.len(), 5);
}

#[test]
fn every_hostile_line_has_the_expected_verdict() {
    let bytes = fixture("hostile.jsonl");
    let documents = lines(&bytes);
    let expected = json_fixture("hostile.expected.json");
    let expected = expected.as_array().unwrap();
    assert_eq!(documents.len(), expected.len());
    let mut wrong = Vec::new();
    for (position, (line, expected)) in documents.into_iter().zip(expected).enumerate() {
        assert_eq!(expected["position"], json!(position));
        let wanted = sorted(expected["violations"].as_array().map_or(&[][..], Vec::as_slice));
        // Bytes that are not UTF-8 never get here: the framer rejects them.
        let Ok(document) = std::str::from_utf8(line) else {
            assert_eq!(wanted, [(String::new(), "invalid_utf8".to_owned())]);
            continue;
        };
        assert_eq!(expected["verdict"] == "rejected", !wanted.is_empty());
        let found = match extract_outcome(document) {
            Ok(_) => Vec::new(),
            Err(violations) => {
                places(violations).into_iter().map(|(path, code)| (path, code.to_owned())).collect()
            }
        };
        if found != wanted {
            wrong.push(format!(
                "{position} ({}): found {found:?}, expected {wanted:?}\n    {:.200}",
                expected["case"], document
            ));
        }
        as_json::check(document);
    }
    assert!(wrong.is_empty(), "{} lines:\n{}", wrong.len(), wrong.join("\n"));
}

fn sorted(violations: &[Value]) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut places: Vec<_> =
        violations.iter().map(|each| (text(&each["path"]), text(&each["code"]))).collect();
    places.sort_unstable();
    places
}

/// The positions in the expectations are those of a host.
#[test]
fn framing_finds_the_lines_of_the_hostile_file() {
    let bytes = fixture("hostile.jsonl");
    for container in [arc_framing::Container::Auto, arc_framing::Container::Lines] {
        let mut framer = arc_framing::Framer::new(container, arc_framing::Limits::default());
        for chunk in bytes.chunks(4_093) {
            framer.push(chunk).unwrap();
        }
        framer.finish().unwrap();
        let frames: Vec<_> = std::iter::from_fn(|| framer.next_frame()).collect();
        let documents = lines(&bytes);
        assert_eq!(frames.len(), documents.len());
        for (frame, line) in frames.iter().zip(documents) {
            assert_eq!(frame.bytes(), line);
            let code = frame.problem.map(|problem| problem.code());
            let text = std::str::from_utf8(line).is_ok();
            assert_eq!(code, (!text).then_some("invalid_utf8"));
        }
    }
}

/// Asserts that a case is rejected for these reasons.
#[track_caller]
fn assert_rejected(case: &Value, violations: Vec<Violation>) {
    let name = &case["case"];
    let found: Vec<_> =
        places(violations).into_iter().map(|(path, code)| (path, code.to_owned())).collect();
    assert_eq!(case["verdict"], "rejected", "{name}: {found:?}");
    assert_eq!(found, sorted(case["violations"].as_array().unwrap()), "{name}");
}

#[test]
fn every_suite_has_the_expected_figures() {
    for case in json_fixture("suites.json").as_array().unwrap() {
        let name = &case["case"];
        match extract_suite(case["text"].as_str().unwrap()) {
            Ok(suite) => {
                let mut found = serde_json::to_value(&suite).unwrap();
                let warned = found.as_object_mut().unwrap().remove("warnings").unwrap();
                let codes = |list: &Value| sorted(list.as_array().map_or(&[], Vec::as_slice));
                assert_eq!(codes(&warned), codes(&case["warnings"]), "{name}");
                assert_eq!(found, case["expected"], "{name}");
            }
            Err(violations) => assert_rejected(case, violations),
        }
    }
}

#[test]
fn every_plan_has_the_expected_scenarios() {
    for case in json_fixture("scenarios.json").as_array().unwrap() {
        let (name, text) = (&case["case"], case["text"].as_str().unwrap());
        match extract_scenarios(text) {
            Ok(scenarios) => {
                let found: Vec<_> = scenarios
                    .iter()
                    .map(|each| {
                        json!({
                            "id": each.id,
                            "name": each.name,
                            "task_prompt": each.task_prompt,
                            "definition": slice(text, each.definition),
                        })
                    })
                    .collect();
                assert_eq!(json!(found), case["expected"], "{name}");
            }
            Err(violations) => assert_rejected(case, violations),
        }
    }
}
