//! How people refer to a simulation: by its id, by the beginning of its id, by its name, or as the latest.

use uuid::Uuid;

use super::Store;
use super::statement::Statement;
use crate::error::{Error, ErrorDetail, Result, SimulationCandidate};

/// The reference to the simulation that was recorded last.
const LATEST: &str = "latest";

/// The minimum number of hexadecimal digits of a prefix.
const PREFIX_DIGITS: usize = 4;

/// The number of hexadecimal digits of an id.
const ID_DIGITS: usize = 32;

/// The maximum number of candidates of an ambiguous reference.
const MOST_CANDIDATES: usize = 10;

impl Store {
    /// Returns the id of the simulation that a text refers to: its id, which is not looked up; a prefix of
    /// its id of at least four hexadecimal digits; its exact name; or `latest`, the one that was recorded
    /// last.
    ///
    /// # Errors
    /// [`Error::NotFound`] if no simulation matches; [`Error::Ambiguous`] if several do.
    pub async fn resolve_simulation(&self, reference: &str) -> Result<Uuid> {
        self.resolve_simulation_in(reference, None).await
    }

    /// The same among the simulations of a project.
    ///
    /// # Errors
    /// As [`Store::resolve_simulation`].
    pub async fn resolve_simulation_in(
        &self,
        reference: &str,
        project: Option<&str>,
    ) -> Result<Uuid> {
        if let Ok(simulation_id) = Uuid::try_parse(reference) {
            return Ok(simulation_id);
        }
        // A text of the database has no NUL.
        if reference.contains('\0') {
            return Err(unknown(reference));
        }
        let columns =
            "SELECT simulation_id, simulation_name, created_at FROM arc_recorder.simulations";
        let newest = "ORDER BY created_at DESC, simulation_id DESC LIMIT";
        let statement = match reference {
            LATEST => Statement::new(format!(
                "{columns} WHERE $1::text IS NULL OR project = $1 {newest} 1"
            ))
            .with(project.map(str::to_owned)),
            _ => {
                let (lowest, highest) = prefix_range(reference).unzip();
                Statement::new(format!(
                    "{columns} WHERE ($1::text IS NULL OR project = $1)
                         AND (simulation_name = $2 OR simulation_id BETWEEN $3 AND $4)
                     {newest} {}",
                    MOST_CANDIDATES + 1
                ))
                .with(project.map(str::to_owned))
                .with(reference.to_owned())
                .with(lowest)
                .with(highest)
            }
        };
        let rows = self.rows(&statement, "look up the simulation").await?;
        let mut candidates: Vec<SimulationCandidate> = rows
            .iter()
            .map(|row| SimulationCandidate {
                simulation_id: row.get(0),
                simulation_name: row.get(1),
                created_at: row.get(2),
            })
            .collect();
        match candidates.as_slice() {
            [] => Err(unknown(reference)),
            [only] => Ok(only.simulation_id),
            _ => {
                let more = candidates.len() > MOST_CANDIDATES;
                candidates.truncate(MOST_CANDIDATES);
                Err(ambiguous(reference, candidates, more))
            }
        }
    }
}

/// Returns the lowest and the highest id with a prefix, which can have hyphens; `None` if the text is no
/// prefix of an id.
fn prefix_range(text: &str) -> Option<(Uuid, Uuid)> {
    let digits: String = text.chars().filter(|character| *character != '-').collect();
    if !(PREFIX_DIGITS..=ID_DIGITS).contains(&digits.len()) {
        return None;
    }
    let id = |filler: &str| {
        Uuid::try_parse(&(digits.clone() + &filler.repeat(ID_DIGITS - digits.len()))).ok()
    };
    Some((id("0")?, id("f")?))
}

fn unknown(reference: &str) -> Error {
    Error::not_found(format!(
        "no simulation has the id, the prefix of an id or the name {reference:?}"
    ))
    .with_hint("list them with `arc-host simulations`")
}

fn ambiguous(reference: &str, candidates: Vec<SimulationCandidate>, more: bool) -> Error {
    let shown = candidates.iter().map(|candidate| {
        let name = candidate.simulation_name.as_deref().unwrap_or("unnamed");
        format!("{} ({name}, {:.0})", candidate.simulation_id, candidate.created_at)
    });
    let shown: Vec<String> = shown.chain(more.then(|| "and more".to_owned())).collect();
    let message = format!("several simulations match {reference:?}: {}", shown.join(", "));
    let detail = ErrorDetail::from(message);
    Error::Ambiguous { candidates, detail }.with_hint("use the id of one of them")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_of_an_id_is_a_range_of_ids() {
        let range =
            |text| prefix_range(text).map(|(low, high)| (low.to_string(), high.to_string()));
        let expected = (
            "0192f3c1-7a00-0000-0000-000000000000".to_owned(),
            "0192f3c1-7aff-ffff-ffff-ffffffffffff".to_owned(),
        );
        for text in ["0192f3c17a", "0192f3c1-7a", "0192F3C1-7A"] {
            assert_eq!(range(text).as_ref(), Some(&expected), "{text}");
        }
        for text in ["", "-", "019", "01-9", "nightly", "0192f3cx", "é192", "0192f3c1 "] {
            assert_eq!(range(text), None, "{text}");
        }
        assert_eq!(range(&"0".repeat(33)), None);
    }
}
