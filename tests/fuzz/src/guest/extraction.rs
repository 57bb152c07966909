//! The built-in extractor: results, plans and suites.

use std::collections::BTreeSet;

use arc_extractor::{GuideFormat, Scenario, Violation};
use arc_format_testing::{check, slice};
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// The input is one result.
pub(super) fn result(input: &[u8]) {
    let Ok(document) = std::str::from_utf8(input) else { return };
    let answer = check::<GuideFormat>(None, document);
    let text = arc_extractor::extract_json(document);
    let verdict: Value = serde_json::from_str(&text).expect("a verdict is JSON");
    match &answer {
        Ok(outcome) => {
            // An accepted document is JSON that PostgreSQL's parser accepts.
            let document = arc_format_kit::finite::with_null_for_nan(document);
            serde_json::from_str::<serde::de::IgnoredAny>(&document).expect("it is JSON");
            assert_eq!(verdict["verdict"], "accepted");
            let said = &verdict["outcome"];
            assert_eq!(said["scenario"]["id"], json!(outcome.scenario.id));
            // Figures are exactly the same after a round trip.
            for (name, figure) in [
                ("cost_usd", Some(outcome.cost_usd)),
                ("execution_time_ms", Some(outcome.execution_time_ms)),
                ("tokens_used", Some(outcome.tokens_used)),
            ] {
                assert_eq!(said[name].as_f64(), figure, "{name} of {text}");
            }
            for (score, said) in outcome.scores.iter().zip(said["scores"].as_array().unwrap()) {
                assert_eq!(said["value"].as_f64(), score.value, "{score:?} of {text}");
            }
            let span = outcome.scenario.definition;
            assert_eq!(said["scenario"]["definition"], json!(span));
        }
        Err(violations) => {
            assert_eq!(verdict, json!({"verdict": "rejected", "violations": violations}));
        }
    }
    // The document with white space around it is the same document.
    let spaced = format!(" \n{document}\t");
    let spaced = arc_extractor::extract_outcome(&spaced);
    assert_eq!(
        spaced.map(|outcome| outcome.scenario.id).ok(),
        answer.map(|it| it.scenario.id).ok()
    );
}

/// The input is a list of scenarios.
pub(super) fn scenarios(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let answer = arc_extractor::extract_scenarios(text);
    assert_eq!(arc_extractor::extract_scenarios(text), answer, "called twice");
    match answer {
        Err(violations) => check_violations(&violations),
        Ok(scenarios) => {
            // Not as values: a lone surrogate is accepted, but is not valid in
            // a Rust string.
            let elements: Vec<&RawValue> = serde_json::from_str(text).expect("it is an array");
            assert_eq!(elements.len(), scenarios.len());
            for scenario in &scenarios {
                check_scenario(text, scenario);
            }
            let ids: BTreeSet<&str> = scenarios.iter().map(|scenario| &*scenario.id).collect();
            assert_eq!(ids.len(), scenarios.len(), "one is planned twice: {text}");
        }
    }
}

fn check_scenario(text: &str, scenario: &Scenario) {
    assert!((1..=512).contains(&scenario.id.len()), "{scenario:?}");
    let definition = slice(text, scenario.definition).expect("it is in the list");
    assert!(definition.starts_with('{') && definition.ends_with('}'), "{definition}");
    // As the only element of a list it is the same scenario.
    let alone = arc_extractor::extract_scenarios(&format!("[{definition}]")).unwrap();
    assert_eq!((&alone[0].id, &alone[0].name), (&scenario.id, &scenario.name));
    for text in [Some(&scenario.id), scenario.name.as_ref(), scenario.task_prompt.as_ref()] {
        assert!(!text.is_some_and(|text| text.contains('\0')), "PostgreSQL cannot keep it");
    }
}

/// The input is a suite's own summary.
pub(super) fn suite(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let answer = arc_extractor::extract_suite(text);
    assert_eq!(arc_extractor::extract_suite(text), answer, "called twice");
    match answer {
        Err(violations) => check_violations(&violations),
        Ok(suite) => check_summary(&suite),
    }
}

/// Checks the figures that a format returns for all results.
pub(super) fn check_summary(suite: &arc_extractor::SuiteSummary) {
    let scores = suite.average_dimension_scores.iter().filter_map(|dimension| dimension.value);
    for score in scores.chain(suite.average_reliability_score) {
        assert!(score.is_finite(), "{suite:?}");
    }
    let figures = [
        suite.total_cost_usd,
        suite.execution_time_ms,
        suite.average_execution_time_ms,
        suite.speedup_factor,
    ];
    for figure in figures.into_iter().flatten() {
        assert!(figure.is_finite() && figure >= 0.0, "{suite:?}");
    }
    for count in [suite.successful_runs, suite.total_tokens_used].into_iter().flatten() {
        assert!((0.0..=9_007_199_254_740_992.0).contains(&count) && count.fract() == 0.0);
    }
    let names: BTreeSet<&str> =
        suite.average_dimension_scores.iter().map(|dimension| &*dimension.name).collect();
    assert_eq!(names.len(), suite.average_dimension_scores.len(), "a dimension twice: {suite:?}");
    if !suite.warnings.is_empty() {
        check_violations(&suite.warnings);
    }
}

/// Checks that there is at least one violation, and that each has a place, a
/// code and a message.
pub(super) fn check_violations(violations: &[Violation]) {
    assert!(!violations.is_empty(), "refused without a reason");
    for violation in violations {
        assert!(violation.path.is_empty() || violation.path.starts_with('/'), "{violation:?}");
        assert!(!violation.code.is_empty() && !violation.message.is_empty(), "{violation:?}");
        let texts = [&violation.path, &violation.message];
        assert!(texts.iter().all(|text| !text.contains('\0')), "PostgreSQL cannot keep it");
    }
}
