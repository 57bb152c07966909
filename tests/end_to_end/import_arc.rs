//! The import of simulations of the earlier Python system.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::support::{Files, Program, Service, TestDatabase};

/// The tables of the earlier system, with the columns that its code writes.
const TABLES: &str = "
CREATE TABLE public.configurations (
    config_id uuid PRIMARY KEY, name text NOT NULL, user_id uuid NOT NULL, latest_version_id uuid,
    created_at timestamptz DEFAULT now());
CREATE TABLE public.config_versions (
    version_id uuid PRIMARY KEY, config_id uuid NOT NULL, version_number integer NOT NULL,
    raw_yaml text NOT NULL, parsed_config jsonb NOT NULL, config_hash text NOT NULL);
CREATE TABLE public.scenarios (
    scenario_id text PRIMARY KEY, name text NOT NULL, task_prompt text NOT NULL, ground_truth jsonb,
    difficulty_level text, tags text[], expected_tools jsonb, is_active boolean DEFAULT true,
    created_at timestamptz DEFAULT now());
CREATE TABLE public.simulations (
    simulation_id uuid PRIMARY KEY, config_version_id uuid NOT NULL, scenario_set text[] NOT NULL,
    simulation_name text, status text, total_scenarios integer NOT NULL,
    completed_scenarios integer DEFAULT 0, overall_score real, execution_time_ms integer,
    total_cost_usd real, metadata jsonb DEFAULT '{}', modal_app_id text, modal_environment text,
    sandbox_instances integer, created_at timestamptz, started_at timestamptz,
    completed_at timestamptz);
CREATE TABLE public.simulations_scenarios (
    simulation_id uuid NOT NULL, scenario_id text NOT NULL, execution_order integer NOT NULL,
    status text, modal_call_id text, modal_execution_logs text, retry_count integer DEFAULT 0,
    PRIMARY KEY (simulation_id, scenario_id));
CREATE TABLE public.outcomes (
    outcome_id uuid, simulation_id uuid NOT NULL, scenario_id text NOT NULL,
    execution_time timestamptz NOT NULL, status text NOT NULL, reliability_score real NOT NULL,
    execution_time_ms real NOT NULL, tokens_used integer NOT NULL, cost_usd real NOT NULL,
    trajectory jsonb NOT NULL, metrics jsonb DEFAULT '{}', modal_call_id text, sandbox_id text,
    sandbox_logs text, retry_count integer DEFAULT 0, error_code text, error_category text,
    created_at timestamptz DEFAULT now(), PRIMARY KEY (outcome_id, execution_time));
";

const COMPLETED: &str = "11111111-1111-4111-8111-111111111111";
const RUNNING: &str = "22222222-2222-4222-8222-222222222222";
const FAILED: &str = "33333333-3333-4333-8333-333333333333";

/// Inserts one outcome: of the `number`th second, with its columns after `scenario_id`.
fn outcome(simulation: &str, number: u32, scenario: &str, columns: &str) -> String {
    format!(
        "INSERT INTO public.outcomes (outcome_id, simulation_id, scenario_id, execution_time, status,
             reliability_score, execution_time_ms, tokens_used, cost_usd, trajectory, error_code, metrics,
             modal_call_id)
         VALUES ('00000000-0000-4000-8000-{number:012}', '{simulation}', '{scenario}',
             '2025-06-10 14:00:{number:02}+00', {columns});"
    )
}

/// A database of the earlier system with a completed simulation whose first batch was stored twice, a
/// running one and a failed one.
fn earlier_system() -> TestDatabase {
    let database = TestDatabase::empty();
    database.execute(TABLES);
    database.execute(&format!(
        r#"INSERT INTO public.configurations VALUES
            ('aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa', 'assistant', 'bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb');
        INSERT INTO public.config_versions VALUES
            ('cccccccc-cccc-4ccc-8ccc-cccccccccccc', 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa', 1,
             'model: m', '{{"model": "m", "temperature": 0.5}}', repeat('0', 64));
        INSERT INTO public.scenarios (scenario_id, name, task_prompt, tags) VALUES
            ('weather', 'Weather in NYC', 'Look up the weather.', '{{travel}}'),
            ('refund', 'A refund', 'Refund my order.', NULL);
        INSERT INTO public.simulations VALUES
            ('{COMPLETED}', 'cccccccc-cccc-4ccc-8ccc-cccccccccccc', '{{weather,refund}}', 'nightly',
             'completed', 2, 2, 0.6, 2500, 0, '{{"agent_model": "m", "successful_runs": 0}}', 'app-1',
             'production', 2, '2025-06-10 13:59:00+00', '2025-06-10 13:59:01+00', '2025-06-10 14:10:00+00'),
            ('{RUNNING}', 'cccccccc-cccc-4ccc-8ccc-cccccccccccc', '{{weather}}', NULL, 'running', 1, 0,
             NULL, NULL, NULL, NULL, NULL, NULL, 1, '2025-06-11 13:59:00+00', NULL, NULL),
            ('{FAILED}', 'dddddddd-dddd-4ddd-8ddd-dddddddddddd', '{{weather}}', 'broken', 'failed', 1, 0,
             NULL, NULL, NULL, '{{}}', NULL, 'staging', 1, '2025-06-12 13:59:00+00', NULL, NULL);
        INSERT INTO public.simulations_scenarios VALUES
            ('{COMPLETED}', 'refund', 2, 'failed', 'call-2', 'a log', 0),
            ('{COMPLETED}', 'weather', 1, 'completed', 'call-1', NULL, 0),
            ('{RUNNING}', 'weather', 1, 'pending', NULL, NULL, 0);"#
    ));
    let success = r#"'success', 0.9, 1500, 200, 0.006,
        '{"start_time": "2025-06-10T13:59:30+00:00", "status": "success", "task_prompt": "Look up the weather.",
          "final_response": "Sunny.", "full_trajectory": [{"tool": "search"}],
          "detailed_trajectory": {"steps": 1}, "reliability_dimensions": {"tool_execution": 90}}',
        NULL, '{"prompt_tokens": 150, "completion_tokens": 50, "reliability_grade": "B"}', 'call-1'"#;
    let error = r#"'error', 0.1, 20.5, 0, 0, '{"start_time": "2025-06-10T14:00:02Z", "status": "error"}',
        'connection refused', '{"reliability_grade": "N/A"}', 'call-2'"#;
    for (number, scenario, columns) in
        [(1, "weather", success), (2, "refund", error), (3, "weather", success)]
    {
        database.execute(&outcome(COMPLETED, number, scenario, columns));
    }
    database
}

/// Returns the report on each simulation, by its id, and the totals.
fn import(program: &Program, from: &str, code: i32) -> (HashMap<String, Value>, Value) {
    let lines = program.run(["import-arc", "--from", from, "--json"]).ended(code).json_lines();
    let (summary, simulations) = lines.split_last().unwrap();
    let by_id = |one: &Value| (one["simulation_id"].as_str().unwrap().to_owned(), one.clone());
    (simulations.iter().map(by_id).collect(), summary["summary"].clone())
}

#[test]
fn simulations_of_the_earlier_system_are_imported_and_again_only_what_is_new() {
    let (earlier, files) = (earlier_system(), Files::new());
    let contents =
        "SELECT (SELECT jsonb_agg(o ORDER BY execution_time) FROM public.outcomes o)::text
        || (SELECT jsonb_agg(s ORDER BY simulation_id) FROM public.simulations s)::text";
    let before: String = earlier.query(contents)[0].get(0);
    for over_http in [false, true] {
        let database = TestDatabase::new();
        let direct = Program::on(&database);
        let service = over_http.then(|| Service::start(&direct, &files, &[]));
        let program = service.as_ref().map_or(direct, Service::program);

        let listed = program.run(["import-arc", "--from", earlier.url(), "--dry-run", "--json"]);
        assert_eq!(listed.ended(0).json_lines().len(), 3);
        assert_eq!(database.count("SELECT count(*) FROM arc_recorder.simulations"), 0);

        let (imported, summary) = import(&program, earlier.url(), 0);
        assert_eq!((&summary["simulations"], &summary["stored"]), (&json!(3), &json!(3)));
        let completed = &imported[COMPLETED];
        assert_eq!(completed["status"], "completed");
        assert_eq!((&completed["earlier_outcomes"], &completed["stored"]), (&json!(3), &json!(3)));
        // The earlier system's own score, and that of its outcomes: the repetition counts once.
        assert_eq!(completed["overall_score"], json!(0.6));
        // The failed one could not connect, which is no evidence about the agent.
        assert_eq!(completed["computed_score"], json!(0.9));
        assert_eq!(imported[FAILED]["status"], "failed");
        assert_eq!(imported[RUNNING]["status"], "running");
        let note = imported[RUNNING]["notes"][0].as_str().unwrap();
        assert!(note.starts_with("it is running in the earlier system"), "{note}");

        let status = program.run(["status", COMPLETED, "--json"]).ended(0).json();
        assert_eq!(status["simulation_name"], "nightly");
        assert_eq!(
            (&status["total_scenarios"], &status["completed_scenarios"]),
            (&json!(2), &json!(2))
        );
        assert_eq!(status["successful_outcomes"], 1);
        assert_eq!(status["execution_time_ms"], json!(2500.0));
        // A cost of 0 is the computed one, of everything that ran.
        assert_eq!(status["total_cost_usd"], json!(0.012));
        assert_eq!(status["models"], json!(["m"]));
        assert_eq!(
            status["metadata"]["earlier_system"]["mappings"][0]["modal_execution_logs"],
            "a log"
        );
        assert_eq!(
            status["metadata"]["earlier_system"]["config_version_id"],
            "cccccccc-cccc-4ccc-8ccc-cccccccccccc"
        );
        let outcomes = program.run(["outcomes", COMPLETED, "--json"]).ended(0).json_lines();
        let of = |scenario: &str, attempt: i64| {
            let found = |one: &&Value| one["scenario_id"] == scenario && one["attempt"] == attempt;
            outcomes.iter().find(found).unwrap_or_else(|| panic!("{outcomes:?}"))
        };
        let weather = of("weather", 2);
        assert_eq!(weather["scenario_name"], "Weather in NYC");
        assert_eq!(weather["reliability_score"], json!(0.9));
        assert_eq!(weather["execution_time_ms"], json!(1500.0));
        assert_eq!(weather["tokens_used"], 200);
        assert_eq!(weather["cost_usd"], json!(0.006));
        assert_eq!(weather["modal_call_id"], "call-1");
        assert_eq!(weather["execution_time"], "2025-06-10T13:59:30Z");
        let refund = of("refund", 1);
        assert_eq!(
            (&refund["status"], &refund["error_message"]),
            (&json!("error"), &json!("connection refused"))
        );
        assert_eq!(refund["execution_time_ms"], json!(20.5));

        let database_has = |sql: &str| database.count(sql);
        assert_eq!(
            database_has(
                "SELECT count(*) FROM arc_recorder.config_versions WHERE name = 'assistant'"
            ),
            1
        );
        let planned = database.query(&format!(
            "SELECT scenario_id FROM arc_recorder.planned_scenarios WHERE simulation_id = '{COMPLETED}'
             ORDER BY execution_order"
        ));
        let planned: Vec<String> = planned.iter().map(|row| row.get(0)).collect();
        assert_eq!(planned, ["weather", "refund"]);

        let (_, again) = import(&program, earlier.url(), 0);
        assert_eq!((&again["stored"], &again["duplicate"]), (&json!(0), &json!(3)));
    }
    assert_eq!(earlier.query(contents)[0].get::<_, String>(0), before, "nothing was written there");
    assert_eq!(
        earlier.count("SELECT count(*) FROM pg_namespace WHERE nspname = 'arc_recorder'"),
        0
    );

    // Later the running one continues there, and ends; another one is removed here.
    let database = TestDatabase::new();
    let program = Program::on(&database);
    import(&program, earlier.url(), 0);
    let odd = "'success', 'NaN', 1, 1, 0, '[1]', NULL, NULL, NULL";
    let late = "'success', 1, 1, 1, 0, '{\"start_time\": \"2025-06-11T14:00:00Z\", \"status\": \"success\"}',
        NULL, NULL, NULL";
    earlier.execute(&outcome(RUNNING, 4, "weather", late));
    earlier.execute(&outcome(RUNNING, 5, "weather", odd));
    earlier.execute(&format!(
        "UPDATE public.simulations SET status = 'completed', completed_at = now(), overall_score = 0
         WHERE simulation_id = '{RUNNING}'"
    ));
    program.run(["simulations", "remove", FAILED, "--yes"]).ended(0);
    let (imported, summary) = import(&program, earlier.url(), 2);
    assert_eq!(summary["removed_simulations"], 1);
    let running = &imported[RUNNING];
    assert_eq!((&running["stored"], &running["rejected"]), (&json!(1), &json!(1)));
    assert_eq!(running["rejected_results"][0]["path"], "/reliability_score/overall_score");
    assert_eq!((&running["status"], &running["overall_score"]), (&json!("completed"), &json!(1.0)));
    assert!(!imported.contains_key(FAILED));
}

#[test]
fn a_database_without_the_earlier_system_is_named() {
    let (database, empty) = (TestDatabase::new(), TestDatabase::empty());
    let program = Program::on(&database);
    let error = program.run(["import-arc", "--from", empty.url()]).ended(1).stderr;
    assert!(
        error.contains("no tables of the earlier system: public.configurations, public."),
        "{error}"
    );
    let earlier = earlier_system();
    let unknown = "99999999-9999-4999-8999-999999999999";
    let from = ["import-arc", "--from", earlier.url(), "--simulation", unknown];
    let error = program.run(from).ended(1).stderr;
    assert!(error.contains(&format!("the earlier system has no simulation {unknown}")), "{error}");
    let error = program.run(["import-arc", "--from", "mysql://here"]).ended(1).stderr;
    assert!(error.contains("invalid URL in --from: it must begin with postgresql://"), "{error}");
}
