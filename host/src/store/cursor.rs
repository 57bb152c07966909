//! Cursors: the end of a page, as text that callers pass back unchanged.
//!
//! A cursor has its kind and version and the position of the last row, and ends with a checksum: a
//! truncated or altered cursor is refused instead of returning a wrong page.

use std::fmt::Write as _;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::identity::Fingerprint;

/// How many bytes of the checksum a cursor contains.
const CHECK_BYTES: usize = 4;

/// A longer text is not a cursor: the longest id of a scenario makes one of about 6,700 characters if
/// each of its bytes is escaped.
const LONGEST: usize = 8 << 10;

/// Returns the cursor of a position. The kind contains the version, as in `outcomes1`.
pub(super) fn encode(kind: &str, place: &impl Serialize) -> Result<String> {
    let place = serde_json::to_vec(place)
        .map_err(|error| Error::invalid("could not write the cursor").with_source(error))?;
    let mut text = format!("{kind}-");
    for byte in place.iter().chain(&check(kind, &place)) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

/// Returns the position of a cursor.
///
/// # Errors
/// [`Error::Invalid`] if it is not a complete cursor of this kind and version.
pub(super) fn decode<T: DeserializeOwned>(kind: &str, text: &str) -> Result<T> {
    let place = || {
        let hex = text.strip_prefix(kind)?.strip_prefix('-')?;
        let bytes = bytes(hex)?;
        let (place, found) = bytes.split_at_checked(bytes.len().checked_sub(CHECK_BYTES)?)?;
        if found != check(kind, place) {
            return None;
        }
        serde_json::from_slice(place).ok()
    };
    place().ok_or_else(|| {
        Error::invalid(
            "invalid cursor: it was truncated or altered, or belongs to \
             another list or version",
        )
        .with_hint("begin again without a cursor")
    })
}

fn check(kind: &str, place: &[u8]) -> Vec<u8> {
    let mut fingerprint = Fingerprint::new(kind);
    fingerprint.part(place);
    fingerprint.digest().into_iter().take(CHECK_BYTES).collect()
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    if hex.len() > LONGEST || !hex.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let pair = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(digit(high)? << 4 | digit(low)?).ok(),
        _ => None,
    };
    hex.as_bytes().chunks(2).map(pair).collect()
}

/// Parses any text as a cursor, and as a position in one; see [`crate::fuzzing`].
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(text: &str) {
    if let Ok(place) = decode::<serde_json::Value>("outcomes1", text) {
        // The same position has one cursor, regardless of the case of its digits.
        let again = encode("outcomes1", &place).unwrap_or_default();
        assert_eq!(decode::<serde_json::Value>("outcomes1", &again).ok(), Some(place), "{text}");
    }
    let place = (text, text.len());
    let cursor = encode("outcomes1", &place).unwrap_or_default();
    let given = decode::<(String, usize)>("outcomes1", &cursor).ok();
    let fits = cursor.len() <= LONGEST;
    assert!(!fits || given == Some((text.to_owned(), text.len())), "{cursor}");
    assert!(decode::<(String, usize)>("simulations1", &cursor).is_err(), "another list's");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_returns_its_position() {
        let place = ("scenario é \"\u{1}".repeat(60), 3, u64::MAX);
        let text = encode("outcomes1", &place).unwrap();
        assert_eq!(decode::<(String, i32, u64)>("outcomes1", &text).unwrap(), place);
        assert!(
            text.chars().all(|character| character.is_ascii_alphanumeric() || character == '-')
        );
    }

    #[test]
    fn the_cursor_of_the_longest_id_is_one() {
        let place = ("\u{1}".repeat(512), 3);
        let text = encode("outcomes1", &place).unwrap();
        assert_eq!(decode::<(String, i32)>("outcomes1", &text).unwrap(), place);
    }

    #[test]
    fn an_invalid_cursor_is_refused() {
        let text = encode("outcomes1", &("a", 1)).unwrap();
        let mut texts: Vec<String> =
            (0..text.len()).filter_map(|end| text.get(..end).map(str::to_owned)).collect();
        for place in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[place] = if bytes[place] == b'5' { b'6' } else { b'5' };
            texts.push(String::from_utf8(bytes).unwrap());
        }
        texts.push(text.replacen('1', "2", 1));
        texts.push("outcomes1-é".to_owned());
        texts.push(format!("outcomes1-{}", "00".repeat(LONGEST)));
        for text in texts {
            let error = decode::<(String, i32)>("outcomes1", &text).unwrap_err();
            assert_eq!(error.hint().unwrap(), "begin again without a cursor", "{text}: {error}");
        }
        assert!(decode::<(i32, i32)>("outcomes1", &text).is_err(), "another kind of place");
    }
}
