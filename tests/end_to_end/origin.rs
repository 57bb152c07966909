//! Who ran what, and tokens and cost by role, model and kind: from results, declarations and prices to
//! the simulation.

use serde_json::{Value, json};

use crate::support::{Files, Program, Service, TestDatabase, record};

/// A table of prices in LiteLLM's form.
const PRICES: &str = r#"{"gpt-4o": {"input_cost_per_token": 2e-6, "output_cost_per_token": 1e-5,
    "cache_read_input_token_cost": 1e-6, "litellm_provider": "openai", "mode": "chat"}}"#;

fn result(id: &str, model: Option<&str>, usage: Value) -> Value {
    let mut result = json!({"scenario": {"id": id}, "reliability_score": 1,
        "trajectory": {"status": "success", "token_usage": usage}});
    if let Some(model) = model {
        result["trajectory"]["model"] = model.into();
    }
    result
}

fn status(program: &Program, summary: &Value) -> Value {
    let id = summary["simulation_id"].as_str().unwrap();
    program.run(["status", id, "--json"]).ended(0).json()
}

#[test]
fn tokens_and_cost_are_apart_by_model_and_kind_and_priced() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let cached = json!({"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150,
        "cache_read_tokens": 60, "reasoning_tokens": 20});
    let reported = json!({"prompt_tokens": 10, "completion_tokens": 5, "total_cost": 0.5});
    let results = [
        result("a", Some("openai/gpt-4o"), cached),
        result("b", Some("unknown"), reported),
        result("c", None, json!({"total_tokens": 7})),
    ];
    let path = files.write_lines("results.jsonl", &results);
    let unpriced = record(&program, &path, &[]).ended(0).json();
    assert_eq!(status(&program, &unpriced)["computed_cost_usd"], Value::Null);

    let table = files.write("prices.json", PRICES);
    let load = ["prices", "load", table.to_str().unwrap(), "--dated", "2026-11-01", "--json"];
    assert_eq!(program.run(load).ended(0).json()["models"], 1);
    let summary = record(&program, &path, &["--new"]).ended(0).json();
    let status = status(&program, &summary);
    assert_eq!(status["models"], json!(["openai/gpt-4o", "unknown"]));
    assert_eq!((&status["total_tokens"], &status["all_roles_tokens"]), (&json!(172), &json!(172)));
    // 40 uncached, 60 cached, 30 of the answer and 20 of reasoning.
    let computed = 40.0 * 2e-6 + 60.0 * 1e-6 + 50.0 * 1e-5;
    assert!((status["computed_cost_usd"].as_f64().unwrap() - computed).abs() < 1e-12, "{status}");
    assert_eq!((&status["total_cost_usd"], &status["unpriced_outcomes"]), (&json!(0.5), &json!(2)));
    assert_eq!(status["prices_dated"], json!(["2026-11-01"]));
    let usage = status["usage"].as_array().unwrap();
    assert_eq!(usage.len(), 2);
    for (kind, tokens) in [
        ("uncached_input", 40),
        ("cache_read", 60),
        ("cache_write", 0),
        ("output", 30),
        ("reasoning", 20),
        ("total", 150),
    ] {
        assert_eq!(usage[0][format!("{kind}_tokens")], tokens, "{kind}");
    }
    assert_eq!(
        (&usage[0]["model"], &usage[0]["cost_usd"]),
        (&json!("openai/gpt-4o"), &Value::Null)
    );
    assert_eq!((&usage[1]["model"], &usage[1]["cost_usd"]), (&json!("unknown"), &json!(0.5)));

    let id = summary["simulation_id"].as_str().unwrap();
    let outcomes = program.run(["outcomes", id, "--json"]).ended(0).json_lines();
    let models: Vec<&Value> = outcomes.iter().map(|outcome| &outcome["model"]).collect();
    assert_eq!(models, [&json!("openai/gpt-4o"), &json!("unknown"), &Value::Null]);
    assert_eq!(outcomes[2]["usage"], Value::Null);
    // The first simulation was recorded before the table was loaded.
    let priced =
        "SELECT count(*) FROM arc_recorder.simulations WHERE computed_cost_usd IS NOT NULL";
    assert_eq!(database.count(priced), 1);
    program.run(["reextract", "--all"]).ended(0);
    let status = program
        .run(["status", unpriced["simulation_id"].as_str().unwrap(), "--json"])
        .ended(0)
        .json();
    assert_eq!(status["prices_dated"], json!(["2026-11-01"]), "extracting again computes the cost");

    let listed = program.run(["simulations", "--json"]).ended(0).json_lines();
    assert_eq!(listed[0]["models"], json!(["openai/gpt-4o", "unknown"]));
    assert_eq!(listed[0]["total_tokens"], 172);
    assert_eq!(listed[0]["computed_cost_usd"], status["computed_cost_usd"]);
    let text = program.run(["status", id]).ended(0).stdout;
    for part in [
        "openai/gpt-4o, unknown",
        "172 (uncached input 50, cache read 60, output 35, reasoning 20)",
        "$0.500000; $0.000640 computed with the prices of 2026-11-01, 2 without a price",
        "agent, openai/gpt-4o: 150 tokens, $0.000640 computed",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn a_table_that_is_not_one_is_refused() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    for (text, expected) in [
        ("[]", "is not a table of prices"),
        (r#"{"m": {"input_cost_per_token": -1}}"#, "has the price -1 for a token of \"m\""),
        (r#"{"m": {"input_cost_per_image": 1}}"#, "has no model with the price of a token"),
    ] {
        let table = files.write("prices.json", text);
        let refused = program.run(["prices", "load", table.to_str().unwrap()]).ended(1);
        assert!(refused.stderr.contains(expected), "{}", refused.stderr);
    }
    let shown = program.run(["prices", "show", "gpt-4o"]).ended(1);
    assert!(shown.stderr.contains("no prices are loaded"), "{}", shown.stderr);
    let list = program.run(["prices", "list"]).ended(0);
    assert!(list.stderr.contains("arc-host prices load FILE"), "{}", list.stderr);
}

#[test]
fn what_a_start_declares_counts_before_what_results_name() {
    let database = TestDatabase::new();
    let files = Files::new();
    let service = Service::start(&Program::on(&database), &files, &[]);
    let start = |body: Value| {
        let answer = service.post("/v1/simulations", &body).has(200).json();
        answer["simulation_id"].as_str().unwrap().to_owned()
    };
    let declared = start(json!({"scenarios": [{"id": "a"}],
        "origin": {"models": ["declared"], "task": "weather", "dataset": "cities", "dataset_version": "2"}}));
    // As the guide starts a simulation.
    let guide =
        start(json!({"scenarios": [{"id": "a"}], "metadata": {"agent_model": "of the guide"}}));
    let named = start(json!({"scenarios": [{"id": "a"}], "metadata": {"agent_model": 1}}));
    let silent = start(json!({"scenarios": [], "origin": {"models": ["the only one"]}}));
    let nameless = result("a", None, json!({"total_tokens": 1}));
    service.post(&format!("/v1/simulations/{silent}/outcomes"), &nameless).has(200);
    let page = service.get(&format!("/v1/simulations/{silent}/outcomes")).has(200).json();
    assert_eq!(page["outcomes"][0]["model"], "the only one", "the simulation's");
    let document = result("a", Some("of the result"), json!({"total_tokens": 1}));
    for (id, running, ended) in [
        (&declared, json!(["declared"]), json!(["declared"])),
        (&guide, json!(["of the guide"]), json!(["of the guide"])),
        (&named, json!([]), json!(["of the result"])),
    ] {
        let listed = |id: &str| {
            let list = service.get("/v1/simulations").has(200).json();
            let all = list["simulations"].as_array().unwrap();
            all.iter().find(|one| one["simulation_id"] == id).unwrap()["models"].clone()
        };
        assert_eq!(listed(id), running);
        service.post(&format!("/v1/simulations/{id}/outcomes"), &document).has(200);
        service.post(&format!("/v1/simulations/{id}/complete"), &json!({})).has(200);
        assert_eq!(listed(id), ended);
    }
    let page = service.get(&format!("/v1/simulations/{named}/outcomes")).has(200).json();
    assert_eq!(page["outcomes"][0]["model"], "of the result");
    let status = service.get(&format!("/v1/simulations/{declared}")).has(200).json();
    let origin = ["task", "dataset", "dataset_version", "tool"].map(|name| status[name].clone());
    assert_eq!(origin, [json!("weather"), json!("cities"), json!("2"), Value::Null]);
    let unknown = json!({"scenarios": [], "origin": {"modell": "m"}});
    service.post("/v1/simulations", &unknown).has(400);
}

/// As a script in CI shows a folder with the results of two models: each list is legible in 80 columns.
#[test]
fn a_folder_of_two_models_is_legible_in_80_columns() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    for (model, score) in [("openai/gpt-4o", 1.0), ("anthropic/claude-sonnet-4-5", 0.5)] {
        let tokens = json!({"prompt_tokens": 100, "completion_tokens": 50});
        let mut failed = result("weather in a long name of a city", Some(model), tokens.clone());
        failed["trajectory"]["status"] = "error".into();
        failed["trajectory"]["error"] =
            "openai.RateLimitError: Error code: 429 - too many requests\nTraceback".into();
        failed["reliability_score"] = score.into();
        let results = [result("sum", Some(model), tokens), failed];
        let name = model.rsplit('/').next().unwrap();
        files.write_lines(&format!("logs/{name}/results.jsonl"), &results);
    }
    files.write("logs/notes.txt", "no results");
    let recorded = program.run(["record", files.path("logs").to_str().unwrap()]).ended(0).stdout;
    assert!(recorded.contains("total: 2 files as 2 simulations"), "{recorded}");

    let lists = [
        (&["simulations"][..], &["gpt-4o", "claude-s", "1.000", "completed"][..]),
        (&["outcomes", "latest"], &["sum", "of a city", "150", "RateLimitError: Error code: 4"]),
        (&["failures"], &["gpt-4o", "of a city", "RateLimitError: Error code:"]),
    ];
    for (arguments, texts) in lists {
        let list = program.run(arguments).ended(0).stdout;
        assert!(list.lines().all(|line| line.chars().count() <= 80), "{list}");
        for text in texts {
            assert!(list.contains(text), "{text}: {list}");
        }
        assert!(!list.contains("Traceback"), "{list}");
    }
    let whole = program.run(["failures", "--messages"]).ended(0).stdout;
    let message = "  openai.RateLimitError: Error code: 429 - too many requests\n  Traceback";
    assert!(whole.contains(message), "{whole}");
    let failure = program.run(["failures", "--json", "--limit", "1"]).ended(0).json();
    assert_eq!(failure["error_code"], "openai.RateLimitError");
    assert_eq!(failure["error_category"], "rate_limit");
}

#[test]
fn a_rejected_result_has_its_line_in_the_file() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let array = "[\n  {\"scenario\": {\"id\": \"a\"}},\n\n  {\"scenario\":\n {\"id\": 1}}\n]";
    for (name, text, line) in [
        ("lines.jsonl", "{\"scenario\": {\"id\": \"a\"}}\n\n{\"scenario\": {\"id\": 1}}\n", 3),
        ("array.json", array, 4),
    ] {
        let path = files.write(name, text);
        let shown = program.run(["record", path.to_str().unwrap()]).ended(2).stdout;
        assert!(
            shown.contains(&format!("rejected line {line}: wrong_type at /scenario/id")),
            "{shown}"
        );
        let summary = record(&program, &path, &[]).ended(2).json();
        assert_eq!(summary["rejected_results"][0]["line"], line);
        let id = summary["simulation_id"].as_str().unwrap();
        let rejected = program.run(["rejected", id, "--json"]).ended(0).json();
        assert_eq!((&rejected["line"], &rejected["position"]), (&json!(line), &json!(1)));
        let shown = program.run(["rejected", id]).ended(0).stdout;
        assert!(shown.contains(&format!("line {line}")), "{shown}");
        let shown = program.run(["validate", path.to_str().unwrap()]).ended(2).stdout;
        assert!(shown.contains(&format!("line {line}    rejected")), "{shown}");
    }
}
