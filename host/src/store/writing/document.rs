//! The documents of outcomes, in parts: their rows, and the statements that write them.

use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};

use super::super::columns::column;
use super::super::connection::{GenericClient, PreparedStatement, Session};
use super::OutcomeRow;

/// A part has at most this many bytes, so that most documents have one.
const PART_BYTES: usize = 1 << 20;

/// The types of [`Part::values`].
const TYPES: &[Type] = &[Type::UUID, Type::UUID, Type::TIMESTAMPTZ, Type::INT4, Type::TEXT];

const COPY: &str = "COPY arc_recorder.documents
    (simulation_id, outcome_id, partition_time, part, document) FROM STDIN BINARY";

/// A document that exists is the same one: the outcome's id is derived from it.
const INSERT: &str = "INSERT INTO arc_recorder.documents
        (simulation_id, outcome_id, partition_time, part, document)
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::integer[], $5::text[])
    ON CONFLICT (simulation_id, outcome_id, partition_time, part) DO NOTHING";

/// The same for one part: with plain parameters, the server plans and runs it in half the time.
const INSERT_ONE: &str = "INSERT INTO arc_recorder.documents
        (simulation_id, outcome_id, partition_time, part, document)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (simulation_id, outcome_id, partition_time, part) DO NOTHING";

/// A part of an outcome's document.
struct Part<'r> {
    row: &'r OutcomeRow,
    number: i32,
    text: &'r str,
}

impl Part<'_> {
    /// Returns the values of its row.
    fn values(&self) -> [&(dyn ToSql + Sync); TYPES.len()] {
        let key = &self.row.key;
        [&key.simulation_id, &key.outcome_id, &key.partition_time, &self.number, &self.text]
    }
}

/// Returns the parts of the rows' documents, in order.
fn parts<'r>(rows: &[&'r OutcomeRow]) -> impl Iterator<Item = Part<'r>> {
    rows.iter().flat_map(|&row| {
        let pieces = (0..).zip(pieces(&row.document, PART_BYTES));
        pieces.map(move |(number, text)| Part { row, number, text })
    })
}

/// Splits a text between characters, into pieces of at most this many bytes, which are at least 4.
fn pieces(mut text: &str, most_bytes: usize) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let (piece, rest) = text.split_at(text.floor_char_boundary(most_bytes));
        text = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Writes the documents of rows whose keys do not exist.
pub(super) async fn copy(
    client: &Session<impl GenericClient>,
    rows: &[&OutcomeRow],
) -> Result<(), tokio_postgres::Error> {
    let copy = client.prepare_cached(COPY).await?;
    let sink = client.copy_in_prepared(&copy).await?;
    let mut writer = std::pin::pin!(BinaryCopyInWriter::new(sink, TYPES));
    for part in parts(rows) {
        client.watched(writer.as_mut().write(&part.values())).await?;
    }
    client.counted(writer.finish()).await?;
    Ok(())
}

/// Prepares [`insert`] for the documents of these rows.
pub(super) async fn prepare_insert(
    client: &Session<impl GenericClient>,
    rows: &[&OutcomeRow],
) -> Result<PreparedStatement, tokio_postgres::Error> {
    let only_one = parts(rows).nth(1).is_none();
    client.prepare_cached(if only_one { INSERT_ONE } else { INSERT }).await
}

/// Writes the documents of rows that do not exist. Its message is sent at its first poll.
pub(super) async fn insert(
    client: &Session<impl GenericClient>,
    insert: &PreparedStatement,
    rows: &[&OutcomeRow],
) -> Result<(), tokio_postgres::Error> {
    let parts: Vec<Part<'_>> = parts(rows).collect();
    if let [part] = parts.as_slice() {
        return client.execute(insert, &part.values()).await.map(drop);
    }
    let values: [&(dyn ToSql + Sync); TYPES.len()] = [
        &column(&parts, |part| part.row.key.simulation_id),
        &column(&parts, |part| part.row.key.outcome_id),
        &column(&parts, |part| part.row.key.partition_time),
        &column(&parts, |part| part.number),
        &column(&parts, |part| part.text),
    ];
    client.execute(insert, &values).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str, most_bytes: usize) -> Vec<&str> {
        pieces(text, most_bytes).collect()
    }

    #[test]
    fn a_text_is_split_between_characters() {
        assert_eq!(split("", 4), [""; 0]);
        assert_eq!(split("abcd", 4), ["abcd"]);
        assert_eq!(split("abcdé", 5), ["abcd", "é"]);
        assert_eq!(split("ab𝄞cdef", 4), ["ab", "𝄞", "cdef"]);
        for most_bytes in 4..40 {
            let text = "a€é𝄞".repeat(7);
            let found = split(&text, most_bytes);
            assert_eq!(found.concat(), text);
            assert!(found.iter().all(|piece| (1..=most_bytes).contains(&piece.len())));
        }
    }
}
