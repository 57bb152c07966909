//! The service's log, written to standard error as text or as JSON.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::settings::{LogFormat, ServiceSettings};
use crate::error::{Error, Result};

/// Initialises the log. Only the first call in a process has an effect.
///
/// # Errors
/// [`Error::Configuration`] if the level is not valid.
pub fn start_log(settings: &ServiceSettings) -> Result<()> {
    let filter = EnvFilter::try_new(directives(&settings.log_level)).map_err(|error| {
        Error::configuration(format!("invalid log_level {:?}", settings.log_level))
            .with_hint("use a level such as info, or a filter such as info,arc_host=debug")
            .with_source(error)
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    // If the program has already set up a log, that one is used.
    let _ = match settings.log_format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    Ok(())
}

/// A level without a target applies only to this program: the warnings of libraries use their own
/// terms, and this program logs their consequences itself. Directives with targets, such as
/// `info,reqwest=debug`, are used unchanged.
fn directives(level: &str) -> String {
    match level.trim().parse::<LevelFilter>() {
        Ok(level) if level > LevelFilter::ERROR => format!("error,arc_host={level}"),
        _ => level.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_without_a_target_excludes_the_warnings_of_libraries() {
        for (level, wanted) in [
            ("info", "error,arc_host=info"),
            ("DEBUG", "error,arc_host=debug"),
            ("error", "error"),
            ("off", "off"),
            ("info,reqwest=debug", "info,reqwest=debug"),
        ] {
            assert_eq!(directives(level), wanted);
        }
    }
}
