//! Shared parts of the measurements: documents, and a private PostgreSQL with default durability.

#![allow(dead_code, unused_imports, reason = "each measurement uses a part of it")]

pub(crate) mod documents;

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;

use arc_host::embedded::{Download, EmbeddedDatabase, EmbeddedSettings, SupervisorCommand};
use arc_host::recorder::PlanDigest;
use arc_host::store::{NewSimulation, SimulationStart, Store};
use tempfile::TempDir;
use tokio_postgres::{Client, Config, NoTls};
use uuid::Uuid;

/// A temporary cluster with the current schema.
pub(crate) struct BenchDatabase {
    database: EmbeddedDatabase,
    // Declared after the database, which stops before its folder is removed.
    _folder: TempDir,
}

impl BenchDatabase {
    /// Creates and starts it.
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The server can run as another user, which needs access.
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).unwrap();
        let database = EmbeddedDatabase::acquire(&EmbeddedSettings {
            data_dir: Some(folder.path().join("data")),
            bin_dir: None,
            further_bin_dirs: Vec::new(),
            download: Download::Forbidden,
            supervisor: SupervisorCommand {
                program: env!("CARGO_BIN_EXE_arc-host").into(),
                args: vec![OsString::from("__supervise")],
            },
            server_settings: Vec::new(),
        })
        .await
        .unwrap();
        let bench = BenchDatabase { database, _folder: folder };
        bench.store(1).migrate().await.unwrap();
        bench
    }

    /// Returns its connection settings.
    pub(crate) fn config(&self) -> Config {
        self.database.config()
    }

    /// Returns its URL.
    pub(crate) fn url(&self) -> String {
        self.database.url()
    }

    /// Returns a store on it.
    pub(crate) fn store(&self, connections: usize) -> Store {
        Store::new(self.config(), connections).unwrap()
    }

    /// Opens a connection without the store.
    pub(crate) async fn connect(&self) -> Client {
        connect(&self.config()).await
    }

    /// Returns the server's version.
    pub(crate) fn version(&self) -> String {
        self.database.programs().version.to_string()
    }
}

/// Opens a connection without the store.
pub(crate) async fn connect(config: &Config) -> Client {
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Returns a simulation without a plan.
pub(crate) fn new_simulation(simulation_id: Uuid) -> NewSimulation {
    let start = SimulationStart {
        simulation_id: Some(simulation_id),
        config_version_id: "bench".to_owned(),
        modal_environment: Some("bench".to_owned()),
        ..SimulationStart::default()
    };
    NewSimulation::new(start, 0, PlanDigest::new().finish())
}

/// The number of outcomes that [`make_outcomes`] creates.
pub(crate) const OUTCOMES: u64 = 100_000;

/// Creates the outcomes of a simulation as recorders do: in many transactions, with keys in random
/// order.
pub(crate) async fn make_outcomes(admin: &Client, simulation_id: Uuid) {
    let insert = format!(
        r#"INSERT INTO arc_recorder.outcomes (simulation_id, outcome_id, partition_time, scenario_id,
            scenario_name, trial, received_at, execution_time, status, headline, score,
            scores, execution_time_ms, tokens_used, cost_usd, all_roles_tokens,
            all_roles_cost_usd, error_code, error_category, error_message,
            metrics, extractor_id, document_bytes)
        SELECT simulation_id, gen_random_uuid(), partition_time, 'scenario-' || md5((number / 2)::text),
            'Scenario ' || number, 1 + number % 2, clock_timestamp(),
            now() - (({OUTCOMES} - number) * interval '100 milliseconds'),
            CASE WHEN number % 10 = 0 THEN 'error' ELSE 'success' END, 'reliability_score',
            score, jsonb_build_array(jsonb_build_object('name', 'reliability_score', 'value', score)),
            2500, 200, 0.006, 200, 0.006,
            CASE WHEN number % 10 = 0 THEN 'TimeoutError' END,
            CASE WHEN number % 10 = 0 THEN 'timeout' END,
            CASE WHEN number % 10 = 0 THEN 'TimeoutError: it took too long' END,
            '{{"prompt_tokens": 150, "completion_tokens": 50, "event_count": 3, "grade": "B"}}',
            simulation_id, 62
        FROM arc_recorder.simulations, generate_series($1::bigint, $1::bigint + 9999) AS number,
            LATERAL (SELECT random() + 0 * number AS score) AS random
        WHERE simulation_id = '{simulation_id}' ORDER BY md5(number::text)"#
    );
    let insert = admin.prepare(&insert).await.unwrap();
    for first in (0..OUTCOMES).step_by(10_000) {
        admin.execute(&insert, &[&i64::try_from(first).unwrap()]).await.unwrap();
    }
    let documents = format!(
        r#"INSERT INTO arc_recorder.documents (simulation_id, outcome_id, partition_time, part, document)
        SELECT simulation_id, outcome_id, partition_time, 0,
            '{{"scenario": {{"id": "a"}}, "trajectory": {{"status": "success"}}}}'
        FROM arc_recorder.outcomes WHERE simulation_id = '{simulation_id}'"#
    );
    admin.batch_execute(&documents).await.unwrap();
}
