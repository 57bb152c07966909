//! The names of a failure's class: in the database and in JSON.

use super::FailureClass;

impl FailureClass {
    /// All classes.
    pub const ALL: [FailureClass; 5] = [
        FailureClass::Infrastructure,
        FailureClass::Agent,
        FailureClass::Scorer,
        FailureClass::Harness,
        FailureClass::Undecided,
    ];

    /// Returns its name.
    pub fn as_str(self) -> &'static str {
        match self {
            FailureClass::Infrastructure => "infrastructure",
            FailureClass::Agent => "agent",
            FailureClass::Scorer => "scorer",
            FailureClass::Harness => "harness",
            FailureClass::Undecided => "undecided",
        }
    }

    /// Returns the class with this name; `None` if it belongs to a later version.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_has_one_name() {
        for class in FailureClass::ALL {
            assert_eq!(FailureClass::from_name(class.as_str()), Some(class));
        }
        assert_eq!(FailureClass::from_name("success"), None);
    }
}
