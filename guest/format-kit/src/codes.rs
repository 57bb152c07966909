//! The stable codes of problems of a document (violations), and of values that were assumed or
//! replaced in a valid one (warnings). Programs compare them, so a code never changes its meaning.

/// The text is not JSON (RFC 8259).
pub const MALFORMED_JSON: &str = "malformed_json";
/// The whole text is compressed or in an encoding other than UTF-8.
pub const NOT_TEXT: &str = "not_text";
/// `NaN` or an infinity, which JSON does not have as numbers.
pub const NOT_A_JSON_NUMBER: &str = "not_a_json_number";
/// Objects and arrays are nested deeper than the limit.
pub const TOO_DEEP: &str = "too_deep";
/// The document is longer than the limit.
pub const DOCUMENT_TOO_LARGE: &str = "document_too_large";
/// A value does not have the JSON type that the format requires.
pub const WRONG_TYPE: &str = "wrong_type";
/// A number is outside the range that the format allows.
pub const OUT_OF_RANGE: &str = "out_of_range";
/// A number that counts something is not whole.
pub const NOT_AN_INTEGER: &str = "not_an_integer";
/// An object has a member twice, so that its value is ambiguous.
pub const DUPLICATE_KEY: &str = "duplicate_key";
/// The status is not one of `success`, `error`, `timeout`, `cancelled`.
pub const UNKNOWN_STATUS: &str = "unknown_status";
/// No id, name or prompt identifies the scenario.
pub const MISSING_SCENARIO: &str = "missing_scenario";
/// An id is the empty text.
pub const EMPTY_ID: &str = "empty_id";
/// An id is longer than 512 bytes.
pub const ID_TOO_LONG: &str = "id_too_long";
/// Two planned scenarios have the same id.
pub const DUPLICATE_SCENARIO: &str = "duplicate_scenario";
/// The document is of the format, but does not contain an evaluation's result.
pub const NOT_AN_EVALUATION: &str = "not_an_evaluation";
/// The header has data of several runs, so the figures of none of them are known.
pub const SEVERAL_RUNS: &str = "several_runs";
/// There are more violations than are reported; also used as a warning.
pub const MORE_FOUND: &str = "more_found";

/// Warning: the document has `NaN` or an infinity, which is read as absent.
pub const NOT_FINITE: &str = "not_finite";
/// Warning: the tool itself counts this score as no number.
pub const NOT_SCORED: &str = "not_scored";
/// Warning: a score is a label whose meaning is unknown, so it has no number.
pub const LABEL_UNKNOWN: &str = "label_unknown";
/// Warning: a sum of tokens is larger than that of the calls that it should contain; the calls count.
pub const USAGE_INCOMPLETE: &str = "usage_incomplete";
/// Warning: a result has several scores with the same name, of which the last counts.
pub const SCORE_REPEATED: &str = "score_repeated";
/// Warning: a result has more scores than are extracted.
pub const SCORES_OMITTED: &str = "scores_omitted";
/// Warning: the result was invalidated, so it does not count.
pub const INVALIDATED: &str = "invalidated";
/// Warning: the scenario has no id; one was derived from its name and prompt.
pub const SCENARIO_ID_MADE: &str = "scenario_id_made";
/// Warning: there is no status; `error` was assumed.
pub const STATUS_MISSING: &str = "status_missing";
/// Warning: there is no overall reliability score; averages leave the outcome out.
pub const SCORE_MISSING: &str = "score_missing";
/// Warning: the start time is not an RFC 3339 time; the time of receipt is used.
pub const TIME_UNREADABLE: &str = "time_unreadable";
/// Warning: characters that PostgreSQL's text cannot hold were replaced by U+FFFD.
pub const TEXT_REPLACED: &str = "text_replaced";
/// Warning: the full trajectory is not an array, so its events were not counted.
pub const EVENTS_UNCOUNTED: &str = "events_uncounted";
/// Warning: the result has no file header, so the values of the header are unknown.
pub const HEADER_MISSING: &str = "header_missing";
