//! What must hold of whole reports.

use super::*;

fn compared(baseline: &Run, candidate: &Run, metric: &Metric) -> RunComparison {
    let candidates = std::slice::from_ref(candidate);
    let report = compare(baseline, candidates, metric, &Options::default()).unwrap();
    report.candidates.into_iter().next().unwrap()
}

fn correct() -> Metric {
    Metric::binary("correct")
}

fn gated(baseline: &Run, run: &Run, margin: f64) -> Result<GateReport, Refusal> {
    gate(baseline, run, &correct(), &GateOptions { margin, ..GateOptions::default() })
}

/// One trial of each of `count` scenarios, of which the first `passed` pass.
fn single(name: &str, count: usize, passed: usize) -> Run {
    let scores: Vec<[f64; 1]> =
        (0..count).map(|number| [f64::from(u8::from(number < passed))]).collect();
    Run::of_scores(name, &scores)
}

/// Random scores of several trials.
fn random(name: &str, count: usize, trials: usize, rate: f64, seed: u64) -> Run {
    let mut generator = RandomGenerator::new(seed);
    let mut trial = || f64::from(u8::from(generator.fraction() < rate));
    let scores: Vec<Vec<f64>> =
        (0..count).map(|_| (0..trials).map(|_| trial()).collect()).collect();
    Run::of_scores(name, &scores)
}

fn difference_of(run: &RunComparison) -> &Difference {
    run.difference.as_ref().unwrap()
}

// The cases on which widely used tools go wrong.

#[test]
fn a_fall_from_100_to_20_percent_in_which_each_scenario_still_passes_once_fails() {
    let baseline = Run::of_scores("A", &[[1.0; 5]; 50]);
    let run = Run::of_scores("B", &[[1.0, 0.0, 0.0, 0.0, 0.0]; 50]);
    let report = gated(&baseline, &run, 0.02).unwrap();
    assert_eq!(report.decision, Decision::Regressed);
    assert!(report.text.starts_with("Regressed: B is worse than A by more than 2.0 points"));
    let verdict = compared(&baseline, &run, &correct()).verdict;
    assert_eq!(verdict.answer, Answer::Worse);
    assert_eq!(
        verdict.text,
        "B is worse than A by exactly 80.0 points in each of the 50 scenarios that both have."
    );
}

#[test]
fn scenarios_with_five_trials_on_both_sides_are_one_pair_each() {
    let comparison =
        compared(&random("A", 100, 5, 0.5, 1), &random("B", 100, 5, 0.9, 2), &correct());
    assert_eq!(comparison.denominators.in_both, 100);
    assert_eq!(difference_of(&comparison).scenarios, 100);
    assert_eq!(comparison.verdict.answer, Answer::Better);
}

#[test]
fn runs_over_different_subsets_are_compared_over_the_common_tasks() {
    let mut baseline = single("A", 60, 30);
    let mut candidate = single("B", 60, 30);
    // The baseline lacks what fails, and the candidate what passes.
    baseline.scenarios.truncate(50);
    candidate.scenarios.drain(..10);
    let comparison = compared(&baseline, &candidate, &correct());
    let groups = &comparison.denominators;
    assert_eq!((groups.in_both, groups.only_in_baseline.len()), (40, 10));
    assert_eq!(groups.only_in_candidate[0], "scenario-00050");
    assert_eq!(difference_of(&comparison).difference, 0.0);
    assert_eq!(comparison.verdict.answer, Answer::Equal);
    // A missing reward is not 0.
    candidate.scenarios[0].trials = vec![Trial::without_score(TrialState::NotScored)];
    let comparison = compared(&baseline, &candidate, &correct());
    assert_eq!(comparison.denominators.not_scored, ["scenario-00010"]);
    assert_eq!(difference_of(&comparison).difference, 0.0);
}

#[test]
fn paired_data_have_a_paired_test() {
    // 200 scenarios, of which 3 pass only in A and 15 only in B: unpaired, p is about 0.2.
    let scores = |both: usize, own: std::ops::Range<usize>| -> Vec<[f64; 1]> {
        (0..200).map(|i| [f64::from(u8::from(i < both || own.contains(&i)))]).collect()
    };
    let baseline = Run::of_scores("A", &scores(100, 100..103));
    let candidate = Run::of_scores("B", &scores(100, 103..118));
    let comparison = compared(&baseline, &candidate, &correct());
    let test = difference_of(&comparison).test.unwrap();
    assert_eq!(test.method, TestMethod::Mcnemar);
    assert!((test.p_value - 0.007_537_841_796_875).abs() < 1e-12, "{test:?}");
    assert_eq!(comparison.verdict.answer, Answer::Better);
}

// What must hold.

#[test]
fn pairs_are_made_by_id_and_content() {
    let mut baseline = single("A", 40, 20);
    let mut candidate = single("B", 40, 20);
    for scenario in baseline.scenarios.iter_mut().chain(&mut candidate.scenarios) {
        scenario.content_digest = Some("one".to_owned());
    }
    candidate.scenarios.reverse();
    candidate.scenarios[0].content_digest = Some("other".to_owned());
    let comparison = compared(&baseline, &candidate, &correct());
    assert_eq!(comparison.denominators.changed, ["scenario-00039"]);
    assert_eq!(comparison.denominators.in_both, 39);
    assert_eq!(comparison.denominators.content_not_verified, 0);
    assert_eq!(comparison.verdict.answer, Answer::Equal);
}

#[test]
fn a_gate_refuses_missing_scenarios_duplicate_ids_and_failures_of_infrastructure() {
    let baseline = random("A", 100, 1, 0.9, 1);
    let mut run = baseline.clone();
    run.name = "B".to_owned();
    let lost = run.scenarios.pop().unwrap();
    let refusal = gated(&baseline, &run, 0.5).unwrap_err();
    assert!(
        matches!(refusal, Refusal::MissingScenarios { ref ids, .. } if *ids == [lost.id.clone()])
    );
    run.scenarios.push(run.scenarios[0].clone());
    let refusal = gated(&baseline, &run, 0.5).unwrap_err();
    assert!(matches!(refusal, Refusal::DuplicateIds { ref ids, .. } if ids.len() == 1));
    run.scenarios.pop();
    run.scenarios.push(lost);
    for scenario in run.scenarios.iter_mut().take(3) {
        scenario.trials = vec![Trial::without_score(TrialState::Infrastructure)];
    }
    let refusal = gated(&baseline, &run, 0.5).unwrap_err();
    assert_eq!(refusal.to_string(), "B: 3 of 100 trials failed by infrastructure, more than 2 %");
    run.scenarios[0].trials = vec![Trial::without_score(TrialState::Missing)];
    let refusal = gated(&baseline, &run, 0.5).unwrap_err();
    assert!(matches!(refusal, Refusal::MissingScenarios { .. }));
    run.scenarios[0].trials = vec![Trial::scored(1.0)];
    assert_eq!(gated(&baseline, &run, 0.5).unwrap().decision, Decision::Passed);
    assert!(matches!(gated(&baseline, &run, -1.0), Err(Refusal::InvalidMargin { .. })));
    assert!(matches!(gated(&baseline, &run, f64::NAN), Err(Refusal::InvalidMargin { .. })));
}

#[test]
fn only_the_latest_counted_attempt_is_in_the_score() {
    use TrialState::{Infrastructure, Scored};
    let attempts = [(Infrastructure, 1.0), (Scored, 0.0), (Scored, 1.0)];
    let states = attempts.map(|(state, _)| state);
    let (state, score) = attempts[counted_attempt(&states).unwrap()];
    assert_eq!((state, score), (Scored, 0.0));
}

#[test]
fn different_extractors_are_reported() {
    let mut baseline = single("A", 10, 5);
    let mut candidate = single("B", 10, 5);
    assert_eq!(compared(&baseline, &candidate, &correct()).extractors.is_same, None);
    baseline.extractor_versions = vec!["1.0".to_owned()];
    candidate.extractor_versions = vec!["1.1".to_owned()];
    assert_eq!(compared(&baseline, &candidate, &correct()).extractors.is_same, Some(false));
    candidate.extractor_versions = vec!["1.0".to_owned(), "1.0".to_owned()];
    assert_eq!(compared(&baseline, &candidate, &correct()).extractors.is_same, Some(true));
}

#[test]
fn a_running_run_has_interim_intervals_and_no_verdict() {
    let baseline = single("A", 100, 80);
    let mut candidate = single("B", 100, 20);
    candidate.is_interim = true;
    let comparison = compared(&baseline, &candidate, &correct());
    assert_eq!(comparison.verdict.answer, Answer::Interim);
    assert!(comparison.verdict.text.starts_with("No verdict yet, because a run is still running:"));
    assert!(difference_of(&comparison).interval.unwrap().is_interim);
    assert!(comparison.candidate.score.unwrap().interval.unwrap().is_interim);
    assert!(matches!(gated(&baseline, &candidate, 0.02), Err(Refusal::Interim { .. })));
    let swapped = compared(&candidate, &baseline, &correct());
    assert_eq!(swapped.verdict.answer, Answer::Interim);
    assert!(swapped.difference.unwrap().interval.unwrap().is_interim);
}

#[test]
fn a_constant_difference_is_exact_and_few_scenarios_do_not_make_it_sure() {
    let three = compared(&single("A", 3, 0), &single("B", 3, 3), &correct());
    let difference = difference_of(&three);
    assert!(difference.is_exact);
    assert_eq!(difference.interval.unwrap().method, IntervalMethod::Exact);
    assert_eq!(three.verdict.answer, Answer::NotDecided);
    assert!(three.verdict.text.contains("exactly 100.0 points in each of the 3 scenarios"));
    let none = compared(&single("A", 100, 50), &single("B", 100, 50), &correct());
    assert_eq!(none.verdict.answer, Answer::Equal);
    // The smallest difference is not 0 because nothing differs.
    assert!(none.power.unwrap().smallest_difference.unwrap() > 0.05);
}

#[test]
fn the_interval_alone_does_not_decide_with_few_scenarios_that_differ() {
    let comparison = compared(&single("A", 40, 20), &single("B", 40, 25), &correct());
    let difference = difference_of(&comparison);
    assert!(difference.interval.unwrap().low > 0.0);
    assert!(difference.interval.unwrap().is_approximate);
    assert!((difference.test.unwrap().p_value - 0.0625).abs() < 1e-12);
    assert_eq!(comparison.verdict.answer, Answer::NotDecided);
    let text = &comparison.verdict.text;
    assert!(text.contains("Only 5 scenarios differ, in which chance can do that."), "{text}");
}

#[test]
fn the_verdict_has_the_effect_and_its_interval_and_no_bare_p() {
    let baseline = random("A", 100, 5, 0.5, 1);
    let better = compared(&baseline, &random("B", 100, 5, 0.6, 2), &correct()).verdict;
    assert_eq!(
        better.text,
        "B is better than A by 11.2 points (95 % interval 5.1 to 17.3), over 100 scenarios that \
         both have."
    );
    let unsure = compared(&baseline, &random("B", 100, 5, 0.5, 3), &correct()).verdict;
    assert_eq!(unsure.answer, Answer::NotDecided);
    assert!(unsure.text.contains("95 % interval"), "{}", unsure.text);
    assert!(unsure.text.contains("Runs of this size can show a difference of "));
    for text in [better.text, unsure.text] {
        assert!(
            !text.contains("p =") && !text.contains("p-value") && !text.contains("significant")
        );
    }
    let nothing = compared(&Run::default(), &Run::default(), &correct()).verdict;
    assert_eq!(nothing.answer, Answer::NothingInBoth);
}

#[test]
fn lower_is_better_turns_verdict_gate_and_lists() {
    let seconds = Metric {
        higher_is_better: false,
        unit: Some("seconds".to_owned()),
        ..Metric::number("latency")
    };
    let scores = |shift: f64| -> Vec<[f64; 1]> {
        (0..100).map(|i| [10.0 + shift + f64::from(i * i % 7) * (1.0 + shift / 10.0)]).collect()
    };
    let slow = Run::of_scores("slow", &scores(2.0));
    let fast = Run::of_scores("fast", &scores(0.0));
    let comparison = compared(&slow, &fast, &seconds);
    assert_eq!(comparison.verdict.answer, Answer::Better);
    assert!(comparison.verdict.text.starts_with("fast is better than slow by 2."));
    assert!(difference_of(&comparison).difference < 0.0);
    assert_eq!((comparison.better.len(), comparison.worse.len()), (100, 0));
    let options = GateOptions { margin: 0.5, ..GateOptions::default() };
    let passed = gate(&slow, &fast, &seconds, &options).unwrap();
    let failed = gate(&fast, &slow, &seconds, &options).unwrap();
    assert_eq!((passed.decision, failed.decision), (Decision::Passed, Decision::Regressed));
    // Both directions of the same data are mirror images.
    let negative = |run: &Run| {
        let mut run = run.clone();
        let trials = run.scenarios.iter_mut().flat_map(|scenario| &mut scenario.trials);
        trials.for_each(|trial| trial.score = trial.score.map(|score| -score));
        run
    };
    let higher = Metric { higher_is_better: true, ..seconds };
    let mirrored = gate(&negative(&fast), &negative(&slow), &higher, &options).unwrap();
    assert_eq!(mirrored.decision, Decision::Regressed);
    assert_eq!(mirrored.regression_p_value, failed.regression_p_value);
    assert_eq!(mirrored.interval.unwrap().low, -failed.interval.unwrap().high);
}

#[test]
fn the_same_rows_have_the_same_bytes_in_any_order() {
    let mut baseline = random("A", 200, 3, 0.5, 1);
    let mut candidate = random("B", 200, 3, 0.6, 2);
    let mut generator = RandomGenerator::new(5);
    for run in [&mut baseline, &mut candidate] {
        for (number, scenario) in run.scenarios.iter_mut().enumerate() {
            scenario.cluster = Some(format!("cluster-{}", number % 40));
            scenario.tags = vec![format!("tag-{}", number % 3), "all".to_owned()];
            for trial in &mut scenario.trials {
                trial.cost_usd = Some(generator.fraction());
                trial.score = trial.score.map(|score| score * 0.1 + generator.fraction());
            }
        }
    }
    let options = Options {
        cluster_by: Some("repository".to_owned()),
        by_tag: true,
        bootstrap: true,
        ..Options::default()
    };
    let metric = Metric::number("points");
    let bytes = |baseline: &Run, candidate: &Run| {
        let candidates = std::slice::from_ref(candidate);
        let report = compare(baseline, candidates, &metric, &options).unwrap();
        serde_json::to_string(&report).unwrap()
    };
    let first = bytes(&baseline, &candidate);
    for run in [&mut baseline, &mut candidate] {
        run.scenarios.reverse();
        run.scenarios.rotate_left(17);
        for scenario in &mut run.scenarios {
            scenario.trials.reverse();
            scenario.tags.reverse();
        }
    }
    assert_eq!(first, bytes(&baseline, &candidate));
    assert!(!first.contains("null,null,null,null"));
}

#[test]
fn several_candidates_and_tags_are_corrected_and_counted() {
    let mut baseline = random("A", 100, 3, 0.5, 1);
    for (number, scenario) in baseline.scenarios.iter_mut().enumerate() {
        scenario.tags = vec![format!("tag-{}", number % 2)];
    }
    let candidates: Vec<Run> =
        (0..4).map(|i| random(&format!("B{i}"), 100, 3, 0.6, 10 + i)).collect();
    let options = Options { by_tag: true, correction: Correction::Holm, ..Options::default() };
    let report = compare(&baseline, &candidates, &correct(), &options).unwrap();
    assert_eq!((report.compared_candidates, report.compared_tags), (4, 8));
    let tests: Vec<Test> =
        report.candidates.iter().map(|one| difference_of(one).test.unwrap()).collect();
    let p_values: Vec<f64> = tests.iter().map(|test| test.p_value).collect();
    let adjusted: Vec<f64> = tests.iter().map(|test| test.adjusted_p_value).collect();
    assert_eq!(adjusted, holm(&p_values));
    assert_eq!(report.candidates[0].by_tag.len(), 2);
}

#[test]
fn clusters_are_used_by_interval_test_and_denominator() {
    let mut baseline = random("A", 60, 1, 0.3, 1);
    let mut candidate = random("B", 60, 1, 0.7, 2);
    for run in [&mut baseline, &mut candidate] {
        for (number, scenario) in run.scenarios.iter_mut().enumerate() {
            scenario.cluster = Some((number / 6).to_string());
        }
    }
    let options = Options { cluster_by: Some("repository".to_owned()), ..Options::default() };
    let candidates = std::slice::from_ref(&candidate);
    let report = compare(&baseline, candidates, &correct(), &options).unwrap();
    let difference = difference_of(&report.candidates[0]);
    assert_eq!(difference.clusters, Some(10));
    assert_eq!(difference.interval.unwrap().degrees_of_freedom, Some(9.0));
    let test = difference.test.unwrap();
    assert_eq!((test.method, test.random_flips), (TestMethod::SignFlip, None));
    assert!(test.different_units <= 10);
    assert_eq!(report.baseline.score.unwrap().interval.unwrap().degrees_of_freedom, Some(9.0));
}

#[test]
fn a_gate_that_is_not_decided_names_what_would_decide_it() {
    let baseline = random("A", 100, 3, 0.7, 1);
    let report = gated(&baseline, &random("B", 100, 3, 0.7, 2), 0.02).unwrap();
    assert_eq!(report.decision, Decision::NotDecided);
    let more = report.more_scenarios.unwrap();
    assert!(report.text.contains(&format!("{} more scenarios", number_text::whole(more))));
    assert!(
        report.text.starts_with("Not decided whether B is worse than A by more than 2.0 points")
    );
    // With that number, it is decided.
    let distance = report.difference + report.margin;
    let power = report.report.candidates[0].power.unwrap();
    assert_eq!(power.scenarios_needed(distance).unwrap(), more + 100);
}

#[test]
fn a_gate_at_the_ceiling_does_not_pass_because_nothing_differs() {
    let report = gated(&single("A", 30, 30), &single("B", 30, 30), 0.02).unwrap();
    assert_eq!((report.decision, report.is_widened), (Decision::NotDecided, true));
    assert!(report.more_scenarios.is_some());
    let report = gated(&single("A", 400, 400), &single("B", 400, 400), 0.02).unwrap();
    assert_eq!(report.decision, Decision::Passed);
}

#[test]
fn the_interval_of_a_gate_is_that_of_its_differences() {
    for (count, trials, rate, margin) in
        [(30, 1, 0.98, 0.05), (100, 3, 0.9, 0.02), (60, 1, 1.0, 0.1)]
    {
        let [a, b] = [1, 2].map(|seed| random("A", count, trials, rate, seed));
        let gate = gated(&a, &b, margin).unwrap();
        let mean = |run: &Run, number: usize| {
            let scores = &run.scenarios[number].trials;
            scores.iter().map(|trial| trial.score.unwrap()).sum::<f64>() / trials as f64
        };
        let values = (0..count).map(|number| mean(&b, number) - mean(&a, number)).collect();
        let own = GateInterval::of_sample(&Sample::new(values), &correct(), margin).unwrap();
        assert!((own.interval.low - gate.interval.unwrap().low).abs() < 1e-12);
        assert_eq!(own.decision(&correct(), margin), gate.decision);
        assert_eq!(own.is_widened, gate.is_widened);
    }
}

#[test]
fn several_gates_are_corrected_by_holm() {
    let baseline = random("A", 300, 1, 0.7, 1);
    let worse = gated(&baseline, &random("B", 300, 1, 0.58, 2), 0.02).unwrap();
    assert_eq!(worse.decision, Decision::Regressed);
    let p_value = worse.regression_p_value.unwrap();
    assert!(p_value > 0.001 && p_value < 0.025, "{p_value}");
    let same = gated(&baseline, &random("C", 300, 1, 0.7, 3), 0.02).unwrap();
    let mut gates = vec![worse; 1];
    gates.extend(std::iter::repeat_n(same, 30));
    correct_gates(&mut gates);
    assert_eq!((gates[0].decision, gates[0].gates), (Decision::NotDecided, 31));
}

#[test]
fn resources_are_compared_without_what_is_absent() {
    let mut baseline = single("A", 40, 20);
    let mut candidate = single("B", 40, 20);
    for (number, (a, b)) in baseline.scenarios.iter_mut().zip(&mut candidate.scenarios).enumerate()
    {
        let cost = 0.01 * (number + 1) as f64;
        a.trials[0].cost_usd = Some(cost);
        b.trials[0].cost_usd = Some(cost * 1.5);
        b.trials[0].tokens = Some(100.0);
    }
    baseline.scenarios[0].trials[0].cost_usd = None;
    baseline.scenarios[1].trials[0].cost_usd = Some(f64::NAN);
    let comparison = compared(&baseline, &candidate, &correct());
    let cost = comparison.cost_usd.unwrap();
    assert_eq!(cost.scenarios, 38);
    assert!((cost.candidate / cost.baseline - 1.5).abs() < 1e-12);
    assert!(cost.interval.unwrap().low > 0.0);
    assert_eq!(comparison.tokens, None);
    assert_eq!(comparison.candidate.tokens.unwrap().value, 100.0);
}
