//! A lexer for Rust that is sufficient to find imports and strings.

/// The kind of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A name or a keyword.
    Identifier(String),
    /// The content of a string, with its escapes as in the source.
    Text(String),
    /// `::`.
    Path,
    /// Any other character of punctuation.
    Mark(char),
    /// A number, a character or a lifetime, which no test needs.
    Other,
}

/// A token and its line, counted from 1.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) line: usize,
}

/// Returns the tokens of a source file, without comments.
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    let mut lexer = Lexer { rest: source, line: 1, tokens: Vec::new() };
    while lexer.step() {}
    lexer.tokens
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    /// Consumes one token, comment or space. Returns false at the end.
    fn step(&mut self) -> bool {
        let Some(first) = self.rest.chars().next() else { return false };
        if first.is_whitespace() {
            self.take(first.len_utf8());
        } else if self.rest.starts_with("//") {
            self.take(self.rest.find('\n').unwrap_or(self.rest.len()));
        } else if self.rest.starts_with("/*") {
            self.take(block_comment(self.rest));
        } else if let Some((prefix, hashes)) = raw_string(self.rest) {
            let end = format!("\"{}", "#".repeat(hashes));
            let length = self.rest[prefix..].find(&end).expect("a raw string ends");
            let text = self.rest[prefix..prefix + length].to_owned();
            self.push(Kind::Text(text), prefix + length + end.len());
        } else if first == '"' || self.rest.starts_with("b\"") || self.rest.starts_with("c\"") {
            let prefix = if first == '"' { 1 } else { 2 };
            let length = escaped(&self.rest[prefix..], '"');
            let text = self.rest[prefix..prefix + length].to_owned();
            self.push(Kind::Text(text), prefix + length + 1);
        } else if first == '\'' || self.rest.starts_with("b'") {
            let prefix = if first == '\'' { 1 } else { 2 };
            self.push(Kind::Other, prefix + character_or_lifetime(&self.rest[prefix..]));
        } else if first.is_alphabetic() || first == '_' {
            let length = identifier_length(self.rest);
            self.push(Kind::Identifier(self.rest[..length].to_owned()), length);
        } else if first.is_ascii_digit() {
            self.push(Kind::Other, identifier_length(self.rest));
        } else if self.rest.starts_with("::") {
            self.push(Kind::Path, 2);
        } else {
            self.push(Kind::Mark(first), first.len_utf8());
        }
        true
    }

    fn push(&mut self, kind: Kind, length: usize) {
        self.tokens.push(Token { kind, line: self.line });
        self.take(length);
    }

    fn take(&mut self, length: usize) {
        let (taken, rest) = self.rest.split_at(length);
        self.line += taken.matches('\n').count();
        self.rest = rest;
    }
}

/// Returns the length of the identifier at the beginning of the text.
fn identifier_length(text: &str) -> usize {
    text.find(|character: char| !character.is_alphanumeric() && character != '_')
        .unwrap_or(text.len())
}

/// Returns the length of a block comment, including nested ones.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    loop {
        if text[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if text[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
        } else {
            at += text[at..].chars().next().expect("a comment ends").len_utf8();
        }
        if depth == 0 {
            return at;
        }
    }
}

/// Returns the length of the prefix of a raw string, and its number of `#`.
fn raw_string(text: &str) -> Option<(usize, usize)> {
    let prefix = ["r", "br", "cr"].into_iter().find(|prefix| {
        text.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(['"', '#']))
    })?;
    let rest = &text[prefix.len()..];
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    // Without a quote it is a raw identifier.
    rest[hashes..].starts_with('"').then_some((prefix.len() + hashes + 1, hashes))
}

/// Returns the length of the text before the closing quote.
fn escaped(text: &str, quote: char) -> usize {
    let mut backslash = false;
    let end = text.char_indices().find(|(_, character)| {
        let ends = *character == quote && !backslash;
        backslash = *character == '\\' && !backslash;
        ends
    });
    end.expect("a string ends").0
}

/// Returns the length of a character or a lifetime after its first quote.
fn character_or_lifetime(text: &str) -> usize {
    let mut characters = text.chars();
    let first = characters.next().expect("something follows a quote");
    if first == '\\' || characters.next() == Some('\'') {
        return escaped(text, '\'') + 1;
    }
    identifier_length(text)
}

#[test]
fn comments_and_characters_are_no_names_and_strings_keep_their_content() {
    let source = r##"
// crate::in_a_comment
/* crate::in_a /* crate::nested */ comment */
let quote = '"'; let escaped = '\''; let life: &'static str = "a \" b";
let raw = r#"raw "quoted" text"#; r#type::x; b'x'; 1.5e3;
"##;
    let texts: Vec<_> = tokens(source)
        .into_iter()
        .filter_map(|token| match token.kind {
            Kind::Text(text) => Some((text, token.line)),
            _ => None,
        })
        .collect();
    let expected = [(r#"a \" b"#.to_owned(), 4), (r#"raw "quoted" text"#.to_owned(), 5)];
    assert_eq!(texts, expected);
    let names: Vec<_> = tokens(source)
        .into_iter()
        .filter_map(|token| match token.kind {
            Kind::Identifier(word) => Some(word),
            _ => None,
        })
        .collect();
    let expected =
        ["let", "quote", "let", "escaped", "let", "life", "str", "let", "raw", "r", "type", "x"];
    assert_eq!(names, expected);
}
