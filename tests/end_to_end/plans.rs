//! The plans of the important queries: they use the right index, do not scan all outcomes and do
//! not read documents, with table statistics and without.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use arc_host::extraction::OutcomeStatus;
use arc_host::store::{
    Attachments, ExportSelection, FigureScope, OutcomeFilter, OutcomeRows, ResultList,
    SimulationFilter, SimulationStatus, Store,
};
use serde_json::Value;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::databases::pglite::Pglite;
use crate::support::{TestDatabase, skip_without_tool};

/// The number of outcomes of each simulation.
const OUTCOMES: usize = 5_000;

/// The number of simulations.
const SIMULATIONS: usize = 10;

/// Creates a database with the outcomes of ten simulations, one in fifty of them a failure, and
/// with simulations of which few are running. The tables are only analysed if a test does it.
fn filled() -> TestDatabase {
    let database = TestDatabase::new();
    fill(&database, 1, SIMULATIONS);
    database
}

/// Inserts the outcomes of some simulations.
fn fill(database: &TestDatabase, first: usize, last: usize) {
    database.execute(&format!(
        r#"ALTER TABLE arc_recorder.outcomes SET (autovacuum_enabled = off);
        ALTER TABLE arc_recorder.simulations SET (autovacuum_enabled = off);
        INSERT INTO arc_recorder.simulations (simulation_id, config_version_id, modal_environment,
            trials, planned_scenarios, plan_sha256, created_at, partition_time, started_at, status)
        SELECT md5('simulation' || number)::uuid, 'test', 'test', 1, 0, '', now() - number * interval '1 hour',
            now(), now(), CASE WHEN number % 500 = 1 THEN 'running' ELSE 'completed' END
        FROM generate_series(1, 5000) AS number
        ON CONFLICT DO NOTHING;
        INSERT INTO arc_recorder.outcomes (simulation_id, outcome_id, partition_time, scenario_id, trial,
            received_at, execution_time, status, headline, score, scores, execution_time_ms, tokens_used,
            cost_usd, all_roles_tokens, all_roles_cost_usd, metrics, extractor_id, document_bytes)
        SELECT md5('simulation' || simulation)::uuid, md5(simulation || '/' || number)::uuid, now(),
            'scenario-' || number % 2500, 1, now() - number * interval '1 minute',
            now() - number * interval '1 minute',
            CASE WHEN number % 50 = 0 THEN 'error' ELSE 'success' END, 'reliability_score', 0.5, '[]', 1, 1, 1, 1, 1, '{{}}',
            md5('extractor')::uuid, 16
        FROM generate_series({first}, {last}) AS simulation, generate_series(1, {OUTCOMES}) AS number"#
    ));
}

/// Returns the id of a simulation.
fn simulation(database: &TestDatabase, number: usize) -> Uuid {
    database.query(&format!("SELECT md5('simulation{number}')::uuid"))[0].get(0)
}

/// Collects the nodes of a plan.
fn nodes<'p>(node: &'p Value, found: &mut Vec<&'p Value>) {
    found.push(node);
    for child in node["Plans"].as_array().into_iter().flatten() {
        nodes(child, found);
    }
}

/// Asserts of a query's plans that they use one of these indexes of outcomes or simulations, that
/// they scan neither table completely, and that they read no document.
#[track_caller]
fn assert_plans(table: &str, indexes: &[&str], what: &str) {
    let mut plans = reported();
    plans.retain(|plan| {
        let mut all = Vec::new();
        nodes(&plan["Plan"], &mut all);
        all.iter().any(|node| node["Relation Name"] == table)
    });
    assert!(!plans.is_empty(), "{what}: no plan of a query that reads {table}");
    for plan in plans {
        let mut all = Vec::new();
        nodes(&plan["Plan"], &mut all);
        let text = format!("{what}: {plan:#}");
        let of = |node: &Value, name: &str| node[name].as_str().unwrap_or_default().to_owned();
        for node in &all {
            let fact = ["outcomes", "simulations"].contains(&of(node, "Relation Name").as_str());
            assert!(!(fact && of(node, "Node Type") == "Seq Scan"), "a sequential scan: {text}");
            assert!(of(node, "Relation Name") != "documents", "it reads documents: {text}");
        }
        // Whether a declared score exists is only looked up if there is one.
        all.retain(|node| of(node, "Alias") != "named");
        let used: Vec<String> = all.iter().map(|node| of(node, "Index Name")).collect();
        let used: Vec<&str> = used
            .iter()
            .map(String::as_str)
            .filter(|name| ["outcomes", "simulations_"].iter().any(|table| name.starts_with(table)))
            .collect();
        // With another index the whole simulation would be read.
        // The partial indexes contain none of its rows, if it has neither keys nor another scale.
        let besides = ["simulations_pkey", "outcomes_keys", "outcomes_beyond_scale"];
        let wrong = used.iter().any(|name| !besides.contains(name) && !indexes.contains(name));
        let found = indexes.iter().any(|index| used.contains(index));
        assert!(found && !wrong, "{used:?} are used, not {indexes:?}: {text}");
    }
}

/// The plans that auto_explain has reported since the last call of [`reported`].
static REPORTED: Mutex<Vec<Value>> = Mutex::new(Vec::new());

/// Keeps the plans among the notices of the server, which the driver logs.
struct PlanNotices;

impl log::Log for PlanNotices {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target().starts_with("tokio_postgres")
    }

    fn log(&self, record: &log::Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let notice = record.args().to_string();
        if let Some((_, plan)) = notice.split_once("plan:\n") {
            let plan = serde_json::from_str(plan).expect("the plan is JSON");
            REPORTED.lock().unwrap_or_else(PoisonError::into_inner).push(plan);
        }
    }

    fn flush(&self) {}
}

/// Takes the plans that were reported. A plan comes before the answer to its query.
fn reported() -> Vec<Value> {
    std::mem::take(&mut *REPORTED.lock().unwrap_or_else(PoisonError::into_inner))
}

/// A store whose sessions report the plan of each query: `custom` plans know the query's parameters,
/// and `generic` ones, to which a prepared statement can switch, do not.
fn reporting(database: &TestDatabase, plans: &str) -> Store {
    let mut config = database.config();
    config.options(format!(
        "-c session_preload_libraries=auto_explain -c auto_explain.log_min_duration=0 \
         -c auto_explain.log_format=json -c auto_explain.log_verbose=on \
         -c auto_explain.log_level=notice -c plan_cache_mode=force_{plans}_plan"
    ));
    Store::new(config, 1).unwrap()
}

async fn assert_all(store: &Store, simulation_id: Uuid, state: &str) {
    let by_simulation = &["outcomes_pkey", "outcomes_places"][..];
    let filters = [
        ("all", OutcomeFilter::default()),
        ("errors", OutcomeFilter { scenario_id: None, status: Some(OutcomeStatus::Error) }),
        ("a scenario", OutcomeFilter { scenario_id: Some("scenario-7".to_owned()), status: None }),
    ];
    reported();
    store.simulation(simulation_id).await.unwrap();
    assert_plans("simulations", &["simulations_pkey"], &format!("the row {state}"));
    store.figures(simulation_id, FigureScope::WithMetrics).await.unwrap();
    // The number of annotations needs the replaced revisions only.
    let by_figures = &["outcomes_pkey", "outcomes_places", "outcomes_keys"][..];
    assert_plans("outcomes", by_figures, &format!("figures {state}"));
    store.performance(simulation_id, 24.0).await.unwrap();
    assert_plans("outcomes", by_simulation, &format!("performance {state}"));
    store.failures(50).await.unwrap();
    assert_plans("outcomes", &["outcomes_failures"], &format!("failures {state}"));
    for (name, filter) in filters {
        let what = format!("{name} {state}");
        export(store, simulation_id, filter.clone()).await;
        assert_plans("outcomes", by_simulation, &format!("export of {what}"));
        // If failures are rare, the index of all failures is suitable.
        let indexes = match name {
            "errors" => &["outcomes_places", "outcomes_failures"][..],
            _ => &["outcomes_places"],
        };
        let page = async |limit: u32, cursor: Option<&str>| {
            let attached = Attachments::default();
            store.outcomes_page(simulation_id, &filter, limit, cursor, attached).await.unwrap()
        };
        let second = page(2, None).await.cursor;
        for cursor in [None, second.as_deref()] {
            reported();
            page(100, cursor).await;
            assert_plans("outcomes", indexes, &format!("page of {what}, from {cursor:?}"));
        }
    }
    for (status, index) in [
        (None, "simulations_newest"),
        (Some(SimulationStatus::Running), "simulations_newest_of_status"),
    ] {
        let filter = SimulationFilter { status, ..SimulationFilter::default() };
        let second = store.simulations_page(&filter, 1, None).await.unwrap().cursor;
        for cursor in [None, second.as_deref()] {
            reported();
            store.simulations_page(&filter, 20, cursor).await.unwrap();
            // The primary key is for the short ids.
            let indexes = [index, "simulations_pkey"];
            assert_plans("simulations", &indexes, &format!("{status:?} {state}, from {cursor:?}"));
        }
    }
}

/// Reads the outcomes of a simulation as an export does.
async fn export(store: &Store, simulation_id: Uuid, filter: OutcomeFilter) {
    let simulations = vec![simulation_id];
    let selection = ExportSelection { simulations, filter, documents: false };
    let (sender, mut chunks) = mpsc::channel::<OutcomeRows>(1);
    let taken = async { while chunks.recv().await.is_some() {} };
    let read = async move {
        store.export(&selection, &sender).await.unwrap();
        drop(sender);
    };
    tokio::join!(read, taken);
}

/// Asserts the plans of all queries, of both kinds. False if the server does not report any.
fn assert_of_both_kinds(database: &TestDatabase, simulation_id: Uuid, state: &str) -> bool {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        for kind in ["custom", "generic"] {
            let store = reporting(database, kind);
            if let Err(error) = store.simulation(simulation_id).await {
                // The server cannot access the library.
                assert_eq!(error.sqlstate(), Some("58P01"), "{}", error.report());
                let why = format!("the server does not load auto_explain: {error}");
                skip_without_tool("the plans of queries", &why);
                return false;
            }
            assert_all(&store, simulation_id, &format!("{state}, {kind} plan")).await;
            store.close();
        }
        true
    })
}

/// Begins to keep the plans that servers report, for one test at a time.
fn keep_plans() -> MutexGuard<'static, ()> {
    static ONE_TEST: Mutex<()> = Mutex::new(());
    static LOGGER: Once = Once::new();
    let guard = ONE_TEST.lock().unwrap_or_else(PoisonError::into_inner);
    LOGGER.call_once(|| {
        log::set_logger(&PlanNotices).expect("nothing else reads the log of this process");
        log::set_max_level(log::LevelFilter::Info);
    });
    reported();
    guard
}

#[test]
fn important_queries_use_their_indexes_and_read_no_documents() {
    let _plans = keep_plans();
    let database = filled();
    let simulation_id = simulation(&database, 3);
    if !assert_of_both_kinds(&database, simulation_id, "without statistics") {
        return;
    }
    database.execute("ANALYZE arc_recorder.outcomes; ANALYZE arc_recorder.simulations");
    assert_of_both_kinds(&database, simulation_id, "with statistics");
    // A simulation that is newer than the statistics.
    let fresh = SIMULATIONS + 1;
    fill(&database, fresh, fresh);
    let simulation_id = simulation(&database, fresh);
    assert_of_both_kinds(&database, simulation_id, "fresh, beside statistics");
}

/// The number of chunks of each hypertable.
const CHUNKS: usize = 150;

/// Asserts that the plans since the last call read at most one chunk of each hypertable, and that one of
/// them reads a chunk.
#[track_caller]
fn assert_one_chunk(what: &str) {
    let mut chunks = 0;
    for plan in reported() {
        let mut all = Vec::new();
        nodes(&plan["Plan"], &mut all);
        let read: BTreeSet<&str> = all
            .iter()
            .filter_map(|node| node["Relation Name"].as_str())
            .filter(|name| name.starts_with("_hyper_"))
            .collect();
        let tables: BTreeSet<&str> =
            read.iter().filter_map(|name| name.split('_').nth(2)).collect();
        assert!(read.len() == tables.len(), "{what} reads {} chunks: {plan:#}", read.len());
        chunks += read.len();
    }
    assert!(chunks > 0, "{what} reads no chunk");
}

/// A query that does not name the time of a simulation's rows plans for every chunk, and locks it.
#[test]
fn queries_about_one_simulation_plan_for_one_chunk() {
    let Some(pglite) = Pglite::start("the plans of queries about hypertables") else { return };
    let _plans = keep_plans();
    pglite.runtime.block_on(async {
        let store = pglite.store();
        store.migrate().await.unwrap();
        store.close();
    });
    pglite.query(&format!(
        "INSERT INTO arc_recorder.simulations (simulation_id, config_version_id, modal_environment,
            trials, planned_scenarios, plan_sha256, partition_time, started_at, status)
        SELECT md5('simulation' || number)::uuid, 'test', 'test', 1, 0, '', accepted, accepted, 'running'
        FROM generate_series(1, {CHUNKS}) AS number,
            LATERAL (SELECT now() - number * interval '8 days' AS accepted) AS time;
        INSERT INTO arc_recorder.outcomes (simulation_id, outcome_id, partition_time, scenario_id, trial,
            received_at, execution_time, status, headline, score, scores, execution_time_ms, tokens_used,
            cost_usd, all_roles_tokens, all_roles_cost_usd, metrics, extractor_id, document_bytes,
            result_key)
        SELECT simulation_id, md5(simulation_id::text || number)::uuid, partition_time,
            's' || number % 3, 1, now(), now(), 'success', 'reliability_score', 0.5, '[]', 1, 1, 1, 1, 1,
            '{{}}', md5('extractor')::uuid, 16, 'key' || number % 4
        FROM arc_recorder.simulations, generate_series(1, 6) AS number;
        INSERT INTO arc_recorder.documents (simulation_id, outcome_id, partition_time, part, document)
        SELECT simulation_id, outcome_id, partition_time, 0, '{{\"a\": \"b\"}}    '
        FROM arc_recorder.outcomes"
    ));
    let chunks = "SELECT count(*) FROM timescaledb_information.chunks
        WHERE hypertable_name = 'outcomes'";
    assert!(pglite.query(chunks)[0].parse::<usize>().unwrap() >= CHUNKS);
    let id = "SELECT md5('simulation77')::uuid";
    let simulation_id: Uuid = pglite.query(id)[0].parse().unwrap();
    // All clients of PGlite share one session.
    pglite.query(
        "LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0;
        SET auto_explain.log_format = 'json'; SET auto_explain.log_level = 'notice'",
    );
    reported();
    pglite.runtime.block_on(async {
        let store = pglite.store();
        // The layout is looked up first.
        store.simulation(simulation_id).await.unwrap();
        reported();
        store.figures(simulation_id, FigureScope::WithMetrics).await.unwrap();
        assert_one_chunk("figures");
        store.performance(simulation_id, 1e6).await.unwrap();
        assert_one_chunk("performance");
        let filter = OutcomeFilter::default();
        let attached = Attachments { documents: true, trajectories: true };
        let first = store.outcomes_page(simulation_id, &filter, 2, None, attached).await.unwrap();
        assert_one_chunk("a page with documents");
        assert_eq!(first.outcomes.len(), 2);
        let next = first.cursor.as_deref();
        let second = store.outcomes_page(simulation_id, &filter, 9, next, attached).await.unwrap();
        assert_one_chunk("the next page");
        assert_eq!(second.outcomes.len(), 2, "six rows with four keys");
        store.revisions(simulation_id).await.unwrap();
        assert_one_chunk("revisions");
        let list = ResultList {
            is_final: true,
            outcome_ids: vec![first.outcomes[0].outcome_id],
            made_at: None,
            modified_at: Some(jiff::Timestamp::now()),
        };
        store.compare_results(simulation_id, &list).await.unwrap();
        assert_one_chunk("a comparison with the final list");
        store.simulation_with_figures(simulation_id).await.unwrap();
        assert_one_chunk("the status");
        // The failures of all simulations are in all chunks, so that a plan with many is recognised.
        store.failures(5).await.unwrap();
        let plan = reported().iter().map(|plan| plan.to_string().matches("_hyper_").count()).max();
        assert!(plan >= Some(CHUNKS), "{plan:?}");
        store.close();
    });
}
