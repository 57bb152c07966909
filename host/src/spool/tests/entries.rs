//! Entries as they are stored on the disk.

use proptest::prelude::*;

use super::entry::{PREAMBLE_BYTES, Preamble};
use super::*;
use crate::extraction::Violation;
use crate::recorder::{Document, NotFinite, NotFiniteNumber, ResultFormat, SimulationStart};

fn id() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

fn time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        any::<i64>().prop_map(|at| Timestamp::from_nanosecond(i128::from(at)).unwrap()),
        Just(Timestamp::MIN),
        Just(Timestamp::MAX),
    ]
}

fn text() -> impl Strategy<Value = String> {
    proptest::collection::vec(any::<char>(), 0..40).prop_map(String::from_iter)
}

fn maybe<T: std::fmt::Debug>(value: impl Strategy<Value = T>) -> impl Strategy<Value = Option<T>> {
    proptest::option::of(value)
}

fn document() -> impl Strategy<Value = Document> {
    let bytes = proptest::collection::vec(any::<u8>(), 0..200);
    prop_oneof![
        text().prop_map(|text| Document::Text(std::sync::Arc::new(text))),
        (bytes, any::<u64>(), text(), text(), text()).prop_map(
            |(bytes, length, path, code, message)| Document::Unreadable {
                bytes: bytes.into(),
                length,
                violation: std::sync::Arc::new(Violation { path, code, message })
            }
        ),
    ]
}

fn not_finite() -> impl Strategy<Value = NotFinite> {
    let number = prop_oneof![
        Just(NotFiniteNumber::NaN),
        Just(NotFiniteNumber::Infinity),
        Just(NotFiniteNumber::NegativeInfinity)
    ];
    (any::<usize>(), text(), number).prop_map(|(offset, path, number)| NotFinite {
        offset,
        path,
        number,
    })
}

fn submission() -> impl Strategy<Value = Submission> {
    let places = proptest::collection::vec(not_finite(), 0..3);
    let ids = (maybe(text()), maybe(text()));
    let format = maybe((text(), maybe(text())));
    let format = format.prop_map(|format| {
        format.map(|(name, header)| std::sync::Arc::new(ResultFormat::new(name, header)))
    });
    let positions = (maybe(any::<u64>()), maybe(any::<u64>()));
    (document(), positions, maybe(any::<u32>()), ids, places, format).prop_map(
        |(document, (position, line), trial, ids, not_finite, format)| Submission {
            document,
            position,
            line,
            trial,
            modal_call_id: ids.0,
            sandbox_id: ids.1,
            not_finite,
            format,
        },
    )
}

fn start() -> impl Strategy<Value = SimulationStart> {
    let names = (maybe(text()), maybe(text()), maybe(text()), maybe(text()));
    let numbers = (maybe(any::<u32>()), maybe(any::<u32>()));
    (maybe(id()), text(), text(), numbers, names, maybe(time())).prop_map(
        |(simulation_id, config_version_id, scenarios, numbers, names, started_at)| {
            SimulationStart {
                simulation_id,
                config_version_id,
                scenarios,
                trials: numbers.0,
                simulation_name: names.0,
                modal_app_id: names.1,
                modal_environment: names.2,
                sandbox_instances: numbers.1,
                metadata: names.3,
                started_at,
                ..SimulationStart::default()
            }
        },
    )
}

fn call() -> impl Strategy<Value = SpooledCall> {
    let status = prop_oneof![
        Just(SimulationStatus::Running),
        Just(SimulationStatus::Completed),
        Just(SimulationStatus::Failed),
        Just(SimulationStatus::Cancelled)
    ];
    prop_oneof![
        (text(), text(), maybe(text())).prop_map(|(name, configuration, user_id)| {
            SpooledCall::Configuration { name, configuration, user_id }
        }),
        (start(), any::<bool>()).prop_map(|(start, host_clock)| {
            SpooledCall::Start { start: Box::new(start), host_clock }
        }),
        (id(), time(), any::<bool>(), submission()).prop_map(
            |(simulation_id, received_at, host_clock, submission)| {
                let result = ReceivedResult::new(simulation_id, received_at, submission);
                let result = ReceivedResult { host_clock, ..result };
                SpooledCall::Result { simulation_id, result }
            },
        ),
        (id(), maybe(text()))
            .prop_map(|(simulation_id, suite)| SpooledCall::Complete { simulation_id, suite }),
        (id(), status, text()).prop_map(|(simulation_id, status, reason)| SpooledCall::End {
            simulation_id,
            status,
            reason
        }),
    ]
}

/// An entry as it is stored under a sequence number.
fn stored(entry: Entry, sequence: u64) -> Vec<u8> {
    let encoded = entry.encode().unwrap();
    let mut bytes = vec![0; encoded.length()];
    encoded.write(sequence, &mut bytes);
    bytes
}

proptest! {
    #[test]
    fn every_entry_is_read_as_it_was_written(spooled_at in time(), call in call(), sequence: u64) {
        let entry = Entry { spooled_at, call };
        let encoded = entry.clone().encode().unwrap();
        prop_assert_eq!(encoded.head.simulation_id, entry.call.simulation_id());
        prop_assert_eq!(encoded.head.spooled_at, spooled_at);
        prop_assert_eq!(encoded.head.bytes, encoded.length() as u64);
        let bytes = stored(entry.clone(), sequence);
        let read = Entry::read(sequence, &bytes).unwrap();
        prop_assert_eq!(format!("{read:?}"), format!("{entry:?}"));
        prop_assert!(Entry::read(sequence ^ 1, &bytes).is_err());
    }

    #[test]
    fn a_changed_byte_is_detected_at_every_position(
        call in call(), at: proptest::sample::Index, changed in 1..=u8::MAX
    ) {
        let entry = Entry { spooled_at: Timestamp::UNIX_EPOCH, call };
        let mut bytes = stored(entry, 7);
        let at = at.index(bytes.len());
        bytes[at] ^= changed;
        prop_assert!(Entry::read(7, &bytes).is_err());
    }

    #[test]
    fn arbitrary_bytes_are_refused_with_a_reason(bytes: Vec<u8>) {
        let error = Entry::decode(&bytes).unwrap_err();
        prop_assert!(error.reason().contains("the entry in the spool"));
    }
}

#[test]
fn a_document_is_not_copied_before_it_is_written() {
    let simulation_id = Uuid::from_u128(1);
    let submissions = [Submission::new("{}"), Submission::from_bytes(vec![0xff; 50], 100)];
    for submission in submissions {
        let document = submission.document.clone();
        let result = ReceivedResult::new(simulation_id, Timestamp::UNIX_EPOCH, submission);
        let call = SpooledCall::Result { simulation_id, result };
        let encoded = Entry { spooled_at: Timestamp::UNIX_EPOCH, call }.encode().unwrap();
        assert_eq!(encoded.document.as_ptr(), document.as_bytes().as_ptr());
        assert_eq!(encoded.document, document.as_bytes());
    }
}

#[test]
fn an_entry_of_another_version_is_not_read_in_part() {
    let call = SpooledCall::Complete { simulation_id: Uuid::nil(), suite: None };
    let bytes = stored(Entry { spooled_at: Timestamp::UNIX_EPOCH, call }, 1);
    let mut later = bytes.clone();
    later[0] = 7;
    assert!(Entry::decode(&later).unwrap_err().reason().contains("has format 7"));
    let header = br#"{"spooled_at":"1970-01-01T00:00:00Z","call":{"complete":{"simulation_id":"00000000-0000-0000-0000-000000000000","has_suite":false,"more":1}}}"#;
    let mut more = vec![1];
    more.extend(u32::try_from(header.len()).unwrap().to_le_bytes());
    more.extend(header);
    let error = Entry::decode(&more).unwrap_err();
    assert!(error.reason().contains("unknown field `more`"), "{error:?}");
    let start = serde_json::json!({"config_version_id": "", "more": 1});
    let error = Entry::decode(&without_digest(&start_header(&start), b"[]")).unwrap_err();
    assert!(error.reason().contains("unknown field `more`"), "{error:?}");
    for length in 0..bytes.len() {
        Entry::decode(&bytes[..length]).unwrap_err();
    }
}

/// The header of a start with these members.
fn start_header(start: &serde_json::Value) -> String {
    serde_json::json!({"spooled_at": "1970-01-01T00:00:00Z", "call": {"start": start}}).to_string()
}

/// An entry of the first version.
fn without_digest(header: &str, document: &[u8]) -> Vec<u8> {
    let mut bytes = vec![1];
    bytes.extend(u32::try_from(header.len()).unwrap().to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(document);
    bytes
}

#[test]
fn the_header_of_a_start_has_its_members_except_the_scenarios() {
    let members = serde_json::json!({
        "simulation_id": "00000000-0000-0000-0000-000000000001", "config_version_id": "v1",
        "trials": 3, "simulation_name": "nightly", "modal_app_id": null,
        "modal_environment": "production", "sandbox_instances": 2, "metadata": "{}",
        "started_at": "1970-01-01T00:00:01Z", "host_clock": true,
    });
    let entry = Entry::decode(&without_digest(&start_header(&members), b"[{}]")).unwrap();
    let SpooledCall::Start { start, host_clock: true } = &entry.call else { panic!("{entry:?}") };
    assert_eq!((start.scenarios.as_str(), start.trials), ("[{}]", Some(3)));
    let bytes = stored(entry, 1);
    let preamble = Preamble::read(&bytes).unwrap();
    let header = &bytes[PREAMBLE_BYTES..bytes.len() - "[{}]".len()];
    assert_eq!(preamble.entry_bytes, bytes.len() as u64);
    let written: serde_json::Value = serde_json::from_slice(header).unwrap();
    assert_eq!(written["call"]["start"], members);
}

#[test]
fn an_entry_without_a_digest_is_read_if_its_id_matches_its_bytes() {
    let document = r#"{"reliability_score": 0.25}"#;
    let simulation_id = Uuid::from_u128(1);
    let submission = Submission::new(document);
    let header = serde_json::json!({
        "spooled_at": "1970-01-01T00:00:00Z",
        "call": {"result": {
            "simulation_id": simulation_id,
            "outcome_id": submission.outcome_id(simulation_id),
            "received_at": "1970-01-01T00:00:00Z",
            "unreadable": null, "position": null, "trial": null, "modal_call_id": null,
            "sandbox_id": null, "not_finite": [],
        }},
    });
    let header = header.to_string();
    let encoded = |document: &str| {
        let mut bytes = vec![1];
        bytes.extend(u32::try_from(header.len()).unwrap().to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(document.as_bytes());
        bytes
    };
    Entry::read(1, &encoded(document)).unwrap();
    let error = Entry::read(1, &encoded(&document.replace("0.25", "0.95"))).unwrap_err();
    assert!(matches!(&error, Unreadable::Damaged(text) if text.contains("not that of the result")));
}
