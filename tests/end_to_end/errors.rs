//! What happened, why, and what to do about it, apart from each other, at each edge.

use std::error::Error as _;

use arc_host::extraction::{ExtractionSettings, Extractor};
use arc_host::store::{ConnectionSettings, Store};
use arc_host::{Error, ErrorKind, Recorder};
use uuid::Uuid;

use crate::support::{Files, Program, Service, TestDatabase};

/// Text of a row, which PostgreSQL shows in its detail and no error repeats.
const SECRET: &str = "a secret of the agent";

/// Asserts that the source of an error is PostgreSQL's, with this code; returns it.
#[track_caller]
fn source<'e>(error: &'e Error, sqlstate: &str) -> &'e tokio_postgres::Error {
    assert_eq!(error.sqlstate(), Some(sqlstate), "{error:?}");
    let source = error.source().unwrap().downcast_ref::<tokio_postgres::Error>().unwrap();
    assert_eq!(source.code().unwrap().code(), sqlstate);
    source
}

#[test]
fn an_error_of_the_database_is_a_source_with_its_sqlstate() {
    let database = TestDatabase::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let extractor = Extractor::built_in(&ExtractionSettings::default()).unwrap();
    let recorder = runtime.block_on(Recorder::new(extractor, database.store())).unwrap();
    database.execute(
        "ALTER TABLE arc_recorder.config_versions ADD CONSTRAINT no_name CHECK (name <> 'no')",
    );
    let refused = runtime.block_on(recorder.create_configuration("no", SECRET, None)).unwrap_err();
    assert_eq!((refused.kind(), refused.hint()), (ErrorKind::Request, None), "{refused:?}");
    let detail = source(&refused, "23514").as_db_error().unwrap().detail().unwrap();
    assert!(detail.contains(SECRET), "{detail}");
    assert_eq!(refused.to_string(), "could not keep the configuration");
    let report = refused.report();
    assert!(report.starts_with("could not keep the configuration: new row"), "{report}");
    assert!(report.ends_with("[SQLSTATE 23514]") && !report.contains(SECRET), "{report}");

    // A statement that the server cancels: the same call might work again.
    database.execute(
        "CREATE FUNCTION arc_recorder.cancelled() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN RAISE EXCEPTION 'too slow' USING ERRCODE = '57014'; END $$;
         CREATE TRIGGER cancelled BEFORE INSERT ON arc_recorder.config_versions
         FOR EACH ROW EXECUTE FUNCTION arc_recorder.cancelled()",
    );
    let cancelled =
        runtime.block_on(recorder.create_configuration("yes", SECRET, None)).unwrap_err();
    assert!(cancelled.retryable(), "{cancelled:?}");
    source(&cancelled, "57014");
    assert_eq!(cancelled.hint().as_deref(), Some("try again"));
    assert_eq!(cancelled.to_string(), "could not keep the configuration");
    let report = "could not keep the configuration: too slow [SQLSTATE 57014]";
    assert_eq!(cancelled.report(), report);
}

#[test]
fn a_connection_that_is_refused_has_its_sqlstate_and_shows_no_password() {
    let database = TestDatabase::empty();
    let url = database.url().replace(database.name(), "no_such_database");
    let url = format!("{url}&password=hunter2");
    let store = Store::with_settings(&ConnectionSettings::from_url_alone(&url).unwrap(), 1);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let error = runtime.block_on(store.unwrap().check_schema()).unwrap_err();
    source(&error, "3D000");
    let message = error.to_string();
    assert!(message.contains("no_such_database") && !message.contains("check"), "{message}");
    assert_eq!(error.report(), message, "the source is not repeated");
    let hint = "check the URL, and that the server runs and accepts this user";
    assert_eq!(error.hint().as_deref(), Some(hint));
    assert!(!format!("{error:?} {message}").contains("hunter2"), "{error:?}");
}

#[test]
fn every_edge_shows_the_hint_beside_the_error() {
    let database = TestDatabase::new();
    let files = Files::new();
    let program = Program::on(&database);
    let id = Uuid::now_v7().to_string();
    let (message, hint) =
        (format!("simulation {id} not found"), "list them with `arc-host simulations`");
    let told = format!("error: {message}\nhint: {hint}\n");
    assert_eq!(program.run(["status", &id]).ended(1).stderr, told);

    let service = Service::start(&program, &files, &[]);
    let path = format!("/v1/simulations/{id}");
    let problem = service.get(&path).has_problem(404, "not_found");
    assert_eq!((&problem["detail"], &problem["hint"]), (&message.clone().into(), &hint.into()));
    assert_eq!(service.program().run(["status", &id]).ended(1).stderr, told);
    // In the log, the cause and the hint are fields.
    service.wait_for_log(&format!("cause=\"{message}\" hint=\"{hint}\""));

    let described = service.get("/openapi.json").has(200).json();
    let schemas = &described["components"]["schemas"];
    for schema in ["Problem", "ResultVerdict"] {
        let member = &schemas[schema]["properties"]["hint"]["description"];
        assert!(member.as_str().unwrap().contains("What to do about it"), "{schema}: {member}");
    }

    // Not every error has a hint.
    let other = service.get("/v1/spool/entries/999").has_problem(404, "not_found");
    assert!(other.get("hint").is_none(), "{other}");
}
