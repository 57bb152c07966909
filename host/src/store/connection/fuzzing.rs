//! The fuzz target of connection settings; see [`crate::fuzzing`].

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a property that does not hold panics"
)]

use super::ConnectionSettings;
use super::passfile::{self, PasswordQuery};
use super::settings::Host;

/// The password of the corpus, which no message must contain.
const SECRET: &str = "hunter2";

/// The input is a URL, a keyword/value connection string, or the text of a password file.
pub(crate) fn connections(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match ConnectionSettings::from_url_alone(text) {
        Err(error) => {
            let shown = format!("{} {error:?}", error.report_with_hint());
            assert!(!shown.contains(SECRET), "{shown}");
            let hint = error.hint().unwrap_or_default();
            assert!(hint.contains("a database URL looks like"), "{shown}");
        }
        Ok(settings) => {
            let printed = settings.to_string();
            let debugged = format!("{settings:?}");
            for target in &settings.targets {
                let password = target.password.as_ref().map(|password| password.0.as_str());
                // Only if it is the password and nothing else.
                if password == Some(SECRET) && text.matches(SECRET).count() == 1 {
                    assert!(!printed.contains(SECRET) && !debugged.contains(SECRET), "{printed}");
                }
            }
            let again = ConnectionSettings::from_url_alone(&printed)
                .unwrap_or_else(|error| panic!("{printed} is not read: {error}"));
            let place = |settings: &ConnectionSettings| -> Vec<(Host, u16)> {
                let targets = settings.targets.iter();
                targets.map(|target| (target.host.clone(), target.port)).collect()
            };
            assert_eq!(place(&again), place(&settings), "{printed}");
            assert_eq!((&again.user, &again.database), (&settings.user, &settings.database));
            assert_eq!(again.ssl_mode, settings.ssl_mode);
            assert_eq!(again.to_string(), printed);
            is_for_another_program(&settings);
        }
    }
    password_file(text);
}

/// Variables have values that are valid for a process.
fn is_for_another_program(settings: &ConnectionSettings) {
    for (name, value) in settings.environment() {
        let text = value.unwrap_or_default();
        assert!(!text.as_encoded_bytes().contains(&0), "{name} has a zero byte");
    }
}

/// A line that is written for a server is found for it.
fn password_file(text: &str) {
    let wanted = PasswordQuery { host: "db.example", port: 5432, database: "name", user: "me" };
    let found = passfile::find(text, &wanted);
    assert!(found.is_none_or(|password| !password.is_empty()));
    let first = text.lines().next().unwrap_or_default();
    if first.is_empty() || first.contains('\r') {
        return;
    }
    let escaped = first.replace('\\', r"\\").replace(':', r"\:");
    let line = format!("*:*:name:me:{escaped}");
    assert_eq!(passfile::find(&line, &wanted).as_deref(), Some(first));
    let wanted = PasswordQuery { user: first, ..wanted };
    let line = format!("*:*:*:{escaped}:found");
    assert_eq!(passfile::find(&line, &wanted).as_deref(), Some("found"));
}
