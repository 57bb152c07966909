//! The names of an error's category: in the database and in JSON.

use super::ErrorCategory;

impl ErrorCategory {
    /// All categories.
    pub const ALL: [ErrorCategory; 9] = [
        ErrorCategory::Timeout,
        ErrorCategory::RateLimit,
        ErrorCategory::Network,
        ErrorCategory::Resource,
        ErrorCategory::ToolError,
        ErrorCategory::ModelError,
        ErrorCategory::ValidationError,
        ErrorCategory::SandboxError,
        ErrorCategory::SystemError,
    ];

    /// Returns its name.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorCategory::Timeout => "timeout",
            ErrorCategory::RateLimit => "rate_limit",
            ErrorCategory::Network => "network",
            ErrorCategory::Resource => "resource",
            ErrorCategory::ToolError => "tool_error",
            ErrorCategory::ModelError => "model_error",
            ErrorCategory::ValidationError => "validation_error",
            ErrorCategory::SandboxError => "sandbox_error",
            ErrorCategory::SystemError => "system_error",
        }
    }

    /// Returns the category with this name; `None` if it belongs to a later version.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|category| category.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_category_has_one_name() {
        for category in ErrorCategory::ALL {
            assert_eq!(ErrorCategory::from_name(category.as_str()), Some(category));
        }
        assert_eq!(ErrorCategory::from_name("success"), None);
    }
}
