//! The output for people and programs.
//!
//! Answers go to standard output, everything else to standard error. If the reader closes the pipe
//! (`| head`), the output ends, but the work continues. Only terminals get styles; documents and
//! JSON are written unchanged, byte for byte.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};

use anstyle::{AnsiColor, Style};
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::extraction::Violation;
use crate::recorder::SimulationProgress;
use crate::store::{Origin, ReviewFigures, UsageFigures};

pub(super) const BOLD: Style = Style::new().bold();
pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
pub(super) const BAD: Style = AnsiColor::Red.on_default();
pub(super) const WARNING: Style = AnsiColor::Yellow.on_default();

/// The maximum number of characters in a cell: more than an id, which has 36.
const CELL_CHARACTERS: usize = 48;

/// The columns that are never shortened: people copy their values, or they are short.
const WHOLE_COLUMNS: [&str; 5] = ["simulation", "outcome", "id", "status", "age"];

/// From this width on, a list has all its columns.
const WIDE_LIST: u16 = 110;

/// The spaces beside the text of a column.
const COLUMN_GAP: usize = 2;

/// A narrower table cannot be read.
const MIN_WIDTH: u16 = 40;

/// The width of a list of which people read all columns, if that of the output is unknown.
const LIST_WIDTH: u16 = 80;

/// Standard output, as text for people or JSON for programs.
pub(super) struct Output {
    json: bool,
    closed: bool,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        Output { json, closed: false }
    }

    /// Returns whether the output is JSON for programs.
    pub(super) fn json(&self) -> bool {
        self.json
    }

    /// Returns whether the reader has closed the output.
    pub(super) fn closed(&self) -> bool {
        self.closed
    }

    /// Writes bytes unchanged.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        // Not through the styled stream, which removes everything that looks like a style.
        let mut stream = io::stdout().lock();
        let written = || stream.write_all(bytes).and_then(|()| stream.flush());
        self.unless_closed(written)
    }

    /// Writes a line of text unchanged.
    pub(super) fn bare_line(&mut self, text: &str) -> Result<()> {
        self.bytes(format!("{text}\n").as_bytes())
    }

    /// Writes a line of text for people, with styles if the output supports them.
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

    /// Writes named values, one per line.
    pub(super) fn fields(&mut self, fields: &[(&str, String)]) -> Result<()> {
        named(fields).iter().try_for_each(|line| self.line(line))
    }

    /// Writes a table with one line for each row, so that ids can be copied and rows found with
    /// grep. The columns named in `right` hold numbers. Long text is shortened, in the last column
    /// only if the width of the output is known: that of the terminal, or the variable COLUMNS.
    pub(super) fn table(
        &mut self,
        header: &[&str],
        right: &[&str],
        rows: impl IntoIterator<Item = Vec<String>>,
    ) -> Result<()> {
        self.table_of(width(), header, right, rows)
    }

    /// Writes a table as [`Output::table`], of at most 80 characters if the width of the output is not
    /// known.
    pub(super) fn list(
        &mut self,
        header: &[&str],
        right: &[&str],
        rows: impl IntoIterator<Item = Vec<String>>,
    ) -> Result<()> {
        self.table_of(Some(width().unwrap_or(LIST_WIDTH)), header, right, rows)
    }

    fn table_of(
        &mut self,
        width: Option<u16>,
        header: &[&str],
        right: &[&str],
        rows: impl IntoIterator<Item = Vec<String>>,
    ) -> Result<()> {
        let cells = |row: Vec<String>| -> Vec<String> {
            let last = row.len().saturating_sub(1);
            let cell = |(index, text): (usize, &String)| match index == last || width.is_some() {
                true => printable(text),
                false => shortened(text),
            };
            row.iter().enumerate().map(cell).collect()
        };
        let mut rows: Vec<Vec<String>> = rows.into_iter().map(cells).collect();
        if let Some(width) = width {
            fit(usize::from(width), header, right, &mut rows);
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(header.to_vec());
        let is_right: Vec<bool> = header.iter().map(|name| right.contains(name)).collect();
        for row in rows {
            table.add_row(row.into_iter().zip(&is_right).map(|(text, right)| {
                let alignment = if *right { CellAlignment::Right } else { CellAlignment::Left };
                Cell::new(text).set_alignment(alignment)
            }));
        }
        self.line(&table.trim_fmt())
    }
}

/// Shortens the texts of a table so that its lines have at most `width` characters, if that is possible:
/// neither numbers nor [`WHOLE_COLUMNS`] are shortened, and errors less than others.
fn fit(width: usize, header: &[&str], right: &[&str], rows: &mut [Vec<String>]) {
    let longest = |index: usize, name: &str| {
        let cells = rows.iter().filter_map(|row| row.get(index)).map(|text| text.chars().count());
        cells.max().unwrap_or_default().min(width).max(name.len())
    };
    let mut widths: Vec<usize> =
        header.iter().enumerate().map(|(index, name)| longest(index, name)).collect();
    let is_fixed = |name: &&str| right.contains(name) || WHOLE_COLUMNS.contains(name);
    while widths.iter().map(|column| column + COLUMN_GAP).sum::<usize>() > width {
        let columns = widths.iter_mut().zip(header);
        let reducible = columns.filter(|(column, name)| !is_fixed(name) && **column > name.len());
        let widest = reducible.max_by_key(|(column, name)| match **name {
            "error" => **column / 2,
            _ => **column,
        });
        let Some((column, _)) = widest else { break };
        *column -= 1;
    }
    for row in rows {
        for ((text, name), most) in row.iter_mut().zip(header).zip(&widths) {
            let length = text.chars().count();
            if length > *most {
                // Names and paths differ in their ends.
                let is_name = ["name", "scenario"].contains(name);
                let head =
                    if is_name { most.saturating_sub(1) / 3 } else { most.saturating_sub(1) };
                let tail = length - most.saturating_sub(1 + head);
                let begin = text.chars().take(head);
                *text = begin.chain(['…']).chain(text.chars().skip(tail)).collect();
            }
        }
    }
}

/// Whether a list has room for more than its most important columns.
pub(super) fn is_wide() -> bool {
    width().is_some_and(|width| width >= WIDE_LIST)
}

/// Returns the number of characters in a line, if it is known.
fn width() -> Option<u16> {
    if io::stdout().is_terminal() {
        return Table::new().width();
    }
    std::env::var("COLUMNS").ok()?.parse().ok().filter(|width| *width >= MIN_WIDTH)
}

/// Formats named values, one per line.
pub(super) fn named(fields: &[(&str, String)]) -> Vec<String> {
    let width = fields.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let line = |(name, value): &(&str, String)| format!("  {DIM}{name:<width$}{DIM:#}  {value}");
    fields.iter().map(line).collect()
}

/// Lines on a terminal that are redrawn in place. The last ones remain.
pub(super) struct LiveLines(ProgressBar);

impl LiveLines {
    /// Returns `None` if programs read the output, or if it is not a terminal.
    pub(super) fn on_terminal(output: &Output) -> Option<Self> {
        if output.json() || !io::stdout().is_terminal() {
            return None;
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout());
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            bar.set_style(style);
        }
        Some(LiveLines(bar))
    }

    /// Draws lines in place of the previous ones.
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

impl Drop for LiveLines {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// Replaces control characters of external text, which could control the terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .map(|character| if character.is_control() { '\u{FFFD}' } else { character })
        .collect()
}

/// Shortens external text for a cell.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(CELL_CHARACTERS) {
        Some((end, _)) => printable(text.get(..end).unwrap_or_default()) + "…",
        None => printable(text),
    }
}

/// Replaces control characters of a message of several lines.
fn printable_lines(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(printable).collect();
    lines.join("\n")
}

/// Shows a note that is not part of the answer.
pub(super) fn note(text: &str) {
    write_message(&format!("{DIM}{}{DIM:#}", printable_lines(text)));
}

/// Shows a warning.
pub(super) fn warn(text: &str) {
    write_message(&format!("{WARNING}warning:{WARNING:#} {}", printable_lines(text)));
}

/// Shows the warnings of an answer.
pub(super) fn warn_all(warnings: &[Violation]) {
    warnings.iter().for_each(|warning| warn(&warning.message));
}

/// Shows a warning, and a hint on the next line.
pub(super) fn warn_with_hint(text: &str, hint: Option<&str>) {
    warn(text);
    if let Some(hint) = hint {
        show_hint(hint);
    }
}

/// Shows an error with its causes, and its hint on the next line.
pub(super) fn show_error(error: &Error) {
    show_error_with_hint(&error.report(), error.hint().as_deref());
}

/// Shows an error message, and a hint on the next line.
pub(super) fn show_error_with_hint(text: &str, hint: Option<&str>) {
    show_error_message(text);
    if let Some(hint) = hint {
        show_hint(hint);
    }
}

/// Shows a hint on a line of its own.
pub(super) fn show_hint(hint: &str) {
    write_message(&format!("{DIM}hint:{DIM:#} {}", printable_lines(hint)));
}

/// Shows an error message.
pub(super) fn show_error_message(text: &str) {
    write_message(&format!("{BAD}error:{BAD:#} {}", printable_lines(text)));
}

fn write_message(text: &str) {
    // If standard error is closed, nothing can be reported.
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// Returns a progress bar for the bytes of a file, which is hidden unless standard error is a
/// terminal.
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

/// Returns a progress bar for a known number of results, which is hidden unless standard error is a
/// terminal.
pub(super) fn progress_of_results(length: u64, what: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr_with_hz(10));
    if !io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let template = "{prefix} [{bar:30}] {human_pos}/{human_len} results, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_prefix(what.to_owned());
    bar
}

/// Returns a counter of results, which is hidden unless standard error is a terminal.
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

/// Formats a whole number with thousands separators.
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

/// Formats a number of something whose plural ends in s.
pub(super) fn plural(number: u64, what: &str) -> String {
    format!("{} {what}{}", count(number), if number == 1 { "" } else { "s" })
}

/// Formats a number of results.
pub(super) fn results(number: u64) -> String {
    plural(number, "result")
}

/// Formats the name, the id and the status of a simulation.
pub(super) fn title(progress: &SimulationProgress) -> String {
    format!(
        "{BOLD}{}{BOLD:#} {} ({})",
        printable(progress.simulation_name.as_deref().unwrap_or("unnamed")),
        progress.simulation_id,
        progress.status
    )
}

/// Formats a score from 0 to 1.
pub(super) fn score(score: Option<f64>) -> String {
    score.map_or_else(|| "–".to_owned(), |score| format!("{score:.3}"))
}

/// Formats a score from 0 to 1; if its scale is unknown, as the tool wrote it, marked, and with at most
/// three digits after the point.
pub(super) fn scaled_or_raw(scaled: Option<f64>, raw: Option<f64>) -> String {
    match (scaled, raw) {
        (None, Some(raw)) => {
            let digits = format!("{raw:.3}");
            format!("{} (raw)", digits.trim_end_matches('0').trim_end_matches('.'))
        }
        _ => score(scaled),
    }
}

/// Formats the name of a figure of a metric. Some tools have one figure for each metric, with its name.
pub(super) fn figure(figure: &str, metric: &str) -> String {
    match figure == metric {
        true => printable(metric),
        false => printable(&format!("{figure} of {metric}")),
    }
}

/// Formats how much of a simulation is completed.
pub(super) fn progress(progress: &SimulationProgress) -> String {
    format!(
        "{:.1}% ({} of {} scenarios)",
        progress.progress_percentage,
        count(progress.completed_scenarios),
        count(progress.total_scenarios)
    )
}

/// How many superseded results are named.
const NAMED_SUPERSEDED: usize = 5;

/// Formats the number of superseded results, and the names of the first ones, as a field, if there
/// are any.
pub(super) fn superseded(progress: &SimulationProgress) -> Option<(&'static str, String)> {
    let total = progress.superseded_outcomes;
    let named = progress.superseded_results.iter().take(NAMED_SUPERSEDED);
    let mut names: Vec<String> = named
        .map(|result| {
            let place = result.place.as_ref().unwrap_or(&result.result_key);
            format!("{} ({})", printable(&result.scenario_id), printable(place))
        })
        .collect();
    if i64::try_from(names.len()).is_ok_and(|named| named < total) {
        names.push("…".to_owned());
    }
    (total > 0).then(|| ("superseded", format!("{}: {}", count(total), names.join(", "))))
}

/// Formats how many results have annotations.
pub(super) fn review(review: &ReviewFigures) -> String {
    let counts = [
        (review.invalidated, "invalidated"),
        (review.restored, "restored"),
        (review.changed_scores, "scores changed"),
        (review.superseded_scores, "changed scores superseded"),
        (review.changed_classes, "failure classes changed"),
        (review.noted, "with notes or tags"),
    ];
    let shown = counts.iter().filter(|(number, _)| *number > 0);
    let shown: Vec<String> =
        shown.map(|(number, what)| format!("{} {what}", count(*number))).collect();
    shown.join(", ")
}

/// Formats the score of a simulation with its name, and beside the tool's figure the recorded one.
pub(super) fn headline(progress: &SimulationProgress) -> String {
    let Some(headline) = &progress.headline else { return score(progress.overall_score) };
    let Some(value) = headline.value else {
        return format!("– ({})", printable(&headline.metric));
    };
    let mut text = format!("{value:.3}");
    if let Some(error) = headline.standard_error {
        text += &format!(" ± {error:.3}");
    }
    text += &format!(" ({})", figure(&headline.figure, &headline.metric));
    let unscored = match headline.unscored {
        0 => String::new(),
        unscored => format!(", {} without a score", count(unscored)),
    };
    match headline.computed {
        Some(computed) if (computed - value).abs() > 1e-9 => {
            text += &format!("; recorded: {computed:.3} over {}{unscored}", count(headline.scored));
        }
        _ if headline.unscored > 0 => {
            text += &format!(", over {}{unscored}", count(headline.scored))
        }
        _ => {}
    }
    match progress.score_scale {
        None => text += "; scale unknown",
        // The same number.
        Some(1.0) => {}
        Some(scale) => {
            text += &format!("; highest {scale}, from 0 to 1: {}", score(progress.overall_score));
        }
    }
    text
}

/// Formats which values of a metric are better, and whether that is assumed.
pub(super) fn better(higher: bool, assumed: bool) -> &'static str {
    match (higher, assumed) {
        (true, false) => "higher",
        (true, true) => "higher (assumed)",
        (false, _) => "lower",
    }
}

/// Formats who ran what, as fields; unknown ones are left out.
pub(super) fn origin(origin: &Origin) -> Vec<(&'static str, String)> {
    let models = (!origin.models.is_empty()).then(|| origin.models.join(", "));
    let named = |name: &Option<String>, version: &Option<String>| {
        let name = name.as_ref()?;
        Some(version.as_ref().map_or_else(|| name.clone(), |version| format!("{name} {version}")))
    };
    let is_named = |provider: &&String| {
        !origin.models.iter().all(|model| model.starts_with(provider.as_str()))
    };
    let fields = [
        (if origin.models.len() > 1 { "models" } else { "model" }, models),
        ("provider", origin.provider.as_ref().filter(is_named).cloned()),
        ("agent", named(&origin.agent, &origin.agent_version)),
        ("task", named(&origin.task, &origin.task_version)),
        ("data set", named(&origin.dataset, &origin.dataset_version)),
        ("tool", named(&origin.tool, &origin.tool_version)),
    ];
    fields.into_iter().filter_map(|(name, text)| Some((name, printable(&text?)))).collect()
}

/// Formats the agent's tokens by kind, and beside them those of all roles.
pub(super) fn tokens(progress: &SimulationProgress) -> String {
    let mut text = count(progress.total_tokens);
    let agent = || progress.usage.iter().filter(|usage| usage.is_agent());
    type Kind = (&'static str, fn(&UsageFigures) -> i64);
    let kinds: [Kind; 5] = [
        ("uncached input", |usage| usage.uncached_input_tokens),
        ("cache read", |usage| usage.cache_read_tokens),
        ("cache write", |usage| usage.cache_write_tokens),
        ("output", |usage| usage.output_tokens),
        ("reasoning", |usage| usage.reasoning_tokens),
    ];
    let kinds =
        kinds.map(|(kind, tokens)| (kind, agent().map(tokens).fold(0, i64::saturating_add)));
    let used: Vec<String> = kinds
        .into_iter()
        .filter(|(_, tokens)| *tokens > 0)
        .map(|(kind, tokens)| format!("{kind} {}", count(tokens)))
        .collect();
    if !used.is_empty() {
        text += &format!(" ({})", used.join(", "));
    }
    if progress.all_roles_tokens != progress.total_tokens {
        text += &format!("; {} with all roles", count(progress.all_roles_tokens));
    }
    text
}

/// Formats the cost that the tool reports, and the one that is computed from the prices.
pub(super) fn cost(progress: &SimulationProgress) -> String {
    let computed = progress.computed_cost_usd.map(|cost| {
        let unpriced = match progress.unpriced_outcomes {
            0 => String::new(),
            results => format!(", {} without a price", count(results)),
        };
        let dates = progress.prices_dated.join(", ");
        format!("{} computed with the prices of {dates}{unpriced}", dollars(cost))
    });
    match (progress.total_cost_usd, computed) {
        (0.0, Some(computed)) => computed,
        (0.0, None) if progress.total_tokens > 0 => "unknown".to_owned(),
        (reported, Some(computed)) => format!("{}; {computed}", dollars(reported)),
        (reported, None) => dollars(reported),
    }
}

/// Formats tokens and cost by role, model and try, as fields, if there are several of them.
pub(super) fn usage(usage: &[UsageFigures]) -> Vec<(&'static str, String)> {
    let line = |one: &UsageFigures| {
        let mut text = one.role.as_deref().unwrap_or("agent").to_owned();
        if let Some(model) = &one.model {
            text += &format!(", {model}");
        }
        if one.discarded {
            text += ", discarded";
        }
        text += &format!(": {} tokens", count(one.total_tokens));
        match (one.cost_usd.filter(|cost| *cost > 0.0), one.computed_cost_usd) {
            (Some(reported), _) => text += &format!(", {}", dollars(reported)),
            (None, Some(computed)) => text += &format!(", {} computed", dollars(computed)),
            (None, None) => {}
        }
        printable(&text)
    };
    let several = usage.len() > 1;
    usage.iter().filter(|_| several).map(|one| ("usage", line(one))).collect()
}

/// Formats an amount of US dollars.
pub(super) fn dollars(amount: f64) -> String {
    if amount >= 1.0 { format!("${amount:.2}") } else { format!("${amount:.6}") }
}

/// Formats the first line of a message that is not blank.
pub(super) fn first_line(message: &str) -> &str {
    message.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default()
}

/// Formats the time since a moment in its greatest unit, such as `5m`.
pub(super) fn age(since: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(since).as_secs().max(0);
    let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
    let greatest = units.into_iter().find(|(length, _)| seconds >= *length);
    let (length, unit) = greatest.unwrap_or((1, "s"));
    format!("{}{unit}", seconds / length)
}

/// Formats a duration for a table.
pub(super) fn milliseconds(milliseconds: f64) -> String {
    match milliseconds {
        short if short < 1_000.0 => format!("{short:.0} ms"),
        long => format!("{:.1} s", long / 1_000.0),
    }
}

/// Formats the first eight characters of an id, which commands accept instead of it.
pub(super) fn short_id(id: Uuid) -> String {
    id.to_string().chars().take(8).collect()
}

/// Formats counts by name, the greatest first.
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
    fn a_table_fits_and_keeps_what_distinguishes_its_rows() {
        let text = |text: &str| text.to_owned();
        let mut rows = vec![
            vec![
                text("0192f3c1"),
                text("logs/of/a/long/path/weather-1"),
                text("an error of some length"),
            ],
            vec![text("0192f3c2"), text("logs/of/a/long/path/weather-2"), text("short")],
        ];
        fit(40, &["simulation", "name", "error"], &[], &mut rows);
        assert_eq!(rows[0], ["0192f3c1", "lo…her-1", "an error of som…"]);
        assert_eq!(rows[1], ["0192f3c2", "lo…her-2", "short"]);
        let mut wide = vec![vec![text("a/b"), text("1")]];
        fit(80, &["name", "score"], &["score"], &mut wide);
        assert_eq!(wide[0], ["a/b", "1"]);
    }

    #[test]
    fn an_age_has_its_greatest_unit() {
        let since: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
        for (now, expected) in [
            ("2026-11-01T00:00:59Z", "59s"),
            ("2026-11-01T00:59:59Z", "59m"),
            ("2026-11-01T23:59:00Z", "23h"),
            ("2026-11-30T01:00:00Z", "29d"),
            ("2026-10-30T01:00:00Z", "0s"),
        ] {
            assert_eq!(age(since, now.parse().unwrap()), expected);
        }
    }

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
