//! Measures the queries on many outcomes.
//!
//! `cargo bench --bench queries [-- MILLIONS]` starts a PostgreSQL of its own with default
//! durability and creates a million outcomes (or MILLIONS of them) with tiny documents in
//! simulations of 100,000, without the recorder, because only the queries are measured. The last
//! simulation is running, and its 100,000 outcomes are fresh: they have not been analysed or
//! vacuumed. It prints the median time of several runs of each query, without the first one.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a failing measurement panics, and the figures are printed"
)]

mod support;

use std::time::{Duration, Instant};

use arc_host::extraction::OutcomeStatus;
use arc_host::recorder::new_simulation_id;
use arc_host::store::{
    Attachments, ExportSelection, OutcomeFilter, RunReport, SimulationFilter, SimulationStatus,
    Store,
};
use tokio_postgres::Client;
use uuid::Uuid;

use support::{BenchDatabase, OUTCOMES, make_outcomes, new_simulation};

/// How many times each query runs; the median is printed.
const RUNS: usize = 9;

#[tokio::main]
async fn main() {
    let millions = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(1_u64);
    let database = BenchDatabase::start().await;
    let store = database.store(4);
    let admin = database.connect().await;
    println!("PostgreSQL {}, {millions} million outcomes, default durability", database.version());

    let begun = Instant::now();
    let mut simulations = Vec::new();
    for number in 0..millions * 1_000_000 / OUTCOMES {
        let simulation_id = new_simulation_id();
        store.start_simulation(&new_simulation(simulation_id), std::iter::empty()).await.unwrap();
        simulations.push(simulation_id);
        if number + 1 == millions * 1_000_000 / OUTCOMES {
            // The existing outcomes have statistics; the following ones have none.
            admin.batch_execute("VACUUM ANALYZE arc_recorder.outcomes").await.unwrap();
            let off = "ALTER TABLE arc_recorder.outcomes SET (autovacuum_enabled = off)";
            admin.batch_execute(off).await.unwrap();
        }
        make_outcomes(&admin, simulation_id).await;
    }
    let running = *simulations.last().unwrap();
    let completed = simulations[simulations.len() / 2];
    let size: String = admin
        .query_one(
            "SELECT string_agg(class.relname || ' ' || pg_size_pretty(pg_total_relation_size(class.oid)), ', '
                 ORDER BY class.relname)
             FROM pg_class AS class WHERE class.relname ~ '^outcomes' AND relkind IN ('r', 'i')",
            &[],
        )
        .await
        .unwrap()
        .get(0);
    println!("made in {:.0} s: {size}\n", begun.elapsed().as_secs_f64());

    for id in &simulations[..simulations.len() - 1] {
        store.complete_simulation(*id, None, &RunReport::default()).await.unwrap();
    }
    measure(&store, running, completed).await;
    late_results(&store, &admin, completed).await;
}

async fn measure(store: &Store, running: Uuid, completed: Uuid) {
    let all = &OutcomeFilter::default();
    let errors = &OutcomeFilter { status: Some(OutcomeStatus::Error), scenario_id: None };
    let none = &OutcomeFilter { status: Some(OutcomeStatus::Cancelled), scenario_id: None };
    let plain = Attachments::default();
    let documents = Attachments { documents: true, trajectories: true };

    time("status, running, 100,000 fresh outcomes", async || {
        let (_, figures) = store.simulation_with_figures(running).await.unwrap();
        assert_eq!(figures.recorded_outcomes, 100_000);
    })
    .await;
    time("status, completed", async || {
        let (_, figures) = store.simulation_with_figures(completed).await.unwrap();
        assert_eq!(figures.recorded_outcomes, 100_000);
    })
    .await;
    for (what, id) in [("running", running), ("completed", completed)] {
        time(&format!("100 outcomes, first page, {what}"), async || {
            store.outcomes_page(id, all, 100, None, plain).await.unwrap();
        })
        .await;
        let mut middle = None;
        for _ in 0..50 {
            middle =
                store.outcomes_page(id, all, 1_000, middle.as_deref(), plain).await.unwrap().cursor;
        }
        let middle = middle.as_deref();
        time(&format!("100 outcomes, in the middle, {what}"), async || {
            store.outcomes_page(id, all, 100, middle, plain).await.unwrap();
        })
        .await;
        time(&format!("1,000 outcomes, in the middle, {what}"), async || {
            store.outcomes_page(id, all, 1_000, middle, plain).await.unwrap();
        })
        .await;
        time(&format!("100 outcomes with documents, {what}"), async || {
            store.outcomes_page(id, all, 100, middle, documents).await.unwrap();
        })
        .await;
        time(&format!("100 errors, {what}"), async || {
            store.outcomes_page(id, errors, 100, middle, plain).await.unwrap();
        })
        .await;
        time(&format!("a status that no outcome has, {what}"), async || {
            store.outcomes_page(id, none, 100, None, plain).await.unwrap();
        })
        .await;
        time(&format!("performance, all of it, {what}"), async || {
            let found = store.performance(id, 24.0 * 7.0).await.unwrap();
            assert_eq!(found.summary.total_outcomes, 100_000);
        })
        .await;
        time(&format!("performance, the last 6 minutes, {what}"), async || {
            store.performance(id, 0.1).await.unwrap();
        })
        .await;
    }
    time("all 100,000 outcomes as a stream", async || {
        let (sender, mut chunks) = tokio::sync::mpsc::channel(1);
        let selection = ExportSelection { simulations: vec![completed], ..Default::default() };
        let export = async move { store.export(&selection, &sender).await.unwrap() };
        let read = async {
            while let Some(rows) = chunks.recv().await {
                for outcome in rows.records() {
                    outcome.unwrap();
                }
            }
        };
        tokio::join!(export, read);
    })
    .await;
    time("the latest 50 failures of all", async || {
        assert_eq!(store.failures(50).await.unwrap().len(), 50);
    })
    .await;
    time("20 simulations", async || {
        store.simulations_page(&SimulationFilter::default(), 20, None).await.unwrap();
    })
    .await;
    let running =
        SimulationFilter { status: Some(SimulationStatus::Running), ..SimulationFilter::default() };
    time("20 running simulations", async || {
        store.simulations_page(&running, 20, None).await.unwrap();
    })
    .await;
}

/// Measures the first status after a late result, which computes the figures again.
async fn late_results(store: &Store, admin: &Client, completed: Uuid) {
    let mark = format!("SELECT arc_recorder.note_results(ARRAY['{completed}'::uuid])");
    let mut times = Vec::new();
    for _ in 0..RUNS {
        admin.batch_execute(&mark).await.unwrap();
        let begun = Instant::now();
        store.simulation_with_figures(completed).await.unwrap();
        times.push(begun.elapsed());
    }
    report("status, completed, after a late result", times);
}

async fn time(what: &str, work: impl AsyncFn()) {
    work().await;
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let begun = Instant::now();
        work().await;
        times.push(begun.elapsed());
    }
    report(what, times);
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    println!(
        "  {what:<46} {:>9.2} ms   (longest {:.2})",
        milliseconds(times[times.len() / 2]),
        milliseconds(times[times.len() - 1])
    );
}
