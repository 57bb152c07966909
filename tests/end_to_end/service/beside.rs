//! Fields sent beside the results of a request are applied to all of them, or the request is refused: the fields are
//! stored as sent, or the answer reports the difference.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use arc_host::client::{ClientSettings, ServiceClient};
use arc_host::recorder::{
    FailureKind, NotFinite, NotFiniteNumber, ResultFormat, Submission, Verdict,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::support::{Files, Program, Service, TestDatabase, record, result};

/// The time that a property test spends on looking for a counterexample.
const TIME_OF_A_PROPERTY: Duration = Duration::from_secs(25);

/// A service with a database of its own.
struct TestService {
    database: TestDatabase,
    service: Service,
    _files: Files,
}

/// The stored parts of a result: trial, call, sandbox and document.
type StoredResult = (i32, Option<String>, Option<String>, String);

impl TestService {
    fn new(options: &[&str]) -> Self {
        let (database, files) = (TestDatabase::new(), Files::new());
        // A property sends very many requests, whose lines would hide why it fails.
        let options = [options, &["--log-level", "warn"]].concat();
        let service = Service::start(&Program::on(&database), &files, &options);
        TestService { database, service, _files: files }
    }

    fn outcomes(&self) -> String {
        format!("/v1/simulations/{}/outcomes", self.service.start_simulation(&[]))
    }

    fn client(&self) -> ServiceClient {
        let url = self.service.url().to_owned();
        ServiceClient::new(&ClientSettings { url, token: None, compress: Some(true) }).unwrap()
    }

    /// Returns the stored outcomes of a simulation, by their ids, after the spool was delivered: on a busy machine the
    /// database can be too slow to answer, and results are spooled.
    fn stored(&self, simulation_id: &str) -> BTreeMap<Uuid, StoredResult> {
        self.service.wait_for_empty_spool();
        let sql = format!(
            "SELECT outcome_id, outcome.trial, modal_call_id, sandbox_id, document_text
             FROM arc_recorder.outcomes AS outcome
             JOIN arc_recorder.outcome_documents USING (simulation_id, outcome_id, partition_time)
             WHERE simulation_id = '{simulation_id}'"
        );
        let rows = self.database.query(&sql);
        rows.iter()
            .map(|row| (row.get(0), (row.get(1), row.get(2), row.get(3), row.get(4))))
            .collect()
    }

    fn count(&self) -> i64 {
        self.database.count("SELECT count(*) FROM arc_recorder.outcomes")
            + self.database.count("SELECT count(*) FROM arc_recorder.rejected_results")
    }
}

/// Returns a small, distinct result.
fn document(number: usize) -> String {
    format!(r#"{{"scenario":{{"id":"s{number}"}},"trajectory":{{"status":"success"}}}}"#)
}

#[test]
fn more_than_a_mebibyte_beside_the_results_is_applied_to_each() {
    const DOCUMENTS: usize = 3_000;
    const TRIALS: usize = 3;
    let running = TestService::new(&[]);
    let path = running.outcomes();
    // The same documents for each trial: without their trials they would be duplicates.
    let results: Vec<String> = (0..DOCUMENTS * TRIALS).map(|at| document(at / TRIALS)).collect();
    let trials: Vec<usize> = (0..DOCUMENTS * TRIALS).map(|at| 1 + at % TRIALS).collect();
    let call = |at: usize| format!("fc-{at}-{}", "x".repeat(120));
    let calls: Vec<String> = (0..DOCUMENTS * TRIALS).map(call).collect();
    let beside = json!({"trials": trials, "modal_call_ids": calls}).to_string();
    assert!(beside.len() > 1 << 20);
    let body = format!(r#"{{"results":[{}],{}"#, results.join(","), &beside[1..]);
    let answer = running.service.send(Method::POST, &path, &[], body).has(200).json();
    assert_eq!(answer["stored"], DOCUMENTS * TRIALS);
    let kept = "SELECT count(DISTINCT (scenario_id, trial, modal_call_id))
                FROM arc_recorder.outcomes";
    assert_eq!(running.database.count(kept), (DOCUMENTS * TRIALS) as i64);

    // Also few results with long fields beside them.
    let path = running.outcomes();
    let calls: Vec<String> = (0..50).map(|at| format!("{at}{}", "y".repeat(20_500))).collect();
    let results: Vec<Value> = (0..50).map(|at| result(&format!("s{at}"), "success", 1.0)).collect();
    let body = json!({"results": results, "modal_call_ids": calls});
    assert_eq!(running.service.post(&path, &body).has(200).json()["stored"], 50);
    let kept = "SELECT count(*) FROM arc_recorder.outcomes WHERE length(modal_call_id) > 20500";
    assert_eq!(running.database.count(kept), 50);
}

#[test]
fn a_request_with_incomplete_fields_beside_its_results_is_refused() {
    let running = TestService::new(&[]);
    let path = running.outcomes();
    let one = document(1);
    let incomplete: [(&[u8], &str); 7] = [
        (b"\"trials\":[1", "ends before"),
        (b"\"trials\":[1]", "ends before"),
        (b"\"trials\":[2],\"modal_call_ids\":[\"\xff\"]}", "not UTF-8"),
        (b"5,\"trials\":[2]}", "not a member"),
        (b"\"modal_call_ids\":[\"a\"],trials:[2]}", "not a member"),
        (b"\"trials\":[2],{}}", "not a member"),
        (b"", "ends before"),
    ];
    for (rest, sentence) in incomplete {
        let body = [format!("{{\"results\":[{one}],").as_bytes(), rest].concat();
        let problem = running.service.send(Method::POST, &path, &[], body);
        let problem = problem.has_problem(400, "envelope_incomplete");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(sentence), "{detail}");
        assert_eq!(problem["retryable"], false);
    }
    // A missing comma or an extra bracket must not hide the members that follow.
    for between in ["", "]", " 7"] {
        let body = format!("{{\"results\":[{one}]{between} \"trials\":[2]}}");
        let refused = running.service.send(Method::POST, &path, &[], body);
        refused.has_problem(400, "envelope_incomplete");
    }
    // An unknown member of a request is refused by its name.
    for (member, sentence) in [
        (r#""trails":[2]"#, "\"trails\""),
        (r#""average_reliability_score":0.9"#, "/complete"),
        (r#""trials":[2],"trials":[3]"#, "repeated"),
        (r#""trials":[2,3]"#, "trials has 2 members for 1 results"),
        (r#""trials":[1.5]"#, "1.5"),
        (r#""sandbox_ids":"a""#, "sandbox_ids"),
    ] {
        let body = format!("{{\"results\":[{one}],{member}}}");
        let problem = running.service.send(Method::POST, &path, &[], body);
        let problem = problem.has_problem(400, "invalid_request");
        let detail = problem["detail"].as_str().unwrap();
        if sentence != "1.5" && sentence != "sandbox_ids" {
            assert!(detail.contains(sentence), "{detail}");
        }
    }
    // So is an unknown parameter.
    let ended = path.replace("/outcomes", "/fail?reason=slow");
    let problem = running.service.post(&ended, &json!({})).has_problem(400, "invalid_request");
    assert!(problem["detail"].as_str().unwrap().contains("\"reason\""), "{problem}");
    let status = running.service.get(&path.replace("/outcomes", "")).has(200).json();
    assert_eq!(status["status"], "running");
    assert_eq!(running.count(), 0, "none of them was recorded");
}

#[test]
fn a_lone_result_comes_as_long_as_its_headers_say() {
    let running = TestService::new(&[]);
    let path = running.outcomes();
    let text = document(1);
    let length = text.len().to_string();
    let send = |name: &str, value: &str| {
        let headers = [("content-type", "application/octet-stream"), (name, value)];
        running.service.send(Method::POST, &path, &headers, text.clone())
    };
    for (name, value) in [
        ("arc-document-bytes", "1"),
        ("arc-document-bytes", "100000"),
        ("arc-document-bytes", "many"),
        ("arc-header-bytes", "100000"),
        ("arc-header-bytes", "-1"),
    ] {
        send(name, value).has_problem(400, "invalid_request");
    }
    assert_eq!(running.count(), 0);
    assert_eq!(send("arc-document-bytes", &length).has(200).json()["verdict"], "stored");
}

#[test]
fn a_header_of_more_than_a_mebibyte_reaches_every_result() {
    let running = TestService::new(&[]);
    let (header, samples) = super::formats::log();
    let mut header = header;
    header["plan"] = json!({"name": "x".repeat(1_200_000)});
    let text = header.to_string();
    let simulation = running.service.start_simulation(&[]);
    let path = format!("/v1/simulations/{simulation}/outcomes?format=inspect");
    let body = json!({"results": samples, "header": header});
    let answer = running.service.post(&path, &body).has(200).json();
    assert_eq!(answer["stored"], samples.len(), "{answer}");
    assert!(!answer.to_string().contains("header_missing"), "{answer}");

    // The client sends the header, too, also with a document that is sent on its own: a sample that is not an object.
    let format = std::sync::Arc::new(ResultFormat::new("inspect", Some(format!("{text}\n"))));
    let mut texts: Vec<String> = samples.iter().map(Value::to_string).collect();
    texts.push(format!(" {}", texts[0]));
    let submissions = texts.iter().map(|text| {
        let mut submission = Submission::new(text.as_str());
        submission.format = Some(std::sync::Arc::clone(&format));
        submission
    });
    let other = running.service.start_simulation(&[]).parse().unwrap();
    let verdicts = Runtime::new()
        .unwrap()
        .block_on(running.client().record_batch(other, submissions.collect()))
        .unwrap();
    for item in &verdicts {
        assert_eq!(item.verdict, Verdict::Stored, "{item:?}");
        let missing = item.warnings.iter().any(|warning| warning.code == "header_missing");
        assert!(!missing, "{item:?}");
    }
    let kept = format!(
        "SELECT count(*) FROM arc_recorder.outcomes JOIN arc_recorder.document_headers
         USING (header_id) WHERE simulation_id = '{other}' AND right(header, 1) = E'\\n'"
    );
    assert_eq!(running.database.count(&kept), texts.len() as i64);

    // A header that is longer than any file's is refused.
    let longer = json!({"results": samples, "header": "x".repeat((16 << 20) + 1)});
    let problem = running.service.post(&path, &longer).has_problem(400, "invalid_request");
    assert!(problem["detail"].as_str().unwrap().contains("at most 16777216"), "{problem}");
}

#[test]
fn a_result_that_contradicts_its_request_is_stored_with_a_warning() {
    let running = TestService::new(&[]);
    let path = running.outcomes();
    let mut odd = result("a", "success", 1.0);
    odd["recording"] = json!({"trial": 2, "modal_call_id": "fc-own"});
    let body = json!({"results": [odd], "trials": [3], "modal_call_ids": ["fc\u{0}"]});
    let answer = running.service.post(&path, &body).has(200).json();
    let warnings = answer["verdicts"][0]["warnings"].as_array().unwrap().clone();
    let reported: Vec<(&str, &str)> = warnings
        .iter()
        .map(|it| (it["code"].as_str().unwrap(), it["path"].as_str().unwrap()))
        .collect();
    for expected in [
        ("overridden", "/recording/trial"),
        ("overridden", "/recording/modal_call_id"),
        ("id_replaced", "/recording/modal_call_id"),
    ] {
        assert!(reported.contains(&expected), "{reported:?}");
    }
}

#[test]
fn the_summary_of_a_file_names_its_unrecorded_parts() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let one = document(1);
    // If some figures are missing, the others must not count.
    let mut text = format!("{{\"results\":[{one}],\"total_cost_usd\":7,\"note\":\"").into_bytes();
    text.extend_from_slice(b"\xff\"}");
    let finished = record(&program, &files.write("suite.json", text), &[]).ended(2);
    let summary = finished.json();
    assert_eq!((&summary["stored"], &summary["rejected"]), (&json!(1), &json!(0)));
    assert_eq!(summary["total_cost_usd"], 0.0, "{summary}");
    assert!(summary["notes"].to_string().contains("not UTF-8"), "{summary}");
    assert!(finished.stderr.contains("not UTF-8"), "{}", finished.stderr);
    let broken = format!("{{\"results\":[{one}] \"total_cost_usd\":7}}");
    program.run(["validate".as_ref(), files.write("a.json", broken).as_os_str()]).ended(2);

    // Fields that only a request can have are not ignored silently.
    for member in [r#""trials":[2,null]"#, r#""sandbox_ids":[null,"sb"]"#] {
        let text = format!("{{\"results\":[{one},{}],{member}}}", document(2));
        let finished = record(&program, &files.write("body.json", text), &[]).ended(1);
        assert!(finished.stderr.contains("recording"), "{}", finished.stderr);
    }
    // A suite can use such a name for a member of its own.
    let own = format!("{{\"results\":[{one}],\"trials\":3,\"sandbox_ids\":[\"a\",\"b\"]}}");
    record(&program, &files.write("own.json", own), &[]).ended(0);
}

/// A random result of a property test.
#[derive(Clone)]
struct RandomResult {
    filler: usize,
    pretty: bool,
    trial: Option<u32>,
    call: Option<String>,
    sandbox: Option<String>,
    not_finite: usize,
}

/// Shows the lengths of long ids: a message of some mebibytes would hide why a property fails.
impl fmt::Debug for RandomResult {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let shown = |id: &Option<String>| match id {
            Some(id) if id.len() > 80 => format!("{} bytes", id.len()),
            id => format!("{id:?}"),
        };
        let RandomResult { filler, pretty, trial, call, sandbox, not_finite } = self;
        let (call, sandbox) = (shown(call), shown(sandbox));
        write!(
            formatter,
            "filler {filler}, pretty {pretty}, trial {trial:?}, call {call}, sandbox {sandbox}, \
             not finite {not_finite}"
        )
    }
}

impl RandomResult {
    /// Returns the document, which has `not_finite` values that are `null`, and their positions.
    fn document(&self, number: usize) -> (String, Vec<NotFinite>) {
        let (end, filler) = (if self.pretty { "\n  " } else { "" }, "é".repeat(self.filler));
        let mut text = format!(
            "{{{end}\"scenario\":{{{end}\"id\":\"s{number}\"}},{end}\"trajectory\":{{\"status\":\"success\"}},\
             {end}\"filler\":\"{filler}\",{end}\"odd\":["
        );
        let mut places = Vec::new();
        for place in 0..self.not_finite {
            if place > 0 {
                text.push(',');
            }
            places.push(NotFinite {
                offset: text.len(),
                path: format!("/odd/{place}"),
                number: NotFiniteNumber::NaN,
            });
            text.push_str("null");
        }
        text.push_str("]}");
        (text, places)
    }

    fn submission(&self, number: usize) -> Submission {
        let (text, not_finite) = self.document(number);
        Submission {
            trial: self.trial,
            modal_call_id: self.call.clone(),
            sandbox_id: self.sandbox.clone(),
            not_finite,
            ..Submission::new(text)
        }
    }

    fn stored(&self, number: usize) -> StoredResult {
        let (text, _) = self.document(number);
        let trial = self.trial.map_or(1, |trial| trial as i32);
        (trial, self.call.clone(), self.sandbox.clone(), text)
    }
}

/// Returns an id, mostly short, sometimes longer than a URL or a whole small body.
fn id() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        4 => Just(None),
        6 => "[a-zé\"\\\\\u{1}]{0,20}".prop_map(Some),
        2 => (1_000_usize..20_000).prop_map(|length| Some("i\"".repeat(length / 2))),
    ]
}

fn shot() -> impl Strategy<Value = RandomResult> {
    let filler = prop_oneof![8 => 0_usize..40, 2 => 1_000_usize..30_000];
    (filler, any::<bool>(), prop::option::of(1_u32..5), id(), id(), 0_usize..4).prop_map(
        |(filler, pretty, trial, call, sandbox, not_finite)| RandomResult {
            filler,
            pretty,
            trial,
            call,
            sandbox,
            not_finite,
        },
    )
}

/// Runs a property with random values until its time is over.
fn holds<S: Strategy>(strategy: &S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = Config { cases: 60, failure_persistence: None, ..Config::default() };
    let until = Instant::now() + TIME_OF_A_PROPERTY;
    TestRunner::new(config)
        .run(strategy, |value| if Instant::now() < until { test(value) } else { Ok(()) })
        .unwrap();
}

#[test]
fn results_are_stored_as_the_client_sends_them_or_the_verdict_differs() {
    const LIMIT: usize = 1 << 20;
    let small = TestService::new(&["--max-body-mib", "1", "--max-results-per-body", "70"]);
    let large = TestService::new(&[]);
    let clients = [small.client(), large.client()];
    let runtime = Runtime::new().unwrap();
    // Some results exceed the small service's body limit, on their own or with their fields.
    let giant = prop_oneof![
        3 => Just(None),
        1 => (any::<prop::sample::Index>(), any::<bool>()).prop_map(Some),
    ];
    let shots = (prop::collection::vec(shot(), 1..120), giant);
    holds(&(shots, any::<bool>()), |((mut shots, giant), to_small)| {
        if let Some((index, in_id)) = giant {
            let place = index.index(shots.len());
            match in_id {
                true => shots[place].call = Some("c".repeat(LIMIT)),
                false => shots[place].filler = LIMIT / 2,
            }
        }
        let (running, client) =
            if to_small { (&small, &clients[0]) } else { (&large, &clients[1]) };
        let simulation = running.service.start_simulation(&[]);
        let submissions: Vec<Submission> =
            shots.iter().enumerate().map(|(number, shot)| shot.submission(number)).collect();
        let ids: Vec<Uuid> =
            submissions.iter().map(|it| it.outcome_id(simulation.parse().unwrap())).collect();
        let request = || {
            let (count, log) = (shots.len(), running.service.log());
            format!(
                "{count} results of {simulation}, to_small: {to_small}, giant: {giant:?}; {log}"
            )
        };
        let recording = client.record_batch(simulation.parse().unwrap(), submissions);
        let verdicts = match runtime.block_on(recording) {
            Ok(verdicts) => verdicts,
            // The refusal of a single result is an error, as in a call that records one result.
            Err(error) => {
                let refused = shots.len() == 1 && to_small && giant.is_some();
                prop_assert!(refused, "{}; {}", error.report(), request());
                return Ok(());
            }
        };
        let mut stored = running.stored(&simulation);
        prop_assert_eq!(verdicts.len(), shots.len(), "{}", request());
        for (number, (item, shot)) in verdicts.iter().zip(&shots).enumerate() {
            let case = || format!("{number}: {shot:?}: {item:?}; {}", request());
            prop_assert_eq!(item.outcome_id, ids[number], "{}", case());
            let found = stored.remove(&ids[number]);
            match &item.verdict {
                // A request without an answer is sent again, and its results can be duplicates.
                Verdict::Stored | Verdict::Duplicate | Verdict::Spooled => {
                    prop_assert!(found == Some(shot.stored(number)), "it differs: {}", case());
                    let reported =
                        item.warnings.iter().filter(|it| it.code == "not_finite").count();
                    prop_assert_eq!(reported, shot.not_finite, "{}", case());
                }
                Verdict::Failed { kind: FailureKind::Refused, .. } => {
                    let too_long = shot.filler >= LIMIT / 2
                        || shot.call.as_ref().is_some_and(|call| call.len() >= LIMIT);
                    prop_assert!(to_small && too_long, "{}", case());
                    prop_assert!(found.is_none(), "it is stored: {}", case());
                }
                _ => prop_assert!(false, "{}", case()),
            }
        }
        prop_assert!(stored.is_empty(), "{} more are stored; {}", stored.len(), request());
        Ok(())
    });
}

/// A change to a body after it was written.
#[derive(Clone, Debug)]
enum Damage {
    None,
    Cut(prop::sample::Index),
    Byte(prop::sample::Index, u8),
    Shorter(&'static str),
    Renamed(&'static str),
}

fn damage() -> impl Strategy<Value = Damage> {
    let member = prop::sample::select(vec!["trials", "modal_call_ids", "sandbox_ids"]);
    prop_oneof![
        3 => Just(Damage::None),
        2 => any::<prop::sample::Index>().prop_map(Damage::Cut),
        2 => (any::<prop::sample::Index>(), prop::sample::select(b"\xff,}]{[\"x5 ".to_vec()))
            .prop_map(|(index, byte)| Damage::Byte(index, byte)),
        1 => member.clone().prop_map(Damage::Shorter),
        1 => member.prop_map(Damage::Renamed),
    ]
}

#[test]
fn any_body_is_applied_completely_or_the_answer_reports_the_rest() {
    let running = TestService::new(&[]);
    let before = any::<bool>();
    let bodies = (prop::collection::vec(shot(), 1..40), damage(), before);
    holds(&bodies, |(shots, damage, before)| {
        let simulation = running.service.start_simulation(&[]);
        let path = format!("/v1/simulations/{simulation}/outcomes");
        let documents: Vec<String> =
            shots.iter().enumerate().map(|(number, shot)| shot.document(number).0).collect();
        let mut beside = json!({
            "trials": shots.iter().map(|shot| shot.trial).collect::<Vec<_>>(),
            "modal_call_ids": shots.iter().map(|shot| shot.call.clone()).collect::<Vec<_>>(),
            "sandbox_ids": shots.iter().map(|shot| shot.sandbox.clone()).collect::<Vec<_>>(),
        });
        match damage {
            Damage::Shorter(name) => drop(beside[name].as_array_mut().unwrap().pop()),
            Damage::Renamed(name) => {
                let value = beside.as_object_mut().unwrap().remove(name).unwrap();
                beside[format!("{name}_")] = value;
            }
            _ => {}
        }
        let beside = beside.to_string();
        let (members, results) = (&beside[1..beside.len() - 1], documents.join(",\n"));
        let mut body = match before {
            true => format!("{{{members}, \"results\": [{results}]}}"),
            false => format!("{{\"results\": [{results}],\n{members}}}"),
        }
        .into_bytes();
        let whole = body.clone();
        match damage {
            Damage::Cut(index) => body.truncate(1 + index.index(body.len() - 1)),
            Damage::Byte(index, byte) => {
                let place = index.index(body.len());
                body[place] = byte;
            }
            _ => {}
        }
        let untouched =
            body == whole && matches!(damage, Damage::None | Damage::Cut(_) | Damage::Byte(..));
        let answer = running.service.send(Method::POST, &path, &[], body.clone());
        let stored = running.stored(&simulation);
        if answer.status >= 300 {
            prop_assert!((400..500).contains(&answer.status), "{:?}", answer);
            prop_assert!(!untouched, "{:?}", answer);
            prop_assert!(stored.is_empty(), "{:?}", answer);
            return Ok(());
        }
        let answer = answer.json();
        let Some(verdicts) = answer["verdicts"].as_array() else {
            // A damaged body can be a single document, which is kept as it arrived.
            let id: Uuid = answer["outcome_id"].as_str().unwrap().parse().unwrap();
            prop_assert!(stored[&id].3.as_bytes() == body, "{}", answer);
            return Ok(());
        };
        // Each stored document is part of the body, and its fields are those that were sent, or those that the damaged
        // byte produced.
        let text = String::from_utf8_lossy(&body).into_owned();
        let accepted =
            |it: &Value| ["stored", "spooled"].contains(&it["verdict"].as_str().unwrap());
        let kept = verdicts.iter().filter(|it| accepted(it)).count();
        prop_assert_eq!(kept, stored.len());
        for (position, verdict) in verdicts.iter().enumerate() {
            if !accepted(verdict) {
                prop_assert!(!untouched, "{}", verdict);
                continue;
            }
            let id: Uuid = verdict["outcome_id"].as_str().unwrap().parse().unwrap();
            let (trial, call, sandbox, document) = &stored[&id];
            prop_assert!(text.contains(document.as_str()));
            if untouched {
                let sent = shots[position].stored(position);
                let found = (*trial, call.clone(), sandbox.clone(), document.clone());
                prop_assert!(found == sent, "{} differs", position);
            } else if let Ok(read) = serde_json::from_slice::<Value>(&body) {
                prop_assert_eq!(&read["modal_call_ids"][position], &json!(call));
                prop_assert_eq!(&read["sandbox_ids"][position], &json!(sandbox));
                let own = read["trials"][position].as_i64().unwrap_or(1);
                prop_assert_eq!(own, i64::from(*trial));
            }
        }
        Ok(())
    });
}
