//! The rules for traces, one by one, and over files that OpenTelemetry's SDK wrote.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests fail by panicking"
)]

use arc_format_kit::usage::SCORER;
use arc_format_kit::{
    ErrorCategory, Format, Header, Items, NodeKind, Outcome, OutcomeStatus, Role, TreeNode, codes,
};
use arc_format_otel::OtelFormat;
use arc_format_testing::{
    FramedFile, any_json, check, frame, rejected, rejects_truncated_results, scores, slice,
    warnings,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn framed(name: &str) -> FramedFile {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/fixtures/formats/otel/");
    frame::<OtelFormat>(name, &std::fs::read(format!("{folder}{name}")).unwrap()).unwrap()
}

fn accepted(item: &str) -> Outcome {
    arc_format_testing::accepted::<OtelFormat>(None, item)
}

fn attributes(values: &[(&str, Value)]) -> Value {
    let list = values.iter().map(|(key, value)| {
        let value = match value {
            Value::String(text) => json!({"stringValue": text}),
            Value::Number(number) if number.is_f64() => json!({"doubleValue": number}),
            Value::Number(number) => json!({"intValue": number.to_string()}),
            other => other.clone(),
        };
        json!({"key": key, "value": value})
    });
    list.collect()
}

/// Returns a span from and to these seconds; `above` is the id of its parent.
fn span(id: &str, above: &str, from: u64, to: u64, values: &[(&str, Value)]) -> Value {
    let second = 1_000_000_000;
    json!({
        "traceId": "AB01", "spanId": id, "parentSpanId": above, "name": "n",
        "startTimeUnixNano": (from * second).to_string(), "endTimeUnixNano": (to * second).to_string(),
        "attributes": attributes(values),
    })
}

fn operation(name: &str) -> (&str, Value) {
    ("gen_ai.operation.name", json!(name))
}

fn tokens(input: u64, output: u64) -> [(&'static str, Value); 2] {
    [("gen_ai.usage.input_tokens", json!(input)), ("gen_ai.usage.output_tokens", json!(output))]
}

fn trace(spans: &[Value]) -> String {
    json!(spans).to_string()
}

mod files {
    use super::*;

    #[test]
    fn one_document_and_one_a_line_are_the_same_traces() {
        let whole = framed("traces.json");
        let lines = framed("collector.jsonl");
        for file in [&whole, &lines] {
            assert_eq!(
                file.layout.items,
                Items::Elements("/resourceSpans/*/scopeSpans/*/spans/*".into())
            );
            assert_eq!(
                (&file.layout.header, file.layout.classify_items),
                (&Header::EnclosingDocument, true)
            );
            assert!(file.header.as_ref().unwrap().contains("weather-agent"));
            // The trace without generative AI is not a result.
            assert_eq!(file.documents.len(), 4);
        }
        for (whole, line) in whole.documents.iter().zip(&lines.documents) {
            let [whole, line] = [whole, line].map(|item| {
                let outcome = accepted(item);
                Outcome { trajectory: None, detailed_trajectory: None, ..outcome }
            });
            assert_eq!(whole, line);
        }
    }

    #[test]
    fn the_test_of_an_agent_has_every_field() {
        let file = framed("traces.json");
        let item = &file.documents[0];
        let outcome = accepted(item);
        assert_eq!(outcome.scenario.id, "weather/weather in New York");
        assert_eq!(outcome.scenario.name.as_deref(), Some("weather in New York"));
        assert_eq!(
            outcome.scenario.task_prompt.as_deref(),
            Some("What's the weather in New York?")
        );
        assert_eq!(outcome.status, OutcomeStatus::Success);
        // The calls of the model, not the agent's own sum of them.
        assert_eq!(
            (outcome.prompt_tokens, outcome.completion_tokens, outcome.tokens_used),
            (300.0, 30.0, 330.0)
        );
        // Each as it was written; their mean means nothing, so none is the result's own.
        assert_eq!(scores(&outcome), [("correctness", 0.75), ("relevance", 1.0), ("stars", 4.0)]);
        assert_eq!(outcome.scores[0].label.as_deref(), Some("good"));
        assert_eq!(outcome.headline, None);
        assert_eq!(
            outcome.key.as_deref(),
            Some("abcdef00000000000000000000000001/a000000000000001")
        );
        assert_eq!((&outcome.place, outcome.trial), (&outcome.key, None));
        assert_eq!(outcome.revised_at.as_deref(), Some("2026-03-01T12:00:10.123456Z"));
        assert_eq!(outcome.execution_time.as_deref(), Some("2026-03-01T12:00:00.123456Z"));
        assert_eq!(outcome.execution_time_ms, 10_000.0);
        // The test, the agent, two calls and a tool; the HTTP request is left out.
        assert_eq!(outcome.event_count, 5);
        assert!(slice(item, outcome.trajectory).unwrap().contains("agent-1"));
        assert_eq!(slice(item, outcome.detailed_trajectory), Some(item.as_str()));
        let warned: Vec<_> = outcome.warnings.iter().map(|warning| warning.code).collect();
        assert_eq!(warned, [codes::SCORE_MISSING]);
    }

    #[test]
    fn failures_and_calls_without_an_agent() {
        let file = framed("traces.json");
        let [refused, calls, late] = [1, 2, 3].map(|at| accepted(&file.documents[at]));
        assert_eq!(refused.status, OutcomeStatus::Error);
        assert_eq!(refused.error_category, Some(ErrorCategory::RateLimit));
        assert_eq!(refused.error_code.as_deref(), Some("RateLimitError"));
        assert_eq!(refused.error_message.as_deref(), Some("429 Too Many Requests"));
        assert_eq!((refused.prompt_tokens, refused.completion_tokens), (50.0, 5.0));
        assert!(refused.scenario.id.starts_with("scenario-"));
        assert_eq!(refused.scenario.name.as_deref(), Some("weather"));
        assert_eq!(warnings(&refused), [("", codes::SCENARIO_ID_MADE), ("", codes::SCORE_MISSING)]);

        assert_eq!(calls.status, OutcomeStatus::Success);
        assert_eq!(
            (calls.prompt_tokens, calls.completion_tokens, calls.event_count),
            (10.0, 1.0, 3),
            "the HTTP request above both calls is a part"
        );
        assert_eq!(calls.scenario.id, "abcdef00000000000000000000000003");
        assert_eq!(warnings(&calls), [("", codes::SCENARIO_ID_MADE), ("", codes::SCORE_MISSING)]);

        assert_eq!((late.status, late.headline_value()), (OutcomeStatus::Timeout, Some(0.0)));
        assert_eq!(late.headline.as_deref(), Some("test.case.result.status"));
        assert_eq!(late.error_message.as_deref(), Some("the agent had 8 s"));
        assert_eq!(late.error_category, Some(ErrorCategory::Timeout));
        assert_eq!(late.scenario.id, "weather/weather in Oslo");
    }

    #[test]
    fn files_are_recognised_by_their_first_bytes() {
        let recognised = |text: &str| OtelFormat::detect("x.json", text.as_bytes()).is_some();
        assert!(recognised(r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.na"#));
        assert!(recognised(r#"{ "resourceSpans" : [ {"scopeSpans": []}]}"#));
        for other in [
            "",
            r#"{"resourceLogs":[{"resource":{}}]}"#,
            r#"{"resourceSpans": 1}"#,
            r#"{"scenario": {"resourceSpans": [{"resource": {}}]}, "trajectory": {}}"#,
            r#"[{"traceId": "1", "name": "of another tool"}]"#,
        ] {
            assert!(!recognised(other), "{other}");
        }
    }
}

#[test]
fn a_span_is_a_root_a_part_or_a_connector() {
    let node = |kind| {
        let node = TreeNode { id: Some("1".into()), parent: Some("0".into()), kind };
        Role::Node("ab01".into(), node)
    };
    let role = |key: &str, value: &str| {
        OtelFormat::classify(&span("1", "0", 1, 2, &[(key, json!(value))]).to_string())
    };
    for (key, value) in [
        ("gen_ai.operation.name", "invoke_agent"),
        ("gen_ai.operation.name", "invoke_workflow"),
        ("openinference.span.kind", "AGENT"),
        ("traceloop.span.kind", "workflow"),
        ("test.case.name", "t"),
        ("case_name", "t"),
    ] {
        assert_eq!(role(key, value), node(NodeKind::Root), "{key}");
    }
    for (key, value) in [
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.operation.name", "create_agent"),
        ("openinference.span.kind", "LLM"),
        ("traceloop.span.kind", "task"),
        ("llm.request.type", "chat"),
        ("ai.operationId", "ai.generateText"),
        ("evaluator_name", "Contains"),
    ] {
        assert_eq!(role(key, value), node(NodeKind::Part), "{key}");
    }
    for key in ["http.request.method", "other.gen_ai.x", "ai.operation.id", "test.suite.name"] {
        assert_eq!(role(key, "x"), node(NodeKind::Connector), "{key}");
    }
    assert_eq!(role("gen_ai.operation.name", "experiment"), node(NodeKind::Connector));
    let event = r#"{"traceId": "1", "events": [{"name": "gen_ai.evaluation.result"}]}"#;
    let alone = TreeNode { id: None, parent: None, kind: NodeKind::Part };
    assert_eq!(OtelFormat::classify(event), Role::Node("1".into(), alone));
    for other in ["{}", r#"{"traceId": 1}"#] {
        assert_eq!(OtelFormat::classify(other), Role::Other, "{other}");
    }
    for odd in ["", "{", "[]", "5", r#"{"traceId": "", "attributes": [{"key": "gen_ai.x"}]}"#] {
        assert_eq!(OtelFormat::classify(odd), Role::Result, "{odd}");
        assert!(OtelFormat::outcome(None, odd).is_err(), "{odd}");
    }
}

mod scenarios {
    use super::*;

    fn id(values: &[(&str, Value)]) -> String {
        let mut all = vec![operation("chat")];
        all.extend_from_slice(values);
        accepted(&trace(&[span("1", "", 1, 2, &all)])).scenario.id
    }

    #[test]
    fn the_id_is_the_first_that_is_present() {
        let messages = json!(r#"[{"role": "user", "content": "Hello"}]"#);
        let case = ("test.case.name", json!("case"));
        let suite = ("test.suite.name", json!("suite"));
        let prompt = ("gen_ai.input.messages", messages);
        let conversation = ("gen_ai.conversation.id", json!("c"));
        let agent = ("gen_ai.agent.name", json!("a"));
        assert_eq!(id(&[case.clone(), suite.clone(), prompt.clone()]), "suite/case");
        assert_eq!(id(&[case.clone(), conversation.clone()]), "case");
        let made = id(&[suite, prompt.clone(), conversation.clone()]);
        assert!(made.starts_with("scenario-"));
        assert_eq!(made, id(std::slice::from_ref(&prompt)));
        assert_ne!(made, id(&[prompt, agent]));
        assert_eq!(id(&[conversation]), "c");
        assert_eq!(id(&[]), "ab01");
        assert_eq!(id(&[("test.case.name", json!(" "))]), "ab01/1");
        assert_eq!(id(&[("test.case.name", json!("x".repeat(600)))]).len(), 512);
    }

    #[test]
    fn the_prompt_is_the_last_message_of_the_user() {
        let prompt = |values: &[(&str, Value)]| {
            accepted(&trace(&[span("1", "", 1, 2, values)])).scenario.task_prompt
        };
        let messages = |text: &str| prompt(&[("gen_ai.input.messages", json!(text))]);
        assert_eq!(
            messages(
                r#"[{"role": "user", "parts": [{"type": "text", "content": "no"}]},
                    {"role": "user", "parts": [{"type": "text", "content": "a"}, {"type": "blob"}, {"content": "b"}]},
                    {"role": "assistant", "parts": [{"content": "c"}]}]"#
            ),
            Some("a\nb".into())
        );
        for none in [
            "",
            "x",
            "{}",
            "[]",
            "[1]",
            r#"[{"role": "user"}]"#,
            r#"[{"role": "user", "content": " "}]"#,
        ] {
            assert_eq!(messages(none), None, "{none}");
        }
        assert_eq!(prompt(&[("gen_ai.prompt", json!("old"))]), Some("old".into()));
        let mut event = span("1", "", 1, 2, &[]);
        event["events"] = json!([{"name": "gen_ai.user.message", "attributes": attributes(&[("content", json!("of an event"))])}]);
        assert_eq!(accepted(&trace(&[event])).scenario.task_prompt.as_deref(), Some("of an event"));
    }

    /// Returns the prompt of a span with these attributes.
    fn prompt(values: &[(&str, Value)]) -> Option<String> {
        let mut all = vec![operation("chat")];
        all.extend_from_slice(values);
        accepted(&trace(&[span("1", "", 1, 2, &all)])).scenario.task_prompt
    }

    #[test]
    fn each_instrumentation_has_its_own_place_of_the_prompt() {
        for (key, messages) in [
            (
                "gen_ai.input.messages",
                r#"[{"role":"user","parts":[{"type":"text","content":"Hi"}]},
                {"role":"user","parts":[{"type":"tool_call_response","id":"1","content":"no"}]}]"#,
            ),
            (
                "pydantic_ai.all_messages",
                r#"[{"role":"user","parts":[{"type":"text","content":"Hi"}]}]"#,
            ),
            (
                "ai.prompt.messages",
                r#"[{"role":"user","content":[{"type":"text","text":"Hi"}]},
                {"role":"tool","content":[{"type":"tool-result","output":"no"}]}]"#,
            ),
            ("ai.prompt", r#"{"prompt":"Hi"}"#),
            (
                "gcp.vertex.agent.llm_request",
                r#"{"contents":[{"role":"user","parts":[{"text":"Hi"}]},
                {"role":"user","parts":[{"function_response":{"text":"no"}}]}]}"#,
            ),
            (
                "input.value",
                r#"{"messages":[[{"lc":1,"type":"constructor","kwargs":{"type":"human","content":"Hi"}},
                {"lc":1,"type":"constructor","kwargs":{"type":"ai","content":"no"}}]]}"#,
            ),
            (
                "input.value",
                r#"{"input":[{"role":"user","content":[{"type":"input_text","text":"Hi"}]},
                {"type":"function_call_output","output":"no"}]}"#,
            ),
            (
                "input.value",
                r#"{"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]},
                {"role":"user","content":[{"type":"tool_result","content":"no"}]}]}"#,
            ),
            ("input.value", r#""Hi""#),
            ("input.value", "Hi"),
            ("gen_ai.prompt", "Hi"),
        ] {
            assert_eq!(
                prompt(&[(key, json!(messages))]).as_deref(),
                Some("Hi"),
                "{key}: {messages}"
            );
        }
        let numbered = |values: &[(&str, &str)]| {
            let values: Vec<_> = values.iter().map(|(key, text)| (*key, json!(text))).collect();
            prompt(&values)
        };
        let found = numbered(&[
            ("gen_ai.prompt.10.role", "tool"),
            ("gen_ai.prompt.10.content", "no"),
            ("gen_ai.prompt.9.role", "user"),
            ("gen_ai.prompt.9.content", r#"[{"type":"text","text":"Hi"}]"#),
            ("gen_ai.prompt.1.role", "user"),
            ("gen_ai.prompt.1.content", "earlier"),
        ]);
        assert_eq!(found.as_deref(), Some("Hi"));
        let found = numbered(&[
            ("llm.input_messages.0.message.role", "system"),
            ("llm.input_messages.0.message.content", "no"),
            ("llm.input_messages.1.message.role", "user"),
            ("llm.input_messages.1.message.contents.0.message_content.type", "text"),
            ("llm.input_messages.1.message.contents.0.message_content.text", "Hi"),
        ]);
        assert_eq!(found.as_deref(), Some("Hi"));
    }

    #[test]
    fn a_prompt_that_is_json_itself_is_unchanged() {
        for text in [r#"{"text":"x"}"#, r#"["a","b"]"#, "[1, 2", "5", r#"{"role":"x"}"#] {
            let mut event = span("1", "", 1, 2, &[]);
            event["events"] = json!([{"name": "gen_ai.user.message",
                "attributes": attributes(&[("content", json!(text))])}]);
            assert_eq!(accepted(&trace(&[event])).scenario.task_prompt.as_deref(), Some(text));
        }
    }

    /// A call that failed before its messages were written has them in the agent's span.
    #[test]
    fn a_failed_run_has_the_scenario_of_the_others() {
        let messages = json!(r#"[{"role":"user","parts":[{"type":"text","content":"Hi"}]}]"#);
        let agent = [
            operation("invoke_agent"),
            ("gen_ai.agent.name", json!("a")),
            ("pydantic_ai.all_messages", messages.clone()),
        ];
        let call = [operation("chat"), ("gen_ai.input.messages", messages)];
        let run = |call: &[(&str, Value)]| {
            accepted(&trace(&[span("2", "1", 2, 3, call), span("1", "", 1, 4, &agent)])).scenario
        };
        let [done, failed] = [run(&call), run(&call[..1])];
        assert_eq!(done, failed);
        assert_eq!(done.task_prompt.as_deref(), Some("Hi"));
    }

    #[test]
    fn the_first_span_in_time_has_the_prompt() {
        let messages = |text: &str| {
            ("gen_ai.input.messages", json!(format!(r#"[{{"role":"user","content":"{text}"}}]"#)))
        };
        let item = trace(&[
            span("2", "1", 5, 6, &[messages("later")]),
            span("1", "", 1, 9, &[messages("first")]),
        ]);
        assert_eq!(accepted(&item).scenario.task_prompt.as_deref(), Some("first"));
    }

    #[test]
    fn a_trace_without_an_evaluation_is_rejected() {
        let test = span("1", "", 1, 2, &[("test.case.name", json!("unit test"))]);
        for item in [trace(&[test]), "[]".into(), "{}".into(), "[{}]".into()] {
            assert_eq!(
                rejected::<OtelFormat>(None, &item),
                [(String::new(), codes::NOT_AN_EVALUATION)],
                "{item}"
            );
        }
        assert_eq!(
            rejected::<OtelFormat>(None, r#"[{"attributes": [{"key": "gen_ai.x"}]}]"#),
            [(String::new(), codes::MISSING_SCENARIO)]
        );
        for (item, path, code) in [
            ("[1]", "/0", codes::WRONG_TYPE),
            (
                r#"[{"attributes": [{"key": "gen_ai.x"}], "traceId": "a", "traceId": "b"}]"#,
                "/0/traceId",
                codes::DUPLICATE_KEY,
            ),
            (r#"[{"traceId": NaN}]"#, "", codes::NOT_AN_EVALUATION),
            (r#"[{"traceId": "a"}"#, "", codes::MALFORMED_JSON),
            ("5", "", codes::WRONG_TYPE),
        ] {
            let found = rejected::<OtelFormat>(None, item);
            assert!(found.iter().any(|(at, it)| *it == code && at.starts_with(path)), "{found:?}");
        }
    }
}

mod several_runs {
    use super::*;

    fn results(spans: &[Value]) -> Vec<Outcome> {
        let file = json!({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).to_string();
        let file = frame::<OtelFormat>("", file.as_bytes()).unwrap();
        file.documents.iter().map(|item| accepted(item)).collect()
    }

    fn call(id: &str, above: &str, from: u64) -> Value {
        let mut values = vec![operation("chat")];
        values.extend(tokens(10, 1));
        span(id, above, from, from + 1, &values)
    }

    fn agent(id: &str, above: &str, from: u64) -> Value {
        let prompt = json!(r#"[{"role":"user","content":"Hi"}]"#);
        let values = [operation("invoke_agent"), ("gen_ai.input.messages", prompt)];
        span(id, above, from, from + 5, &values)
    }

    #[test]
    fn each_run_of_a_trace_is_a_result() {
        let between = span("f", "a", 1, 2, &[("code.function", json!("f"))]);
        let inner = span("d", "a", 2, 4, &[operation("invoke_agent")]);
        let found = results(&[
            call("c", "d", 2),
            inner,
            call("b", "f", 1),
            between,
            agent("a", "e", 1),
            call("2", "1", 12),
            agent("1", "e", 11),
            span("e", "", 0, 20, &[("service", json!("s"))]),
        ]);
        let found: Vec<_> = found
            .iter()
            .map(|it| {
                (it.key.as_deref().unwrap(), it.tokens_used, it.event_count, it.execution_time_ms)
            })
            .collect();
        assert_eq!(found, [("ab01/a", 22.0, 6, 5_000.0), ("ab01/1", 11.0, 3, 5_000.0)]);
    }

    /// A graph has an agent's span for each of its steps.
    #[test]
    fn the_agents_of_a_chain_are_one_run() {
        let kind = |kind: &'static str| [("openinference.span.kind", json!(kind))];
        let step = |id, from| span(id, "g", from, from + 2, &kind("AGENT"));
        let found = results(&[
            call("1", "a", 1),
            step("a", 1),
            call("2", "b", 4),
            step("b", 4),
            span("g", "", 1, 11, &kind("CHAIN")),
        ]);
        let [result] = &found[..] else { panic!("{found:?}") };
        assert_eq!((result.tokens_used, result.execution_time_ms), (22.0, 10_000.0));
        assert_eq!(result.key.as_deref(), Some("ab01"));
    }

    #[test]
    fn a_case_has_the_suite_above_it() {
        let case = |id, name: &'static str| {
            span(id, "s", 1, 2, &[("test.case.name", json!(name)), operation("chat")])
        };
        let suite = span("s", "", 0, 9, &[("test.suite.name", json!("suite"))]);
        for cases in [vec![case("1", "a")], vec![case("1", "a"), case("2", "b")]] {
            let count = cases.len();
            let found = results(&[cases, vec![suite.clone()]].concat());
            let ids: Vec<_> = found.iter().map(|result| &*result.scenario.id).collect();
            assert_eq!(ids, ["suite/a", "suite/b"][..count]);
        }
    }

    #[test]
    fn the_same_prompt_is_the_same_scenario() {
        let found = results(&[agent("a", "", 1), agent("b", "", 11)]);
        let [first, second] = &found[..] else { panic!("{found:?}") };
        assert_eq!(first.scenario.id, second.scenario.id);
        assert_ne!((&first.key, &first.place), (&second.key, &second.place));
    }

    #[test]
    fn what_is_beside_the_runs_is_a_result_of_its_own() {
        let found = results(&[
            call("9", "e", 0),
            agent("a", "e", 1),
            agent("b", "e", 11),
            span("e", "", 0, 20, &[]),
        ]);
        let found: Vec<_> =
            found.iter().map(|it| (it.key.as_deref().unwrap(), it.tokens_used)).collect();
        assert_eq!(found, [("ab01", 11.0), ("ab01/a", 0.0), ("ab01/b", 0.0)]);
    }

    /// The whole reports the sum of all its runs, and is evaluated as a whole.
    #[test]
    fn nothing_of_the_whole_is_counted_for_a_run() {
        let mut values = vec![operation("experiment"), ("dataset_name", json!("cities"))];
        values.extend(tokens(500, 50));
        let mut whole = span("e", "", 0, 90, &values);
        whole["events"] = json!([{"name": "gen_ai.evaluation.result", "attributes": attributes(&[
            ("gen_ai.evaluation.name", json!("all")), ("gen_ai.evaluation.score.value", json!(0.5))])}]);
        for outcome in results(&[agent("a", "e", 1), agent("b", "e", 11), whole]) {
            assert_eq!((outcome.tokens_used, outcome.scores.len()), (0.0, 0));
            assert_eq!(outcome.origin.dataset.as_deref(), Some("cities"));
            assert_eq!(outcome.revised_at.as_deref().map(|at| at < "1970-01-01T00:01"), Some(true));
        }
    }
}

#[test]
fn the_tool_is_the_instrumentation_with_the_most_spans() {
    let tool = |scopes: &[(&str, usize)]| {
        let scopes: Vec<Value> = scopes
            .iter()
            .map(|(name, spans)| json!({"scope": {"name": name, "version": "1.2"}, "spans": vec![Value::Null; *spans]}))
            .collect();
        let header = json!({"resourceSpans": [{"scopeSpans": scopes}]}).to_string();
        let origin = OtelFormat::suite(&header).unwrap().run.origin;
        assert_eq!(origin.tool.is_some(), origin.tool_version.is_some());
        origin.tool
    };
    let found = |name: &str| Some(name.to_owned());
    assert_eq!(tool(&[("app", 9), ("opentelemetry.instrumentation.httpx", 9)]), None);
    assert_eq!(tool(&[("app", 9), ("ai", 1)]), found("ai"));
    assert_eq!(
        tool(&[
            ("openinference.instrumentation.langchain", 2),
            ("opentelemetry.instrumentation.openai.v1", 3)
        ]),
        found("opentelemetry.instrumentation.openai.v1")
    );
    assert_eq!(tool(&[("pydantic-ai", 9), ("pydantic-evals", 2)]), found("pydantic-evals"));
    for header in [
        "{}",
        r#"{"resourceSpans": 1}"#,
        r#"{"resourceSpans": [{"scopeSpans": [{"scope": {"name": "ai"}}]}]}"#,
    ] {
        assert!(OtelFormat::suite(header).is_ok(), "{header}");
    }
}

mod outcomes {
    use super::*;

    fn failed(mut span: Value, code: Value, message: &str) -> Value {
        span["status"] = json!({"code": code, "message": message});
        span
    }

    #[test]
    fn the_outermost_agent_decides() {
        let agent = || span("1", "0", 1, 9, &[operation("invoke_agent")]);
        let inner = || span("2", "1", 2, 3, &[operation("invoke_agent")]);
        let chat = || span("3", "1", 4, 5, &[operation("chat")]);
        // Its parent was left out, so it has no agent above it either.
        let far = || span("4", "99", 6, 10, &[operation("chat")]);
        let status = |spans: &[Value]| accepted(&trace(spans)).status;
        let error = |span| failed(span, json!(2), "x");
        use OutcomeStatus::{Error, Success};
        assert_eq!(status(&[agent(), error(inner()), error(chat()), error(far())]), Success);
        assert_eq!(status(&[chat(), far(), error(agent())]), Error);
        assert_eq!(status(&[error(chat()), far()]), Success);
        assert_eq!(status(&[error(far()), chat()]), Error);
        let mut circle = span("1", "2", 1, 2, &[operation("chat")]);
        circle["status"] = json!({"code": 2});
        assert_eq!(status(&[circle, span("2", "1", 1, 3, &[operation("chat")])]), Error);
    }

    /// A workflow of Google's ADK, or a trace of OpenAI's agents, ends well regardless of its agents.
    #[test]
    fn a_workflow_ends_as_its_last_agent() {
        use OutcomeStatus::{Error, Success};
        let workflow = || span("1", "", 1, 20, &[operation("invoke_workflow")]);
        let chain = || span("2", "1", 1, 20, &[("openinference.span.kind", json!("CHAIN"))]);
        let agent = |id, from| span(id, "2", from, from + 5, &[operation("invoke_agent")]);
        let call = || span("9", "8", 11, 12, &[operation("chat")]);
        let status = |spans: &[Value]| accepted(&trace(spans)).status;
        let error = |span| failed(span, json!(2), "x");
        assert_eq!(
            status(&[call(), error(agent("8", 10)), agent("7", 2), chain(), workflow()]),
            Error
        );
        assert_eq!(
            status(&[call(), agent("8", 10), error(agent("7", 2)), chain(), workflow()]),
            Success
        );
        // The agent continued after its call failed.
        assert_eq!(status(&[error(call()), agent("8", 10), chain(), workflow()]), Success);
        let circle = [agent("2", 3), span("1", "2", 1, 20, &[operation("invoke_agent")])];
        assert_eq!(status(&circle), Success);
    }

    #[test]
    fn the_error_type_determines_how_it_ended() {
        use OutcomeStatus::{Cancelled, Error, Success, Timeout};
        for (kind, status) in [
            ("timeout", Timeout),
            ("asyncio.exceptions.TimeoutError", Timeout),
            ("DEADLINE_EXCEEDED", Timeout),
            ("CancelledError", Cancelled),
            ("500", Error),
            ("openai.APITimeoutError", Error),
        ] {
            let item = span("1", "", 1, 2, &[operation("chat"), ("error.type", json!(kind))]);
            assert_eq!(accepted(&trace(&[failed(item, json!(2), "")])).status, status, "{kind}");
        }
        for (code, status) in [
            (json!(2), Error),
            (json!("STATUS_CODE_ERROR"), Error),
            (json!(1), Success),
            (json!(0), Success),
            (json!(null), Success),
        ] {
            let item = span("1", "", 1, 2, &[operation("chat")]);
            let outcome = accepted(&trace(&[failed(item, code, "ValueError: it fell")]));
            assert_eq!(outcome.status, status);
            assert_eq!(outcome.error_code.as_deref(), (status == Error).then_some("ValueError"));
        }
        let mut item = span("1", "", 1, 2, &[operation("chat")]);
        item["status"] = json!({"code": 2});
        item["events"] = json!([{"name": "exception", "attributes": attributes(&[
            ("exception.type", json!("MemoryError")), ("exception.message", json!("out of memory"))])}]);
        let outcome = accepted(&trace(&[item]));
        assert_eq!(outcome.error_message.as_deref(), Some("out of memory"));
        assert_eq!(outcome.error_code.as_deref(), Some("MemoryError"));
        assert_eq!(outcome.error_category, Some(ErrorCategory::Resource));
    }

    #[test]
    fn no_token_counts_twice() {
        let of = |name: &'static str, input| {
            let mut values = vec![operation(name)];
            values.extend(tokens(input, 1));
            values
        };
        let used = |spans: &[Value]| {
            let outcome = accepted(&trace(spans));
            (outcome.prompt_tokens, outcome.completion_tokens)
        };
        let agent = span("1", "", 1, 9, &of("invoke_agent", 100));
        let inner = span("2", "1", 2, 5, &of("invoke_agent", 40));
        // Below the agent by time only, as the span between them is in another file.
        let hidden = span("3", "77", 6, 8, &of("invoke_agent", 30));
        let other = span("4", "", 10, 12, &of("invoke_agent", 7));
        let agents = [agent.clone(), inner.clone(), hidden.clone(), other];
        assert_eq!(used(&agents), (77.0, 3.0));
        assert_eq!(used(&[agent.clone(), hidden]), (30.0, 1.0));
        let chat = span("5", "2", 3, 4, &of("chat", 11));
        let text = span("6", "2", 3, 4, &of("text_completion", 12));
        let wrapped = span("7", "6", 3, 4, &of("generate_content", 12));
        let between = span("8", "7", 3, 4, &[("code.function", json!("f"))]);
        let deep = span("9", "8", 3, 4, &of("chat", 12));
        let all = [agent.clone(), inner, chat, text, wrapped, between, deep];
        assert_eq!(used(&all), (23.0, 2.0));
        let silent = span("9", "1", 3, 4, &[operation("chat")]);
        assert_eq!(used(&[agent, silent]), (100.0, 1.0));
        let circle = [
            span("1", "2", 1, 2, &of("invoke_agent", 1)),
            span("2", "1", 1, 2, &of("invoke_agent", 1)),
        ];
        assert_eq!(used(&circle), (0.0, 0.0));
    }

    fn count(key: &str, value: u64) -> (&str, Value) {
        (key, json!(value))
    }

    #[test]
    fn an_aggregate_is_not_added_to_its_calls() {
        let total = |value| count("gen_ai.usage.total_tokens", value);
        let spans = [
            span("1", "", 1, 9, &[operation("invoke_agent"), total(100)]),
            span("2", "1", 2, 3, &[operation("chat"), total(40)]),
            span("3", "1", 4, 5, &[operation("chat"), total(40)]),
        ];
        let outcome = accepted(&trace(&spans));
        assert_eq!((outcome.tokens_used, outcome.prompt_tokens), (80.0, 0.0));
        let incomplete = ("/0/attributes", codes::USAGE_INCOMPLETE);
        assert!(warnings(&outcome).contains(&incomplete), "{:?}", outcome.warnings);
        let [.., warning] = &outcome.warnings[..] else { panic!("{outcome:?}") };
        assert!(warning.message.contains("100") && warning.message.contains("80"), "{warning:?}");
        let less = [spans[1].clone(), span("1", "", 1, 9, &[operation("invoke_agent"), total(40)])];
        assert!(!warnings(&accepted(&trace(&less))).iter().any(|it| it.1 == incomplete.1));
    }

    #[test]
    fn tokens_and_cost_are_of_different_spans() {
        let cost = |key, dollars: f64| (key, json!(dollars));
        let spans = [
            span("1", "", 1, 9, &[operation("invoke_agent"), cost("llm.cost.total", 0.5)]),
            span("2", "1", 2, 3, &[operation("chat"), count("gen_ai.usage.input_tokens", 40)]),
        ];
        let outcome = accepted(&trace(&spans));
        assert_eq!((outcome.tokens_used, outcome.cost_usd), (40.0, 0.5));
        let call = span("3", "1", 2, 3, &[operation("chat"), cost("operation.cost", 0.25)]);
        let outcome = accepted(&trace(&[spans[0].clone(), spans[1].clone(), call]));
        assert_eq!((outcome.tokens_used, outcome.cost_usd), (40.0, 0.25));
    }

    /// An agent's sum is that of its calls for texts.
    #[test]
    fn embeddings_are_counted_beside_an_agents_sum() {
        let used = |key, tokens| [count(key, tokens), ("gen_ai.request.model", json!("m"))];
        let embed = |id, above, kind: &'static str, key| {
            let mut values = vec![("ai.operationId", json!(kind))];
            values.extend(used(key, 8));
            span(id, above, 2, 3, &values)
        };
        let mut agent = vec![operation("invoke_agent")];
        agent.extend(used("gen_ai.usage.input_tokens", 100));
        let spans = [
            span("1", "", 1, 9, &agent),
            embed("2", "1", "ai.embed", "ai.usage.tokens"),
            embed("3", "2", "ai.embed.doEmbed", "ai.usage.tokens"),
        ];
        assert_eq!(accepted(&trace(&spans)).tokens_used, 108.0);
        let call = |id, kind: &'static str, model| {
            let model = ("gen_ai.response.model", json!(model));
            span(id, "", 2, 3, &[operation(kind), count("gen_ai.usage.input_tokens", 8), model])
        };
        let outcome = accepted(&trace(&[call("1", "embeddings", "e"), call("2", "chat", "m")]));
        assert_eq!((outcome.usage.len(), outcome.origin.models), (2, vec!["m".to_owned()]));
        let outcome = accepted(&trace(&[call("1", "embeddings", "e")]));
        assert_eq!((outcome.tokens_used, outcome.origin.models), (8.0, vec!["e".to_owned()]));
    }

    #[test]
    fn the_calls_below_an_evaluator_are_not_the_agents() {
        let call = |id, above, model| {
            let model = ("gen_ai.response.model", json!(model));
            span(
                id,
                above,
                2,
                3,
                &[operation("chat"), count("gen_ai.usage.input_tokens", 40), model],
            )
        };
        for evaluator in
            [("evaluator_name", json!("Judge")), ("openinference.span.kind", json!("EVALUATOR"))]
        {
            let spans = [
                span("1", "", 1, 9, &[("case_name", json!("paris")), ("task_name", json!("ask"))]),
                call("2", "1", "small"),
                span("3", "1", 4, 5, &[evaluator]),
                span("4", "3", 4, 5, &[("code.function", json!("f"))]),
                span("5", "4", 4, 5, &[operation("invoke_agent")]),
                call("6", "5", "large"),
            ];
            let outcome = accepted(&trace(&spans));
            assert_eq!((outcome.tokens_used, outcome.usage.len()), (40.0, 2));
            let scorer =
                outcome.usage.iter().find(|calls| calls.role.as_deref() == Some(SCORER)).unwrap();
            assert_eq!((scorer.model.as_deref(), scorer.total_tokens), (Some("large"), 40.0));
            assert_eq!(outcome.origin.models, ["small"]);
            // The calls of the agent are not traced, only its sum.
            let mut spans = spans.to_vec();
            spans.remove(1);
            spans[0] = span(
                "1",
                "",
                1,
                9,
                &[operation("invoke_agent"), count("gen_ai.usage.input_tokens", 70)],
            );
            assert_eq!(accepted(&trace(&spans)).tokens_used, 70.0);
            assert_eq!(
                (outcome.origin.task.as_deref(), &*outcome.scenario.id),
                (Some("ask"), "paris")
            );
        }
    }

    /// The client of a provider can trace its calls itself, beside another instrumentation.
    #[test]
    fn an_answer_that_two_instrumentations_saw_counts_once() {
        let call = |id, from, to, answer| {
            let answer = ("gen_ai.response.id", json!(answer));
            span(
                id,
                "1",
                from,
                to,
                &[operation("chat"), count("gen_ai.usage.input_tokens", 40), answer],
            )
        };
        let used = |calls: [Value; 2]| {
            let [first, second] = calls;
            accepted(&trace(&[
                span("1", "", 1, 9, &[("code.function", json!("f"))]),
                first,
                second,
            ]))
            .tokens_used
        };
        assert_eq!(used([call("2", 2, 5, "r"), call("3", 3, 4, "r")]), 40.0);
        assert_eq!(used([call("2", 3, 4, "r"), call("3", 2, 5, "r")]), 40.0);
        assert_eq!(used([call("2", 2, 5, "r"), call("3", 3, 4, "s")]), 80.0);
        // A server all of whose answers have the same id.
        assert_eq!(used([call("2", 2, 3, "r"), call("3", 3, 4, "r")]), 80.0);
    }

    #[test]
    fn langfuse_writes_usage_and_cost_as_json() {
        for usage in [
            r#"{"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150,
                "prompt_tokens_details": {"cached_tokens": 60}, "completion_tokens_details": {"reasoning_tokens": 20}}"#,
            r#"{"input": 40, "input_cached_tokens": 60, "output": 30, "output_reasoning_tokens": 20, "total": 150}"#,
        ] {
            let outcome = accepted(&trace(&[span(
                "1",
                "",
                1,
                2,
                &[
                    ("langfuse.observation.usage_details", json!(usage)),
                    (
                        "langfuse.observation.cost_details",
                        json!(r#"{"input": 0.25, "total": 0.5}"#),
                    ),
                    ("langfuse.observation.model.name", json!("m")),
                    ("langfuse.observation.input", json!(r#"[{"role":"user","content":"Hi"}]"#)),
                ],
            )]));
            assert_eq!(
                (outcome.tokens_used, outcome.prompt_tokens, outcome.cost_usd),
                (150.0, 100.0, 0.5)
            );
            let [usage] = &outcome.usage[..] else { panic!("{outcome:?}") };
            assert_eq!((usage.cache_read_tokens, usage.reasoning_tokens), (60.0, 20.0));
            assert_eq!(outcome.scenario.task_prompt.as_deref(), Some("Hi"));
        }
        let odd = [("langfuse.observation.usage_details", json!("[1")), operation("chat")];
        assert_eq!(accepted(&trace(&[span("1", "", 1, 2, &odd)])).tokens_used, 0.0);
    }

    #[test]
    fn the_kinds_of_tokens_have_the_names_of_each_instrumentation() {
        for (names, expected) in [
            (
                [
                    "gen_ai.usage.input_tokens",
                    "gen_ai.usage.cache_read.input_tokens",
                    "gen_ai.usage.cache_creation.input_tokens",
                    "gen_ai.usage.output_tokens",
                    "gen_ai.usage.reasoning.output_tokens",
                ],
                [10.0, 60.0, 30.0, 30.0, 20.0],
            ),
            (
                [
                    "gen_ai.usage.prompt_tokens",
                    "gen_ai.usage.cache_read_input_tokens",
                    "gen_ai.usage.cache_creation_input_tokens",
                    "gen_ai.usage.completion_tokens",
                    "gen_ai.usage.reasoning_tokens",
                ],
                [10.0, 60.0, 30.0, 30.0, 20.0],
            ),
            (
                [
                    "llm.token_count.prompt",
                    "llm.token_count.prompt_details.cache_read",
                    "llm.token_count.prompt_details.cache_write",
                    "llm.token_count.completion",
                    "llm.token_count.completion_details.reasoning",
                ],
                [10.0, 60.0, 30.0, 30.0, 20.0],
            ),
            (
                [
                    "ai.usage.inputTokens",
                    "ai.usage.cachedInputTokens",
                    "ai.usage.inputTokenDetails.cacheWriteTokens",
                    "ai.usage.outputTokens",
                    "ai.usage.reasoningTokens",
                ],
                [10.0, 60.0, 30.0, 30.0, 20.0],
            ),
        ] {
            let values = [100, 60, 30, 50, 20];
            let mut attributes: Vec<_> =
                names.into_iter().zip(values).map(|(name, value)| count(name, value)).collect();
            attributes.push(("gen_ai.request.model", json!("m")));
            let outcome = accepted(&trace(&[span("1", "", 1, 2, &attributes)]));
            let [usage] = &outcome.usage[..] else { panic!("{outcome:?}") };
            let found = [
                usage.uncached_input_tokens,
                usage.cache_read_tokens,
                usage.cache_write_tokens,
                usage.output_tokens,
                usage.reasoning_tokens,
            ];
            assert_eq!((found, usage.total_tokens), (expected, 150.0), "{names:?}");
            assert_eq!((outcome.prompt_tokens, outcome.completion_tokens), (100.0, 50.0));
        }
    }

    #[test]
    fn integers_may_be_texts_or_numbers() {
        let item = r#"[{"traceId": "a", "startTimeUnixNano": 1000000000, "endTimeUnixNano": "2500000000", "attributes": [
            {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
            {"key": "gen_ai.usage.prompt_tokens", "value": {"intValue": 5}},
            {"key": "gen_ai.usage.output_tokens", "value": {"intValue": "6"}},
            {"key": "gen_ai.usage.cost", "value": {"doubleValue": 0.5}}]}]"#;
        let outcome = accepted(item);
        assert_eq!(
            (outcome.prompt_tokens, outcome.completion_tokens, outcome.cost_usd),
            (5.0, 6.0, 0.5)
        );
        assert_eq!(outcome.execution_time.as_deref(), Some("1970-01-01T00:00:01.000000Z"));
        assert_eq!(outcome.execution_time_ms, 1500.0);
    }

    #[test]
    fn an_invalid_number_is_a_warning() {
        let item = r#"[{"traceId": "a", "startTimeUnixNano": "-1", "endTimeUnixNano": 1e999, "attributes": [
            {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
            {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "-5"}},
            {"key": "gen_ai.usage.output_tokens", "value": {"doubleValue": 1.5}},
            {"key": "gen_ai.usage.cost", "value": {"doubleValue": "NaN"}}, 7, {"key": 1}]}]"#;
        assert_eq!(
            warnings(&accepted(item)),
            [
                ("", codes::SCENARIO_ID_MADE),
                ("", codes::SCORE_MISSING),
                ("/0/attributes/1/value/intValue", codes::OUT_OF_RANGE),
                ("/0/attributes/2/value/doubleValue", codes::OUT_OF_RANGE),
                ("/0/attributes/3/value/doubleValue", codes::OUT_OF_RANGE),
                ("/0/endTimeUnixNano", codes::TIME_UNREADABLE),
                ("/0/startTimeUnixNano", codes::TIME_UNREADABLE),
            ]
        );
    }
}

#[test]
fn files_of_other_formats_are_not_recognised() {
    arc_format_testing::recognises_no_other::<OtelFormat>("otel");
}

const NAMES: &[&str] = &[
    "traceId",
    "spanId",
    "parentSpanId",
    "startTimeUnixNano",
    "endTimeUnixNano",
    "attributes",
    "events",
    "status",
    "code",
    "message",
    "name",
    "key",
    "value",
    "stringValue",
    "intValue",
    "doubleValue",
    "gen_ai.operation.name",
    "chat",
    "invoke_agent",
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.cost",
    "gen_ai.evaluation.result",
    "gen_ai.evaluation.name",
    "gen_ai.evaluation.score.value",
    "gen_ai.evaluation.score.label",
    "gen_ai.evaluation.explanation",
    "test.case.result.status",
    "timeUnixNano",
    "boolValue",
    "pass",
    "gen_ai.input.messages",
    "test.case.name",
    "error.type",
    "exception",
    "resourceSpans",
];

#[test]
fn of_very_many_agents_the_innermost_are_counted() {
    const SPANS: u64 = 1_000;
    let agent = |id: u64, above: String, from, to| {
        let [input, output] = tokens(1, 2);
        span(&format!("{id:x}"), &above, from, to, &[operation("invoke_agent"), input, output])
    };
    // A chain, one below the other; and those of which the parent was left out, inside the chain's time.
    let chain = (1..=SPANS).map(|id| agent(id, format!("{:x}", id - 1), id, 9 * SPANS - id));
    let lost = (1..=SPANS).map(|id| agent(SPANS + id, "ffffff".into(), SPANS + id, SPANS + id + 1));
    let scored = (0..SPANS).map(|id| {
        let name = ("gen_ai.evaluation.name", json!(format!("score {id}")));
        let score = ("gen_ai.evaluation.score.value", json!(0.5));
        span(&format!("e{id:x}"), "1", 2, 3, &[name, score])
    });
    let trace: Value = chain.chain(lost).chain(scored).collect();
    let outcome = OtelFormat::outcome(None, &trace.to_string()).unwrap();
    // Those within the time of the whole chain replace it.
    assert_eq!((outcome.prompt_tokens, outcome.completion_tokens), (1_000.0, 2_000.0));
    assert_eq!(outcome.scores.len() as u64, SPANS);
}

#[test]
fn agents_that_are_their_own_parents_count_at_most_once() {
    let agent = |id, above| {
        let [input, output] = tokens(1, 2);
        span(id, above, 1, 2, &[operation("invoke_agent"), input, output])
    };
    let between = |id, above| span(id, above, 1, 2, &[operation("execute_tool")]);
    for (spans, expected) in [
        (vec![agent("a", "a")], 1.0),
        (vec![agent("a", "b"), between("b", "a")], 0.0),
        (vec![agent("a", "b"), between("b", "a"), agent("c", "b")], 1.0),
        (vec![agent("c", "b"), agent("a", "b"), between("b", "a")], 1.0),
        (vec![agent("c", "b"), between("b", "d"), between("d", "b")], 1.0),
        (vec![agent("a", "b"), agent("b", "a")], 0.0),
        (vec![agent("a", "x"), agent("b", "x")], 2.0),
    ] {
        let outcome = accepted(&Value::from(spans).to_string());
        assert_eq!(outcome.prompt_tokens, expected, "{outcome:?}");
    }
}

#[test]
fn a_truncated_result_is_refused() {
    rejects_truncated_results::<OtelFormat>(None, &trace(&[span("a", "", 1, 2, &tokens(1, 2))]));
}

proptest! {
    #[test]
    fn no_json_makes_it_panic(
        item in any_json(NAMES),
        values in proptest::collection::vec((proptest::sample::select(NAMES), any_json(NAMES)), 0..6),
        spans in proptest::collection::vec((0..3_u8, 0..3_u8, any_json(NAMES), any_json(NAMES)), 0..4),
    ) {
        let _ = check::<OtelFormat>(Some(&item), &item);
        let attributes: Vec<String> = values
            .iter()
            .flat_map(|(key, value)| ["stringValue", "intValue", "boolValue"].map(|kind| {
                format!(r#"{{"key":"{key}","value":{{"{kind}":{value}}}}}"#)
            }))
            .collect();
        let attributes = attributes.join(",");
        let spans: Vec<String> = spans
            .iter()
            .map(|(id, parent, start, status)| format!(
                r#"{{"traceId":"t","spanId":"{id}","parentSpanId":"{parent}","startTimeUnixNano":{start},
                    "status":{status},"attributes":[{attributes}],
                    "events":[{{"name":"gen_ai.evaluation.result","attributes":[{attributes}]}}]}}"#
            ))
            .collect();
        let _ = check::<OtelFormat>(None, &format!("[{}]", spans.join(",")));
    }
}
