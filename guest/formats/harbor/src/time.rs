//! The start and the duration of a phase.

use arc_format_kit::codes;
use arc_format_kit::json::{Place, Reader, Value};
use arc_format_kit::time::{in_utc, milliseconds_between};

/// Reads the start of a phase in UTC, and its length in milliseconds, as far as they are present. A
/// start without an offset has no point in time, but is still used for the length.
pub(crate) fn phase<'a>(
    reader: &mut Reader<'a>,
    start: (Option<Value<'a>>, Place),
    end: (Option<Value<'a>>, Place),
) -> (Option<String>, f64) {
    let [start_text, end_text] = [start, end].map(|(value, place)| {
        reader.decoration(|reader| reader.text(value, place)).unwrap_or_default()
    });
    let start_time = in_utc(&start_text);
    if start_time.is_none() && start.0.is_some() {
        reader.warning(
            start.1.pointer(),
            codes::TIME_UNREADABLE,
            "the start time is not an RFC 3339 time with an offset; the time of receipt is used"
                .to_owned(),
        );
    }
    let length = between(&start_text, &end_text);
    (start_time, length.unwrap_or(0.0))
}

/// Returns the milliseconds between two times that both have an offset, or both have none.
pub(crate) fn between(start: &str, end: &str) -> Option<f64> {
    milliseconds_between(start, end)
        .or_else(|| milliseconds_between(&format!("{start}Z"), &format!("{end}Z")))
}
