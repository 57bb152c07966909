//! Migrations as SQL, for operators who run them themselves.

use std::fmt::Write as _;

use super::Store;
use super::layout::{Extension, Layout, LayoutState};
use super::migrations::{
    BOOTSTRAP, LOCK, MIGRATIONS, SEARCH_PATH, SchemaState, check, check_server,
};
use crate::error::Result;

impl Store {
    /// Returns the SQL that migrates this database's schema, and converts it to a layout if one is
    /// named, for an operator with the required privileges: `psql -v ON_ERROR_STOP=1 -f`. Nothing is
    /// changed.
    ///
    /// # Errors
    /// As [`Store::check_schema`].
    pub async fn migration_script(&self, wanted: Option<Layout>) -> Result<String> {
        let client = self.client().await?;
        check_server(&client).await?;
        let state = check(&client).await?;
        let recorded = match state {
            SchemaState::Absent => None,
            _ => Some(Layout::recorded(&client).await?),
        };
        let offered = match recorded {
            Some(layout) => layout,
            None if Extension::ask(&client, "citus").await?.created.is_some() => Layout::Citus,
            None if Extension::ask(&client, "timescaledb").await?.created.is_some() => {
                Layout::Timescale
            }
            None => Layout::Plain,
        };
        let layout = wanted.unwrap_or(offered);
        let complete = recorded == Some(layout)
            && matches!(state, SchemaState::Current(_))
            && !LayoutState::ask(&client, layout).await?.lacks();
        if complete {
            return Ok("-- The schema of arc_recorder is up to date; there is nothing to run.\n"
                .to_owned());
        }
        Ok(script(state.applied(), recorded.unwrap_or(Layout::Plain), layout))
    }
}

/// Returns the SQL for an empty database.
pub fn migration_script_for_empty(layout: Layout) -> String {
    script(0, Layout::Plain, layout)
}

/// Returns the SQL from this many applied migrations and a layout to all migrations and another layout.
fn script(applied: i32, from: Layout, to: Layout) -> String {
    let version = MIGRATIONS.last().map_or(0, |migration| migration.version);
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "-- Arc Recorder: brings the schema arc_recorder from version {applied} to {version}, layout {to}.
-- Written by arc-host {}. Run it as the database's owner, or as the schema's if it exists:
--     psql -v ON_ERROR_STOP=1 -f THIS_FILE DATABASE
BEGIN;
{SEARCH_PATH}
SELECT pg_catalog.pg_advisory_xact_lock({LOCK});

",
        env!("CARGO_PKG_VERSION")
    );
    if applied == 0 {
        let _ = writeln!(text, "{}\n", BOOTSTRAP.trim());
    }
    // It was written for the state of the database at that time.
    let _ = write!(
        text,
        "DO $$
BEGIN
    IF (SELECT pg_catalog.count(*) FROM arc_recorder.schema_migrations) <> {applied} THEN
        RAISE EXCEPTION 'this file is for version {applied} of the schema, which is not the one that is here'
            USING HINT = 'write it again: arc-host migrate --print';
    END IF;
END
$$;
"
    );
    for migration in MIGRATIONS.iter().filter(|migration| migration.version > applied) {
        let _ = write!(
            text,
            "\n-- {}\n\n{}\n{}\n",
            migration.title(),
            migration.sql.trim_end(),
            migration.note()
        );
    }
    let _ = write!(text, "\n-- The layout\n\n");
    if from != to
        && let Some(undo) = from.undo()
    {
        let _ = writeln!(text, "{}", undo.trim_end());
    }
    if from != to {
        let _ = writeln!(text, "{}", to.record());
    }
    if let Some(arrange) = to.arrange() {
        let _ = writeln!(text, "\n{}", arrange.trim_end());
    }
    text.push_str(
        "
COMMIT;

-- The rights of a user who only records and reads; replace RECORDER with the user's name.
-- GRANT USAGE ON SCHEMA arc_recorder TO RECORDER;
-- GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA arc_recorder TO RECORDER;
-- GRANT UPDATE ON arc_recorder.simulations, arc_recorder.planned_scenarios TO RECORDER;
-- This user must not create tokens of the service, which would grant every right there, or record migrations.
-- REVOKE INSERT ON arc_recorder.access_tokens, arc_recorder.schema_migrations, arc_recorder.installation FROM RECORDER;
",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_has_what_is_missing_and_nothing_else() {
        let all = migration_script_for_empty(Layout::Timescale);
        for migration in MIGRATIONS {
            assert!(all.contains(migration.sql.trim_end()), "{}", migration.title());
        }
        assert!(all.contains("create_hypertable") && all.contains("SET layout = 'timescale'"));
        let rest = script(1, Layout::Plain, Layout::Plain);
        assert!(!rest.contains("CREATE TABLE arc_recorder.outcomes"), "{rest}");
        assert!(!rest.contains("create_hypertable") && !rest.contains("SET layout"), "{rest}");
        let back = script(4, Layout::Citus, Layout::Plain);
        assert!(back.contains("undistribute_table") && back.contains("SET layout = 'plain'"));
    }
}
