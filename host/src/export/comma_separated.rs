//! Comma-separated values (RFC 4180).
//!
//! A value is quoted if it contains a comma, a quote or a line break. An absent value is an empty
//! field, and an empty text is `""`, so that the two differ. Values are written unchanged: a
//! program that takes a text such as `=1+1` for a formula does so with or without quotes, and could
//! only be prevented from it by changing the text.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::Write;

use jiff::Timestamp;

use super::columns::NAMES;
use super::{Writer, write_error};
use crate::error::Result;
use crate::extraction::OutcomeStatus;
use crate::json_text::JsonText;
use crate::store::outcome_columns::outcome_columns;
use crate::store::{ColumnType, OutcomeRecord};

/// Writes CSV lines.
pub(super) struct CsvWriter<W> {
    output: W,
    line: Line,
}

impl<W: Write> CsvWriter<W> {
    /// Writes the names of the columns.
    pub(super) fn new(mut output: W, documents: bool) -> Result<Self> {
        let mut line = Line::default();
        let names = NAMES.iter().copied().chain(documents.then_some("document"));
        for name in names {
            line.text(Some(name));
        }
        output.write_all(line.end()).map_err(write_error)?;
        Ok(CsvWriter { output, line })
    }
}

impl<W: Write + Send + 'static> Writer for CsvWriter<W> {
    type Output = W;

    fn write(&mut self, outcome: &OutcomeRecord) -> Result<()> {
        let line = &mut self.line;
        line.display(outcome.simulation_id);
        line.display(outcome.outcome_id);
        macro_rules! fields {
            ($(($role:ident $name:ident [$type:ty] $value:tt))*) => {
                $(<$type>::write(line, outcome.$name);)*
            };
        }
        outcome_columns!(read => fields);
        if let Some(document) = outcome.document {
            line.text(Some(document));
        }
        self.output.write_all(self.line.end()).map_err(write_error)
    }

    fn finish(mut self) -> Result<W> {
        self.output.flush().map_err(write_error)?;
        Ok(self.output)
    }
}

/// A column type in CSV.
trait CsvColumn: ColumnType {
    fn write(line: &mut Line, value: Self::Ref<'_>);
}

impl<T: CsvColumn> CsvColumn for Option<T> {
    fn write(line: &mut Line, value: Self::Ref<'_>) {
        match value {
            Some(value) => T::write(line, value),
            None => line.text(None),
        }
    }
}

macro_rules! csv_columns {
    ($($type:ty: |$line:ident, $value:ident| $write:expr;)*) => {$(
        impl CsvColumn for $type {
            fn write($line: &mut Line, $value: Self::Ref<'_>) {
                $write;
            }
        }
    )*};
}
csv_columns! {
    i32: |line, number| line.display(number);
    i64: |line, number| line.display(number);
    f64: |line, number| line.number(number);
    Timestamp: |line, time| line.display(time);
    String: |line, text| line.text(Some(text));
    Cow<'static, str>: |line, name| line.text(Some(name));
    OutcomeStatus: |line, name| line.text(Some(name));
    JsonText: |line, json| line.text(Some(json.as_str()));
}

/// The current line.
#[derive(Default)]
struct Line {
    text: String,
    begun: bool,
}

impl Line {
    /// Begins the next field, in a new line if the last one has ended.
    fn separate(&mut self) {
        if self.begun {
            self.text.push(',');
        } else {
            self.text.clear();
            self.begun = true;
        }
    }

    /// Adds a number of double precision with the fewest digits that parse to the same number. It
    /// has a point or an exponent, so that readers that guess a column's type guess the right one.
    fn number(&mut self, value: f64) {
        self.separate();
        // Writing to a string cannot fail.
        let _ = write!(self.text, "{value:?}");
    }

    /// Adds another value whose text needs no quotes: an integer, a time, an id.
    fn display(&mut self, value: impl std::fmt::Display) {
        self.separate();
        // Writing to a string cannot fail.
        let _ = write!(self.text, "{value}");
    }

    fn text(&mut self, value: Option<&str>) {
        self.separate();
        let Some(value) = value else { return };
        // Quotes preserve leading and trailing spaces in readers that trim fields.
        let quoted = value.is_empty()
            || value.starts_with(' ')
            || value.ends_with(' ')
            || value.bytes().any(|byte| matches!(byte, b',' | b'"' | b'\r' | b'\n'));
        if !quoted {
            self.text.push_str(value);
            return;
        }
        self.text.push('"');
        for (number, part) in value.split('"').enumerate() {
            if number > 0 {
                self.text.push_str("\"\"");
            }
            self.text.push_str(part);
        }
        self.text.push('"');
    }

    /// Returns the whole line.
    fn end(&mut self) -> &[u8] {
        self.begun = false;
        self.text.push_str("\r\n");
        self.text.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(values: &[Option<&str>]) -> String {
        let mut line = Line::default();
        for value in values {
            line.text(*value);
        }
        String::from_utf8(line.end().to_vec()).unwrap()
    }

    #[test]
    fn values_are_quoted_if_necessary() {
        assert_eq!(line(&[Some("a"), Some("b c"), Some("é")]), "a,b c,é\r\n");
        assert_eq!(
            line(&[Some("a,b"), Some("say \"x\""), Some("\"")]),
            "\"a,b\",\"say \"\"x\"\"\",\"\"\"\"\r\n"
        );
        assert_eq!(line(&[Some("a\nb"), Some("a\rb"), Some(" a")]), "\"a\nb\",\"a\rb\",\" a\"\r\n");
    }

    #[test]
    fn an_absent_value_and_an_empty_text_differ() {
        assert_eq!(line(&[None, Some(""), None]), ",\"\",\r\n");
    }

    #[test]
    fn numbers_are_those_that_were_recorded() {
        let mut line = Line::default();
        for number in [0.1 + 0.2, 1e-300, -0.0, 1e22, 2_500.0] {
            line.number(number);
        }
        let text = String::from_utf8(line.end().to_vec()).unwrap();
        let read: Vec<f64> = text.trim_end().split(',').map(|text| text.parse().unwrap()).collect();
        assert_eq!(read, [0.1 + 0.2, 1e-300, -0.0, 1e22, 2_500.0]);
        assert!(text.ends_with(",2500.0\r\n"), "{text}");
    }
}
