//! Times as outcomes hold them.

use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

/// An RFC 3339 time in UTC with microseconds; what is finer is cut off. Nothing for another text.
/// The year 0 is refused: it may be before the calendar of whoever reads the time.
pub fn in_utc(text: &str) -> Option<String> {
    // The library takes any character between date and time; RFC 3339 names these.
    if !matches!(text.as_bytes().get(10), Some(b'T' | b't' | b' ')) {
        return None;
    }
    write(OffsetDateTime::parse(text, &Rfc3339).ok()?.checked_to_offset(UtcOffset::UTC)?)
}

/// A time that is counted in nanoseconds since 1970 in UTC, as RFC 3339 with microseconds.
pub fn of_unix_nanoseconds(nanoseconds: i128) -> Option<String> {
    write(OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).ok()?)
}

fn write(time: OffsetDateTime) -> Option<String> {
    let (date, (hour, minute, second, microsecond)) = (time.date(), time.time().as_hms_micro());
    (1..=9999).contains(&date.year()).then(|| {
        format!(
            "{:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{microsecond:06}Z",
            date.year(),
            u8::from(date.month()),
            date.day()
        )
    })
}
