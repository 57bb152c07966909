//! Conversion of times to the form that outcomes have.

use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use crate::number::MAX_WHOLE;

/// Returns an RFC 3339 time in UTC, truncated to microseconds; `None` for any other text. The year
/// 0 is rejected: consumers' calendars might not include it.
pub fn in_utc(text: &str) -> Option<String> {
    write(parse(text)?)
}

/// Returns the milliseconds from one RFC 3339 time to a later one; `None` for other texts, or if
/// the second time is the earlier one.
pub fn milliseconds_between(start: &str, end: &str) -> Option<f64> {
    let nanoseconds = (parse(end)? - parse(start)?).whole_nanoseconds();
    (nanoseconds >= 0).then_some(nanoseconds as f64 / 1e6)
}

/// Converts seconds to milliseconds, rounded to the nanosecond: a thousand times a decimal fraction
/// is seldom exact, and 1.001 s is 1001 ms. Infinite if a 64-bit float cannot represent the value.
pub fn milliseconds_of(seconds: f64) -> f64 {
    let milliseconds = seconds * 1_000.0;
    let nanoseconds = milliseconds * 1e6;
    // A number beyond that has no fraction to round, and dividing again would lose the last digit.
    if nanoseconds < MAX_WHOLE { nanoseconds.round() / 1e6 } else { milliseconds }
}

fn parse(text: &str) -> Option<OffsetDateTime> {
    // The library accepts any character between date and time; RFC 3339 allows only these.
    if !matches!(text.as_bytes().get(10), Some(b'T' | b't' | b' ')) {
        return None;
    }
    OffsetDateTime::parse(text, &Rfc3339).ok()?.checked_to_offset(UtcOffset::UTC)
}

/// Converts nanoseconds since 1970 in UTC to RFC 3339 with microseconds.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_become_milliseconds_to_the_nanosecond() {
        for (seconds, milliseconds) in [
            (0.0, 0.0),
            (1.001, 1001.0),
            (0.000_000_001, 0.000_001),
            (86_399.999_999_999, 86_399_999.999_999),
            (1e15, 1e18),
            (1e305, 1e308),
            (1e308, f64::INFINITY),
        ] {
            assert_eq!(milliseconds_of(seconds), milliseconds, "{seconds}");
        }
        // A duration too long to have a fraction of a nanosecond is not changed by rounding.
        for seconds in (0..1_000).map(|step| 12_345_678.123 + f64::from(step) * 0.37) {
            assert_eq!(milliseconds_of(seconds), seconds * 1_000.0, "{seconds}");
        }
    }

    #[test]
    fn durations_are_whole_times_apart() {
        let between = milliseconds_between;
        assert_eq!(between("2026-01-01T00:00:00Z", "2026-01-01 01:00:01.5+01:00"), Some(1500.0));
        assert_eq!(between("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"), Some(0.0));
        assert_eq!(between("2026-01-01T00:00:01Z", "2026-01-01T00:00:00Z"), None);
        assert_eq!(between("2026-01-01T00:00:01", "2026-01-01T00:00:00Z"), None);
    }
}
