//! Framing: `split` and the stream of chunks.

use arc_framing::{Container, Envelope, Frame, Framer, FramingError, Limits, Problem};

type Framed = Result<(Vec<Frame>, Option<Envelope>), FramingError>;

/// The input is a stream, read as every container, with a large limit and with a small one.
pub(super) fn split(input: &[u8]) {
    // The cuts are derived from the input, so that every input is a stream without a prefix.
    let mix = input.iter().fold(7_usize, |mix, byte| mix.wrapping_mul(31) ^ usize::from(*byte));
    let small = Limits { max_document_bytes: mix % 64, max_envelope_bytes: mix % 128 };
    for container in [Container::Auto, Container::Lines] {
        for limits in [Limits::default(), small] {
            let whole = frame(input, &[usize::MAX], container, limits);
            for lengths in [&[1][..], &[1 + mix % 17, 1 + mix % 5, 1 + mix % 61]] {
                assert_eq!(
                    frame(input, lengths, container, limits),
                    whole,
                    "in chunks {lengths:?}"
                );
            }
            if let Ok((frames, envelope)) = &whole {
                frames_are_parts(input, frames);
                nothing_is_left_out(input, frames, envelope.is_some());
                if container == Container::Lines {
                    joined_lines_have_the_same_documents(frames, limits);
                }
            }
            if let Ok(text) = std::str::from_utf8(input) {
                split_agrees(text, container, limits, &whole);
            }
        }
    }
}

/// Returns the frames of a stream that is cut into chunks of these lengths, repeatedly.
fn frame(bytes: &[u8], lengths: &[usize], container: Container, limits: Limits) -> Framed {
    let mut framer = Framer::new(container, limits);
    let mut frames = Vec::new();
    let mut rest = bytes;
    for length in lengths.iter().cycle() {
        let (chunk, later) = rest.split_at((*length).min(rest.len()));
        framer.push(chunk)?;
        frames.extend(std::iter::from_fn(|| framer.next_frame()));
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    framer.finish()?;
    frames.extend(std::iter::from_fn(|| framer.next_frame()));
    Ok((frames, framer.envelope().cloned()))
}

fn frames_are_parts(input: &[u8], frames: &[Frame]) {
    let mut reached = 0;
    for frame in frames {
        let (offset, length) = (frame.offset as usize, frame.length as usize);
        assert!(offset >= reached, "frames overlap: {frames:?}");
        reached = offset + length;
        assert!(input[offset..reached].starts_with(frame.bytes()), "{frame:?}");
        if frame.problem.is_none() {
            assert_eq!(frame.text().map(str::len), Some(length));
            assert!(length > 0, "{frame:?}");
        }
    }
}

/// Checks that only separators are between documents, if there is no envelope.
fn nothing_is_left_out(input: &[u8], frames: &[Frame], envelope: bool) {
    if envelope {
        return;
    }
    let mut reached = if input.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let ends = frames.iter().map(|frame| (frame.offset as usize, frame.length as usize));
    for (offset, length) in ends.chain([(input.len(), 0)]) {
        let between = &input[reached..offset];
        let separates = |byte: &u8| byte.is_ascii_whitespace() || b"[],".contains(byte);
        assert!(between.iter().all(separates), "left out: {}", between.escape_ascii());
        reached = offset + length;
    }
}

/// Checks that documents of lines, written as lines again, are the same documents.
fn joined_lines_have_the_same_documents(frames: &[Frame], limits: Limits) {
    let documents: Vec<&str> =
        frames.iter().filter(|frame| frame.problem.is_none()).filter_map(Frame::text).collect();
    let joined = documents.join("\n");
    // Its first bytes can now be a byte order mark or a signature.
    let Ok((again, _)) = frame(joined.as_bytes(), &[usize::MAX], Container::Lines, limits) else {
        return;
    };
    if !joined.starts_with('\u{feff}') {
        let again: Vec<&str> = again.iter().filter_map(Frame::text).collect();
        assert_eq!(again, documents);
    }
}

fn split_agrees(text: &str, container: Container, limits: Limits, framed: &Framed) {
    match (arc_framing::split(text, container, limits), framed) {
        (Err(error), framed) => assert_eq!(framed.as_ref().err(), Some(&error)),
        (Ok(split), Err(error)) => panic!("{error}, but split returns {split:?}"),
        (Ok(split), Ok((frames, envelope))) => {
            assert_eq!(&split.envelope, envelope);
            let place =
                |frame: &Frame| (frame.offset as usize, frame.length as usize, frame.problem);
            let framed: Vec<_> = frames.iter().map(place).collect();
            let spans: Vec<_> =
                split.spans.iter().map(|span| (span.offset, span.length, span.problem)).collect();
            assert_eq!(framed, spans);
            for (span, frame) in split.spans.iter().zip(frames) {
                // On character boundaries, and the same bytes.
                let part = span.of(text).expect("a span is a part of the text");
                assert!(part.as_bytes().starts_with(frame.bytes()));
                assert!(!matches!(span.problem, Some(Problem::InvalidUtf8 { .. })));
            }
        }
    }
}
