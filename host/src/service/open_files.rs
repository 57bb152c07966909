//! The limit of open files of this process, and the share of it for connections.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::settings::ServiceSettings;

/// Files beside connections: the standard streams, the spool, the runtime, the embedded database, the
/// copy of the tokens, components that are loaded.
const OWN_FILES: u64 = 64;

/// The number of connections beyond the limit that are answered at once.
pub(super) const REFUSALS: usize = 32;

/// Lets this process open as many files as the system allows it: the limit that most shells and
/// service managers set (1,024) is meant for programs that know no other.
pub fn raise_open_files() {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    if soft < hard {
        // Some systems allow less than they report; then the limit stays as it is.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// The most open connections: as many as the settings allow if the system lets the process open that
/// many files, else fewer, with a warning in the log.
pub(super) fn connection_limit(settings: &ServiceSettings) -> usize {
    let Ok((soft, _)) = getrlimit(Resource::RLIMIT_NOFILE) else { return settings.max_connections };
    let limit = fitting(settings, soft);
    if limit < settings.max_connections {
        tracing::warn!(
            connections = settings.max_connections,
            limit,
            open_files = soft,
            "fewer connections than in the settings: the system lets this process open too few \
             files; raise the limit (ulimit -n, LimitNOFILE)"
        );
    }
    limit
}

/// The number of connections among this many open files.
fn fitting(settings: &ServiceSettings, open_files: u64) -> usize {
    let others = [
        settings.max_database_connections,
        settings.max_concurrent_files,
        settings.listen.len(),
        REFUSALS,
    ];
    let reserved = others.into_iter().fold(OWN_FILES, |sum, one| sum.saturating_add(one as u64));
    // Something must be left for clients, and it is better that all of it is slow than that nothing
    // is answered.
    let free = open_files.saturating_sub(reserved).max(open_files / 4).max(1);
    settings.max_connections.min(usize::try_from(free).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_for_everything_else() {
        let settings = ServiceSettings::default();
        let reserved = 64 + 8 + 4 + 1 + REFUSALS;
        for (open_files, expected) in [
            (1_024, 1_024 - reserved),
            (1 << 20, 4_096),
            (4_096 + reserved as u64, 4_096),
            (u64::MAX, 4_096),
            (100, 25),
            (0, 1),
        ] {
            assert_eq!(fitting(&settings, open_files), expected, "{open_files}");
        }
    }
}
