//! The manual's pages and the shells' completions, as the program writes them.

use std::collections::BTreeSet;
use std::process::Command;

use crate::support::{Files, Finished, Program, run, skip_without_tool};

/// Returns the commands that a help text lists.
fn listed(help: &str) -> Vec<String> {
    let Some((_, list)) = help.split_once("\nCommands:\n") else { return Vec::new() };
    let list = list.split("\n\n").next().unwrap();
    let names = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.map(|line| line.split_whitespace().next().unwrap().to_owned());
    names.filter(|name| name != "help").collect()
}

/// Returns all commands, each as its path of names.
fn commands(program: &Program) -> Vec<Vec<String>> {
    let mut all = vec![Vec::new()];
    let mut at = 0;
    while let Some(above) = all.get(at).cloned() {
        let help = program.run(above.iter().map(String::as_str).chain(["--help"])).ended(0).stdout;
        all.extend(listed(&help).into_iter().map(|name| [above.clone(), vec![name]].concat()));
        at += 1;
    }
    all
}

#[test]
fn every_command_has_a_page_with_the_text_of_its_help() {
    let (program, files) = (Program::without_database(), Files::new());
    let folder = files.path("share/man/man1");
    let written = program.run(["--json", "man", "--output", folder.to_str().unwrap()]).ended(0);
    let commands = commands(&program);
    assert!(commands.len() > 25, "{commands:?}");
    let expected: BTreeSet<String> = commands
        .iter()
        .map(|path| {
            format!(
                "{}.1",
                ["arc-host"]
                    .into_iter()
                    .chain(path.iter().map(String::as_str))
                    .collect::<Vec<_>>()
                    .join("-")
            )
        })
        .collect();
    let found: BTreeSet<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(found, expected);
    assert_eq!(written.json()["files"].as_array().unwrap().len(), found.len());

    let page = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let main = page("arc-host.1");
    assert_eq!(program.run(["man"]).ended(0).stdout, main);
    for part in [
        ".TH arc-host 1",
        ".SH EXAMPLES",
        ".SH \"EXIT CODES\"",
        "ARC_SERVER",
        "arc\\-host\\-record(1)",
    ] {
        assert!(main.contains(part), "{part} not in {main}");
    }
    assert!(
        page("arc-host-token-create.1").contains(".SH \"SEE ALSO\"\n\\fBarc\\-host\\-token\\fR(1)")
    );
    assert!(page("arc-host-serve.1").contains("\\-\\-max\\-body\\-mib"));
    for name in &found {
        let text = page(name);
        assert!(!text.contains("__supervise") && !text.contains("__compile"), "{name}");
    }
}

#[test]
fn the_pages_hold_no_value_of_the_machine() {
    let program = Program::without_database();
    let mut command = program.command(["man"]);
    let page = Finished::from(command.env("ARC_TOKEN", "secret-of-this-test").output().unwrap());
    assert_eq!(page.ended(0).stdout, program.run(["man"]).ended(0).stdout);
}

#[test]
fn formatters_find_nothing_wrong_with_the_pages() {
    let (program, files) = (Program::without_database(), Files::new());
    program.run(["man", "--output", files.path("").to_str().unwrap()]).ended(0);
    let checkers: [(&str, &[&str]); 2] = [
        ("mandoc", &["-T", "lint", "-W", "warning"]),
        ("groff", &["-K", "utf8", "-man", "-T", "utf8", "-w", "all", "-z"]),
    ];
    let mut checked = 0;
    for (checker, options) in checkers {
        if Command::new(checker).arg("-V").output().is_err()
            && Command::new(checker).arg("--version").output().is_err()
        {
            continue;
        }
        checked += 1;
        for entry in std::fs::read_dir(files.path("")).unwrap() {
            let output =
                Command::new(checker).args(options).arg(entry.unwrap().path()).output().unwrap();
            let complaints = [output.stdout, output.stderr].concat();
            let complaints = String::from_utf8_lossy(&complaints);
            // The pages belong to a version and have no date.
            let complaints: Vec<_> =
                complaints.lines().filter(|line| !line.contains("missing date")).collect();
            assert!(complaints.is_empty(), "{checker}: {complaints:#?}");
        }
    }
    if checked == 0 {
        skip_without_tool("the manual's form", "neither mandoc nor groff is installed");
    }
}

/// Returns the completions that bash offers for a line whose last argument is incomplete.
fn offered(script: &str, arguments: &[&str]) -> Vec<String> {
    // Does the same as bash: it calls the function that `complete` names, with the arguments of the
    // line.
    let driver = r#"
        script=$1; shift
        source "$script"
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        [[ $(complete -p arc-host) =~ -F\ ([^ ]+) ]] && function=${BASH_REMATCH[1]}
        "$function" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}""#;
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", driver, "bash", script]).args(arguments);
    run(&mut bash).lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_options_and_values() {
    if Command::new("bash").arg("--version").output().is_err() {
        return skip_without_tool("completions in bash", "bash is not installed");
    }
    let (program, files) = (Program::without_database(), Files::new());
    let script = program.run(["completions", "bash"]).ended(0).stdout;
    let script = files.write("arc-host.bash", script);
    let script = script.to_str().unwrap();
    let first = offered(script, &["arc-host", ""]);
    for path in commands(&program).iter().filter(|path| path.len() == 1) {
        assert!(first.contains(&path[0]), "{path:?} not in {first:?}");
    }
    assert!(!first.iter().any(|word| word.starts_with("__")), "{first:?}");
    assert_eq!(offered(script, &["arc-host", "exp"]), ["export"]);
    assert_eq!(offered(script, &["arc-host", "token", "r"]), ["revoke"]);
    assert_eq!(offered(script, &["arc-host", "record", "--simu"]), ["--simulation"]);
    assert_eq!(offered(script, &["arc-host", "export", "--format", "p"]), ["parquet"]);
    assert_eq!(offered(script, &["arc-host", "completions", "z"]), ["zsh"]);
    files.write("here.jsonl", "");
    let file = files.path("here.j");
    let found = offered(script, &["arc-host", "record", "--config", file.to_str().unwrap()]);
    assert_eq!(found, [files.path("here.jsonl").to_str().unwrap()]);
}

#[test]
fn every_shell_has_a_script_that_knows_all_commands() {
    let program = Program::without_database();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = program.run(["completions", shell]).ended(0).stdout;
        for name in ["record", "prune", "completions", "print-settings"] {
            assert!(script.contains(name), "{shell} does not complete {name}");
        }
        assert!(!script.contains("__supervise") && !script.contains("__compile"), "{shell}");
    }
    let refused = program.run(["completions", "tcsh"]).ended(1);
    assert!(
        refused.stderr.contains("bash") && refused.stderr.contains("powershell"),
        "{}",
        refused.stderr
    );
    let help = program.run(["completions", "--help"]).ended(0).stdout;
    assert!(help.contains("source <(arc-host completions bash)"), "{help}");
}
