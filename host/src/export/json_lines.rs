//! One JSON object per line, as `arc-host outcomes --json` writes it, with its simulation.

use std::io::Write;

use super::{Writer, write_error};
use crate::error::{Error, Result};
use crate::store::OutcomeRecord;

/// Writes JSON lines.
pub(super) struct JsonLinesWriter<W> {
    output: W,
    line: Vec<u8>,
}

impl<W: Write> JsonLinesWriter<W> {
    pub(super) fn new(output: W) -> Self {
        JsonLinesWriter { output, line: Vec::new() }
    }
}

impl<W: Write + Send + 'static> Writer for JsonLinesWriter<W> {
    type Output = W;

    fn write(&mut self, outcome: &OutcomeRecord) -> Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, outcome).map_err(|error| {
            Error::invalid("could not write an outcome as JSON").with_source(error)
        })?;
        self.line.push(b'\n');
        self.output.write_all(&self.line).map_err(write_error)
    }

    fn finish(mut self) -> Result<W> {
        self.output.flush().map_err(write_error)?;
        Ok(self.output)
    }
}
