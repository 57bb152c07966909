//! Scenarios: their ids, and the lists with which simulations are started.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::answer::{Scenario, Violation};
use crate::codes;
use crate::json::{Place, Reader, Value};

/// The longest scenario id, in bytes of UTF-8.
pub const MAX_ID_BYTES: usize = 512;

/// The largest number of trials of a scenario. A plan made from results has as many trials as the
/// largest number in a result, so a typing error must not make it huge.
pub const MAX_TRIALS: f64 = 10_000.0;

/// Reads a list of scenarios; see `extract-scenarios` in `wit/extraction.wit`.
///
/// # Errors
/// Every violation found. Two scenarios with the same id are a violation.
pub fn extract_scenarios(scenarios: &str) -> Result<Vec<Scenario>, Vec<Violation>> {
    let (mut reader, root) = Reader::new(scenarios)?;
    let answer = reader.root_elements(root).map(|elements| {
        let mut found = Vec::with_capacity(elements.len());
        let mut places = BTreeMap::new();
        for (index, element) in elements.into_iter().enumerate() {
            let index = index.to_string();
            let place = Place { object: "", member: &index };
            let Some(scenario) = read_definition(&mut reader, element, place, |_| None) else {
                continue;
            };
            if let Some(first) = places.insert(scenario.id.clone(), index.clone()) {
                reader.violation(
                    Place { object: &place.pointer(), member: "id" }.pointer(),
                    codes::DUPLICATE_SCENARIO,
                    format!(
                        "the scenario {:?} is planned twice (first at /{first}); \
                         repeats of a scenario are trials",
                        scenario.id
                    ),
                );
            }
            found.push(scenario);
        }
        found
    });
    reader.finish(answer)
}

/// Reads a scenario's object: `id`, `name` and `task_prompt`. If it has no prompt, `elsewhere` is
/// called to find one.
pub fn read_definition<'a>(
    reader: &mut Reader<'a>,
    definition: Value<'a>,
    place: Place,
    elsewhere: impl FnOnce(&mut Reader<'a>) -> Option<String>,
) -> Option<Scenario> {
    if !definition.is_object() {
        reader.wrong_type(place, definition, "an object");
        return None;
    }
    let violations_before = reader.violation_count();
    let [id, name, prompt] = reader.object(Some(definition), place, ["id", "name", "task_prompt"]);
    let object = place.pointer();
    let at = |member| Place { object: &object, member };
    let name = reader.text(name, at("name"));
    let task_prompt = match prompt {
        Some(_) => reader.text(prompt, at("task_prompt")),
        None => elsewhere(reader),
    };
    let id = match id {
        Some(_) => checked_id(reader, id, at("id"))?,
        None => make_id(
            reader,
            &at("id").pointer(),
            violations_before,
            name.as_deref(),
            task_prompt.as_deref(),
        )?,
    };
    Some(Scenario { id, name, task_prompt, definition: reader.span(definition) })
}

/// Reads an id, which must be a text of 1 to 512 bytes.
pub fn checked_id<'a>(
    reader: &mut Reader<'a>,
    value: Option<Value<'a>>,
    place: Place,
) -> Option<String> {
    let id = reader.text(value, place)?;
    if id.is_empty() {
        let message = "a scenario's id is any text of 1 to 512 bytes, found the empty text";
        reader.violation(place.pointer(), codes::EMPTY_ID, message.to_owned());
        return None;
    }
    if id.len() > MAX_ID_BYTES {
        reader.violation(
            place.pointer(),
            codes::ID_TOO_LONG,
            format!("a scenario's id has at most {MAX_ID_BYTES} bytes, found {}", id.len()),
        );
        return None;
    }
    Some(id)
}

/// Returns an id of at most 512 bytes. A longer text is truncated, and the start of its hash
/// distinguishes it from others with the same beginning.
pub fn bounded_id(text: String) -> String {
    const HASH_BYTES: usize = 10;
    if text.len() <= MAX_ID_BYTES {
        return text;
    }
    let kept = text.floor_char_boundary(MAX_ID_BYTES - 1 - 2 * HASH_BYTES);
    let prefix = text.get(..kept).unwrap_or_default();
    format!("{prefix}-{}", short_hash(Sha256::digest(text.as_bytes()).as_ref(), HASH_BYTES))
}

/// Returns a fingerprint of these texts: 16 hexadecimal digits that depend only on the texts.
pub fn fingerprint(texts: &[&str]) -> String {
    hash_of(texts, 8)
}

/// Returns the first bytes of a hash of these texts, each preceded by its length.
fn hash_of(texts: &[&str], bytes: usize) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    short_hash(hash.finalize().as_ref(), bytes)
}

/// Returns the first bytes of a hash in hexadecimal digits.
fn short_hash(digest: &[u8], bytes: usize) -> String {
    let digits = digest.iter().take(bytes).flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

/// Derives an id from name and prompt. `path` is the place of the missing id. If name and prompt
/// are both missing because they are not valid, that is already reported: there are then more than
/// `violations_before` violations.
pub fn make_id(
    reader: &mut Reader,
    path: &str,
    violations_before: usize,
    name: Option<&str>,
    prompt: Option<&str>,
) -> Option<String> {
    let [name, prompt] = [name, prompt].map(|text| text.filter(|text| !text.is_empty()));
    if name.is_none() && prompt.is_none() {
        if reader.violation_count() > violations_before {
            return None;
        }
        reader.violation(
            path.to_owned(),
            codes::MISSING_SCENARIO,
            "the scenario has no id, and no name or prompt to make one from".to_owned(),
        );
        return None;
    }
    let digits = hash_of(&[name.unwrap_or_default(), prompt.unwrap_or_default()], 10);
    let id = format!("scenario-{digits}");
    reader.warning(
        path.to_owned(),
        codes::SCENARIO_ID_MADE,
        format!("the scenario has no id; {id} was made from its name and prompt"),
    );
    Some(id)
}

/// Reads the trial of a result, counted from 1.
pub fn read_trial<'a>(
    reader: &mut Reader<'a>,
    value: Option<Value<'a>>,
    place: Place,
) -> Option<u32> {
    let trial = reader.count(value, place, 1.0, MAX_TRIALS)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the number was just checked to be whole and small"
    )]
    Some(trial as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_id_is_cut_and_kept_apart() {
        assert_eq!(bounded_id("x".repeat(512)), "x".repeat(512));
        let [first, second] = ["a", "b"].map(|end| bounded_id("é".repeat(300) + end));
        assert!(first.len() <= MAX_ID_BYTES && first.len() > MAX_ID_BYTES - 3);
        assert_ne!(first, second);
        assert!(first.starts_with("éé"));
    }
}
