//! The output of `--help`: the commands in groups, an example for each, and no option that a
//! command ignores.

use std::fmt::Write as _;

use clap::{Command, CommandFactory as _};

use super::arguments::Arguments;

/// The commands in groups, in the order in which a newcomer needs them.
const GROUPS: &[(&str, &[&str])] = &[
    ("Record", &["record", "validate", "run", "formats"]),
    (
        "Read",
        &[
            "simulations",
            "status",
            "metrics",
            "revisions",
            "annotations",
            "missing",
            "outcomes",
            "rejected",
            "performance",
            "failures",
            "export",
        ],
    ),
    ("Compare", &["compare", "gate"]),
    ("Review", &["annotate", "invalidate", "restore"]),
    ("Change recorded data", &["retry-rejected", "reextract", "fail", "cancel"]),
    ("Serve", &["serve", "token", "spool"]),
    ("Operate the database", &["health", "migrate", "prices", "prune", "import-arc", "psql"]),
    ("This program", &["component", "completions", "man", "help"]),
];

/// The options that name a database or a service.
const DATABASE: &[&str] =
    &["database_url", "server", "token", "postgres_bin", "no_download", "postgres_mirror"];

/// The commands that use neither a database nor a service.
const WITHOUT_DATABASE: &[&str] = &["validate", "formats", "component", "completions", "man"];

/// The commands that also ignore the data folder and the cache.
const WITHOUT_FOLDERS: &[&str] = &["completions", "man"];

/// Examples of the commands that have none in their own definition.
const EXAMPLES: &[(&[&str], &str)] = &[
    (&["record"], "arc-host record results.jsonl\ngenerate | arc-host record --name nightly -"),
    (&["validate"], "arc-host validate results.jsonl\narc-host validate --json - < result.json"),
    (
        &["run"],
        "arc-host run runner.wasm -- --trials 3\narc-host run --dir data --env MODEL=small runner.wasm",
    ),
    (&["revisions"], "arc-host revisions 0192f3c1-…\narc-host revisions 0192f3c1-… --use 1"),
    (
        &["compare"],
        "arc-host compare before after\narc-host compare before after --metric judge --cluster repository\narc-host compare before after --markdown > comment.md",
    ),
    (&["gate"], "arc-host gate after --baseline before --margin 0.02"),
    (
        &["annotate"],
        "arc-host annotate nightly --scenario q17 --note 'the question has two answers'\narc-host annotate nightly --outcome 5d3a9e07-… --score 1 --reason 'the scorer is wrong'\narc-host annotate nightly --rules rules.json",
    ),
    (
        &["invalidate"],
        "arc-host invalidate nightly --scenario q17 --scenario q18 --reason 'wrong image'",
    ),
    (&["restore"], "arc-host restore nightly --scenario q17"),
    (&["annotations"], "arc-host annotations nightly\narc-host annotations nightly --json"),
    (&["missing"], "arc-host missing nightly\narc-host missing nightly --ids | runner --only -"),
    (&["formats", "list"], "arc-host formats list"),
    (&["formats", "add"], "arc-host formats add my-format.wasm"),
    (&["formats", "remove"], "arc-host formats remove my-format"),
    (
        &["simulations"],
        "arc-host simulations --status running\narc-host simulations --json --limit 100",
    ),
    (&["simulations", "rename"], "arc-host simulations rename latest 'nightly, new prompt'"),
    (
        &["simulations", "tag"],
        "arc-host simulations tag nightly baseline\narc-host simulations tag nightly --remove baseline",
    ),
    (
        &["simulations", "remove"],
        "arc-host simulations remove 0192f3c1\narc-host simulations remove nightly --yes",
    ),
    (&["status"], "arc-host status latest\narc-host status 0192f3c1 --watch"),
    (
        &["outcomes"],
        "arc-host outcomes 0192f3c1-… --status error\narc-host outcomes 0192f3c1-… --documents > results.jsonl",
    ),
    (
        &["rejected"],
        "arc-host rejected 0192f3c1-…\narc-host rejected 0192f3c1-… --document 5d3a9e07-…",
    ),
    (&["performance"], "arc-host performance 0192f3c1-… --range 24h"),
    (&["failures"], "arc-host failures --limit 10"),
    (
        &["export"],
        "arc-host export --output outcomes.parquet\narc-host export 0192f3c1-… --format csv > outcomes.csv",
    ),
    (&["reextract"], "arc-host reextract --dry-run\narc-host reextract --simulation 0192f3c1-…"),
    (&["fail"], "arc-host fail 0192f3c1-… --reason 'the sandbox ended'"),
    (&["cancel"], "arc-host cancel 0192f3c1-… --reason 'wrong model'"),
    (
        &["serve"],
        "arc-host serve\narc-host serve --listen 0.0.0.0:7117 --tls-certificate cert.pem --tls-key key.pem\narc-host serve --print-settings > arc.toml",
    ),
    (&["token", "create"], "arc-host token create --scope record --name ci"),
    (&["token", "list"], "arc-host token list"),
    (&["token", "revoke"], "arc-host token revoke ci"),
    (
        &["spool", "list"],
        "arc-host spool list --server http://127.0.0.1:7117\narc-host spool list --spool-dir /volume/spool --waiting",
    ),
    (&["spool", "show"], "arc-host spool show 17"),
    (&["health"], "arc-host health\narc-host health --server http://127.0.0.1:7117 --json"),
    (&["migrate"], "arc-host migrate\narc-host migrate --print > migration.sql"),
    (
        &["prices", "load"],
        "arc-host prices load model_prices_and_context_window_backup.json --dated 2026-11-01",
    ),
    (&["prices", "list"], "arc-host prices list"),
    (&["prices", "list"], "arc-host prices list"),
    (&["prices", "show"], "arc-host prices show openai/gpt-4o anthropic/claude-sonnet-4-5"),
    (&["prune"], "arc-host prune --older-than 180d --dry-run\narc-host prune --older-than 180d"),
    (&["psql"], "arc-host psql\narc-host psql -- -c 'select count(*) from arc_recorder.outcomes'"),
    (
        &["component"],
        "arc-host component --output extractor.wasm\narc-host component --format inspect",
    ),
];

/// Returns the definition of the command line, ready to be used.
pub(super) fn command() -> Command {
    prepared(Arguments::command())
}

/// Returns the same without the command `help`, which has no page in the manual.
pub(super) fn command_of_the_manual() -> Command {
    prepared(Arguments::command().disable_help_subcommand(true))
}

fn prepared(mut command: Command) -> Command {
    for (path, examples) in EXAMPLES {
        command = with_examples(command, path, examples);
    }
    let template = format!(
        "{{before-help}}{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\nCommands:\n{}\nOptions:\n\
         {{options}}{{after-help}}",
        groups(&command)
    );
    command = command.help_template(template);
    // This passes the global options down to the commands, so that they can be hidden there.
    command.build();
    command.mut_subcommands(|below| {
        let name = below.get_name().to_owned();
        let below = match WITHOUT_DATABASE.contains(&name.as_str()) {
            true => hide(below, DATABASE),
            false => below,
        };
        match WITHOUT_FOLDERS.contains(&name.as_str()) {
            true => hide(below, &["data_dir", "cache_dir"]),
            false => below,
        }
    })
}

fn with_examples(command: Command, path: &[&str], examples: &str) -> Command {
    match path.split_first() {
        Some((first, rest)) => command.mut_subcommands(|below| match below.get_name() == *first {
            true => with_examples(below, rest, examples),
            false => below,
        }),
        None => {
            let heading = if examples.contains('\n') { "Examples" } else { "Example" };
            command.after_help(format!("{heading}:\n  {}", examples.replace('\n', "\n  ")))
        }
    }
}

/// Hides options of a command and of those below it.
fn hide(command: Command, options: &[&str]) -> Command {
    let command = command.mut_args(|option| {
        let hidden = option.is_hide_set() || options.contains(&option.get_id().as_str());
        option.hide(hidden)
    });
    command.mut_subcommands(|below| hide(below, options))
}

/// Returns the list of commands, group by group, each command with its first sentence.
fn groups(command: &Command) -> String {
    let names = GROUPS.iter().flat_map(|(_, names)| names.iter());
    let width = names.map(|name| name.len()).max().unwrap_or_default();
    let mut text = String::new();
    for (group, names) in GROUPS {
        // Writing to a string does not fail.
        let _ = writeln!(text, " {group}:");
        for name in *names {
            let about = command.find_subcommand(name).and_then(Command::get_about);
            let about = about.map_or_else(
                || "Print this message or the help of a command".to_owned(),
                ToString::to_string,
            );
            let _ = writeln!(text, "  {name:width$}  {about}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_in_one_group_and_has_an_example() {
        let command = command();
        let mut grouped: Vec<&str> =
            GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        let mut names: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
        grouped.sort_unstable();
        names.sort_unstable();
        assert_eq!(grouped, names);
        assert_eq!(without_examples(&command), Vec::<String>::new());
    }

    /// The commands without commands below them that have no example.
    fn without_examples(command: &Command) -> Vec<String> {
        let below = command.get_subcommands().filter(|below| below.get_name() != "help");
        below
            .flat_map(|below| match below.has_subcommands() {
                true => without_examples(below),
                false => {
                    let text = below.get_after_help().map(ToString::to_string).unwrap_or_default();
                    let has = text.starts_with("Example") && text.contains("\n  arc-host ");
                    if has { Vec::new() } else { vec![below.get_name().to_owned()] }
                }
            })
            .collect()
    }

    #[test]
    fn a_command_shows_no_option_that_it_ignores() {
        let mut command = command();
        let mut help = |name: &str| {
            let below = command.find_subcommand_mut(name).unwrap();
            below.render_long_help().to_string()
        };
        assert!(help("record").contains("--database-url"));
        let validate = help("validate");
        assert!(!validate.contains("--database-url") && !validate.contains("--postgres-mirror"));
        assert!(validate.contains("--data-dir") && validate.contains("--json"), "{validate}");
        assert!(!help("man").contains("--data-dir"));
        // The option is still accepted, because scripts pass it to every command.
        let arguments = ["arc-host", "validate", "a.json", "--database-url", "postgresql://a"];
        assert!(super::command().try_get_matches_from(arguments).is_ok());
    }

    #[test]
    fn the_program_shows_its_commands_in_groups() {
        let help = command().render_help().to_string();
        for text in
            ["Commands:\n Record:\n  record", "\n Operate the database:\n", "\n  retry-rejected  "]
        {
            assert!(help.contains(text), "{help}");
        }
        assert!(help.contains("Exit codes:") && help.contains("--version"), "{help}");
    }
}
