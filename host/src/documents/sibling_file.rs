//! A header in a separate file, in the folder of the file with the results.

use std::path::{Path, PathBuf};

use super::compression::inner_name;
use super::folder::utf8_entries;
use super::folder_of;
use crate::error::{Error, Result};
use crate::extraction::matches_pattern;

/// Finds the header file of `file`: among the names in the folder that match the first matching
/// pattern, the one that has the longest common ending with the file's own name.
///
/// # Errors
/// [`Error::Invalid`] if several are equally long; [`Error::Io`] if the folder cannot be read.
pub(super) fn find(file: &Path, patterns: &[String]) -> Result<Option<PathBuf>> {
    let folder = folder_of(file);
    let mut names = utf8_entries(folder)?;
    names.sort_unstable();
    let own = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let found = patterns.iter().find_map(|pattern| {
        let fitting: Vec<&String> = names
            .iter()
            .filter(|name| *name != own && matches_pattern(pattern, inner_name(name)))
            .collect();
        (!fitting.is_empty()).then_some(fitting)
    });
    let Some(found) = found else { return Ok(None) };
    let most = found.iter().map(|name| shared_ending(own, name)).max().unwrap_or(0);
    let best: Vec<&String> =
        found.into_iter().filter(|name| shared_ending(own, name) == most).collect();
    match best.as_slice() {
        [one] => Ok(Some(folder.join(one))),
        several => Err(Error::invalid(format!(
            "{own} has no header of its own, and {} files of its folder could be it: {}",
            several.len(),
            several.iter().take(5).map(|name| name.as_str()).collect::<Vec<_>>().join(", ")
        ))
        .with_hint("select one with --header")),
    }
}

/// Returns the length of the common ending of two names without their extensions, in characters.
fn shared_ending(one: &str, other: &str) -> usize {
    let stem = |name: &str| {
        inner_name(name).rsplit_once('.').map_or(name.to_owned(), |(stem, _)| stem.to_owned())
    };
    let (one, other) = (stem(one), stem(other));
    one.chars().rev().zip(other.chars().rev()).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_file_of_the_same_time_belongs_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("samples_arc_2024-02-01.jsonl");
        let patterns = ["results_*.json".to_owned(), "results.json".to_owned()];
        assert_eq!(find(&file, &patterns).unwrap(), None);
        let make = |name: &str| fs::write(folder.path().join(name), "{}").unwrap();
        make("results.json");
        assert_eq!(find(&file, &patterns).unwrap(), Some(folder.path().join("results.json")));
        make("results_2024-01-31.json");
        make("results_2024-02-01.json");
        let found = find(&file, &patterns).unwrap().unwrap();
        assert_eq!(found.file_name().unwrap(), "results_2024-02-01.json");
        make("results_2024-02-02.json.gz");
        let file = folder.path().join("samples_arc_2024-02-02.jsonl.zst");
        let found = find(&file, &patterns).unwrap().unwrap();
        assert_eq!(found.file_name().unwrap(), "results_2024-02-02.json.gz");
        let other = folder.path().join("samples_arc.jsonl");
        let error = find(&other, &patterns).unwrap_err();
        assert!(error.hint().unwrap().contains("--header"), "{error:?}");
    }
}
