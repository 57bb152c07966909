//! Crates and SQL strings that only some modules are allowed to contain.

use crate::sources::{Source, sources};
use crate::tokens::Kind;

/// Crates, and the modules that are allowed to use them. Other crates are not restricted.
const CRATES: &[(&[&str], &[&str])] = &[
    (
        &[
            "axum",
            "http",
            "http_body_util",
            "hyper",
            "hyper_util",
            "tower",
            "tower_http",
            "utoipa",
            "utoipa_axum",
        ],
        &["service", "wire"],
    ),
    // An HTTP client, for the service and for a mirror of PostgreSQL's programs.
    (&["reqwest"], &["client", "embedded"]),
    (&["clap", "clap_complete", "clap_mangen"], &["cli"]),
    (&["arrow_array", "arrow_schema", "parquet"], &["export"]),
    (&["redb"], &["spool"]),
];

/// Texts that identify a SQL statement.
const SQL: &[&str] = &["SELECT ", "INSERT ", "UPDATE ", "DELETE FROM"];

#[test]
fn crates_are_named_only_in_the_modules_that_they_belong_to() {
    let found = foreign_crates(&sources());
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn sql_is_only_in_the_store() {
    let found = foreign_sql(&sources());
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
    // The same search finds the statements of the store.
    let store = sources().into_iter().filter(|source| source.top() == Some("store"));
    let moved: Vec<Source> =
        store.map(|source| Source { module: vec!["cli".to_owned()], ..source }).collect();
    assert!(foreign_sql(&moved).len() > 20);
}

#[test]
fn a_crate_or_a_statement_in_a_wrong_module_is_named() {
    let planted = [
        Source::new(
            "host/src/store/health.rs",
            "use utoipa::ToSchema;\nconst A: &str = \"SELECT 1\";\n",
        ),
        Source::new("host/src/wire/mod.rs", "use utoipa::ToSchema;\n"),
        Source::new(
            "host/src/spool/mod.rs",
            "// axum::Router, SELECT 1\nfn a() {\n    axum::serve(self::http::b(\"DELETE FROM c\"))\n}\n",
        ),
    ];
    let expected = [
        "host/src/store/health.rs:1: store names utoipa, which belongs to service, wire",
        "host/src/spool/mod.rs:3: spool names axum, which belongs to service, wire",
    ];
    assert_eq!(foreign_crates(&planted), expected);
    let expected = ["host/src/spool/mod.rs:3: SQL belongs to store: DELETE FROM c"];
    assert_eq!(foreign_sql(&planted), expected);
}

fn foreign_crates(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources {
        for (crates, modules) in CRATES {
            let Some(module) = source.top().filter(|top| !modules.contains(top)) else { continue };
            found.extend(source.paths_of_crates(crates).iter().map(|named| {
                let (name, modules) = (named.names.concat(), modules.join(", "));
                format!(
                    "{}:{}: {module} names {name}, which belongs to {modules}",
                    source.path, named.line
                )
            }));
        }
    }
    found
}

fn foreign_sql(sources: &[Source]) -> Vec<String> {
    let elsewhere = sources.iter().filter(|source| source.top() != Some("store"));
    elsewhere
        .flat_map(|source| source.tokens.iter().map(move |token| (source, token)))
        .filter_map(|(source, token)| match &token.kind {
            Kind::Text(text) if SQL.iter().any(|keyword| text.contains(keyword)) => {
                Some(format!("{}:{}: SQL belongs to store: {text}", source.path, token.line))
            }
            _ => None,
        })
        .collect()
}
