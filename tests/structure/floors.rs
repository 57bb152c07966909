//! The floors of the modules: a module only imports from the floors below its own.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::sources::{Source, sources};
use crate::tokens::{Kind, Token};

/// The modules of `host/src`, from the lowest floor up. Modules on the same floor do not import each other.
const FLOORS: &[&[&str]] = &[
    &[
        "allocator",
        "backoff",
        "bindings",
        "blocking",
        "identity",
        "json_text",
        "lock",
        "paging",
        "reason",
        "tls",
    ],
    &["component_cache", "embedded"],
    &["error"],
    &["extraction"],
    &["documents", "store"],
    &["access", "analysis", "database", "formats"],
    &["recorder"],
    &["spool"],
    &["runners", "wire"],
    &["client"],
    &["delivery"],
    &["export", "service"],
    &["cli"],
    &["fuzzing", "main"],
];

/// An import that is not from a lower floor.
struct UpwardImport {
    from: String,
    to: String,
    place: String,
}

#[test]
fn modules_import_only_from_floors_below_their_own() {
    let found = complaints(&sources());
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn every_module_has_one_floor_and_every_floor_its_modules() {
    let sources = sources();
    let mut modules: Vec<&str> = sources.iter().filter_map(Source::top).collect();
    modules.sort_unstable();
    modules.dedup();
    let mut in_table = FLOORS.concat();
    in_table.sort_unstable();
    assert_eq!(modules, in_table);
}

#[test]
fn an_upward_import_is_named_with_its_circle() {
    let planted = [
        Source::new("host/src/store/mod.rs", "use crate::error::Error;\n\nuse crate::cli::main;\n"),
        Source::new("host/src/cli/mod.rs", "fn open() { crate::delivery::open() }\n"),
        Source::new(
            "host/src/delivery/file.rs",
            "use crate::{identity, store::{Store, Layout}};\n",
        ),
        Source::new("host/src/documents/mod.rs", "mod tests { use super::super::store; }\n"),
        Source::new("host/src/error.rs", "use crate::Recorder;\n"),
        Source::new("host/src/lib.rs", "pub use recorder::{Other, Recorder};\n"),
        Source::new("host/src/attic.rs", "use crate::identity;\n"),
    ];
    let expected = [
        "host/src/store/mod.rs:3: store imports cli, which is above it; this closes the circle \
         store -> cli -> delivery -> store",
        "host/src/documents/mod.rs:1: documents imports store, which is on the same floor",
        "host/src/error.rs:1: error imports recorder, which is above it",
        "host/src/attic.rs:1: attic imports identity, but attic has no floor: see FLOORS",
    ];
    assert_eq!(complaints(&planted), expected);
}

/// Returns an error message for each import that is not from a lower floor.
fn complaints(sources: &[Source]) -> Vec<String> {
    let re_exported = re_exported(sources);
    let mut imports: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut upwards = Vec::new();
    for source in sources {
        let Some(from) = source.top() else { continue };
        // The program refers to the library by the crate's name.
        let of_library = source.paths_of_crates(&["arc_host"]);
        assert!(of_library.is_empty() || from == "main", "{} names arc_host", source.path);
        for named in source.paths_of_this_crate() {
            let Some(first) = named.names.first() else { continue };
            let to = re_exported.get(first.as_str()).copied().unwrap_or(first.as_str());
            if to == from {
                continue;
            }
            imports.entry(from.to_owned()).or_default().push(to.to_owned());
            if !matches!((floor(from), floor(to)), (Some(from), Some(to)) if to < from) {
                let place = format!("{}:{}", source.path, named.line);
                upwards.push(UpwardImport { from: from.to_owned(), to: to.to_owned(), place });
            }
        }
    }
    upwards.iter().map(|upward| sentence(upward, &imports)).collect()
}

fn sentence(
    UpwardImport { from, to, place }: &UpwardImport,
    imports: &BTreeMap<String, Vec<String>>,
) -> String {
    let what = match (floor(from), floor(to)) {
        (None, _) => format!(", but {from} has no floor: see FLOORS"),
        (_, None) => format!(", but {to} has no floor: see FLOORS"),
        (Some(from), Some(to)) if from == to => ", which is on the same floor".to_owned(),
        _ => ", which is above it".to_owned(),
    };
    let circle = way(to, from, imports).map_or_else(String::new, |way| {
        format!("; this closes the circle {from} -> {}", way.join(" -> "))
    });
    format!("{place}: {from} imports {to}{what}{circle}")
}

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// Returns the shortest path along imports from a module to another one, both included.
fn way(from: &str, to: &str, imports: &BTreeMap<String, Vec<String>>) -> Option<Vec<String>> {
    let mut ways = VecDeque::from([vec![from.to_owned()]]);
    let mut seen = vec![from.to_owned()];
    while let Some(way) = ways.pop_front() {
        let last = way.last()?;
        if last == to {
            return Some(way);
        }
        for next in imports.get(last).into_iter().flatten() {
            if !seen.contains(next) {
                seen.push(next.clone());
                ways.push_back([way.as_slice(), std::slice::from_ref(next)].concat());
            }
        }
    }
    None
}

/// Returns the names that `lib.rs` exports from modules, such as `Recorder`, and the module of each.
fn re_exported(sources: &[Source]) -> HashMap<&str, &str> {
    let mut names = HashMap::new();
    let root = sources.iter().find(|source| source.module.is_empty());
    for used in
        root.into_iter().flat_map(|root| root.tokens.split(|token| token.kind == Kind::Mark(';')))
    {
        let mut names_used = used.iter().filter_map(|token| match token {
            Token { kind: Kind::Identifier(name), .. } => Some(name.as_str()),
            _ => None,
        });
        if let (Some("use"), Some(module)) =
            (names_used.by_ref().find(|name| *name == "use"), names_used.next())
        {
            names.extend(names_used.map(|name| (name, module)));
        }
    }
    names
}
