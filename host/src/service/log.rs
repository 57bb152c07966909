//! The service's log, written to standard error as text or as JSON.

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::{EnvFilter, reload};

use super::settings::{LogFormat, ServiceSettings};
use crate::error::{Error, Result};

/// The level of the running log, which can be changed.
pub struct LogLevel {
    /// `None` if the program has set up a log of its own.
    set: Option<SetFilter>,
}

/// Replaces the filter of the log.
type SetFilter = Box<dyn Fn(EnvFilter) -> std::result::Result<(), reload::Error> + Send + Sync>;

impl std::fmt::Debug for LogLevel {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.debug_struct("LogLevel").finish_non_exhaustive()
    }
}

impl LogLevel {
    /// Replaces the filter.
    ///
    /// # Errors
    /// [`Error::Configuration`] if the log has ended.
    pub(super) fn set(&self, filter: EnvFilter) -> Result<()> {
        if let Some(set) = &self.set {
            set(filter).map_err(|error| {
                Error::configuration("could not change the log's level").with_source(error)
            })?;
        }
        Ok(())
    }
}

/// Initialises the log. Only the first call in a process has an effect.
///
/// # Errors
/// [`Error::Configuration`] if the level is not valid.
pub fn start_log(settings: &ServiceSettings) -> Result<LogLevel> {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter(&settings.log_level)?)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    // If the program has already set up a log, that one is used.
    let set: Option<SetFilter> = match settings.log_format {
        LogFormat::Text => {
            let builder = builder.with_filter_reloading();
            let handle = builder.reload_handle();
            let started = builder.try_init().is_ok();
            started.then(|| Box::new(move |filter| handle.reload(filter)) as SetFilter)
        }
        LogFormat::Json => {
            let builder = builder.json().flatten_event(true).with_filter_reloading();
            let handle = builder.reload_handle();
            let started = builder.try_init().is_ok();
            started.then(|| Box::new(move |filter| handle.reload(filter)) as SetFilter)
        }
    };
    Ok(LogLevel { set })
}

/// Parses a level or a filter.
///
/// # Errors
/// [`Error::Configuration`] if it is not valid.
pub(super) fn filter(level: &str) -> Result<EnvFilter> {
    let wrong = || {
        Error::configuration(format!("invalid log_level {level:?}")).with_hint(
            "use one of off, error, warn, info, debug and trace, or a filter such as \
             info,arc_host=debug",
        )
    };
    // A name that is no level would be that of a target, and everything else would be silent.
    let is_name = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if level.split(',').map(str::trim).any(|part| is_name(part) && !is_level(part)) {
        return Err(wrong());
    }
    EnvFilter::try_new(directives(level)).map_err(|error| wrong().with_source(error))
}

/// Whether a text is the name of a level.
fn is_level(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphabetic())
        && name.parse::<LevelFilter>().is_ok()
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

    #[test]
    fn a_name_that_is_no_level_is_refused() {
        for level in ["loud", "warning", "verbose", "info,loud", "", "7", "info,,debug"] {
            let error = filter(level).unwrap_err();
            assert!(error.to_string().contains(&format!("{level:?}")), "{error}");
            assert!(error.hint().is_some_and(|hint| hint.contains("warn")), "{level}");
        }
        for level in ["WARN", " info ", "off", "arc_host=debug", "info,arc_host::service=trace"] {
            assert!(filter(level).is_ok(), "{level}");
        }
    }
}
