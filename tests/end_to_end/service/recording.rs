//! The calls over HTTP.

use std::io::{BufRead as _, BufReader, Write as _};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Files, Program, Service, TestDatabase, result};

const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");

/// A service on a database of its own.
struct TestService {
    database: TestDatabase,
    service: Service,
    _files: Files,
}

impl TestService {
    fn new() -> Self {
        let (database, files) = (TestDatabase::new(), Files::new());
        let service = Service::start(&Program::on(&database), &files, &[]);
        TestService { database, service, _files: files }
    }

    fn outcomes(&self) -> i64 {
        self.database.count("SELECT count(*) FROM arc_recorder.outcomes")
    }
}

fn verdicts(answer: &Value) -> Vec<&str> {
    let verdicts = answer["verdicts"].as_array().unwrap();
    verdicts.iter().map(|item| item["verdict"].as_str().unwrap()).collect()
}

fn lines(results: &[Value]) -> String {
    results.iter().map(|result| format!("{result}\n")).collect()
}

/// Makes all calls of a run, as a runner does.
fn a_run(running: &TestService) {
    let TestService { service, database, .. } = running;
    let configuration = json!({"name": "agent", "config": {"b": 1, "a": [1.50]}, "user_id": "me"});
    let made = service.post("/v1/configurations", &configuration).has(200).json();
    assert_eq!(service.post("/v1/configurations", &configuration).has(200).json(), made);
    let config_version_id = made["config_version_id"].as_str().unwrap();

    let start = json!({
        "simulation_id": "01920000-0000-7000-8000-00000000000a",
        "config_version_id": config_version_id,
        "scenarios": [{"id": "a"}, {"id": "b"}, {"id": "c"}],
        "simulation_name": "nightly",
        "modal_app_id": "ap-1",
        "metadata": {"branch": "main"},
    });
    let started = service.post("/v1/simulations", &start).has(200).json();
    assert_eq!(started["status"], "running");
    assert_eq!(started["scenario_count"], 3);
    assert_eq!(started["spooled"], false);
    assert_eq!(service.post("/v1/simulations", &start).has(200).json(), started);
    let id = started["simulation_id"].as_str().unwrap();
    let mut other = start.clone();
    other["scenarios"] = json!([{"id": "a"}]);
    service.post("/v1/simulations", &other).has_problem(409, "conflict");

    let outcomes = format!("/v1/simulations/{id}/outcomes");
    // A single result: the spelling of its numbers and the order of its keys are kept.
    let text =
        r#"{"trajectory":{"status":"success"},  "scenario":{"id":"a"},"reliability_score":0.50}"#;
    let query = "?modal_call_id=fc-1&sandbox_id=sb-1";
    let stored =
        service.send(Method::POST, &format!("{outcomes}{query}"), &[], text).has(200).json();
    assert_eq!(stored["verdict"], "stored");
    let again = service.send(Method::POST, &outcomes, &[], text).has(200).json();
    assert_eq!(again["verdict"], "duplicate");
    assert_eq!(again["outcome_id"], stored["outcome_id"]);
    let kept = "SELECT document, modal_call_id, sandbox_id FROM arc_recorder.outcomes
        JOIN arc_recorder.documents USING (simulation_id, outcome_id, partition_time)";
    let row = &database.query(kept)[0];
    assert_eq!((row.get(0), row.get(1), row.get(2)), (text, "fc-1", "sb-1"));

    // Several results, as an array and with fields beside them; one of them is not valid.
    let odd = json!({"scenario": {"id": "odd"}, "trajectory": {"status": "odd"}});
    let many = json!([result("b", "success", 1.0), odd]);
    let answer = service.post(&outcomes, &many).has(200).json();
    assert_eq!(verdicts(&answer), ["stored", "rejected"]);
    assert_eq!((&answer["stored"], &answer["rejected"]), (&json!(1), &json!(1)));
    let violation = &answer["verdicts"][1]["violations"][0];
    assert_eq!(
        (&violation["path"], &violation["code"]),
        (&json!("/trajectory/status"), &json!("unknown_status"))
    );
    let beside = json!({
        "results": [result("c", "error", 0.0)], "modal_call_ids": ["fc-9"], "sandbox_ids": [null],
    });
    assert_eq!(verdicts(&service.post(&outcomes, &beside).has(200).json()), ["stored"]);
    let wrong = json!({"results": [{}, {}], "modal_call_ids": ["fc-9"]});
    let problem = service.post(&outcomes, &wrong).has_problem(400, "invalid_request");
    assert!(problem["detail"].as_str().unwrap().contains("modal_call_ids has 1 members for 2"));
    // A list with one result is a list, and an empty one is valid.
    assert_eq!(service.post(&outcomes, &json!([])).has(200).json()["verdicts"], json!([]));
    // An invalid single result is a problem that names the place.
    let bad = json!({"scenario": {"id": "x"}, "trajectory": {"status": "odd"}});
    let problem = service.post(&outcomes, &bad).has_problem(422, "rejected");
    assert_eq!(problem["violations"][0]["path"], "/trajectory/status");
    let kept = problem["outcome_id"].clone();

    // Queries.
    let status = service.get(&format!("/v1/simulations/{id}")).has(200).json();
    assert_eq!(status["completed_scenarios"], 3);
    assert_eq!(status["rejected_results"], 2);
    assert_eq!(status["metadata"], json!({"branch": "main"}));
    let page = service.get(&format!("{outcomes}?limit=2")).has(200).json();
    assert_eq!(page["outcomes"].as_array().unwrap().len(), 2);
    let cursor = page["cursor"].as_str().unwrap();
    let rest = service.get(&format!("{outcomes}?limit=2&cursor={cursor}")).has(200).json();
    assert_eq!(rest["outcomes"][0]["scenario_id"], "c");
    assert_eq!(rest["outcomes"][0]["modal_call_id"], "fc-9");
    assert_eq!(rest["cursor"], Value::Null);
    let accept = [("accept", "application/x-ndjson")];
    let path = format!("{outcomes}?trajectories=true&documents=true&status=success");
    let streamed = service.send(Method::GET, &path, &accept, "").has(200).lines();
    assert_eq!(streamed.len(), 2);
    assert_eq!(streamed[0]["document"], text);
    assert_eq!(streamed[0]["trajectory"], json!({"status": "success"}));
    let list = format!("/v1/simulations/{id}/rejected");
    let all = service.get(&list).has(200).json();
    let rejected = all["rejected"].as_array().unwrap();
    assert_eq!((rejected.len(), &all["cursor"]), (2, &Value::Null));
    assert_eq!(rejected[1]["outcome_id"], kept);
    let first = service.get(&format!("{list}?limit=1")).has(200).json();
    assert_eq!(first["rejected"], json!([rejected[0]]));
    let next = format!("{list}?limit=1&cursor={}", first["cursor"].as_str().unwrap());
    let last = service.get(&next).has(200).json();
    assert_eq!((&last["rejected"], &last["cursor"]), (&json!([rejected[1]]), &Value::Null));
    let hours = service.get(&format!("/v1/simulations/{id}/performance?range=24h")).has(200).json();
    assert_eq!(hours["summary"]["total_outcomes"], 3);
    let failures = service.get("/v1/failures?limit=5").has(200).json();
    assert_eq!(failures["failures"][0]["scenario_id"], "c");
    let verdict = service.post("/v1/extract", &result("z", "success", 90.0)).has(200).json();
    assert_eq!(verdict["verdict"], "accepted");
    assert_eq!(running.outcomes(), 3, "an extraction records nothing");

    let suite = json!({"average_reliability_score": 0.75, "total_cost_usd": 2.0});
    let ended = service.post(&format!("/v1/simulations/{id}/complete"), &suite).has(200).json();
    assert_eq!((&ended["status"], &ended["overall_score"]), (&json!("completed"), &json!(0.75)));
    assert_eq!(ended["computed"]["overall_score"], 0.5);
    let end = format!("/v1/simulations/{id}/fail");
    service.post(&end, &json!({"reason": "late"})).has_problem(409, "conflict");
    let listed = service.get("/v1/simulations?status=completed").has(200).json();
    assert_eq!(listed["simulations"][0]["simulation_name"], "nightly");
    assert_eq!(service.get("/v1/simulations?status=running").json()["simulations"], json!([]));
}

#[test]
fn a_run_over_http_1() {
    a_run(&TestService::new());
}

#[test]
fn a_run_over_http_2() {
    let mut running = TestService::new();
    running.service.speak_http2();
    a_run(&running);
}

#[test]
fn bodies_can_be_compressed_and_answers_are_on_request() {
    let running = TestService::new();
    let service = &running.service;
    let id = service.start_simulation(&["a", "b"]);
    let path = format!("/v1/simulations/{id}/outcomes");
    let text = lines(&[result("a", "success", 1.0), result("b", "success", 0.5)]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let sent = |encoding: &str, body: Vec<u8>| -> Answer {
        service.send(Method::POST, &path, &[NDJSON, ("content-encoding", encoding)], body)
    };
    let verdicts_of = |answer: Answer| -> Vec<Value> {
        answer.has(200).lines().into_iter().map(|line| line["verdict"].clone()).collect()
    };
    assert_eq!(verdicts_of(sent("gzip", gzip.clone())), ["stored", "stored"]);
    let zstd = zstd::bulk::compress(text.as_bytes(), 3).unwrap();
    assert_eq!(verdicts_of(sent("zstd", zstd)), ["duplicate", "duplicate"]);
    assert_eq!(
        verdicts_of(sent("identity", text.clone().into_bytes())),
        ["duplicate", "duplicate"]
    );
    let problem = sent("br", text.into_bytes()).has_problem(415, "unsupported_media_type");
    assert!(problem["detail"].as_str().unwrap().contains("gzip"), "{problem}");
    // A truncated body is reported, and the results before its end are stored.
    let cut = sent("gzip", gzip[..gzip.len() - 12].to_vec());
    let last =
        if cut.status == 200 { cut.lines().pop().unwrap()["problem"].clone() } else { cut.json() };
    assert_eq!(last["code"], "invalid_request", "{last}");
    assert_eq!(running.outcomes(), 2);

    for encoding in ["gzip", "zstd"] {
        let accept = [("accept-encoding", encoding)];
        let list = service.send(Method::GET, &path, &accept, "").has(200);
        assert_eq!(list.header("content-encoding"), encoding);
        // A problem is not compressed.
        let unavailable = service.send(Method::GET, "/v1/nothing", &accept, "").has(404);
        assert_eq!(unavailable.header("content-encoding"), "");
        assert_eq!(unavailable.json()["code"], "not_found");
    }
}

#[test]
fn a_stream_is_answered_as_it_is_committed_while_it_is_still_open() {
    let running = TestService::new();
    let service = &running.service;
    let id = service.start_simulation(&["0", "1", "2"]);
    let mut stream = service.connect();
    write!(
        stream,
        "POST /v1/simulations/{id}/outcomes HTTP/1.1\r\nhost: localhost\r\ncontent-type: \
         application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    .unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap()).lines();
    for number in 0..3 {
        let line = format!("{}\n", result(&number.to_string(), "success", 1.0));
        write!(stream, "{:x}\r\n{line}\r\n", line.len()).unwrap();
        // The verdict arrives before any more is sent.
        let verdict = answers.find(|line| line.as_ref().unwrap().starts_with('{')).unwrap();
        let verdict: Value = serde_json::from_str(&verdict.unwrap()).unwrap();
        assert_eq!((&verdict["position"], &verdict["verdict"]), (&json!(number), &json!("stored")));
        assert_eq!(running.outcomes(), number + 1, "an answer comes after the commit");
    }
    write!(stream, "0\r\n\r\n").unwrap();
    assert_eq!(answers.next().unwrap().unwrap(), "", "the end of the last chunk");
}

#[test]
fn an_invalid_line_of_a_stream_does_not_affect_the_others() {
    let running = TestService::new();
    let service = &running.service;
    let id = service.start_simulation(&[]);
    let path = format!("/v1/simulations/{id}/outcomes");
    let mut body = Vec::new();
    for part in [
        lines(&[result("a", "success", 1.0)]).as_bytes(),
        b"{\"half\":\n",
        b"\xff\xfe\n",
        b"[]\n\n",
        b"{\"scenario\":{\"id\":\"n\"},\"trajectory\":{\"status\":\"success\"},\"reliability_score\":NaN}\n",
        lines(&[result("b", "success", 1.0)]).trim_end().as_bytes(),
    ] {
        body.extend_from_slice(part);
    }
    let answer = service.send(Method::POST, &path, &[NDJSON], body).has(200).lines();
    let found: Vec<&str> = answer.iter().map(|line| line["verdict"].as_str().unwrap()).collect();
    assert_eq!(found, ["stored", "rejected", "rejected", "rejected", "stored", "stored"]);
    let positions: Vec<u64> =
        answer.iter().map(|line| line["position"].as_u64().unwrap()).collect();
    assert_eq!(positions, [0, 1, 2, 3, 4, 5]);
    assert_eq!(running.outcomes(), 3);

    // An unknown simulation is an error before the first line of the answer.
    let unknown = "/v1/simulations/01920000-0000-7000-8000-0000000000ff/outcomes";
    let text = lines(&[result("a", "success", 1.0)]);
    service.send(Method::POST, unknown, &[NDJSON], text).has_problem(404, "not_found");
}

#[test]
fn large_streams_are_stored_whole_and_twice_the_same_is_once() {
    const RESULTS: usize = 5_000;
    let running = TestService::new();
    let service = &running.service;
    let id = service.start_simulation(&[]);
    let path = format!("/v1/simulations/{id}/outcomes");
    let results: Vec<Value> =
        (0..RESULTS).map(|number| result(&format!("s{number}"), "success", 0.5)).collect();
    for expected in ["stored", "duplicate"] {
        let answer = service.send(Method::POST, &path, &[NDJSON], lines(&results)).has(200).lines();
        assert_eq!(answer.len(), RESULTS);
        assert!(answer.iter().all(|line| line["verdict"] == expected), "{expected}");
    }
    // The same results as one JSON body, read back as a stream.
    let answer = service.post(&path, &json!({"results": results})).has(200).json();
    assert_eq!(answer["duplicate"], RESULTS);
    let accept = [("accept", "application/x-ndjson")];
    assert_eq!(service.send(Method::GET, &path, &accept, "").has(200).lines().len(), RESULTS);
    assert_eq!(running.outcomes(), RESULTS as i64);
}

#[test]
fn a_request_that_comes_again_with_its_key_gets_the_first_answer() {
    let running = TestService::new();
    let service = &running.service;
    let id = service.start_simulation(&["a"]);
    let path = format!("/v1/simulations/{id}/outcomes");
    let key = [("idempotency-key", "k-1")];
    let text = result("a", "success", 1.0).to_string();
    let first = service.send(Method::POST, &path, &key, text.clone()).has(200);
    let second = service.send(Method::POST, &path, &key, text.clone()).has(200);
    assert_eq!(first.json()["verdict"], "stored");
    assert_eq!(second.body, first.body);
    assert_eq!(second.header("idempotent-replayed"), "true");
    // Without the key the retry is safe, too, and its answer is a duplicate.
    assert_eq!(service.send(Method::POST, &path, &[], text).json()["verdict"], "duplicate");
    let other = result("b", "success", 1.0).to_string();
    let reused = service.send(Method::POST, &path, &key, other.clone());
    reused.has_problem(422, "idempotency_key_reused");
    let long = "k".repeat(300);
    let refused = service.send(Method::POST, &path, &[("idempotency-key", long.as_str())], other);
    refused.has_problem(400, "invalid_request");
    assert_eq!(running.outcomes(), 1);
    // The same for a start: the service generates the id, and there is only one simulation.
    let start = json!({"scenarios": [{"id": "a"}]}).to_string();
    let key = [("idempotency-key", "k-2")];
    let ids: Vec<Value> = (0..2)
        .map(|_| service.send(Method::POST, "/v1/simulations", &key, start.clone()).json())
        .collect();
    assert_eq!(ids[0], ids[1]);
}

#[test]
fn invalid_requests_get_a_problem() {
    let running = TestService::new();
    let service = &running.service;
    let id = service.start_simulation(&["a"]);
    let outcomes = format!("/v1/simulations/{id}/outcomes");
    let text = result("a", "success", 1.0).to_string();
    let typed =
        |kind: &str| service.send(Method::POST, &outcomes, &[("content-type", kind)], text.clone());
    typed("text/plain").has_problem(415, "unsupported_media_type");
    typed("").has_problem(415, "unsupported_media_type");
    assert_eq!(typed("application/json; charset=utf-8").has(200).json()["verdict"], "stored");
    let body = |body: &str| service.send(Method::POST, &outcomes, &[], body.to_owned());
    for broken in ["", "  ", "{\"results\": [{}], \"trials\": [0.5]}"] {
        let problem = body(broken).has_problem(400, "invalid_request");
        assert!(problem["request_id"].is_string(), "{broken}: {problem}");
    }
    // A truncated list has a verdict for each of its results.
    let cut = body(&format!("[{text}, {{\"scen")).has(200).json();
    assert_eq!(verdicts(&cut), ["duplicate", "rejected"]);
    assert_eq!(cut["verdicts"][1]["violations"][0]["code"], "truncated");
    for (path, status, code) in [
        ("/", 404, "not_found"),
        ("/v1/simulations/x", 404, "not_found"),
        ("/v1/simulations/01920000-0000-7000-8000-0000000000ff", 404, "not_found"),
        ("/v1/simulations?limit=0", 400, "invalid_request"),
        ("/v1/simulations?limit=many", 400, "invalid_request"),
        ("/v1/simulations?colour=red", 400, "invalid_request"),
        ("/v1/simulations?cursor=nonsense", 400, "invalid_request"),
        ("/v1/simulations?status=odd", 400, "invalid_request"),
        ("/v1/failures?limit=10001", 400, "invalid_request"),
    ] {
        let problem = service.get(path).has_problem(status, code);
        assert!(!problem["detail"].as_str().unwrap().contains("command"), "{problem}");
    }
    // The error precedes the answer, also for a stream.
    for list in [outcomes.clone(), format!("/v1/simulations/{id}/rejected")] {
        for accept in ["application/json", "application/x-ndjson"] {
            let wrong = format!("{list}?cursor=nonsense");
            let answer = service.send(Method::GET, &wrong, &[("accept", accept)], "");
            answer.has_problem(400, "invalid_request");
        }
    }
    let nul = format!("{outcomes}?scenario_id=a%00b");
    for accept in ["application/json", "application/x-ndjson"] {
        let answer = service.send(Method::GET, &nul, &[("accept", accept)], "");
        let problem = answer.has_problem(400, "invalid_request");
        assert!(problem["detail"].as_str().unwrap().contains("scenario_id"), "{problem}");
    }
    service.send(Method::DELETE, "/v1/simulations", &[], "").has_problem(405, "method_not_allowed");
    let accept = [("accept", "text/html")];
    service.send(Method::GET, &outcomes, &accept, "").has_problem(406, "not_acceptable");
    for start in [
        json!({}),
        json!({"scenarios": {}}),
        json!({"scenarios": [{"id": "a"}, {"id": "a"}]}),
        json!({"scenarios": [], "trials": 0}),
        json!({"scenarios": [], "unknown": 1}),
    ] {
        let answer = service.post("/v1/simulations", &start);
        assert!([400, 422].contains(&answer.status), "{start}: {answer:?}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
    // A request id of the client is in the answer and in the problem.
    let own = [("x-request-id", "mine-1")];
    let answer = service.send(Method::GET, "/nothing", &own, "");
    assert_eq!(answer.header("x-request-id"), "mine-1");
    assert_eq!(answer.json()["request_id"], "mine-1");
}

#[test]
fn one_result_of_another_shape_goes_as_it_is() {
    let running = TestService::new();
    let service = &running.service;
    let id = service.start_simulation(&[]);
    let path = format!("/v1/simulations/{id}/outcomes?trial=1");
    let octets = [("content-type", "application/octet-stream")];
    // A list of results is a single document here, and bytes that are not text are kept.
    let list = service.send(Method::POST, &path, &octets, r#"{"results": [{}]}"#);
    list.has_problem(422, "rejected");
    let text = result("a", "success", 1.0).to_string();
    let stored = service.send(Method::POST, &path, &octets, text).has(200).json();
    assert_eq!(stored["verdict"], "stored");
    service.send(Method::POST, &path, &octets, vec![0xff, 0x00]).has_problem(422, "rejected");
    let kept =
        "SELECT document FROM arc_recorder.rejected_results ORDER BY received_at DESC LIMIT 1";
    assert_eq!(running.database.query(kept)[0].get::<_, Vec<u8>>(0), [0xff, 0x00]);
}

#[test]
fn a_simulation_that_is_held_up_in_the_database_holds_up_no_other() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let service = Service::start(&Program::on(&database), &files, &[]);
    let [held_up, other] = [(); 2].map(|()| service.start_simulation(&["a"]));
    let path = |id: &str| format!("/v1/simulations/{id}/outcomes");
    let lock = format!("SELECT pg_advisory_xact_lock(arc_recorder.figures_lock('{held_up}'))");
    let held = database.hold(&lock);
    std::thread::scope(|scope| {
        let first = scope
            .spawn(|| service.post(&path(&held_up), &result("a", "success", 1.0)).has(200).json());
        database.wait_for_a_lock();
        for number in 0..5 {
            let stored = service.post(&path(&other), &result(&format!("{number}"), "success", 1.0));
            assert_eq!(stored.has(200).json()["verdict"], "stored");
        }
        assert!(!first.is_finished());
        drop(held);
        assert_eq!(first.join().unwrap()["verdict"], "stored");
    });
}
