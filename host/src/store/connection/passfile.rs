//! Passwords from a password file: a line `host:port:database:user:password` for each, `*` for any.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// The connection for which a password is looked up.
#[derive(Debug)]
pub(super) struct PasswordQuery<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) database: &'a str,
    pub(super) user: &'a str,
}

/// Returns the text of a password file, unless it is missing or readable by others, as in libpq.
pub(super) fn read(path: &Path) -> Option<String> {
    let metadata = fs::metadata(path).ok()?;
    if !metadata.is_file() || metadata.mode() & 0o077 != 0 {
        return None;
    }
    fs::read_to_string(path).ok()
}

/// Returns the password of the first matching line.
pub(super) fn find(text: &str, wanted: &PasswordQuery<'_>) -> Option<String> {
    let port = wanted.port.to_string();
    let expected = [wanted.host, &port, wanted.database, wanted.user];
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let mut rest = line;
        for value in expected {
            let (field, after) = field(rest);
            if field != value && field != "*" {
                return None;
            }
            rest = after?;
        }
        let (password, _) = field(rest);
        (!password.is_empty()).then_some(password)
    })
}

/// Returns the next field, and the text after its colon. A backslash escapes the next character.
fn field(line: &str) -> (String, Option<&str>) {
    let mut field = String::new();
    let mut characters = line.char_indices();
    while let Some((place, character)) = characters.next() {
        match character {
            '\\' => field.extend(characters.next().map(|(_, next)| next)),
            ':' => return (field, line.get(place + 1..)),
            _ => field.push(character),
        }
    }
    (field, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_matching_line_has_the_password() {
        let text = "# comment\n\
                    db:5432:other:me:wrong\n\
                    db:5432:*:me:a\\:b\\\\c\n\
                    *:*:*:*:any";
        let find = |host, port| {
            find(text, &PasswordQuery { host, port, database: "name", user: "me" }).unwrap()
        };
        assert_eq!(find("db", 5432), "a:b\\c");
        assert_eq!(find("db", 5433), "any");
        assert_eq!(
            super::find("db:1", &PasswordQuery { host: "db", port: 1, database: "", user: "" }),
            None
        );
    }
}
