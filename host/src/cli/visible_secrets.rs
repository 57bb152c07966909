//! Secrets among the arguments, which every user of the machine can see.

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::output;

/// The options that can hold a secret, and the variable that keeps it invisible.
const OPTIONS: [(&str, Option<&str>); 3] = [
    ("database_url", Some("ARC_DATABASE_URL")),
    ("postgres_mirror", Some("ARC_POSTGRES_MIRROR")),
    ("server", None),
];

/// Warns of secrets on the command line, without showing them.
pub(super) fn warn(matches: &ArgMatches) {
    for warning in warnings(matches) {
        output::warn(&warning);
    }
}

fn warnings(matches: &ArgMatches) -> Vec<String> {
    let given = |name: &str| {
        let on_command_line = matches.value_source(name) == Some(ValueSource::CommandLine);
        let value = matches.get_one::<String>(name)?;
        on_command_line.then_some(value)
    };
    let advice = |what: &str, variable: Option<&str>| {
        let instead = match variable {
            Some(variable) => format!("set {variable} instead"),
            None => "leave it out".to_owned(),
        };
        format!("{what}, which other users of this machine can see among its processes; {instead}")
    };
    let with_password =
        OPTIONS.iter().filter(|(name, _)| given(name).is_some_and(|text| has_password(text)));
    let mut warnings: Vec<String> = with_password
        .map(|(name, variable)| {
            let option = name.replace('_', "-");
            advice(&format!("--{option} holds a password"), *variable)
        })
        .collect();
    if given("token").is_some() {
        warnings.push(advice("--token holds a secret", Some("ARC_TOKEN")));
    }
    warnings
}

/// Returns whether a URL, or a keyword/value connection string, has a password.
fn has_password(text: &str) -> bool {
    let authority = text.split_once("://").map_or("", |(_, rest)| rest);
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
    user.split_once(':').is_some_and(|(_, password)| !password.is_empty())
        || text.contains("password=")
        || text.contains("password =")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::super::arguments::Arguments;
    use super::*;

    fn warned(arguments: &[&str]) -> Vec<String> {
        let all = std::iter::once("arc-host").chain(arguments.iter().copied());
        warnings(&Arguments::command().try_get_matches_from(all).unwrap())
    }

    #[test]
    fn visible_secrets_cause_a_warning_that_does_not_show_them() {
        for url in [
            "postgresql://arc:hush@db.example/arc",
            "postgres://:hush@db.example/arc",
            "postgresql://arc@db.example/arc?password=hush",
            "host=db.example user=arc password=hush",
            "host=db.example password = 'hush'",
        ] {
            for arguments in [["--database-url", url, "health"], ["health", "--database-url", url]]
            {
                let [warning] = &warned(&arguments)[..] else { panic!("{url}") };
                assert!(warning.starts_with("--database-url holds a password"), "{warning}");
                assert!(warning.contains("ARC_DATABASE_URL"), "{warning}");
                assert!(!warning.contains("hush"), "{warning}");
            }
        }
        let [warning] = &warned(&["health", "--token", "arc_hush"])[..] else { panic!() };
        assert!(warning.contains("ARC_TOKEN") && !warning.contains("hush"), "{warning}");
        let mirror = "https://arc:hush@mirror.example/";
        assert_eq!(warned(&["--postgres-mirror", mirror, "health"]).len(), 1);
    }

    #[test]
    fn arguments_without_secrets_cause_no_warning() {
        for url in [
            "postgresql://arc@db.example:5432/arc",
            "postgresql://db.example:5432/a@b",
            "postgresql:///arc?host=/run/postgresql&user=arc",
            "postgresql://[::1]:5432/arc",
            "host=db.example user=arc passfile=/home/arc/.pgpass",
        ] {
            assert_eq!(warned(&["--database-url", url, "health"]), Vec::<String>::new(), "{url}");
        }
        assert!(warned(&["--server", "https://arc.example", "health"]).is_empty());
    }
}
