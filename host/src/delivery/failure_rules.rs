//! An operator's rules about whose failure an outcome is, as annotations by `rule:NAME`.
//!
//! The rules match recorded fields. The id of an annotation is derived from the rule and the outcome, so
//! that running the same rules again adds nothing, also no annotation that a person has undone.

use std::path::Path;

use serde::Deserialize;
use uuid::Uuid;

use super::{Destination, Source};
use crate::error::{Error, Result};
use crate::extraction::{FailureClass, OutcomeStatus};
use crate::identity::Fingerprint;
use crate::paging::PAGE_ROWS;
use crate::store::{
    Annotation, AnnotationKind, Attachments, NewAnnotation, OutcomeFilter, RecordedOutcome,
};

/// The longest file of rules, in bytes.
const FILE_BYTES: u64 = 1 << 20;

/// Rules, of which the first that matches an outcome decides.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailureRules {
    rules: Vec<FailureRule>,
}

/// A rule: all conditions that it has must hold. At least one is needed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FailureRule {
    /// Its name, which is the author of its annotations after `rule:`.
    name: String,
    /// The failure class that it sets.
    class: String,
    /// The error code.
    #[serde(default)]
    code: Option<String>,
    /// A part of the error's message, in upper or lower case.
    #[serde(default)]
    message: Option<String>,
    /// The error category.
    #[serde(default)]
    category: Option<String>,
    /// The outcome's status.
    #[serde(default)]
    status: Option<OutcomeStatus>,
    /// The score, as the tool wrote it.
    #[serde(default)]
    score: Option<f64>,
    /// The agent's tokens.
    #[serde(default)]
    tokens: Option<i64>,
}

impl FailureRules {
    /// Reads rules from a JSON file: `{"rules": [{"name": …, "class": …, "message": …}]}`.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the file cannot be read, or a rule is incomplete.
    pub fn read(path: &Path) -> Result<Self> {
        let shown = path.display();
        let failed =
            |error: std::io::Error| Error::invalid(format!("cannot read {shown}: {error}"));
        let size = std::fs::metadata(path).map_err(failed)?.len();
        if size > FILE_BYTES {
            return Err(Error::invalid(format!(
                "{shown} has {size} bytes; a file of rules has at most {FILE_BYTES}"
            )));
        }
        let text = std::fs::read_to_string(path).map_err(failed)?;
        FailureRules::parse(&text).map_err(|reason| {
            Error::invalid(format!("{shown}: {reason}")).with_hint(
                r#"a file of rules is such as {"rules": [{"name": "proxy", "class": "infrastructure", "message": "bad gateway"}]}"#,
            )
        })
    }

    fn parse(text: &str) -> std::result::Result<Self, String> {
        let rules: FailureRules = serde_json::from_str(text).map_err(|error| error.to_string())?;
        for rule in &rules.rules {
            let name = &rule.name;
            if name.is_empty() || name.len() > 128 {
                return Err(format!("a rule's name has from 1 to 128 bytes, not {}", name.len()));
            }
            if FailureClass::from_name(&rule.class).is_none() {
                return Err(format!(
                    "rule {name:?}: invalid class {:?} (expected infrastructure, agent, scorer, \
                     harness or undecided)",
                    rule.class
                ));
            }
            let conditions = [&rule.code, &rule.message, &rule.category];
            let numbers = rule.score.is_some() || rule.tokens.is_some();
            if conditions.iter().all(|one| one.is_none()) && rule.status.is_none() && !numbers {
                return Err(format!(
                    "rule {name:?} has no condition: it needs code, message, category, status, score \
                     or tokens"
                ));
            }
        }
        Ok(rules)
    }

    /// Returns the first rule that matches an outcome.
    fn matching(&self, outcome: &RecordedOutcome) -> Option<&FailureRule> {
        let message = outcome.error_message.as_deref().unwrap_or_default().to_lowercase();
        self.rules.iter().find(|rule| rule.matches(outcome, &message))
    }

    /// Annotates the outcomes of a simulation that count, and returns the annotations that were made.
    ///
    /// # Errors
    /// As [`Source::outcomes`] and [`Destination::annotate`].
    pub async fn annotate(
        &self,
        source: &Source,
        destination: &Destination,
        simulation_id: Uuid,
    ) -> Result<Vec<Annotation>> {
        let mut existing: std::collections::HashSet<Uuid> = source
            .annotations(simulation_id, None)
            .await?
            .iter()
            .filter_map(|one| one.annotation_id)
            .collect();
        let mut made = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let page = source
                .outcomes(
                    simulation_id,
                    &OutcomeFilter::default(),
                    PAGE_ROWS,
                    cursor.as_deref(),
                    Attachments::default(),
                )
                .await?;
            let annotations: Vec<NewAnnotation> = page
                .outcomes
                .iter()
                .filter_map(|outcome| Some(self.matching(outcome)?.annotation(outcome)))
                .filter(|new| new.annotation_id.is_some_and(|id| existing.insert(id)))
                .collect();
            if !annotations.is_empty() {
                made.extend(destination.annotate(simulation_id, &annotations).await?);
            }
            cursor = page.cursor;
            if cursor.is_none() {
                return Ok(made);
            }
        }
    }
}

impl FailureRule {
    fn matches(&self, outcome: &RecordedOutcome, message: &str) -> bool {
        let is = |wanted: &Option<String>, value: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| value == Some(wanted))
        };
        is(&self.code, outcome.error_code.as_deref())
            && is(&self.category, outcome.error_category.as_deref())
            && self.status.is_none_or(|status| status == outcome.status)
            && self.score.is_none_or(|score| outcome.score == Some(score))
            && self.tokens.is_none_or(|tokens| tokens == outcome.tokens_used)
            && self.message.as_ref().is_none_or(|part| message.contains(&part.to_lowercase()))
    }

    fn annotation(&self, outcome: &RecordedOutcome) -> NewAnnotation {
        let mut fingerprint = Fingerprint::new("failure-rule");
        fingerprint.part(self.name.as_bytes());
        fingerprint.part(self.class.as_bytes());
        fingerprint.part(outcome.outcome_id.as_bytes());
        NewAnnotation {
            annotation_id: Some(fingerprint.uuid()),
            outcome_id: Some(outcome.outcome_id),
            value: Some(self.class.clone().into()),
            author: Some(format!("rule:{}", self.name)),
            ..NewAnnotation::new(AnnotationKind::FailureClass)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_cannot_match_as_meant_is_refused() {
        let refused = |text: &str| FailureRules::parse(text).unwrap_err();
        let one = |rule: &str| refused(&format!(r#"{{"rules": [{rule}]}}"#));
        assert!(one(r#"{"name": "a", "class": "agent"}"#).contains("no condition"));
        assert!(one(r#"{"name": "a", "class": "weather", "code": "x"}"#).contains("weather"));
        assert!(one(r#"{"name": "", "class": "agent", "code": "x"}"#).contains("name"));
        assert!(one(r#"{"name": "a", "class": "agent", "cod": "x"}"#).contains("cod"));
        assert!(refused("[]").contains("invalid length"));
        let valid = r#"{"rules": [{"name": "a", "class": "agent", "status": "timeout"}]}"#;
        assert_eq!(FailureRules::parse(valid).unwrap().rules.len(), 1);
    }
}
