//! The recorder compared with a model of its guarantees, step by step, with random steps.

use std::collections::{BTreeMap, BTreeSet};

use arc_host::extraction::{ExtractionSettings, Extractor};
use arc_host::recorder::{SimulationStart, Submission, Verdict};
use arc_host::store::SimulationStatus;
use arc_host::{Error, Recorder};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use uuid::Uuid;

use crate::support::TestDatabase;

/// The number of scenarios of every plan; a result can also belong to an unplanned one.
const PLANNED: usize = 3;

/// The cost of each valid result: a binary fraction, so that the model's sums are exact.
const COST_USD: f64 = 0.25;

#[derive(Clone, Debug)]
enum Step {
    Record(Vec<Shot>),
    Complete,
    Fail,
    Cancel,
}

/// A result to send.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Shot {
    scenario: usize,
    trial: Option<u32>,
    /// In quarters; `None` is a failed run.
    score: Option<u8>,
    valid: bool,
    variant: u8,
}

impl Shot {
    fn document(&self) -> String {
        let status = match (self.valid, self.score) {
            (false, _) => "confused",
            (true, Some(_)) => "success",
            (true, None) => "error",
        };
        let score = self.score.map_or(0.0, |quarters| f64::from(quarters) / 4.0);
        format!(
            r#"{{"scenario":{{"id":"s{}"}},"trajectory":{{"status":"{status}","token_usage":{{"total_cost":{COST_USD}}}}},"reliability_score":{score},"variant":{}}}"#,
            self.scenario, self.variant
        )
    }
}

/// The expected state of a simulation.
struct Model {
    status: SimulationStatus,
    stored: BTreeSet<Shot>,
    /// The trial that was passed, and the document: together they determine the id.
    rejected: BTreeSet<(Option<u32>, String)>,
    /// The latest outcome of each scenario and trial, and the number of attempts.
    latest: BTreeMap<(usize, u32), (Option<u8>, i64)>,
}

impl Model {
    fn record(&mut self, shot: &Shot) -> &'static str {
        if !shot.valid {
            self.rejected.insert((shot.trial, shot.document()));
            return "rejected";
        }
        if !self.stored.insert(shot.clone()) {
            return "duplicate";
        }
        let place = (shot.scenario, shot.trial.unwrap_or(1));
        let attempts = self.latest.get(&place).map_or(0, |(_, attempts)| *attempts);
        self.latest.insert(place, (shot.score, attempts + 1));
        "stored"
    }

    fn end(&mut self, wanted: SimulationStatus) -> bool {
        let may = self.status == SimulationStatus::Running || self.status == wanted;
        if may {
            self.status = wanted;
        }
        may
    }

    fn score(&self) -> Option<f64> {
        // The mean over the scenarios of the mean over each scenario's trials.
        let mut scenarios: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        for ((scenario, _), (score, _)) in &self.latest {
            scenarios.entry(*scenario).or_default().push(f64::from(score.unwrap_or(0)) / 4.0);
        }
        let means =
            scenarios.values().map(|trials| trials.iter().sum::<f64>() / trials.len() as f64);
        (!scenarios.is_empty()).then(|| means.sum::<f64>() / scenarios.len() as f64)
    }

    async fn check(&self, recorder: &Recorder, id: Uuid) {
        let progress = recorder.simulation_status(id).await.unwrap();
        let unplanned =
            self.latest.keys().filter(|(scenario, trial)| *scenario >= PLANNED || *trial > 1);
        let successful = self.latest.values().filter(|(score, _)| score.is_some()).count();
        assert_eq!(progress.status, self.status);
        assert_eq!(progress.total_scenarios, (PLANNED + unplanned.count()) as i64);
        assert_eq!(progress.completed_scenarios, self.latest.len() as i64);
        assert_eq!(progress.successful_outcomes, successful as i64);
        assert_eq!(progress.failed_outcomes, (self.latest.len() - successful) as i64);
        assert_eq!(progress.recorded_outcomes, self.stored.len() as i64);
        assert_eq!(progress.rejected_results, self.rejected.len() as i64);
        assert_eq!(progress.total_cost_usd, self.stored.len() as f64 * COST_USD);
        match (progress.overall_score, self.score()) {
            (Some(found), Some(expected)) => assert!((found - expected).abs() < 1e-12),
            (found, expected) => assert_eq!(found, expected),
        }
        let page = recorder
            .outcomes(id, &Default::default(), 1_000, None, Default::default())
            .await
            .unwrap();
        let attempts = |(scenario, trial): &(usize, u32)| {
            let of_place = page.outcomes.iter().filter(|outcome| {
                outcome.scenario_id == format!("s{scenario}") && outcome.trial == *trial as i32
            });
            of_place.map(|outcome| outcome.attempt).collect::<Vec<_>>()
        };
        for (place, (_, total)) in &self.latest {
            assert_eq!(attempts(place), (1..=*total).collect::<Vec<_>>());
        }
    }
}

fn shots() -> impl Strategy<Value = Shot> {
    let trial = prop_oneof![3 => Just(None), 1 => (1..=2_u32).prop_map(Some)];
    let score = prop_oneof![3 => (0..=4_u8).prop_map(Some), 1 => Just(None)];
    (0..=PLANNED, trial, score, prop::bool::weighted(0.85), 0..2_u8).prop_map(
        |(scenario, trial, score, valid, variant)| Shot { scenario, trial, score, valid, variant },
    )
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => prop::collection::vec(shots(), 0..6).prop_map(Step::Record),
        1 => Just(Step::Complete),
        1 => Just(Step::Fail),
        1 => Just(Step::Cancel),
    ];
    prop::collection::vec(step, 1..16)
}

async fn run(recorder: &Recorder, steps: &[Step]) {
    let id = arc_host::recorder::new_simulation_id();
    let start = |scenarios: &str| SimulationStart {
        simulation_id: Some(id),
        config_version_id: "model".to_owned(),
        scenarios: scenarios.to_owned(),
        ..SimulationStart::default()
    };
    let plan = r#"[{"id":"s0"},{"id":"s1"},{"id":"s2"}]"#;
    let first = recorder.start_simulation(start(plan)).await.unwrap();
    assert_eq!(first.scenario_count, PLANNED as u32);
    assert!(!first.configuration_exists);
    let mut model = Model {
        status: SimulationStatus::Running,
        stored: BTreeSet::new(),
        rejected: BTreeSet::new(),
        latest: BTreeMap::new(),
    };
    for step in steps {
        match step {
            Step::Record(shots) => {
                let submissions = shots
                    .iter()
                    .map(|shot| Submission {
                        trial: shot.trial,
                        ..Submission::new(shot.document())
                    })
                    .collect();
                let verdicts = recorder.record_batch(id, submissions).await.unwrap();
                let found: Vec<&str> = verdicts
                    .iter()
                    .map(|item| match item.verdict {
                        Verdict::Stored => "stored",
                        Verdict::Duplicate => "duplicate",
                        Verdict::Spooled => "spooled",
                        Verdict::Rejected(_) => "rejected",
                        Verdict::Failed { .. } => "failed",
                    })
                    .collect();
                let expected: Vec<&str> = shots.iter().map(|shot| model.record(shot)).collect();
                assert_eq!(found, expected, "{shots:?}");
            }
            Step::Complete => match recorder.complete_simulation(id, None).await {
                Ok(completed) => {
                    assert!(model.end(SimulationStatus::Completed));
                    assert_eq!(
                        completed.figures.total_cost_usd,
                        model.stored.len() as f64 * COST_USD
                    );
                    assert_eq!(completed.figures.overall_score.is_some(), model.score().is_some());
                }
                Err(error) => refused(&error, model.end(SimulationStatus::Completed)),
            },
            Step::Fail => match recorder.fail_simulation(id, "a reason").await {
                Ok(_) => assert!(model.end(SimulationStatus::Failed)),
                Err(error) => refused(&error, model.end(SimulationStatus::Failed)),
            },
            Step::Cancel => match recorder.cancel_simulation(id, "a reason").await {
                Ok(_) => assert!(model.end(SimulationStatus::Cancelled)),
                Err(error) => refused(&error, model.end(SimulationStatus::Cancelled)),
            },
        }
        // Starting again after any steps changes nothing; another plan is refused.
        let again = recorder.start_simulation(start(plan)).await.unwrap();
        assert_eq!((again.created_at, again.status), (first.created_at, model.status));
        let other = recorder.start_simulation(start(r#"[{"id":"s0"}]"#)).await;
        assert!(matches!(other, Err(Error::Conflict(_))));
        model.check(recorder, id).await;
    }
}

fn refused(error: &Error, may: bool) {
    assert!(!may && matches!(error, Error::Conflict(_)), "{error}");
}

#[test]
fn the_recorder_behaves_like_the_model() {
    let database = TestDatabase::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let recorder = runtime.block_on(async {
        let extractor = Extractor::built_in(&ExtractionSettings::default()).unwrap();
        Recorder::new(extractor, database.store()).await.unwrap()
    });
    let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&steps(), |steps| {
            runtime.block_on(run(&recorder, &steps));
            Ok(())
        })
        .unwrap();
    runtime.block_on(recorder.close());
}
