//! Measures how fast results are recorded, compared with PostgreSQL itself, all in one run.
//!
//! `cargo bench --bench ingest [-- SECONDS [BYTES …]]` starts a PostgreSQL of its own with default
//! durability (fsync on) and prints ratios; absolute figures depend on the machine. For documents
//! of 1.5, 8.7 and 60 KB it measures
//!
//! - ready-made rows by COPY BINARY into a table with the same columns, 1,000 a transaction, over one connection
//!   and over two: the bytes come from COPY … TO, so that preparing them costs nothing;
//! - the recorder from JSON text, in batches of 1,000;
//! - 16 tasks that record one by one, against 16 connections with a bare prepared INSERT;
//! - one task that records one by one, against one connection with a bare prepared INSERT.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    missing_docs,
    unreachable_pub,
    reason = "a failing measurement panics, and the figures are printed"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arc_host::Recorder;
use arc_host::extraction::{ExtractionSettings, Extractor};
use arc_host::identity::outcome_id;
use arc_host::recorder::{Submission, Verdict, new_simulation_id};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _, TryStreamExt as _};
use tokio_postgres::{Client, Config};
use uuid::Uuid;

use support::documents::document;
use support::{BenchDatabase, connect, new_simulation};

/// The table of bare rows: the columns of outcomes, and the document, compressed like the recorder's.
const BARE: &str = "
    CREATE TABLE arc_recorder.bare (
        LIKE arc_recorder.outcomes INCLUDING ALL, document text NOT NULL
    );
    DO $$ BEGIN
        ALTER TABLE arc_recorder.bare ALTER COLUMN document SET COMPRESSION lz4;
    EXCEPTION WHEN feature_not_supported THEN NULL;
    END $$";
const TRUNCATE: &str =
    "TRUNCATE arc_recorder.outcomes, arc_recorder.documents, arc_recorder.bare; CHECKPOINT";
const BATCH: usize = 1_000;

struct Bench {
    config: Config,
    recorder: Recorder,
    admin: Client,
}

#[tokio::main]
async fn main() {
    let numbers: Vec<f64> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let seconds = numbers.first().copied().unwrap_or(5.0);
    let sizes: Vec<usize> = numbers.iter().skip(1).map(|bytes| *bytes as usize).collect();
    let sizes = if sizes.is_empty() { vec![1_500, 8_700, 60_000] } else { sizes };
    let database = BenchDatabase::start().await;
    let extractor = Extractor::built_in(&ExtractionSettings::default()).unwrap();
    let bench = Bench {
        config: database.config(),
        recorder: Recorder::new(extractor, database.store(8)).await.unwrap(),
        admin: database.connect().await,
    };
    bench.admin.batch_execute(BARE).await.unwrap();
    let version = database.version();
    println!("PostgreSQL {version}, default durability, {seconds} s for each figure\n");
    for bytes in sizes {
        bench.measure(bytes, Duration::from_secs_f64(seconds)).await;
    }
}

impl Bench {
    async fn measure(&self, bytes: usize, time: Duration) {
        // As many as the fastest way writes in that time, so that every way writes the same.
        let batches =
            ((time.as_secs_f64() * 30_000.0 * 8_700.0 / bytes.max(3_000) as f64) as usize / BATCH)
                .clamp(4, 200);
        let documents: Arc<Vec<String>> =
            Arc::new((0..batches * BATCH).map(|number| document(number, bytes)).collect());
        println!(
            "documents of {:.1} KB, {batches} batches of {BATCH}",
            documents[0].len() as f64 / 1e3
        );

        let batch_rate = self.record_batches(&documents).await;
        let rows = self.ready_rows(batches).await;
        let copy_rate = self.copy(&rows, 1).await;
        let copy_two_rate = self.copy(&rows, 2).await;
        // Again in the reverse order, so that neither has the warmer cache.
        let copy_rate = (copy_rate + self.copy(&rows, 1).await) / 2.0;
        let batch_rate = (batch_rate + self.record_batches(&documents).await) / 2.0;
        drop(rows);
        report("COPY of ready rows, 1 connection", copy_rate, "rows/s", None);
        report(
            "COPY of ready rows, 2 connections",
            copy_two_rate,
            "rows/s",
            Some(("x COPY", copy_two_rate / copy_rate)),
        );
        report(
            "recorder, batches",
            batch_rate,
            "results/s",
            Some(("x COPY", batch_rate / copy_rate)),
        );

        let (bare, _) = self.bare_inserts(&documents, 16, time).await;
        let (single, _) = self.record_singles(&documents, 16, time).await;
        report("bare INSERT, 16 connections", bare, "rows/s", None);
        report(
            "recorder, 16 tasks one by one",
            single,
            "results/s",
            Some(("x bare", single / bare)),
        );
        report("", single / batch_rate, "of the batch rate", None);

        let (_, bare) = self.bare_inserts(&documents, 1, time).await;
        let (_, single) = self.record_singles(&documents, 1, time).await;
        report("bare INSERT, 1 connection", bare * 1e3, "ms median", None);
        report(
            "recorder, 1 task one by one",
            single * 1e3,
            "ms median",
            Some(("x bare", single / bare)),
        );
        println!();
    }

    async fn start(&self) -> Uuid {
        self.admin.batch_execute(TRUNCATE).await.unwrap();
        let simulation_id = new_simulation_id();
        let new = new_simulation(simulation_id);
        self.recorder.start_planned(&new, std::iter::empty()).await.unwrap();
        simulation_id
    }

    /// Records several batches at once, as for a file.
    async fn record_batches(&self, documents: &[String]) -> f64 {
        let simulation_id = self.start().await;
        let begun = Instant::now();
        let batches = futures_util::stream::iter(documents.chunks(BATCH)).map(|chunk| async move {
            let submissions = chunk.iter().map(Submission::new).collect();
            let verdicts = self.recorder.record_batch(simulation_id, submissions).await.unwrap();
            assert!(verdicts.iter().all(|item| item.verdict == Verdict::Stored));
        });
        batches.buffered(3).collect::<Vec<()>>().await;
        documents.len() as f64 / begun.elapsed().as_secs_f64()
    }

    /// Returns the rows that were just recorded, in the format of COPY.
    async fn ready_rows(&self, batches: usize) -> Vec<Bytes> {
        let mut all = Vec::new();
        for batch in 0..batches {
            let copy = format!(
                "COPY (
                     SELECT outcome.*, document.document FROM arc_recorder.outcomes AS outcome
                     JOIN arc_recorder.documents AS document
                         USING (simulation_id, outcome_id, partition_time)
                     ORDER BY outcome.outcome_id OFFSET {} LIMIT {BATCH}
                 ) TO STDOUT BINARY",
                batch * BATCH
            );
            let parts: Vec<Bytes> =
                self.admin.copy_out(&copy).await.unwrap().try_collect().await.unwrap();
            all.push(Bytes::from(parts.concat()));
        }
        all
    }

    async fn copy(&self, batches: &[Bytes], connections: usize) -> f64 {
        self.admin.batch_execute(TRUNCATE).await.unwrap();
        let mut clients = Vec::new();
        for _ in 0..connections {
            clients.push(connect(&self.config).await);
        }
        let next = AtomicUsize::new(0);
        let begun = Instant::now();
        let work = clients.iter().map(|client| async {
            while let Some(batch) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
                let sink =
                    client.copy_in("COPY arc_recorder.bare FROM STDIN BINARY").await.unwrap();
                let mut sink = std::pin::pin!(sink);
                sink.send(batch.clone()).await.unwrap();
                sink.finish().await.unwrap();
            }
        });
        futures_util::future::join_all(work).await;
        (batches.len() * BATCH) as f64 / begun.elapsed().as_secs_f64()
    }

    /// Returns the rows a second, and the median time of one in seconds.
    async fn bare_inserts(
        &self,
        documents: &Arc<Vec<String>>,
        connections: usize,
        time: Duration,
    ) -> (f64, f64) {
        self.admin.batch_execute(TRUNCATE).await.unwrap();
        let mut tasks = Vec::new();
        let begun = Instant::now();
        for worker in 0..connections {
            let client = connect(&self.config).await;
            let documents = Arc::clone(documents);
            tasks.push(tokio::spawn(async move {
                let insert = client
                    .prepare(
                        "INSERT INTO arc_recorder.bare (simulation_id, outcome_id, partition_time, scenario_id,
                             scenario_name, trial, received_at, execution_time, status, score, scores,
                             execution_time_ms, tokens_used, cost_usd, all_roles_tokens,
                             all_roles_cost_usd, metrics, extractor_id, document_bytes, document)
                         VALUES ($1, $2, now(), $3, $4, 1, now(), now(), 'success', 0.85, '[]', 2500, 200,
                             0.006, 200, 0.006, $5::text::jsonb, $1, octet_length($6), $6)",
                    )
                    .await
                    .unwrap();
                let metrics = r#"{"prompt_tokens":150,"completion_tokens":50,"event_count":3,"grade":"B","dimension_scores":{"tool_execution":0.9,"response_quality":0.8,"error_handling":0.85,"performance":0.9,"completeness":0.8}}"#;
                let simulation_id = Uuid::from_u128(1);
                let (client, insert) = (&client, &insert);
                timed(worker, connections, &documents, time, |document| async move {
                    // Spread over the index like the recorder's ids.
                    let id = outcome_id(new_simulation_id(), None, b"");
                    client
                        .execute(insert, &[&simulation_id, &id, &"scenario-1", &"Scenario 1", &metrics, &document])
                        .await
                        .unwrap();
                })
                .await
            }));
        }
        rate(tasks, begun).await
    }

    async fn record_singles(
        &self,
        documents: &Arc<Vec<String>>,
        workers: usize,
        time: Duration,
    ) -> (f64, f64) {
        let simulation_id = self.start().await;
        let mut tasks = Vec::new();
        let begun = Instant::now();
        for worker in 0..workers {
            let recorder = self.recorder.clone();
            let documents = Arc::clone(documents);
            tasks.push(tokio::spawn(async move {
                let recorder = &recorder;
                timed(worker, workers, &documents, time, |document| async move {
                    let verdicts = recorder
                        .record_batch(simulation_id, vec![Submission::new(document)])
                        .await
                        .unwrap();
                    assert_eq!(verdicts[0].verdict, Verdict::Stored);
                })
                .await
            }));
        }
        rate(tasks, begun).await
    }
}

/// Processes a worker's own documents one by one until the time is over; returns the time of each.
async fn timed<F: Future<Output = ()>>(
    worker: usize,
    workers: usize,
    documents: &[String],
    time: Duration,
    work: impl Fn(String) -> F,
) -> Vec<Duration> {
    let until = Instant::now() + time;
    let mut times = Vec::new();
    for document in documents.iter().skip(worker).step_by(workers) {
        let document = document.clone();
        let begun = Instant::now();
        if begun > until {
            break;
        }
        work(document).await;
        times.push(begun.elapsed());
    }
    times
}

async fn rate(tasks: Vec<tokio::task::JoinHandle<Vec<Duration>>>, begun: Instant) -> (f64, f64) {
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    let rate = times.len() as f64 / begun.elapsed().as_secs_f64();
    times.sort_unstable();
    (rate, times[times.len() / 2].as_secs_f64())
}

fn report(what: &str, figure: f64, unit: &str, ratio: Option<(&str, f64)>) {
    let figure = if figure >= 100.0 { format!("{figure:.0}") } else { format!("{figure:.3}") };
    let ratio = ratio.map(|(name, ratio)| format!("{ratio:>8.2} {name}")).unwrap_or_default();
    println!("  {what:<34} {figure:>9} {unit:<18}{ratio}");
}
