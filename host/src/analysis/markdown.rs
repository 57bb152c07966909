//! Reports as Markdown, for example for a pull request.

use super::comparison::ComparisonReport;
use super::document::{Block, Table, comparison_blocks, gate_blocks};
use super::gate::GateReport;

/// The characters that have a meaning in Markdown.
const SPECIAL: &str = "\\`*_[]<>|#~&";

impl ComparisonReport {
    /// Writes the report as Markdown.
    pub fn to_markdown(&self) -> String {
        markdown(&comparison_blocks(self))
    }
}

impl GateReport {
    /// Writes the report as Markdown.
    pub fn to_markdown(&self) -> String {
        markdown(&gate_blocks(self))
    }
}

fn markdown(blocks: &[Block]) -> String {
    let mut parts: Vec<String> = Vec::with_capacity(blocks.len());
    for (index, block) in blocks.iter().enumerate() {
        parts.push(match block {
            // The answer comes first.
            Block::Paragraph(paragraph) if index == 0 => format!("**{}**", escaped(paragraph)),
            Block::Paragraph(paragraph) => escaped(paragraph),
            Block::Heading(heading) => format!("### {}", escaped(heading)),
            Block::Table(table) => table_lines(table),
        });
    }
    parts.join("\n\n") + "\n"
}

fn table_lines(table: &Table) -> String {
    let rules = table.columns.iter().map(|column| if column.is_text { ":--" } else { "--:" });
    let rules: Vec<&str> = rules.collect();
    let names: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
    let mut lines = vec![row_line(&names), format!("|{}|", rules.join("|"))];
    lines.extend(table.rows.iter().map(|row| row_line(row)));
    lines.join("\n")
}

fn row_line(row: &[String]) -> String {
    let cells: Vec<String> = row.iter().map(|cell| escaped(cell)).collect();
    format!("| {} |", cells.join(" | "))
}

/// Escapes the characters of Markdown, so that names stay as they are.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for one in text.chars() {
        match one {
            special if SPECIAL.contains(special) => {
                escaped.push('\\');
                escaped.push(special);
            }
            // A mention of a user of the forge has no space, also none of width 0.
            '@' => escaped.push_str("@\u{200b}"),
            control if control.is_control() => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::{Metric, Options, Run, compare};

    #[test]
    fn names_stay_as_they_are() {
        assert_eq!(escaped("a|b_c\n@d"), "a\\|b\\_c @\u{200b}d");
    }

    #[test]
    fn the_answer_comes_first_and_tables_have_rules() {
        let (a, b) = (Run::of_scores("A", &[[1.0]; 3]), Run::of_scores("B", &[[0.0]; 3]));
        let metric = Metric::binary("correct");
        let report = compare(&a, &[b], &metric, &Options::default()).unwrap().to_markdown();
        assert!(report.starts_with("**It is not decided whether B is better or worse than A: "));
        assert!(report.contains("|:--|--:|--:|--:|--:|--:|--:|\n| A | 100.0 % |"), "{report}");
        assert!(report.contains("### 3 scenarios worse, the worst first\n"));
    }
}
