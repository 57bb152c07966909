//! Apache Parquet: the columns with their types, compressed with zstd.

use std::io::{self, Write};

use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;

use super::columns::Columns;
use super::{Writer, write_error};
use crate::error::{Error, Result};
use crate::store::OutcomeRecord;

/// The number of outcomes that are converted to columns at once.
const BATCH_OUTCOMES: usize = 8_192;

/// The size of long texts at which a batch ends early.
const BATCH_BYTES: usize = 8 << 20;

/// The limits of a row group, which is in memory until it is written.
const GROUP_OUTCOMES: usize = 1 << 17;
const GROUP_BYTES: usize = 32 << 20;

/// Columns whose values rarely repeat, so that a dictionary of them would be useless.
const DISTINCT: [&str; 3] = ["outcome_id", "received_at", "document"];

/// Writes row groups.
pub(super) struct ParquetWriter<W: Write + Send> {
    writer: ArrowWriter<W>,
    columns: Columns,
}

impl<W: Write + Send> ParquetWriter<W> {
    pub(super) fn new(output: W, documents: bool) -> Result<Self> {
        let columns = Columns::new(documents);
        let mut properties = WriterProperties::builder()
            .set_created_by(concat!("arc-host ", env!("CARGO_PKG_VERSION")).to_owned())
            // Its first level is as fast as codecs that compress less.
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(GROUP_OUTCOMES))
            .set_max_row_group_bytes(Some(GROUP_BYTES));
        for name in DISTINCT {
            properties = properties.set_column_dictionary_enabled(ColumnPath::from(name), false);
        }
        let writer = ArrowWriter::try_new(output, columns.schema(), Some(properties.build()));
        Ok(ParquetWriter { writer: writer.map_err(failed)?, columns })
    }

    fn flush_columns(&mut self) -> Result<()> {
        let batch = self.columns.take()?;
        self.writer.write(&batch).map_err(failed)
    }
}

impl<W: Write + Send + 'static> Writer for ParquetWriter<W> {
    type Output = W;

    fn write(&mut self, outcome: &OutcomeRecord) -> Result<()> {
        self.columns.push(outcome);
        if self.columns.rows() >= BATCH_OUTCOMES || self.columns.bytes() >= BATCH_BYTES {
            self.flush_columns()?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<W> {
        self.flush_columns()?;
        let mut output = self.writer.into_inner().map_err(failed)?;
        output.flush().map_err(write_error)?;
        Ok(output)
    }
}

/// Returns the underlying I/O error if there is one: a full disk is not an error of the format.
fn failed(error: ParquetError) -> Error {
    match error {
        ParquetError::External(error) => match error.downcast::<io::Error>() {
            Ok(error) => write_error(*error),
            Err(error) => Error::invalid("could not write Parquet").with_source(error),
        },
        error => Error::invalid("could not write Parquet").with_source(error),
    }
}
