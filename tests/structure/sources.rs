//! The files of `host/src`, and the paths in them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::tokens::{Kind, Token, tokens};

/// A file of `host/src`.
pub(crate) struct Source {
    /// The path from the root of the repository.
    pub(crate) path: String,
    /// The path of the module, such as `["store", "connection", "pool"]`; empty for `lib.rs`.
    pub(crate) module: Vec<String>,
    /// The content of the file.
    pub(crate) tokens: Vec<Token>,
}

/// A path in a file, and its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UsedPath {
    /// The names from the root of the crate, such as `["store", "Store"]`, or from the name of another crate.
    pub(crate) names: Vec<String>,
    /// The line, counted from 1.
    pub(crate) line: usize,
}

impl Source {
    /// Parses a file with this content.
    pub(crate) fn new(path: &str, content: &str) -> Self {
        let within = path.strip_prefix("host/src/").expect("a file of host/src");
        let mut module: Vec<String> =
            within.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        if module.last().is_some_and(|last| last == "mod") || module == ["lib"] {
            module.pop();
        }
        Source { path: path.to_owned(), module, tokens: tokens(content) }
    }

    /// Returns the top-level module that the file belongs to; `None` for `lib.rs`.
    pub(crate) fn top(&self) -> Option<&str> {
        self.module.first().map(String::as_str)
    }

    /// Returns the paths that begin with `crate`, `self` or `super`, in `use` and in code, with one path for each name
    /// of a group.
    pub(crate) fn paths_of_this_crate(&self) -> Vec<UsedPath> {
        let mut found = Vec::new();
        // The open inline modules, and the depth of braces at which each was opened.
        let (mut module, mut open, mut depth) = (self.module.clone(), Vec::new(), 0_usize);
        let mut at = 0;
        while let Some(token) = self.tokens.get(at) {
            match &token.kind {
                Kind::Mark('{') => depth += 1,
                Kind::Mark('}') => {
                    depth -= 1;
                    if open.last() == Some(&depth) {
                        open.pop();
                        module.pop();
                    }
                }
                Kind::Identifier(word) if word == "mod" => {
                    if let (Some(Kind::Identifier(name)), Some(Kind::Mark('{'))) =
                        (self.kind(at + 1), self.kind(at + 2))
                    {
                        module.push(name.clone());
                        open.push(depth);
                        depth += 1;
                        at += 2;
                    }
                }
                Kind::Identifier(word)
                    if ["crate", "self", "super"].contains(&word.as_str())
                        && self.kind(at + 1) == Some(&Kind::Path)
                        && !self.follows_path(at) =>
                {
                    at = self.path(at, &module, Vec::new(), &mut found);
                    continue;
                }
                _ => {}
            }
            at += 1;
        }
        found
    }

    /// Returns the paths that begin with one of these names of other crates; a group is one path.
    pub(crate) fn paths_of_crates(&self, crates: &[&str]) -> Vec<UsedPath> {
        let begins = |at: &usize| match self.kind(*at) {
            Some(Kind::Identifier(word)) if crates.contains(&word.as_str()) => {
                let used = at.checked_sub(1).and_then(|before| self.kind(before))
                    == Some(&Kind::Identifier("use".to_owned()));
                !self.follows_path(*at) && (used || self.kind(at + 1) == Some(&Kind::Path))
            }
            _ => false,
        };
        let named = |at: usize| match &self.tokens[at] {
            Token { kind: Kind::Identifier(word), line } => {
                UsedPath { names: vec![word.clone()], line: *line }
            }
            token => unreachable!("{token:?}"),
        };
        (0..self.tokens.len()).filter(begins).map(named).collect()
    }

    /// Reads a path or a group of paths that continues `names`. Returns its end.
    fn path(
        &self,
        mut at: usize,
        module: &[String],
        mut names: Vec<String>,
        found: &mut Vec<UsedPath>,
    ) -> usize {
        let line = self.tokens[at].line;
        loop {
            match self.kind(at) {
                Some(Kind::Identifier(word)) => match word.as_str() {
                    "crate" => names.clear(),
                    "self" if names.is_empty() => names = module.to_vec(),
                    // Within a group, `self` is the path before the group.
                    "self" => {}
                    "super" => {
                        if names.is_empty() && !self.follows_path(at) {
                            names = module.to_vec();
                        }
                        assert!(names.pop().is_some(), "{}:{line}: too many `super`", self.path);
                    }
                    word => names.push(word.to_owned()),
                },
                Some(Kind::Mark('{')) => {
                    at += 1;
                    while self.kind(at) != Some(&Kind::Mark('}')) {
                        at = self.path(at, module, names.clone(), found);
                        // Skips an alias.
                        while !matches!(self.kind(at), Some(Kind::Mark(',' | '}'))) {
                            at += 1;
                        }
                        at += usize::from(self.kind(at) == Some(&Kind::Mark(',')));
                    }
                    return at + 1;
                }
                _ => {}
            }
            at += 1;
            if self.kind(at) != Some(&Kind::Path) {
                found.push(UsedPath { names, line });
                return at;
            }
            at += 1;
            // Generic arguments contain paths of their own.
            if !matches!(self.kind(at), Some(Kind::Identifier(_) | Kind::Mark('{' | '*'))) {
                found.push(UsedPath { names, line });
                return at;
            }
        }
    }

    fn kind(&self, at: usize) -> Option<&Kind> {
        self.tokens.get(at).map(|token| &token.kind)
    }

    fn follows_path(&self, at: usize) -> bool {
        at.checked_sub(1).and_then(|before| self.kind(before)) == Some(&Kind::Path)
    }
}

/// Returns all files of `host/src`, in order.
pub(crate) fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    collect(&root.join("host/src"), &mut files);
    files.sort();
    let source = |file: &PathBuf| {
        let path = file.strip_prefix(&root).unwrap().to_str().unwrap();
        Source::new(path, &fs::read_to_string(file).unwrap())
    };
    let sources: Vec<_> = files.iter().map(source).collect();
    assert!(sources.len() > 100, "{} files were found", sources.len());
    sources
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

#[test]
fn groups_nested_groups_and_paths_in_code_are_found() {
    let source = Source::new(
        "host/src/store/connection/pool.rs",
        "use crate::{a::{self, b::{C, D as E}}, f::*};
use super::super::{clock::Clock, super::g};
pub(crate) fn h() -> crate::Result<i::J> { crate::k::l::<crate::m::N>() }
macro_rules! o { () => { $crate::p::q!() } }
mod tests {
    use super::*;
    use super::super::{r};
    fn s() { self::t(); super::super::super::u::v(); w::crate_x::y(); }
}
fn z() { super::super::super::aa(); }
",
    );
    let found: Vec<_> = source
        .paths_of_this_crate()
        .into_iter()
        .map(|named| format!("{} {}", named.line, named.names.join("::")))
        .collect();
    let expected = [
        "1 a",
        "1 a::b::C",
        "1 a::b::D",
        "1 f",
        "2 store::clock::Clock",
        "2 g",
        "3 Result",
        "3 k::l",
        "3 m::N",
        "4 p::q",
        "6 store::connection::pool",
        "7 store::connection::r",
        "8 store::connection::pool::tests::t",
        "8 store::u::v",
        "10 aa",
    ];
    assert_eq!(found, expected);
}
