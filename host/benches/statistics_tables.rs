//! Reads tables as lines of JSON from standard input, and writes the reports of each as a line of JSON.
//!
//! `tests/statistics/against_scipy.py` compares them with `SciPy` and statsmodels.

#![allow(clippy::print_stdout, missing_docs, reason = "the figures are printed")]

use std::io::{self, BufRead as _, Write as _};

use arc_host::analysis::{GateOptions, Metric, Options, Run, compare, gate};
use serde::Deserialize;

#[derive(Deserialize)]
struct Table {
    metric: Metric,
    options: Options,
    margin: f64,
    baseline: Run,
    candidates: Vec<Run>,
}

fn main() -> io::Result<()> {
    let mut output = io::BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        let table: Table = serde_json::from_str(&line?)?;
        let report = compare(&table.baseline, &table.candidates, &table.metric, &table.options);
        let options = GateOptions {
            margin: table.margin,
            max_infrastructure: 1.0,
            max_missing_scenarios: usize::MAX,
            comparison: table.options,
        };
        let gates: Vec<_> = table
            .candidates
            .iter()
            .map(|run| gate(&table.baseline, run, &table.metric, &options).ok())
            .collect();
        serde_json::to_writer(&mut output, &(report.ok(), gates))?;
        output.write_all(b"\n")?;
    }
    output.flush()
}
