//! Who ran what: of a run, and of a result as far as it differs.

use crate::answer::Origin;
use crate::scenario::bounded_id;

impl Origin {
    /// Sets the provider of models whose names begin with it (`openai/gpt-4o`), if it is one for all.
    #[must_use]
    pub fn with_provider_of_models(self) -> Self {
        let provider = |model: &String| Some(model.split_once('/')?.0.to_owned());
        Origin { provider: same(self.models.iter().map(provider)), ..self }
    }

    /// Returns the origin of several results: all models, and the other members that are the same in
    /// each.
    pub fn of_all(origins: &[Origin]) -> Self {
        let mut all = Origin::default();
        for model in origins.iter().flat_map(|origin| &origin.models) {
            if !all.models.contains(model) {
                all.models.push(model.clone());
            }
        }
        let members =
            |index| move |origin: &Origin| origin.clone().members().into_iter().nth(index)?.clone();
        for (index, member) in all.members().into_iter().enumerate() {
            *member = same(origins.iter().map(members(index)));
        }
        all
    }

    /// Returns what differs from the origin of the whole run.
    #[must_use]
    pub fn without(mut self, run: &Origin) -> Self {
        if self.models == run.models {
            self.models.clear();
        }
        for (own, of_run) in self.members().into_iter().zip(run.clone().members()) {
            if own == of_run {
                *own = None;
            }
        }
        self
    }

    /// Limits each text to 512 bytes; an empty one is absent, and a model is named once.
    pub(crate) fn bound(&mut self) {
        let mut models: Vec<String> = Vec::new();
        for model in self.models.drain(..).filter(|model| !model.is_empty()).map(bounded_id) {
            if !models.contains(&model) {
                models.push(model);
            }
        }
        self.models = models;
        for member in self.members() {
            *member = member.take().filter(|text| !text.is_empty()).map(bounded_id);
        }
    }

    /// The members that are one text.
    fn members(&mut self) -> [&mut Option<String>; 9] {
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
}

/// Returns the value of all, if it is the same.
fn same(mut values: impl Iterator<Item = Option<String>>) -> Option<String> {
    let first = values.next()??;
    values.all(|value| value.as_ref() == Some(&first)).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(model: &str, agent: &str) -> Origin {
        Origin {
            models: vec![model.to_owned()],
            agent: Some(agent.to_owned()),
            tool: Some("tool".to_owned()),
            ..Origin::default()
        }
        .with_provider_of_models()
    }

    #[test]
    fn a_run_has_what_its_results_have_in_common() {
        let results = [origin("a/1", "x"), origin("a/2", "y"), origin("a/1", "x")];
        let run = Origin::of_all(&results);
        assert_eq!(run.models, ["a/1", "a/2"]);
        assert_eq!((run.provider.as_deref(), run.agent.as_deref()), (Some("a"), None));
        let [first, ..] = results;
        let differing = first.without(&run);
        assert_eq!(differing.models, ["a/1"]);
        assert_eq!((differing.agent.as_deref(), differing.tool), (Some("x"), None));
        assert_eq!(run.clone().without(&run), Origin::default());
        assert_eq!(Origin::of_all(&[]), Origin::default());
        assert_eq!(Origin::of_all(&[origin("a/1", "x"), origin("b/1", "x")]).provider, None);
        assert_eq!(origin("gpt-4o", "x").provider, None);
    }

    #[test]
    fn texts_are_bounded() {
        let long = "m".repeat(600);
        let mut bounded =
            Origin { models: vec![long.clone(), String::new(), long], ..origin("", "") };
        bounded.bound();
        assert_eq!((bounded.models.len(), bounded.models[0].len()), (1, 512));
        assert_eq!(bounded.agent, None);
    }
}
