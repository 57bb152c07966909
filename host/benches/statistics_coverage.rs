//! Simulates how often intervals contain the true value, and how often a gate decides wrongly.
//!
//! It prints a table, and exits with 1 if a claim of the documentation does not hold. All random numbers are
//! seeded, so that each run prints the same.

#![allow(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "the figures are printed, and all numbers are small"
)]

use std::process::ExitCode;

use arc_host::analysis::{
    Decision, GateInterval, Interval, Metric, Options, RandomGenerator, Run, RunFigures, Sample,
    compare, is_approximate, normal_quantile, rate_interval, sign_flip_test,
};

/// How many runs or pairs of runs are simulated for the coverage of an interval.
const SIMULATIONS: usize = 20_000;

/// How many pairs of runs are simulated for a gate.
const GATE_SIMULATIONS: usize = 10_000;

/// For how many pairs of runs the limits of a gate's shares are.
const LIMIT_SIMULATIONS: usize = 2_000;

/// How many Monte-Carlo errors a simulated share is allowed to be off.
const ERRORS: f64 = 3.0;

/// Draws a value of a distribution.
type Draw = fn(&mut RandomGenerator) -> f64;

fn main() -> ExitCode {
    let mut claims = Claims::default();
    rates(&mut claims);
    repeated_rates();
    numbers(&mut claims);
    differences(&mut claims);
    false_alarms(&mut claims);
    gates(&mut claims);
    println!("\n{} claims hold, {} do not", claims.held, claims.failed);
    if claims.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The claims that were checked.
#[derive(Default)]
struct Claims {
    held: usize,
    failed: usize,
}

impl Claims {
    /// Counts a claim, and returns a mark of one that does not hold.
    fn check(&mut self, holds: bool) -> &'static str {
        match holds {
            true => self.held += 1,
            false => self.failed += 1,
        }
        if holds { "" } else { "  <- DOES NOT HOLD" }
    }
}

/// The standard error of a simulated share.
fn monte_carlo_error(share: f64, simulations: usize) -> f64 {
    (share * (1.0 - share) / simulations as f64).sqrt()
}

/// The share of intervals that contain a value, and the share of those that are marked as approximate.
#[derive(Default)]
struct Coverage {
    covered: f64,
    marked: f64,
    unmarked_covered: f64,
    all: f64,
}

impl Coverage {
    fn add(&mut self, interval: Option<Interval>, truth: f64, weight: f64) {
        // A rounding error at the end of an interval is no miss.
        let covers =
            interval.is_some_and(|one| one.low - 1e-12 <= truth && truth <= one.high + 1e-12);
        let is_marked = interval.is_none_or(|one| one.is_approximate);
        self.all += weight;
        self.covered += if covers { weight } else { 0.0 };
        self.marked += if is_marked { weight } else { 0.0 };
        self.unmarked_covered += if covers && !is_marked { weight } else { 0.0 };
    }

    fn share(&self) -> f64 {
        self.covered / self.all
    }

    fn marked(&self) -> f64 {
        self.marked / self.all
    }

    fn of_unmarked(&self) -> String {
        match self.all - self.marked {
            unmarked if unmarked / self.all > 1e-3 => {
                format!("{:.4}", self.unmarked_covered / unmarked)
            }
            _ => "-".to_owned(),
        }
    }
}

fn bernoulli(generator: &mut RandomGenerator, rate: f64) -> f64 {
    f64::from(u8::from(generator.fraction() < rate))
}

/// Returns the logarithms of the factorials up to a number.
fn log_factorials(most: usize) -> Vec<f64> {
    let mut sum = 0.0;
    (0..=most)
        .map(|number| {
            sum += if number > 0 { (number as f64).ln() } else { 0.0 };
            sum
        })
        .collect()
}

/// The probability of counts that add up to all, of which each has a probability.
fn multinomial(logs: &[f64], counts: &[usize], rates: &[f64]) -> f64 {
    let log = |number: usize| logs.get(number).copied().unwrap_or(f64::NAN);
    let all: usize = counts.iter().sum();
    let parts = counts.iter().zip(rates).map(|(count, rate)| match count {
        0 => 0.0,
        count => *count as f64 * rate.ln() - log(*count),
    });
    (log(all) + parts.sum::<f64>()).exp()
}

/// Rates of one trial of each scenario: Wilson's interval by simulation of whole runs and by enumeration.
fn rates(claims: &mut Claims) {
    println!("The score of a run, 0 or 1, one trial of each scenario");
    println!("    n     p  simulated   exact  (t interval)  marked  exact, not marked");
    let metric = Metric::binary("correct");
    for (row, (count, rate)) in (0..)
        .zip([30, 100, 300].into_iter().flat_map(|n| [0.5, 0.8, 0.95, 0.99].map(|rate| (n, rate))))
    {
        let mut generator = RandomGenerator::new(100 + row);
        let mut simulated = Coverage::default();
        for _ in 0..SIMULATIONS {
            let scores: Vec<[f64; 1]> =
                (0..count).map(|_| [bernoulli(&mut generator, rate)]).collect();
            let figures =
                RunFigures::new(&Run::of_scores("A", &scores), &metric, &Options::default());
            let score = figures.ok().and_then(|figures| figures.score);
            simulated.add(score.and_then(|score| score.interval), rate, 1.0);
        }
        let logs = log_factorials(count);
        let (mut exact, mut by_t) = (Coverage::default(), Coverage::default());
        for passed in 0..=count {
            let probability = multinomial(&logs, &[passed, count - passed], &[rate, 1.0 - rate]);
            let values = (0..count).map(|number| f64::from(u8::from(number < passed))).collect();
            let sample = Sample::new(values);
            exact.add(rate_interval(&sample, count), rate, probability);
            by_t.add(sample.interval(false), rate, probability);
        }
        let error = ERRORS * monte_carlo_error(exact.share(), SIMULATIONS);
        let mark = claims.check((simulated.share() - exact.share()).abs() <= error);
        println!(
            "{count:>5}  {rate:.2}     {:.4}  {:.4}        {:.4}  {:.4}  {:>17}{mark}",
            simulated.share(),
            exact.share(),
            by_t.share(),
            exact.marked(),
            exact.of_unmarked()
        );
    }
}

/// Rates of five trials: how many results count.
fn repeated_rates() {
    println!("\nThe score of a run, 0 or 1, 5 trials of each scenario");
    println!("    n     p  spread  simulated  (at most n results)  marked");
    for (row, (count, rate, spread)) in (0..).zip([
        (30, 0.5, 0.0),
        (30, 0.5, 0.3),
        (100, 0.8, 0.0),
        (100, 0.8, 0.2),
        (100, 0.95, 0.05),
        (100, 0.5, 0.5),
    ]) {
        let mut generator = RandomGenerator::new(200 + row);
        let (mut simulated, mut capped) = (Coverage::default(), Coverage::default());
        for _ in 0..SIMULATIONS {
            let scores = (0..count).map(|_| trial_mean(&mut generator, rate, spread, 5));
            let sample = Sample::new(scores.collect());
            simulated.add(rate_interval(&sample, 5 * count), rate, 1.0);
            capped.add(rate_interval(&sample, count), rate, 1.0);
        }
        println!(
            "{count:>5}  {rate:.2}    {spread:.2}     {:.4}               {:.4}  {:.4}",
            simulated.share(),
            capped.share(),
            simulated.marked()
        );
    }
}

/// The mean of the trials of a scenario whose rate is one of two.
fn trial_mean(generator: &mut RandomGenerator, rate: f64, spread: f64, trials: usize) -> f64 {
    let own = rate + spread * sign(generator);
    (0..trials).map(|_| bernoulli(generator, own)).sum::<f64>() / trials as f64
}

fn sign(generator: &mut RandomGenerator) -> f64 {
    if generator.fraction() < 0.5 { -1.0 } else { 1.0 }
}

fn normal(generator: &mut RandomGenerator) -> f64 {
    normal_quantile(generator.fraction().max(1e-300)).unwrap_or_default()
}

/// Continuous scores: the t interval, which covers 94 to 96 % from 30 scenarios on unless it is marked.
fn numbers(claims: &mut Claims) {
    println!("\nThe score of a run, continuous");
    println!("    n  distribution  simulated  marked  not marked");
    let distributions: [(&str, Draw, f64); 4] = [
        ("uniform", RandomGenerator::fraction, 0.5),
        ("normal", normal, 0.0),
        ("triangular", |generator| generator.fraction().max(generator.fraction()), 2.0 / 3.0),
        ("lognormal", |generator| normal(generator).exp(), 1.648_721_270_700_128),
    ];
    for (row, (count, (name, draw, truth))) in
        (0..).zip([30, 100].into_iter().flat_map(|n| distributions.map(|one| (n, one))))
    {
        let mut generator = RandomGenerator::new(300 + row);
        let mut coverage = Coverage::default();
        for _ in 0..SIMULATIONS {
            let sample = Sample::new((0..count).map(|_| draw(&mut generator)).collect());
            coverage.add(sample.interval(sample.is_approximate()), truth, 1.0);
        }
        let error = ERRORS * monte_carlo_error(0.95, SIMULATIONS);
        let is_near = (0.94 - error..=0.96 + error).contains(&coverage.share());
        let mark = claims.check(is_near || coverage.marked() > 0.5);
        println!(
            "{count:>5}  {name:<12}     {:.4}  {:.4}  {:>10}{mark}",
            coverage.share(),
            coverage.marked(),
            coverage.of_unmarked()
        );
    }
}

/// Differences of 0 or 1: the t interval by simulation and by enumeration of the scenarios that got worse or better.
fn differences(claims: &mut Claims) {
    println!("\nThe difference of two runs, 0 or 1, one trial of each scenario");
    println!("    n  worse  better  expected to differ  simulated   exact  marked  not marked");
    let rows = [
        (30, 0.01, 0.01),
        (100, 0.02, 0.01),
        (100, 0.10, 0.05),
        (100, 0.15, 0.15),
        (100, 0.25, 0.10),
        (100, 0.30, 0.30),
        (300, 0.02, 0.02),
        (300, 0.06, 0.06),
        (300, 0.10, 0.03),
        (300, 0.20, 0.10),
    ];
    for (row, (count, worse, better)) in (0..).zip(rows) {
        let interval = |worse: usize, better: usize| {
            let value = |number: usize| match number {
                _ if number < worse => -1.0,
                _ if number < worse + better => 1.0,
                _ => 0.0,
            };
            let sample = Sample::new((0..count).map(value).collect());
            sample.interval(is_approximate(&sample, true))
        };
        let truth = better - worse;
        let mut generator = RandomGenerator::new(400 + row);
        let mut simulated = Coverage::default();
        for _ in 0..SIMULATIONS {
            let (mut worse_count, mut better_count) = (0, 0);
            for _ in 0..count {
                let draw = generator.fraction();
                worse_count += usize::from(draw < worse);
                better_count += usize::from((worse..worse + better).contains(&draw));
            }
            simulated.add(interval(worse_count, better_count), truth, 1.0);
        }
        let exact = exact_difference(count, worse, better, interval);
        let expected = count as f64 * (worse + better);
        let error = ERRORS * monte_carlo_error(exact.share(), SIMULATIONS);
        let is_equal = (simulated.share() - exact.share()).abs() <= error;
        let is_near = (0.94..=0.96).contains(&exact.share());
        // From 30 on, nearly all such pairs of runs have 20.
        let mark = claims.check(is_equal && (is_near || expected < 30.0));
        println!(
            "{count:>5}   {worse:.2}    {better:.2}  {expected:>18.1}     {:.4}  {:.4}  {:.4}  {:>10}{mark}",
            simulated.share(),
            exact.share(),
            exact.marked(),
            exact.of_unmarked()
        );
    }
}

fn exact_difference(
    count: usize,
    worse: f64,
    better: f64,
    interval: impl Fn(usize, usize) -> Option<Interval>,
) -> Coverage {
    let logs = log_factorials(count);
    let mut coverage = Coverage::default();
    for worse_count in 0..=count {
        for better_count in 0..=count - worse_count {
            let counts = [worse_count, better_count, count - worse_count - better_count];
            let probability = multinomial(&logs, &counts, &[worse, better, 1.0 - worse - better]);
            if probability > 1e-12 {
                coverage.add(interval(worse_count, better_count), better - worse, probability);
            }
        }
    }
    coverage
}

/// The false alarms of tests of equal runs: 40 scenarios of 5 trials, whose rates differ between the runs.
fn false_alarms(claims: &mut Claims) {
    let mut generator = RandomGenerator::new(500);
    let (mut trials_as_rows, mut by_interval, mut by_flips) = (0, 0, 0);
    let pairs = 5_000;
    for seed in 0..pairs {
        let (mut values, mut rows) = (Vec::new(), Vec::new());
        for _ in 0..40 {
            let before = 0.5 + 0.2 * sign(&mut generator);
            let after = before + 0.2 * sign(&mut generator);
            let [before, after] = [before, after]
                .map(|rate| (0..5).map(|_| bernoulli(&mut generator, rate)).collect::<Vec<f64>>());
            rows.extend(after.iter().zip(&before).map(|(after, before)| after - before));
            values.push((after.iter().sum::<f64>() - before.iter().sum::<f64>()) / 5.0);
        }
        let excludes_0 = |values: Vec<f64>| {
            Sample::new(values).interval(false).is_some_and(|interval| !interval.contains(0.0))
        };
        trials_as_rows += usize::from(excludes_0(rows));
        by_flips += usize::from(sign_flip_test(&values, seed as u64).p_value <= 0.05);
        by_interval += usize::from(excludes_0(values));
    }
    let share = |count: usize| count as f64 / pairs as f64;
    let error = ERRORS * monte_carlo_error(0.05, pairs);
    println!("\nFalse alarms at 5 %, 40 scenarios of 5 trials, spread 0.2, {pairs} equal pairs");
    println!("  trials as rows                {:.4}", share(trials_as_rows));
    let mark = claims.check((share(by_interval) - 0.05).abs() <= error + 0.005);
    println!("  interval of scenario means    {:.4}{mark}", share(by_interval));
    let mark = claims.check(share(by_flips) <= 0.05 + error);
    println!("  sign flips of scenario means  {:.4}{mark}", share(by_flips));
}

/// A population of pairs of runs.
#[derive(Clone, Copy)]
struct Population {
    name: &'static str,
    scenarios: usize,
    trials: usize,
    /// The baseline's mean score.
    score: f64,
    /// By how much the expected scores of the scenarios are above or below it.
    spread: f64,
    /// By how much the expected differences of the scenarios are above or below their mean.
    difference_spread: f64,
    /// The noise of a continuous score; `None` of 0 or 1.
    noise: Option<Draw>,
    margin: f64,
}

impl Population {
    /// Draws the scores of the trials of both runs for a true difference.
    fn scores(&self, generator: &mut RandomGenerator, difference: f64) -> [Vec<Vec<f64>>; 2] {
        let mut scores = [Vec::new(), Vec::new()];
        for _ in 0..self.scenarios {
            let before = self.score + self.spread * sign(generator);
            let after = before + difference + self.difference_spread * sign(generator);
            for (side, expected) in scores.iter_mut().zip([before, after]) {
                let trials = (0..self.trials).map(|_| match self.noise {
                    Some(noise) => expected + noise(generator),
                    None => bernoulli(generator, expected),
                });
                side.push(trials.collect());
            }
        }
        scores
    }

    /// Draws both runs.
    fn runs(&self, generator: &mut RandomGenerator, difference: f64) -> [Run; 2] {
        self.scores(generator, difference).map(|scores| Run::of_scores("run", &scores))
    }

    /// Draws the differences of the scenarios.
    fn draw(&self, generator: &mut RandomGenerator, difference: f64) -> Sample {
        let [before, after] = self.scores(generator, difference);
        let mean = |trials: &Vec<f64>| trials.iter().sum::<f64>() / trials.len() as f64;
        let pairs = before.iter().zip(&after);
        Sample::new(pairs.map(|(before, after)| mean(after) - mean(before)).collect())
    }

    /// The smallest difference that the runs can show, as comparisons of such runs estimate it: its mean square.
    fn smallest(&self, difference: f64) -> f64 {
        const PAIRS: usize = 200;
        let metric = self.metric();
        let mut generator = RandomGenerator::new(7);
        let squares: Vec<f64> = (0..PAIRS)
            .filter_map(|_| {
                let [baseline, candidate] = self.runs(&mut generator, difference);
                let report = compare(&baseline, &[candidate], &metric, &Options::default()).ok()?;
                Some(report.candidates.first()?.power?.smallest_difference?.powi(2))
            })
            .collect();
        (squares.iter().sum::<f64>() / squares.len() as f64).sqrt()
    }

    fn metric(&self) -> Metric {
        match self.noise {
            Some(_) => Metric::number("score"),
            None => Metric::binary("score"),
        }
    }

    /// The shares of gates that pass and that fail.
    fn decisions(&self, difference: f64, margin: f64, seed: u64) -> [f64; 2] {
        let metric = self.metric();
        let mut generator = RandomGenerator::new(seed);
        let mut counts = [0_usize; 2];
        for _ in 0..GATE_SIMULATIONS {
            let sample = self.draw(&mut generator, difference);
            let gate = GateInterval::of_sample(&sample, &metric, margin);
            let [passed, failed] = &mut counts;
            match gate.map(|gate| gate.decision(&metric, margin)) {
                Some(Decision::Passed) => *passed += 1,
                Some(Decision::Regressed) => *failed += 1,
                _ => {}
            }
        }
        counts.map(|count| count as f64 / GATE_SIMULATIONS as f64)
    }
}

/// A noise with a variance of 0.04 that is skewed.
fn skewed_noise(generator: &mut RandomGenerator) -> f64 {
    0.2 * (-(1.0 - generator.fraction()).ln() - 1.0)
}

fn populations() -> Vec<Population> {
    let rate = |name, scenarios, trials, score, spread, difference_spread, margin| Population {
        name,
        scenarios,
        trials,
        score,
        spread,
        difference_spread,
        noise: None,
        margin,
    };
    let normal_noise: Draw = |generator| 0.2 * normal(generator);
    vec![
        rate("p = .6", 100, 1, 0.6, 0.0, 0.0, 0.05),
        rate("p = .7, spread .2", 200, 1, 0.7, 0.2, 0.0, 0.02),
        rate("p = .9", 500, 1, 0.9, 0.0, 0.0, 0.02),
        rate("p = .9, large", 2_000, 1, 0.9, 0.05, 0.0, 0.02),
        rate("p = .99", 30, 1, 0.99, 0.0, 0.0, 0.02),
        rate("p = .99", 300, 1, 0.99, 0.0, 0.0, 0.02),
        rate("p = .99", 1_000, 1, 0.99, 0.0, 0.0, 0.02),
        rate("p = .95", 200, 1, 0.95, 0.0, 0.0, 0.02),
        rate("p = 1", 30, 1, 1.0, 0.0, 0.0, 0.05),
        rate("p = 1", 100, 1, 1.0, 0.0, 0.0, 0.02),
        rate("p = 1", 1_000, 1, 1.0, 0.0, 0.0, 0.02),
        rate("p = 1, 5 trials", 50, 5, 1.0, 0.0, 0.0, 0.02),
        rate("p = .95, 5 trials", 50, 5, 0.95, 0.0, 0.0, 0.02),
        rate("p = .5, 5 trials, spread .2", 100, 5, 0.5, 0.2, 0.1, 0.02),
        rate("p = .7, 3 trials, spread .1", 300, 3, 0.7, 0.1, 0.1, 0.05),
        Population {
            noise: Some(normal_noise),
            ..rate("continuous, normal", 50, 1, 5.0, 1.0, 0.1, 0.1)
        },
        Population {
            noise: Some(skewed_noise),
            ..rate("continuous, exponential", 100, 1, 5.0, 1.0, 0.0, 0.05)
        },
        Population {
            noise: Some(skewed_noise),
            ..rate("continuous, 5 trials", 100, 5, 5.0, 1.0, 0.05, 0.02)
        },
    ]
}

/// The four claims of the gate.
fn gates(claims: &mut Claims) {
    println!("\nThe gate, {GATE_SIMULATIONS} pairs of runs in each column");
    println!(
        "                                          wrong, at most .0355    right, at least .7732"
    );
    println!(
        "population                        n     m  pass at -m  fail at 0   pass at 0  fail at -m-D"
    );
    let most = 0.025 + ERRORS * monte_carlo_error(0.025, LIMIT_SIMULATIONS);
    let least = 0.8 - ERRORS * monte_carlo_error(0.8, LIMIT_SIMULATIONS);
    for (row, population) in (0..).zip(populations()) {
        let seed = |column: u64| 1_000 + 10 * row + column;
        let margin = population.margin;
        let [wrong_pass, _] = population.decisions(-margin, margin, seed(0));
        let [_, wrong_fail] = population.decisions(0.0, margin, seed(1));
        let smallest = population.smallest(0.0);
        let [right_pass, _] = population.decisions(0.0, smallest.max(margin), seed(2));
        // The smallest difference depends on the difference, whose variance is that of the worse run.
        let below = (0..6).fold(smallest, |below, _| population.smallest(-margin - below));
        let [_, right_fail] = population.decisions(-margin - below, margin, seed(3));
        let holds =
            [wrong_pass <= most, wrong_fail <= most, right_pass >= least, right_fail >= least];
        let marks: String = holds.into_iter().map(|holds| claims.check(holds)).collect();
        println!(
            "{:<29}{:>6}  {margin:.2}      {wrong_pass:.4}     {wrong_fail:.4}      {right_pass:.4}        {right_fail:.4}{marks}",
            population.name, population.scenarios
        );
    }
}
