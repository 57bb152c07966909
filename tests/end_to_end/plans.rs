//! How the server runs the important queries: by the right index, without reading all outcomes and
//! without touching a document; with statistics of the tables and without.

use arc_host::store::{Attached, OutcomeFilter, Question, SimulationStatus, Store};
use serde_json::Value;
use uuid::Uuid;

use crate::support::TestDatabase;

/// Outcomes of each of the simulations.
const OUTCOMES: usize = 5_000;

/// The number of simulations.
const SIMULATIONS: usize = 10;

/// Outcomes of ten simulations, one in fifty of them a failure, and simulations of which few run.
/// Nothing has been analysed, and nothing will be unless the test does it.
fn filled() -> TestDatabase {
    let database = TestDatabase::new();
    fill(&database, 1, SIMULATIONS);
    database
}

/// Makes the outcomes of some simulations.
fn fill(database: &TestDatabase, first: usize, last: usize) {
    database.execute(&format!(
        r#"ALTER TABLE arc_recorder.outcomes SET (autovacuum_enabled = off);
        ALTER TABLE arc_recorder.simulations SET (autovacuum_enabled = off);
        INSERT INTO arc_recorder.simulations (simulation_id, config_version_id, modal_environment,
            trials, planned_scenarios, plan_sha256, created_at, started_at, status)
        SELECT md5('simulation' || number)::uuid, 'test', 'test', 1, 0, '', now() - number * interval '1 hour',
            now(), CASE WHEN number % 500 = 1 THEN 'running' ELSE 'completed' END
        FROM generate_series(1, 5000) AS number
        ON CONFLICT DO NOTHING;
        INSERT INTO arc_recorder.outcomes (simulation_id, outcome_id, started_at, scenario_id, trial,
            received_at, execution_time, status, reliability_score, execution_time_ms, tokens_used,
            cost_usd, metrics, extractor_id, document)
        SELECT md5('simulation' || simulation)::uuid, md5(simulation || '/' || number)::uuid, now(),
            'scenario-' || number % 2500, 1, now() - number * interval '1 minute',
            now() - number * interval '1 minute',
            CASE WHEN number % 50 = 0 THEN 'error' ELSE 'success' END, 0.5, 1, 1, 1, '{{}}',
            md5('extractor')::uuid, '{{"scenario": {{}}}}'
        FROM generate_series({first}, {last}) AS simulation, generate_series(1, {OUTCOMES}) AS number"#
    ));
}

/// The id of a simulation, as the database made it.
fn simulation(database: &TestDatabase, number: usize) -> Uuid {
    database.query(&format!("SELECT md5('simulation{number}')::uuid"))[0].get(0)
}

/// Every node of a plan.
fn nodes<'p>(node: &'p Value, found: &mut Vec<&'p Value>) {
    found.push(node);
    for child in node["Plans"].as_array().into_iter().flatten() {
        nodes(child, found);
    }
}

/// Asserts of a query's plans: which index of outcomes or simulations they use, that they read no
/// whole table of either, and that no node gives a document to the next.
#[track_caller]
fn assert_plans(plans: &[Value; 2], indexes: &[&str], what: &str) {
    for (plan, kind) in plans.iter().zip(["special", "general"]) {
        let mut all = Vec::new();
        nodes(&plan[0]["Plan"], &mut all);
        let text = format!("{what}, {kind}: {plan:#}");
        let of = |node: &Value, name: &str| node[name].as_str().unwrap_or_default().to_owned();
        for node in &all {
            let fact = ["outcomes", "simulations"].contains(&of(node, "Relation Name").as_str());
            assert!(!(fact && of(node, "Node Type") == "Seq Scan"), "a whole table: {text}");
            let output = node["Output"].as_array().into_iter().flatten();
            let gives_document =
                output.filter_map(Value::as_str).any(|name| name.contains("document"));
            assert!(!gives_document, "a document: {text}");
        }
        let used: Vec<String> = all.iter().map(|node| of(node, "Index Name")).collect();
        let used: Vec<&str> = used
            .iter()
            .map(String::as_str)
            .filter(|name| ["outcomes", "simulations_"].iter().any(|table| name.starts_with(table)))
            .collect();
        // Through another index a simulation would be read from one end to the other.
        let simulation = "simulations_pkey";
        let wrong = used.iter().any(|name| *name != simulation && !indexes.contains(name));
        let found = indexes.iter().any(|index| used.contains(index));
        assert!(found && !wrong, "{used:?} are used, not {indexes:?}: {text}");
    }
}

async fn assert_all(store: &Store, simulation_id: Uuid, state: &str) {
    let by_simulation = &["outcomes_pkey", "outcomes_places"][..];
    let filters = [
        ("all", OutcomeFilter::default()),
        ("errors", OutcomeFilter { scenario_id: None, status: Some("error".to_owned()) }),
        ("a scenario", OutcomeFilter { scenario_id: Some("scenario-7".to_owned()), status: None }),
    ];
    let mut questions = vec![
        ("the row", Question::Simulation(simulation_id), &["simulations_pkey"][..]),
        ("figures", Question::Figures(simulation_id), by_simulation),
        ("performance", Question::Performance(simulation_id, 24.0), by_simulation),
        ("failures", Question::Failures(50), &["outcomes_failures"]),
    ];
    for (name, filter) in filters {
        questions.push((name, Question::Export(simulation_id, filter.clone()), by_simulation));
        let page = store
            .outcomes_page(simulation_id, &filter, 2, None, Attached::default())
            .await
            .unwrap();
        for cursor in [None, page.cursor] {
            let filter = filter.clone();
            let page = Question::OutcomesPage { simulation_id, filter, limit: 100, cursor };
            // Where failures are rare, the index of all of them helps.
            let indexes = match name {
                "errors" => &["outcomes_places", "outcomes_failures"][..],
                _ => &["outcomes_places"],
            };
            questions.push((name, page, indexes));
        }
    }
    for (status, index) in [
        (None, &["simulations_newest"][..]),
        (Some(SimulationStatus::Running), &["simulations_newest_of_status"]),
    ] {
        let page = store.simulations_page(status, 1, None).await.unwrap();
        for cursor in [None, page.cursor] {
            let page = Question::SimulationsPage { status, limit: 20, cursor };
            questions.push(("simulations", page, index));
        }
    }
    for (name, question, indexes) in &questions {
        let plans = store.explain(question).await.unwrap();
        assert_plans(&plans, indexes, &format!("{name} {state}: {question:?}"));
    }
}

#[test]
fn important_queries_use_their_indexes_and_read_no_documents() {
    let database = filled();
    let simulation_id = simulation(&database, 3);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = database.store();
        assert_all(&store, simulation_id, "without statistics").await;
        store.close();
    });
    database.execute("ANALYZE arc_recorder.outcomes; ANALYZE arc_recorder.simulations");
    runtime.block_on(async {
        let store = database.store();
        assert_all(&store, simulation_id, "with statistics").await;
        store.close();
    });
    // Of one that came later the statistics know nothing.
    let fresh = SIMULATIONS + 1;
    fill(&database, fresh, fresh);
    let simulation_id = simulation(&database, fresh);
    runtime.block_on(async {
        let store = database.store();
        assert_all(&store, simulation_id, "fresh, beside statistics").await;
        store.close();
    });
}
