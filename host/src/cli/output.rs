//! What people and programs read.
//!
//! Answers go to standard output, everything else to standard error. A reader that closes the
//! pipe (`| head`) ends the output, not the work. Styles reach terminals only; documents and JSON
//! go out as they are, byte for byte.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};

use anstyle::{AnsiColor, Style};
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::error::{Error, Result};

pub(super) const BOLD: Style = Style::new().bold();
pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
pub(super) const BAD: Style = AnsiColor::Red.on_default();
pub(super) const WARNING: Style = AnsiColor::Yellow.on_default();

/// How much text a cell shows: an id of 36 characters and then some.
const CELL_CHARACTERS: usize = 48;

/// Standard output, as text for people or JSON for programs.
pub(super) struct Output {
    json: bool,
    closed: bool,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        Output { json, closed: false }
    }

    /// Whether programs read it.
    pub(super) fn json(&self) -> bool {
        self.json
    }

    /// Whether nobody reads it any more.
    pub(super) fn closed(&self) -> bool {
        self.closed
    }

    /// Writes bytes as they are.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        // Beside the styled stream, which takes out whatever looks like a style.
        let mut stream = io::stdout().lock();
        let written = || stream.write_all(bytes).and_then(|()| stream.flush());
        self.unless_closed(written)
    }

    /// Writes a line of text as it is.
    pub(super) fn bare_line(&mut self, text: &str) -> Result<()> {
        self.bytes(format!("{text}\n").as_bytes())
    }

    /// Writes a line of text for people, with styles where they are wanted.
    pub(super) fn line(&mut self, text: &str) -> Result<()> {
        let mut stream = anstream::AutoStream::auto(io::stdout()).lock();
        let written = || writeln!(stream, "{text}").and_then(|()| stream.flush());
        self.unless_closed(written)
    }

    fn unless_closed(&mut self, write: impl FnOnce() -> io::Result<()>) -> Result<()> {
        if self.closed {
            return Ok(());
        }
        match write() {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.closed = true,
            Err(error) => return Err(Error::io("could not write the output", error)),
            Ok(()) => {}
        }
        Ok(())
    }

    /// Writes a JSON value on a line of its own.
    pub(super) fn value(&mut self, value: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string(value).map_err(|error| {
            Error::invalid("could not write the answer as JSON").with_source(error)
        })?;
        self.bare_line(&text)
    }

    /// Writes named values, one a line.
    pub(super) fn fields(&mut self, fields: &[(&str, String)]) -> Result<()> {
        named(fields).iter().try_for_each(|line| self.line(line))
    }

    /// Writes a table, a line for each row, so that ids can be copied and rows found with grep; the
    /// columns named in `right` hold numbers. Long text is shortened, but in the last column.
    pub(super) fn table(
        &mut self,
        header: &[&str],
        right: &[&str],
        rows: impl IntoIterator<Item = Vec<String>>,
    ) -> Result<()> {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(header.to_vec());
        let right: Vec<bool> = header.iter().map(|name| right.contains(name)).collect();
        for row in rows {
            let last = row.len().saturating_sub(1);
            table.add_row(row.iter().zip(&right).enumerate().map(|(index, (text, right))| {
                let alignment = if *right { CellAlignment::Right } else { CellAlignment::Left };
                let text = if index == last { printable(text) } else { shortened(text) };
                Cell::new(text).set_alignment(alignment)
            }));
        }
        self.line(&table.trim_fmt())
    }
}

/// Named values, a line each.
pub(super) fn named(fields: &[(&str, String)]) -> Vec<String> {
    let width = fields.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let line = |(name, value): &(&str, String)| format!("  {DIM}{name:<width$}{DIM:#}  {value}");
    fields.iter().map(line).collect()
}

/// Lines on a terminal that each drawing replaces. The last ones stay.
pub(super) struct Redrawn(ProgressBar);

impl Redrawn {
    /// Nothing where programs read the output, or no terminal shows it.
    pub(super) fn on_terminal(output: &Output) -> Option<Self> {
        if output.json() || !io::stdout().is_terminal() {
            return None;
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout());
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            bar.set_style(style);
        }
        Some(Redrawn(bar))
    }

    /// Draws lines in place of those drawn before.
    pub(super) fn draw(&mut self, lines: &[String]) {
        let text = lines.join("\n");
        let plain = anstream::AutoStream::choice(&io::stdout()) == anstream::ColorChoice::Never;
        self.0.set_message(if plain {
            anstream::adapter::strip_str(&text).to_string()
        } else {
            text
        });
    }
}

impl Drop for Redrawn {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// Text from outside without what would control the terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .map(|character| if character.is_control() { '\u{FFFD}' } else { character })
        .collect()
}

/// Text from outside in a cell.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(CELL_CHARACTERS) {
        Some((end, _)) => printable(text.get(..end).unwrap_or_default()) + "…",
        None => printable(text),
    }
}

/// A message of several lines without what would control the terminal.
fn printable_lines(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(printable).collect();
    lines.join("\n")
}

/// Tells a person something that is not an answer.
pub(super) fn note(text: &str) {
    say(&format!("{DIM}{}{DIM:#}", printable_lines(text)));
}

/// Tells a person what should be looked at.
pub(super) fn warn(text: &str) {
    say(&format!("{WARNING}warning:{WARNING:#} {}", printable_lines(text)));
}

/// Shows an error with its causes, and below it what helps.
pub(super) fn show_error(error: &Error) {
    complain_with(&error.report(), error.hint().as_deref());
}

/// Shows what went wrong, and below it what helps.
pub(super) fn complain_with(text: &str, hint: Option<&str>) {
    complain(text);
    if let Some(hint) = hint {
        show_hint(hint);
    }
}

/// Shows what helps, on a line of its own.
pub(super) fn show_hint(hint: &str) {
    say(&format!("{DIM}hint:{DIM:#} {}", printable_lines(hint)));
}

/// Tells a person what went wrong.
pub(super) fn complain(text: &str) {
    say(&format!("{BAD}error:{BAD:#} {}", printable_lines(text)));
}

fn say(text: &str) {
    // Nobody can be told that standard error is gone.
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// A bar that fills with the bytes of a file, where a person looks.
pub(super) fn progress_bar(length: u64, what: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr_with_hz(10));
    if !io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let template = "{prefix} [{bar:30}] {bytes}/{total_bytes}, {msg} results, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_prefix(what.to_owned());
    bar
}

/// A counter of results, where a person looks.
pub(super) fn progress_counter(what: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
    if !io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    if let Ok(style) = ProgressStyle::with_template("{prefix} {human_pos} results, {per_sec}") {
        bar.set_style(style);
    }
    bar.set_prefix(what.to_owned());
    bar
}

/// A whole number with its thousands apart.
pub(super) fn count(number: impl TryInto<i128>) -> String {
    let number: i128 = number.try_into().unwrap_or_default();
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 { format!("-{text}") } else { text }
}

/// A number of results.
pub(super) fn results(number: u64) -> String {
    format!("{} result{}", count(number), if number == 1 { "" } else { "s" })
}

/// A score from 0 to 1.
pub(super) fn score(score: Option<f64>) -> String {
    score.map_or_else(|| "–".to_owned(), |score| format!("{score:.3}"))
}

/// An amount of US dollars.
pub(super) fn dollars(amount: f64) -> String {
    if amount >= 1.0 { format!("${amount:.2}") } else { format!("${amount:.6}") }
}

/// Counts by name, the greatest first.
pub(super) fn tally<N: Ord + fmt::Display>(counts: &BTreeMap<N, i64>) -> String {
    let mut counts: Vec<(&N, &i64)> = counts.iter().collect();
    counts.sort_by_key(|(name, total)| (std::cmp::Reverse(**total), *name));
    let parts: Vec<String> =
        counts.iter().map(|(name, total)| format!("{name} {}", count(**total))).collect();
    if parts.is_empty() { "–".to_owned() } else { parts.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(count(0_i64), "0");
        assert_eq!(count(999_i64), "999");
        assert_eq!(count(1_000_i64), "1,000");
        assert_eq!(count(1_234_567_u64), "1,234,567");
        assert_eq!(count(-1_000_i64), "-1,000");
    }

    #[test]
    fn text_from_outside_cannot_control_the_terminal() {
        assert_eq!(printable("a\u{1b}[31mb\n"), "a\u{FFFD}[31mb\u{FFFD}");
        assert_eq!(shortened(&"\u{9b}é".repeat(30)), "\u{FFFD}é".repeat(24) + "…");
        assert_eq!(printable_lines("a\u{1b}\nb\u{9b}"), "a\u{FFFD}\nb\u{FFFD}");
    }
}
