//! Who ran what: the models and the agent, on which task, with which tool.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_postgres::Row;

use super::statement::Statement;
use crate::json_text::JsonText;

/// The maximum length of each text in bytes, also of the models of usages, which are compared with them.
pub(crate) const NAME_BYTES: usize = 512;

/// The maximum number of models of a simulation.
const MAX_MODELS: usize = 100;

/// The columns of a simulation, in the order of [`Origin::texts`], the models first.
pub(super) const COLUMNS: [&str; 10] = [
    "models",
    "provider",
    "agent",
    "agent_version",
    "task",
    "task_version",
    "dataset",
    "dataset_version",
    "tool",
    "tool_version",
];

/// Who ran what. Absent members are unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Origin {
    /// The models under test, without repeats.
    pub models: Vec<String>,
    /// The provider of the models.
    pub provider: Option<String>,
    /// The agent, or what else calls the models.
    pub agent: Option<String>,
    /// The agent's version.
    pub agent_version: Option<String>,
    /// The task, benchmark or suite.
    pub task: Option<String>,
    /// The task's version.
    pub task_version: Option<String>,
    /// The data set.
    pub dataset: Option<String>,
    /// The data set's version.
    pub dataset_version: Option<String>,
    /// The tool that ran the evaluation.
    pub tool: Option<String>,
    /// The tool's version.
    pub tool_version: Option<String>,
}

impl Origin {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Origin::default()
    }

    /// Returns the texts, in the order of the columns.
    fn texts(&self) -> [&Option<String>; 9] {
        [
            &self.provider,
            &self.agent,
            &self.agent_version,
            &self.task,
            &self.task_version,
            &self.dataset,
            &self.dataset_version,
            &self.tool,
            &self.tool_version,
        ]
    }

    fn texts_mut(&mut self) -> [&mut Option<String>; 9] {
        [
            &mut self.provider,
            &mut self.agent,
            &mut self.agent_version,
            &mut self.task,
            &mut self.task_version,
            &mut self.dataset,
            &mut self.dataset_version,
            &mut self.tool,
            &mut self.tool_version,
        ]
    }

    /// Returns the known members as a JSON object; `None` if nothing is known.
    pub(crate) fn known(&self) -> Option<JsonText> {
        let texts = COLUMNS.into_iter().skip(1).zip(self.texts());
        let mut members: BTreeMap<&str, Value> =
            texts.filter_map(|(name, text)| Some((name, text.clone()?.into()))).collect();
        if !self.models.is_empty() {
            members.insert("models", self.models.clone().into());
        }
        // Serializing text cannot fail.
        (!members.is_empty()).then(|| JsonText::of(&members).unwrap_or_default())
    }

    /// Makes every text one that the database can store and that a list can show: without NUL, at most
    /// 512 bytes, and not blank.
    pub(crate) fn normalize(&mut self) {
        for text in self.texts_mut() {
            *text = text.take().and_then(normalized);
        }
        let models = std::mem::take(&mut self.models);
        for model in models.into_iter().filter_map(normalized) {
            self.add_model(model);
        }
    }

    fn add_model(&mut self, model: String) {
        if self.models.len() < MAX_MODELS && !self.models.contains(&model) {
            self.models.push(model);
        }
    }

    /// Adds the members that it lacks from another one.
    pub(crate) fn complete_from(&mut self, other: &Origin) {
        if self.models.is_empty() {
            self.models.clone_from(&other.models);
        }
        for (own, other) in self.texts_mut().into_iter().zip(other.texts()) {
            if own.is_none() {
                own.clone_from(other);
            }
        }
    }

    /// Returns what several results or files name: all models, and of the other members the values,
    /// separated by commas if they differ.
    pub(crate) fn of_all(origins: &[Origin]) -> Self {
        let mut all = Origin::default();
        let mut values: [Vec<&str>; 9] = Default::default();
        for origin in origins {
            for model in &origin.models {
                all.add_model(model.clone());
            }
            for (values, text) in values.iter_mut().zip(origin.texts()) {
                if let Some(text) = text.as_deref().filter(|text| !values.contains(text)) {
                    values.push(text);
                }
            }
        }
        for (text, values) in all.texts_mut().into_iter().zip(values) {
            *text = (!values.is_empty()).then(|| values.join(", "));
        }
        all.normalize();
        all
    }

    /// Reads the columns of a simulation.
    pub(super) fn from_row(row: &Row) -> Self {
        let mut origin = Origin { models: row.get("models"), ..Origin::default() };
        for (text, column) in origin.texts_mut().into_iter().zip(COLUMNS.into_iter().skip(1)) {
            *text = row.get(column);
        }
        origin
    }

    /// Adds the values of the columns to a statement.
    pub(super) fn add_to(&self, statement: Statement) -> Statement {
        let statement = statement.with(self.models.clone());
        self.texts().into_iter().fold(statement, |statement, text| statement.with(text.clone()))
    }
}

/// Returns an expression for the size of the columns in bytes.
pub(super) fn bytes_sql() -> String {
    let texts = COLUMNS.iter().skip(1);
    let bytes = texts.map(|text| format!("coalesce(pg_catalog.octet_length({text}), 0)"));
    let models = "pg_catalog.octet_length(pg_catalog.array_to_string(models, ','))".to_owned();
    bytes.chain([models]).collect::<Vec<_>>().join(" + ")
}

fn normalized(text: String) -> Option<String> {
    let end = text.floor_char_boundary(NAME_BYTES);
    let text = text.get(..end).unwrap_or_default().replace('\0', "\u{FFFD}");
    Some(text).filter(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(models: &[&str], agent: Option<&str>) -> Origin {
        Origin {
            models: models.iter().map(|&model| model.to_owned()).collect(),
            agent: agent.map(str::to_owned),
            ..Origin::default()
        }
    }

    #[test]
    fn the_columns_are_the_members() {
        let mut all = origin(&["m"], None);
        for text in all.texts_mut() {
            *text = Some("x".to_owned());
        }
        let members = serde_json::to_value(&all).unwrap();
        let mut names: Vec<&str> =
            members.as_object().unwrap().keys().map(String::as_str).collect();
        let mut columns = COLUMNS.to_vec();
        names.sort_unstable();
        columns.sort_unstable();
        assert_eq!(names, columns);
    }

    #[test]
    fn what_is_declared_counts_before_what_results_name() {
        let results = [origin(&["a", "b"], Some("x")), origin(&["b"], Some("y"))];
        let named = Origin::of_all(&results);
        assert_eq!(named, origin(&["a", "b"], Some("x, y")));
        let mut declared = origin(&["c"], None);
        assert_eq!(declared.known().unwrap().as_str(), r#"{"models":["c"]}"#);
        assert_eq!(Origin::default().known(), None);
        declared.complete_from(&named);
        assert_eq!(declared, origin(&["c"], Some("x, y")));
    }

    #[test]
    fn texts_are_storable() {
        let mut long = origin(&["a\0b", " ", "a\0b"], Some(&"é".repeat(400)));
        long.normalize();
        assert_eq!(long.models, ["a\u{FFFD}b"]);
        assert_eq!(long.agent.unwrap().len(), NAME_BYTES);
    }
}
