//! Named parameters in SQL: `:name` becomes `$1`, and text that only resembles one is unchanged.

/// A statement with numbered parameters.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NumberedStatement {
    /// The statement, without a semicolon at its end.
    pub(super) sql: String,
    /// The name of each parameter, in the order of the numbers.
    pub(super) names: Vec<String>,
}

impl NumberedStatement {
    /// Finds the names outside of literals, quoted identifiers and comments; `::type` is not a name.
    pub(super) fn read(sql: &str) -> Self {
        let mut rest = sql.trim_end().trim_end_matches(';').trim_end();
        let mut numbered =
            NumberedStatement { sql: String::with_capacity(rest.len()), names: Vec::new() };
        while !rest.is_empty() {
            let before = numbered.sql.chars().next_back();
            let length = match rest.strip_prefix(':') {
                Some(after) if before != Some(':') && name_length(after) > 0 => {
                    let (name, after) = after.split_at(name_length(after));
                    numbered.number(name);
                    rest = after;
                    continue;
                }
                _ => untouched_length(rest, before),
            };
            let (part, after) = rest.split_at(length);
            numbered.sql.push_str(part);
            rest = after;
        }
        numbered
    }

    fn number(&mut self, name: &str) {
        let known = self.names.iter().position(|known| known == name);
        let number = known.unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        });
        self.sql.push_str(&format!("${}", number + 1));
    }
}

fn is_of_name(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn name_length(text: &str) -> usize {
    if text.starts_with(|first: char| first.is_numeric()) {
        return 0;
    }
    text.find(|letter| !is_of_name(letter)).unwrap_or(text.len())
}

/// Returns the length of the token at the beginning of the text: a literal, a comment, or a single
/// character.
fn untouched_length(text: &str, before: Option<char>) -> usize {
    let one = text.chars().next().map_or(0, char::len_utf8);
    let through = |found: Option<usize>, end: usize| found.map_or(text.len(), |at| at + end);
    if text.starts_with("--") {
        return through(text.find('\n'), 1);
    }
    if text.starts_with("/*") {
        return comment_length(text);
    }
    match text.chars().next() {
        // In E'…' a backslash escapes the quote.
        Some('\'') => quoted_length(text, '\'', before.is_some_and(|e| e == 'E' || e == 'e')),
        Some('"') => quoted_length(text, '"', false),
        Some('$') if !before.is_some_and(is_of_name) => {
            let tag = text.get(1..).map_or(0, name_length) + 1;
            match text.get(..=tag) {
                Some(mark) if mark.ends_with('$') && mark.len() > 1 => {
                    let body = text.get(mark.len()..).unwrap_or_default();
                    through(body.find(mark), mark.len() * 2)
                }
                _ => one,
            }
        }
        _ => one,
    }
}

fn quoted_length(text: &str, quote: char, backslashes: bool) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if backslashes && letter == '\\' {
            escaped = true;
        } else if letter == quote {
            // A doubled quote ends one literal and begins the next, which has the same effect here.
            return at + letter.len_utf8();
        }
    }
    text.len()
}

/// Comments can be nested.
fn comment_length(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(sql: &str) -> (String, Vec<String>) {
        let NumberedStatement { sql, names } = NumberedStatement::read(sql);
        (sql, names)
    }

    #[test]
    fn names_become_numbers_and_a_name_that_comes_again_keeps_its_own() {
        let (sql, names) = read("UPDATE s SET a = :a, b = NOW() WHERE id = :id AND :a <> 'x'; ");
        assert_eq!(sql, "UPDATE s SET a = $1, b = NOW() WHERE id = $2 AND $1 <> 'x'");
        assert_eq!(names, ["a", "id"]);
    }

    #[test]
    fn text_that_resembles_a_name_is_unchanged() {
        for sql in [
            "SELECT '12:30'::time, 'it''s :a', \"a:b\"",
            "SELECT E'a\\':b', 1 -- :c",
            "SELECT $$:a$$, $tag$ $$ :b $tag$ /* :c /* :d */ :e */",
            "SELECT a[1:2], 'ends here :a",
            "SELECT x::text",
        ] {
            assert_eq!(read(sql), (sql.to_owned(), Vec::new()));
        }
        let (sql, names) = read("SELECT 'a:b' || :ä || $x1$:no$x1$ /* é :no */ || :c::text");
        assert_eq!(sql, "SELECT 'a:b' || $1 || $x1$:no$x1$ /* é :no */ || $2::text");
        assert_eq!(names, ["ä", "c"]);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_and_nothing_but_names_changes(sql in "[a:'\"$\\-/*\\\\ \n;é]{0,40}") {
            let numbered = NumberedStatement::read(&sql);
            let mut back = numbered.sql;
            for (index, name) in numbered.names.iter().enumerate().rev() {
                back = back.replace(&format!("${}", index + 1), &format!(":{name}"));
            }
            let kept = sql.trim_end().trim_end_matches(';').trim_end();
            proptest::prop_assert_eq!(back, kept);
        }
    }
}
