//! The member names at the start of a JSON document, by which a format recognises its files.

use std::collections::BTreeSet;

/// The paths of the members at the start of a file. A path is written as a JSON Pointer with `*`
/// for every element of an array: `/results/*/score`.
#[derive(Debug, Default)]
pub struct Outline(BTreeSet<String>);

impl Outline {
    /// Outlines the first JSON document of `head`, which can be truncated anywhere. Text that is
    /// not JSON has no members. Names are raw, with their escapes.
    pub fn of(head: &[u8]) -> Self {
        let mut found = BTreeSet::new();
        // The path to each open object or array, and whether it is an object.
        let mut open: Vec<(String, bool)> = Vec::new();
        let mut name: Option<&[u8]> = None;
        let mut rest = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start();
        if !matches!(rest.first(), Some(b'{' | b'[')) {
            return Outline(found);
        }
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            match byte {
                b'"' => {
                    let Some((text, after)) = string(after) else { break };
                    rest = after;
                    name = Some(text);
                }
                b':' => {
                    if let (Some((path, true)), Some(name)) = (open.last(), name.take()) {
                        found.insert(format!("{path}/{}", String::from_utf8_lossy(name)));
                        rest = rest.trim_ascii_start();
                        if matches!(rest.first(), Some(b'{' | b'[')) {
                            let inner = format!("{path}/{}", String::from_utf8_lossy(name));
                            open.push((inner, rest.first() == Some(&b'{')));
                            rest = rest.get(1..).unwrap_or_default();
                        }
                    }
                }
                b'{' | b'[' => {
                    let path = open.last().map_or(String::new(), |(path, _)| format!("{path}/*"));
                    open.push((path, byte == b'{'));
                }
                b'}' | b']' => {
                    open.pop();
                    if open.is_empty() {
                        break;
                    }
                }
                _ => {}
            }
        }
        Outline(found)
    }

    /// Whether a member has this path.
    pub fn has(&self, path: &str) -> bool {
        self.0.contains(path)
    }

    /// Whether each of these paths has a member.
    pub fn has_all(&self, paths: &[&str]) -> bool {
        paths.iter().all(|path| self.has(path))
    }
}

/// Splits off a string without its quotes; `None` if it is truncated.
fn string(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut at = 0;
    loop {
        match text.get(at)? {
            b'"' => return Some((text.get(..at)?, text.get(at + 1..)?)),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_by_their_paths() {
        let text = br#" {"a": {"b": [1, {"c" : "x:{"}, [{"d": 1}]], "e\"": null}, "f": [], "g": "h"} {"z": 1}"#;
        let found: Vec<String> = Outline::of(text).0.into_iter().collect();
        assert_eq!(
            found,
            ["/a", "/a/b", "/a/b/*/*/d", "/a/b/*/c", "/a/e\\\"", "/f", "/g"].map(str::to_owned)
        );
        let list = Outline::of(br#"[{"a": 1}, {"b": {}}]"#);
        assert!(list.has_all(&["/*/a", "/*/b"]) && !list.has("/a"));
    }

    #[test]
    fn a_head_may_be_cut_anywhere() {
        let text = r#"{"é": {"b": [1, {"c" : "x"}]}, "d": {"e": 1}}"#.as_bytes();
        let whole = Outline::of(text);
        for end in 0..text.len() {
            let cut = Outline::of(&text[..end]);
            assert!(cut.0.is_subset(&whole.0), "{end}: {cut:?}");
        }
        for text in ["", "no", "\"a\": 1", "}}", "{]}:\"", "[:", "\u{feff}{\"a\": 1}"] {
            assert_eq!(Outline::of(text.as_bytes()).has("/a"), text.starts_with('\u{feff}'));
        }
        assert_eq!(Outline::of(&[0xff; 64]).0.len(), 0);
    }
}
