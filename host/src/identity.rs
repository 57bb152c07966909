//! Ids that are derived from content.
//!
//! A derived id is a UUIDv8 (RFC 9562, section 5.8) whose bits are the beginning of a SHA-256.
//! Every part is preceded by its length, so that no two lists of parts look the same.

use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The SHA-256 of a list of parts, fed piece by piece.
#[derive(Clone, Debug)]
pub struct Fingerprint(Sha256);

impl Fingerprint {
    /// Begins the fingerprint of one kind of thing; two kinds never share an id.
    pub fn new(kind: &str) -> Self {
        let mut fingerprint = Fingerprint(Sha256::new());
        fingerprint.part(kind.as_bytes());
        fingerprint
    }

    /// Adds a part.
    pub fn part(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    /// Adds an optional part; an absent one differs from an empty one.
    pub fn optional_part(&mut self, bytes: Option<&[u8]>) {
        self.0.update([u8::from(bytes.is_some())]);
        self.part(bytes.unwrap_or_default());
    }

    /// Returns the whole digest.
    pub fn digest(self) -> [u8; 32] {
        self.0.finalize().into()
    }

    /// Returns the digest's first 128 bits as a UUIDv8.
    pub fn uuid(self) -> Uuid {
        Uuid::new_v8(first_half(self.digest()))
    }
}

/// Returns bytes in hexadecimal.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The first 128 bits of a digest.
pub(crate) fn first_half(digest: [u8; 32]) -> [u8; 16] {
    let mut half = [0; 16];
    half.iter_mut().zip(digest).for_each(|(slot, byte)| *slot = byte);
    half
}

/// Returns the id of a result, derived from its simulation, the trial that the caller passed, and its
/// bytes. Its position and its extracted fields are not part of it, so that the id does not change with
/// the extractor.
pub fn outcome_id(simulation_id: Uuid, trial: Option<u32>, document: &[u8]) -> Uuid {
    let mut fingerprint = Fingerprint::new("outcome");
    fingerprint.part(simulation_id.as_bytes());
    fingerprint.optional_part(trial.map(u32::to_be_bytes).as_ref().map(<[u8; 4]>::as_slice));
    fingerprint.part(document);
    fingerprint.uuid()
}

/// Returns the id of a scenario's definition.
pub fn scenario_version_id(
    scenario_id: &str,
    name: Option<&str>,
    task_prompt: Option<&str>,
    definition: Option<&str>,
) -> Uuid {
    let mut fingerprint = Fingerprint::new("scenario");
    fingerprint.part(scenario_id.as_bytes());
    for part in [name, task_prompt, definition] {
        fingerprint.optional_part(part.map(str::as_bytes));
    }
    fingerprint.uuid()
}

/// Returns the id under which the header of a file is stored.
pub fn header_id(header: &str) -> Uuid {
    let mut fingerprint = Fingerprint::new("document-header");
    fingerprint.part(header.as_bytes());
    fingerprint.uuid()
}

/// Returns a new id that sorts by the time at which it was made (UUIDv7).
pub fn new_id() -> Uuid {
    Uuid::now_v7()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_depends_on_simulation_trial_and_bytes_alone() {
        let [one, two] = [Uuid::from_u128(1), Uuid::from_u128(2)];
        let id = outcome_id(one, None, b"{}");
        assert_eq!(id, outcome_id(one, None, b"{}"));
        assert_eq!(id.get_version_num(), 8);
        for other in [
            outcome_id(two, None, b"{}"),
            outcome_id(one, Some(1), b"{}"),
            outcome_id(one, Some(0), b"{}"),
            outcome_id(one, None, b"{} "),
        ] {
            assert_ne!(id, other);
        }
    }
}
