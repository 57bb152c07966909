//! The scenario of a result, and the lists with which simulations are started.

use super::*;

fn with_scenario(scenario: &str) -> String {
    format!(
        r#"{{"scenario": {scenario}, "trajectory": {{"status": "success"}}, "reliability_score": 1}}"#
    )
}

#[test]
fn an_id_is_any_text_of_1_to_512_bytes() {
    for id in [
        "a",
        " ",
        "A.b-C d/~e",
        "天気 😀",
        "\"\\\n\t",
        "null",
        "0",
        &"x".repeat(512),
        &"é".repeat(256),
        &"😀".repeat(128),
    ] {
        let outcome = accepted(&with_scenario(&json!({ "id": id }).to_string()));
        assert_eq!(outcome.scenario.id, id);
        assert_eq!(outcome.warnings, []);
    }
    let escaped = r"\u0041".repeat(512);
    let outcome = accepted(&with_scenario(&format!(r#"{{"id": "{escaped}"}}"#)));
    assert_eq!(outcome.scenario.id, "A".repeat(512));
}

#[test]
fn ids_that_look_alike_stay_different() {
    let ids: BTreeSet<String> = ["é", "e\u{301}", "E\u{301}", "É", "é ", "é\u{200b}"]
        .iter()
        .map(|id| accepted(&with_scenario(&json!({ "id": id }).to_string())).scenario.id)
        .collect();
    assert_eq!(ids.len(), 6);
}

#[test]
fn other_ids_are_refused() {
    for (id, code) in [
        (r#""""#.to_owned(), codes::EMPTY_ID),
        (json!("x".repeat(513)).to_string(), codes::ID_TOO_LONG),
        (json!("天".repeat(171)).to_string(), codes::ID_TOO_LONG),
        ("7".to_owned(), codes::WRONG_TYPE),
        ("true".to_owned(), codes::WRONG_TYPE),
        (r#"["a"]"#.to_owned(), codes::WRONG_TYPE),
    ] {
        check_rejected(
            &with_scenario(&format!(r#"{{"id": {id}, "name": "n"}}"#)),
            "/scenario/id",
            code,
        );
    }
}

#[test]
fn an_id_is_made_from_name_and_prompt_and_never_changes() {
    for (scenario, id) in [
        // SHA-256 of name and prompt, each after its length in eight bytes.
        (
            r#"{"name": "Weather Query Test", "task_prompt": "What's the weather in NYC?"}"#,
            "scenario-d06bd75ffbd0e04d1224",
        ),
        (r#"{"name": "Weather Query Test"}"#, "scenario-1eb1eff6d1744ef21bd1"),
        (r#"{"task_prompt": "What's the weather in NYC?"}"#, "scenario-e5bb811b124473617532"),
    ] {
        let outcome = accepted(&with_scenario(scenario));
        assert_eq!(outcome.scenario.id, id, "{scenario}");
        assert_eq!(warnings(&outcome), [("/scenario/id", codes::SCENARIO_ID_MADE)]);
    }
}

#[test]
fn the_same_name_and_prompt_make_the_same_id_however_they_are_spelt() {
    let id = |scenario: &str| accepted(&with_scenario(scenario)).scenario.id;
    let made = id(r#"{"name": "Café", "task_prompt": "Do it."}"#);
    for same in [
        r#"{"task_prompt": "Do it.", "name": "Caf\u00e9"}"#,
        r#"{"id": null, "name": "Café", "task_prompt": "Do it.", "weight": 7}"#,
    ] {
        assert_eq!(id(same), made, "{same}");
    }
    for other in [
        r#"{"name": "Café", "task_prompt": "Do it"}"#,
        r#"{"name": "CaféD", "task_prompt": "o it."}"#,
        r#"{"name": "Café"}"#,
        r#"{"task_prompt": "Café"}"#,
        r#"{"name": "CaféDo it."}"#,
        r#"{"task_prompt": "CaféDo it."}"#,
    ] {
        assert_ne!(id(other), made, "{other}");
    }
}

/// The scenario of a plan contains its prompt; in a result, only the trajectory might contain it.
#[test]
fn the_prompt_of_the_trajectory_is_the_fallback() {
    let outcome = accepted(&with_trajectory(r#""task_prompt": "Do it.""#));
    assert_eq!(outcome.scenario.task_prompt.as_deref(), Some("Do it."));
    let own = accepted(
        r#"{"scenario": {"id": "s", "task_prompt": "own"}, "trajectory": {"task_prompt": "other"}}"#,
    );
    assert_eq!(own.scenario.task_prompt.as_deref(), Some("own"));

    let planned = extract_scenarios(r#"[{"name": "n", "task_prompt": "Do it."}]"#).unwrap();
    let result =
        accepted(r#"{"scenario": {"name": "n"}, "trajectory": {"task_prompt": "Do it."}}"#);
    assert_eq!(result.scenario.id, planned[0].id);
}

#[test]
fn without_a_scenario_the_prompt_makes_the_id() {
    for scenario in ["", r#""scenario": null, "#] {
        let outcome = accepted(&format!(
            r#"{{{scenario}"trajectory": {{"status": "success", "task_prompt": "Do it."}}, "reliability_score": 1}}"#
        ));
        let planned = extract_scenarios(r#"[{"task_prompt": "Do it."}]"#).unwrap();
        assert_eq!(outcome.scenario.id, planned[0].id);
        assert_eq!(warnings(&outcome), [("/scenario", codes::SCENARIO_ID_MADE)]);
    }
}

#[test]
fn nothing_to_make_an_id_from_is_refused() {
    for (document, path) in [
        ("{}", "/scenario"),
        (r#"{"scenario": null, "trajectory": {"task_prompt": null}}"#, "/scenario"),
        (r#"{"scenario": {}}"#, "/scenario/id"),
        (
            r#"{"scenario": {"id": null, "name": null, "task_prompt": null, "x": 1}}"#,
            "/scenario/id",
        ),
    ] {
        check_rejected(document, path, codes::MISSING_SCENARIO);
    }
}

#[test]
fn only_the_scenario_is_read_from_a_result_that_is_rejected() {
    let document = r#"{"scenario": {"id": "s", "name": "n"}, "recording": {"trial": 3},
            "trajectory": {"status": "odd", "execution_time_seconds": -1, "task_prompt": "p"},
            "reliability_score": "x"}"#;
    assert!(extract_outcome(document).is_err());
    let planned = extract_scenario(document).unwrap();
    assert_eq!(planned.scenario.id, "s");
    assert_eq!(planned.scenario.name.as_deref(), Some("n"));
    assert_eq!(planned.scenario.task_prompt.as_deref(), Some("p"));
    assert_eq!(planned.trial, Some(3));
    assert_eq!(slice(document, planned.scenario.definition), Some(r#"{"id": "s", "name": "n"}"#));
    for document in [
        r#"{"scenario": {"id": "s"}, "trajectory": 7, "recording": "x"}"#,
        r#"{"scenario": {"id": "s"}, "trajectory": {"task_prompt": 7}}"#,
    ] {
        assert_eq!(extract_scenario(document).unwrap().scenario.id, "s");
    }
    assert_eq!(
        places(extract_scenario(r#"{"scenario": {"id": ""}}"#).unwrap_err()),
        [("/scenario/id".to_owned(), codes::EMPTY_ID)]
    );
}

#[test]
fn both_ways_to_read_the_scenario_agree() {
    for line in lines(&fixture("results.jsonl")) {
        let document = std::str::from_utf8(line).unwrap();
        let outcome = accepted(document);
        let planned = extract_scenario(document).unwrap();
        assert_eq!(planned.scenario, outcome.scenario);
        assert_eq!(planned.trial, outcome.trial);
    }
}
