//! The frames of each container, valid and malformed, in full.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use arc_framing::{
    Container, EnvelopeProblem, Framer, FramingError, Limits, Problem, Unclosed, split,
};

/// Returns the documents and the codes of problems, checked to be the same from both interfaces and
/// from a stream that arrives a byte at a time.
fn frames(text: &str, container: Container) -> Vec<(String, Option<&'static str>)> {
    let limits = Limits::default();
    let whole = split(text, container, limits).unwrap();
    let mut framer = Framer::new(container, limits);
    for byte in text.as_bytes() {
        framer.push(&[*byte]).unwrap();
    }
    framer.finish().unwrap();
    assert_eq!(framer.envelope(), whole.envelope.as_ref());
    let frames: Vec<_> = std::iter::from_fn(|| framer.next_frame()).collect();
    assert_eq!(frames.len(), whole.spans.len(), "{text:?}");
    for (frame, span) in frames.iter().zip(&whole.spans) {
        assert_eq!(frame.offset, span.offset as u64, "{text:?}");
        assert_eq!(frame.bytes(), span.of(text).unwrap().as_bytes(), "{text:?}");
        assert_eq!(frame.problem, span.problem, "{text:?}");
    }
    frames
        .iter()
        .map(|frame| {
            (
                String::from_utf8(frame.bytes().to_vec()).unwrap(),
                frame.problem.map(|problem| problem.code()),
            )
        })
        .collect()
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let expected: Vec<_> = expected.iter().map(|text| (text.to_string(), None)).collect();
    assert_eq!(frames(text, Container::Auto), expected, "{text:?}");
}

#[track_caller]
fn check_problem(text: &str, expected: &[(&str, Option<&'static str>)]) {
    let expected: Vec<_> = expected.iter().map(|(text, code)| (text.to_string(), *code)).collect();
    assert_eq!(frames(text, Container::Auto), expected, "{text:?}");
}

#[track_caller]
fn check_envelope(text: &str, expected: &[&str], members: &str) {
    check(text, expected);
    let envelope = split(text, Container::Auto, Limits::default()).unwrap().envelope.unwrap();
    assert_eq!(envelope.text(), members);
    assert!(envelope.complete());
}

#[test]
fn nothing_has_no_frames() {
    for text in ["", " \r\n\t", "\u{feff}", "[]", " [ , ] ", r#"{"results": []}"#] {
        check(text, &[]);
        if text.trim().len() < 4 && !text.contains('[') {
            assert_eq!(frames(text, Container::Lines), []);
        }
    }
}

#[test]
fn lines_are_never_looked_into() {
    let text = "\u{feff}\r\n  {\"a\": 1} \r\n\n[\"broken\n}\n\u{e9} {\t\n{\"b\": 2}";
    let expected = ["{\"a\": 1}", "[\"broken", "}", "\u{e9} {", "{\"b\": 2}"];
    let expected: Vec<_> = expected.map(|text| (text.to_string(), None)).into();
    assert_eq!(frames(text, Container::Lines), expected);
}

#[test]
fn other_first_bytes_mean_lines() {
    check("hello {\n{\"a\": 1}\n", &["hello {", "{\"a\": 1}"]);
    check("\"a\"\n12", &["\"a\"", "12"]);
}

#[test]
fn array_members() {
    check(
        "\u{feff} [{\"a\": \"],{\\\"\"} , 12,garbage, [1, [2]],\n\"x,y\" ] \n",
        &["{\"a\": \"],{\\\"\"}", "12", "garbage", "[1, [2]]", "\"x,y\""],
    );
}

#[test]
fn envelope_members_are_kept_as_written() {
    check_envelope(
        "{\"suite\" : \"a, \\\"b\\\"\",\n \"n\": {\"results\": [0]}, \"results\" :\n [ {\"a\": 1}, 2 ] , \"z\": 1e9 }\n",
        &["{\"a\": 1}", "2"],
        "{\"suite\" : \"a, \\\"b\\\"\", \"n\": {\"results\": [0]}, \"z\": 1e9}",
    );
    check_envelope("{\"results\":[{}]}", &["{}"], "{}");
    check_envelope(
        "{\"results\": 5, \"results\":[{}], \"results\": [[]]}",
        &["{}", "[]"],
        "{\"results\": 5}",
    );
}

#[test]
fn objects_that_are_not_envelopes() {
    for text in [
        r#"{"results": {"a": [1]}}"#,
        r#"{"results_": [1]}"#,
        r#"{"result": [1]}"#,
        r#"{"r\u0065sults": [1]}"#,
        r#"{"a": {"results": [1]}}"#,
        r#"{"a": "results", "b": [1]}"#,
        r#"{"results": "x", "b": [1]}"#,
        "{\n\"a\": [\n{\n\"b\": 1\n},\n{\n}\n]\n}",
    ] {
        check(text, &[text]);
        assert_eq!(split(text, Container::Auto, Limits::default()).unwrap().envelope, None);
    }
}

#[test]
fn envelope_that_is_too_large_is_reported() {
    let text = format!(
        "{{\"a\": 1, \"b\": \"{}\", \"c\": 2, \"results\": [7]}}",
        "x".repeat(arc_framing::ENVELOPE_LIMIT_BYTES)
    );
    let answer = split(&text, Container::Auto, Limits::default()).unwrap();
    assert_eq!(answer.spans.len(), 1);
    let envelope = answer.envelope.unwrap();
    assert_eq!(envelope.text(), "{\"a\": 1, \"c\": 2}");
    assert!(!envelope.complete());
}

#[test]
fn members_are_kept_up_to_the_limit_and_not_a_byte_more() {
    let text = r#"{"a": 1, "results": [7], "b": 22}"#;
    let whole = r#"{"a": 1, "b": 22}"#;
    for limit in 0..=whole.len() + 3 {
        let limits = Limits { max_envelope_bytes: limit, ..Limits::default() };
        let envelope = split(text, Container::Auto, limits).unwrap().envelope.unwrap();
        assert_eq!(envelope.complete(), envelope.text() == whole, "{limit}");
        if let Some(problem) = envelope.problem() {
            assert_eq!(problem, EnvelopeProblem::TooLarge { limit_bytes: limit });
            assert!(limit < text.len(), "what a text has fits a limit of its own length");
        }
    }
}

#[test]
fn any_missing_part_makes_an_envelope_incomplete() {
    for (text, problem) in [
        (r#"{"results": [1] "a": 2}"#, EnvelopeProblem::NotAMember),
        (r#"{"results": [1]], "a": 2}"#, EnvelopeProblem::NotAMember),
        (r#"{"results": [1] 5}"#, EnvelopeProblem::NotAMember),
        (r#"{"results": [1,], 5, "a": 2}"#, EnvelopeProblem::NotAMember),
        (r#"{"results": [{}], a: 2}"#, EnvelopeProblem::NotAMember),
        (r#"{5, "results": [1]}"#, EnvelopeProblem::NotAMember),
        (r#"{"results": [1]"#, EnvelopeProblem::Truncated),
        (r#"{"results": [1], "#, EnvelopeProblem::Truncated),
        (r#"{"results": [1], "a": [2"#, EnvelopeProblem::Truncated),
        (r#"{"a": 2, "results": [1"#, EnvelopeProblem::Truncated),
        (r#"{"a": 2, "results": ["#, EnvelopeProblem::Truncated),
    ] {
        frames(text, Container::Auto);
        let envelope = split(text, Container::Auto, Limits::default()).unwrap().envelope.unwrap();
        assert_eq!(envelope.problem(), Some(problem), "{text}");
    }
    let mut framer = Framer::new(Container::Auto, Limits::default());
    framer.push(b"{\"results\": [1], \"a\": \"\xff\"}").unwrap();
    framer.finish().unwrap();
    assert_eq!(framer.envelope().unwrap().problem(), Some(EnvelopeProblem::InvalidUtf8));
}

#[test]
fn a_first_object_on_one_line_means_lines() {
    check("{\"a\": 1} \r\n\n{\"b\": [\n{\"c\": 3}", &["{\"a\": 1}", "{\"b\": [", "{\"c\": 3}"]);
}

#[test]
fn values_follow_one_another() {
    check("{\"a\": 1}{\"b\": 2} {\n}[\n]", &["{\"a\": 1}", "{\"b\": 2}", "{\n}", "[\n]"]);
    check("{\n\"a\": 1\n}\n{\n\"b\": 2}\n", &["{\n\"a\": 1\n}", "{\n\"b\": 2}"]);
    check("{\n}, {} done: \"{\" 5\n{}", &["{\n}", ",", "{}", "done: \"{\" 5", "{}"]);
}

#[test]
fn a_broken_first_line_ends_at_its_line() {
    for broken in [
        "{\"a\": \"cut",
        "{\"a\": \"cut\\",
        "{\"a\": [1",
        "{\"a\": 1,",
        "{",
        "{\"a\": [1,",
        "{\"a\": [",
        "{\"a\":",
        "{\"a\"",
    ] {
        let text = format!("{broken}\r\n{{\"b\": 2}}\n {{\"c\n{{\"d\": 3}}\n");
        let text = text.replace(" {\"c\n", "{\"c\": 3}\n{\"c\n");
        check(&text, &[broken, "{\"b\": 2}", "{\"c\": 3}", "{\"c", "{\"d\": 3}"]);
    }
}

#[test]
fn a_broken_object_over_several_lines_ends_at_the_next() {
    check(
        "{\n  \"a\": [1\n{\n  \"b\": \"x\ny\"\n}\n{\n  \"c\": {\n  }\n{\"d\": 4}",
        &["{\n  \"a\": [1", "{\n  \"b\": \"x\ny\"\n}", "{\n  \"c\": {\n  }", "{\"d\": 4}"],
    );
}

#[test]
fn broken_members_leave_their_neighbours() {
    check(
        "[{\"a\": [1}, {\"b\": 2}}, {\"c\": 3]}, {}]",
        &["{\"a\": [1}", "{\"b\": 2}}", "{\"c\": 3]}", "{}"],
    );
    check(
        "[\n  {\"a\": \"x},\n  {\"b\": 2},\n  {\"c\n  {}\n]",
        &["{\"a\": \"x},", "{\"b\": 2}", "{\"c", "{}"],
    );
    check(
        "[{\"a\": 1},\n {\"b\": 2,\n {\"c\": 3}\n {} {}]",
        &["{\"a\": 1}", "{\"b\": 2,", "{\"c\": 3}", "{}", "{}"],
    );
    check_envelope(
        "{\"results\": [\n  {\n    \"a\": \"x\n  },\n  {\n    \"b\": {}\n  }\n], \"n\": 1}",
        &["{\n    \"a\": \"x\n  }", "{\n    \"b\": {}\n  }"],
        "{\"n\": 1}",
    );
}

#[test]
fn truncated_streams() {
    let cut = Some("truncated");
    check_problem("{\"a\": \"b ", &[("{\"a\": \"b", cut)]);
    check_problem("{}{\"a\": 1, \n", &[("{}", None), ("{\"a\": 1,", cut)]);
    check_problem("[", &[("", cut)]);
    check_problem("[{}, ", &[("{}", None), ("", cut)]);
    check_problem("[{} ", &[("{}", None), ("", cut)]);
    check_problem("[{}, 12 ", &[("{}", None), ("12", cut)]);
    check_problem("{\"results\": [{}], \"a\": 1", &[("{}", None), ("", cut)]);
    let answer = split("{\"results\": [{}], \"a\": 1", Container::Auto, Limits::default()).unwrap();
    assert_eq!(answer.spans.last().unwrap().problem, Some(Problem::Truncated(Unclosed::Envelope)));
    assert!(!answer.envelope.unwrap().complete());
}

#[test]
fn text_after_the_end_is_one_frame() {
    check_problem("[1] {} \n[2]\n", &[("1", None), ("{} \n[2]", Some("trailing_text"))]);
    check_problem("{\"results\": [1]}\n}", &[("1", None), ("}", Some("trailing_text"))]);
}

#[test]
fn large_documents_are_skipped() {
    let limits = Limits { max_document_bytes: 10, ..Limits::default() };
    let text = "[\"123456789\", \"12345678\", \"an even longer one\"   ,           5             ]";
    let mut framer = Framer::new(Container::Auto, limits);
    for chunk in text.as_bytes().chunks(7) {
        framer.push(chunk).unwrap();
    }
    framer.finish().unwrap();
    let frames: Vec<_> = std::iter::from_fn(|| framer.next_frame()).collect();
    let too_large = Some(Problem::DocumentTooLarge { limit_bytes: 10 });
    let seen: Vec<_> = frames
        .iter()
        .map(|frame| (frame.offset, frame.length, frame.bytes(), frame.problem))
        .collect();
    assert_eq!(
        seen,
        [
            (1, 11, &b"\"123456789"[..], too_large),
            (14, 10, b"\"12345678\"", None),
            (26, 20, b"\"an even l", too_large),
            (61, 1, b"5", None),
        ]
    );
}

#[test]
fn bytes_that_are_not_text_are_reported_by_document() {
    let mut framer = Framer::new(Container::Lines, Limits::default());
    framer.push(b"{\"a\": \"\xff\"}\n{\"b\": \"\xc3").unwrap();
    framer.push(b"\xa9\"}").unwrap();
    framer.finish().unwrap();
    let broken = framer.next_frame().unwrap();
    assert_eq!(broken.problem, Some(Problem::InvalidUtf8 { at: 7 }));
    assert_eq!(broken.bytes(), b"{\"a\": \"\xff\"}");
    assert_eq!(framer.next_frame().unwrap().text(), Some("{\"b\": \"\u{e9}\"}"));
}

#[test]
fn other_encodings_and_archives_are_refused() {
    for (bytes, error) in [
        (&b"\xff\xfe{\0"[..], FramingError::Utf16),
        (b"\xfe\xff", FramingError::Utf16),
        (b"\xff\xfe\0\0", FramingError::Utf32),
        (b"\0\0\xfe\xff\0", FramingError::Utf32),
        (b"\x1f\x8b\x08", FramingError::Gzip),
        (b"\x28\xb5\x2f\xfd12", FramingError::Zstd),
        (b"PK\x03\x04", FramingError::Zip),
    ] {
        for container in [Container::Auto, Container::Lines] {
            let mut framer = Framer::new(container, Limits::default());
            let pushed = bytes.iter().try_for_each(|&byte| framer.push(&[byte]));
            assert_eq!(pushed.and_then(|()| framer.finish()), Err(error));
            assert_eq!(framer.finish(), Err(error));
            assert_eq!(framer.next_frame(), None);
        }
    }
    assert_eq!(split("PK\x03\x04", Container::Auto, Limits::default()), Err(FramingError::Zip));
}

#[test]
fn nothing_comes_after_the_end() {
    let mut framer = Framer::new(Container::Auto, Limits::default());
    framer.finish().unwrap();
    framer.finish().unwrap();
    assert_eq!(framer.push(b"{}"), Err(FramingError::Finished));
}

#[test]
fn each_document_has_the_line_on_which_it_starts() {
    let lines = |text: &str, piece: usize| -> Vec<Option<u64>> {
        let mut framer = Framer::new(Container::Auto, Limits::default());
        for bytes in text.as_bytes().chunks(piece) {
            framer.push(bytes).unwrap();
        }
        framer.finish().unwrap();
        std::iter::from_fn(|| framer.next_frame()).map(|frame| frame.line).collect()
    };
    for piece in [1, 2, 3, 7, 1_000] {
        let numbers = |text| lines(text, piece).into_iter().map(Option::unwrap).collect::<Vec<_>>();
        assert_eq!(numbers("{\"a\": 1}\n\n{\"b\": 2}\n{\"c\": 3}"), [1, 3, 4]);
        assert_eq!(numbers("[\n  {\"a\":\n 1}, {\"b\": 2},\n{}]"), [2, 3, 4]);
        assert_eq!(numbers("{\"suite\": 1,\n\"results\": [\n{},\n{}]}"), [3, 4]);
        assert_eq!(numbers("\u{feff}{}\n{\"open\": "), [1, 2]);
    }
}
