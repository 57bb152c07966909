//! Reports as plain text of 80 columns.

use super::comparison::ComparisonReport;
use super::document::{Block, Column, Table, comparison_blocks, gate_blocks};
use super::gate::GateReport;

/// The maximum number of characters in a line.
const WIDTH: usize = 80;

/// The spaces between columns.
const GAP: usize = 2;

/// No column is made narrower.
const MIN_COLUMN: usize = 6;

impl ComparisonReport {
    /// Writes the report as plain text.
    pub fn to_text(&self) -> String {
        text(&comparison_blocks(self))
    }
}

impl GateReport {
    /// Writes the report as plain text.
    pub fn to_text(&self) -> String {
        text(&gate_blocks(self))
    }
}

fn text(blocks: &[Block]) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut follows_heading = true;
    for block in blocks {
        if !follows_heading {
            lines.push(String::new());
        }
        follows_heading = matches!(block, Block::Heading(_));
        match block {
            Block::Heading(heading) => lines.extend(wrapped(heading)),
            Block::Paragraph(paragraph) => lines.extend(wrapped(paragraph)),
            Block::Table(table) => lines.extend(table_lines(table)),
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

/// Breaks a paragraph into lines at its spaces. A longer part has a line of its own.
fn wrapped(paragraph: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in printable(paragraph).split(' ') {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

fn table_lines(table: &Table) -> Vec<String> {
    let names = table.columns.iter().map(|column| column.name.as_str());
    let header: Vec<String> = names.map(printable).collect();
    let mut rows: Vec<Vec<String>> = Vec::with_capacity(table.rows.len() + 1);
    rows.extend(table.rows.iter().map(|row| row.iter().map(|cell| printable(cell)).collect()));
    let least = column_widths(&rows, &table.columns);
    rows.insert(0, header);
    let widths = fitted(&rows, &table.columns, &least);
    rows.iter().map(|row| row_line(row, &table.columns, &widths)).collect()
}

/// Returns the widths of the columns below which numbers would not be whole.
fn column_widths(rows: &[Vec<String>], columns: &[Column]) -> Vec<usize> {
    let width = |(index, column): (usize, &Column)| match column.is_text {
        true => MIN_COLUMN,
        false => longest(rows, index).max(MIN_COLUMN),
    };
    columns.iter().enumerate().map(width).collect()
}

fn longest(rows: &[Vec<String>], column: usize) -> usize {
    let cells = rows.iter().filter_map(|row| row.get(column));
    cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
}

/// Returns the widths of the columns, the widest made narrower until a line fits or no column can be.
fn fitted(rows: &[Vec<String>], columns: &[Column], least: &[usize]) -> Vec<usize> {
    let mut widths: Vec<usize> = (0..columns.len()).map(|column| longest(rows, column)).collect();
    while widths.iter().map(|width| width + GAP).sum::<usize>() > WIDTH {
        let reducible = widths.iter_mut().zip(least).filter(|(width, least)| **width > **least);
        match reducible.max_by_key(|(width, _)| **width) {
            Some((widest, _)) => *widest -= 1,
            None => break,
        }
    }
    widths
}

fn row_line(row: &[String], columns: &[Column], widths: &[usize]) -> String {
    let mut line = String::new();
    for ((cell, column), width) in row.iter().zip(columns).zip(widths) {
        let cell = shortened(cell, *width);
        let padding = " ".repeat(width.saturating_sub(cell.chars().count()));
        line.push_str("  ");
        match column.is_text {
            true => line.extend([cell, padding]),
            false => line.extend([padding, cell]),
        }
    }
    line.trim_end().to_owned()
}

/// Shortens a text in its middle: names and paths differ in their ends.
fn shortened(text: &str, most: usize) -> String {
    let length = text.chars().count();
    if length <= most {
        return text.to_owned();
    }
    let head = most.saturating_sub(1) / 3;
    let tail = length - most.saturating_sub(1 + head);
    text.chars().take(head).chain(['…']).chain(text.chars().skip(tail)).collect()
}

/// Replaces characters that would control a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|one| if one.is_control() { '\u{fffd}' } else { one }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::{Metric, Options, Run, TrialState, compare};

    #[test]
    fn lines_have_at_most_80_characters_and_whole_numbers() {
        let mut baseline = Run::of_scores(&"a-very-long-name-".repeat(5), &[[1.0, 0.0]; 40]);
        baseline.scenarios.iter_mut().for_each(|scenario| scenario.id = scenario.id.repeat(9));
        let mut candidate = baseline.clone();
        for (number, scenario) in candidate.scenarios.iter_mut().enumerate() {
            scenario.tags = vec!["tag".repeat(30)];
            scenario.trials[0].score = Some(f64::from(u8::from(number % 3 > 0)));
            scenario.trials[0].cost_usd = Some(123_456.789);
            baseline.scenarios[number].trials[0].cost_usd = Some(number as f64);
        }
        candidate.scenarios.truncate(30);
        let options = Options { by_tag: true, ..Options::default() };
        let report =
            compare(&baseline, &[candidate], &Metric::binary("correct"), &options).unwrap();
        let text = report.to_text();
        // Only a part that is longer has a longer line.
        let long = text.lines().filter(|line| line.chars().count() > WIDTH);
        assert_eq!(long.filter(|line| line.contains(' ')).count(), 0, "{text}");
        assert!(text.contains("123,4"), "{text}");
        assert!(text.ends_with(".\n") && !text.contains(" \n"));
    }

    #[test]
    fn trials_without_a_score_are_counted() {
        let mut run = Run::of_scores("A", &[[1.0, 0.0]; 3]);
        run.scenarios[0].trials[0].score = Some(f64::NAN);
        run.scenarios[1].trials[1].state = TrialState::Missing;
        let report = compare(&run, &[], &Metric::binary("correct"), &Options::default()).unwrap();
        let text = report.to_text();
        assert!(
            text.contains("\nA: of 6 planned trials, 1 without a score, 1 missing.\n"),
            "{text}"
        );
    }

    #[test]
    fn what_controls_a_terminal_is_replaced() {
        assert_eq!(printable("a\u{1b}[1mb\n"), "a\u{fffd}[1mb\u{fffd}");
        assert_eq!(shortened("abcdefghij", 6), "a…ghij");
    }
}
