//! Measures the time and the memory of an export of many outcomes.
//!
//! `cargo bench --bench export [-- MILLIONS]` starts a PostgreSQL of its own with default durability,
//! creates a million outcomes (or MILLIONS of them) in simulations of 100,000 with tiny documents, and
//! has `arc-host export` write all of them in each format. It prints the time from the program's start
//! to its end and its peak memory; then the same for an Arrow table in this process.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a failing measurement panics, and the figures are printed"
)]

mod support;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use arc_host::delivery::Source;
use arc_host::export::table;
use arc_host::recorder::new_simulation_id;
use arc_host::store::ExportSelection;

use support::{BenchDatabase, OUTCOMES, make_outcomes, new_simulation};

/// How many times each format is written; all times are printed.
const RUNS: usize = 3;

#[tokio::main]
async fn main() {
    let millions = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(1_u64);
    let database = BenchDatabase::start().await;
    let store = database.store(4);
    let admin = database.connect().await;
    println!("PostgreSQL {}, {millions} million outcomes, default durability", database.version());
    for _ in 0..millions * 1_000_000 / OUTCOMES {
        let simulation_id = new_simulation_id();
        store.start_simulation(&new_simulation(simulation_id), std::iter::empty()).await.unwrap();
        make_outcomes(&admin, simulation_id).await;
    }
    admin.batch_execute("VACUUM ANALYZE arc_recorder.outcomes").await.unwrap();

    let folder = tempfile::tempdir().unwrap();
    for format in ["parquet", "csv", "jsonl"] {
        for documents in [false, true] {
            let path = folder.path().join(format!("outcomes.{format}"));
            let mut runs = Vec::new();
            for _ in 0..RUNS {
                let mut command = Command::new(env!("CARGO_BIN_EXE_arc-host"));
                command.args(["--database-url", &database.url(), "export", "--output"]).arg(&path);
                command.args(documents.then_some("--documents")).stdout(Stdio::null());
                let begun = Instant::now();
                let mut child = command.spawn().unwrap();
                let mut peak = 0.0;
                let status = loop {
                    peak = peak_megabytes(child.id()).unwrap_or(peak);
                    if let Some(status) = child.try_wait().unwrap() {
                        break status;
                    }
                    std::thread::sleep(Duration::from_millis(5));
                };
                assert!(status.success());
                runs.push(format!("{:.2} s with {peak:.0} MB", begun.elapsed().as_secs_f64()));
            }
            let size = std::fs::metadata(&path).unwrap().len();
            println!(
                "  {format:<8}{} {}; {} bytes an outcome",
                if documents { "with documents   " } else { "without documents" },
                runs.join(", "),
                size / (millions * 1_000_000)
            );
        }
    }
    let begun = Instant::now();
    let selection = ExportSelection::default();
    let made = table(&Source::Database(store.clone()), &selection).await.unwrap();
    let bytes: usize = made.batches.iter().map(|batch| batch.get_array_memory_size()).sum();
    println!(
        "  a table in memory: {:.2} s, {} bytes an outcome",
        begun.elapsed().as_secs_f64(),
        bytes as u64 / (millions * 1_000_000)
    );
}

/// Returns the peak memory of a process, or `None` if it has ended.
fn peak_megabytes(process: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1_000.0)
}
