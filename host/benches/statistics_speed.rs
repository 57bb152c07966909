//! Times comparisons, and prints the memory that they need.

#![allow(clippy::print_stdout, missing_docs, reason = "the figures are printed")]

use std::time::Instant;

use arc_host::analysis::{Metric, Options, RandomGenerator, Run, compare};

/// A run with all that a trial has.
fn run(name: &str, scenarios: usize, trials: usize, is_binary: bool, seed: u64) -> Run {
    let mut generator = RandomGenerator::new(seed);
    let mut score = || match is_binary {
        true => f64::from(u8::from(generator.fraction() < 0.6)),
        false => generator.fraction(),
    };
    let scores: Vec<Vec<f64>> =
        (0..scenarios).map(|_| (0..trials).map(|_| score()).collect()).collect();
    let mut run = Run::of_scores(name, &scores);
    for (number, scenario) in run.scenarios.iter_mut().enumerate() {
        scenario.content_digest = Some(format!("{number:064x}"));
        scenario.cluster = Some(format!("repository-{}", number % 50));
        scenario.tags = vec![format!("tag-{}", number % 10), "all".to_owned()];
        for trial in &mut scenario.trials {
            trial.cost_usd = Some(generator.fraction().powi(3));
            trial.tokens = Some((generator.fraction() * 1e5).round());
            trial.duration_seconds = Some(generator.fraction() * 60.0);
        }
    }
    run
}

/// The largest resident memory of the process so far, in MB.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.map_or_else(String::new, |kilobytes| format!("{} MB", kilobytes / 1_024))
}

#[expect(clippy::print_stdout, reason = "this is its output")]
fn time(what: &str, scenarios: usize, candidates: u64, is_binary: bool, options: &Options) {
    let baseline = run("A", scenarios, 5, is_binary, 1);
    let candidates: Vec<Run> =
        (0..candidates).map(|number| run("B", scenarios, 5, is_binary, 2 + number)).collect();
    let metric = if is_binary { Metric::binary("score") } else { Metric::fraction("score") };
    let mut times: Vec<u128> = Vec::new();
    let mut bytes = 0;
    for _ in 0..5 {
        let begin = Instant::now();
        let report = compare(&baseline, &candidates, &metric, options);
        times.push(begin.elapsed().as_millis());
        bytes = report.map_or(0, |report| serde_json::to_string(&report).unwrap_or_default().len());
    }
    times.sort_unstable();
    let median = times.get(2).copied().unwrap_or_default();
    println!("{what:<58} {median:>5} ms  {:>6}  JSON {} kB", peak_memory(), bytes / 1_024);
}

fn main() {
    let plain = Options::default();
    let clustered = Options { cluster_by: Some("repository".to_owned()), ..plain.clone() };
    let everything = Options { by_tag: true, bootstrap: true, ..plain.clone() };
    time("1,000 scenarios x 5 trials, 0 or 1", 1_000, 1, true, &plain);
    time("1,000 scenarios x 5 trials, fractions", 1_000, 1, false, &plain);
    time("1,000 scenarios x 5 trials, clusters", 1_000, 1, true, &clustered);
    time("1,000 scenarios x 5 trials, tags and bootstrap", 1_000, 1, true, &everything);
    time("5 runs of 10,000 scenarios x 5 trials, 0 or 1", 10_000, 4, true, &plain);
    time("5 runs of 10,000 scenarios x 5 trials, fractions", 10_000, 4, false, &plain);
    time("5 runs of 10,000 scenarios x 5 trials, tags and bootstrap", 10_000, 4, true, &everything);
}
