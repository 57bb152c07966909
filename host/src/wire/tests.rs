//! Answers are unchanged after a round trip, to the last bit of every figure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::{Problem, ProblemCode};
use crate::JsonText;
use crate::extraction::{OutcomeStatus, Violation};
use crate::recorder::{SimulationCompleted, SimulationFigures, SimulationProgress};
use crate::store::{
    HourlyPerformance, MetricFigures, Origin, Performance, PerformanceSummary, RecordedOutcome,
    SimulationStatus, UsageFigures,
};

/// Returns the answer that the client reads.
fn round_trip<T: Serialize + DeserializeOwned>(answer: &T) -> T {
    serde_json::from_slice(&serde_json::to_vec(answer).unwrap()).unwrap()
}

/// The doubles that JSON can represent: all but the infinities and NaN.
fn figure() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>()
            .prop_map(f64::from_bits)
            .prop_filter("JSON can represent it", |it| it.is_finite()),
        0.0..=1.0_f64,
        // A mean, whose last digits come from division.
        (1..1_000_000_u32, 1..1_000_000_u32)
            .prop_map(|(sum, count)| f64::from(sum) / f64::from(count)),
    ]
}

fn completed_at() -> Timestamp {
    "2026-01-02T03:04:05.000006Z".parse().unwrap()
}

fn progress(
    [progress_percentage, score, total_cost_usd, execution_time_ms]: [f64; 4],
) -> SimulationProgress {
    SimulationProgress {
        simulation_id: Uuid::nil(),
        project: "default".to_owned(),
        tags: vec!["t".to_owned()],
        simulation_name: None,
        config_version_id: "c".to_owned(),
        status: SimulationStatus::Completed,
        status_reason: None,
        progress_percentage,
        total_scenarios: 1,
        completed_scenarios: 1,
        successful_outcomes: 1,
        failed_outcomes: 0,
        invalidated_outcomes: 0,
        superseded_outcomes: 0,
        superseded_results: Vec::new(),
        rejected_results: 0,
        recorded_outcomes: 1,
        by_status: BTreeMap::new(),
        by_error_category: BTreeMap::new(),
        by_failure_class: BTreeMap::new(),
        review: crate::store::ReviewFigures::default(),
        infrastructure_outcomes: 0,
        overall_score: Some(score),
        score_scale: None,
        headline: None,
        higher_is_better_assumed: Vec::new(),
        warnings: Vec::new(),
        metrics: vec![MetricFigures { mean: Some(score), ..MetricFigures::default() }],
        metric_definitions: Vec::new(),
        reconciliation: None,
        origin: Origin { models: vec!["m".to_owned()], ..Origin::default() },
        total_tokens: i64::MAX,
        all_roles_tokens: i64::MAX,
        total_cost_usd,
        all_roles_cost_usd: total_cost_usd,
        computed_cost_usd: Some(total_cost_usd),
        unpriced_outcomes: 1,
        prices_dated: vec!["2026-11-30".to_owned()],
        usage: vec![UsageFigures { cost_usd: Some(total_cost_usd), ..UsageFigures::default() }],
        execution_time_ms,
        modal_app_id: None,
        metadata: Some(JsonText::of(&serde_json::json!({ "figure": score })).unwrap()),
        created_at: completed_at(),
        started_at: completed_at(),
        completed_at: Some(completed_at()),
    }
}

fn outcome([score, cost_usd, execution_time_ms, dimension]: [f64; 4]) -> RecordedOutcome {
    RecordedOutcome {
        outcome_id: Uuid::nil(),
        scenario_id: "s".to_owned(),
        scenario_name: None,
        trial: 1,
        attempt: 1,
        result_key: None,
        place: None,
        revised_at: None,
        execution_time: completed_at(),
        received_at: completed_at(),
        status: OutcomeStatus::Success,
        reliability_score: Some(score),
        headline: Some("d".to_owned()),
        score: Some(dimension),
        score_lowest: None,
        score_highest: None,
        scores: JsonText::of(&serde_json::json!([{ "name": "d", "value": dimension }])).unwrap(),
        invalidation: None,
        annotations: None,
        execution_time_ms,
        model: Some("m".to_owned()),
        origin: None,
        tokens_used: i64::MAX,
        cost_usd,
        all_roles_tokens: i64::MAX,
        all_roles_cost_usd: cost_usd,
        computed_cost_usd: Some(cost_usd),
        usage: None,
        error_code: None,
        error_category: None,
        failure_class: None,
        failure_rule: None,
        error_message: None,
        modal_call_id: None,
        sandbox_id: None,
        metrics: JsonText::of(&serde_json::json!({})).unwrap(),
        warnings: None,
        extractor: "e".to_owned(),
        trajectory: None,
        document: None,
    }
}

fn bits(outcome: &RecordedOutcome) -> [Option<u64>; 4] {
    let scores: serde_json::Value = outcome.scores.read().unwrap();
    let dimension = scores.pointer("/0/value").and_then(|it| it.as_f64());
    let RecordedOutcome { reliability_score, execution_time_ms, cost_usd, .. } = outcome;
    [*reliability_score, Some(*cost_usd), Some(*execution_time_ms), dimension]
        .map(|figure| figure.map(f64::to_bits))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_status_arrives_as_it_was_sent(figures in [figure(), figure(), figure(), figure()]) {
        let status = progress(figures);
        prop_assert_eq!(round_trip(&status), status);
    }

    #[test]
    fn an_outcome_arrives_as_it_was_sent(figures in [figure(), figure(), figure(), figure()]) {
        let outcome = outcome(figures);
        prop_assert_eq!(bits(&round_trip(&outcome)), bits(&outcome));
        prop_assert_eq!(bits(&outcome), figures.map(|figure| Some(figure.to_bits())));
    }

    #[test]
    fn figures_arrive_as_they_were_sent(figures in [figure(), figure(), figure(), figure()]) {
        let [score, total_cost_usd, execution_time_seconds, time_range_hours] = figures;
        let figures =
            SimulationFigures { overall_score: Some(score), total_cost_usd, execution_time_seconds };
        let completed = SimulationCompleted {
            simulation_id: Uuid::nil(),
            status: SimulationStatus::Completed,
            figures,
            computed: figures,
            score_scale: Some(1.0),
            completed_at: completed_at(),
            warnings: vec![Violation {
                path: "/total_cost_usd".to_owned(),
                code: "not_finite".to_owned(),
                message: "NaN is read as absent".to_owned(),
            }],
        };
        prop_assert_eq!(round_trip(&completed), completed);
        let performance = Performance {
            simulation_id: Uuid::nil(),
            time_range_hours,
            headline: Some("m".to_owned()),
            hourly_metrics: vec![HourlyPerformance {
                hour: completed_at(),
                total_outcomes: 1,
                avg_reliability: Some(score),
                avg_execution_time: execution_time_seconds,
                total_cost: total_cost_usd,
                error_count: 0,
            }],
            summary: PerformanceSummary {
                total_outcomes: 1,
                avg_reliability: Some(score),
                total_cost: total_cost_usd,
            },
        };
        prop_assert_eq!(round_trip(&performance), performance);
    }
}

#[test]
fn a_document_that_takes_too_much_memory_to_read_is_the_callers() {
    let error = crate::Error::from(crate::extraction::ExtractionError::Memory(128));
    let problem = Problem::from(error);
    assert_eq!((problem.code, problem.status), (ProblemCode::InvalidRequest, 400));
    assert!(problem.detail.contains("128 bytes"), "{}", problem.detail);
    assert!(!problem.retryable);
}
