//! The innermost reason of an error of another library.

/// Returns the message of an error's innermost source, which is the most specific one.
pub(crate) fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
