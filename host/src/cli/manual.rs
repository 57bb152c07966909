//! `arc-host man`: the pages of the manual, generated from the definition of the command line.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use serde_json::json;

use super::CommandStatus;
use super::output::{self, Output};
use crate::error::{Error, Result};

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Manual {
    /// Write all pages into this folder, which is created: arc-host.1, arc-host-record.1 and so on.
    /// Default: only the page of the program, to standard output.
    #[arg(long, short, value_name = "DIR")]
    output: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  arc-host man | man -l -                              read the page of the program
  arc-host man --output ~/.local/share/man/man1        install all pages; then: man arc-host-record
  sudo arc-host man --output /usr/local/share/man/man1";

/// The section of the manual for programs.
const SECTION: &str = "1";

pub(super) fn run(
    arguments: &Manual,
    program: &Command,
    output: &mut Output,
) -> Result<CommandStatus> {
    let Some(folder) = &arguments.output else {
        output.bytes(&page(program, None)?)?;
        return Ok(CommandStatus::Complete);
    };
    fs::create_dir_all(folder).map_err(|error| {
        Error::io(format!("could not make the folder {}", folder.display()), error)
    })?;
    let mut files = Vec::new();
    write_pages(program, None, folder, &mut files)?;
    if output.json() {
        output.value(&json!({ "files": files }))?;
    } else {
        let count = output::count(files.len() as u64);
        output.line(&format!("wrote {count} pages into {}", folder.display()))?;
    }
    Ok(CommandStatus::Complete)
}

/// Writes the page of a command and those of the commands below it.
fn write_pages(
    command: &Command,
    above: Option<&Command>,
    folder: &Path,
    files: &mut Vec<String>,
) -> Result<()> {
    let path = folder.join(format!("{}.{SECTION}", title(command)));
    fs::write(&path, page(command, above)?)
        .map_err(|error| Error::io(format!("could not write {}", path.display()), error))?;
    files.push(path.display().to_string());
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        write_pages(below, Some(command), folder, files)?;
    }
    Ok(())
}

/// Returns the name of a command's page: the names of the program and the command, joined by
/// dashes.
fn title(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

fn page(command: &Command, above: Option<&Command>) -> Result<Vec<u8>> {
    let manual = Man::new(command.clone())
        .section(SECTION)
        // An empty argument, which would be omitted without its quotes: the pages have a version
        // instead of a date.
        .date("\"\"")
        .source(concat!("Arc Recorder ", env!("CARGO_PKG_VERSION")))
        .manual("Arc Recorder");
    let mut text = Vec::new();
    render(&manual, command, above, &mut text).map_err(|error| {
        Error::io(format!("could not write the page {}", title(command)), error)
    })?;
    // The two breaks and the blank line before the possible values of an option become one blank
    // line.
    let text = String::from_utf8_lossy(&text).replace("\n.br\n\n.br\n", "\n.sp\n");
    Ok(text.into_bytes())
}

fn render(
    manual: &Man,
    command: &Command,
    above: Option<&Command>,
    text: &mut Vec<u8>,
) -> std::io::Result<()> {
    manual.render_title(text)?;
    manual.render_name_section(text)?;
    manual.render_synopsis_section(text)?;
    manual.render_description_section(text)?;
    manual.render_options_section(text)?;
    if command.has_subcommands() {
        manual.render_subcommands_section(text)?;
    }
    let mut end = Roff::default();
    if let Some(closing) = command.get_after_help() {
        closing_sections(&closing.to_string(), &mut end);
    }
    if let Some(above) = above {
        end.control("SH", ["SEE ALSO"]);
        end.text([bold(title(above)), roman(format!("({SECTION})"))]);
    }
    end.to_writer(text)
}

/// Writes the text after a command's help. A paragraph that begins with a title and a colon becomes
/// a section, and indented lines are not wrapped.
fn closing_sections(text: &str, page: &mut Roff) {
    for paragraph in text.split("\n\n") {
        let (heading, body) = match paragraph.split_once(':') {
            Some((heading, body)) if is_heading(heading) => (Some(heading), body),
            _ => (None, paragraph),
        };
        match heading {
            Some(heading) => page.control("SH", [heading.to_uppercase().as_str()]),
            None => page.control("PP", []),
        };
        let as_they_are = body.starts_with("\n  ");
        if as_they_are {
            page.control("nf", []);
        }
        for line in body.lines().map(str::trim).filter(|line| !line.is_empty()) {
            page.text([roman(line)]);
        }
        if as_they_are {
            page.control("fi", []);
        }
    }
}

fn is_heading(text: &str) -> bool {
    !text.contains('\n') && text.split(' ').count() <= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_text_becomes_sections() {
        let mut page = Roff::default();
        closing_sections(
            "Examples:\n  a  b\n  .c\n\nExit codes: 0 all,\n1 not.\n\nFor all users: x",
            &mut page,
        );
        let text = page.render();
        let expected = [
            ".SH EXAMPLES",
            ".nf",
            "a  b",
            "\\&.c",
            ".fi",
            ".SH \"EXIT CODES\"",
            "0 all,",
            "1 not.",
            ".PP",
        ];
        let mut rest = text.as_str();
        for part in expected {
            let (_, after) =
                rest.split_once(part).unwrap_or_else(|| panic!("{part} not in {text}"));
            rest = after;
        }
        assert!(rest.contains("For all users: x"), "{text}");
    }
}
