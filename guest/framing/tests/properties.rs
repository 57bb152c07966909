//! Properties of any stream, regardless of how it is divided into chunks.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

use arc_framing::{Container, Envelope, Frame, Framer, Limits, split};
use proptest::prelude::*;
use serde_json::Value;

fn container() -> impl Strategy<Value = Container> {
    prop_oneof![3 => Just(Container::Auto), 1 => Just(Container::Lines)]
}

/// Returns streams made of the tokens that the scan distinguishes, mostly malformed.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        &b"{"[..],
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"\"",
        b"\\",
        b"\n",
        b"\r\n",
        b" ",
        b"   ",
        b"a",
        b"12",
        b"{\"a\": 1}",
        b"\n{",
        b"\n{\"b\": [2]}",
        b"\"results\"",
        b"{\"results\": [",
        b"\"text\"",
        b"\xc3\xa9",
        b"\xff",
        b"\xef\xbb\xbf",
        b",\n{\"c\":",
        b"\\\"",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![4 => pieces(), 1 => prop::collection::vec(any::<u8>(), 0..200)]
}

fn limits() -> impl Strategy<Value = Limits> {
    let bytes = || prop_oneof![Just(1 << 20), 0_usize..30];
    (bytes(), bytes()).prop_map(|(max_document_bytes, max_envelope_bytes)| Limits {
        max_document_bytes,
        max_envelope_bytes,
    })
}

type Answer = Result<(Vec<Frame>, Option<Envelope>), String>;

/// Returns the frames of a stream whose chunks have these lengths, repeated.
fn frame(bytes: &[u8], lengths: &[usize], container: Container, limits: Limits) -> Answer {
    let mut framer = Framer::new(container, limits);
    let mut frames = Vec::new();
    let mut rest = bytes;
    for length in lengths.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (chunk, later) = rest.split_at((*length).min(rest.len()));
        framer.push(chunk).map_err(|error| error.to_string())?;
        frames.extend(std::iter::from_fn(|| framer.next_frame()));
        rest = later;
    }
    framer.finish().map_err(|error| error.to_string())?;
    frames.extend(std::iter::from_fn(|| framer.next_frame()));
    Ok((frames, framer.envelope().cloned()))
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((text(), inner), 0..5)
                .prop_map(|members| members.into_iter().collect::<Value>()),
        ]
    })
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[\\\\\"{}\\[\\],:\n ab\u{e9}]{0,12}", Just("results".to_owned())]
}

/// Returns a document as a runner sends it: an object, compact or over several lines, and no
/// envelope.
fn document(pretty: bool) -> impl Strategy<Value = String> {
    prop::collection::vec((text(), json()), 0..5).prop_map(move |members| {
        let mut object: serde_json::Map<_, _> = members.into_iter().collect();
        object.remove("results");
        if pretty {
            serde_json::to_string_pretty(&object).unwrap()
        } else {
            serde_json::to_string(&object).unwrap()
        }
    })
}

fn documents() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(prop_oneof![document(false), document(true)], 1..6)
}

fn texts(answer: &Answer) -> Vec<String> {
    let (frames, _) = answer.as_ref().unwrap();
    assert!(frames.iter().all(|frame| frame.problem.is_none()), "{frames:?}");
    frames.iter().map(|frame| frame.text().unwrap().to_owned()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn chunks_make_no_difference(
        bytes in any_bytes(),
        lengths in prop::collection::vec(1_usize..20, 1..5),
        container in container(),
        limits in limits(),
    ) {
        let whole = frame(&bytes, &[usize::MAX], container, limits);
        prop_assert_eq!(&frame(&bytes, &lengths, container, limits), &whole);
        prop_assert_eq!(&frame(&bytes, &[1], container, limits), &whole);
    }

    #[test]
    fn frames_equal_the_bytes_of_the_stream(bytes in any_bytes(), container in container(), limits in limits()) {
        if let Ok((frames, _)) = frame(&bytes, &[3, 8], container, limits) {
            let mut reached = 0;
            for frame in frames {
                prop_assert!(frame.offset >= reached);
                reached = frame.offset + frame.length;
                prop_assert!(reached <= bytes.len() as u64);
                prop_assert!(bytes[frame.offset as usize..].starts_with(frame.bytes()));
                prop_assert_eq!(frame.bytes(), frame.bytes().trim_ascii_start());
                if frame.problem.is_none() {
                    prop_assert_eq!(frame.length, frame.bytes().len() as u64);
                    prop_assert!(frame.length > 0 && frame.text().is_some());
                }
            }
        }
    }

    #[test]
    fn both_fronts_agree(bytes in any_bytes(), container in container(), limits in limits()) {
        let text = String::from_utf8_lossy(&bytes);
        let framed = frame(text.as_bytes(), &[5], container, limits);
        match split(&text, container, limits) {
            Err(error) => prop_assert_eq!(framed, Err(error.to_string())),
            Ok(answer) => {
                let (frames, envelope) = framed.unwrap();
                prop_assert_eq!(envelope, answer.envelope);
                let framed: Vec<_> = frames.iter().map(|frame| (frame.offset, frame.length, frame.problem)).collect();
                let spans: Vec<_> = answer.spans.iter()
                    .map(|span| (span.offset as u64, span.length as u64, span.problem)).collect();
                prop_assert_eq!(framed, spans);
            }
        }
    }

    #[test]
    fn arrays_and_envelopes_give_their_members(
        documents in prop::collection::vec(json().prop_map(|value| value.to_string()), 0..6),
        before in document(false),
        after in document(true),
        separator in prop::sample::select(vec![",", ", ", "\n,\r\n", ",\n  "]),
        lengths in prop::collection::vec(1_usize..40, 1..4),
    ) {
        let array = format!(" [ {} ]\n", documents.join(separator));
        prop_assert_eq!(texts(&frame(array.as_bytes(), &lengths, Container::Auto, Limits::default())), documents.clone());

        let envelope = format!("\u{feff}{{\"before\": {before}, \"results\":{array}, \"after\" : {after} }}");
        let answer = frame(envelope.as_bytes(), &lengths, Container::Auto, Limits::default());
        prop_assert_eq!(texts(&answer), documents);
        let members = answer.unwrap().1.unwrap();
        let expected = format!("{{\"before\": {before}, \"after\" : {after}}}");
        prop_assert_eq!(members.text(), expected);
        prop_assert!(members.complete());
    }

    #[test]
    fn values_come_back_as_they_went(
        documents in documents(),
        separator in prop::sample::select(vec!["", " ", "\r\n", "\n\n"]),
        lengths in prop::collection::vec(1_usize..40, 1..4),
    ) {
        // A first document on a single line indicates lines, so none over several lines can follow
        // it.
        let single = !documents[0].contains('\n') && separator.contains('\n');
        prop_assume!(!(single && documents.iter().any(|document| document.contains('\n'))));
        let stream = documents.join(separator);
        prop_assert_eq!(texts(&frame(stream.as_bytes(), &lengths, Container::Auto, Limits::default())), documents);
    }

    #[test]
    fn a_broken_line_leaves_its_neighbours(
        good in prop::collection::vec(document(false), 3..6),
        broken in document(false),
        cut in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        container in container(),
        lengths in prop::collection::vec(1_usize..40, 1..4),
    ) {
        let ends: Vec<usize> = broken.char_indices().map(|(index, _)| index).filter(|&index| index > 0).collect();
        let broken = broken[..*cut.get(&ends)].trim_ascii();
        // Two whole lines after the malformed one are enough to recognise every case.
        let mut lines = good;
        lines.insert(place.index(lines.len() - 1), broken.to_owned());
        let stream = lines.join("\n");
        prop_assert_eq!(texts(&frame(stream.as_bytes(), &lengths, container, Limits::default())), lines);
    }

    #[test]
    fn a_broken_member_leaves_its_neighbours(
        good in prop::collection::vec(document(false), 3..6),
        broken in document(false),
        place in any::<prop::sample::Index>(),
        lengths in prop::collection::vec(1_usize..40, 1..4),
    ) {
        // A string without its end, and a member without its end: both one member a line.
        for damage in ["\"cut", "1"] {
            let member = match broken.strip_suffix('}').unwrap() {
                "{" => format!("{{\"x\": {damage}"),
                rest => format!("{rest}, \"x\": {damage}"),
            };
            let mut lines = good.clone();
            let place = place.index(lines.len() - 1);
            lines.insert(place, member.clone());
            let stream = format!("[\n  {}\n]", lines.join(",\n  "));
            // After a malformed member, it is ambiguous whether the comma was a separator.
            lines[place] = format!("{member},");
            prop_assert_eq!(texts(&frame(stream.as_bytes(), &lengths, Container::Auto, Limits::default())), lines);
        }
    }
}
